#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "log/copy_page.h"
#include "log/staging.h"
#include "log/verify.h"
#include "sqlite/read.h"
#include "support/pool.h"

namespace countersign::testing {

/// A primary that feeds, and a replica that copies it.
struct Copying {
    Pool pool;
    PoolNode& feeder = pool.add_node();
    PoolNode& replica = pool.add_node();
    std::optional<log::Staging> staging;

    explicit Copying(std::uint8_t batches = 4) {
        pool.designate(feeder);
        pool.tell_all(replica, feeder);
        for (std::uint8_t i = 0; i < batches; ++i) write(i);
        reopen();
    }
    /// As after a restart: nothing is remembered but what is in the file.
    void reopen() {
        auto prepared =
            log::Staging::prepare(replica.database, pool.id, pool.keyring->digest_key());
        REQUIRE(prepared);
        staging.emplace(std::move(*prepared));
    }
    log::SignedBatch write(std::uint8_t i) {
        return pool.append(feeder,
                           changes(put(user_name(i), "content", {handle(i), handle(i + 1)}),
                                   put(user_name(i + 1), "more", {handle(i + 7)}),
                                   erase(user_name(i + 2))));
    }
    static CopyPage read(PoolNode& from,
                         const std::optional<RecordKey>& after = {},
                         std::size_t max_bytes = log::copy_page_limit) {
        auto snapshot = sqlite::ReadTransaction::begin(from.database);
        REQUIRE(snapshot);
        auto page = log::read_page(from.ledger.reader, from.ledger.head, after, max_bytes);
        REQUIRE(page);
        return std::move(*page);
    }
    static std::vector<log::SignedBatch> run(PoolNode& from, LogSeq first, LogSeq last) {
        std::vector<log::SignedBatch> batches;
        for (LogSeq seq = first; seq <= last; seq = next(seq)) {
            auto batch = from.ledger.batches.get(seq);
            REQUIRE(batch);
            REQUIRE(*batch);
            batches.push_back(std::move(**batch));
        }
        return batches;
    }

    CopyState state() {
        const auto now = staging->state();
        REQUIRE(now);
        return *now;
    }
    CopyState begin() {
        const auto now = replica.write([&] { return staging->begin(replica.database); });
        REQUIRE(now);
        return *now;
    }
    Result<CopyState> stage(const CopyPage& page) {
        return replica.write([&] { return staging->stage(page); });
    }
    /// Stages what follows in one page, or in pages of so many bytes.
    CopyState stage_all(PoolNode& from, std::size_t max_bytes = log::copy_page_limit) {
        for (;;) {
            const auto now = stage(read(from, state().after, max_bytes));
            REQUIRE(now);
            if (now->stage == CopyState::Stage::replaying) return *now;
        }
    }
    Result<log::Staging::Replayed> replay(std::span<const log::SignedBatch> batches,
                                          LogSeq useful_from = LogSeq{1}) {
        return replica.write(
            [&] { return staging->replay(replica.database, batches, useful_from); });
    }
    Result<log::Staging::Replayed> replay_all(PoolNode& from) {
        const auto now = state();
        const LogSeq due = now.replayed == LogSeq{0} ? now.first : next(now.replayed);
        return replay(run(from, due, now.last));
    }
    std::uint64_t drop_old(std::uint64_t limit) {
        const auto dropped = replica.write([&] { return staging->drop_old(limit); });
        REQUIRE(dropped);
        return *dropped;
    }

    /// Everything in the staging tables, as text.
    std::string staged() {
        std::string all;
        for (const char* sql : {
                 "SELECT kind || hex(id) || ' ' || seq || hex(sealed) || ' ' || hex(handles)"
                 " FROM staged_record ORDER BY kind, id",
                 "SELECT hex(value) || kind || hex(id) FROM staged_handle ORDER BY value, kind, id",
                 "SELECT seq || ' ' || bytes_through || hex(bytes) || hex(signature)"
                 " FROM staged_batch ORDER BY seq",
                 "SELECT seq || ' ' || time || hex(hash) || hex(digest) || hex(node)"
                 " FROM staged_head",
                 "SELECT stage || ' ' || first || ' ' || last || ' ' || coalesce(after_kind, '')"
                 " || hex(after_id) || ' ' || known_epoch FROM staging",
             }) {
            all += text_of(sql) + "\n";
        }
        return all;
    }
    /// One column, a line for each row.
    std::string text_of(const std::string& sql) {
        auto statement = replica.database.prepare(sql);
        REQUIRE(statement);
        std::string text;
        const auto add = [&](const sqlite::Rows& rows) -> Result<bool> {
            text += std::string(rows.text(0)) + "\n";
            return true;
        };
        REQUIRE(sqlite::each_row(statement->query(), add));
        return text;
    }
    std::size_t count(const std::string& table) {
        return std::stoul(text_of("SELECT CAST(count(*) AS TEXT) FROM " + table));
    }
    /// That the replica holds what `from` does, but for the batches before the copy's first.
    bool equal(PoolNode& from) {
        const auto records = [](PoolNode& node) {
            const std::string all = node.content();
            return all.substr(0, all.find("\n\n", all.find("\n\n") + 2));
        };
        const auto mine = replica.head();
        const auto theirs = from.head();
        return records(replica) == records(from) && mine.place == theirs.place &&
               mine.hash == theirs.hash && mine.time == theirs.time &&
               mine.digest == theirs.digest && verify(replica.database, replica.ledger).has_value();
    }
};

}  // namespace countersign::testing
