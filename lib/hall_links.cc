#include <algorithm>
#include <string>
#include <utility>

#include "hall.h"
#include "hall_replication.h"
#include "shown_links.h"

namespace countersign {
namespace {

constexpr milliseconds shown_interval{1'000};

/// The lock of the serving process, which knows by it that it serves.
class ServingLock final : public FileLock {
  public:
    ServingLock(std::unique_ptr<FileLock> lock, std::shared_ptr<std::atomic<bool>> held)
        : held_(std::move(held)), lock_(std::move(lock)) {
        *held_ = true;
    }
    ~ServingLock() override { *held_ = false; }
    Result<void> lock(milliseconds patience) override { return lock_->lock(patience); }
    void unlock() noexcept override { lock_->unlock(); }

  private:
    const std::shared_ptr<std::atomic<bool>> held_;
    const std::unique_ptr<FileLock> lock_;
};

}  // namespace

Result<std::unique_ptr<FileLock>> Hall::serve() {
    auto lock = directory_.serve();
    if (!lock) return lock;
    return std::make_unique<ServingLock>(std::move(*lock), serves_);
}

void Hall::Replication::show(std::span<const LinkStatus> links) {
    std::map<NodeId, ShownLink> nodes;
    {
        const std::lock_guard guard(mutex_);
        for (const auto& [node, seq] : acked_) {
            nodes[node] = {.node = node, .state = LinkStatus::State::connecting, .acked = seq};
        }
    }
    for (const auto& link : links) {
        if (link.peer == NodeId{}) continue;
        auto& shown = nodes[link.peer];
        shown.node = link.peer;
        shown.state = link.state;
        shown.acked = std::max(shown.acked, link.acked);
    }
    std::vector<ShownLink> lines;
    for (const auto& [node, shown] : nodes) lines.push_back(shown);
    std::string text = encode_links(std::move(lines));
    const Instant time = hall_.now().monotonic;
    const std::lock_guard guard(show_mutex_);
    if (text == shown_text_ || (!shown_text_.empty() && time < shown_at_ + shown_interval)) return;
    // Nothing depends on it but what `status` prints, whom compaction names, and how long batches
    // stay for those who could copy.
    const auto written = hall_.environment_->write_file(
        hall_.directory_.links_path(), std::as_bytes(std::span(text)), false);
    if (!written) return;
    shown_text_ = std::move(text);
    shown_at_ = time;
}

std::vector<ShownLink> Hall::Replication::read_shown() const {
    const auto file =
        hall_.environment_->read_file(hall_.directory_.links_path(), shown_links_limit);
    if (!file || !*file) return {};
    const auto& bytes = **file;
    return decode_links({reinterpret_cast<const char*>(bytes.data()), bytes.size()})
        .value_or(std::vector<ShownLink>{});
}

std::map<NodeId, LogSeq> Hall::Replication::read_acked() const {
    std::map<NodeId, LogSeq> acked;
    if (!*hall_.serves_ && hall_.is_served()) {
        for (const auto& shown : read_shown()) acked[shown.node] = shown.acked;
    }
    const std::lock_guard guard(mutex_);
    for (const auto& [node, seq] : acked_) acked[node] = std::max(acked[node], seq);
    return acked;
}

LogSeq Hall::Replication::everyone_has(const PoolView& pool, LogSeq head) const {
    const auto acked = read_acked();
    LogSeq all = head;
    for (const auto& member : pool.members) {
        if (member.id == hall_.identity_->node) continue;
        const auto known = acked.find(member.id);
        all = std::min(all, known == acked.end() ? LogSeq{0} : known->second);
    }
    return all;
}

std::vector<LinkInfo> Hall::Replication::shown(const PoolView& pool) const {
    std::vector<LinkInfo> links;
    for (const auto& shown : read_shown()) {
        const auto* member = membership::find(pool.members, shown.node);
        if (!member) continue;
        links.push_back({.node = member->id,
                         .name = member->name,
                         .state = shown.state,
                         .acked_seq = shown.acked});
    }
    std::ranges::sort(links, {}, &LinkInfo::name);
    return links;
}

std::vector<std::string> Hall::Replication::members_behind(const PoolView& pool,
                                                           LogSeq head) const {
    std::map<NodeId, LogSeq> seqs;
    for (const auto& shown : read_shown()) seqs[shown.node] = shown.acked;
    {
        const std::lock_guard guard(mutex_);
        for (const auto& [node, seq] : acked_) seqs[node] = std::max(seqs[node], seq);
    }
    std::vector<std::string> behind;
    for (const auto& member : pool.members) {
        if (member.id != hall_.identity_->node && seqs[member.id] < head) {
            behind.push_back(member.name);
        }
    }
    return behind;
}

}  // namespace countersign
