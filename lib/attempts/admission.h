#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "countersign/error.h"
#include "countersign/time.h"

#include "sealing/aead.h"

namespace countersign::attempts {

/// Where attempts come from, as the application says (an address, a tenant): 64 bits of a keyed
/// hash, so that nobody can choose two sources that are taken for one. All attempts without a
/// source are of one source.
enum class SourceKey : std::uint64_t {};
SourceKey source_key(std::string_view source, sealing::KeyView key);

/// The least budget for hashes, in bytes.
inline constexpr std::uint64_t min_hashing_memory = 1 << 20;

/// One request in the queue.
enum class AdmissionId : std::uint64_t {};

/// Lets as many hashes run at once as their memory allows, and holds the rest in a bounded queue:
/// in turn by source, one from each that has any, and in order within a source. When the queue is
/// full, the source with most in it makes room for one with less. So a source that sends a flood
/// waits for itself.
///
/// Owns no clock and wakes nobody; not thread-safe: its user locks. Every call costs O(log n) and
/// O(log n) for each id that it returns.
class Admission {
  public:
    struct Options {
        /// Argon2's memory in all. More: more sign-ins at once, as far as there are cores. A
        /// request above it is not refused: it waits until nothing else runs, and runs alone.
        std::uint64_t budget = 128ULL << 20;
        std::size_t max_queued = 4'096;           ///< about 400 bytes each
        std::size_t max_queued_per_source = 256;  ///< more: a busier office, a longer flood
    };
    struct Granted {};
    struct Queued {
        AdmissionId id;
        /// Another request, which had to make room: it is queued no more and overloaded.
        std::optional<AdmissionId> displaced;
    };
    struct Overloaded {};
    using Answer = std::variant<Granted, Queued, Overloaded>;

    /// What a call set free. In both lists the order is that in which it happened.
    struct Turn {
        std::vector<AdmissionId> granted;  ///< may run now; each must be released
        std::vector<AdmissionId> expired;  ///< their deadline has passed; they are queued no more
    };

    /// Errors: errc::invalid_argument, and the detail says which figure and what it may be.
    static Result<Admission> make(const Options& options);

    /// Asks for `bytes` (at least 1) of memory. Nobody overtakes what is queued. `Overloaded` when
    /// this source's part of the queue is full, or all of it and no source has at least two more in
    /// it than this one, or the deadline is not after `now`.
    Answer request(SourceKey source, std::uint64_t bytes, Instant deadline, Instant now);

    /// Gives back what was granted for a request of as many bytes.
    Turn release(std::uint64_t bytes, Instant now);

    /// Takes a request out of the queue. When it is not there (it was granted or has expired) that
    /// changes nothing: what was granted must still be released.
    Turn cancel(AdmissionId id, Instant now);

    /// To be called at next_deadline().
    Turn expire(Instant now);
    std::optional<Instant> next_deadline() const;

    std::uint64_t bytes_in_use() const noexcept { return in_use_; }
    std::size_t queued() const noexcept { return requests_.size(); }

  private:
    struct Request {
        SourceKey source;
        std::uint64_t bytes;
        Instant deadline;
    };

    explicit Admission(const Options& options) : options_(options) {}

    std::uint64_t charge(std::uint64_t bytes) const noexcept;
    std::size_t queued_by(SourceKey source) const;
    void add(AdmissionId id, const Request& request);
    void remove(AdmissionId id);
    Turn advance(Instant now);

    Options options_;
    std::uint64_t in_use_ = 0;
    std::uint64_t last_id_ = 0;
    std::map<AdmissionId, Request> requests_;
    std::map<SourceKey, std::set<AdmissionId>> sources_;   // only those with something queued
    std::set<std::pair<std::size_t, SourceKey>> lengths_;  // how many each of those has
    std::set<std::pair<Instant, AdmissionId>> deadlines_;
    std::optional<SourceKey> served_last_;
};

}  // namespace countersign::attempts
