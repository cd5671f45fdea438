#include "sealing/secret_pages.h"

#include <new>

#include <sodium.h>
#include <unistd.h>

#include "sealing/sodium.h"

namespace countersign::sealing {
namespace {

std::byte* make(std::size_t size) {
    initialise_sodium();
    void* const memory = sodium_malloc(size);
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<std::byte*>(memory);
}

}  // namespace

SecretPages& SecretPages::of_this_process() {
    static auto* const pages = new SecretPages;
    return *pages;
}

std::byte* SecretPages::take(std::size_t size) {
    if (size > slot_size) return make(size);
    std::byte* slot = take_kept();
    if (slot == nullptr) slot = make(slot_size);
    return slot + (slot_size - size);
}

void SecretPages::give_back(std::byte* bytes, std::size_t size) noexcept {
    if (size > slot_size) return sodium_free(bytes);
    std::byte* const slot = bytes - (slot_size - size);
    sodium_memzero(bytes, size);
    if (!keep(slot)) sodium_free(slot);
}

std::byte* SecretPages::take_kept() {
    const std::lock_guard guard(mutex_);
    belong_to_this_process();
    return count_ == 0 ? nullptr : kept_[--count_];
}

bool SecretPages::keep(std::byte* slot) noexcept {
    const std::lock_guard guard(mutex_);
    belong_to_this_process();
    if (count_ == slots_kept) return false;
    kept_[count_++] = slot;
    return true;
}

void SecretPages::belong_to_this_process() noexcept {
    const long process = getpid();
    if (process_ == process) return;
    free_kept();
    process_ = process;
}

void SecretPages::free_kept() noexcept {
    while (count_ > 0) sodium_free(kept_[--count_]);
}

}  // namespace countersign::sealing
