// Frames of a link and the payload of its handshake (wire.capnp).
#include "fuzz/fuzz.h"
#include "transport/wire/samples.h"
#include "wire/decode.h"
#include "wire/encode.h"

namespace countersign::fuzz {
namespace {

void check_limits(const wire::Message& message) {
    if (const auto* batches = std::get_if<wire::Batches>(&message)) {
        require(!batches->batches.empty() && batches->batches.size() <= wire::batches_limit,
                "1 to batches_limit batches");
        for (const auto& each : batches->batches) {
            require(each && each->bytes.size() <= wire::batch_limit, "batches within batch_limit");
        }
    } else if (const auto* page = std::get_if<wire::Page>(&message)) {
        std::size_t size = 0;
        for (const auto& each : page->page.records) {
            require(each.handles.size() <= wire::handles_limit, "handles within handles_limit");
            size += each.sealed.size() + each.handles.size();
        }
        require(size <= wire::page_limit, "a page within page_limit");
    } else if (const auto* buckets = std::get_if<wire::Buckets>(&message)) {
        require(buckets->bucket <= wire::Buckets::all, "a bucket that exists");
        require(buckets->sums.size() == (buckets->sound ? bucket_count : 0), "256 sums, or none");
    } else if (const auto* holds = std::get_if<wire::Holds>(&message)) {
        require(holds->vector.size() <= wire::authors_limit, "authors within authors_limit");
    } else if (const auto* rows = std::get_if<wire::Rows>(&message)) {
        std::size_t size = 0;
        for (const auto& run : rows->runs) {
            RowSeq last = run.after;
            for (const auto& row : run.rows) {
                require(last < row.seq, "rows that rise");
                last = row.seq;
                size += row.bytes.size();
            }
        }
        require(size <= wire::rows_bytes_limit, "rows within rows_bytes_limit");
    } else if (const auto* goodbye = std::get_if<wire::Goodbye>(&message)) {
        require(goodbye->reason.size() <= wire::reason_limit, "a reason within reason_limit");
    } else if (const auto* join = std::get_if<wire::Join>(&message)) {
        require(join->request.addresses.size() <= wire::addresses_limit, "addresses within limit");
    }
}

void run_frame(BytesView input) {
    const auto message = wire::decode(input);
    if (!message) return require_documented(message.error(), {errc::malformed, errc::too_large});
    if (std::holds_alternative<wire::Unknown>(*message)) return;
    check_limits(*message);
    const auto frame = wire::encode(*message);
    const auto again = wire::decode(frame);
    require(again.has_value(), "what was read can be written and read");
    require(again->index() == message->index(), "a message stays of its kind");
    require(wire::encode(*again) == frame, "what was read again is the same");
}

void run_opening(BytesView input) {
    const auto opening = wire::decode_opening(input);
    if (!opening) return require_documented(opening.error(), {errc::malformed, errc::too_large});
    const auto again = wire::decode_opening(wire::encode(*opening));
    require(again && again->wire_version == opening->wire_version &&
                again->invitation == opening->invitation,
            "an opening that was written says the same");
}

std::vector<Bytes> frames() {
    std::vector<Bytes> all;
    for (const auto& message : testing::samples()) all.push_back(wire::encode(message));
    return all;
}

std::vector<Bytes> openings() {
    return {wire::encode(wire::Opening{1, std::nullopt}),
            wire::encode(wire::Opening{3, filled_id<InvitationId>(7)})};
}

const Target frame_target("frame", run_frame, frames);
const Target opening_target("opening", run_opening, openings);

}  // namespace
}  // namespace countersign::fuzz
