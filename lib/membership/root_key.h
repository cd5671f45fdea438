#pragma once

#include <string>

#include "countersign/environment.h"
#include "countersign/error.h"
#include "countersign/keys.h"

#include "sealing/signature.h"

namespace countersign::membership {

/// The pool's root key in a file of its own, wrapped by a KeyProvider: whoever opens it can admit
/// nodes and say what each may do.
///
/// The file: "countersign root key 1\n" | pool (16) | public key (32) | the wrapped seed.
/// Errors: errc::already_exists (nothing is overwritten), those of the provider and the disk.
Result<void> write_root_key(const std::string& path,
                            const PoolId& pool,
                            const Secret& seed,
                            KeyProvider& provider,
                            Environment& environment);

/// Removes the file, durably, if it is there and is this pool's; else it stays. Errors: those of
/// the disk.
Result<void> remove_root_key(const std::string& path, const PoolId& pool, Environment& environment);

/// Errors: errc::not_found, errc::malformed (not such a file), errc::wrong_pool, errc::wrong_key
/// and those of the provider and the disk.
Result<sealing::SigningKey> read_root_key(const std::string& path,
                                          const PoolId& pool,
                                          KeyProvider& provider,
                                          Environment& environment);

/// Wraps what `from` opens with `to`; the file is replaced whole, durably. Errors: as
/// read_root_key.
Result<void> rewrap_root_key(const std::string& path,
                             const PoolId& pool,
                             KeyProvider& from,
                             KeyProvider& to,
                             Environment& environment);

}  // namespace countersign::membership
