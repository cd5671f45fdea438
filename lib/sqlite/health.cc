#include "sqlite/health.h"

#include <cassert>
#include <utility>

#include "sqlite/database.h"

namespace countersign::sqlite {

Result<void> Health::check() const {
    if (sound()) return {};
    const std::lock_guard guard(mutex_);
    return Error(errc::outcome_unknown, why_);
}

void Health::suspect(std::string why) {
    const std::lock_guard guard(mutex_);
    if (!sound()) return;
    why_ = std::move(why);
    state_.store(State::suspect, std::memory_order_release);
}

Result<void> recover(const std::string& path, const OpenOptions& options) {
    assert(options.health && !options.read_only);
    Health& health = *options.health;
    if (health.sound()) return {};
    if (health.state_.load() == Health::State::stopped) return health.check();
    if (health.handles() != 0) {
        return Error(errc::busy,
                     "handles on " + path + " are still open: close them, then recover");
    }
    OpenOptions fresh = options;
    fresh.create = false;
    fresh.health = std::make_shared<Health>();
    Result<void> done;
    if (auto database = Database::open(path, fresh)) {
        done = database->rewrite_log();
    } else {
        done = database.error();
    }
    if (!done && (done.error() == errc::busy || done.error() == errc::disk_full)) return done;
    const std::lock_guard guard(health.mutex_);
    if (!done) {
        health.why_ = "recovery of " + path + " after a failed sync failed too (" +
                      done.error().message() + "): see to the disk, then open the store anew";
        health.state_.store(Health::State::stopped, std::memory_order_release);
        return Error(errc::outcome_unknown, health.why_);
    }
    health.why_.clear();
    health.state_.store(Health::State::sound, std::memory_order_release);
    return {};
}

}  // namespace countersign::sqlite
