#include "protocol/copy_feeder.h"

#include <algorithm>
#include <utility>

namespace countersign::protocol {

CopyFeeder::CopyFeeder(std::shared_ptr<LinkStore> store, Agenda& agenda, std::size_t page_bytes)
    : store_(std::move(store)),
      agenda_(agenda),
      page_bytes_(std::min(page_bytes, wire::page_limit)) {}

void CopyFeeder::on_request(const wire::CopyRequest& request) {
    ++request_;
    in_flight_.clear();
    after_ = request.after;
    pages_ = staged_ = 0;
    more_ = true;
    reading_ = true;
    const LogSeq head = store_->head().seq;
    if (head == LogSeq{}) {
        return agenda_.fail(Error(errc::chain_gap, "this node holds nothing that could be copied"));
    }
    held_ = request.first == LogSeq{} ? head : std::min(head, request.first);
    store_->hold_batches(peer_, held_);
    // The batch of the first moment anchors the chain: without it the pages prove nothing.
    agenda_.run<BatchRun>(
        [store = store_, before = LogSeq{value(held_) - 1}] {
            return store->read_batches(before, 1, 1);
        },
        [this, request = request_](BatchRun run) {
            if (request != request_) return;
            reading_ = false;
            if (run.gone) {
                more_ = false;
                return agenda_.send(wire::Gone{});
            }
            pump();
        });
}

Result<void> CopyFeeder::on_staged(std::uint64_t pages) {
    if (pages < staged_ || pages > pages_) {
        return Error(errc::malformed, "pages were acknowledged that were not sent");
    }
    staged_ = pages;
    in_flight_.remove_to(pages);
    store_->hold_batches(peer_, held_);
    pump();
    return {};
}

void CopyFeeder::pump() {
    if (!more_ || reading_ || !in_flight_.has_room(page_bytes_ + flow_overhead)) return;
    reading_ = true;
    agenda_.run<CopyPage>(
        [store = store_, after = after_, size = page_bytes_] {
            return store->read_page(after, size);
        },
        [this, request = request_](CopyPage page) {
            if (request == request_) on_page(std::move(page));
        });
}

void CopyFeeder::on_page(CopyPage page) {
    reading_ = false;
    if (!page.records.empty()) after_ = page.records.back().key;
    more_ = !page.last;
    in_flight_.add(++pages_, flow_size(page));
    agenda_.send(wire::Page{std::move(page)});
    pump();
}

}  // namespace countersign::protocol
