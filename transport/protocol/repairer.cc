#include "protocol/repairer.h"

#include <algorithm>
#include <utility>

#include "protocol/flow.h"

namespace countersign::protocol {
namespace {

/// Leaves of a bucket are 4 KiB: where more buckets differ, their records are fetched whole.
constexpr std::size_t compared_buckets = 64;
constexpr milliseconds later{5'000};
constexpr milliseconds much_later{300'000};

}  // namespace

Repairer::Repairer(std::shared_ptr<LinkStore> store,
                   Agenda& agenda,
                   std::size_t window,
                   std::function<void(std::optional<LogSeq>)> hold)
    : store_(std::move(store)),
      agenda_(agenda),
      window_(std::clamp(window, least_window, most_window)),
      hold_(std::move(hold)) {}

void Repairer::consider(LogSeq peer_head, Instant now) {
    now_ = now;
    const LogSeq head = store_->head().seq;
    if (phase_ != Phase::idle || now < not_before_ || !store_->damaged()) return;
    if (head == LogSeq{} || peer_head < head) return;
    phase_ = Phase::asked;
    // What the peer has sent by now is within its snapshot; what comes behind it is not.
    hold_(head);
    agenda_.send(wire::Repair{wire::Repair::Begin{head}});
    agenda_.tell({.kind = LinkEvent::Kind::repair_started, .peer = peer_, .seq = head});
}

void Repairer::end(milliseconds pause) {
    if (phase_ != Phase::asked) agenda_.send(wire::Repair{wire::Repair::End{}});
    phase_ = Phase::idle;
    not_before_ = now_ + pause;
    their_buckets_.clear();
    mine_ = {};
    pages_.clear();
    hold_(std::nullopt);
}

Result<void> Repairer::on_buckets(wire::Buckets&& buckets) {
    if (phase_ == Phase::comparing) return on_leaves(buckets);
    if (phase_ != Phase::asked || buckets.bucket != wire::Buckets::all) {
        return Error(errc::malformed, "buckets came that were not asked for");
    }
    if (buckets.moment == LogSeq{}) {
        end(later);
        return {};
    }
    if (!buckets.sound) {
        end(much_later);
        return {};
    }
    phase_ = Phase::catching;
    moment_ = buckets.moment;
    their_buckets_ = std::move(buckets.sums);
    hold_(moment_);
    on_head();
    return {};
}

void Repairer::on_head() {
    if (phase_ != Phase::catching) return;
    const LogSeq head = store_->head().seq;
    if (head > moment_) return end(later);
    if (head == moment_) examine();
}

void Repairer::examine() {
    phase_ = Phase::examining;
    agenda_.run<RecordSums>([store = store_] { return store->examine(); },
                            [this](RecordSums mine) { on_examined(std::move(mine)); });
}

void Repairer::on_examined(RecordSums mine) {
    if (mine.sound) {
        end(milliseconds{});
        return agenda_.tell({.kind = LinkEvent::Kind::repaired, .peer = peer_, .seq = mine.moment});
    }
    if (mine.moment != moment_) return end(later);
    mine_ = std::move(mine);
    const auto my_buckets = mine_.buckets();
    BucketSet differing;
    for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
        if (my_buckets[bucket] != their_buckets_[bucket]) differing.add(bucket);
    }
    leaves_ = {};
    awaited_ = differing.count();
    if (awaited_ == 0) return end(much_later);  // what is wrong here is not in the records
    if (awaited_ > compared_buckets) {
        for (std::size_t leaf = 0; leaf < leaf_count; ++leaf) {
            if (differing.has(leaf / leaves_per_bucket)) leaves_.add(leaf);
        }
        return fetch();
    }
    phase_ = Phase::comparing;
    asked_ = differing;
    agenda_.send(wire::Repair{wire::Repair::Compare{std::move(differing)}});
}

Result<void> Repairer::on_leaves(const wire::Buckets& buckets) {
    const std::size_t bucket = buckets.bucket;
    if (bucket >= bucket_count || !asked_.has(bucket) || buckets.moment != moment_ ||
        !buckets.sound) {
        return Error(errc::malformed, "leaves came that were not asked for");
    }
    asked_.remove(bucket);
    for (std::size_t i = 0; i < leaves_per_bucket; ++i) {
        const std::size_t leaf = bucket * leaves_per_bucket + i;
        if (mine_.leaves[leaf] != buckets.sums[i]) leaves_.add(leaf);
    }
    if (--awaited_ == 0) fetch();
    return {};
}

void Repairer::fetch() {
    phase_ = Phase::fetching;
    cursor_.reset();
    bytes_ = 0;
    staged_ = 0;
    last_came_ = busy_ = false;
    agenda_.send(wire::Repair{wire::Repair::Fetch{leaves_}});
}

Result<void> Repairer::on_page(CopyPage&& page) {
    if (last_came_ || page.moment != moment_) {
        return Error(errc::malformed, "a page of a repair that was not asked for");
    }
    for (const auto& record : page.records) {
        if ((cursor_ && record.key <= *cursor_) || !leaves_.has(leaf_of(record.key.id))) {
            return Error(errc::malformed, "a page of a repair holds what was not asked for");
        }
        cursor_ = record.key;
    }
    const std::size_t size = flow_size(page);
    if (bytes_ != 0 && bytes_ + size > window_) {
        return Error(errc::too_large, "more pages came than were asked for at a time");
    }
    bytes_ += size;
    last_came_ = page.last;
    pages_.push_back(std::move(page));
    stage_next();
    return {};
}

void Repairer::stage_next() {
    if (busy_ || pages_.empty()) return;
    busy_ = true;
    const std::size_t size = flow_size(pages_.front());
    agenda_.run(
        [store = store_, page = std::move(pages_.front()), first = staged_ == 0] {
            return store->stage_repair(page, first);
        },
        [this, size] {
            busy_ = false;
            bytes_ -= size;
            agenda_.send(wire::Staged{++staged_});
            if (last_came_ && pages_.empty()) return mend();
            stage_next();
        });
    pages_.pop_front();
}

void Repairer::mend() {
    phase_ = Phase::mending;
    agenda_.run<bool>(
        [store = store_, peer = peer_, leaves = leaves_, moment = moment_] {
            return store->repair(peer, leaves, moment);
        },
        [this](bool repaired) {
            end(repaired ? milliseconds{} : much_later);
            if (!repaired) return;
            agenda_.tell({.kind = LinkEvent::Kind::repaired, .peer = peer_, .seq = moment_});
        });
}

}  // namespace countersign::protocol
