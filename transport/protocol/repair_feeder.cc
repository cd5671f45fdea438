#include "protocol/repair_feeder.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace countersign::protocol {

RepairFeeder::RepairFeeder(std::shared_ptr<LinkStore> store,
                           Agenda& agenda,
                           std::size_t page_bytes,
                           milliseconds deadline)
    : store_(std::move(store)),
      agenda_(agenda),
      page_bytes_(std::min(page_bytes, wire::page_limit)),
      deadline_(deadline) {}

Result<void> RepairFeeder::on_repair(wire::Repair&& repair, Instant now) {
    now_ = now;
    return std::visit([this](auto&& step) { return on(std::move(step)); }, std::move(repair.step));
}

Result<void> RepairFeeder::on(wire::Repair::Begin&& begin) {
    if (opening_ || source_) return Error(errc::malformed, "a repair began before one had ended");
    if (store_->head().seq < begin.head) {
        agenda_.send(wire::Buckets{});  // what this node lacks it cannot compare
        return {};
    }
    opening_ = true;
    agenda_.run<std::shared_ptr<RepairSource>>(
        [store = store_] { return store->open_repair_source(); },
        [this](std::shared_ptr<RepairSource> source) { say_buckets(std::move(source)); });
    return {};
}

void RepairFeeder::say_buckets(std::shared_ptr<RepairSource> source) {
    opening_ = false;
    if (!source) return agenda_.send(wire::Buckets{});
    const RecordSums& sums = source->sums();
    if (!sums.sound) return agenda_.send(wire::Buckets{.moment = sums.moment});
    give_up_at_ = now_ + deadline_;
    compared_ = false;
    agenda_.send(wire::Buckets{.moment = sums.moment, .sound = true, .sums = sums.buckets()});
    source_ = std::move(source);
}

Result<void> RepairFeeder::on(wire::Repair::Compare&& compare) {
    if (!source_ || compared_ || leaves_) {
        return Error(errc::malformed, "leaves were asked for out of place");
    }
    compared_ = true;
    const RecordSums& sums = source_->sums();
    for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
        if (!compare.buckets.has(bucket)) continue;
        const auto first =
            sums.leaves.begin() + static_cast<std::ptrdiff_t>(bucket * leaves_per_bucket);
        agenda_.send(wire::Buckets{.moment = sums.moment,
                                   .sound = true,
                                   .bucket = static_cast<std::uint16_t>(bucket),
                                   .sums = {first, first + leaves_per_bucket}});
    }
    return {};
}

Result<void> RepairFeeder::on(wire::Repair::Fetch&& fetch) {
    if (!source_ || leaves_) {
        return Error(errc::malformed, "records of leaves were asked for out of place");
    }
    leaves_ = std::move(fetch.leaves);
    after_.reset();
    in_flight_.clear();
    pages_ = staged_ = 0;
    more_ = true;
    pump();
    return {};
}

Result<void> RepairFeeder::on(wire::Repair::End&&) {
    source_.reset();
    leaves_.reset();
    give_up_at_.reset();
    more_ = false;
    in_flight_.clear();
    return {};
}

Result<void> RepairFeeder::on_staged(std::uint64_t pages) {
    if (pages < staged_ || pages > pages_) {
        return Error(errc::malformed, "pages were acknowledged that were not sent");
    }
    staged_ = pages;
    in_flight_.remove_to(pages);
    pump();
    return {};
}

Result<void> RepairFeeder::on_time(Instant now) {
    now_ = now;
    if (!give_up_at_ || now < *give_up_at_) return {};
    return Error(errc::timed_out, "the repair of the peer took too long; it may begin again");
}

void RepairFeeder::pump() {
    if (!more_ || reading_ || !in_flight_.has_room(page_bytes_ + flow_overhead)) return;
    reading_ = true;
    agenda_.run<CopyPage>(
        [source = source_, leaves = *leaves_, after = after_, size = page_bytes_] {
            return source->read_page(leaves, after, size);
        },
        [this, source = source_.get()](CopyPage page) {
            reading_ = false;
            if (source == source_.get()) on_page(std::move(page));
        });
}

void RepairFeeder::on_page(CopyPage page) {
    if (!page.records.empty()) after_ = page.records.back().key;
    more_ = !page.last;
    in_flight_.add(++pages_, flow_size(page));
    agenda_.send(wire::Page{std::move(page)});
    pump();
}

}  // namespace countersign::protocol
