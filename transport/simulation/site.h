#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "countersign/simulation.h"

#include "simulation/machine.h"
#include "simulation/station.h"
#include "simulation/world.h"

namespace countersign::simulation {

/// Where every site keeps its store.
inline constexpr const char* store_directory = "/store";

/// Calls its handler in any case: with errc::cancelled if nobody else has.
template <class T>
class Answer {
  public:
    explicit Answer(OutcomeHandler<T> handler) : handler_(std::move(handler)) {}
    Answer(Answer&& other) noexcept : handler_(std::exchange(other.handler_, {})) {}
    Answer& operator=(Answer&&) = delete;
    ~Answer() {
        if (handler_) cancel();
    }
    void operator()(Result<T> result) { std::exchange(handler_, {})(std::move(result)); }
    void cancel() { (*this)(Error(errc::cancelled, "the process ended")); }

  private:
    OutcomeHandler<T> handler_;
};

/// A site's inside: the machine, and the process that comes and goes on it.
class Site::Impl final : public StationGround {
  public:
    Impl(World& world, std::string name, const std::string& machine_id);
    ~Impl();

    Result<void> create_pool();
    /// Begins to join; `start` goes on with it.
    void set_invitation(Secret invitation) { invitation_ = std::move(invitation); }
    void start();
    void stop();
    void kill();
    void cut_power(Damage damage);
    /// Whether the power has gone in the middle of something; then everything else goes too.
    void notice_power();
    void pause(milliseconds time);
    /// What hands on to `handler` what this process answers, as long as it runs: nobody hears what
    /// it says while it ends.
    template <class T>
    OutcomeHandler<T> while_it_runs(OutcomeHandler<T> handler) {
        return [this, life = life_, answer = Answer<T>(std::move(handler))](
                   Result<T> outcome) mutable {
            if (life != life_ || !machine.is_on()) return answer.cancel();
            answer(std::move(outcome));
        };
    }
    /// Errors: errc::busy (the process runs), errc::invalid_argument (no backup).
    Result<void> put_back(const Backup& backup, bool same_files);
    /// Errors: errc::busy, errc::not_found.
    Result<void> damage_record(std::uint64_t which);
    /// Errors: errc::busy.
    Result<void> require_stopped() const;
    /// A clone's directory opens with the keys of the original's customer.
    void become_clone_of(const Impl& original) { key_provider_ = original.key_provider_; }

    // StationGround.
    Now now() override { return machine.now(); }
    void after(Instant::duration time, Schedule::Task task) override;
    void run_blocking(std::function<void()> task) override;
    void note(std::string what) override { world.note(name, what); }
    void on_removed() override { knows_its_removal = true; }

    /// Of the running process; empty where it keeps no links.
    std::vector<LinkStatus> link_statuses() const {
        return station_ ? station_->statuses() : std::vector<LinkStatus>();
    }

    /// The name of the running process's SQLite VFS.
    std::string vfs() const { return process_->sqlite_vfs(); }

    World& world;
    const std::string name;
    const std::string address;
    Machine machine;
    const Network::Machine place;
    std::optional<Store> store;
    std::optional<Error> failure;
    bool key_provider_is_away = false;
    bool knows_its_removal = false;
    milliseconds task_time;  ///< until a task that may block has run
    std::vector<Event> events;

  private:
    /// Of a process that starts now.
    Options store_options();
    void run(Store opened);
    void due();
    void show();
    void try_again();
    /// Ends the process without its doing anything more.
    void end();

    Draw draw_;
    std::shared_ptr<DiskEnvironment> process_;  // as long as one runs
    std::shared_ptr<KeyProvider> key_provider_;
    std::optional<Secret> invitation_;
    std::unique_ptr<FileLock> served_;
    std::unique_ptr<Station> station_;
    std::deque<std::function<void()>> tasks_;
    std::uint64_t life_ = 0;
    bool takes_tasks_ = false;  // a process that ends drops them
    bool wanted_ = false;       // to run
    Instant paused_until_{};
};

}  // namespace countersign::simulation
