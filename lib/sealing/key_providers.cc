#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "countersign/environment.h"
#include "countersign/keys.h"

#include "sealing/aead.h"
#include "sealing/argon2.h"

// Wrapped keys: kind (1) | version (1) | parameters | body.
//   key file:   nonce (24) | key and tag (48)
//   passphrase: memory in KiB (4, LE) | passes (4, LE) | salt (16) | nonce (24) | key and tag (48)
//   callback:   what the function gave
// The associated data of a sealed key is pool, node and all before the nonce.

namespace countersign {
namespace {

enum class Kind : std::uint8_t { key_file = 1, passphrase = 2, callback = 3 };
constexpr std::byte format_version{1};
constexpr std::size_t header_size = 2;
constexpr std::size_t sealed_key_size = KeyProvider::wrapped_key_size + sealing::tag_size;

constexpr sealing::Argon2Cost passphrase_cost{64 * 1024, 3};

const char* described(Kind kind) {
    switch (kind) {
        case Kind::key_file:
            return "a key file";
        case Kind::passphrase:
            return "a passphrase";
        case Kind::callback:
            return "a key callback";
    }
    return nullptr;
}

Result<void> check_wrappable(const Secret& key) {
    if (key.size() == KeyProvider::wrapped_key_size) return {};
    return Error(errc::invalid_argument, "only keys of 32 bytes are wrapped");
}

std::vector<std::byte> header_of(Kind kind) {
    return {static_cast<std::byte>(kind), format_version};
}

/// What follows the header of a key that this kind of provider wrapped.
Result<std::span<const std::byte>> body_of(std::span<const std::byte> wrapped, Kind kind) {
    if (wrapped.size() < header_size || wrapped.size() > KeyProvider::max_wrapped_size) {
        return Error(errc::corrupt, "the wrapped key is cut short or overlong");
    }
    const auto found = static_cast<Kind>(wrapped[0]);
    const char* const by = described(found);
    if (by == nullptr || wrapped[1] != format_version) {
        return Error(errc::newer_format, "the key was wrapped in a way that this release lacks");
    }
    if (found != kind) {
        return Error(
            errc::wrong_key,
            std::string("the key was wrapped with ") + by + ", not with " + described(kind));
    }
    return wrapped.subspan(header_size);
}

std::vector<std::byte> associated_data(const KeyContext& context,
                                       std::span<const std::byte> before_nonce) {
    std::vector<std::byte> data(context.pool.bytes.begin(), context.pool.bytes.end());
    data.insert(data.end(), context.node.bytes.begin(), context.node.bytes.end());
    data.insert(data.end(), before_nonce.begin(), before_nonce.end());
    return data;
}

/// Appends nonce and sealed key to what stands before them.
std::vector<std::byte> finish_wrapping(std::vector<std::byte> before_nonce,
                                       const Secret& key,
                                       const KeyContext& context,
                                       std::span<const std::byte, sealing::Nonce::size> fresh,
                                       const sealing::Key& by) {
    const auto data = associated_data(context, before_nonce);
    const auto nonce = *sealing::Nonce::from_bytes(fresh);
    before_nonce.insert(before_nonce.end(), nonce.bytes.begin(), nonce.bytes.end());
    sealing::seal_onto(before_nonce, key.bytes(), data, nonce, by);
    return before_nonce;
}

/// `wrapped` ends with nonce and sealed key, and has been found long enough for both.
Result<Secret> finish_unwrapping(std::span<const std::byte> wrapped,
                                 const KeyContext& context,
                                 const sealing::Key& by,
                                 const char* if_wrong) {
    const auto sealed = wrapped.last(sealed_key_size);
    const auto rest = wrapped.first(wrapped.size() - sealed_key_size);
    const auto before_nonce = rest.first(rest.size() - sealing::Nonce::size);
    const auto nonce = *sealing::Nonce::from_bytes(rest.last(sealing::Nonce::size));
    auto key = sealing::open(sealed, associated_data(context, before_nonce), nonce, by);
    if (!key) return Error(errc::wrong_key, if_wrong);
    return Secret(key->bytes());
}

/// A file descriptor that closes itself.
class Descriptor {
  public:
    explicit Descriptor(int number) noexcept : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    int number() const noexcept { return number_; }
    explicit operator bool() const noexcept { return number_ >= 0; }

  private:
    int number_;
};

/// What `errno` says of an operation on a key file.
Error file_error(int number, const std::string& path, errc otherwise) {
    errc code = otherwise;
    if (number == ENOSPC || number == EDQUOT) code = errc::disk_full;
    return Error(code, "key file " + path + ": " + std::generic_category().message(number));
}

Result<void> check_permissions(const struct stat& status, const std::string& path) {
    if (!S_ISREG(status.st_mode)) {
        return Error(errc::wrong_key, path + " is not a file");
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return Error(errc::insecure_key_file,
                     "group or others have permissions on it; run: chmod 600 " + path);
    }
    if (status.st_uid != ::geteuid() && status.st_uid != 0) {
        return Error(
            errc::insecure_key_file,
            "it belongs to another user; run: chown " + std::to_string(::geteuid()) + " " + path);
    }
    return {};
}

Result<sealing::Key> read_key_file(const std::string& path) {
    // Not blocking: a FIFO of that name must not hang the program.
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return Error(errc::key_unavailable, "there is no key file " + path);
        }
        return file_error(errno, path, errno == EACCES ? errc::key_unavailable : errc::io_error);
    }
    struct stat status;
    if (::fstat(file.number(), &status) != 0) return file_error(errno, path, errc::io_error);
    if (auto checked = check_permissions(status, path); !checked) return checked.error();

    Secret bytes = Secret::of_size(sealing::key_size + 1);  // one more tells a longer file
    std::size_t filled = 0;
    while (filled < bytes.size()) {
        const auto rest = bytes.writable().subspan(filled);
        const ssize_t count = ::read(file.number(), rest.data(), rest.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return file_error(errno, path, errc::io_error);
        if (count == 0) break;
        filled += static_cast<std::size_t>(count);
    }
    if (filled != sealing::key_size) {
        return Error(errc::wrong_key, path + " is not a key file: it does not hold 32 bytes");
    }
    return sealing::Key(sealing::KeyView(bytes.bytes().first<sealing::key_size>()));
}

class KeyFile final : public KeyProvider {
  public:
    explicit KeyFile(std::string path) : path_(std::move(path)) {}

    Result<std::vector<std::byte>> wrap(const Secret& key,
                                        const KeyContext& context,
                                        Entropy fresh) override {
        if (auto checked = check_wrappable(key); !checked) return checked.error();
        auto by = read_key_file(path_);
        if (!by) return by.error();
        const auto nonce = fresh.first<sealing::Nonce::size>();
        return finish_wrapping(header_of(Kind::key_file), key, context, nonce, *by);
    }

    Result<Secret> unwrap(std::span<const std::byte> wrapped, const KeyContext& context) override {
        auto body = body_of(wrapped, Kind::key_file);
        if (!body) return body.error();
        if (body->size() != sealing::Nonce::size + sealed_key_size) {
            return Error(errc::corrupt, "the wrapped key has the wrong size");
        }
        auto by = read_key_file(path_);
        if (!by) return by.error();
        const std::string if_wrong = path_ + " is not the key file that this was wrapped with";
        return finish_unwrapping(wrapped, context, *by, if_wrong.c_str());
    }

    std::string describe() const override { return "key file " + path_; }

  private:
    std::string path_;
};

void append_le(std::vector<std::byte>& out, std::uint32_t number) {
    for (int shift = 0; shift < 32; shift += 8) {
        out.push_back(static_cast<std::byte>(number >> shift));
    }
}

std::uint32_t read_le(std::span<const std::byte, 4> bytes) {
    std::uint32_t number = 0;
    for (std::size_t i = 4; i-- > 0;)
        number = number << 8 | std::to_integer<std::uint32_t>(bytes[i]);
    return number;
}

class Passphrase final : public KeyProvider {
  public:
    explicit Passphrase(Secret text) : text_(std::move(text)) {}

    Result<std::vector<std::byte>> wrap(const Secret& key,
                                        const KeyContext& context,
                                        Entropy fresh) override {
        if (auto checked = check_wrappable(key); !checked) return checked.error();
        const auto salt = fresh.first<sealing::argon2_salt_size>();
        const auto nonce = fresh.subspan<sealing::argon2_salt_size, sealing::Nonce::size>();
        auto by = stretch(passphrase_cost, salt);
        if (!by) return by.error();
        auto out = header_of(Kind::passphrase);
        append_le(out, passphrase_cost.memory_kib);
        append_le(out, passphrase_cost.passes);
        out.insert(out.end(), salt.begin(), salt.end());
        return finish_wrapping(std::move(out), key, context, nonce, *by);
    }

    Result<Secret> unwrap(std::span<const std::byte> wrapped, const KeyContext& context) override {
        auto body = body_of(wrapped, Kind::passphrase);
        if (!body) return body.error();
        constexpr std::size_t parameters = 8 + sealing::argon2_salt_size;
        if (body->size() != parameters + sealing::Nonce::size + sealed_key_size) {
            return Error(errc::corrupt, "the wrapped key has the wrong size");
        }
        const sealing::Argon2Cost cost{read_le(body->first<4>()), read_le(body->subspan<4, 4>())};
        auto by = stretch(cost, body->subspan<8, sealing::argon2_salt_size>());
        if (!by && by.error() == errc::invalid_argument && !text_.empty()) {
            return Error(errc::corrupt, "the wrapped key asks for a cost beyond its limits");
        }
        if (!by) return by.error();
        return finish_unwrapping(wrapped, context, *by, "the passphrase is not the right one");
    }

    std::string describe() const override { return "passphrase"; }

  private:
    Result<sealing::Key> stretch(sealing::Argon2Cost cost,
                                 std::span<const std::byte, sealing::argon2_salt_size> salt) const {
        if (text_.empty()) return Error(errc::invalid_argument, "the passphrase is empty");
        Secret key = Secret::of_size(sealing::key_size);
        if (auto made = sealing::argon2id(key.writable(), text_, cost, salt); !made) {
            return made.error();
        }
        return sealing::Key(std::move(key));
    }

    Secret text_;
};

class KeyCallback final : public KeyProvider {
  public:
    KeyCallback(WrapKey wrap_key, UnwrapKey unwrap_key, std::string description)
        : wrap_(std::move(wrap_key)),
          unwrap_(std::move(unwrap_key)),
          description_(std::move(description)) {}

    Result<std::vector<std::byte>> wrap(const Secret& key,
                                        const KeyContext& context,
                                        Entropy) override {
        if (auto checked = check_wrappable(key); !checked) return checked.error();
        auto body = wrap_(key, context);
        if (!body) return body.error();
        if (body->size() > max_wrapped_size - header_size) {
            return Error(errc::too_large, "the key callback gave more than 16 KiB");
        }
        auto out = header_of(Kind::callback);
        out.insert(out.end(), body->begin(), body->end());
        return out;
    }

    Result<Secret> unwrap(std::span<const std::byte> wrapped, const KeyContext& context) override {
        auto body = body_of(wrapped, Kind::callback);
        if (!body) return body.error();
        auto key = unwrap_(*body, context);
        if (key && key->size() != wrapped_key_size) {
            return Error(errc::wrong_key, "the key callback gave something other than 32 bytes");
        }
        return key;
    }

    std::string describe() const override { return description_; }

  private:
    WrapKey wrap_;
    UnwrapKey unwrap_;
    std::string description_;
};

/// Writes and syncs a new file; 0, or what `errno` said.
int fill(int file, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(file, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno;
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return ::fsync(file) == 0 ? 0 : errno;
}

/// Makes the name of a new file durable; 0, or what `errno` said.
int sync_directory_of(const std::string& path) {
    const auto slash = path.rfind('/');
    const std::string directory = slash == path.npos ? "." : path.substr(0, slash == 0 ? 1 : slash);
    const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened || ::fsync(opened.number()) != 0) return errno;
    return 0;
}

}  // namespace

std::shared_ptr<KeyProvider> key_file(std::string path) {
    return std::make_shared<KeyFile>(std::move(path));
}

Result<void> make_key_file(const std::string& path, Environment& environment) {
    // Not Environment::write_file: that replaces, and a key that is replaced is lost.
    const Descriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!file) {
        if (errno == EEXIST) {
            return Error(errc::already_exists, path + " exists; a key file is never overwritten");
        }
        constexpr int refusals[] = {EACCES, EPERM, EROFS, ENOENT, ENOTDIR};
        const bool refused = std::ranges::find(refusals, errno) != std::end(refusals);
        return file_error(errno, path, refused ? errc::read_only : errc::io_error);
    }
    Secret key = Secret::of_size(sealing::key_size);
    environment.random(key.writable());
    int failure = fill(file.number(), key.bytes());
    if (failure == 0) failure = sync_directory_of(path);
    if (failure == 0) return {};
    ::unlink(path.c_str());
    return file_error(failure, path, errc::io_error);
}

std::shared_ptr<KeyProvider> passphrase(Secret text) {
    return std::make_shared<Passphrase>(std::move(text));
}

std::shared_ptr<KeyProvider> key_callback(WrapKey wrap, UnwrapKey unwrap, std::string description) {
    return std::make_shared<KeyCallback>(
        std::move(wrap), std::move(unwrap), std::move(description));
}

}  // namespace countersign
