#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <countersign/options.h>
#include <countersign/users.h>

#include "session.h"

/// Every command as the arguments that it was given, and what it does. Each `run` prints its
/// outcome; an error is left to the caller, who prints it.
namespace tool {

struct Init {
    StoreAt at;
    std::string name;
    std::string root_file;
    KeyChoice root_key;
    cs::PoolOptions pool;
};
struct ShowStatus {
    StoreAt at;
};

struct UserAdd {
    StoreAt at;
    std::string login;
    std::string display_name;
    std::string email;
    bool disabled = false;
    std::uint16_t realm = 1;
    bool no_password = false;
    bool password_stdin = false;
    bool password_hash_stdin = false;
    std::string blocked_passwords;
};
struct UserShow {
    StoreAt at;
    std::string login;
};
struct UserList {
    StoreAt at;
    std::string contains;
    std::string email;
    bool disabled = false;
    bool enabled = false;
    std::size_t limit = 0;  ///< 0: all
};
struct UserSet {
    StoreAt at;
    std::string login;
    std::optional<std::string> new_login;
    std::optional<std::string> display_name;
    std::optional<std::string> email;
};
struct UserPassword {
    StoreAt at;
    std::string login;
    bool own = false;  ///< the owner's change, which wants the current password
    bool password_stdin = false;
    std::string blocked_passwords;
};
struct UserSwitch {
    StoreAt at;
    std::string login;
    bool disable = false;
};
struct UserDisable : UserSwitch {
    UserDisable() { disable = true; }
};
struct UserEnable : UserSwitch {};
struct UserErase {
    StoreAt at;
    std::string login;
    bool yes = false;
};
struct UserImport {
    StoreAt at;
    std::string file;  ///< "-": standard input
    std::string format;
    std::string report;
    std::uint16_t realm = 1;
    unsigned threads = 0;
    bool strict = false;
    std::string blocked_passwords;
};
struct UserExport {
    StoreAt at;
    std::string format;
    std::string file;  ///< empty: standard output
};

struct TotpEnrol {
    StoreAt at;
    std::string login;
    cs::TotpOptions options;
    bool no_qr = false;
};
struct TotpConfirm {
    StoreAt at;
    std::string login;
    std::string code;
    std::string id;
};
struct TotpRemove {
    StoreAt at;
    std::string login;
    std::string id;
    bool all = false;
};
struct TotpRecovery {
    StoreAt at;
    std::string login;
};

struct Login {
    StoreAt at;
    std::string login;
    std::string code;
    std::string source;
    bool password_stdin = false;
    bool challenge_stdin = false;
};
struct LockoutShow {
    StoreAt at;
    std::string login;
};
struct LockoutClear {
    StoreAt at;
    std::string login;
};

struct MakeInvitation {
    StoreAt at;
    std::string name;
    std::vector<std::string> addresses;
    std::string root_file;
    KeyChoice root_key;
    cs::Capability may = cs::Capability::propose;
    std::vector<std::uint16_t> realms{1};
    cs::milliseconds expires_in{std::chrono::hours{24}};
};
struct Join {
    StoreAt at;
    std::string invitation;  ///< "-": a line of standard input
    std::vector<std::string> addresses;
    std::optional<cs::milliseconds> deadline;
};
struct Serve {
    StoreAt at;
    std::vector<std::string> listen;
    std::optional<cs::milliseconds> backoff_cap;
};
struct NodesList {
    StoreAt at;
};
struct NodesRemove {
    StoreAt at;
    std::string node;
    bool yes = false;
};
struct NodesConfirm {
    StoreAt at;
};

struct LogShow {
    StoreAt at;
    std::optional<std::uint64_t> from;
    std::size_t limit = 20;
};
struct LogVerify {
    StoreAt at;
};
struct LogCompact {
    StoreAt at;
};
struct KeysRewrap {
    StoreAt at;
    KeyChoice new_key;
    std::string root_file;
};

Outcome run(const Init& init, Session& session);
Outcome run(const ShowStatus& status, Session& session);
Outcome run(const UserAdd& add, Session& session);
Outcome run(const UserShow& show, Session& session);
Outcome run(const UserList& list, Session& session);
Outcome run(const UserSet& set, Session& session);
Outcome run(const UserPassword& change, Session& session);
Outcome run(const UserSwitch& change, Session& session);
Outcome run(const UserErase& erase, Session& session);
Outcome run(const UserImport& import, Session& session);
Outcome run(const UserExport& whole, Session& session);
Outcome run(const TotpEnrol& enrol, Session& session);
Outcome run(const TotpConfirm& confirm, Session& session);
Outcome run(const TotpRemove& remove, Session& session);
Outcome run(const TotpRecovery& recovery, Session& session);
Outcome run(const Login& login, Session& session);
Outcome run(const LockoutShow& show, Session& session);
Outcome run(const LockoutClear& clear, Session& session);
Outcome run(const MakeInvitation& invite, Session& session);
Outcome run(const Join& join, Session& session);
Outcome run(const Serve& serve, Session& session);
Outcome run(const NodesList& list, Session& session);
Outcome run(const NodesRemove& remove, Session& session);
Outcome run(const NodesConfirm& confirm, Session& session);
Outcome run(const LogShow& show, Session& session);
Outcome run(const LogVerify& verify, Session& session);
Outcome run(const LogCompact& compact, Session& session);
Outcome run(const KeysRewrap& rewrap, Session& session);

}  // namespace tool
