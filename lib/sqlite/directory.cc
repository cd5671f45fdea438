#include "sqlite/directory.h"

#include <utility>

namespace countersign::sqlite {

namespace {

constexpr milliseconds serve_patience{200};

std::string without_trailing_slash(std::string path) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return path;
}

}  // namespace

Result<Directory> Directory::create(const std::string& path, Environment& environment) {
    Directory directory(without_trailing_slash(path), environment);
    if (auto made = environment.make_directory(directory.path_); !made) {
        if (made.error() == errc::not_found) {
            return Error(
                errc::not_found,
                "the directory above " + directory.path_ + " does not exist: make it first");
        }
        return made.error();
    }
    if (directory.holds_store()) {
        return Error(errc::store_exists,
                     directory.path_ + " holds a store already: open it, or choose another path");
    }
    if (auto opened = directory.open_lock(); !opened) return opened.error();
    return directory;
}

Result<Directory> Directory::open(const std::string& path, Environment& environment) {
    Directory directory(without_trailing_slash(path), environment);
    if (!directory.holds_store()) {
        return Error(errc::not_a_store,
                     "there is no " + directory.database_path() +
                         ", or no permission to see it: check the path, or create the store");
    }
    if (auto opened = directory.open_lock(); !opened) return opened.error();
    return directory;
}

Result<void> Directory::open_lock() {
    auto lock = environment_->open_lock(lock_path());
    if (!lock) return lock.error();
    locks_->file = std::move(*lock);
    return {};
}

Result<Directory::WriteLock> Directory::write_lock(milliseconds patience) {
    std::unique_lock mutex(locks_->mutex);
    if (auto locked = locks_->file->lock(patience); !locked) return locked.error();
    return WriteLock(std::move(mutex), locks_->file.get());
}

Result<std::unique_ptr<FileLock>> Directory::serve() {
    auto lock = environment_->open_lock(serving_path());
    if (!lock) return lock.error();
    // Whoever only asks whether the directory is served holds the lock for a moment.
    auto locked = (*lock)->lock(serve_patience);
    if (locked) return std::move(*lock);
    if (locked.error() != errc::busy) return locked.error();
    return Error(errc::already_served,
                 "another process keeps the links of " + path_ +
                     ": stop it, or open the store without links");
}

}  // namespace countersign::sqlite
