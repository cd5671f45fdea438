#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/secret.h"

namespace countersign {

class Environment;

/// Whose key is wrapped: a wrapped key opens for the same pool and node only.
struct KeyContext {
    PoolId pool;
    NodeId node;
};

/// Keeps the key that everything else at a node hangs from. A store hands it its master key (32
/// random bytes, or another key of that size) to be wrapped, writes the result down, and asks for
/// it to be unwrapped when it opens. Calls come from any thread and may take seconds.
class KeyProvider {
  public:
    static constexpr std::size_t wrapped_key_size = 32;
    /// Above this nothing is written down or read.
    static constexpr std::size_t max_wrapped_size = 16 * 1024;
    /// Fresh random bytes for one `wrap`, for salts and nonces. Not secret; never used twice.
    static constexpr std::size_t entropy_size = 48;
    using Entropy = std::span<const std::byte, entropy_size>;

    virtual ~KeyProvider() = default;

    /// Bytes that may lie on the disk beside the data. Errors: errc::key_unavailable when the
    /// provider cannot answer now, and those of the provider.
    virtual Result<std::vector<std::byte>> wrap(const Secret& key,
                                                const KeyContext& context,
                                                Entropy fresh) = 0;
    /// Errors: errc::key_unavailable, errc::wrong_key (wrapped by another key or provider, or for
    /// another context), errc::corrupt, errc::newer_format, and those of the provider.
    virtual Result<Secret> unwrap(std::span<const std::byte> wrapped,
                                  const KeyContext& context) = 0;
    /// For status and logs: where the key comes from, without anything of it.
    virtual std::string describe() const = 0;
};

/// A key in a file of 32 random bytes that only its owner can read. The file is read at each call,
/// so it can be on a volume that is not always there. Kept beside the data it protects nothing
/// against whoever takes the disk.
/// Further errors: errc::insecure_key_file (group or others have any permission on it, or it
/// belongs to another user than this process's or root), errc::wrong_key (not 32 bytes),
/// errc::io_error; errc::key_unavailable when there is no file or it may not be read.
std::shared_ptr<KeyProvider> key_file(std::string path);

/// Makes such a file, mode 0600, on disk on return.
/// Errors: errc::already_exists (nothing is overwritten), errc::read_only (the directory is missing
/// or cannot be written), errc::disk_full,
/// errc::io_error; no file is left behind.
Result<void> make_key_file(const std::string& path, Environment& environment);

/// A key made of a passphrase by Argon2id (64 MiB, 3 passes; about a fifth of a second for each
/// call). Salt and cost lie with the wrapped key, so the cost can rise in later releases. Text is
/// taken as it is: normalise it first where people type it on different keyboards.
/// Further errors: errc::invalid_argument (the passphrase is empty), errc::out_of_memory.
std::shared_ptr<KeyProvider> passphrase(Secret text);

using WrapKey =
    std::function<Result<std::vector<std::byte>>(const Secret& key, const KeyContext& context)>;
using UnwrapKey =
    std::function<Result<Secret>(std::span<const std::byte> wrapped, const KeyContext& context)>;

/// A key held elsewhere: a KMS, an HSM, a TPM. The functions must bind the context (as "encryption
/// context" or associated data), answer errc::key_unavailable when a later call can succeed, and
/// not throw. `description` is what `describe()` says.
/// Further errors: what the functions give; errc::too_large (more than `max_wrapped_size` bytes).
std::shared_ptr<KeyProvider> key_callback(WrapKey wrap,
                                          UnwrapKey unwrap,
                                          std::string description = "callback");

}  // namespace countersign
