#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/link.h"
#include "countersign/secret.h"

namespace countersign::wire {

/// What a frame, and each thing in it, may be at most. Checked before memory is set aside.
inline constexpr std::size_t frame_limit = 9u << 20;
inline constexpr std::size_t opening_limit = 1024;
inline constexpr std::size_t batch_limit = 8u << 20;
inline constexpr std::size_t batches_limit = 4096;  ///< of one message; together within the frame
inline constexpr std::size_t page_limit = 256u << 10;  ///< sealed bytes and handles of a page
inline constexpr std::size_t page_records_limit = 8192;
inline constexpr std::size_t sealed_limit = 72u << 10;
inline constexpr std::size_t handle_size = 16;
inline constexpr std::size_t handles_limit = 64 * handle_size;
inline constexpr std::size_t statement_limit = 64u << 10;
inline constexpr std::size_t designations_limit = 4096;
inline constexpr std::size_t addresses_limit = 16;
inline constexpr std::size_t address_limit = 256;
inline constexpr std::size_t name_limit = 64;
inline constexpr std::size_t reason_limit = 1024;
inline constexpr std::size_t key_size = 32;  ///< of the keys that `Admit` hands over
inline constexpr std::size_t authors_limit = 16'384;
inline constexpr std::size_t runs_limit = 1024;
inline constexpr std::size_t rows_limit = 4096;              ///< of all runs of a message
inline constexpr std::size_t rows_bytes_limit = 512u << 10;  ///< of those rows
inline constexpr std::size_t row_limit = 16u << 10;

/// What this release speaks.
inline constexpr std::uint16_t protocol_level = 2;
/// From which level on a peer understands rows of attempts.
inline constexpr std::uint16_t rows_level = 2;

struct Opening {
    std::uint16_t wire_version = 0;
    std::optional<InvitationId> invitation;
};

struct Hello {
    std::uint16_t level = protocol_level;
    NodeId node;
    std::string name;
    Incarnation incarnation{};
    std::uint64_t link_counter = 0;
    LogHead head;
    std::vector<DesignationKey> known;
    std::uint32_t window = 0;
};
struct Designations {
    std::vector<SignedBytes> statements;
};
struct Join {
    JoinRequest request;
};
struct Admit {
    Admission admission;
};
struct Follow {
    LogSeq after{};
    bool in_copy = false;
};
struct Batches {
    std::vector<SharedBatch> batches;  ///< none of them null
};
struct Ack {
    LogSeq seq{};
    bool in_copy = false;
};
struct Pulse {
    SignedBytes statement;
};
struct CopyRequest {
    std::optional<RecordKey> after;
    LogSeq first{};
};
struct Page {
    CopyPage page;
};
struct Staged {
    std::uint64_t pages = 0;
};
struct Gone {};
/// What a store asks of another to be repaired from it.
struct Repair {
    struct Begin {
        LogSeq head{};
    };
    struct Compare {
        BucketSet buckets;
    };
    struct Fetch {
        LeafSet leaves;
    };
    struct End {};
    std::variant<Begin, Compare, Fetch, End> step;
};
struct Buckets {
    static constexpr std::uint16_t all = bucket_count;
    LogSeq moment{};
    bool sound = false;
    std::uint16_t bucket = all;   ///< `all`: the sums are those of buckets, else of its leaves
    std::vector<RecordSum> sums;  ///< 256, or none
};
/// The sender's vector.
struct Holds {
    RowVector vector;
};
struct Rows {
    std::vector<RowRun> runs;
    bool all = false;
};
struct RowsStored {
    std::uint64_t messages = 0;
};
struct Ping {
    std::uint64_t number = 0;
    LogHead head;
};
struct Pong {
    std::uint64_t number = 0;
    LogHead head;
};
struct Removed {
    SharedBatch batch;  ///< may be null
};
struct Goodbye {
    errc code = errc::link_closed;
    std::string reason;
};
/// A message of a later release.
struct Unknown {
    std::uint16_t member = 0;
};

using Message = std::variant<Hello,
                             Designations,
                             Join,
                             Admit,
                             Follow,
                             Batches,
                             Ack,
                             Pulse,
                             CopyRequest,
                             Page,
                             Staged,
                             Gone,
                             Repair,
                             Buckets,
                             Holds,
                             Rows,
                             RowsStored,
                             Ping,
                             Pong,
                             Removed,
                             Goodbye,
                             Unknown>;

}  // namespace countersign::wire
