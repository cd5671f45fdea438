#pragma once

#include <algorithm>
#include <vector>

#include "wire/message.h"

namespace countersign::testing {

template <class IdType>
IdType filled(int byte) {
    IdType id;
    id.bytes.fill(static_cast<std::byte>(byte));
    return id;
}

inline Bytes filled(std::size_t size, int byte) {
    return Bytes(size, static_cast<std::byte>(byte));
}

inline SharedBatch sample_batch(std::uint64_t seq, std::size_t size = 100) {
    return std::make_shared<BatchEnvelope>(
        BatchEnvelope{.root_term = RootTerm{2},
                      .epoch = Epoch{5},
                      .node = filled<NodeId>(0x11),
                      .seq = LogSeq{seq},
                      .signature = filled<SignatureBytes>(0x22),
                      .bytes = filled(size, static_cast<int>(seq))});
}

inline LogHead sample_head() {
    return {.root_term = RootTerm{2},
            .epoch = Epoch{5},
            .node = filled<NodeId>(0x11),
            .seq = LogSeq{77},
            .hash = filled<BatchHash>(0x33),
            .time = UnixTime{milliseconds{1'700'000'000'123}}};
}

inline wire::Hello sample_hello() {
    return {.level = 1,
            .node = filled<NodeId>(0x44),
            .name = "hq",
            .incarnation = Incarnation{0xfedcba9876543210},
            .link_counter = 9,
            .head = sample_head(),
            .known = {{RootTerm{1}, Epoch{1}, filled<NodeId>(0x44)},
                      {RootTerm{2}, Epoch{5}, filled<NodeId>(0x11)}},
            .window = 4u << 20};
}

inline CopiedRecord sample_record(int id, std::size_t size = 60) {
    return {.key = {1, filled<RecordId>(id)},
            .seq = LogSeq{3},
            .sealed = filled(size, id),
            .handles = filled(32, 0x55)};
}

inline wire::Page sample_page() {
    return {CopyPage{.moment = LogSeq{77},
                     .records = {sample_record(1), sample_record(2), sample_record(3)},
                     .last = false}};
}

inline wire::Join sample_join() {
    return {JoinRequest{.invitation = filled<InvitationId>(0x66),
                        .admission = {filled(200, 0x67), filled<SignatureBytes>(0x68)},
                        .addresses = {"edge.example:7700", "[2001:db8::1]:7700"}}};
}

inline wire::Repair sample_compare() {
    wire::Repair::Compare compare;
    compare.buckets.add(3);
    compare.buckets.add(255);
    return {std::move(compare)};
}

inline wire::Repair sample_fetch() {
    wire::Repair::Fetch fetch;
    fetch.leaves.add(0);
    fetch.leaves.add(65'535);
    return {std::move(fetch)};
}

inline wire::Buckets sample_buckets() {
    wire::Buckets buckets{.moment = LogSeq{78}, .sound = true, .bucket = 7, .sums = {}};
    buckets.sums.resize(bucket_count);
    for (std::size_t i = 0; i < bucket_count; ++i) {
        buckets.sums[i].fill(static_cast<std::byte>(i));
    }
    return buckets;
}

inline AttemptRow sample_row(std::uint64_t seq, RowKind kind, std::size_t size = 107) {
    return {.seq = RowSeq{seq},
            .kind = kind,
            .signature = filled<SignatureBytes>(0x77),
            .bytes = filled(size, static_cast<int>(seq))};
}

inline wire::Holds sample_holds() {
    return {{{{filled<NodeId>(0x11), Incarnation{7}}, RowSeq{40}},
             {{filled<NodeId>(0x11), Incarnation{0xfedcba9876543210}}, RowSeq{2}},
             {{filled<NodeId>(0x44), Incarnation{1}}, RowSeq{900}}}};
}

inline wire::Rows sample_rows() {
    return {
        .runs = {{.author = {filled<NodeId>(0x11), Incarnation{7}},
                  .after = RowSeq{40},
                  .rows = {sample_row(41, RowKind::spent), sample_row(44, RowKind::tally, 148)}},
                 {.author = {filled<NodeId>(0x44), Incarnation{1}},
                  .after = RowSeq{},
                  .rows = {sample_row(900, RowKind::tally, 96)}}},
        .all = true};
}

/// One of each kind, every field other than its default.
inline std::vector<wire::Message> samples() {
    std::vector<wire::Message> all;
    all.emplace_back(sample_hello());
    all.emplace_back(wire::Designations{{{filled(240, 1), filled<SignatureBytes>(2)},
                                         {filled(241, 3), filled<SignatureBytes>(4)}}});
    all.emplace_back(sample_join());
    all.emplace_back(wire::Admit{{Secret(filled(32, 5)), Secret(filled(32, 6))}});
    all.emplace_back(wire::Follow{LogSeq{76}, true});
    all.emplace_back(wire::Batches{{sample_batch(77), sample_batch(78, 3001)}});
    all.emplace_back(wire::Ack{LogSeq{78}, true});
    all.emplace_back(wire::Pulse{{filled(120, 7), filled<SignatureBytes>(8)}});
    all.emplace_back(wire::CopyRequest{RecordKey{3, filled<RecordId>(9)}, LogSeq{70}});
    all.emplace_back(sample_page());
    all.emplace_back(wire::Staged{12});
    all.emplace_back(wire::Gone{});
    all.emplace_back(wire::Repair{wire::Repair::Begin{LogSeq{78}}});
    all.emplace_back(sample_compare());
    all.emplace_back(sample_fetch());
    all.emplace_back(wire::Repair{wire::Repair::End{}});
    all.emplace_back(sample_buckets());
    all.emplace_back(sample_holds());
    all.emplace_back(sample_rows());
    all.emplace_back(wire::RowsStored{12});
    all.emplace_back(wire::Ping{41, sample_head()});
    all.emplace_back(wire::Pong{42, sample_head()});
    all.emplace_back(wire::Removed{sample_batch(90)});
    all.emplace_back(wire::Goodbye{errc::clone_suspected, "two of you"});
    return all;
}

}  // namespace countersign::testing
