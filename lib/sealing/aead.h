#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/secret.h"

/// XChaCha20-Poly1305-IETF (draft-irtf-cfrg-xchacha-03): authenticated encryption whose nonce is
/// long enough to be drawn at random.
namespace countersign::sealing {

constexpr std::size_t key_size = 32;
/// The bytes of a key, wherever they are held.
using KeyView = std::span<const std::byte, key_size>;

/// A symmetric key of 32 bytes in guarded memory.
class Key {
  public:
    /// `bytes` must be `key_size` long; anything else is a programmer's error.
    explicit Key(Secret bytes);
    /// Takes a copy; the original stays the caller's to erase.
    explicit Key(KeyView bytes);

    KeyView view() const noexcept { return KeyView(bytes_.bytes().data(), key_size); }
    operator KeyView() const noexcept { return view(); }
    Key clone() const { return Key(view()); }
    friend bool operator==(const Key&, const Key&) noexcept = default;

  private:
    Secret bytes_;
};

/// Must never serve twice under one key; 24 random bytes do not.
using Nonce = Id<struct NonceTag, 24>;

/// How much longer the sealed bytes are than the plain ones.
constexpr std::size_t tag_size = 16;

/// Bytes that were sealed, and so are nobody else's business: zeroed when the object goes, but not
/// locked, because records are opened by the thousand. Aligned to 8 bytes, as Cap'n Proto's words
/// must be.
class PlainBytes {
  public:
    PlainBytes() noexcept = default;
    /// `size` bytes of no particular value, to be filled through `writable()`.
    static PlainBytes of_size(std::size_t size);
    static PlainBytes copy_of(std::span<const std::byte> bytes);

    PlainBytes(PlainBytes&& other) noexcept;
    PlainBytes& operator=(PlainBytes&& other) noexcept;
    PlainBytes(const PlainBytes&) = delete;
    PlainBytes& operator=(const PlainBytes&) = delete;
    ~PlainBytes();

    std::span<const std::byte> bytes() const noexcept {
        return {reinterpret_cast<const std::byte*>(words_.get()), size_};
    }
    std::span<std::byte> writable() noexcept {
        return {reinterpret_cast<std::byte*>(words_.get()), size_};
    }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

  private:
    std::unique_ptr<std::uint64_t[]> words_;
    std::size_t size_ = 0;
};

/// Ciphertext and tag. `associated_data` is bound to them without being part of them.
std::vector<std::byte> seal(std::span<const std::byte> plaintext,
                            std::span<const std::byte> associated_data,
                            const Nonce& nonce,
                            KeyView key);

/// Appends ciphertext and tag to `out`, of which neither span may be a part.
void seal_onto(std::vector<std::byte>& out,
               std::span<const std::byte> plaintext,
               std::span<const std::byte> associated_data,
               const Nonce& nonce,
               KeyView key);

/// Errors: errc::wrong_key unless key, nonce, associated data and every byte are those of `seal`;
/// whether that means another key or damage, only the caller can know.
Result<PlainBytes> open(std::span<const std::byte> sealed,
                        std::span<const std::byte> associated_data,
                        const Nonce& nonce,
                        KeyView key);

}  // namespace countersign::sealing
