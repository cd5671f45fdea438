#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "countersign/link.h"

#include "support/fake_batch.h"

namespace countersign::testing {

/// An honest store in memory, simple enough to be believed: records, a hash-chained log of batches
/// that sign a digest of all records, memberships as records of kind 2, staging for one copy. What
/// it holds survives the links that use it, as a disk would. Deterministic by its seed.
class FakeLinkStore final : public LinkStore {
  public:
    using Row = FakeRow;
    using Rows = FakeRows;
    struct Invitation {
        InvitationId id;
        Secret psk;
        NodeId signer;  ///< in whose name the admission is signed
        std::optional<ChannelPublicKey> spent_by;
        bool expired = false;
    };

    /// A node that holds nothing and knows nobody.
    FakeLinkStore(std::uint64_t seed, std::string name);
    /// Makes this node the first of a pool, its primary, with one batch.
    void found_pool();
    /// The same directory put elsewhere: same keys, same log, same counters.
    std::shared_ptr<FakeLinkStore> clone() const;

    // What a primary does.
    /// Commits one batch of `puts` new records of about `size` bytes, and erases `erases` old ones.
    void commit(std::size_t puts, std::size_t size = 40, std::size_t erases = 0);
    void add_member(FakeLinkStore& node, Capability may);
    void remove_member(const NodeId& node);
    Link::Invited invite(FakeLinkStore& joiner);
    /// What another machine makes of the same printed string.
    Link::Invited invited_with(const Link::Invited& string, FakeLinkStore& joiner);
    void expire_invitations();
    /// Knows what `primary` has invited, as a replica does.
    void take_invitations(const FakeLinkStore& primary) { invitations_ = primary.invitations_; }
    /// Retention lets go of batches below `seq`, as far as holds allow.
    void trim(LogSeq seq);
    /// Gives this node all that `primary` holds, without a link.
    void restore_from(const FakeLinkStore& primary);
    /// As after being admitted and before the copy: its keys, and nothing else.
    void forget_log();
    ChannelPublicKey channel_key() const { return channel_key_; }
    void pulse(UnixTime time);
    void take_pulse_of(const FakeLinkStore& other) { pulse_ = other.pulse_; }

    // What tests look at.
    const Rows& rows() const { return rows_; }
    const std::vector<SharedBatch>& log() const { return log_; }
    LogSeq first_held() const;
    std::map<NodeId, LogSeq> acked;
    std::map<NodeId, LogHead> heads_heard;
    std::map<NodeId, LogSeq> holds;
    std::set<NodeId> suspects;
    int told_of_clones = 0;
    bool removed = false;
    int pulses_taken = 0;
    std::size_t largest_page = 0;
    std::size_t disk_reads = 0;
    std::size_t pages_staged = 0;
    std::size_t copies_begun = 0;
    std::uint64_t writes = 0;  ///< changes of anything durable
    /// Batches below this are not in memory.
    LogSeq recent_from{};
    /// The page, counted from 1, in which `read_page` changes a byte; 0: it is honest.
    std::size_t lie_on_page = 0;
    /// How far beyond its head `read_page` says that pages are.
    std::uint64_t moment_ahead = 0;
    /// What has been noted of the records; `damage` changes one behind the log's back.
    bool is_damaged = false;
    void damage(std::size_t number, bool note = true);
    std::size_t repairs = 0;          ///< that were proved
    std::size_t repairs_refused = 0;  ///< that were not
    std::size_t records_staged = 0;   ///< of repairs
    /// Called first by every slow call, with its name; an error is what the call gives.
    std::function<std::optional<Error>(const std::string& call)> fault;

    // Rows of attempts: one of an author stands until the next of its slot takes its place.
    using RowsHeld = std::map<RowAuthor, std::map<RowSeq, AttemptRow>>;
    /// This node sees one more attempt, on what `slot` names.
    void see_attempt(std::uint8_t slot, std::size_t size = 100);
    /// The newest row of this node goes, as that of a user who is erased; its place stays taken.
    void forget_newest_attempt();
    const RowsHeld& attempts() const { return attempts_; }
    RowAuthor author() const { return {node, incarnation}; }
    std::map<NodeId, int> completed;  ///< who has said that it has sent all
    int lives_begun = 0;
    std::size_t takes = 0;      ///< transactions
    std::size_t rows_read = 0;  ///< by links, to be passed on
    std::size_t rows_taken = 0;
    std::size_t rows_ignored = 0;  ///< that came and were held, or did not follow

    // LinkStore.
    LinkIdentity identity() override;
    Result<std::uint64_t> next_link_counter() override;
    void random(std::span<std::byte> bytes) override;
    Peer find_peer(const ChannelPublicKey& key) override;
    Result<Secret> member_psk() override;
    Result<Secret> invitation_psk(const InvitationId& id, const ChannelPublicKey& key) override;
    Result<void> heard_head(const NodeId& peer, const LogHead& head) override;
    void suspect_clone(const NodeId& peer) override;
    Result<void> told_of_clone() override;
    LogHead head() override;
    std::vector<Designated> designations() override;
    std::optional<NodeId> primary() override;
    Result<void> add_designations(std::span<const SignedBytes> statements) override;
    std::optional<std::vector<SharedBatch>> recent_batches(LogSeq after,
                                                           std::size_t max_bytes,
                                                           std::size_t max_batches) override;
    Result<BatchRun> read_batches(LogSeq after,
                                  std::size_t max_bytes,
                                  std::size_t max_batches) override;
    Result<LogHead> accept(std::span<const SharedBatch> batches) override;
    void note_ack(const NodeId& peer, LogSeq seq) override;
    std::shared_ptr<const SignedBytes> newest_pulse(Now now) override;
    Result<void> take_pulse(const SignedBytes& pulse, Now now) override;
    Result<CopyPage> read_page(const std::optional<RecordKey>& after,
                               std::size_t max_bytes) override;
    void hold_batches(const NodeId& peer, LogSeq from) override;
    void release_batches(const NodeId& peer) override;
    Result<CopyState> copy_state() override;
    Result<CopyState> begin_copy() override;
    Result<CopyState> stage(const CopyPage& page) override;
    Result<CopyState> replay(std::span<const SharedBatch> batches) override;
    bool damaged() override { return is_damaged; }
    Result<RecordSums> examine() override;
    Result<void> stage_repair(const CopyPage& page, bool first) override;
    Result<bool> repair(const NodeId& from, const LeafSet& leaves, LogSeq moment) override;
    Result<std::shared_ptr<RepairSource>> open_repair_source() override;
    std::shared_ptr<const RowVector> row_vector() override;
    Result<RowPage> read_rows(const RowVector& known,
                              std::size_t max_bytes,
                              std::size_t max_rows) override;
    Result<RowsTaken> take_rows(std::span<const RowRun> runs) override;
    Result<void> rows_complete(const NodeId& peer) override;
    Result<Admission> admit(const JoinRequest& request, const ChannelPublicKey& key) override;
    Result<void> admitted(const Admission& admission) override;
    Result<SharedBatch> removal_of(const NodeId& node) override;
    Result<void> removed_by(const SharedBatch& batch) override;

    // What it is; tests may turn it bad.
    PoolId pool;
    NodeId node;
    std::string name;
    Incarnation incarnation{1};
    std::uint64_t link_counter = 0;

  private:
    struct Change {
        RecordKey key;
        std::optional<Row> put;  // none: erased
    };
    struct Staging {
        CopyState state;
        Rows rows;
        LogHead head;
        std::vector<SharedBatch> log;
    };
    std::optional<Error> faulty(const char* call);
    void commit_changes(const std::vector<Change>& changes);
    void put_member(const NodeId& node_id,
                    const ChannelPublicKey& key,
                    const std::string& node_name,
                    Capability may);
    Result<void> verify(const BatchEnvelope& batch) const;
    std::vector<SharedBatch> run_after(LogSeq after,
                                       std::size_t max_bytes,
                                       std::size_t max_batches) const;
    void learn_members(LogSeq seq);
    Bytes random_bytes(std::size_t size);
    bool is_member(const NodeId& id) const;
    void put_row(const RowAuthor& by, AttemptRow row);
    bool is_twins(const RowRun& run) const;

    std::mt19937_64 random_;
    ChannelPublicKey channel_key_;
    std::shared_ptr<const Secret> channel_private_key_;
    Secret psk_;
    LogHead head_;
    Rows rows_;
    std::vector<SharedBatch> log_;  // from the first held on
    std::map<DesignationKey, SignedBytes> designations_;
    std::map<ChannelPublicKey, Peer> peers_;
    std::map<NodeId, LogSeq> removals_;
    std::vector<std::shared_ptr<Invitation>> invitations_;
    std::shared_ptr<const SignedBytes> pulse_;
    std::optional<Staging> staging_;
    Rows repair_rows_;
    RowsHeld attempts_;
    RowVector row_vector_;
    std::shared_ptr<const RowVector> shared_vector_;
};

}  // namespace countersign::testing
