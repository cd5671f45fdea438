#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "countersign/copy.h"
#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/nodes.h"
#include "countersign/rows.h"
#include "countersign/secret.h"
#include "countersign/time.h"

namespace countersign {

// What links carry. Signatures and their bytes are the store's: a link moves them as they are.

/// The public half of a node's X25519 key pair for channels.
using ChannelPublicKey = Id<struct ChannelPublicKeyTag, 32>;
/// BLAKE2b-256 of a batch's bytes.
using BatchHash = Id<struct BatchHashTag, 32>;
/// Says which invitation a joiner holds, and nothing of its secrets.
using InvitationId = Id<struct InvitationIdTag, 16>;

/// The last batch that a store holds. seq 0: nothing yet.
struct LogHead {
    RootTerm root_term{};
    Epoch epoch{};
    NodeId node;
    LogSeq seq{};
    BatchHash hash;
    UnixTime time{};
    friend bool operator==(const LogHead&, const LogHead&) = default;
};

/// A batch as it is signed, stored and shipped.
struct BatchEnvelope {
    RootTerm root_term{};
    Epoch epoch{};
    NodeId node;
    LogSeq seq{};
    SignatureBytes signature;
    Bytes bytes;
    friend bool operator==(const BatchEnvelope&, const BatchEnvelope&) = default;
};
/// One object serves every link that carries the batch.
using SharedBatch = std::shared_ptr<const BatchEnvelope>;

/// A statement (designation, admission, pulse): its exact bytes and the signature over them.
struct SignedBytes {
    Bytes bytes;
    SignatureBytes signature;
    friend bool operator==(const SignedBytes&, const SignedBytes&) = default;
};

/// Which designation; also their order: the greatest holds.
struct DesignationKey {
    RootTerm root_term{};
    Epoch epoch{};
    NodeId node;
    friend auto operator<=>(const DesignationKey&, const DesignationKey&) = default;
};
struct Designated {
    DesignationKey key;
    SignedBytes statement;
};

/// Batches that follow a place in the log.
struct BatchRun {
    std::vector<SharedBatch> batches;  ///< without a gap, beginning right after that place
    bool gone = false;  ///< retention has let go of the first of them: only a copy helps
};

/// Who speaks on links from this directory.
struct LinkIdentity {
    PoolId pool;
    NodeId node;
    std::string name;
    Incarnation incarnation{};
    ChannelPublicKey channel_key;
    std::shared_ptr<const Secret> channel_private_key;  ///< X25519
};

/// What the memberships at this node's head say of the holder of a channel key.
struct Peer {
    enum class Standing : std::uint8_t {
        unknown,
        member,
        removed,  ///< was one; hears the batch that removed it and nothing else
    };
    Standing standing = Standing::unknown;
    NodeId node;  ///< all zero: unknown
    std::string name;
    Capability may = Capability::none;
};

/// What a new machine says to be admitted.
struct JoinRequest {
    InvitationId invitation;
    SignedBytes admission;               ///< its public keys, signed by the admission key
    std::vector<std::string> addresses;  ///< host:port, in the order to try; at most 16
};
/// What it gets; the batch with its membership comes as a batch.
struct Admission {
    Secret psk;     ///< the pool's, for all further handshakes; 32 bytes
    Secret secret;  ///< the pool's, of which index and digest keys are made; 32 bytes
};

/// All that a link asks of a store. Calls marked "slow" may wait for the disk or another process:
/// links make them inside RunStore tasks only, at most one of each link at a time, on whatever
/// thread the driver chooses. The others answer from memory within microseconds, on the thread that
/// drives the link. Calls come from several threads at once. An error of a slow call ends the link;
/// the store is then as before the call.
class LinkStore {
  public:
    virtual ~LinkStore() = default;

    // Who we are.
    virtual LinkIdentity identity() = 0;
    /// Rises with each call in the life of the directory, durably before it returns: two links with
    /// one number show that the directory was cloned. Slow (numbers may be taken in blocks).
    virtual Result<std::uint64_t> next_link_counter() = 0;
    /// Random bytes fit for keys.
    virtual void random(std::span<std::byte> bytes) = 0;

    // Who they are.
    virtual Peer find_peer(const ChannelPublicKey& key) = 0;
    /// The pool's psk, for handshakes of members. Not before `admitted`: errc::key_unavailable.
    virtual Result<Secret> member_psk() = 0;
    /// The psk of a live invitation. `key` is the joiner's: one that the invitation let in already
    /// gets the same answer until it expires. Errors: errc::not_found, and then not a byte is sent.
    virtual Result<Secret> invitation_psk(const InvitationId& id, const ChannelPublicKey& key) = 0;
    /// A link learned where another node's log stands. Called at each hello, ping and pong.
    /// Errors: errc::fork when that cannot be on the branch that this store holds.
    virtual Result<void> heard_head(const NodeId& peer, const LogHead& head) = 0;
    /// Two directories speak as `peer`: raises an event.
    virtual void suspect_clone(const NodeId& peer) = 0;
    /// Others say that two directories speak as this node: raises an event and begins a new
    /// incarnation, so that the two write no rows under one name; not twice within a day of this
    /// process. Slow.
    virtual Result<void> told_of_clone() = 0;

    // The log.
    virtual LogHead head() = 0;
    /// All designations held, the lowest first.
    virtual std::vector<Designated> designations() = 0;
    /// The node of the greatest one; none: no designation is held.
    virtual std::optional<NodeId> primary() = 0;
    /// Verifies and stores what is new among them. Slow. Errors: errc::bad_signature,
    /// errc::malformed, errc::wrong_pool.
    virtual Result<void> add_designations(std::span<const SignedBytes> statements) = 0;
    /// What follows `after`, up to `max_bytes` of batches together but at least one if there is
    /// one, and at most `max_batches`; empty at the head and above. No value when it is not in
    /// memory.
    virtual std::optional<std::vector<SharedBatch>> recent_batches(LogSeq after,
                                                                   std::size_t max_bytes,
                                                                   std::size_t max_batches) = 0;
    /// The same from disk. Slow.
    virtual Result<BatchRun> read_batches(LogSeq after,
                                          std::size_t max_bytes,
                                          std::size_t max_batches) = 0;
    /// Verifies, applies and stores batches that follow the head, skipping those held; durable on
    /// return. Slow. Errors: errc::chain_gap, errc::fork, errc::wrong_epoch, errc::bad_signature,
    /// errc::wrong_pool, errc::malformed, errc::too_large, errc::unsupported_version,
    /// errc::digest_mismatch, and those of the disk.
    virtual Result<LogHead> accept(std::span<const SharedBatch> batches) = 0;
    /// `peer` holds everything up to `seq` durably: retention may count it.
    virtual void note_ack(const NodeId& peer, LogSeq seq) = 0;

    // The primary's signed sign of life.
    /// The newest held; the primary makes a new one when its last is older than its interval.
    /// The same object until there is a newer one; none: nobody has signed one yet.
    virtual std::shared_ptr<const SignedBytes> newest_pulse(Now now) = 0;
    /// Verifies one and keeps it if it is newer (an older one changes nothing). Writes nothing.
    /// Errors: errc::bad_signature, errc::malformed, errc::wrong_pool, errc::wrong_epoch,
    /// errc::fork (it is of another branch than this store's).
    virtual Result<void> take_pulse(const SignedBytes& pulse, Now now) = 0;

    // Feeding a copy.
    /// Records after `after` (none: from the first) in the order of their keys, in one read
    /// transaction: at least one if there is one, no more once they hold `max_bytes`. Slow.
    virtual Result<CopyPage> read_page(const std::optional<RecordKey>& after,
                                       std::size_t max_bytes) = 0;
    /// Retention keeps batches from `from` on for the copy of `peer`, until it is released or an
    /// hour has passed without this call. It takes the place of that peer's earlier one.
    virtual void hold_batches(const NodeId& peer, LogSeq from) = 0;
    virtual void release_batches(const NodeId& peer) = 0;

    // Receiving one. What the store holds goes on serving until a copy has been proved.
    /// Slow.
    virtual Result<CopyState> copy_state() = 0;
    /// Empties the staging tables and begins a copy. Slow.
    virtual Result<CopyState> begin_copy() = 0;
    /// Stores a page that follows the one before; durable on return, with the place. Slow. The page
    /// has been checked for ascending keys. The last one turns the stage to replaying.
    virtual Result<CopyState> stage(const CopyPage& page) = 0;
    /// Applies batches from `first` on, none above `last`, to the staged records: each change only
    /// if newer than the row. At `last` the digest must prove the whole, and the tables are swapped
    /// in that transaction: the stage is then none. Slow. Errors: those of `accept`; after
    /// errc::digest_mismatch no copy is under way any more.
    virtual Result<CopyState> replay(std::span<const SharedBatch> batches) = 0;

    // Repair.
    /// Whether records here are known not to be those that were signed, or may not be. From memory.
    virtual bool damaged() = 0;
    /// Re-reads all records as of now. What they prove is mended here: the table of handles, and
    /// what is kept beside the log's last batch; a store that was thought damaged and is not, or
    /// not any more, serves again. About 4 µs a record. Slow. Errors: errc::corrupt when the file
    /// cannot be read through.
    virtual Result<RecordSums> examine() = 0;
    /// Stages a page of a repair, behind those before unless `first`. Slow.
    virtual Result<void> stage_repair(const CopyPage& page, bool first) = 0;
    /// Puts what was staged in the place of the records of `leaves`, if all records then add up to
    /// the digest that the batch at `moment`, the head, signs: durable on return, and the store
    /// serves again. False: they do not, and nothing was changed; the store has told of it. Slow.
    /// Errors: errc::conflict when the head is another one.
    virtual Result<bool> repair(const NodeId& from, const LeafSet& leaves, LogSeq moment) = 0;
    /// Reads all records in one snapshot, which is kept as long as what it gives. None: too many
    /// are being repaired from here. Slow.
    virtual Result<std::shared_ptr<RepairSource>> open_repair_source() = 0;

    // What each node has seen of attempts (rows.h).
    /// Up to where everyone's rows are held here, this node's own included; null: there is no log
    /// yet that says whose to take. From memory; the same object until it changes.
    virtual std::shared_ptr<const RowVector> row_vector() = 0;
    /// Rows beyond `known`, author by author: at least one if there is one, no more once they hold
    /// `max_bytes`, and at most `max_rows`. Slow.
    virtual Result<RowPage> read_rows(const RowVector& known,
                                      std::size_t max_bytes,
                                      std::size_t max_rows) = 0;
    /// Verifies rows and keeps those that follow what is held here; others change nothing. Durable
    /// on return. Slow. Errors: errc::bad_signature, errc::malformed, errc::too_large,
    /// errc::unsupported_version.
    virtual Result<RowsTaken> take_rows(std::span<const RowRun> runs) = 0;
    /// `peer` has sent all that it held: with that a first copy is complete, and serves. Durable on
    /// return. Slow.
    virtual Result<void> rows_complete(const NodeId& peer) = 0;

    // Joining and leaving.
    /// The primary's side: checks both statements and commits the membership; the same string with
    /// the same keys gets the same answer. Slow. `key` is the joiner's channel key, which the
    /// admission statement must name. Errors: errc::not_primary, errc::invitation_spent,
    /// errc::invitation_expired, errc::invalid_invitation, errc::bad_signature, errc::malformed,
    /// errc::wrong_pool, errc::already_exists (the name), errc::limit_reached.
    virtual Result<Admission> admit(const JoinRequest& request, const ChannelPublicKey& key) = 0;
    /// The joiner's side: keeps what admits it; durable on return. Slow.
    virtual Result<void> admitted(const Admission& admission) = 0;
    /// The batch that removed `node`; null when retention has let go of it. Slow.
    virtual Result<SharedBatch> removal_of(const NodeId& node) = 0;
    /// Another node says that this one is removed. With a batch that proves it, the store stops
    /// authenticating; null: it only notes what was said. Slow. Errors: errc::bad_signature,
    /// errc::malformed, errc::wrong_epoch (it proves nothing).
    virtual Result<void> removed_by(const SharedBatch& batch) = 0;
};

/// Limits of a link in time and memory.
struct LinkOptions {
    /// From the first byte until both sides have proved their keys.
    milliseconds handshake_deadline{10'000};
    /// From there until both have said hello and exchanged designations.
    milliseconds greeting_deadline{10'000};
    /// How long a joiner waits to be admitted, and a primary for what a joiner says.
    milliseconds admission_deadline{60'000};
    /// When keys are renewed, and how long that may take: see transport/README.md.
    milliseconds session_age{120'000};
    std::uint64_t session_messages = std::uint64_t{1} << 20;
    milliseconds renewal_deadline{600'000};
    /// Shorter: a dead peer is noticed sooner, idle links cost more.
    milliseconds ping_interval{5'000};
    /// Without a byte from the peer for so long, the link is dead. At least twice ping_interval.
    milliseconds silence_limit{15'000};
    /// How often a newer pulse is looked for and passed on.
    milliseconds pulse_interval{3'000};
    /// A step of the wall clock against the monotonic one beyond this closes the link.
    milliseconds clock_jump_limit{2'000};
    /// Bytes of batches or pages that the peer may send before this side has stored them; 64 KiB to
    /// 64 MiB. Higher: faster over long distances; that much memory per link at both ends.
    std::uint32_t window = 4u << 20;
    /// Catch-up sends batches together up to this; 1 to 8 MiB (1 byte: each alone). Higher: fewer
    /// transactions at the follower, more memory.
    std::size_t frame_bytes = 1u << 20;
    /// Records of one copy page; at most 256 KiB.
    std::size_t page_bytes = 256u << 10;
    /// How long this side keeps a snapshot for one repair of the peer. Longer: slower links can be
    /// repaired over; the log before the next checkpoint grows meanwhile.
    milliseconds repair_deadline{600'000};
    /// Bytes that may wait for the socket beyond which the link is given up; at least 20 MiB above
    /// `window`.
    std::size_t unsent_limit = std::size_t{64} << 20;
};

/// Knows the links of one node: which of two of the same peer holds, and who is a clone. Not
/// thread-safe: all links that share it are driven from one thread or strand. Links use it
/// themselves; their driver makes one and closes what a `connected` event names.
class LinkTable {
  public:
    enum class LinkId : std::uint64_t {};
    /// More replacements of one peer's living links than this within `flapping_window`: two
    /// directories take turns.
    static constexpr std::size_t replacements_limit = 4;
    static constexpr milliseconds flapping_window{60'000};

    /// Links of one process may say hello in another order than that of their counters: a number
    /// that was not seen, no further back than this and no later after a higher one, is no clone's.
    static constexpr std::uint64_t hello_window = 64;
    static constexpr milliseconds hello_lateness{10'000};

    LinkId open() noexcept { return LinkId{++last_id_}; }
    /// `peer` said hello. False: the counter has been seen of this incarnation, or comes too late.
    bool hello(const NodeId& peer, Incarnation incarnation, std::uint64_t counter, Instant now);
    struct Entered {
        bool stale = false;              ///< a newer link of the peer has been entered already
        bool flapping = false;           ///< links of this peer keep replacing each other
        std::optional<LinkId> replaces;  ///< that one does not hold any more
    };
    /// `peer` has shown on `link` that it hears what it is told: from now on this one holds.
    Entered enter(LinkId link, const NodeId& peer, std::uint64_t counter, Instant now);
    void leave(LinkId link) noexcept;

  private:
    struct Known {
        Incarnation incarnation{};
        std::uint64_t seen = 0;  // the highest counter
        Instant seen_at{};
        std::uint64_t recent = 0;  // which of those up to it: bit 0 is `seen` itself
        std::uint64_t entered = 0;
        std::optional<LinkId> link;
        std::vector<Instant> replacements;  // those within flapping_window
    };
    std::uint64_t last_id_ = 0;
    std::map<NodeId, Known> peers_;  // members only: the channel lets nobody else in
};

// What a link asks of its driver.

/// Write these to the stream, after all earlier ones, and call `on_sent` as they leave.
struct SendBytes {
    Bytes bytes;
};
/// Run `task`, which may block, on any thread; then call `on_done(id)` from the link's own. The
/// task may outlive the link.
struct RunStore {
    std::uint64_t id = 0;
    std::move_only_function<void()> task;
};
/// Call `on_time` then. Takes the place of an earlier one.
struct WakeLink {
    Instant at;
};
/// The last action. Close the stream once what was sent is written (or cannot be); `reconnect` says
/// whether to dial again, after a back-off.
struct CloseLink {
    Error reason;
    bool reconnect = true;
};
/// What happened, for logs and for the driver's table of links.
struct LinkEvent {
    enum class Kind : std::uint8_t {
        connected,       ///< both sides know each other; `replaces` may name a link to close
        joined,          ///< this node was admitted
        following,       ///< batches are coming
        copy_started,    ///< no common log: the records are fetched whole
        copy_finished,   ///< proved by its digest
        caught_up,       ///< what the peer had when it last said so is stored here
        peer_removed,    ///< the peer was told that it is no member any more
        removed,         ///< this node is no member any more
        repair_started,  ///< records here are not what was signed: compared with the peer's
        repaired,        ///< and proved by their digest again
        clone,           ///< two directories speak as the peer, or (when told) as this node
    };
    Kind kind;
    NodeId peer;
    /// Of this store's head; `removed`: of the batch that removed this node, 0 if none was shown.
    LogSeq seq{};
    std::optional<LinkTable::LinkId> replaces;  ///< close that link with errc::link_replaced
};
using LinkAction = std::variant<SendBytes, RunStore, LinkEvent, WakeLink, CloseLink>;

/// Where a link stands, for status.
struct LinkStatus {
    enum class State : std::uint8_t { connecting, joining, copying, following, feeding, idle };
    State state = State::connecting;
    NodeId peer;  ///< all zero until known
    std::string name;
    LogSeq acked{};                     ///< the peer has said to hold this durably
    LogSeq peer_head{};                 ///< as it last said
    std::uint64_t bytes_in_flight = 0;  ///< sent and not yet stored by the peer
    std::uint64_t copied = 0;   ///< records of a copy that came over this link and are stored
    milliseconds round_trip{};  ///< of the last ping; 0: none yet
};
const char* name(LinkStatus::State state) noexcept;
const char* name(LinkEvent::Kind kind) noexcept;

/// One side of the conversation of two nodes over an ordered byte stream: encrypted channel and
/// protocol, as transport/README.md tells them. Owns no socket, clock, thread or randomness: give
/// it events, then drain poll(). Not thread-safe; its tasks may run anywhere. Nothing that came is
/// acknowledged before the store has it on disk. Memory: about two windows and one frame.
class Link {
  public:
    /// By what a new machine is let in: made from the invitation's seed.
    struct Invited {
        JoinRequest request;
        Secret psk;
    };

    /// To a member whose channel key is `responder`; the first bytes are there to be sent. A node
    /// that was admitted and has no log yet knows no members: it dials whom its invitation named.
    /// Errors: errc::not_a_member (by this node's own memberships), errc::key_unavailable,
    /// errc::handshake_failed (`responder` is no key).
    static Result<Link> dial(std::shared_ptr<LinkStore> store,
                             std::shared_ptr<LinkTable> table,
                             const ChannelPublicKey& responder,
                             const LinkOptions& options,
                             Now now);
    /// The same with an invitation, to the node that it names. After `joined` the link goes on as
    /// any other.
    static Result<Link> join(std::shared_ptr<LinkStore> store,
                             std::shared_ptr<LinkTable> table,
                             const ChannelPublicKey& responder,
                             Invited invited,
                             const LinkOptions& options,
                             Now now);
    /// For a stream that someone else opened.
    static Link answer(std::shared_ptr<LinkStore> store,
                       std::shared_ptr<LinkTable> table,
                       const LinkOptions& options,
                       Now now);

    Link(Link&&) noexcept;
    Link& operator=(Link&&) noexcept;
    ~Link();

    /// Bytes of the stream, cut anywhere.
    void on_bytes(BytesView bytes, Now now);
    /// So many bytes of what SendBytes gave have gone.
    void on_sent(std::size_t bytes);
    void on_time(Now now);
    /// The store's head, memberships or designations have changed.
    void on_commit(Now now);
    void on_done(std::uint64_t task, Now now);
    /// The stream has ended or failed.
    void on_closed(Error reason);
    /// Says goodbye, with the reason, and ends. errc::link_closed tells the peer to come back.
    void close(Error reason, Now now);

    /// What to do next, in order; empty: waiting for an event.
    std::optional<LinkAction> poll();

    LinkStatus status() const;
    LinkTable::LinkId id() const noexcept;

  private:
    class Impl;
    explicit Link(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// How long to wait before the next attempt to connect: full jitter over an exponential ceiling, so
/// that nodes which lost their primary together do not come back together.
class Backoff {
  public:
    /// The first wait is below `first`; ceilings double up to `cap`.
    Backoff(milliseconds first, milliseconds cap);
    /// `random`: 64 random bits.
    milliseconds next(std::uint64_t random) noexcept;
    /// A link has been connected.
    void reset() noexcept { ceiling_ = first_; }

  private:
    milliseconds first_;
    milliseconds cap_;
    milliseconds ceiling_;
};

}  // namespace countersign
