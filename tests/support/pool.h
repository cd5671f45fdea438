#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "log/accept.h"
#include "log/append.h"
#include "log/ledger.h"
#include "records/index.h"
#include "records/seal.h"
#include "sealing/keyring.h"
#include "sqlite/transaction.h"
#include "support/temporary_directory.h"

namespace countersign::testing {

/// Numbers that look drawn and follow from a seed (splitmix64).
class Draw {
  public:
    explicit Draw(std::uint64_t seed) : state_(seed) {}
    std::uint64_t operator()();
    /// 0 to `bound` - 1.
    std::uint64_t below(std::uint64_t bound) { return (*this)() % bound; }
    Bytes bytes(std::size_t size);
    template <class IdType>
    IdType id() {
        return *IdType::from_bytes(bytes(IdType::size));
    }

  private:
    std::uint64_t state_;
};

/// 32 bytes that follow from a number.
std::array<std::byte, 32> key_bytes(std::uint64_t number);

/// One store of a pool: its key, its file, and the log on it.
class PoolNode {
  public:
    PoolNode(std::string path, std::uint64_t key, PoolId pool, sealing::KeyView digest_key);

    NodeId id() const { return {key.public_key()}; }
    /// Another handle on the same file.
    sqlite::Database open() const;
    /// Runs `work` in one transaction, which commits when it gives a value.
    template <class Work>
    std::invoke_result_t<Work> write(Work&& work) {
        auto transaction = sqlite::Transaction::begin(database);
        REQUIRE(transaction);
        auto done = work();
        if (done) REQUIRE(transaction->commit());
        return done;
    }
    /// Runs SQL behind the log's back.
    void damage(const char* sql);
    log::Head head();
    /// Everything in the tables, as text: equal before and after what must change nothing.
    std::string content();

    sealing::SigningKey key;
    sqlite::Database database;
    log::Ledger ledger;
};

/// A pool whose keys are the same in every run, and its nodes on real files in a directory that
/// goes with it. All rows are written without waiting for the disk.
class Pool {
  public:
    Pool();

    /// A store that knows nothing yet but the pool.
    PoolNode& add_node();
    /// Designates the node at its head, by the root key, and tells it. Returns the statement, for
    /// others to be told.
    records::SignedStatement designate(PoolNode& node);
    /// The same, by a node itself, in the same root term.
    records::SignedStatement designate_itself(PoolNode& node);
    Result<records::Designation> tell(PoolNode& node, const records::SignedStatement& statement);
    /// Tells `to` all that `from` knows.
    void tell_all(PoolNode& to, PoolNode& from);

    /// One batch of these changes by the primary, committed. Each has a later time.
    log::SignedBatch append(PoolNode& primary, std::vector<records::Change> changes);
    Result<log::Head> accept(PoolNode& replica, std::span<const log::SignedBatch> batches);
    /// Signs what a batch that breaks a rule would say.
    log::SignedBatch sign(const log::Batch& batch, const PoolNode& author) const;
    /// The batch that `author` would write next, without changes.
    log::Batch next_batch(PoolNode& author, Epoch epoch = Epoch{1});

    PoolId id;
    sealing::SigningKey root_key;
    std::shared_ptr<const sealing::Keyring> keyring;
    records::Sealer sealer;
    records::Index index;
    UnixTime now{milliseconds{1'700'000'000'000}};

  private:
    records::SignedStatement designate(PoolNode& node,
                                       const sealing::SigningKey& key,
                                       bool raise_term);
    TemporaryDirectory directory_;
    std::deque<PoolNode> nodes_;
};

/// Changes of records that nobody can open: replication does not care.
records::Change put(const records::RecordName& name,
                    std::string_view sealed,
                    std::vector<records::Handle> handles = {});
records::Change erase(const records::RecordName& name);
/// The name of a record, by a small number.
records::RecordName user_name(std::uint8_t number);
records::Handle handle(std::uint8_t number);
/// `changes` without copying any: an initialiser list would.
template <class... Changes>
std::vector<records::Change> changes(Changes&&... each) {
    std::vector<records::Change> all;
    (all.push_back(std::forward<Changes>(each)), ...);
    return all;
}

}  // namespace countersign::testing
