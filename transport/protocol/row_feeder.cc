#include "protocol/row_feeder.h"

#include <algorithm>
#include <utility>

namespace countersign::protocol {
namespace {

/// What a message of rows may hold, so that no message waits long behind one.
constexpr std::size_t page_bytes = 128u << 10;
constexpr std::size_t page_rows = wire::runs_limit;
/// The largest that such a message can be: each row alone in its run, and one beyond the bytes.
constexpr std::size_t page_most =
    flow_overhead + page_bytes + wire::row_limit + page_rows * (row_overhead + flow_overhead);
static_assert(page_most <= rows_window);

void raise(RowVector& vector, const RowAuthor& author, RowSeq seq) {
    auto& known = vector[author];
    known = std::max(known, seq);
}

}  // namespace

RowFeeder::RowFeeder(std::shared_ptr<LinkStore> store, Agenda& agenda)
    : store_(std::move(store)), agenda_(agenda) {
    in_flight_.set_window(rows_window);
}

void RowFeeder::on_holds(RowVector vector) {
    read_to_ = vector;
    peer_has_ = std::move(vector);
    ++vectors_;
    is_first_ = true;
    said_all_ = false;
    pump();
}

void RowFeeder::peer_sent(const RowRun& run) {
    raise(peer_has_, run.author, run.rows.back().seq);
    raise(read_to_, run.author, run.rows.back().seq);
}

Result<void> RowFeeder::on_stored(std::uint64_t messages) {
    if (messages < stored_ || messages > sent_) {
        return Error(errc::malformed, "rows were acknowledged that were not sent");
    }
    stored_ = messages;
    in_flight_.remove_to(messages);
    pump();
    return {};
}

bool RowFeeder::has_news(const RowVector& held) const {
    return std::ranges::any_of(held, [&](const auto& entry) {
        const auto known = read_to_.find(entry.first);
        return known == read_to_.end() || known->second < entry.second;
    });
}

/// At first the peer is also shown the last row of its own that is held here: if it never wrote
/// that, another directory speaks as it does, though their counts may agree.
RowVector RowFeeder::asked_for(const RowVector& held) const {
    RowVector known = peer_has_;
    if (!is_first_) return known;
    for (const auto& [author, seq] : held) {
        if (author.node != peer_) continue;
        auto& own = known[author];
        own = std::min(own, RowSeq{value(seq) - 1});
    }
    return known;
}

void RowFeeder::pump() {
    if (vectors_ == 0 || reading_ || agenda_.closed()) return;
    if (!in_flight_.has_room(page_most)) return;
    const auto held = store_->row_vector();
    if (!held || (said_all_ && !has_news(*held))) return;
    reading_ = true;
    agenda_.run<RowPage>(
        [store = store_, known = asked_for(*held)] {
            return store->read_rows(known, page_bytes, page_rows);
        },
        [this, vectors = vectors_](RowPage page) {
            reading_ = false;
            if (vectors == vectors_) on_read(std::move(page));
            pump();
        });
}

void RowFeeder::on_read(RowPage page) {
    is_first_ = false;
    for (const auto& [author, seq] : page.reached) raise(read_to_, author, seq);
    for (const auto& run : page.runs) raise(peer_has_, run.author, run.rows.back().seq);
    if (page.runs.empty() && (!page.all || said_all_)) return;
    said_all_ = said_all_ || page.all;
    std::size_t size = flow_overhead;
    for (const auto& run : page.runs) size += flow_size(run);
    in_flight_.add(++sent_, size);
    agenda_.send(wire::Rows{std::move(page.runs), page.all});
}

}  // namespace countersign::protocol
