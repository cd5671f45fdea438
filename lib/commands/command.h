#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "countersign/ids.h"

#include "records/statements.h"
#include "records/user.h"

namespace countersign::commands {

// A write as a value. What arrives here has been checked and normalised; nothing slow is left to
// do.

struct CreateUser {
    UserId id;
    RealmId realm{};
    records::User user;
};

struct ChangeUser {
    UserId id;
    std::optional<std::string> login;  ///< normalised
    std::optional<std::string> display_name;
    struct Email {
        std::string given;
        std::string key;  ///< normalised; empty with an empty address
    };
    std::optional<Email> email;
    std::optional<bool> disabled;
};

struct SetPassword {
    UserId id;
    std::string hash;  ///< PHC string
    /// Only while the password is still this version; else errc::conflict.
    std::optional<PasswordVersion> expected;
    /// The same password under a stronger hash: its version, and what was counted against it, stay.
    /// Needs `expected`.
    bool rehash = false;
};

struct EraseUser {
    UserId id;
};

struct AddAuthenticator {
    UserId id;
    records::Authenticator authenticator;
};

struct ConfirmAuthenticator {
    UserId id;
    TotpId authenticator;
};

struct RemoveAuthenticator {
    UserId id;
    TotpId authenticator;
};

struct SetRecoveryCodes {
    UserId id;
    std::vector<records::RecoveryDigest> codes;
};

/// Keeps a door open for one new node.
struct Invite {
    RecordId id;
    records::Invitation invitation;
};

/// Lets the holder of an invitation in: writes its membership, spends the invitation, and hands
/// over the data keys of its realms.
struct Admit {
    RecordId invitation;
    records::SignedStatement admission;
    std::vector<std::string> addresses;
    std::vector<std::pair<RecordId, records::KeyGrant>> grants;
};

/// The node's rows of attempts count up to where `rows` says, and no further.
struct RemoveNode {
    NodeId node;
    std::vector<records::Departure::Place> rows;
};

using Command = std::variant<CreateUser,
                             ChangeUser,
                             SetPassword,
                             EraseUser,
                             AddAuthenticator,
                             ConfirmAuthenticator,
                             RemoveAuthenticator,
                             SetRecoveryCodes,
                             Invite,
                             Admit,
                             RemoveNode>;

}  // namespace countersign::commands
