#include "attempts/journal.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <limits>
#include <utility>

namespace countersign::attempts {
namespace {

constexpr std::size_t max_leaving_per_group = 1'024;
constexpr std::uint64_t max_row_seq = std::numeric_limits<std::int64_t>::max();

bool has_new_failure(const TallyRow& row, const TallyRow* before) {
    if (before == nullptr || before->window != row.window) return row.failures > 0;
    return row.failures > before->failures;
}

bool has_clear_beyond(const TallyRow& row, const TallyRow& before) {
    return std::ranges::any_of(row.clears, [&](const Clear& clear) {
        const Clear* held = before.clear_of(clear.subject());
        return held == nullptr || *held != clear;
    });
}

Error erased_user() {
    return {errc::not_found, "the user was erased meanwhile"};
}

}  // namespace

Journal::Journal(Tables& tables, const Context& context, const AuthorRow& author)
    : tables_(&tables), context_(context), author_(author) {}

Result<Journal> Journal::begin(Tables& tables, const Context& context) {
    const auto author = tables.author();
    if (!author) return author.error();
    if (!*author) return Error(errc::corrupt, "this directory has no incarnation; restore it");
    return Journal(tables, context, **author);
}

Stamp Journal::next_stamp() const noexcept {
    return {node(), author_.incarnation, RowSeq{value(author_.row_seq) + 1}, context_.head};
}

Result<Journal::Held*> Journal::hold(const CredentialId& credential) {
    if (erased_.contains(credential.user())) return erased_user();
    if (const auto place = held_.find(credential); place != held_.end()) return &place->second;
    const auto stored = tables_->tallies(credential);
    if (!stored) return stored.error();
    Held held{context_.sightings.set_of(credential, *stored, context_.now), {}};
    if (author_.is_restored) {
        const auto is_renewed = tables_->is_renewed(credential);
        if (!is_renewed) return is_renewed.error();
        held.is_renewed = *is_renewed;
    }
    for (const auto& tally : *stored) {
        const bool is_own = tally.row.author() == next_stamp().author();
        if (is_own && tally.row.row_seq > author_.row_seq) {
            return Error(errc::corrupt, "a row is ahead of its author's count; run a repair");
        }
        held.marks.emplace(tally.row.author(), Mark{tally.arrival, false, tally.signature});
    }
    return &held_.emplace(credential, std::move(held)).first->second;
}

bool Journal::put(Held& held,
                  const TallyRow& row,
                  const std::optional<sealing::Signature>& signature) {
    const bool has_failed = has_new_failure(row, held.rows.find(row.author()));
    if (!held.rows.merge(row, context_.now)) return false;
    Mark& mark = held.marks[row.author()];
    if (has_failed) {
        author_.arrival = Arrival{value(author_.arrival) + 1};
        mark.arrival = author_.arrival;
    }
    mark.is_changed = true;
    mark.signature = signature;
    has_rows_ = true;
    return true;
}

// Each change takes a row_seq of its own, because windows are named by them; those that a later
// change in the group supersedes are never seen outside.
bool Journal::write_own(Held& held, std::optional<TallyRow> row) {
    if (!row) return false;
    author_.row_seq = row->row_seq;
    const bool is_taken = put(held, *row, std::nullopt);
    assert(is_taken && "a row with the next row_seq supersedes");
    return true;
}

bool Journal::write_clear(Held& held, std::optional<TallyRow> row) {
    const CredentialId credential = held.rows.credential();
    const bool has_cleared = write_own(held, std::move(row));
    if (has_cleared) clears_.emplace_back(node(), credential.user());
    if (held.is_renewed) return has_cleared;
    held.is_renewed = true;
    held.renews = true;
    has_rows_ = true;
    return true;
}

Result<TallySet> Journal::tallies(const CredentialId& credential) {
    auto held = hold(credential);
    if (!held) return held.error();
    return (*held)->rows;
}

Result<void> Journal::count_failure(const CredentialId& credential) {
    auto held = hold(credential);
    if (!held) return held.error();
    write_own(**held, attempts::count_failure((*held)->rows, next_stamp()));
    return {};
}

Result<bool> Journal::record_success(const CredentialId& credential) {
    auto held = hold(credential);
    if (!held) return held.error();
    return write_clear(**held,
                       attempts::record_success((*held)->rows, next_stamp(), context_.whose_word));
}

Result<bool> Journal::operator_clear(const CredentialId& credential) {
    auto held = hold(credential);
    if (!held) return held.error();
    return write_clear(**held,
                       attempts::operator_clear((*held)->rows, next_stamp(), context_.whose_word));
}

Result<bool> Journal::is_free(const CredentialId& credential,
                              const Code& code,
                              const StepView& view) {
    assert(view.node == node());
    if (erased_.contains(credential.user())) return erased_user();
    auto rows = tables_->spent(credential, code);
    if (!rows) return rows.error();
    if (const auto place = spent_.find(credential); place != spent_.end()) {
        for (const auto& pending : place->second) rows->push_back(pending.row);
    }
    if (const auto step = code.step()) {
        return step_is_free(*step, credential, *rows, view, context_.whose_spent);
    }
    return !code_is_spent(code, credential, *rows, view.node, context_.whose_spent);
}

Result<bool> Journal::spend(const CredentialId& credential,
                            const Code& code,
                            UnixTime expiry,
                            const StepView& view) {
    const auto free = is_free(credential, code, view);
    if (free && *free) mark_spent(credential, code, expiry);
    return free;
}

void Journal::mark_spent(const CredentialId& credential, const Code& code, UnixTime expiry) {
    const Stamp stamp = next_stamp();
    author_.row_seq = stamp.row_seq;
    spent_[credential].push_back({SpentRow{.credential = credential,
                                           .code = code,
                                           .node = stamp.node,
                                           .incarnation = stamp.incarnation,
                                           .row_seq = stamp.row_seq,
                                           .head = stamp.head,
                                           .expiry = expiry},
                                  std::nullopt});
    has_rows_ = true;
}

Result<bool> Journal::take(const TallyRow& row, const sealing::Signature& signature) {
    assert(row.author() != next_stamp().author());
    if (value(row.row_seq) > max_row_seq) return Error(errc::malformed, "a row_seq above 2^63");
    auto held = hold(row.credential);
    if (!held) return held.error();
    const TallyRow* before = (*held)->rows.find(row.author());
    const bool brings_clear =
        !row.clears.empty() && (before == nullptr || has_clear_beyond(row, *before));
    if (!put(**held, row, signature)) return false;
    if (!(*held)->is_renewed && is_unlocked_by(**held, row)) {
        (*held)->is_renewed = true;
        (*held)->renews = true;
    }
    if (brings_clear) clears_.emplace_back(row.node, row.credential.user());
    const auto& rows = (*held)->rows;
    auto changed = open_new_window(rows, next_stamp(), context_.whose_word);
    if (!changed) changed = drop_clears(rows, next_stamp());
    write_own(**held, std::move(changed));
    return true;
}

bool Journal::is_unlocked_by(const Held& held, const TallyRow& row) const {
    const TallyRow* own = held.rows.find(next_stamp().author());
    const Clear* clear = own != nullptr ? row.clear_of(own->author()) : nullptr;
    return clear != nullptr && clear->window == own->window && clear->failures <= own->failures &&
           context_.whose_word.clears_count(row);
}

Result<std::vector<NodeId>> Journal::take(const SpentRow& row,
                                          const sealing::Signature& signature) {
    assert(row.node != node() || row.incarnation != author_.incarnation);
    if (value(row.row_seq) > max_row_seq) return Error(errc::malformed, "a row_seq above 2^63");
    if (erased_.contains(row.credential.user())) return erased_user();
    auto known = tables_->spent(row.credential, row.code);
    if (!known) return known.error();
    auto& pending = spent_[row.credential];
    for (const auto& each : pending) known->push_back(each.row);
    std::vector<NodeId> others;
    if (context_.whose_spent.counts(row)) {
        for (const auto& each : *known) {
            const bool is_other = is_double_use(each, row) &&
                                  (each.node == node() || context_.whose_spent.counts(each));
            if (is_other) others.push_back(each.node);
        }
    }
    pending.push_back({row, signature});
    has_rows_ = true;
    return others;
}

void Journal::hear(const Author& author, RowSeq row_seq) {
    auto& heard = heard_[author];
    heard = std::max(heard, row_seq);
}

Result<bool> Journal::let_go(const CredentialId& credential) {
    auto held = hold(credential);
    if (!held) return held.error();
    const Stamp stamp = next_stamp();
    const TallyRow* own = (*held)->rows.find(stamp.author());
    if (own == nullptr || own->failures == 0) return false;
    TallyRow row = *own;
    row.row_seq = stamp.row_seq;
    row.window = stamp.row_seq;
    row.failures = 0;
    row.head = stamp.head;
    return write_own(**held, std::move(row));
}

Result<bool> Journal::make_room(UnknownRows& unknown) {
    assert(!has_rows_);
    const auto is_overrun = unknown.catch_up(*tables_, next_stamp().author(), context_.now);
    if (!is_overrun) return is_overrun;
    std::vector<CredentialId> gone;  // dropped or erased since
    std::size_t written = 0;
    for (const auto& credential : unknown.leaving()) {
        if (written == max_leaving_per_group) break;
        const auto is_written = let_go(credential);
        if (!is_written) return is_written;
        if (*is_written) {
            ++written;
        } else {
            gone.push_back(credential);
        }
    }
    for (const auto& credential : gone) unknown.has_left(credential);
    return is_overrun;
}

void Journal::erase(const UserId& user) {
    const auto of_user = [&](const auto& entry) { return entry.first.user() == user; };
    std::erase_if(held_, of_user);
    std::erase_if(spent_, of_user);
    erased_.insert(user);
}

bool Journal::has_changes() const noexcept {
    return has_rows_ || !erased_.empty() || !heard_.empty();
}

Result<void> Journal::flush(UnixTime wall) {
    for (const auto& user : erased_) {
        if (auto done = tables_->erase(user); !done) return done;
    }
    for (const auto& [author, row_seq] : heard_) {
        if (auto done = tables_->put_heard(author, row_seq); !done) return done;
    }
    if (!has_rows_) return {};
    if (auto done = write_tallies(); !done) return done;
    if (auto done = write_spent(); !done) return done;
    author_.time = std::max(author_.time, wall);
    return tables_->put_author(author_);
}

Result<void> Journal::write_tallies() {
    for (const auto& [credential, held] : held_) {
        if (held.renews) {
            if (auto done = tables_->put_renewed(credential); !done) return done;
        }
        for (const auto& [author, mark] : held.marks) {
            if (!mark.is_changed) continue;
            const TallyRow& row = *held.rows.find(author);
            const StoredTally tally{
                row, mark.signature ? *mark.signature : sign(row, context_.key), mark.arrival};
            if (auto done = tables_->put(tally); !done) return done;
        }
    }
    return {};
}

Result<void> Journal::write_spent() {
    for (const auto& [credential, pending] : spent_) {
        for (const auto& [row, signature] : pending) {
            const StoredSpent spent{row, signature ? *signature : sign(row, context_.key)};
            if (auto done = tables_->put(spent); !done) return done;
        }
    }
    return {};
}

}  // namespace countersign::attempts
