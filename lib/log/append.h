#pragma once

#include <functional>
#include <map>
#include <vector>

#include "log/ledger.h"

namespace countersign::log {

/// The primary's half of the log: turns the changes of one group of callers into one signed batch,
/// within one transaction of the caller's. Make one per transaction; commit after `close`.
class Appender {
  public:
    /// Reads through the transaction, so it sees what its elders in the group did; returns changes
    /// (handles ascending) or why there are none. It must be pure: nothing else tells the callers
    /// of a group apart.
    using Execute = std::function<Result<std::vector<records::Change>>(records::Reader&, LogSeq)>;

    /// Reads the designation; `head` is what the ledger's is now. Errors: errc::not_primary, naming
    /// the node that is; errc::chain_gap and errc::wrong_epoch when the head is not where this node
    /// may write.
    static Result<Appender> begin(Ledger& ledger, const sealing::SigningKey& key, Head head);

    enum class Added {
        in_group,   ///< it will be in the batch, unless `execute` failed, which is in `failure`
        next_group  ///< it would pass the batch's limits: close this group first
    };
    /// Runs one caller's part. A caller whose `execute` fails leaves no trace in the group:
    /// `failure` says why. `consent` is asked last, when the changes are sure to fit and about to
    /// be made; its refusal is the caller's failure too. An error is of the transaction as a whole,
    /// which must be rolled back.
    Result<Added> add(const Execute& execute,
                      std::optional<Error>& failure,
                      const std::function<Result<void>()>& consent = {});

    /// Signs and stores the batch, and moves the head. No batch when no caller changed anything.
    Result<std::optional<SignedBatch>> close(UnixTime now);

    LogSeq seq() const noexcept { return seq_; }
    /// Whether any change so far is of the pool's own records, not of users.
    bool concerns_pool() const noexcept { return concerns_pool_; }
    const Head& head() const noexcept { return head_; }

  private:
    Appender(Ledger& ledger, const sealing::SigningKey& key, Head head, Place place);

    Ledger* ledger_;
    const sealing::SigningKey* key_;
    Head head_;
    LogSeq seq_;
    Place place_;
    std::map<records::RecordName, records::Change> changes_;  ///< each record once: its last state
    std::size_t bytes_ = 0;
    bool concerns_pool_ = false;
};

}  // namespace countersign::log
