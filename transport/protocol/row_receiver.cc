#include "protocol/row_receiver.h"

#include <iterator>
#include <utility>

namespace countersign::protocol {
namespace {

std::size_t size_of(const wire::Rows& rows) {
    std::size_t size = flow_overhead;
    for (const auto& run : rows.runs) size += flow_size(run);
    return size;
}

}  // namespace

RowReceiver::RowReceiver(std::shared_ptr<LinkStore> store, Agenda& agenda)
    : store_(std::move(store)), agenda_(agenda) {}

void RowReceiver::start(const NodeId& peer, bool speaks_rows) {
    peer_ = peer;
    speaks_rows_ = speaks_rows;
    started_ = true;
    on_change();
}

void RowReceiver::on_change() {
    if (!started_ || agenda_.closed()) return;
    if (!told_) return tell();
    if (asks_beyond_ && store_->head().seq > *asks_beyond_) tell();
}

void RowReceiver::tell() {
    const auto held = store_->row_vector();
    if (!held) return;  // without a log nobody's rows can be judged
    told_ = true;
    asks_beyond_.reset();
    if (!speaks_rows_) return complete();
    agenda_.send(wire::Holds{*held});
}

Result<void> RowReceiver::on_rows(wire::Rows&& rows) {
    if (!told_) return Error(errc::malformed, "rows came that were not asked for");
    bytes_ += size_of(rows);
    if (bytes_ > rows_window) {
        return Error(errc::too_large, "the peer sent more rows than may be under way");
    }
    waiting_.push_back(std::move(rows));
    if (!storing_) store_next();
    return {};
}

void RowReceiver::store_next() {
    if (waiting_.empty()) return;
    storing_ = true;
    std::vector<RowRun> runs;
    const std::size_t messages = waiting_.size();
    const bool all = waiting_.back().all;
    for (auto& each : std::exchange(waiting_, {})) {
        runs.insert(runs.end(),
                    std::make_move_iterator(each.runs.begin()),
                    std::make_move_iterator(each.runs.end()));
    }
    agenda_.run<RowsTaken>(
        [store = store_, runs = std::move(runs)] { return store->take_rows(runs); },
        [this, messages, all, size = bytes_](RowsTaken taken) {
            storing_ = false;
            bytes_ -= size;
            on_taken(taken, messages, all);
            store_next();
        });
}

void RowReceiver::on_taken(const RowsTaken& taken, std::size_t messages, bool all) {
    stored_ += messages;
    agenda_.send(wire::RowsStored{stored_});
    if (taken.is_new_life) return tell();
    if (taken.ask_again) {
        asks_beyond_ = store_->head().seq;
    } else if (all) {
        complete();
    }
}

void RowReceiver::complete() {
    if (std::exchange(is_complete_, true)) return;
    agenda_.run([store = store_, peer = peer_] { return store->rows_complete(peer); }, [] {});
}

}  // namespace countersign::protocol
