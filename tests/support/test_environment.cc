#include "support/test_environment.h"

#include <cstddef>

namespace countersign::testing {

TestEnvironment::TestEnvironment(std::uint64_t seed) : draw_(seed) {}

void TestEnvironment::pass(milliseconds time) {
    const std::lock_guard guard(mutex_);
    now_.wall += time;
    now_.monotonic += time;
}

void TestEnvironment::set_wall(UnixTime time) {
    const std::lock_guard guard(mutex_);
    now_.wall = time;
}

UnixTime TestEnvironment::wall() {
    return now().wall;
}

void TestEnvironment::set_machine_id(std::string id) {
    const std::lock_guard guard(mutex_);
    machine_id_ = std::move(id);
}

void TestEnvironment::set_boot_id(std::string id) {
    const std::lock_guard guard(mutex_);
    boot_id_ = std::move(id);
}

void TestEnvironment::set_vfs(std::string name) {
    const std::lock_guard guard(mutex_);
    vfs_ = std::move(name);
}

void TestEnvironment::refuse_to_write(std::string path_suffix, errc error) {
    const std::lock_guard guard(mutex_);
    refused_.emplace_back(std::move(path_suffix), error);
}

void TestEnvironment::allow_all_writes() {
    const std::lock_guard guard(mutex_);
    refused_.clear();
}

Now TestEnvironment::now() {
    const std::lock_guard guard(mutex_);
    return now_;
}

void TestEnvironment::random(std::span<std::byte> bytes) {
    const std::lock_guard guard(mutex_);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(draw_() & 0xff);
}

std::string TestEnvironment::machine_id() {
    const std::lock_guard guard(mutex_);
    return machine_id_;
}

std::string TestEnvironment::boot_id() {
    const std::lock_guard guard(mutex_);
    return boot_id_;
}

std::string TestEnvironment::sqlite_vfs() {
    const std::lock_guard guard(mutex_);
    return vfs_;
}

Result<std::optional<std::vector<std::byte>>> TestEnvironment::read_file(const std::string& path,
                                                                         std::size_t limit) {
    return machine_->read_file(path, limit);
}

Result<void> TestEnvironment::write_file(const std::string& path,
                                         std::span<const std::byte> bytes,
                                         bool durable) {
    {
        const std::lock_guard guard(mutex_);
        for (const auto& [suffix, error] : refused_) {
            if (path.ends_with(suffix)) return Error(error, path);
        }
    }
    return machine_->write_file(path, bytes, durable);
}

Result<void> TestEnvironment::make_directory(const std::string& path) {
    return machine_->make_directory(path);
}

Result<void> TestEnvironment::remove_file(const std::string& path) {
    return machine_->remove_file(path);
}

std::optional<FileIdentity> TestEnvironment::identify(const std::string& path) {
    return machine_->identify(path);
}

Result<std::unique_ptr<FileLock>> TestEnvironment::open_lock(const std::string& path) {
    return machine_->open_lock(path);
}

}  // namespace countersign::testing
