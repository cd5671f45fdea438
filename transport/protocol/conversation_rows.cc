#include <utility>

#include "protocol/conversation.h"

// What concerns rows of attempts, which every settled link carries both ways.

namespace countersign::protocol {

void Conversation::begin_rows() {
    row_feeder_.set_peer(terms_.peer.node);
    row_receiver_.start(terms_.peer.node, peer_hello_->level >= wire::rows_level);
}

void Conversation::pass_rows_on() {
    row_receiver_.on_change();
    row_feeder_.on_change();
}

Result<void> Conversation::on(wire::Holds&& holds) {
    row_feeder_.on_holds(std::move(holds.vector));
    return {};
}

Result<void> Conversation::on(wire::Rows&& rows) {
    for (const auto& run : rows.runs) row_feeder_.peer_sent(run);
    return row_receiver_.on_rows(std::move(rows));
}

Result<void> Conversation::on(wire::RowsStored&& stored) {
    return row_feeder_.on_stored(stored.messages);
}

}  // namespace countersign::protocol
