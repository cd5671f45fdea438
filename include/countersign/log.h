#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/time.h"

namespace countersign {

class Hall;

/// One batch of the log, as its envelope and content say.
struct BatchInfo {
    LogSeq seq{};
    RootTerm root_term{};
    Epoch epoch{};
    NodeId node;
    UnixTime time;
    std::size_t bytes = 0;
    std::size_t changes = 0;
    std::string hash;  ///< BLAKE2b-256 of the bytes, in hexadecimal
};

/// What `Log::verify` walked over.
struct LogVerification {
    std::uint64_t batches = 0;
    std::uint64_t records = 0;
    LogSeq seq{};
    std::string digest;  ///< as the last batch signs it, in hexadecimal
};

struct Compaction {
    std::uint64_t batches_erased = 0;
    std::uint64_t batches_kept = 0;
    /// Names of members that were not known to hold everything: those that lack an erased batch
    /// copy the pool afresh.
    std::vector<std::string> must_copy;
};

/// The signed log of this node. Thread-safe.
class Log {
  public:
    /// At most `limit` batches from `first` on. Errors: errc::not_found when retention has let go
    /// of `first`, errc::invalid_argument (limit 1 to 1,000).
    Result<std::vector<BatchInfo>> show(LogSeq first, std::size_t limit);
    /// The batch's exact signed bytes (batch.capnp) and signature. Errors: errc::not_found.
    struct Exact {
        std::vector<std::byte> bytes;
        std::vector<std::byte> signature;  ///< Ed25519 over "countersign/batch/v1" 0x00 BLAKE2b-256
    };
    Result<Exact> exact(LogSeq seq);
    /// Recomputes chain, signatures and digest from scratch over one snapshot, while writers go on.
    /// About 50 µs a batch and 3 µs a record. Errors name what is wrong and where.
    Result<LogVerification> verify();
    /// Lets go of all batches but the last and those of copies that are fed, gives up a copy that
    /// is received, writes the database file anew and empties its WAL: with it goes the ciphertext
    /// of what was erased. Writers wait meanwhile, about half a second for 100,000 users; memory,
    /// and room on the disk, of about 650 bytes a user are needed until it is done. Errors:
    /// errc::busy when a reader would not let the WAL be emptied for 5 s, errc::disk_full,
    /// errc::out_of_memory.
    Result<Compaction> compact();

  private:
    friend class Store;
    explicit Log(Hall& hall) : hall_(&hall) {}
    Hall* hall_;
};

}  // namespace countersign
