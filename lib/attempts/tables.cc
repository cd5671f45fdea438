#include "attempts/tables.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

#include "attempts/own_row.h"

namespace countersign::attempts {

// The indexes `_order` feed links and cost a failure two pages of log more; an upsert leaves
// `_name` untouched. An incarnation, 64 random bits, is stored as the signed number of those bits.
const char* const schema_sql = R"sql(
CREATE TABLE author (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    incarnation INTEGER NOT NULL,
    started INTEGER NOT NULL,
    restored INTEGER NOT NULL CHECK (restored IN (0, 1)),
    confirmed INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    has_rows INTEGER NOT NULL CHECK (has_rows IN (0, 1)),
    row_seq INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    time INTEGER NOT NULL
) STRICT;
CREATE TABLE tally (
    credential BLOB NOT NULL CHECK (length(credential) = 25),
    node BLOB NOT NULL CHECK (length(node) = 32),
    incarnation INTEGER NOT NULL,
    row_seq INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    silent INTEGER NOT NULL CHECK (silent IN (0, 1)),
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX tally_name ON tally (credential, node, incarnation);
CREATE INDEX tally_order ON tally (node, incarnation, row_seq);
CREATE INDEX tally_silent ON tally (node, incarnation, row_seq) WHERE silent = 1;
CREATE TABLE spent (
    credential BLOB NOT NULL CHECK (length(credential) = 25),
    code BLOB NOT NULL CHECK (length(code) = 17),
    node BLOB NOT NULL CHECK (length(node) = 32),
    incarnation INTEGER NOT NULL,
    row_seq INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX spent_name ON spent (credential, code, node, incarnation);
CREATE INDEX spent_order ON spent (node, incarnation, row_seq);
CREATE INDEX spent_expiry ON spent (expiry);
CREATE TABLE heard (
    node BLOB NOT NULL CHECK (length(node) = 32),
    incarnation INTEGER NOT NULL,
    row_seq INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX heard_author ON heard (node, incarnation);
CREATE TABLE renewed (
    credential BLOB PRIMARY KEY CHECK (length(credential) = 25)
) STRICT;
)sql";

namespace {

enum Sql : std::size_t {
    get_author,
    put_author_row,
    get_tallies,
    put_tally,
    drop_one_tally,
    get_spent,
    put_spent,
    rows_in_order,
    erase_tallies,
    erase_spent,
    drop_expired_spent,
    drop_silent_tallies,
    drop_tallies_of,
    drop_spent_of,
    get_heard,
    put_one_heard,
    count_tallies_of,
    count_spent_of,
    credentials_from,
    get_renewed,
    put_one_renewed,
    forget_all_renewed,
    erase_renewed,
    text_count
};

constexpr std::array<std::string_view, text_count> statement_texts = {
    "SELECT incarnation, started, restored, row_seq, arrival, time, confirmed, has_rows"
    " FROM author",
    "INSERT INTO author"
    " (one, incarnation, started, restored, row_seq, arrival, time, confirmed, has_rows)"
    " VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (one) DO UPDATE SET incarnation = excluded.incarnation,"
    " started = excluded.started, restored = excluded.restored, row_seq = excluded.row_seq,"
    " arrival = excluded.arrival, time = excluded.time, confirmed = excluded.confirmed,"
    " has_rows = excluded.has_rows",
    "SELECT node, incarnation, row_seq, arrival, signature, bytes FROM tally WHERE credential = ?"
    " ORDER BY node, incarnation",
    "INSERT INTO tally"
    " (credential, node, incarnation, row_seq, arrival, silent, signature, bytes)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (credential, node, incarnation) DO UPDATE SET row_seq = excluded.row_seq,"
    " arrival = excluded.arrival, silent = excluded.silent, signature = excluded.signature,"
    " bytes = excluded.bytes",
    "DELETE FROM tally WHERE credential = ? AND node = ? AND incarnation = ?",
    "SELECT bytes FROM spent WHERE credential = ? AND code BETWEEN ? AND ?",
    "INSERT INTO spent"
    " (credential, code, node, incarnation, row_seq, expiry, signature, bytes)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (credential, code, node, incarnation) DO UPDATE SET"
    " row_seq = excluded.row_seq, expiry = excluded.expiry, signature = excluded.signature,"
    " bytes = excluded.bytes",
    "SELECT row_seq, 0, signature, bytes FROM tally"
    " WHERE node = ?1 AND incarnation = ?2 AND row_seq >= ?3"
    " UNION ALL SELECT row_seq, 1, signature, bytes FROM spent"
    " WHERE node = ?1 AND incarnation = ?2 AND row_seq >= ?3 ORDER BY row_seq",
    "DELETE FROM tally WHERE credential BETWEEN ? AND ?",
    "DELETE FROM spent WHERE credential BETWEEN ? AND ?",
    "DELETE FROM spent WHERE rowid IN"
    " (SELECT rowid FROM spent WHERE expiry < ? ORDER BY expiry LIMIT ?) RETURNING 1",
    "DELETE FROM tally WHERE rowid IN (SELECT rowid FROM tally WHERE silent = 1"
    " AND node = ? AND incarnation = ? AND row_seq <= ? ORDER BY row_seq LIMIT ?) RETURNING 1",
    "DELETE FROM tally WHERE rowid IN (SELECT rowid FROM tally"
    " WHERE node = ? AND incarnation = ? ORDER BY row_seq LIMIT ?) RETURNING 1",
    "DELETE FROM spent WHERE rowid IN (SELECT rowid FROM spent"
    " WHERE node = ? AND incarnation = ? ORDER BY row_seq LIMIT ?) RETURNING 1",
    "SELECT node, incarnation, row_seq FROM heard ORDER BY node, incarnation",
    "INSERT INTO heard (node, incarnation, row_seq) VALUES (?, ?, ?)"
    " ON CONFLICT (node, incarnation) DO UPDATE SET row_seq = excluded.row_seq",
    "SELECT count(*) FROM tally WHERE node = ?",
    "SELECT count(*) FROM spent WHERE node = ?",
    "SELECT credential FROM tally WHERE credential >= ?1"
    " UNION SELECT credential FROM spent WHERE credential >= ?1 ORDER BY credential LIMIT ?2",
    "SELECT 1 FROM renewed WHERE credential = ?",
    "INSERT INTO renewed (credential) VALUES (?) ON CONFLICT DO NOTHING",
    "DELETE FROM renewed",
    "DELETE FROM renewed WHERE credential BETWEEN ? AND ?",
};

/// More than the versions and authenticators that a user's rows are about at one time.
constexpr std::size_t max_credentials_of_user = 1'024;

std::int64_t stored(Incarnation incarnation) noexcept {
    return std::bit_cast<std::int64_t>(value(incarnation));
}

Error corrupt_row() {
    return {errc::corrupt, "a tally or spent row differs from its place; run a repair"};
}

Result<StoredTally> to_tally(const sqlite::Rows& rows, const CredentialId& credential) {
    const auto signature = sealing::Signature::from_bytes(rows.blob(4));
    auto row = decode_tally(rows.blob(5));
    if (!signature || !row) return corrupt_row();
    if (row->credential != credential || !std::ranges::equal(row->node.bytes, rows.blob(0)) ||
        stored(row->incarnation) != rows.integer(1) ||
        value(row->row_seq) != static_cast<std::uint64_t>(rows.integer(2))) {
        return corrupt_row();
    }
    const auto arrival = rows.as<Arrival>(3);
    if (!arrival) return arrival.error();
    return StoredTally{.row = std::move(*row), .signature = *signature, .arrival = *arrival};
}

Result<std::uint64_t> count_rows(Result<sqlite::Rows> rows) {
    if (!rows) return rows.error();
    for (std::uint64_t number = 0;; ++number) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return number;
    }
}

Result<std::uint64_t> one_number(Result<sqlite::Rows> rows) {
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    return *found ? static_cast<std::uint64_t>(rows->integer(0)) : 0;
}

Result<void> check(RowSeq row_seq) {
    if (value(row_seq) <= std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return {};
    return Error(errc::malformed, "no node has written 2^63 rows");
}

}  // namespace

Tables::Tables(std::vector<sqlite::Statement> statements) : statements_(std::move(statements)) {}

Result<Tables> Tables::prepare(sqlite::Database& database) {
    std::vector<sqlite::Statement> statements;
    for (const auto text : statement_texts) {
        auto statement = database.prepare(text);
        if (!statement) return statement.error();
        statements.push_back(std::move(*statement));
    }
    return Tables(std::move(statements));
}

Result<std::optional<AuthorRow>> Tables::author() {
    auto rows = statements_[get_author].query();
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    if (!*found) return std::nullopt;
    const auto row_seq = rows->as<RowSeq>(3);
    const auto arrival = rows->as<Arrival>(4);
    if (!row_seq || !arrival) return corrupt_row();
    return AuthorRow{.incarnation = Incarnation{std::bit_cast<std::uint64_t>(rows->integer(0))},
                     .started = UnixTime(milliseconds(rows->integer(1))),
                     .is_restored = rows->integer(2) != 0,
                     .is_confirmed = rows->integer(6) != 0,
                     .has_rows = rows->integer(7) != 0,
                     .row_seq = *row_seq,
                     .arrival = *arrival,
                     .time = UnixTime(milliseconds(rows->integer(5)))};
}

Result<void> Tables::put_author(const AuthorRow& author) {
    return statements_[put_author_row].run(stored(author.incarnation),
                                           author.started,
                                           author.is_restored,
                                           author.row_seq,
                                           author.arrival,
                                           author.time,
                                           author.is_confirmed,
                                           author.has_rows);
}

Result<std::vector<StoredTally>> Tables::tallies(const CredentialId& credential) {
    auto rows = statements_[get_tallies].query(credential.bytes());
    if (!rows) return rows.error();
    std::vector<StoredTally> tallies;
    for (;;) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return tallies;
        auto tally = to_tally(*rows, credential);
        if (!tally) return tally.error();
        tallies.push_back(std::move(*tally));
    }
}

Result<void> Tables::put(const StoredTally& tally) {
    const auto& row = tally.row;
    if (auto checked = check(row.row_seq); !checked) return checked;
    return statements_[put_tally].run(row.credential.bytes(),
                                      row.node,
                                      stored(row.incarnation),
                                      row.row_seq,
                                      tally.arrival,
                                      says_nothing(row),
                                      tally.signature,
                                      encode(row));
}

Result<void> Tables::drop_tally(const CredentialId& credential, const Author& author) {
    return statements_[drop_one_tally].run(
        credential.bytes(), author.node, stored(author.incarnation));
}

Result<std::vector<SpentRow>> Tables::spent(const CredentialId& credential, const Code& code) {
    // The kind comes first, so the steps of a credential lie together.
    const auto first = code.step() ? Code::totp_step(0) : code;
    const auto last = code.step() ? Code::totp_step(~0ULL) : code;
    return spent_between(credential, first.bytes(), last.bytes());
}

Result<std::vector<SpentRow>> Tables::spent(const CredentialId& credential) {
    std::array<std::byte, Code::size> last;
    last.fill(std::byte{0xff});
    return spent_between(credential, {}, last);
}

Result<std::vector<SpentRow>> Tables::spent_between(const CredentialId& credential,
                                                    const std::array<std::byte, Code::size>& first,
                                                    const std::array<std::byte, Code::size>& last) {
    auto rows = statements_[get_spent].query(credential.bytes(), first, last);
    if (!rows) return rows.error();
    std::vector<SpentRow> spent;
    for (;;) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return spent;
        auto row = decode_spent(rows->blob(0));
        const bool is_in_place = row && row->credential == credential &&
                                 first.front() <= row->code.bytes().front() &&
                                 row->code.bytes().front() <= last.front();
        if (!is_in_place) return corrupt_row();
        spent.push_back(std::move(*row));
    }
}

Result<void> Tables::put(const StoredSpent& spent) {
    const auto& row = spent.row;
    if (auto checked = check(row.row_seq); !checked) return checked;
    return statements_[put_spent].run(row.credential.bytes(),
                                      row.code.bytes(),
                                      row.node,
                                      stored(row.incarnation),
                                      row.row_seq,
                                      row.expiry,
                                      spent.signature,
                                      encode(row));
}

Result<void> Tables::each_of(const Author& author,
                             RowSeq from,
                             const std::function<bool(const SignedRow&)>& visit) {
    if (!check(from)) return {};  // nothing is stored there
    auto rows = statements_[rows_in_order].query(author.node, stored(author.incarnation), from);
    if (!rows) return rows.error();
    for (;;) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return {};
        const auto row_seq = rows->as<RowSeq>(0);
        const auto signature = sealing::Signature::from_bytes(rows->blob(2));
        if (!row_seq || !signature) return corrupt_row();
        const SignedRow row{
            .kind = rows->integer(1) == 0 ? SignedRow::Kind::tally : SignedRow::Kind::spent,
            .row_seq = *row_seq,
            .signature = *signature,
            .bytes = rows->blob(3)};
        if (auto checked = rows->check(); !checked) return checked;
        if (!visit(row)) return {};
    }
}

Result<std::vector<std::pair<Author, RowSeq>>> Tables::heard() {
    auto rows = statements_[get_heard].query();
    if (!rows) return rows.error();
    std::vector<std::pair<Author, RowSeq>> heard;
    for (;;) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return heard;
        const auto node = NodeId::from_bytes(rows->blob(0));
        const auto row_seq = rows->as<RowSeq>(2);
        if (!node || !row_seq) return corrupt_row();
        heard.emplace_back(
            Author{*node, Incarnation{std::bit_cast<std::uint64_t>(rows->integer(1))}}, *row_seq);
    }
}

Result<void> Tables::put_heard(const Author& author, RowSeq row_seq) {
    if (auto checked = check(row_seq); !checked) return checked;
    return statements_[put_one_heard].run(author.node, stored(author.incarnation), row_seq);
}

Result<std::uint64_t> Tables::count_tallies(const NodeId& node) {
    return one_number(statements_[count_tallies_of].query(node));
}

Result<std::uint64_t> Tables::count_spent(const NodeId& node) {
    return one_number(statements_[count_spent_of].query(node));
}

Result<std::vector<CredentialId>> Tables::credentials(const std::optional<CredentialId>& from,
                                                      std::size_t limit) {
    const auto first = from ? from->bytes() : std::array<std::byte, CredentialId::size>{};
    return credentials_at(first, limit);
}

Result<std::vector<CredentialId>> Tables::credentials_of(const UserId& user) {
    std::array<std::byte, CredentialId::size> first{};
    std::ranges::copy(user.bytes, first.begin());
    auto credentials = credentials_at(first, max_credentials_of_user);
    if (!credentials) return credentials;
    std::erase_if(*credentials, [&](const CredentialId& each) { return each.user() != user; });
    return credentials;
}

Result<std::vector<CredentialId>> Tables::credentials_at(
    const std::array<std::byte, CredentialId::size>& first, std::size_t limit) {
    auto rows = statements_[credentials_from].query(first, std::uint64_t{limit});
    if (!rows) return rows.error();
    std::vector<CredentialId> credentials;
    for (;;) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return credentials;
        const auto credential = CredentialId::from_bytes(rows->blob(0));
        if (!credential) return corrupt_row();
        credentials.push_back(*credential);
    }
}

Result<bool> Tables::is_renewed(const CredentialId& credential) {
    auto rows = statements_[get_renewed].query(credential.bytes());
    if (!rows) return rows.error();
    return rows->next();
}

Result<void> Tables::put_renewed(const CredentialId& credential) {
    return statements_[put_one_renewed].run(credential.bytes());
}

Result<void> Tables::forget_renewed() {
    return statements_[forget_all_renewed].run();
}

Result<void> Tables::erase(const UserId& user) {
    std::array<std::byte, CredentialId::size> first{};
    std::array<std::byte, CredentialId::size> last{};
    last.fill(std::byte{0xff});
    std::ranges::copy(user.bytes, first.begin());
    std::ranges::copy(user.bytes, last.begin());
    if (auto done = statements_[erase_tallies].run(first, last); !done) return done;
    if (auto done = statements_[erase_renewed].run(first, last); !done) return done;
    return statements_[erase_spent].run(first, last);
}

Result<void> Tables::erase(const CredentialId& credential) {
    const auto name = credential.bytes();
    if (auto done = statements_[erase_tallies].run(name, name); !done) return done;
    if (auto done = statements_[erase_renewed].run(name, name); !done) return done;
    return statements_[erase_spent].run(name, name);
}

Result<std::uint64_t> Tables::drop_expired(UnixTime now, std::uint64_t limit) {
    return count_rows(statements_[drop_expired_spent].query(now, limit));
}

Result<std::uint64_t> Tables::drop_silent(const Author& author,
                                          RowSeq passed,
                                          std::uint64_t limit) {
    return count_rows(statements_[drop_silent_tallies].query(
        author.node, stored(author.incarnation), passed, limit));
}

Result<std::uint64_t> Tables::drop_all_of(const Author& author, std::uint64_t limit) {
    const auto incarnation = stored(author.incarnation);
    const auto tallies =
        count_rows(statements_[drop_tallies_of].query(author.node, incarnation, limit));
    if (!tallies || *tallies == limit) return tallies;
    const auto spent =
        count_rows(statements_[drop_spent_of].query(author.node, incarnation, limit - *tallies));
    if (!spent) return spent;
    return *tallies + *spent;
}

}  // namespace countersign::attempts
