#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "countersign/environment.h"
#include "countersign/events.h"
#include "countersign/keys.h"
#include "countersign/time.h"

namespace countersign {

/// Runs a task that may block for as long as an Argon2 takes, on a thread that may be blocked.
using RunBlocking = std::function<void(std::function<void()>)>;

/// When failures lock. With effective failures at or above `max_failures`: locked until the newest
/// counted failure + `lock_for` x `backoff`^(failures - `max_failures`), at most `lock_cap`.
struct ThrottleOptions {
    std::uint32_t max_failures =
        10;  ///< 1 to 100. Lower: fewer guesses, more users locked out by others
    milliseconds lock_for{30'000};  ///< 0 to lock_cap. 0: only the guess budget bounds guesses
    std::uint32_t backoff = 2;      ///< 1 to 10
    milliseconds lock_cap{
        3'600'000};  ///< at most a day. Higher: a guesser can keep a user out longer
};

/// What holds for the pool as a whole. Given once, when its first node is made.
struct PoolOptions {
    std::string issuer = "countersign";  ///< what authenticator apps show; 1 to 64 bytes, no colon
    bool unique_email = false;  ///< refuse a second user with an e-mail address that is taken
    std::uint16_t password_minimum = 8;    ///< code points, 8 to 64; 15 where it is the only factor
    std::uint16_t password_maximum = 128;  ///< code points, 64 to 256
    std::uint32_t hash_memory_kib = 19 * 1024;  ///< Argon2id m of new hashes, 8 to 262,144
    std::uint32_t hash_passes = 2;              ///< Argon2id t of new hashes, 1 to 10
    ThrottleOptions password_throttle;
    ThrottleOptions code_throttle;
    /// Wrong guesses of one credential between two successes over the whole pool, under any
    /// partition (NIST SP 800-63B-4 section 3.2.2); at least max_failures, at most 100,000.
    std::uint32_t guess_budget = 100;
};

/// Every knob of a store.
struct Options {
    std::string
        directory;  ///< holds the store; made by `create` (mode 0700), its parent must exist
    std::string node_name;  ///< `create` only: 1 to 64 letters, digits, `-`, `_` and `.`
    /// Wraps this node's master key. See keys.h for those in the box.
    std::shared_ptr<KeyProvider> key_provider;

    /// `create` only: where the pool's root key goes, a file of its own beside no store; and who
    /// wraps it. Keep both away from the machine: they admit nodes. Defaults: `directory` +
    /// ".root", and `key_provider`.
    std::string root_file;
    std::shared_ptr<KeyProvider> root_key_provider;
    PoolOptions pool;  ///< `create` only
    /// `join` only: host:port by which other nodes reach this one, in the order to try; at most 16.
    /// Empty: this node only dials.
    std::vector<std::string> addresses;

    /// Clocks, randomness and files; none: the machine's.
    std::shared_ptr<Environment> environment;
    /// For the forms of calls that take a handler; none: they do all on the calling thread. A store
    /// waits for these tasks before it goes: they must run on other threads, or have been dropped.
    RunBlocking run_blocking;
    EventHandler on_event;

    /// Argon2's memory in all attempts at one time, in bytes. Higher: more sign-ins at once; lower:
    /// a flood takes less; at least 1 MiB. One hash of the pool's cost always runs.
    std::size_t hashing_memory = std::size_t{160} << 20;
    /// Attempts that may wait for that memory, and how many of them from one source. Beyond either:
    /// errc::overloaded at once. Higher: longer waits instead of refusals; 200 bytes each.
    std::size_t hashing_queue = 4096;
    std::size_t hashing_queue_per_source = 64;
    /// How long a call waits before it gives up with errc::timed_out.
    milliseconds deadline{10'000};
    /// Entries of a file with one password a line, refused besides the built-in list. Empty: none.
    std::string blocked_passwords;

    /// Commits that may wait for the one under way; beyond: errc::overloaded.
    std::size_t commit_queue = 65'536;
    /// Size of the write-ahead log from which it is written back. Higher: rarer pauses of some ms,
    /// more disk; at least 1 MiB.
    std::uint64_t checkpoint_bytes = std::uint64_t{32} << 20;
    /// Handles that read at the same time, each with a cache of about 2 MiB.
    std::size_t readers = 4;
    /// How long to wait for another process that holds the directory's lock: errc::busy after it.
    milliseconds lock_patience{5'000};

    /// How often every record is re-read and compared with the signed digest. Shorter: damage is
    /// found sooner; each pass reads the whole table. 0: never.
    milliseconds scrub_interval{std::chrono::hours{24}};
    /// Batches older than this go once every other member has said that it holds them, or there is
    /// none. Longer: a member restored from a backup as old needs no copy, and `log().show` reaches
    /// back as far; shorter: less disk, and the ciphertext of what was erased goes sooner. A member
    /// that has not linked with the serving process yet has said nothing, and replicas hear from
    /// few: they mostly keep batches as `log_age` and `log_bytes` say. So does everyone for the
    /// batch by which a removed node is told so. At least `log_age`: only those two count.
    milliseconds log_acked_age{std::chrono::hours{24}};
    /// Batches older than this go, even if a member still lacks them: it then copies afresh.
    milliseconds log_age{std::chrono::days{30}};
    /// And the oldest when all together exceed this.
    std::uint64_t log_bytes = std::uint64_t{1} << 30;
    /// How long the primary, after an unclean end (a power cut, a kill), waits for the word of all
    /// other members before it writes: batches that its disk lost come back from those that hold
    /// them. Writes wait inside their call; a node alone, and a process that keeps no links on a
    /// directory that nobody serves, wait for nothing. Longer: members have more time to be
    /// reached; shorter: writes begin sooner, and a batch that only an unheard member holds becomes
    /// a fork. 0: never.
    milliseconds unclean_end_wait{5'000};
    /// How old the primary's last signed sign of life grows before links get a new one. Shorter:
    /// replicas know more exactly how old their data is; each costs a signature.
    milliseconds pulse_interval{3'000};
};

}  // namespace countersign
