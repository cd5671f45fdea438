// A fresh replica that copies a pool: pages read, staged durably one by one, proved and swapped in;
// against a bare SQLite program that inserts the same rows, in transactions of a page, and all
// their handles in order in a last one.
#include "bench/replica.h"
#include "log/copy_page.h"
#include "log/staging.h"

namespace countersign::bench {
namespace {

constexpr int rounds = 3;

CopyPage read_page(NodeFile& from, const std::optional<RecordKey>& after) {
    const auto snapshot = require(sqlite::ReadTransaction::begin(from.database));
    return require(
        log::read_page(from.ledger.reader, from.ledger.head, after, log::copy_page_limit));
}

double replica_time(const std::string& path, NodeFile& from) {
    auto node = NodeFile::open(path);
    node.write([&] {
        return node.ledger.designations.add(
            require(from.ledger.designations.all()).front(),
            {.pool = NodeFile::pool,
             .root_key = require(from.ledger.designations.current())->node.bytes,
             .self_signers = {}});
    });
    auto staging =
        require(log::Staging::prepare(node.database, NodeFile::pool, NodeFile::digest_key()));
    return seconds([&] {
        auto state = node.write([&] { return staging.begin(node.database); });
        while (state.stage == CopyState::Stage::paging) {
            const auto page = read_page(from, state.after);
            state = node.write([&] { return staging.stage(page); });
        }
        const auto anchor = require(from.ledger.batches.get(state.last));
        const auto done = node.write(
            [&] { return staging.replay(node.database, std::span(&*anchor, 1), LogSeq{1}); });
        if (!done.head) std::exit(1);
    });
}

double bare_time(const std::string& path, NodeFile& from) {
    std::vector<CopyPage> pages;
    do {
        const bool first = pages.empty();
        pages.push_back(
            read_page(from, first ? std::nullopt : std::optional(pages.back().records.back().key)));
    } while (!pages.back().last);
    BareProgram program(path);
    std::vector<records::HandleRow> handles;
    return seconds([&] {
        for (const auto& page : pages) {
            program.begin();
            for (const auto& record : page.records) {
                program.insert(record.key.id.bytes, record.seq, record.sealed, record.handles);
                for (const auto& handle : require(records::to_handles(record.handles))) {
                    handles.push_back({handle, log::name_of(record.key)});
                }
            }
            program.commit(page.moment);
        }
        program.begin();
        std::ranges::sort(handles);
        for (const auto& [handle, name] : handles)
            program.insert_handle(name.id.bytes, handle.bytes);
        program.commit(pages.back().moment);
    });
}

void copy(std::uint32_t users, const std::string& name) {
    const Directory directory;
    Primary primary(directory.in("primary.db"));
    primary.fill(users);
    std::vector<double> reached;
    std::vector<double> allowed;
    for (int round = 0; round < rounds; ++round) {
        for (auto* times : {&allowed, &reached}) {
            const std::string path = directory.in("copy.db");
            times->push_back(times == &reached ? replica_time(path, primary.node)
                                               : bare_time(path, primary.node));
            for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
        }
    }
    print_with_limit(name, users / median(reached), users / median(allowed), "users_per_s");
}

}  // namespace
}  // namespace countersign::bench

int main(int argc, char**) {
    countersign::bench::print_load();
    countersign::bench::copy(100'000, "copy_100k");
    if (argc > 1) countersign::bench::copy(1'000'000, "copy_1m");
}
