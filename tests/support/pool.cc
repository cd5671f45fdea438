#include "support/pool.h"

#include <algorithm>

#include "log/batch_table.h"
#include "log/staging.h"
#include "membership/designations.h"
#include "records/codec.h"
#include "records/table.h"
#include "sqlite/read.h"
#include "support/vectors.h"

namespace countersign::testing {
namespace {

sqlite::Database make_database(const std::string& path) {
    auto database = sqlite::Database::open(path, {.create = true});
    REQUIRE(database);
    REQUIRE(database->execute("PRAGMA synchronous=OFF"));
    auto transaction = sqlite::Transaction::begin(*database);
    REQUIRE(transaction);
    const std::string staging = log::staging_schema_sql();
    for (const char* sql :
         {records::schema_sql, log::schema_sql, staging.c_str(), membership::schema_sql}) {
        REQUIRE(database->execute(sql));
    }
    REQUIRE(database->execute("PRAGMA application_id=1668507502"));
    REQUIRE(transaction->commit());
    return std::move(*database);
}

log::Ledger prepare(sqlite::Database& database, PoolId pool, sealing::KeyView digest_key) {
    auto ledger = log::Ledger::prepare(database, pool, digest_key);
    REQUIRE(ledger);
    return std::move(*ledger);
}

std::shared_ptr<const sealing::Keyring> make_keyring() {
    auto keyring =
        std::make_shared<sealing::Keyring>(sealing::Key(key_bytes(1)), sealing::Key(key_bytes(2)));
    REQUIRE(keyring->add(RealmId::default_users, KeyVersion{1}, sealing::Key(key_bytes(3))));
    return keyring;
}

PoolId make_id() {
    PoolId id;
    std::ranges::copy_n(key_bytes(4).begin(), PoolId::size, id.bytes.begin());
    return id;
}

}  // namespace

std::uint64_t Draw::operator()() {
    std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

Bytes Draw::bytes(std::size_t size) {
    Bytes drawn(size);
    for (auto& byte : drawn) byte = static_cast<std::byte>((*this)() & 0xff);
    return drawn;
}

std::array<std::byte, 32> key_bytes(std::uint64_t number) {
    std::array<std::byte, 32> bytes;
    std::ranges::copy(Draw(number).bytes(bytes.size()), bytes.begin());
    return bytes;
}

PoolNode::PoolNode(std::string path,
                   std::uint64_t key_number,
                   PoolId pool,
                   sealing::KeyView digest_key)
    : key(key_bytes(key_number)),
      database(make_database(path)),
      ledger(prepare(database, pool, digest_key)) {}

sqlite::Database PoolNode::open() const {
    auto opened = sqlite::Database::open(database.path());
    REQUIRE(opened);
    return std::move(*opened);
}

void PoolNode::damage(const char* sql) {
    auto transaction = sqlite::Transaction::begin(database);
    REQUIRE(transaction);
    REQUIRE(database.execute(sql));
    REQUIRE(database.changed_rows() == 1);
    REQUIRE(transaction->commit());
}

log::Head PoolNode::head() {
    auto head = ledger.head.read();
    REQUIRE(head);
    return std::move(*head);
}

std::string PoolNode::content() {
    std::string all;
    for (const char* sql : {
             "SELECT kind, hex(id), seq, hex(sealed), hex(handles) FROM record ORDER BY kind, id",
             "SELECT hex(value), kind, hex(id) FROM handle ORDER BY value, kind, id",
             "SELECT seq, root_term, epoch, hex(node), time, bytes_through, hex(signature),"
             " hex(bytes) FROM batch ORDER BY seq",
             "SELECT root_term, epoch, hex(node), seq, hex(hash), time, hex(digest) FROM head",
             "SELECT hex(bytes), hex(signature) FROM designation ORDER BY 1",
         }) {
        const std::string columns(sql + std::string_view("SELECT ").size());
        std::string joined = columns.substr(0, columns.find(" FROM"));
        for (std::size_t at = 0; (at = joined.find(", ", at)) != std::string::npos; at += 6) {
            joined.replace(at, 2, "||' '||");
        }
        auto statement =
            database.prepare("SELECT " + joined + columns.substr(columns.find(" FROM")));
        REQUIRE(statement);
        REQUIRE(sqlite::each_row(statement->query(), [&](const sqlite::Rows& rows) -> Result<bool> {
            all += std::string(rows.text(0)) + "\n";
            return true;
        }));
        all += "\n";
    }
    return all;
}

Pool::Pool()
    : id(make_id()),
      root_key(key_bytes(5)),
      keyring(make_keyring()),
      sealer(id, keyring),
      index(keyring->index_key()) {}

PoolNode& Pool::add_node() {
    const std::size_t number = nodes_.size();
    return nodes_.emplace_back(directory_ / ("node" + std::to_string(number) + ".db"),
                               100 + number,
                               id,
                               keyring->digest_key());
}

records::SignedStatement Pool::designate(PoolNode& node,
                                         const sealing::SigningKey& key,
                                         bool raise_term) {
    const auto before = node.ledger.designations.current();
    REQUIRE(before);
    const auto all = node.ledger.designations.all();
    REQUIRE(all);
    const auto head = node.head();
    records::Designation designation{.pool = id,
                                     .root_term = RootTerm{1},
                                     .epoch = Epoch{1},
                                     .node = node.id(),
                                     .base_seq = head.place.seq,
                                     .base_hash = head.hash,
                                     .previous = {},
                                     .time = now};
    if (*before) {
        designation.root_term = RootTerm{value((*before)->root_term) + (raise_term ? 1 : 0)};
        designation.epoch = Epoch{value((*before)->epoch) + 1};
        designation.previous = sealing::hash256(all->back().bytes);
    }
    auto statement = membership::sign(designation, key);
    REQUIRE(tell(node, statement));
    return statement;
}

records::SignedStatement Pool::designate(PoolNode& node) {
    return designate(node, root_key, true);
}

records::SignedStatement Pool::designate_itself(PoolNode& node) {
    return designate(node, node.key, false);
}

Result<records::Designation> Pool::tell(PoolNode& node, const records::SignedStatement& statement) {
    membership::Designations::Signers signers{
        .pool = id, .root_key = root_key.public_key(), .self_signers = {}};
    for (const auto& each : nodes_) signers.self_signers.push_back(each.id());
    return node.write([&] { return node.ledger.designations.add(statement, signers); });
}

void Pool::tell_all(PoolNode& to, PoolNode& from) {
    const auto statements = from.ledger.designations.all();
    REQUIRE(statements);
    for (const auto& statement : *statements) REQUIRE(tell(to, statement));
}

log::SignedBatch Pool::append(PoolNode& primary, std::vector<records::Change> changes) {
    now += milliseconds{1000};
    auto batch = primary.write([&]() -> Result<std::optional<log::SignedBatch>> {
        auto appender =
            log::Appender::begin(primary.ledger, primary.key, primary.ledger.head.read().value());
        REQUIRE(appender);
        std::optional<Error> failure;
        const auto added = appender->add(
            [&](records::Reader&, LogSeq) -> Result<std::vector<records::Change>> {
                return std::move(changes);
            },
            failure);
        REQUIRE(added);
        REQUIRE_FALSE(failure);
        return appender->close(now);
    });
    REQUIRE(batch);
    REQUIRE(*batch);
    return std::move(**batch);
}

Result<log::Head> Pool::accept(PoolNode& replica, std::span<const log::SignedBatch> batches) {
    return replica.write([&] { return log::accept(replica.ledger, batches); });
}

log::SignedBatch Pool::sign(const log::Batch& batch, const PoolNode& author) const {
    log::SignedBatch signed_batch{.place = batch.place, .signature = {}, .bytes = encode(batch)};
    signed_batch.signature =
        sealing::sign(sealing::SignatureKind::batch, signed_batch.bytes, author.key);
    return signed_batch;
}

log::Batch Pool::next_batch(PoolNode& author, Epoch epoch) {
    const auto head = author.head();
    log::Batch batch;
    batch.pool = id;
    batch.place = {
        .root_term = RootTerm{1}, .epoch = epoch, .node = author.id(), .seq = next(head.place.seq)};
    batch.previous = head.hash;
    batch.time = now;
    batch.digest = head.digest.digest();
    return batch;
}

records::Change put(const records::RecordName& name,
                    std::string_view sealed,
                    std::vector<records::Handle> handles) {
    std::ranges::sort(handles);
    return {.name = name, .put = records::Change::Put{bytes_of(sealed), std::move(handles)}};
}

records::Change erase(const records::RecordName& name) {
    return {.name = name, .put = std::nullopt};
}

records::RecordName user_name(std::uint8_t number) {
    records::RecordName name{.kind = records::RecordKind::user, .id = {}};
    name.id.bytes.back() = std::byte{number};
    return name;
}

records::Handle handle(std::uint8_t number) {
    records::Handle value;
    value.bytes.front() = std::byte{number};
    return value;
}

}  // namespace countersign::testing
