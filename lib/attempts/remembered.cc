#include "attempts/remembered.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <span>
#include <utility>

namespace countersign::attempts {
namespace {

constexpr std::size_t hash_size = sealing::Mac128::size;
constexpr std::size_t max_pairs = 1U << 20;
constexpr std::byte pair_purpose{1};
constexpr std::byte password_purpose{2};

}  // namespace

Result<RememberedPasswords> RememberedPasswords::make(sealing::Key key, const Options& options) {
    if (options.pairs < 1 || options.pairs > max_pairs) {
        return Error(errc::invalid_argument, "between 1 and 2^20 pairs can be remembered");
    }
    return RememberedPasswords(std::move(key), options);
}

RememberedPasswords::RememberedPasswords(sealing::Key key, const Options& options)
    : key_(std::move(key)),
      options_(options),
      hashes_(Secret::of_size(options.pairs * per_pair * hash_size)),
      scratch_(Secret::of_size(hash_size)) {}

bool RememberedPasswords::recall(const CredentialId& credential,
                                 std::string_view source,
                                 const Secret& password,
                                 Instant now) {
    if (source.empty()) return false;
    const sealing::Mac128 pair = pair_of(credential, source);
    hash_into(scratch_.writable(), pair, password);
    const auto place = places_.find(pair);
    if (place == places_.end()) return false;
    const std::size_t index = match(place->second, scratch_.bytes(), now);
    if (index == per_pair) return false;
    slots_[place->second].tried_at[index] = now;
    touch(place->second);
    return true;
}

void RememberedPasswords::remember(const CredentialId& credential,
                                   std::string_view source,
                                   const Secret& password,
                                   Instant now) {
    if (source.empty()) return;
    const sealing::Mac128 pair = pair_of(credential, source);
    hash_into(scratch_.writable(), pair, password);
    const std::uint32_t number = slot_for(pair);
    Slot& slot = slots_[number];
    std::size_t index = match(number, scratch_.bytes(), now);
    if (index == per_pair) {
        index = 0;
        for (std::size_t i = 0; i < per_pair; ++i) {
            if (!slot.is_used[i]) {
                index = i;
                break;
            }
            if (slot.tried_at[i] < slot.tried_at[index]) index = i;
        }
        std::ranges::copy(scratch_.bytes(), hash_at(number, index).begin());
        slot.is_used[index] = true;
    }
    slot.tried_at[index] = now;
    touch(number);
}

sealing::Mac128 RememberedPasswords::pair_of(const CredentialId& credential,
                                             std::string_view source) const {
    return sealing::mac128(key_,
                           {std::span(&pair_purpose, 1),
                            credential.bytes(),  // of fixed size, so no separator is needed
                            std::as_bytes(std::span(source))});
}

void RememberedPasswords::hash_into(std::span<std::byte> out,
                                    const sealing::Mac128& pair,
                                    const Secret& password) const {
    sealing::Hasher(hash_size, key_.view())
        .update(std::span(&password_purpose, 1))
        .update(pair.bytes)
        .update(password.bytes())
        .finish(out);
}

std::span<std::byte> RememberedPasswords::hash_at(std::uint32_t slot, std::size_t index) {
    return hashes_.writable().subspan((slot * per_pair + index) * hash_size, hash_size);
}

std::size_t RememberedPasswords::match(std::uint32_t number,
                                       std::span<const std::byte> hash,
                                       Instant now) {
    Slot& slot = slots_[number];
    std::size_t found = per_pair;
    for (std::size_t i = 0; i < per_pair; ++i) {
        if (slot.is_used[i] && now - slot.tried_at[i] >= options_.keep) {
            std::ranges::fill(hash_at(number, i), std::byte{});
            slot.is_used[i] = false;
        }
        const bool is_equal = sealing::constant_time_equal(hash_at(number, i), hash);
        if (is_equal && slot.is_used[i]) found = i;
    }
    return found;
}

std::uint32_t RememberedPasswords::slot_for(const sealing::Mac128& pair) {
    if (const auto place = places_.find(pair); place != places_.end()) return place->second;
    std::uint32_t number = 0;
    if (slots_.size() < options_.pairs) {
        number = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
        slots_[number].age = ages_.insert(ages_.end(), number);
    } else {
        number = ages_.front();
        places_.erase(slots_[number].pair);
        slots_[number].is_used = {};
        std::ranges::fill(
            hashes_.writable().subspan(number * per_pair * hash_size, per_pair * hash_size),
            std::byte{});
    }
    slots_[number].pair = pair;
    places_.emplace(pair, number);
    return number;
}

void RememberedPasswords::touch(std::uint32_t slot) {
    ages_.splice(ages_.end(), ages_, slots_[slot].age);
}

}  // namespace countersign::attempts
