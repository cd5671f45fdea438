#pragma once

#include <vector>

#include "countersign/error.h"

#include "commands/command.h"
#include "records/index.h"
#include "records/pool_settings.h"
#include "records/seal.h"
#include "records/table.h"
#include "sealing/entropy.h"

namespace countersign::commands {

/// What a command's effect depends on besides the records.
struct Context {
    const records::Sealer& sealer;
    const records::Index& index;
    const records::PoolSettings& settings;
    const PoolId& pool;
    const sealing::PublicKey& root_key;
    UnixTime now;
    sealing::Entropy& entropy;  ///< nonces come from here
};

/// The effect of one command on the records as `reader` sees them: changes, sealed, or why there is
/// none. Pure: the same arguments give the same bytes, and nothing is written.
/// Errors: errc::not_found, errc::already_exists, errc::invitation_expired, errc::invitation_spent,
/// errc::not_permitted, errc::bad_signature, errc::wrong_pool, errc::malformed,
/// errc::already_confirmed, errc::conflict, errc::limit_reached, errc::invalid_hash (no PHC string,
/// or above the caps), errc::invalid_argument (it could not be read again), errc::too_large,
/// errc::not_held, errc::corrupt, errc::newer_format, errc::io_error.
Result<std::vector<records::Change>> execute(const Command& command,
                                             records::Reader& reader,
                                             const Context& context);

}  // namespace countersign::commands
