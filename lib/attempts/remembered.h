#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string_view>
#include <vector>

#include "countersign/error.h"
#include "countersign/secret.h"
#include "countersign/time.h"

#include "attempts/credential.h"
#include "sealing/aead.h"
#include "sealing/hash.h"

namespace countersign::attempts {

/// The last wrong passwords that each source tried for each credential, as keyed hashes in locked
/// memory: the same one again is a device with an old password, not a guess, and is not counted.
/// Nothing is remembered of attempts without a source. Not thread-safe: its user locks.
class RememberedPasswords {
  public:
    static constexpr std::size_t per_pair = 4;

    struct Options {
        /// Pairs of credential and source. More: a flood from many sources takes longer to push
        /// out the devices that are known; 64 bytes of locked memory and about 250 others each.
        std::size_t pairs = 4'096;
        /// Since a password was last tried.
        milliseconds keep{24LL * 3'600'000};
    };

    /// `key` should be drawn anew in each process: nothing hashed under it outlives this object.
    /// Errors: errc::invalid_argument for no pairs, or more than 2^20.
    static Result<RememberedPasswords> make(sealing::Key key, const Options& options);

    /// True when this source's last wrong passwords for the credential include this one: it is then
    /// answered like any other, but not counted, and its time begins again. One keyed hash; the
    /// time it takes does not tell which one it was.
    bool recall(const CredentialId& credential,
                std::string_view source,
                const Secret& password,
                Instant now);

    /// To be called once the failure has been counted *and its row is durable*. Earlier, a guess
    /// whose row was lost could be made once more without ever being counted.
    void remember(const CredentialId& credential,
                  std::string_view source,
                  const Secret& password,
                  Instant now);

    std::size_t pairs() const noexcept { return places_.size(); }

  private:
    struct Slot {
        std::array<Instant, per_pair> tried_at{};
        std::array<bool, per_pair> is_used{};
        sealing::Mac128 pair;
        std::list<std::uint32_t>::iterator age;
    };

    RememberedPasswords(sealing::Key key, const Options& options);

    sealing::Mac128 pair_of(const CredentialId& credential, std::string_view source) const;
    void hash_into(std::span<std::byte> out,
                   const sealing::Mac128& pair,
                   const Secret& password) const;
    std::span<std::byte> hash_at(std::uint32_t slot, std::size_t index);
    std::size_t match(std::uint32_t slot, std::span<const std::byte> hash, Instant now);
    std::uint32_t slot_for(const sealing::Mac128& pair);
    void touch(std::uint32_t slot);

    sealing::Key key_;
    Options options_;
    Secret hashes_;   // pairs x per_pair hashes
    Secret scratch_;  // one hash
    std::vector<Slot> slots_;
    std::map<sealing::Mac128, std::uint32_t> places_;
    std::list<std::uint32_t> ages_;  // the slot used longest ago first
};

}  // namespace countersign::attempts
