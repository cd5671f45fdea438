// A replica that applies batches of changes to 100,000 users, half of each of new ones, in
// transactions of what one frame of a link holds; against a bare SQLite program that writes the
// same rows in the same transactions.
#include "log/accept.h"

#include "bench/replica.h"

namespace countersign::bench {
namespace {

constexpr std::uint32_t users = 100'000;
constexpr std::size_t frame_bytes = 1 << 20;
constexpr int rounds = 3;

using Runs = std::vector<std::vector<log::SignedBatch>>;

Runs make_runs(Primary& primary, std::uint32_t batches, std::uint32_t changes_each) {
    Runs runs(1);
    Draw draw(2);
    std::size_t bytes = 0;
    for (std::uint32_t batch = 0; batch < batches; ++batch) {
        std::vector<records::Change> changes;
        for (std::uint32_t i = 0; i < changes_each; ++i) {
            const std::uint32_t number = batch * changes_each + i;
            const bool is_new = number % 2 == 0;
            changes.push_back(change_of(
                is_new ? users + number : static_cast<std::uint32_t>(draw() % users), draw));
        }
        auto made = primary.append(std::move(changes));
        if (!runs.back().empty() && bytes + made.bytes.size() > frame_bytes) {
            runs.emplace_back();
            bytes = 0;
        }
        bytes += made.bytes.size();
        runs.back().push_back(std::move(made));
    }
    return runs;
}

double replica_time(const std::string& path, const Runs& runs) {
    auto node = NodeFile::open(path);
    return seconds([&] {
        for (const auto& run : runs) {
            node.write([&] { return log::accept(node.ledger, run); });
        }
    });
}

double bare_time(const std::string& path, const Runs& runs) {
    std::vector<std::vector<log::Batch>> decoded;
    for (const auto& run : runs) {
        decoded.emplace_back();
        for (const auto& batch : run) decoded.back().push_back(require(log::decode(batch)));
    }
    const std::array<std::byte, 4> first_new{std::byte{users >> 24 & 0xff},
                                             std::byte{users >> 16 & 0xff},
                                             std::byte{users >> 8 & 0xff},
                                             std::byte{users & 0xff}};
    BareProgram program(path);
    return seconds([&] {
        for (std::size_t i = 0; i < runs.size(); ++i) {
            program.begin();
            for (std::size_t k = 0; k < runs[i].size(); ++k) {
                const LogSeq seq = runs[i][k].place.seq;
                for (const auto& change : decoded[i][k].changes) {
                    const auto& id = change.name.id.bytes;
                    const auto handles = records::as_bytes(change.put->handles);
                    if (std::ranges::lexicographical_compare(id, first_new)) {
                        program.update(id, seq, change.put->sealed, handles);
                    } else {
                        program.insert(id, seq, change.put->sealed, handles);
                        for (const auto& handle : change.put->handles) {
                            program.insert_handle(id, handle.bytes);
                        }
                    }
                }
                program.batch(seq, runs[i][k].bytes);
            }
            program.commit(runs[i].back().place.seq);
        }
    });
}

void accept(std::uint32_t batches, std::uint32_t changes_each) {
    const Directory directory;
    Primary primary(directory.in("primary.db"));
    primary.fill(users);
    primary.copy_to(directory.in("start.db"));
    const auto runs = make_runs(primary, batches, changes_each);
    std::vector<double> reached;
    std::vector<double> allowed;
    for (int round = 0; round < rounds; ++round) {
        for (auto* times : {&allowed, &reached}) {
            const std::string path = directory.in("copy.db");
            std::filesystem::copy_file(directory.in("start.db"), path);
            times->push_back(times == &reached ? replica_time(path, runs) : bare_time(path, runs));
            for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
        }
    }
    const double changes = batches * changes_each;
    print_with_limit("accept_" + std::to_string(changes_each),
                     changes / median(reached),
                     changes / median(allowed),
                     "changes_per_s");
}

}  // namespace
}  // namespace countersign::bench

int main() {
    countersign::bench::print_load();
    countersign::bench::accept(20'000, 1);
    countersign::bench::accept(100, 1000);
}
