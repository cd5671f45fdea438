#pragma once

#include <string>
#include <vector>

#include "countersign/ids.h"
#include "countersign/time.h"

#include "sealing/aead.h"

namespace countersign::records {

/// The hash of RFC 6238 section 1.2 by which an authenticator makes its codes. The numbers are
/// stored.
enum class TotpAlgorithm : std::uint8_t { sha1 = 1, sha256 = 2, sha512 = 3 };

struct Authenticator {
    TotpId id;
    std::string label;
    sealing::PlainBytes secret;
    TotpAlgorithm algorithm = TotpAlgorithm::sha1;
    std::uint8_t digits = 6;
    std::uint16_t period = 30;  ///< seconds
    bool confirmed = false;     ///< a second factor only once a first code was confirmed
    UnixTime created{};
};

/// The keyed BLAKE2b-128 of one recovery code.
using RecoveryDigest = Id<struct RecoveryTag, 16>;

struct User {
    std::string login;         ///< RFC 8265 UsernameCaseMapped
    std::string display_name;  ///< at most 512 bytes
    std::string email;         ///< as it was given
    std::string email_key;     ///< the form in which two spellings of one address are the same
    bool disabled = false;
    std::string password_hash;  ///< PHC string; empty: no password is set
    PasswordVersion password_version{};
    UnixTime password_changed{};
    std::vector<Authenticator> authenticators;
    std::uint64_t recovery_version = 0;
    std::vector<RecoveryDigest> recovery_codes;
    UnixTime recovery_made{};
    UnixTime created{};
    UnixTime modified{};
};

}  // namespace countersign::records
