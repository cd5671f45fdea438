#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "countersign/error.h"
#include "countersign/link.h"

#include "protocol/agenda.h"
#include "protocol/intake.h"

namespace countersign::protocol {

/// The side that fetches records ("Copying", transport/README.md): pages into staging, then the
/// batches from the first page's moment on, until the digest at the last one's proves the whole.
/// The store keeps the place, so any link goes on where another one ended.
class CopyReceiver {
  public:
    /// `finished` is called when the store has the proved copy; batches that came beyond it are
    /// left in `intake`.
    CopyReceiver(std::shared_ptr<LinkStore> store,
                 Agenda& agenda,
                 Intake& intake,
                 std::size_t window,
                 std::function<void()> finished);

    void begin();
    void resume(const CopyState& state);

    /// All fail with errc::malformed where they are out of place.
    Result<void> on_page(CopyPage page);
    Result<void> on_batches(std::vector<SharedBatch> batches);
    Result<void> on_gone();
    /// Where the feeder's log stands now. A copy whose last moment lies beyond that would wait for
    /// batches that may never come: it is begun again.
    void on_feeder_head(LogSeq seq);

    bool active() const noexcept { return phase_ != Phase::none; }
    /// Records that came here and are stored, of all copies.
    std::uint64_t records() const noexcept { return records_; }

  private:
    enum class Phase : std::uint8_t { none, beginning, paging, replaying };
    void stage_next();
    void on_staged(const CopyState& state, std::size_t size, std::size_t records);
    void start_replay();
    void replay_next();
    void on_replayed(const CopyState& state);

    std::shared_ptr<LinkStore> store_;
    Agenda& agenda_;
    Intake& intake_;
    std::size_t window_;
    std::function<void()> finished_;
    Phase phase_ = Phase::none;
    CopyState state_;
    std::deque<CopyPage> pages_;       // come, and not given to the store yet
    std::size_t bytes_ = 0;            // of these and of the one being staged
    std::optional<RecordKey> cursor_;  // the last record that came
    std::uint64_t received_ = 0;       // pages, since the request
    std::uint64_t staged_ = 0;
    std::uint64_t records_ = 0;
    bool last_came_ = false;
    bool busy_ = false;
    bool beyond_feeder_ = false;
};

}  // namespace countersign::protocol
