#pragma once

#include <string>

#include "countersign/error.h"
#include "countersign/time.h"

#include "records/seal.h"
#include "sealing/signature.h"

namespace countersign::accounts {

/// What a user holds between the right password and the code: any node of the realm lets it stand
/// for the password, once, for a few minutes, while the password is the same.
struct Challenge {
    Id<struct ChallengeTag, 16> id;
    UserId user;
    RealmId realm{};
    PasswordVersion password_version{};
    NodeId issuer;
    UnixTime expires{};
};

/// Base64url of: realm (2, LE) | key version (4, LE) | nonce (24) | sealed: id (16) | user (16) |
/// password version (8, LE) | issuer (32) | expires (8, LE, Unix ms) | signature (64, by the
/// issuer, kind "challenge", over the fields before it). Sealed under the realm's newest data key,
/// bound to the pool. Errors: errc::not_held.
Result<std::string> seal_challenge(const Challenge& challenge,
                                   const PoolId& pool,
                                   const sealing::Keyring& keyring,
                                   const sealing::SigningKey& key,
                                   const sealing::Nonce& nonce);

/// Whether the issuer is still a member, and the challenge in time and unspent, is for the caller.
/// Errors: errc::malformed, errc::not_held, errc::bad_signature; none tells a stranger anything.
Result<Challenge> open_challenge(std::string_view text,
                                 const PoolId& pool,
                                 const sealing::Keyring& keyring);

}  // namespace countersign::accounts
