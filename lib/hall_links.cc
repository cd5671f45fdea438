#include <algorithm>
#include <sstream>
#include <string>
#include <utility>

#include "hall.h"
#include "hall_replication.h"

namespace countersign {
namespace {

// The file `links`: what the serving process last showed, one line a member:
// node id (64 hexadecimal digits), LinkStatus::State as a number, seq acknowledged.
constexpr std::string_view heading = "countersign links 1\n";
constexpr std::size_t links_file_limit = std::size_t{1} << 20;
constexpr milliseconds shown_interval{1'000};
constexpr unsigned last_state = static_cast<unsigned>(LinkStatus::State::idle);

}  // namespace

void Hall::Replication::show(std::span<const LinkStatus> links) {
    std::map<NodeId, Shown> nodes;
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
    std::string text(heading);
    for (const auto& [node, shown] : nodes) {
        text += to_hex(node.bytes) + ' ' + std::to_string(static_cast<unsigned>(shown.state)) +
                ' ' + std::to_string(value(shown.acked)) + '\n';
    }
    const Instant time = hall_.now().monotonic;
    const std::lock_guard guard(show_mutex_);
    if (text == shown_text_ || (!shown_text_.empty() && time < shown_at_ + shown_interval)) return;
    // Nothing depends on it but what `status` prints and whom compaction names.
    const auto written = hall_.environment_->write_file(
        hall_.directory_.links_path(), std::as_bytes(std::span(text)), false);
    if (!written) return;
    shown_text_ = std::move(text);
    shown_at_ = time;
}

std::vector<Hall::Replication::Shown> Hall::Replication::read_shown() const {
    const auto file =
        hall_.environment_->read_file(hall_.directory_.links_path(), links_file_limit);
    if (!file || !*file) return {};
    std::istringstream lines(
        std::string(reinterpret_cast<const char*>((*file)->data()), (*file)->size()));
    std::string line;
    if (!std::getline(lines, line) || line + '\n' != heading) return {};
    std::vector<Shown> nodes;
    std::string node;
    unsigned state = 0;
    std::uint64_t acked = 0;
    while (lines >> node >> state >> acked) {
        const auto bytes = from_hex(node);
        const auto id = bytes ? NodeId::from_bytes(*bytes) : std::nullopt;
        if (!id || state > last_state) return {};
        nodes.push_back(
            {.node = *id, .state = static_cast<LinkStatus::State>(state), .acked = LogSeq{acked}});
    }
    return nodes;
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
