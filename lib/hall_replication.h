#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "countersign/links.h"

#include "attempts/received_rows.h"
#include "attempts/row_bounds.h"
#include "attempts/row_places.h"
#include "hall.h"
#include "log/accept.h"
#include "log/recent_batches.h"
#include "shown_links.h"
#include "sqlite/transaction.h"

namespace countersign {

// What links and the log call by different names.
LogHead to_link_head(const log::Head& head);
SharedBatch to_envelope(log::SignedBatch batch);
log::SignedBatch to_signed_batch(const BatchEnvelope& envelope);
std::vector<log::SignedBatch> to_signed_batches(std::span<const SharedBatch> batches);
SignedBytes to_signed_bytes(const records::SignedStatement& statement);
records::SignedStatement to_statement(const SignedBytes& statement);

/// What links ask of the hall, and what it tells them. It keeps in memory what they must have
/// within microseconds: head, designations, the newest batches and the newest pulse.
class Hall::Replication final : public LinkStore {
  public:
    explicit Replication(Hall& hall);

    // For the hall, under the directory's write lock.
    /// Reads head and designations.
    Result<void> open();
    /// A batch was committed here, and this is the head now.
    void wrote(log::SignedBatch batch, const log::Head& head);
    /// Reads up to where everyone's rows have come.
    Result<void> load_rows();
    /// Rows were committed here.
    void rows_moved(const attempts::Journal& journal, Instant now);
    /// Drops rows of users and credentials that no record names any more, a slice at each call,
    /// within the caller's transaction; whether there is more.
    Result<bool> sweep_rows();
    Result<void> sweep_all_rows();
    /// The head moved by others' doing: another process, or a copy.
    void moved(const log::Head& head);

    // For the hall, and the facet Links.
    std::optional<Link::Invited> invitation() const;
    std::vector<Contact> contacts() const;
    void on_change(std::function<void()> handler);
    void notify();
    Result<void> look();
    void close_watch();
    /// Those who are being repaired from here ask again.
    void close_repair_sources();
    void show(std::span<const LinkStatus> links);
    /// As the serving process last showed them.
    std::vector<LinkInfo> shown(const PoolView& pool) const;
    /// The highest seq up to which all other members are known to hold everything; 0 when one of
    /// them has said nothing to the process that serves; `head` without other members.
    LogSeq everyone_has(const PoolView& pool, LogSeq head) const;
    /// Names of the other members that have not said that they hold everything up to `head`.
    std::vector<std::string> members_behind(const PoolView& pool, LogSeq head) const;
    /// In a new life, what members knew is heard afresh.
    void forget_who_lagged();
    /// Lets go of the batches in memory: what was erased on disk is not to be handed on.
    void forget_batches();
    /// Batches from here on are kept for copies under way; none: there are none.
    std::optional<LogSeq> held_from(Instant now);
    /// The larger of what both clocks say; none where the wall clock is behind the time floor.
    std::optional<milliseconds> data_age(Now now) const;
    RowCounts row_counts() const;

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
    bool damaged() override;
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

  private:
    struct Hold {
        LogSeq from{};
        Instant until{};
    };
    struct KnownPulse {
        std::shared_ptr<const SignedBytes> statement;
        records::Pulse pulse;
    };
    /// The write lock and an open transaction on a sound handle.
    struct Writing {
        sqlite::Directory::WriteLock lock;
        sqlite::Transaction transaction;
    };

    class Source;

    Result<Writing> begin_writing();
    Result<LogHead> apply(std::span<const SharedBatch> batches, log::Rows rows);
    /// The view as of the transaction, if `changed_pool`; noting who is no member any more.
    Result<std::shared_ptr<const PoolView>> look_at_pool(bool changed_pool);
    /// What follows a commit that moved the head.
    void moved_on(std::shared_ptr<const PoolView> fresh);
    /// Checkpoint and marker, when it is time.
    void keep_house();
    Result<std::vector<Designated>> stored_designations();
    // hall_rows
    Result<bool> look_at_rows(attempts::Tables& tables);
    Result<sqlite::ReaderPool<Readers>::Lease> row_reader();
    Result<bool> shows_a_twin(const RowRun& run);
    Result<void> leave_life_of_twin();
    Result<bool> is_of_use(const attempts::ReceivedRow& row, LogSeq head);
    Result<bool> has_room_for(const attempts::ReceivedRow& row, const RowAuthor& author);
    Result<bool> take_row(attempts::Journal& journal,
                          const attempts::ReceivedRow& row,
                          const RowAuthor& author,
                          std::vector<std::string>& double_uses);
    Result<bool> may_name(const attempts::CredentialId& credential);
    struct VerifiedRun;
    /// Of each run what can be taken; `taken` says what is left for later.
    Result<std::vector<VerifiedRun>> verify_runs(std::span<const RowRun> runs,
                                                 const PoolView& pool,
                                                 RowsTaken& taken);
    /// What follows once rows are on disk.
    void notice_rows(const std::set<attempts::CredentialId>& changed,
                     const std::vector<std::string>& double_uses);
    void count_rows(std::uint64_t RowCounts::* kind, std::uint64_t rows);
    Error refused(const Error& error);
    void heard_from_primary(UnixTime signed_time, Instant now);
    /// Whether this node is the one that writes.
    bool is_primary() const;
    /// What the serving process has been told: this one, or the one that shows it.
    std::map<NodeId, LogSeq> read_acked() const;
    std::vector<ShownLink> read_shown() const;

    Hall& hall_;

    std::shared_ptr<const Secret> channel_private_key_;
    mutable std::mutex mutex_;
    LogHead head_;
    std::vector<Designated> designations_;
    log::RecentBatches recent_;
    std::map<NodeId, LogSeq> acked_;
    std::map<NodeId, bool> lagged_;  ///< when first heard of, by a primary to be confirmed
    std::map<NodeId, Hold> holds_;
    std::optional<KnownPulse> pulse_;
    UnixTime newest_signed_{};            ///< by the primary: of a batch or pulse
    std::optional<Instant> newest_came_;  ///< none: before this process began
    std::uint64_t link_counter_ = 0;
    std::uint64_t link_counters_end_ = 0;

    attempts::RowPlaces row_places_;
    attempts::RowBounds row_bounds_;                    ///< under the directory's write lock
    std::optional<attempts::CredentialId> sweep_from_;  ///< the same
    RowCounts row_counts_;

    std::mutex change_mutex_;
    std::function<void()> on_change_;

    std::mutex watch_mutex_;
    std::unique_ptr<sqlite::Database> watch_;
    std::int64_t watched_version_ = 0;

    std::mutex sources_mutex_;
    std::vector<std::weak_ptr<Source>> sources_;

    std::mutex show_mutex_;
    std::string shown_text_;
    Instant shown_at_{};
};

}  // namespace countersign
