#include "countersign/environment.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace countersign {

namespace {

constexpr mode_t private_file = 0600;
constexpr mode_t private_directory = 0700;

template <class Call>
auto retry_interrupted(Call call) {
    auto result = call();
    while (result == -1 && errno == EINTR) result = call();
    return result;
}

/// A file descriptor that closes itself.
class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    int get() const noexcept { return number_; }
    explicit operator bool() const noexcept { return number_ >= 0; }

  private:
    int number_;
};

Descriptor open_file(const std::string& path, int flags) {
    return Descriptor(retry_interrupted(
        [&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, private_file); }));
}

/// The error that `errno` tells after `doing` was tried on `path`.
Error system_failure(std::string_view doing, const std::string& path) {
    const int why = errno;
    errc code = errc::io_error;
    std::string_view remedy = "see the system's log for the disk's errors";
    switch (why) {
        case EACCES:
        case EPERM:
        case EROFS:
            code = errc::read_only;
            remedy = "give this user permission on the directory and its files";
            break;
        case ENOSPC:
        case EDQUOT:
            code = errc::disk_full;
            remedy = "make room, then try again";
            break;
        case ENOENT:
        case ENOTDIR:
            code = errc::not_found;
            remedy = "check the path";
            break;
        case EMFILE:
        case ENFILE:
            remedy = "raise the limit on open files";
            break;
        default:
            break;
    }
    return Error(code,
                 std::string(doing) + " " + path + " failed (" + std::strerror(why) + "); " +
                     std::string(remedy));
}

/// For calls whose errors do not include errc::not_found.
Error system_failure_of_known(std::string_view doing, const std::string& path) {
    Error error = system_failure(doing, path);
    return error == errc::not_found ? Error(errc::io_error, error.detail()) : error;
}

Result<void> write_all(int file, std::span<const std::byte> bytes, const std::string& path) {
    while (!bytes.empty()) {
        const auto written =
            retry_interrupted([&] { return ::write(file, bytes.data(), bytes.size()); });
        if (written < 0) return system_failure_of_known("writing", path);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> sync_parent(const std::string& path) {
    const auto slash = path.find_last_of('/');
    const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const Descriptor directory = open_file(parent, O_RDONLY | O_DIRECTORY);
    if (!directory) return system_failure_of_known("opening", parent);
    if (retry_interrupted([&] { return ::fsync(directory.get()); }) != 0) {
        return system_failure_of_known("syncing", parent);
    }
    return {};
}

/// Opens `path` for this caller alone. Another writer may have renamed the file away between the
/// opening and the lock: then the name is another file's, and we begin again.
Result<Descriptor> open_exclusively(const std::string& path) {
    for (;;) {
        Descriptor file = open_file(path, O_WRONLY | O_CREAT | O_NOFOLLOW);
        if (!file) return system_failure_of_known("making", path);
        if (retry_interrupted([&] { return ::flock(file.get(), LOCK_EX); }) != 0) {
            return system_failure_of_known("locking", path);
        }
        struct stat ours;
        struct stat named;
        if (::fstat(file.get(), &ours) == 0 && ::lstat(path.c_str(), &named) == 0 &&
            ours.st_dev == named.st_dev && ours.st_ino == named.st_ino) {
            return file;
        }
    }
}

Result<void> write_temporary(const std::string& path,
                             std::span<const std::byte> bytes,
                             const std::string& target,
                             bool durable) {
    const auto file = open_exclusively(path);
    if (!file) return file.error();
    if (::fchmod(file->get(), private_file) != 0 || ::ftruncate(file->get(), 0) != 0) {
        return system_failure_of_known("emptying", path);
    }
    if (auto written = write_all(file->get(), bytes, path); !written) return written;
    if (durable && retry_interrupted([&] { return ::fsync(file->get()); }) != 0) {
        return system_failure_of_known("syncing", path);
    }
    // Renamed while it is locked: no other writer is at it.
    if (::rename(path.c_str(), target.c_str()) != 0) {
        return system_failure_of_known("renaming to", target);
    }
    return {};
}

milliseconds milliseconds_since(const timespec& start) {
    timespec end;
    ::clock_gettime(CLOCK_MONOTONIC, &end);
    return milliseconds((end.tv_sec - start.tv_sec) * 1000 +
                        (end.tv_nsec - start.tv_nsec) / 1'000'000);
}

class Flock final : public FileLock {
  public:
    Flock(Descriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

    Result<void> lock(milliseconds patience) override {
        constexpr long shortest_pause = 200'000;  // ns
        constexpr long longest_pause = 20'000'000;
        timespec start;
        ::clock_gettime(CLOCK_MONOTONIC, &start);
        for (long pause = shortest_pause;; pause = std::min(2 * pause, longest_pause)) {
            if (retry_interrupted([&] { return ::flock(file_.get(), LOCK_EX | LOCK_NB); }) == 0) {
                return {};
            }
            if (errno != EWOULDBLOCK) return system_failure_of_known("locking", path_);
            if (milliseconds_since(start) >= patience) {
                return Error(errc::busy, "another process holds " + path_ + "; try again");
            }
            const timespec wait{.tv_sec = 0, .tv_nsec = pause};
            ::nanosleep(&wait, nullptr);
        }
    }

    void unlock() noexcept override { ::flock(file_.get(), LOCK_UN); }

  private:
    Descriptor file_;
    std::string path_;
};

class SystemEnvironment final : public Environment {
  public:
    Now now() override {
        using std::chrono::nanoseconds;
        using std::chrono::seconds;
        timespec wall;
        timespec monotonic;
        ::clock_gettime(CLOCK_REALTIME, &wall);
        ::clock_gettime(CLOCK_BOOTTIME, &monotonic);
        return {.wall = UnixTime(seconds(wall.tv_sec) + milliseconds(wall.tv_nsec / 1'000'000)),
                .monotonic = Instant(seconds(monotonic.tv_sec) + nanoseconds(monotonic.tv_nsec))};
    }

    void random(std::span<std::byte> bytes) override {
        while (!bytes.empty()) {
            const auto got =
                retry_interrupted([&] { return ::getrandom(bytes.data(), bytes.size(), 0); });
            if (got <= 0) std::abort();  // no key may be made of anything less
            bytes = bytes.subspan(static_cast<std::size_t>(got));
        }
    }

    std::string boot_id() override { return first_word("/proc/sys/kernel/random/boot_id"); }

    std::string machine_id() override {
        for (const char* path : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
            const auto id = first_word(path);
            // systemd's word for a machine that has not started for the first time.
            if (!id.empty() && id != "uninitialized") return id;
        }
        return {};
    }

    std::string sqlite_vfs() override { return {}; }

    Result<std::optional<std::vector<std::byte>>> read_file(const std::string& path,
                                                            std::size_t limit) override {
        const Descriptor file = open_file(path, O_RDONLY);
        if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
        if (!file) return system_failure("reading", path);
        std::vector<std::byte> bytes;
        std::array<std::byte, 4096> part;
        for (;;) {
            const auto got =
                retry_interrupted([&] { return ::read(file.get(), part.data(), part.size()); });
            if (got < 0) return system_failure("reading", path);
            if (got == 0) return bytes;
            if (bytes.size() + static_cast<std::size_t>(got) > limit) {
                return Error(errc::too_large,
                             path + " has more than " + std::to_string(limit) + " bytes");
            }
            bytes.insert(bytes.end(), part.begin(), part.begin() + got);
        }
    }

    Result<void> write_file(const std::string& path,
                            std::span<const std::byte> bytes,
                            bool durable) override {
        const std::string temporary = path + ".new";
        if (auto written = write_temporary(temporary, bytes, path, durable); !written) {
            return written;
        }
        return durable ? sync_parent(path) : Result<void>();
    }

    Result<void> make_directory(const std::string& path) override {
        if (::mkdir(path.c_str(), private_directory) == 0) return sync_parent(path);
        struct stat status;
        if (errno == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
            return {};
        }
        return system_failure("making the directory", path);
    }

    Result<void> remove_file(const std::string& path) override {
        if (::unlink(path.c_str()) == 0) return sync_parent(path);
        if (errno == ENOENT) return {};
        return system_failure_of_known("removing", path);
    }

    std::optional<FileIdentity> identify(const std::string& path) override {
        struct stat status;
        if (::stat(path.c_str(), &status) != 0) return std::nullopt;
        return FileIdentity{.device = status.st_dev, .inode = status.st_ino};
    }

    Result<std::unique_ptr<FileLock>> open_lock(const std::string& path) override {
        Descriptor file = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW);
        if (!file) return system_failure_of_known("making the lock", path);
        return std::make_unique<Flock>(std::move(file), path);
    }

  private:
    /// Of a file that holds one word; empty where there is none.
    std::string first_word(const char* path) {
        constexpr std::size_t limit = 128;
        const auto content = read_file(path, limit);
        if (!content || !*content) return {};
        std::string word(reinterpret_cast<const char*>((*content)->data()), (*content)->size());
        word.erase(std::ranges::find_if(word, [](char c) { return c <= ' '; }), word.end());
        return word;
    }
};

}  // namespace

std::shared_ptr<Environment> system_environment() {
    return std::make_shared<SystemEnvironment>();
}

}  // namespace countersign
