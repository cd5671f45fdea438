#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"

/// What fuzzers and the replay of their corpora have in common (README.md).
namespace countersign::fuzz {

/// Something that reads bytes from outside, and what must hold of it. A static object of this type
/// makes itself known.
struct Target {
    Target(const char* name, void (*run)(BytesView input), std::vector<Bytes> (*seeds)());

    const char* name;  ///< of its folder in corpora/ too
    /// Aborts the process where a property does not hold. The same input does the same each time.
    void (*run)(BytesView input);
    /// Inputs to begin with: real encodings, mostly.
    std::vector<Bytes> (*seeds)();
};

const std::vector<const Target*>& targets();
/// Null when there is none of that name.
const Target* find_target(std::string_view name);

/// Says what did not hold, and aborts.
void require(bool holds, const char* what);
/// That an error is among those that its function documents.
void require_documented(const Error& error, std::initializer_list<errc> documented);
/// What a store that is given batches may say of them.
inline constexpr std::initializer_list<errc> errors_of_batches = {errc::chain_gap,
                                                                  errc::fork,
                                                                  errc::wrong_epoch,
                                                                  errc::bad_signature,
                                                                  errc::wrong_pool,
                                                                  errc::malformed,
                                                                  errc::too_large,
                                                                  errc::unsupported_version,
                                                                  errc::digest_mismatch};
/// That a link ended for one of the reasons that links have.
void require_link_error(const Error& reason);

/// Takes a fuzzer's input apart from the front. Past its end there are zeros, or nothing.
class Input {
  public:
    explicit Input(BytesView bytes) : rest_(bytes) {}

    template <class T>
    T number() {
        T number{};
        const auto from = bytes(sizeof number);
        std::ranges::copy(from, std::as_writable_bytes(std::span(&number, 1)).begin());
        return number;
    }
    /// At most `size` bytes.
    BytesView bytes(std::size_t size);
    template <class IdType>
    IdType id() {
        IdType id;
        const auto from = bytes(IdType::size);
        std::ranges::copy(from, id.bytes.begin());
        return id;
    }
    BytesView rest() const noexcept { return rest_; }
    bool empty() const noexcept { return rest_.empty(); }

  private:
    BytesView rest_;
};

inline std::string_view text_of(BytesView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline BytesView view_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}
Bytes joined(std::initializer_list<BytesView> parts);
/// The first byte of inputs whose first byte chooses what they are given to.
Bytes with_choice(unsigned choice, BytesView input);
/// As one input each, behind `choice`.
std::vector<Bytes> texts(unsigned choice, std::initializer_list<std::string_view> all);

/// An id whose bytes are all the same.
template <class IdType>
IdType filled_id(int byte) {
    IdType id;
    id.bytes.fill(static_cast<std::byte>(byte));
    return id;
}

}  // namespace countersign::fuzz
