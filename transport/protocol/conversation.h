#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/link.h"
#include "countersign/time.h"

#include "protocol/agenda.h"
#include "protocol/copy_feeder.h"
#include "protocol/feeder.h"
#include "protocol/follower.h"
#include "protocol/heartbeat.h"
#include "protocol/repair_feeder.h"
#include "protocol/repairer.h"
#include "protocol/row_feeder.h"
#include "protocol/row_receiver.h"
#include "wire/message.h"

namespace countersign::protocol {

/// Whom this side talks to, as the handshake left it.
struct Terms {
    enum class As : std::uint8_t {
        member,  ///< with a member
        joiner,  ///< as a new machine, with the node that its invitation names
        host,    ///< with a new machine
        usher,   ///< with a removed member, who hears one message
    };
    As as = As::member;
    ChannelPublicKey peer_key;
    Peer peer;
    std::optional<JoinRequest> request;  ///< of the joiner
    LinkTable::LinkId link{};
};

/// What two nodes say to each other once their channel is open: transport/README.md, "Exchanges".
/// Owns no I/O: give it events, then drain poll(). Which messages may come is fixed by its phase;
/// anything else ends it, with its error said to the peer. Later exchanges (proposals, claims,
/// attempts) join the parts below and the dispatch of `running`.
class Conversation {
  public:
    enum class Phase : std::uint8_t {
        joining,      ///< joiner: `join` is sent
        hosting,      ///< host: waits for `join`, then for the store
        greeting,     ///< `hello` goes both ways
        designating,  ///< designations that the other side lacks go both ways, and are stored
        running,
        leaving,  ///< the last task of the store is under way; what comes is dropped
    };

    Conversation(std::shared_ptr<LinkStore> store,
                 std::shared_ptr<LinkTable> table,
                 const LinkOptions& options,
                 Terms terms,
                 Now now);
    Conversation(const Conversation&) = delete;

    void on_heard(Now now) { heartbeat_.on_heard(now.monotonic); }
    void on_frame(BytesView frame, Now now);
    void on_time(Now now);
    void on_commit(Now now);
    void on_done(std::uint64_t task, Now now);
    void close(const Error& reason);

    std::optional<Action> poll() { return agenda_.poll(); }
    /// When to call `on_time`.
    std::optional<Instant> deadline() const;
    Phase phase() const noexcept { return phase_; }
    LinkStatus status() const;

  private:
    // One for each message; which may come when is `dispatch`'s business.
    Result<void> on(wire::Hello&& hello);
    Result<void> on(wire::Designations&& designations);
    Result<void> on(wire::Join&& join);
    Result<void> on(wire::Admit&& admit);
    Result<void> on(wire::Follow&& follow);
    Result<void> on(wire::Batches&& batches);
    Result<void> on(wire::Ack&& ack);
    Result<void> on(wire::Pulse&& pulse);
    Result<void> on(wire::CopyRequest&& request);
    Result<void> on(wire::Page&& page);
    Result<void> on(wire::Staged&& staged);
    Result<void> on(wire::Gone&& gone);
    Result<void> on(wire::Repair&& repair);
    Result<void> on(wire::Buckets&& buckets);
    Result<void> on(wire::Holds&& holds);
    Result<void> on(wire::Rows&& rows);
    Result<void> on(wire::RowsStored&& stored);
    Result<void> on(wire::Ping&& ping);
    Result<void> on(wire::Pong&& pong);
    Result<void> on(wire::Removed&& removed);
    Result<void> on(wire::Goodbye&& goodbye);
    Result<void> on(wire::Unknown&& unknown);

    void dispatch(wire::Message&& message);
    bool may_come(const wire::Message& message) const;
    void greet();
    void exchange_designations();
    void settle();
    bool usher_out_removed();
    void usher_out();
    Result<void> learn_head(const LogHead& head);
    void consider_following();
    void note_ack(LogSeq seq);
    void consider_repair();
    void begin_rows();
    void pass_rows_on();
    void send_pulse();

    std::shared_ptr<LinkStore> store_;
    std::shared_ptr<LinkTable> table_;
    LinkOptions options_;
    Terms terms_;
    Now now_;
    Agenda agenda_;
    Heartbeat heartbeat_;
    Feeder feeder_;
    CopyFeeder copy_feeder_;
    RepairFeeder repair_feeder_;
    Follower follower_;
    Repairer repairer_;
    RowFeeder row_feeder_;
    RowReceiver row_receiver_;

    Phase phase_ = Phase::greeting;
    std::optional<Instant> give_up_at_;  // of the phases before running
    bool said_hello_ = false;
    bool admitting_ = false;  // host: a `join` is with the store
    bool storing_ = false;    // designations are with the store: what comes is held
    bool repeated_ = false;   // the peer's link counter was seen before
    std::vector<wire::Message> held_;
    std::optional<wire::Hello> peer_hello_;
    std::optional<NodeId> primary_;  // as both sides knew it when they settled
    LogHead peer_head_;
    LogSeq acked_{};
    bool feeds_copy_ = false;
    std::shared_ptr<const SignedBytes> pulse_;  // the last one sent
    Instant pulse_at_;
};

}  // namespace countersign::protocol
