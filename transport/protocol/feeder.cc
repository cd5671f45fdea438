#include "protocol/feeder.h"

#include <algorithm>
#include <utility>

namespace countersign::protocol {

Feeder::Feeder(std::shared_ptr<LinkStore> store, Agenda& agenda, std::size_t frame_bytes)
    : store_(std::move(store)),
      agenda_(agenda),
      frame_bytes_(std::clamp<std::size_t>(frame_bytes, 1, wire::batch_limit)) {}

void Feeder::on_follow(LogSeq after) {
    active_ = true;
    cursor_ = after;
    in_flight_.clear();
    pump();
}

void Feeder::on_ack(LogSeq seq) {
    in_flight_.remove_to(value(seq));
    if (seq > cursor_) {  // it had them from elsewhere
        cursor_ = seq;
        in_flight_.clear();
    }
    pump();
}

std::size_t Feeder::budget() const {
    return std::clamp<std::size_t>(in_flight_.room(), 1, frame_bytes_);
}

void Feeder::pump() {
    while (active_ && !reading_ && !agenda_.closed()) {
        if (!in_flight_.worth_sending(frame_bytes_)) return;
        auto batches = store_->recent_batches(cursor_, budget(), wire::batches_limit);
        if (!batches) return read();
        if (batches->empty() || !send(std::move(*batches))) return;
    }
}

void Feeder::read() {
    reading_ = true;
    agenda_.run<BatchRun>(
        [store = store_, after = cursor_, bytes = budget()] {
            return store->read_batches(after, bytes, wire::batches_limit);
        },
        [this, after = cursor_](BatchRun run) { on_read(after, std::move(run)); });
}

void Feeder::on_read(LogSeq after, BatchRun run) {
    reading_ = false;
    if (!active_) return;
    if (after == cursor_) {  // else the peer has asked for another place meanwhile
        if (run.gone) {
            active_ = false;
            return agenda_.send(wire::Gone{});
        }
        if (run.batches.empty() || !send(std::move(run.batches))) return;
    }
    pump();
}

bool Feeder::send(std::vector<SharedBatch> batches) {
    std::size_t fit = 0;
    for (; fit < batches.size(); ++fit) {
        const std::size_t size = flow_size(*batches[fit]);
        if (!in_flight_.has_room(size)) break;
        in_flight_.add(value(batches[fit]->seq), size);
    }
    if (fit == 0) return false;
    const bool all = fit == batches.size();
    batches.resize(fit);
    cursor_ = batches.back()->seq;
    agenda_.send(wire::Batches{std::move(batches)});
    return all;
}

}  // namespace countersign::protocol
