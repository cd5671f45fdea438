#pragma once

#include <array>
#include <cstddef>
#include <mutex>

namespace countersign::sealing {

/// Memory for secrets: each has pages of its own between guard pages, locked where the system lets
/// it, and ends where the guard page behind it begins. Making and freeing such pages takes ten
/// system calls, as long as everything else of a sign-in, so that some of those given back are kept
/// for the next secret. Thread-safe.
class SecretPages {
  public:
    /// Never destroyed: secrets with static storage may outlive anything.
    static SecretPages& of_this_process();
    SecretPages() = default;
    SecretPages(const SecretPages&) = delete;
    SecretPages& operator=(const SecretPages&) = delete;
    ~SecretPages() { free_kept(); }

    /// `size` bytes, at least 1; what they hold is not said. Throws std::bad_alloc.
    std::byte* take(std::size_t size);
    /// Zeroes what `take` gave for this size, before anyone else can have it.
    void give_back(std::byte* bytes, std::size_t size) noexcept;

  private:
    /// What fits on one page beside libsodium's canary on any machine: every key and password.
    static constexpr std::size_t slot_size = 2048;
    static constexpr std::size_t slots_kept = 64;

    std::byte* take_kept();
    bool keep(std::byte* slot) noexcept;
    void belong_to_this_process() noexcept;
    void free_kept() noexcept;

    std::mutex mutex_;
    std::array<std::byte*, slots_kept> kept_{};
    std::size_t count_ = 0;
    long process_ = 0;  // locked pages are not locked in a child that was forked
};

}  // namespace countersign::sealing
