#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "countersign/mutants.h"

#include "attempts/members_word.h"
#include "attempts/unknown_names.h"
#include "hall.h"
#include "hall_replication.h"
#include "records/codec.h"

// Rows of attempts, as links give and take them.

namespace countersign {
namespace {

constexpr std::size_t sweep_slice = 1'000;
constexpr RowSeq no_end{std::numeric_limits<std::int64_t>::max()};
/// More lives than a directory has that is restored every week for years.
constexpr std::ptrdiff_t lives_of_a_node = 256;

/// Up to which row an author's word is taken; none: it is no member that this log knows of.
std::optional<RowSeq> last_that_counts(const PoolView& pool, const RowAuthor& author) {
    if (membership::find(pool.members, author.node)) return no_end;
    for (const auto& departure : pool.departures) {
        if (departure.node != author.node) continue;
        for (const auto& place : departure.rows) {
            if (place.incarnation == author.incarnation) return place.row_seq;
        }
        return RowSeq{};
    }
    return std::nullopt;
}

attempts::Author to_author(const RowAuthor& author) {
    return {.node = author.node, .incarnation = author.incarnation};
}

AttemptRow to_attempt_row(const attempts::SignedRow& row) {
    return {.seq = row.row_seq,
            .kind = row.kind == attempts::SignedRow::Kind::tally ? RowKind::tally : RowKind::spent,
            .signature = SignatureBytes{row.signature.bytes},
            .bytes = {row.bytes.begin(), row.bytes.end()}};
}

}  // namespace

/// A run whose rows are verified, and the place up to which they bring their author.
struct Hall::Replication::VerifiedRun {
    RowAuthor author;
    RowSeq last{};
    std::vector<attempts::ReceivedRow> rows;
};

Result<void> Hall::Replication::load_rows() {
    auto& tables = hall_.writing_->attempts;
    const auto author = tables.author();
    if (!author) return author.error();
    if (!*author) return Error(errc::corrupt, "this node's incarnation is missing");
    const auto heard = tables.heard();
    if (!heard) return heard.error();
    row_places_.load(*heard, hall_.identity_->node, **author);
    return {};
}

void Hall::Replication::rows_moved(const attempts::Journal& journal, Instant now) {
    for (const auto& [node, user] : journal.clears()) {
        if (!hall_.clear_watch_.cleared(node, user, now)) continue;
        hall_.tell(Event::Kind::many_clears,
                   "of user " + to_string(user) + " by node " + to_string(node));
    }
    std::vector<std::pair<RowAuthor, RowSeq>> places{
        {{hall_.identity_->node, journal.author().incarnation}, journal.author().row_seq}};
    for (const auto& [author, row_seq] : journal.heard()) {
        places.push_back({{author.node, author.incarnation}, row_seq});
    }
    if (row_places_.raise(places)) notify();
}

/// What another process on the directory has written of rows.
Result<bool> Hall::Replication::look_at_rows(attempts::Tables& tables) {
    const auto author = tables.author();
    if (!author) return author.error();
    const auto heard = tables.heard();
    if (!heard) return heard.error();
    std::vector<std::pair<RowAuthor, RowSeq>> places;
    for (const auto& [by, row_seq] : *heard) places.push_back({{by.node, by.incarnation}, row_seq});
    if (*author) {
        places.push_back({{hall_.identity_->node, (*author)->incarnation}, (*author)->row_seq});
    }
    return row_places_.raise(places);
}

std::shared_ptr<const RowVector> Hall::Replication::row_vector() {
    return row_places_.vector();
}

RowCounts Hall::Replication::row_counts() const {
    const std::lock_guard guard(mutex_);
    return row_counts_;
}

void Hall::Replication::count_rows(std::uint64_t RowCounts::* kind, std::uint64_t rows) {
    const std::lock_guard guard(mutex_);
    row_counts_.*kind += rows;
}

Result<sqlite::ReaderPool<Readers>::Lease> Hall::Replication::row_reader() {
    // A node that waits for rows has its log already, and answers nothing else.
    return hall_.stage_ == Stage::copying ? hall_.readers_->lease() : hall_.reader();
}

Result<RowPage> Hall::Replication::read_rows(const RowVector& known,
                                             std::size_t max_bytes,
                                             std::size_t max_rows) {
    const auto pool = hall_.view();
    const auto held = row_vector();
    if (!pool || !held) return RowPage{};
    auto readers = row_reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    RowPage page;
    std::size_t bytes = 0;
    std::size_t rows = 0;
    for (const auto& [author, place] : *held) {
        const auto from = known.find(author);
        RowRun run{
            .author = author, .after = from == known.end() ? RowSeq{} : from->second, .rows = {}};
        const auto last = last_that_counts(*pool, author);
        if (place <= run.after || !last) continue;
        const auto read = (*readers)->attempts.each_of(
            to_author(author), RowSeq{value(run.after) + 1}, [&](const attempts::SignedRow& row) {
                if (row.row_seq > *last || row.row_seq > place) return false;
                if (rows > 0 && (bytes >= max_bytes || rows >= max_rows)) page.all = false;
                if (!page.all) return false;
                bytes += row.bytes.size();
                ++rows;
                run.rows.push_back(to_attempt_row(row));
                return true;
            });
        if (!read) return read.error();
        if (is_planted(Mutant::newest_row_alone) && !run.rows.empty()) {
            run.rows.erase(run.rows.begin(), run.rows.end() - 1);
        }
        if (page.all) {
            page.reached[author] = place;
        } else if (!run.rows.empty()) {
            page.reached[author] = run.rows.back().seq;
        }
        if (!run.rows.empty()) page.runs.push_back(std::move(run));
        if (!page.all) break;
    }
    return page;
}

/// Whether rows that came under this node's own name show that another directory lives its life.
Result<bool> Hall::Replication::shows_a_twin(const RowRun& run) {
    const auto rows = attempts::verify_run(run, RowSeq{}, no_end);
    if (!rows) return rows.error();
    auto readers = row_reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    const auto self = (*readers)->attempts.author();
    if (!self) return self.error();
    if (!*self || (*self)->incarnation != run.author.incarnation) return false;
    for (const auto& row : *rows) {
        const auto is_twins = attempts::is_of_a_twin(row, (*readers)->attempts, **self);
        if (!is_twins || *is_twins) return is_twins;
    }
    return false;
}

Result<void> Hall::Replication::leave_life_of_twin() {
    count_rows(&RowCounts::of_twins, 1);
    const auto left = hall_.leave_incarnation(true);
    if (!left) return left.error();
    hall_.tell(Event::Kind::new_incarnation,
               "rows have come that this node signed and this directory never wrote");
    return {};
}

/// Whether a row says anything here: not of a user whom this log does not hold any more, nor of a
/// code that has expired.
Result<bool> Hall::Replication::is_of_use(const attempts::ReceivedRow& row, LogSeq head) {
    const auto* spent = std::get_if<attempts::SpentRow>(&row.row);
    if (spent && spent->expiry <= hall_.judged_time()) {
        count_rows(&RowCounts::expired, 1);
        return false;
    }
    const UserId& user = row.credential().user();
    if (attempts::is_pseudo_user_id(user, *hall_.pseudonym_key_)) return true;
    const auto record = hall_.writing_->ledger.reader.get(records::name_of(user));
    if (!record) return record.error();
    const bool is_known = *record || head < row.head();  // else the log has not come so far
    if (!is_known) count_rows(&RowCounts::of_nobody, 1);
    return is_known;
}

/// Whether its author may have one row more here, if it is not one in place of another.
Result<bool> Hall::Replication::has_room_for(const attempts::ReceivedRow& row,
                                             const RowAuthor& author) {
    auto& tables = hall_.writing_->attempts;
    const auto users = [&] {
        return hall_.writing_->ledger.reader.count(records::RecordKind::user);
    };
    const Instant time = hall_.now().monotonic;
    const bool is_tally = std::holds_alternative<attempts::TallyRow>(row.row);
    const auto kind = is_tally ? RowKind::tally : RowKind::spent;
    const auto fits = row_bounds_.admit(author.node, kind, users, tables, time);
    if (!fits || *fits) return fits;
    if (is_tally) {
        const auto held = tables.tallies(row.credential());
        if (!held) return held.error();
        for (const auto& each : *held) {
            if (each.row.author() == to_author(author)) return true;
        }
    }
    count_rows(&RowCounts::too_many, 1);
    if (row_bounds_.is_news(author.node, time)) {
        hall_.tell(Event::Kind::too_many_rows, "of node " + to_string(author.node));
    }
    return false;
}

Result<bool> Hall::Replication::take_row(attempts::Journal& journal,
                                         const attempts::ReceivedRow& row,
                                         const RowAuthor& author,
                                         std::vector<std::string>& double_uses) {
    const auto useful = is_of_use(row, head().seq);
    if (!useful || !*useful) return useful;
    const auto room = has_room_for(row, author);
    if (!room || !*room) return room;
    if (const auto* tally = std::get_if<attempts::TallyRow>(&row.row)) {
        const auto taken = journal.take(*tally, row.signature);
        if (!taken && taken.error() == errc::not_found) return false;  // erased in this group
        if (!taken) return taken.error();
        return true;
    }
    const auto& spent = std::get<attempts::SpentRow>(row.row);
    const auto others = journal.take(spent, row.signature);
    if (!others && others.error() == errc::not_found) return false;
    if (!others) return others.error();
    for (const auto& other : *others) {
        if (is_planted(Mutant::silent_double_use)) break;
        double_uses.push_back("of user " + to_string(spent.credential.user()) + " at nodes " +
                              to_string(other) + " and " + to_string(spent.node));
    }
    return true;
}

Result<std::vector<Hall::Replication::VerifiedRun>> Hall::Replication::verify_runs(
    std::span<const RowRun> runs, const PoolView& pool, RowsTaken& taken) {
    const auto held = row_vector();
    const RowAuthor self{hall_.identity_->node, hall_.incarnation().incarnation};
    RowVector reached;
    std::vector<VerifiedRun> verified;
    for (const auto& run : runs) {
        if (run.author == self) {
            const auto is_twins = shows_a_twin(run);
            if (!is_twins) return refused(is_twins.error());
            taken.is_new_life = taken.is_new_life || *is_twins;
            continue;
        }
        const auto last = last_that_counts(pool, run.author);
        if (!last) {
            count_rows(&RowCounts::of_strangers, run.rows.size());
            taken.ask_again = true;
            continue;
        }
        RowSeq& place = reached.try_emplace(run.author, row_places_.of(run.author)).first->second;
        const auto lives = std::ranges::count(
            *held, run.author.node, [](const auto& entry) { return entry.first.node; });
        const bool is_surplus = lives >= lives_of_a_node && !held->contains(run.author);
        if (run.after > place || is_surplus) {
            count_rows(is_surplus ? &RowCounts::too_many : &RowCounts::alone, run.rows.size());
            continue;
        }
        auto rows = attempts::verify_run(run, place, *last);
        if (!rows) return refused(rows.error());
        const auto late = static_cast<std::uint64_t>(
            std::ranges::count_if(run.rows, [&](const auto& row) { return row.seq > *last; }));
        count_rows(&RowCounts::after_removal, late);
        count_rows(&RowCounts::held, run.rows.size() - rows->size() - late);
        if (rows->empty()) continue;
        place = rows->back().row_seq();
        verified.push_back({run.author, place, std::move(*rows)});
    }
    return verified;
}

Result<RowsTaken> Hall::Replication::take_rows(std::span<const RowRun> runs) {
    const auto pool = hall_.view();
    if (!pool || !row_vector()) return Error(errc::not_a_member, "this node has no log yet");
    RowsTaken taken;
    const auto verified = verify_runs(runs, *pool, taken);
    if (!verified) return verified.error();
    if (taken.is_new_life) {  // which says another vector, and is sent them again
        auto left = leave_life_of_twin();
        return left ? Result<RowsTaken>(taken) : left.error();
    }
    if (verified->empty()) return taken;

    std::uint64_t stored = 0;
    std::set<attempts::CredentialId> changed;
    std::vector<std::string> double_uses;
    const auto write = [&](attempts::Journal& journal) -> Result<void> {
        for (const auto& run : *verified) {
            const RowSeq known = row_places_.of(run.author);  // another link may have brought some
            for (const auto& row : run.rows) {
                if (row.row_seq() <= known) continue;
                const auto done = take_row(journal, row, run.author, double_uses);
                if (!done) return done.error();
                if (!*done) continue;
                ++stored;
                changed.insert(row.credential());
            }
            journal.hear(to_author(run.author), run.last);
        }
        return {};
    };
    const auto outcome = hall_.queue_.commit({.rows = write, .execute = {}});
    if (!outcome) return outcome.error();
    count_rows(&RowCounts::taken, stored);
    notice_rows(changed, double_uses);
    return taken;
}

void Hall::Replication::notice_rows(const std::set<attempts::CredentialId>& changed,
                                    const std::vector<std::string>& double_uses) {
    for (const auto& each : double_uses) hall_.tell(Event::Kind::code_used_twice, each);
    const Instant time = hall_.now().monotonic;
    for (const auto& credential : changed) {
        hall_.gate_->standing_changed(
            credential, [&] { return hall_.read_standing(*hall_.view(), credential); }, time);
    }
}

/// Counts what is wrong with a row that ends the link.
Error Hall::Replication::refused(const Error& error) {
    count_rows(error == errc::bad_signature ? &RowCounts::forged
               : error == errc::too_large   ? &RowCounts::too_large
                                            : &RowCounts::malformed,
               1);
    return error;
}

/// Whether a user's record may still name what a row counts against: it does, or cannot be opened.
Result<bool> Hall::Replication::may_name(const attempts::CredentialId& credential) {
    using attempts::CredentialId;
    const UserId& id = credential.user();
    if (attempts::is_pseudo_user_id(id, *hall_.pseudonym_key_)) return true;
    const auto name = records::name_of(id);
    const auto record = hall_.writing_->ledger.reader.get(name);
    if (!record) return record.error();
    if (!*record) return false;
    const auto content = hall_.view()->sealer.open(name, (*record)->sealed);
    const auto user =
        content ? records::decode_user(content->bytes()) : Result<records::User>(content.error());
    if (!user) return true;  // of a realm that is not held here, or damaged: that is another's
    switch (credential.kind()) {
        case attempts::CredentialKind::password:
            return credential ==
                   CredentialId::password(id, std::max(user->password_version, PasswordVersion{1}));
        case attempts::CredentialKind::recovery:
            return user->recovery_version != 0 &&
                   credential == CredentialId::recovery(id, user->recovery_version);
        case attempts::CredentialKind::totp:
            break;
    }
    return std::ranges::any_of(user->authenticators, [&](const records::Authenticator& each) {
        return credential == CredentialId::totp(id, each.id);
    });
}

Result<bool> Hall::Replication::sweep_rows() {
    auto& tables = hall_.writing_->attempts;
    auto credentials = tables.credentials(sweep_from_, sweep_slice + 1);
    if (!credentials) return credentials.error();
    sweep_from_.reset();
    if (credentials->size() > sweep_slice) {
        sweep_from_ = credentials->back();
        credentials->pop_back();
    }
    const LogSeq head = this->head().seq;
    for (const auto& credential : *credentials) {
        const auto named = may_name(credential);
        if (!named) return named.error();
        if (*named) continue;
        const auto tallies = tables.tallies(credential);
        if (!tallies) return tallies.error();
        const auto spent = tables.spent(credential);
        if (!spent) return spent.error();
        // An author may know of more than this log has come to.
        const bool may_come =
            std::ranges::any_of(*tallies, [&](const auto& each) { return each.row.head > head; }) ||
            std::ranges::any_of(*spent, [&](const auto& each) { return each.head > head; });
        if (may_come) continue;
        if (auto done = tables.erase(credential); !done) return done.error();
    }
    return sweep_from_.has_value();
}

Result<void> Hall::Replication::sweep_all_rows() {
    sweep_from_.reset();
    for (;;) {
        const auto more = sweep_rows();
        if (!more) return more.error();
        if (!*more) return {};
    }
}

Result<void> Hall::Replication::rows_complete(const NodeId&) {
    if (hall_.stage_ != Stage::copying || !hall_.view()) return {};
    {
        auto lock = hall_.directory_.write_lock(hall_.options_.lock_patience);
        if (!lock) return lock.error();
        const auto author =
            hall_.change_author([](attempts::AuthorRow& row) { row.has_rows = true; });
        if (!author) return author.error();
        hall_.live_as(*author);
        hall_.stage_ = hall_.stage_of(*hall_.view());
    }
    notify();
    return {};
}

}  // namespace countersign
