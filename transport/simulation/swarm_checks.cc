#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include <sqlite3.h>

#include "simulation/authenticator_app.h"
#include "simulation/swarm_run.h"

namespace countersign::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// Longer than the pause after a refusal (five minutes) and the longest back-off.
constexpr minutes peace{8};
constexpr std::uint64_t most_bytes_on_disk = std::uint64_t{64} << 20;
constexpr std::size_t most_handles = 24;
constexpr seconds age_slack{2};
constexpr minutes time_to_repair{3};
constexpr minutes time_to_answer{2};
constexpr std::size_t nonce_at = 7;
constexpr std::size_t nonce_size = 24;

bool contains(std::span<const std::byte> bytes, std::string_view text) {
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return all.find(text) != all.npos;
}

std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

// While it runs.

/// What each site holds, against what all have held.
void SwarmRun::check_heads() {
    for (auto& known : known_) {
        if (!known.site->is_running() || ended()) continue;
        const auto head = inside(known).store->links().store()->head();
        if (head.seq == known.head || head.seq == LogSeq{}) continue;
        const auto status = known.site->store().status();
        inside(known).notice_power();
        simulation_.world_->note(known.site->name(),
                                 "holds batch " + std::to_string(value(head.seq)));
        const auto [at, is_new] = branch_.try_emplace(head.seq, head.hash);
        if (is_new) first_seen_[head.seq] = time();
        check("prefix", is_new || at->second == head.hash, [&] {
            return known.site->name() + " holds another batch " + std::to_string(value(head.seq)) +
                   " than others had";
        });
        check("durable", head.seq > known.head, [&] {
            return known.site->name() + " went back from batch " +
                   std::to_string(value(known.head)) + " to " + std::to_string(value(head.seq));
        });
        known.head = head.seq;
        if (!status || status->seq != head.seq || status->stage != Stage::ready) continue;
        if (known.has_rotted && !status->damage.empty()) continue;  // it serves nobody
        const auto [digest, is_first] = digests_.try_emplace(head.seq, status->digest);
        check("one_digest", is_first || digest->second == status->digest, [&] {
            return known.site->name() + " has another digest at " +
                   std::to_string(value(head.seq)) + " than others";
        });
    }
}

/// That each site holds what it has told the primary to hold.
void SwarmRun::check_acks() {
    if (!primary().site->is_running() || std::ranges::any_of(known_, &Known::is_clone)) return;
    const auto links = inside(primary()).link_statuses();
    for (auto& known : known_) {
        if (known.was_restored || !known.is_member) continue;
        for (const auto& link : links) {
            if (link.name == known.site->name()) known.acked = std::max(known.acked, link.acked);
        }
        if (!known.site->is_running() || known.acked == LogSeq{}) continue;
        const LogSeq head = inside(known).store->links().store()->head().seq;
        check("durable", head >= known.acked, [&] {
            return known.site->name() + " holds batch " + std::to_string(value(head)) +
                   ", and had said to hold " + std::to_string(value(known.acked));
        });
    }
}

/// That a node which was shown its removal has stopped, and stays so.
void SwarmRun::check_removed() {
    for (auto& known : known_) {
        if (!inside(known).knows_its_removal || !known.site->is_running()) continue;
        const auto status = known.site->store().status();
        inside(known).notice_power();
        check("removed", !status || status->stage == Stage::removed, [&] {
            return known.site->name() + " was shown that it is removed, and goes on";
        });
    }
}

/// That a site whose first copy is under way signs nobody in.
void SwarmRun::check_newcomers() {
    for (Site* site : simulation_.sites()) {
        KnownUser* const user = some_user();
        if (!user || user->states.empty() || !site->is_running()) continue;
        const auto status = site->store().status();
        if (!status || status->stage == Stage::ready || status->stage == Stage::removed) continue;
        SignIn attempt;
        attempt.login = user->login;
        attempt.password = Secret(user->newest().password);
        const auto answer = site->store().authenticate(std::move(attempt));
        check("proved_copy", !answer, [&] {
            return site->name() + " answers an attempt before its first copy is proved";
        });
    }
}

/// That a site shows at least the failures that it has answered, and no fewer than it showed.
void SwarmRun::check_counts(Known& known) {
    KnownUser* const user = some_user();
    if (!user || user->is_unsure() || known.is_clone) return;
    const UserState* const state = user->at(known.head);
    if (!state || state->erased || state != &user->newest()) return;
    Guesses& guesses = known.guesses[{user->login, state->password}];
    if (is_being_tried(user->login)) return;  // a success clears before it is answered
    const auto shown = known.site->store().lockout().show(user->id);
    inside(known).notice_power();
    if (!shown) return;
    // A success elsewhere ends what was known there; when the news comes here, nobody can tell.
    const auto least =
        std::max(guesses.refused, is_cleared_afar(known, user->login) ? 0 : guesses.seen);
    check("counted", shown->password.failures >= least, [&] {
        return known.site->name() + " shows " + std::to_string(shown->password.failures) +
               " failures of " + user->login + ", and has answered or shown " +
               std::to_string(least);
    });
    guesses.seen = shown->password.failures;
}

/// A site's data is as old as the first batch that it lacks, and as the silence around it.
void SwarmRun::check_age(Known& known) {
    if (clocks_move() || &known == &primary()) return;
    const auto status = known.site->store().status();
    inside(known).notice_power();
    if (!status || !status->data_age) return;
    const auto missing = first_seen_.upper_bound(status->seq);
    const Instant since = std::min(known.alone_since,
                                   missing == first_seen_.end() ? Instant::max() : missing->second);
    if (since == Instant::max()) return;
    check("fresh", *status->data_age + age_slack >= time() - since, [&] {
        return known.site->name() + " calls its data " + std::to_string(status->data_age->count()) +
               " ms old, and has heard nothing for longer, or lacks batch " +
               (missing == first_seen_.end() ? "none" : std::to_string(value(missing->first)));
    });
}

void SwarmRun::check_caps(Known& known) {
    Disk& disk = inside(known).machine.disk();
    check("caps", disk.bytes_held() < most_bytes_on_disk, [&] {
        return known.site->name() + " has " + std::to_string(disk.bytes_held()) + " bytes on disk";
    });
    check("caps", disk.open_handles() <= most_handles, [&] {
        return known.site->name() + " has " + std::to_string(disk.open_handles()) + " files open";
    });
}

// In peace.

/// That everyone who has asked for a write is told something.
void SwarmRun::check_writes_end() {
    check("answers", await_writes(time_to_answer), [] {
        return "somebody who asked for a write was not told what came of it";
    });
}

void SwarmRun::check_agreement() {
    for (auto& known : known_) {
        if (!known.is_member || known.is_clone) continue;
        check("opens", known.site->is_running(), [&] {
            return known.site->name() + " does not run: " +
                   (known.site->failure() ? known.site->failure()->message() : "");
        });
    }
    if (ended()) return;
    check("agreement", simulation_.settle(peace), [&] {
        std::string heads;
        for (auto& known : known_) {
            if (!known.site->is_running()) continue;
            const auto status = known.site->store().status();
            heads += " " + known.site->name() + " at " +
                     (status ? std::to_string(value(status->seq)) : status.error().message());
        }
        return "left in peace for " + std::to_string(peace.count()) + " minutes:" + heads;
    });
    if (!ended()) check_heads();
}

/// Every user signs in, or does not, as the whole log says.
void SwarmRun::check_users(Known& known) {
    constexpr std::size_t most = 12;
    for (std::size_t i = 0; i < std::min(most, users_.size()) && !ended(); ++i) {
        KnownUser& user = *users_[draw_.below(users_.size())];
        if (user.is_unsure()) continue;
        sign_in(known, user, user.newest().password, std::nullopt);
        simulation_.run(milliseconds{100});
        check_counts(known);
    }
}

/// The log and the records from scratch, on every site.
void SwarmRun::check_logs() {
    for (auto& known : known_) {
        if (!known.is_member || known.is_clone) continue;
        auto verified = known.site->store().log().verify();
        if (!verified && known.has_rotted) {
            simulation_.run(time_to_repair);
            verified = known.site->store().log().verify();
        }
        check("replay", verified.has_value(), [&] {
            return known.site->name() + ": " + verified.error().message();
        });
    }
}

void SwarmRun::check_canaries() {
    check("no_canary", !canary_heard_, [] { return "a name or password went over a line"; });
    for (auto& known : known_) {
        const auto image = inside(known).machine.disk().image(store_directory, false);
        for (const auto& entry : image.entries) {
            check("no_canary", !contains(entry.bytes, canary_), [&] {
                return known.site->name() + " has a name or password in " + entry.path;
            });
        }
        for (const auto& event : known.site->events()) {
            check("no_canary", event.detail.find(canary_) == event.detail.npos, [&] {
                return known.site->name() + " told a name or password: " + event.detail;
            });
        }
    }
}

void SwarmRun::check_nonces() {
    std::map<std::string, std::string> sealed_by;
    for (auto& known : known_) {
        const bool is_mended = !known.has_rotted || known.is_member;  // by the others
        if (!known.site->is_running() || !is_mended) continue;
        sqlite3* database = nullptr;
        const std::string path = std::string(store_directory) + "/store.db";
        const bool opened =
            sqlite3_open_v2(
                path.c_str(), &database, SQLITE_OPEN_READONLY, inside(known).vfs().c_str()) ==
            SQLITE_OK;
        sqlite3_stmt* rows = nullptr;
        if (opened) sqlite3_prepare_v2(database, "SELECT sealed FROM record", -1, &rows, nullptr);
        while (rows && sqlite3_step(rows) == SQLITE_ROW) {
            const auto* bytes = static_cast<const char*>(sqlite3_column_blob(rows, 0));
            const std::string sealed(bytes,
                                     static_cast<std::size_t>(sqlite3_column_bytes(rows, 0)));
            if (sealed.size() < nonce_at + nonce_size) continue;
            // The key is named before the nonce.
            const auto [first, is_new] =
                sealed_by.try_emplace(sealed.substr(0, nonce_at + nonce_size), sealed);
            check("nonces", is_new || first->second == sealed, [&] {
                return known.site->name() + " sealed two things with one nonce";
            });
        }
        sqlite3_finalize(rows);
        sqlite3_close(database);
    }
}

/// Erases a user, lets go of the log everywhere, and looks for what is left of the record.
void SwarmRun::check_erasure() {
    const auto found = std::ranges::find_if(users_, [](const auto& user) {
        return !user->is_unsure() && !user->states.empty() && !user->newest().erased;
    });
    if (found != users_.end()) erase(**found, Way::waits);
    if (ended() || !simulation_.settle(minutes{1})) return;
    for (auto& known : known_) {
        if (!known.is_member || known.is_clone) continue;
        Store& store = known.site->store();
        const auto first = store.log().compact();
        check("erased", first.has_value(), [&] { return first.error().message(); });
        if (!first) return;
        if (first->batches_kept > 1) continue;  // somebody copies, and needs them
        const LogSeq head = store.links().store()->head().seq;
        const auto image = inside(known).machine.disk().image(store_directory, false);
        for (const auto& [id, seq] : erased_) {
            if (seq == head) continue;  // the newest batch is kept, and it is this one
            for (const auto& entry : image.entries) {
                check("erased", !contains(entry.bytes, as_text(id.bytes)), [&] {
                    return known.site->name() + " still has an erased record in " + entry.path;
                });
            }
        }
    }
}

}  // namespace countersign::simulation
