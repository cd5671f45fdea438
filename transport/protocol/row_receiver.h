#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/link.h"

#include "protocol/agenda.h"
#include "protocol/flow.h"

namespace countersign::protocol {

/// The side of a link that takes rows of attempts ("Rows of attempts", transport/README.md). Says
/// what the store holds, stores what comes, and acknowledges it once it is on disk. All that come
/// while one transaction is under way share the next.
class RowReceiver {
  public:
    RowReceiver(std::shared_ptr<LinkStore> store, Agenda& agenda);

    /// The link is settled. A peer that knows nothing of rows has none to wait for.
    void start(const NodeId& peer, bool speaks_rows);
    Result<void> on_rows(wire::Rows&& rows);
    /// The store's head, or what it holds of rows, has changed.
    void on_change();

  private:
    void tell();
    void store_next();
    void on_taken(const RowsTaken& taken, std::size_t messages, bool all);
    void complete();

    std::shared_ptr<LinkStore> store_;
    Agenda& agenda_;
    NodeId peer_;
    bool started_ = false;
    bool speaks_rows_ = false;
    bool told_ = false;
    std::vector<wire::Rows> waiting_;
    std::size_t bytes_ = 0;  // that wait or are being stored
    std::uint64_t stored_ = 0;
    bool storing_ = false;
    bool is_complete_ = false;
    std::optional<LogSeq> asks_beyond_;  // some were left at this head
};

}  // namespace countersign::protocol
