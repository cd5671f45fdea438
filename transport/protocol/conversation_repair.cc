#include <utility>

#include "protocol/conversation.h"

// What concerns a repair, and which of the parts a page or its acknowledgement is for: no link
// carries a copy and a repair the same way at one time.

namespace countersign::protocol {

void Conversation::consider_repair() {
    if (!follower_.copying()) repairer_.consider(peer_head_.seq, now_.monotonic);
}

Result<void> Conversation::on(wire::Repair&& repair) {
    return repair_feeder_.on_repair(std::move(repair), now_.monotonic);
}

Result<void> Conversation::on(wire::Buckets&& buckets) {
    return repairer_.on_buckets(std::move(buckets));
}

Result<void> Conversation::on(wire::Staged&& staged) {
    return repair_feeder_.feeding() ? repair_feeder_.on_staged(staged.pages)
                                    : copy_feeder_.on_staged(staged.pages);
}

Result<void> Conversation::on(wire::Page&& page) {
    return repairer_.fetching() ? repairer_.on_page(std::move(page.page))
                                : follower_.on_page(std::move(page.page));
}

}  // namespace countersign::protocol
