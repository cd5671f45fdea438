#include "asio/loop.h"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace countersign::node {
namespace {

constexpr std::size_t read_size = 256u << 10;

}  // namespace

Loop::Loop(asio::any_io_executor executor,
           std::shared_ptr<Environment> environment,
           RunBlocking run_blocking,
           std::size_t threads)
    : strand_(asio::make_strand(std::move(executor))),
      environment_(environment ? std::move(environment) : system_environment()),
      scratch_(read_size) {
    if (!run_blocking) {
        pool_.emplace(std::max(threads, std::size_t{1}));
        run_blocking = [this](std::function<void()> task) { asio::post(*pool_, std::move(task)); };
    }
    jobs_ = std::make_shared<Jobs>(std::move(run_blocking),
                                   [this](Jobs::Work work) { post(std::move(work)); });
}

void Loop::post(std::move_only_function<void()> work) {
    asio::post(strand_, guarded(std::move(work)));
}

void Loop::shut() {
    if (shut_) return;
    shut_ = true;
    jobs_->end();
    if (pool_) pool_->join();
}

}  // namespace countersign::node
