#pragma once

#include <cassert>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "countersign/error.h"

#include "sqlite/database.h"

namespace countersign::sqlite {

/// Read-only handles for many threads, each with statements that were prepared once: `Bundle` is
/// what the caller keeps beside a handle. Each read of a lease, or ReadTransaction on it, sees
/// everything committed before it began.
template <class Bundle>
class ReaderPool {
    struct Reader {
        Database database;
        Bundle bundle;
    };

  public:
    using Prepare = std::function<Result<Bundle>(Database&)>;

    /// One handle, until it is dropped.
    class Lease {
      public:
        Lease(Lease&& other) noexcept
            : pool_(std::exchange(other.pool_, nullptr)), reader_(std::move(other.reader_)) {}
        Lease& operator=(Lease&&) = delete;
        ~Lease() {
            if (pool_) pool_->take_back(std::move(reader_));
        }
        Bundle& operator*() const noexcept { return reader_->bundle; }
        Bundle* operator->() const noexcept { return &reader_->bundle; }
        Database& database() const noexcept { return reader_->database; }

      private:
        friend class ReaderPool;
        Lease(ReaderPool* pool, std::unique_ptr<Reader> reader)
            : pool_(pool), reader_(std::move(reader)) {}
        ReaderPool* pool_;
        std::unique_ptr<Reader> reader_;
    };

    /// Opens handles as they are needed, at most `most`, and keeps them. `options.health` is that
    /// of the file's other handles.
    ReaderPool(std::string path, OpenOptions options, std::size_t most, Prepare prepare)
        : path_(std::move(path)),
          options_(std::move(options)),
          most_(most),
          prepare_(std::move(prepare)) {
        assert(most_ > 0 && options_.health);
        options_.read_only = true;
        options_.create = false;
    }
    ReaderPool(const ReaderPool&) = delete;
    ReaderPool& operator=(const ReaderPool&) = delete;
    ~ReaderPool() { close(); }

    /// Waits while all handles are leased: a thread that holds one never asks for a second. Errors:
    /// errc::outcome_unknown while the store is suspect; those of opening a file.
    Result<Lease> lease() {
        std::unique_lock guard(mutex_);
        available_.wait(guard, [&] { return !closing_ && leased_ < most_; });
        if (auto sound = options_.health->check(); !sound) return sound.error();
        ++leased_;
        if (!idle_.empty()) {
            auto reader = std::move(idle_.back());
            idle_.pop_back();
            return Lease(this, std::move(reader));
        }
        guard.unlock();
        auto reader = open();
        if (reader) return Lease(this, std::move(*reader));
        take_back(nullptr);
        return reader.error();
    }

    /// Waits until every lease is back and closes all handles; a later lease opens them again.
    void close() {
        std::unique_lock guard(mutex_);
        closing_ = true;
        available_.wait(guard, [&] { return leased_ == 0; });
        idle_.clear();
        closing_ = false;
        available_.notify_all();
    }

  private:
    Result<std::unique_ptr<Reader>> open() {
        auto database = Database::open(path_, options_);
        if (!database) return database.error();
        auto bundle = prepare_(*database);
        if (!bundle) return bundle.error();
        return std::unique_ptr<Reader>(new Reader{std::move(*database), std::move(*bundle)});
    }

    void take_back(std::unique_ptr<Reader> reader) {
        assert(!reader || !reader->database.in_transaction());
        // Closed before it counts as returned: recovery begins when none is out.
        if (!options_.health->sound()) reader.reset();
        const std::lock_guard guard(mutex_);
        --leased_;
        if (reader) idle_.push_back(std::move(reader));
        available_.notify_all();
    }

    const std::string path_;
    OpenOptions options_;
    const std::size_t most_;
    const Prepare prepare_;
    std::mutex mutex_;
    std::condition_variable available_;
    std::vector<std::unique_ptr<Reader>> idle_;
    std::size_t leased_ = 0;
    bool closing_ = false;
};

}  // namespace countersign::sqlite
