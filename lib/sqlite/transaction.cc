#include "sqlite/transaction.h"

#include <cassert>
#include <utility>

#include "countersign/mutants.h"

#include "sqlite/connection.h"

namespace countersign::sqlite {

namespace {

Result<void> start(Connection& connection, Fixed how, const char* doing) {
    assert(!connection.transaction_open);
    if (auto ready = connection.ready(); !ready) return ready;
    // What a lack of memory would leave open later, nothing could end.
    if (auto prepared = connection.prepare_fixed(Fixed::rollback, doing); !prepared) {
        return prepared;
    }
    if (!sqlite3_get_autocommit(connection.handle)) {
        const auto ended = connection.fixed(Fixed::rollback, "ending what was left open in");
        if (!ended) return ended.error();
    }
    const auto begun = connection.fixed(how, doing);
    if (!begun) return begun.error();
    connection.transaction_open = true;
    return {};
}

void roll_back(Connection& connection) noexcept {
    // One that fails leaves the file as it was; the next transaction begins with another attempt.
    if (!sqlite3_get_autocommit(connection.handle)) {
        (void)connection.fixed(Fixed::rollback, "rolling back in");
    }
    connection.transaction_open = false;
    connection.rolled_back.reset();
}

/// Whether COMMIT failed before anything that a later reader of the log could take for a commit.
/// The commit's last frame is written last and, where the disk needs no padding after it, a disk
/// without room for it has not got it whole. Any other failure of the disk can come after that
/// frame.
bool surely_not_committed(const Connection& connection, int code) noexcept {
    switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_CONSTRAINT:
            return true;
        case SQLITE_FULL:
            return connection.powersafe_overwrite();
        default:
            return false;
    }
}

}  // namespace

Transaction::Transaction(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)) {}

Result<Transaction> Transaction::begin(Database& database) {
    assert(!database.read_only());
    auto started = start(*database.connection_, Fixed::begin_immediate, "beginning to write to");
    if (!started) return started.error();
    return Transaction(database.connection_);
}

Transaction::~Transaction() {
    if (connection_) roll_back(*connection_);
}

Result<void> Transaction::commit() {
    assert(connection_);
    const auto connection = std::move(connection_);
    connection_ = nullptr;
    if (auto ready = connection->ready(); !ready) {
        roll_back(*connection);
        return ready;
    }
    const auto committed = connection->fixed(Fixed::commit, "committing to");
    if (committed) {
        connection->transaction_open = false;
        return {};
    }
    Error error = committed.error();
    const int code = sqlite3_extended_errcode(connection->handle);
    if (!surely_not_committed(*connection, code)) {
        if (error.code() != errc::outcome_unknown) {
            error = Error(errc::outcome_unknown,
                          error.detail() + "; whether the write is on disk is not known");
        }
        connection->health->suspect(error.detail());
    }
    roll_back(*connection);
    if (is_planted(Mutant::skip_commit_error)) return {};
    return error;
}

ReadTransaction::ReadTransaction(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)) {}

Result<ReadTransaction> ReadTransaction::begin(Database& database) {
    auto started = start(*database.connection_, Fixed::begin, "beginning to read");
    if (!started) return started.error();
    ReadTransaction transaction(database.connection_);
    // BEGIN alone fixes nothing: the snapshot is that of the first read.
    const auto read = database.connection_->fixed(Fixed::first_read, "reading");
    if (!read) return read.error();
    return transaction;
}

ReadTransaction::~ReadTransaction() {
    if (connection_) roll_back(*connection_);
}

}  // namespace countersign::sqlite
