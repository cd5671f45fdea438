#include "transport/protocol/two_links.h"

#include <algorithm>
#include <utility>

namespace countersign::testing {

TwoLinks::TwoLinks(std::uint64_t seed)
    : now{.wall = UnixTime{std::chrono::hours(500'000)},
          .monotonic = Instant(std::chrono::hours(1))},
      random(seed) {
    hq.store = std::make_shared<FakeLinkStore>(seed * 2 + 1000, "hq");
    branch.store = std::make_shared<FakeLinkStore>(seed * 2 + 1001, "branch");
}

void TwoLinks::found(bool branch_has_log) {
    hq.store->found_pool();
    hq.store->add_member(*branch.store, Capability::propose);
    branch.store->restore_from(*hq.store);
    if (!branch_has_log) branch.store->forget_log();
}

void TwoLinks::dial() {
    auto dialled = Link::dial(branch.store, branch.table, hq.store->channel_key(), options, now);
    start(std::move(*dialled));
}

void TwoLinks::join(Link::Invited invited) {
    auto joining = Link::join(
        branch.store, branch.table, hq.store->channel_key(), std::move(invited), options, now);
    start(std::move(*joining));
}

void TwoLinks::start(Link dialled) {
    hq.link.emplace(Link::answer(hq.store, hq.table, options, now));
    branch.link.emplace(std::move(dialled));
    for (End* end : {&hq, &branch}) {
        end->outgoing.clear();
        end->tasks.clear();
        end->events.clear();
        end->closed.reset();
        end->wake.reset();
        end->drain();
    }
}

void TwoLinks::on_commit() {
    if (!hq.link) return;
    hq.link->on_commit(now);
    hq.drain();
}

void TwoLinks::on_commit_at_branch() {
    if (!branch.link) return;
    branch.link->on_commit(now);
    branch.drain();
}

void TwoLinks::arrive(End& from, End& to) {
    std::size_t size = std::min(from.outgoing.size(), max_chunk);
    if (max_chunk > 1 && max_chunk < from.outgoing.size()) size = 1 + random() % max_chunk;
    if (cut_at_) size = std::min(size, *cut_at_ - arrived_);
    Bytes chunk(from.outgoing.begin(), from.outgoing.begin() + static_cast<std::ptrdiff_t>(size));
    from.outgoing.erase(from.outgoing.begin(),
                        from.outgoing.begin() + static_cast<std::ptrdiff_t>(size));
    arrived_ += size;
    if (tap) tap(chunk, &to == &hq);
    from.link->on_sent(size);
    to.link->on_bytes(chunk, now);
    to.drain();
    from.drain();
}

void TwoLinks::run_task(End& end) {
    RunStore run = std::move(end.tasks.front());
    end.tasks.pop_front();
    run.task();
    end.link->on_done(run.id, now);
    end.drain();
}

/// One thing that can happen now, drawn from those that can.
bool TwoLinks::step() {
    if (!hq.link || !branch.link) return false;
    std::vector<std::function<void()>> can;
    if (!hq.outgoing.empty() && !branch_is_deaf) can.push_back([this] { arrive(hq, branch); });
    if (!branch.outgoing.empty() && !hq_is_deaf) can.push_back([this] { arrive(branch, hq); });
    if (!tasks_wait && !hq.tasks.empty()) can.push_back([this] { run_task(hq); });
    if (!tasks_wait && !branch.tasks.empty()) can.push_back([this] { run_task(branch); });
    // What was sent before a close still arrives; then the other end finds the stream ended.
    for (auto [one, other] : {std::pair{&hq, &branch}, {&branch, &hq}}) {
        if (one->closed && one->outgoing.empty() && !other->closed) {
            can.push_back([this, other = other] {
                other->link->on_closed(Error(errc::link_closed, "the stream ended"));
                other->drain();
            });
        }
    }
    if (can.empty()) return false;
    can[random() % can.size()]();
    if (watch) watch();
    if (cut_at_ && arrived_ >= *cut_at_) cut();
    return true;
}

void TwoLinks::run(std::size_t budget) {
    while (budget-- > 0 && step()) {
    }
}

void TwoLinks::advance(milliseconds time) {
    const Instant end = now.monotonic + time;
    while (true) {
        run();
        std::optional<Instant> due;
        for (End* each : {&hq, &branch}) {
            if (each->link && each->wake && !each->closed && (!due || *each->wake < *due)) {
                due = each->wake;
            }
        }
        const Instant to = due && *due < end ? std::max(*due, now.monotonic) : end;
        now.wall += std::chrono::duration_cast<milliseconds>(to - now.monotonic);
        now.monotonic = to;
        for (End* each : {&hq, &branch}) {
            if (!each->link || !each->wake || *each->wake > to) continue;
            each->wake.reset();
            each->link->on_time(now);
            each->drain();
        }
        run();
        if (to == end) return;
    }
}

void TwoLinks::cut() {
    cut_at_.reset();
    for (End* end : {&hq, &branch}) {
        if (!end->link) continue;
        end->link->on_closed(Error(errc::link_closed, "cut"));
        end->drain();
        end->link.reset();
        end->outgoing.clear();
        end->tasks.clear();
    }
}

bool TwoLinks::in_step() const {
    return hq.store->rows() == branch.store->rows() && hq.store->head() == branch.store->head();
}

bool TwoLinks::same_attempts() const {
    return hq.store->attempts() == branch.store->attempts();
}

}  // namespace countersign::testing
