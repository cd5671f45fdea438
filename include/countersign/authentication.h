#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "countersign/ids.h"
#include "countersign/secret.h"
#include "countersign/time.h"

namespace countersign {

/// What was decided of an attempt. An error instead says that nothing was decided.
enum class Verdict {
    accepted,
    refused,        ///< wrong or unknown, and not said which
    code_required,  ///< the password is right; a code is still wanted
    locked,         ///< not tried: too many failures, see `retry_after`
    disabled,       ///< the password is right; the user is disabled
    stale,          ///< this node's data is older than the pool allows
    not_held_here,  ///< the user's realm is not held at this node; do not show this to strangers
};

/// The stable name: "code_required".
const char* name(Verdict verdict) noexcept;

/// How a user proved who they are; a set.
enum class Methods : std::uint8_t { none = 0, password = 1, totp = 2, recovery_code = 4 };
constexpr Methods operator|(Methods left, Methods right) noexcept {
    return Methods{static_cast<std::uint8_t>(static_cast<std::uint8_t>(left) |
                                             static_cast<std::uint8_t>(right))};
}
constexpr bool includes(Methods held, Methods wanted) noexcept {
    return (static_cast<std::uint8_t>(held) & static_cast<std::uint8_t>(wanted)) ==
           static_cast<std::uint8_t>(wanted);
}

/// One attempt to sign in.
struct SignIn {
    std::string login;
    Secret password;
    /// A TOTP or recovery code; empty: none yet.
    std::string code;
    /// Instead of login and password: what an earlier attempt got with Verdict::code_required, at
    /// this node or another. Needs `code`.
    std::string challenge;
    /// Where the attempt came from, as the application sees it (an address, a device id). Queueing
    /// is fair per source, and a device that repeats one old password from one source counts once.
    std::string source;
    /// How long to wait for a place in the hashing queue; none: Options::deadline.
    std::optional<milliseconds> patience;
};

/// What was decided and on what ground. Show a stranger the verdict at most.
struct SignInResult {
    Verdict verdict = Verdict::refused;
    UserId user;  ///< once the password was right, whatever became of the code; else all zero
    Methods methods = Methods::none;  ///< what was verified
    std::string challenge;            ///< with code_required: hand it in with the code
    /// With locked: when to try again; none when only a success elsewhere or an operator can help.
    std::optional<milliseconds> retry_after;
    std::optional<std::uint32_t> tries_left;  ///< before the throttle, with refused
    NodeId node;                              ///< who decided
    Epoch epoch{};
    LogSeq seq{};                          ///< the log position decided on
    std::optional<milliseconds> data_age;  ///< of that position; none: not known
    bool new_hash_wanted = false;          ///< the stored hash is weaker than the policy
};

}  // namespace countersign
