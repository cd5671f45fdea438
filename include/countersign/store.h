#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "countersign/authentication.h"
#include "countersign/error.h"
#include "countersign/links.h"
#include "countersign/lockout.h"
#include "countersign/log.h"
#include "countersign/nodes.h"
#include "countersign/options.h"
#include "countersign/rows.h"
#include "countersign/users.h"

namespace countersign {

/// Where a store is on its way into the pool.
enum class Stage : std::uint8_t {
    joining,  ///< keys were made; not a member yet
    copying,  ///< a member; the first copy is not proved yet, and nothing can be asked of it
    ready,    ///< in the log: signs people in
    removed,  ///< no member any more: signs nobody in
};
/// "joining", "copying", "ready" or "removed".
const char* name(Stage stage) noexcept;

/// A link of the process that serves this directory, as it last said.
struct LinkInfo {
    NodeId node;
    std::string name;
    LinkStatus::State state{};
    LogSeq acked_seq{};  ///< the peer holds everything up to here durably
};

/// Who and where a store is.
struct Status {
    PoolId pool;
    NodeId node;
    std::string name;
    NodeId primary;
    std::string primary_name;
    bool is_primary = false;
    RootTerm root_term{};
    Epoch epoch{};
    LogSeq seq{};
    std::string digest;  ///< what the last batch signs, in hexadecimal
    std::uint64_t users = 0;
    Stage stage{};
    std::optional<milliseconds> data_age;  ///< none: unknown (the clock is behind the time floor)
    bool served = false;                   ///< a process keeps links
    std::vector<LinkInfo> links;           ///< of that process; empty when none serves
    RowCounts rows;                        ///< of attempts, that came to this process over links
    bool restored = false;                 ///< this directory is a copy, or came from a backup
    std::string damage;                    ///< what was found, while nobody signs in because of it
    bool root_key_here = false;            ///< the root key's file still lies beside the directory
    std::string key_provider;              ///< what the provider says of itself
};

/// A local identity store: the front door. The object owns its handles and locks, starts no thread
/// and reads no environment variable. Calls are thread-safe and synchronous; those with a handler
/// return at once and call it from Options::run_blocking's thread.
class Store {
  public:
    /// Makes a pool and its first node, which holds every capability and is its primary, and the
    /// file with the root key. All is durable on return; on an error nothing of it is left. Errors:
    /// errc::store_exists, errc::invalid_argument (naming the option), errc::not_found (the parent
    /// directory), errc::key_unavailable, errc::disk_full, errc::read_only, errc::io_error.
    static Result<Store> create(Options options);
    /// Makes the directory of a new node with keys of its own, which never leave it, or takes up
    /// one where joining had begun. Nothing is sent: `links()` says what to connect to, and the
    /// node is in the pool once `stage()` is Stage::ready (asio.h: `join` does it all). Durable on
    /// return. Errors: errc::invalid_invitation, errc::store_exists (a store that is a member
    /// already, or one that was made for another pool), and as `create`.
    static Result<Store> join(Options options, const Secret& invitation);
    /// Opens what `create` or `join` made. Where nobody has admitted the node yet, only `join`
    /// does, with the invitation: errc::not_a_member.
    /// Errors: errc::not_a_store, errc::newer_format, errc::wrong_key, errc::key_unavailable,
    /// errc::insecure_key_file, errc::corrupt, errc::read_only, errc::io_error.
    static Result<Store> open(Options options);

    Store(Store&&) noexcept;
    Store& operator=(Store&&) noexcept;
    /// Waits for calls that are under way, with handlers or without; what waits for admission ends
    /// with errc::cancelled. Not to be called from a handler.
    ~Store();

    /// Decides one attempt to sign in, after one Argon2 and at most one durable write; whatever the
    /// outcome, it was counted before the answer. The order of work is lib/README.md, "An attempt".
    /// Errors (nothing was decided or counted): errc::overloaded, errc::timed_out, errc::cancelled,
    /// errc::disk_full, errc::key_unavailable, errc::corrupt, errc::not_found (the user was erased
    /// meanwhile).
    Result<SignInResult> authenticate(SignIn attempt);
    void authenticate(SignIn attempt, std::move_only_function<void(Result<SignInResult>)> handler);

    Users users();
    Lockout lockout();
    Log log();
    Nodes nodes();
    Links links();

    /// Where this store is on its way into the pool. Until Stage::ready, every call but `status`,
    /// `rewrap`, `run_due` and those of `links()` is errc::not_a_member.
    Stage stage() const;
    Result<Status> status();
    /// Wraps this node's master key anew, with another provider or the same after its key changed.
    /// Durable on return; the old provider opens nothing any more.
    Result<void> rewrap(std::shared_ptr<KeyProvider> provider);

    /// An operator's word that no other node holds batches of this primary's own which are missing
    /// here. Wanted once after the directory of a primary with other members was copied or
    /// restored: until then its writes are errc::needs_confirmation, because a second batch under
    /// one seq would be a fork. So are they after an unclean end while members say that they hold
    /// later batches than this primary has. Durable on return.
    Result<void> confirm_primary();

    /// Does what falls due: scrub, retention, checkpoint, time floor, marker. Returns when to call
    /// again; calling sooner does no harm. A slice of work takes a few milliseconds.
    Instant run_due();

  private:
    explicit Store(std::unique_ptr<Hall> hall);
    std::unique_ptr<Hall> hall_;
};

}  // namespace countersign
