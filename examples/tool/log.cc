// log show|verify|compact
#include <algorithm>
#include <nlohmann/json.hpp>

#include "commands.h"

namespace tool {
namespace {

void show_batch(Session& session, const cs::BatchInfo& batch) {
    const std::string node = cs::to_string(batch.node);
    session.output.show({{"seq", cs::value(batch.seq)},
                         {"root_term", cs::value(batch.root_term)},
                         {"epoch", cs::value(batch.epoch)},
                         {"node", node},
                         {"time", time_text(batch.time)},
                         {"bytes", batch.bytes},
                         {"changes", batch.changes},
                         {"hash", batch.hash}},
                        std::to_string(cs::value(batch.seq)) + "\t" + time_text(batch.time) +
                            "\tepoch " + std::to_string(cs::value(batch.epoch)) + "\t" +
                            node.substr(0, 16) + "\t" + std::to_string(batch.changes) +
                            " changes\t" + std::to_string(batch.bytes) + " bytes\t" +
                            batch.hash.substr(0, 16));
}

}  // namespace

Outcome run(const LogShow& show, Session& session) {
    auto store = session.open(show.at);
    if (!store) return store.error();
    const auto status = store->status();
    if (!status) return status.error();
    const std::uint64_t head = cs::value(status->seq);
    std::uint64_t from = show.from.value_or(head - std::min<std::uint64_t>(head, show.limit) + 1);
    from = std::max<std::uint64_t>(from, 1);
    for (std::size_t left = show.limit; left != 0 && from <= head;) {
        const auto batches = store->log().show(cs::LogSeq{from}, std::min<std::size_t>(left, 1000));
        // What retention let go of is left out, unless it was asked for.
        if (!batches && batches.error() == cs::errc::not_found && !show.from) {
            ++from;
            --left;
            continue;
        }
        if (!batches) return batches.error();
        if (batches->empty()) break;
        for (const auto& batch : *batches) show_batch(session, batch);
        left -= batches->size();
        from += batches->size();
    }
    return Exit::done;
}

Outcome run(const LogVerify& verify, Session& session) {
    auto store = session.open(verify.at);
    if (!store) return store.error();
    const auto walked = store->log().verify();
    if (!walked) {
        session.output.show({{"ok", false},
                             {"error", cs::name(walked.error().code())},
                             {"message", walked.error().message()}},
                            "FAILED");
        return walked.error();
    }
    session.output.show({{"ok", true},
                         {"batches", walked->batches},
                         {"records", walked->records},
                         {"seq", cs::value(walked->seq)},
                         {"digest", walked->digest}},
                        "ok: " + std::to_string(walked->batches) + " batches up to seq " +
                            std::to_string(cs::value(walked->seq)) + ", " +
                            std::to_string(walked->records) + " records, digest " + walked->digest);
    return Exit::done;
}

Outcome run(const LogCompact& compact, Session& session) {
    auto store = session.open(compact.at);
    if (!store) return store.error();
    const auto done = store->log().compact();
    if (!done) return done.error();
    session.output.show(
        {{"batches_erased", done->batches_erased}, {"batches_kept", done->batches_kept}},
        "let go of " + std::to_string(done->batches_erased) + " batches, kept " +
            std::to_string(done->batches_kept));
    return Exit::done;
}

}  // namespace tool
