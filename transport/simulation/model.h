#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "countersign/ids.h"
#include "countersign/rows.h"
#include "countersign/time.h"

namespace countersign::simulation {

/// What the primary has said of one user, and at which place in the log.
struct UserState {
    LogSeq seq{};
    std::string password;
    bool disabled = false;
    bool erased = false;
    std::string totp_uri;  ///< of the confirmed authenticator; empty: none
    friend bool operator==(const UserState& left, const UserState& right) {
        return left.password == right.password && left.disabled == right.disabled &&
               left.erased == right.erased && left.totp_uri == right.totp_uri;
    }
};

/// What one write makes of a user.
struct UserChange {
    std::uint64_t number = 0;  ///< one for each
    std::optional<std::string> password;
    std::optional<bool> disabled;
    std::optional<std::string> totp_uri;
    bool erases = false;
    bool is_under_way = true;       ///< nobody has been told yet what came of it
    std::optional<errc> told = {};  ///< instead of whether it happened

    UserState after(UserState state, LogSeq seq) const {
        state.seq = seq;
        if (password) state.password = *password;
        if (disabled) state.disabled = *disabled;
        if (totp_uri) state.totp_uri = *totp_uri;
        state.erased = erases;
        return state;
    }
};

/// A user as the operators of a pool know it.
struct KnownUser {
    std::string login;
    UserId id;
    std::vector<UserState> states;  ///< in the order of the log
    /// Writes that are under way, or of which nobody knows whether they happened, in the order in
    /// which they were asked for.
    std::vector<UserChange> open;
    bool is_lost = false;  ///< nobody will ever know what became of them

    bool is_unsure() const { return is_lost || !open.empty(); }
    bool is_under_way() const { return std::ranges::any_of(open, &UserChange::is_under_way); }

    /// As a node that holds the log up to `seq` should see it; null: not there yet.
    const UserState* at(LogSeq seq) const {
        const UserState* found = nullptr;
        for (const auto& state : states) {
            if (state.seq <= seq) found = &state;
        }
        return found;
    }
    const UserState& newest() const { return states.back(); }
};

/// What one site has answered to guesses at one user's password, since the last success there.
struct Guesses {
    std::uint64_t refused = 0;       ///< verified and wrong, and answered so
    std::uint64_t in_flight = 0;     ///< not answered yet
    std::uint64_t unanswered = 0;    ///< ended without an answer; may have been counted
    std::uint64_t ever_refused = 0;  ///< by successes here too: that news may not have come afar
    std::uint64_t seen = 0;          ///< effective failures, as the site last showed them
    std::uint64_t renewals = 0;      ///< successes and unlocks so far: then the count begins anew
    Instant last_refused{};
    RowAuthor author;     ///< in whose rows those are that were refused,
    RowSeq place{};       ///< which are all at or below this
    bool is_cut = false;  ///< the site was restored since the last success: one guess

    /// One ended without an answer, or with one that cannot be judged: it may have counted, or,
    /// where it may have been right, have cleared all.
    void lose(bool may_be_right) {
        ++unanswered;
        if (!may_be_right) return;
        unanswered += refused;
        refused = 0;
        seen = 0;
        ++renewals;
    }

    /// At another site the user succeeded, or may have: what was known there ends here as well, now
    /// or when the news comes.
    void clear_from_afar() {
        unanswered += refused;
        refused = 0;
        seen = 0;
        is_cut = false;
        ++renewals;
    }
};

/// A code that a site has accepted.
struct CodeUse {
    std::size_t site = 0;
    RowAuthor author;
    RowSeq place{};  ///< the row that says so is at or below this
};

}  // namespace countersign::simulation
