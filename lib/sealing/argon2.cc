#include "sealing/argon2.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include <sodium.h>
#include <sys/mman.h>

#include "sealing/hash.h"
#include "sealing/sodium.h"

namespace countersign::sealing {
namespace {

static_assert(argon2_salt_size == crypto_pwhash_argon2id_SALTBYTES);
static_assert(max_phc_size < crypto_pwhash_argon2id_STRBYTES);

constexpr std::uint32_t min_memory_kib_per_lane = 8;  // RFC 9106 section 3.1

/// Takes `word` from the front of `rest`, if it is there.
bool take(std::string_view& rest, std::string_view word) {
    if (!rest.starts_with(word)) return false;
    rest.remove_prefix(word.size());
    return true;
}

/// Takes a decimal number as it would be printed.
std::optional<std::uint32_t> take_number(std::string_view& rest) {
    std::uint32_t number = 0;
    const char* const first = rest.data();
    const auto [end, error] = std::from_chars(first, first + rest.size(), number);
    if (error != std::errc()) return std::nullopt;
    const auto digits = static_cast<std::size_t>(end - first);
    if (digits > 1 && rest.front() == '0') return std::nullopt;
    rest.remove_prefix(digits);
    return number;
}

/// The bytes that canonical base64 without padding stands for.
std::optional<std::vector<std::byte>> decoded(std::string_view base64) {
    // libsodium 1.0.18 takes bytes above ASCII for letters.
    if (std::ranges::any_of(base64, [](unsigned char c) { return c > 0x7f; })) return std::nullopt;
    std::vector<std::byte> bytes(max_phc_size);
    std::size_t size = 0;
    if (sodium_base642bin(output(bytes),
                          bytes.size(),
                          base64.data(),
                          base64.size(),
                          nullptr,
                          &size,
                          nullptr,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0) {
        return std::nullopt;
    }
    bytes.resize(size);
    return bytes;
}

Result<PasswordHash> refuse(const char* why) {
    return Error(errc::invalid_hash, why);
}

Result<void> check_caps(Argon2Cost cost, std::uint32_t lanes) {
    if (cost.memory_kib > max_argon2_memory_kib) {
        return Error(errc::invalid_hash, "it asks for more than 256 MiB of memory");
    }
    if (cost.passes < 1 || cost.passes > max_argon2_passes) {
        return Error(errc::invalid_hash, "it asks for other than 1 to 10 passes");
    }
    if (lanes < 1 || lanes > max_argon2_lanes) {
        return Error(errc::invalid_hash, "it asks for other than 1 to 8 lanes");
    }
    if (cost.memory_kib < min_memory_kib_per_lane * lanes) {
        return Error(errc::invalid_hash, "it asks for less than 8 KiB of memory for each lane");
    }
    return {};
}

bool in_range(Argon2Cost cost) {
    return check_caps(cost, 1).has_value();
}

void append_base64(std::string& text, std::span<const std::byte> bytes) {
    constexpr int variant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
    std::array<char, sodium_base64_ENCODED_LEN(argon2_hash_size, variant)> encoded;
    static_assert(argon2_salt_size <= argon2_hash_size);
    text += sodium_bin2base64(encoded.data(), encoded.size(), input(bytes), bytes.size(), variant);
}

/// Text that is never a null pointer, which libsodium's declarations forbid.
std::string_view text_of(const Secret& password) {
    return password.empty() ? std::string_view("") : password.text();
}

/// Asks the system as libsodium does. The pages are not touched, so this costs next to nothing.
bool can_map(std::size_t size) {
    void* const memory =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    ::munmap(memory, size);
    return true;
}

/// For what libsodium computes only inside its own verification. That calls a failed allocation a
/// mismatch, so after one the allocation is tried again here: a user must not be counted a failure
/// for want of memory.
Result<bool> verify_foreign(std::string_view phc, Argon2Cost cost, const Secret& password) {
    initialise_sodium();
    const std::string terminated(phc);
    const std::string_view text = text_of(password);
    if (crypto_pwhash_argon2id_str_verify(terminated.c_str(), text.data(), text.size()) == 0) {
        return true;
    }
    if (!can_map(memory_of(cost))) return Error(errc::out_of_memory, "no memory for Argon2");
    return false;
}

}  // namespace

Result<PasswordHash> parse_password_hash(std::string_view phc) {
    if (phc.size() > max_phc_size) return refuse("it is longer than 127 characters");
    std::string_view rest = phc;
    if (!take(rest, "$argon2id$")) return refuse("it does not begin with $argon2id$");
    if (!take(rest, "v=19$")) return refuse("its version is not 19");

    PasswordHash hash;
    const char* const bad_numbers = "its parameters are not m=..,t=..,p=.. in plain numbers";
    const auto memory = take(rest, "m=") ? take_number(rest) : std::nullopt;
    if (!memory) return refuse(bad_numbers);
    const auto passes = take(rest, ",t=") ? take_number(rest) : std::nullopt;
    if (!passes) return refuse(bad_numbers);
    const auto lanes = take(rest, ",p=") ? take_number(rest) : std::nullopt;
    if (!lanes || !take(rest, "$")) return refuse(bad_numbers);
    hash.cost = {*memory, *passes};
    hash.lanes = *lanes;
    if (auto capped = check_caps(hash.cost, hash.lanes); !capped) return capped.error();

    const auto split = rest.find('$');
    if (split == rest.npos) return refuse("it has no hash after its salt");
    auto salt = decoded(rest.substr(0, split));
    if (!salt) return refuse("its salt is not base64 without padding");
    auto bytes = decoded(rest.substr(split + 1));
    if (!bytes) return refuse("its hash is not base64 without padding");
    if (salt->size() < min_argon2_salt_size) return refuse("its salt is shorter than 8 bytes");
    if (bytes->size() < min_argon2_hash_size) return refuse("its hash is shorter than 16 bytes");
    hash.salt = std::move(*salt);
    hash.hash = std::move(*bytes);
    return hash;
}

Result<std::string> hash_password(const Secret& password,
                                  Argon2Cost cost,
                                  std::span<const std::byte, argon2_salt_size> salt) {
    std::array<std::byte, argon2_hash_size> hash;
    if (auto computed = argon2id(hash, password, cost, salt); !computed) return computed.error();
    std::string phc = "$argon2id$v=19$m=" + std::to_string(cost.memory_kib) +
                      ",t=" + std::to_string(cost.passes) + ",p=1$";
    append_base64(phc, salt);
    phc += '$';
    append_base64(phc, hash);
    return phc;
}

Result<bool> verify_password(std::string_view phc, const Secret& password) {
    const auto parsed = parse_password_hash(phc);
    if (!parsed) return parsed.error();
    if (parsed->lanes != 1 || parsed->salt.size() != argon2_salt_size) {
        return verify_foreign(phc, parsed->cost, password);
    }
    std::array<std::byte, max_phc_size> buffer;
    const auto computed = std::span(buffer).first(parsed->hash.size());
    const auto salt = std::span(parsed->salt).first<argon2_salt_size>();
    if (auto done = argon2id(computed, password, parsed->cost, salt); !done) return done.error();
    return constant_time_equal(computed, parsed->hash);
}

bool weaker_than(const PasswordHash& hash, Argon2Cost cost) noexcept {
    const auto work = [](Argon2Cost of) {
        return std::uint64_t{of.memory_kib} * std::uint64_t{of.passes};
    };
    return hash.cost.memory_kib < cost.memory_kib || work(hash.cost) < work(cost) ||
           hash.salt.size() < argon2_salt_size || hash.hash.size() < argon2_hash_size;
}

std::size_t memory_of(Argon2Cost cost) noexcept {
    return std::size_t{cost.memory_kib} * 1024;
}

Result<void> argon2id(std::span<std::byte> out,
                      const Secret& password,
                      Argon2Cost cost,
                      std::span<const std::byte, argon2_salt_size> salt) {
    if (!in_range(cost)) {
        return Error(errc::invalid_argument,
                     "the cost of Argon2 must be 8 to 262144 KiB of memory and 1 to 10 passes");
    }
    if (out.size() < min_argon2_hash_size) {
        return Error(errc::invalid_argument, "Argon2 gives 16 bytes or more");
    }
    initialise_sodium();
    const std::string_view text = text_of(password);
    if (crypto_pwhash_argon2id(output(out),
                               out.size(),
                               text.data(),
                               text.size(),
                               input(salt),
                               cost.passes,
                               memory_of(cost),
                               crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
        return Error(errc::out_of_memory, "no memory for Argon2");
    }
    return {};
}

}  // namespace countersign::sealing
