#include "log/run.h"

#include <string>
#include <utility>

namespace countersign::log {

Result<void> check_sequence(std::span<const SignedBatch> run, LogSeq due) {
    for (const auto& batch : run) {
        if (batch.place.seq != due) {
            return Error(errc::chain_gap,
                         described(batch.place.seq) + " came where " + described(due) + " was due");
        }
        due = next(due);
    }
    return {};
}

Result<std::vector<Proved>> prove(membership::Designations& designations,
                                  const PoolId& pool,
                                  std::span<const SignedBatch> run) {
    std::vector<Proved> proved(run.size());
    for (std::size_t i = run.size(); i-- > 0;) {
        const bool last = i + 1 == run.size();
        if (last || !same_designation(run[i].place, run[i + 1].place)) {
            auto authored = check_author(designations, run[i]);
            if (!authored) return authored.error();
        }
        const auto hash = run[i].hash();
        if (!last && proved[i + 1].batch.previous != hash) {
            return Error(errc::chain_gap,
                         described(run[i + 1].place.seq) + " follows another batch");
        }
        auto batch = decode(run[i]);
        if (!batch) return batch.error();
        if (batch->pool != pool) return Error(errc::wrong_pool, described(run[i].place.seq));
        proved[i] = {std::move(*batch), hash};
    }
    return proved;
}

Result<void> check_follows(membership::Designations& designations,
                           const Head& head,
                           const Proved& next,
                           Successors& successors) {
    const Batch& batch = next.batch;
    auto placed = check_succession(designations, head, batch.place);
    if (!placed) return placed;
    auto within = successors.check(batch.place, next.hash);
    if (!within) return within;
    if (batch.previous != head.hash) {
        return Error(errc::fork, described(batch.place.seq) + " continues another branch");
    }
    if (batch.time < head.time) {
        return Error(errc::malformed, described(batch.place.seq) + " is older than the one before");
    }
    return {};
}

}  // namespace countersign::log
