#include "asio/jobs.h"

#include <iterator>
#include <utility>

namespace countersign::node {

/// What is given to whoever runs tasks: it may be called, or dropped, sooner or later or after the
/// end.
class Jobs::Ticket {
  public:
    Ticket(std::shared_ptr<Jobs> jobs, Place place) : jobs_(std::move(jobs)), place_(place) {}
    Ticket(const Ticket&) = delete;
    ~Ticket() { finish(false); }
    void run() { finish(jobs_->begin(place_)); }

  private:
    void finish(bool ran) {
        if (const auto jobs = std::exchange(jobs_, nullptr)) jobs->finish(place_, ran);
    }

    std::shared_ptr<Jobs> jobs_;
    Place place_;
};

Jobs::Jobs(RunBlocking run, std::function<void(Work)> post)
    : run_(std::move(run)), post_(std::move(post)) {}

void Jobs::run(Work task, Work then) {
    std::unique_lock lock(mutex_);
    if (!post_) return;
    const auto place =
        jobs_.insert(jobs_.end(), Job{.task = std::move(task), .then = std::move(then)});
    lock.unlock();
    run_([ticket = std::make_shared<Ticket>(shared_from_this(), place)] { ticket->run(); });
}

bool Jobs::begin(Place place) {
    std::unique_lock lock(mutex_);
    if (!post_) return false;  // ended: there is no such job any more
    place->begun = true;
    Work task = std::move(place->task);
    lock.unlock();
    task();
    return true;
}

/// Posts before it counts down: whoever waits for the end may take the executor away then.
void Jobs::finish(Place place, bool ran) {
    std::list<Job> gone;
    const std::lock_guard lock(mutex_);
    if (!ran && !post_) return;
    if (post_ && ran) post_(std::move(place->then));
    gone.splice(gone.end(), jobs_, place);
    if (!jobs_.empty()) return;
    if (post_ && when_quiet_) post_(std::exchange(when_quiet_, nullptr));
    finished_.notify_all();
}

void Jobs::when_quiet(Work then) {
    const std::lock_guard lock(mutex_);
    if (!post_) return;
    if (jobs_.empty()) return post_(std::move(then));
    when_quiet_ = std::move(then);
}

void Jobs::end() {
    std::list<Job> gone;
    Work unheard;
    std::unique_lock lock(mutex_);
    post_ = nullptr;
    std::swap(unheard, when_quiet_);
    for (auto job = jobs_.begin(); job != jobs_.end();) {
        const auto next = std::next(job);
        if (!job->begun) gone.splice(gone.end(), jobs_, job);
        job = next;
    }
    finished_.wait(lock, [this] { return jobs_.empty(); });
}

}  // namespace countersign::node
