#include "sqlite/directory.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sqlite/database.h"
#include "support/temporary_directory.h"

using namespace countersign;
using namespace countersign::sqlite;
using countersign::testing::TemporaryDirectory;

namespace {

Directory new_store(const std::string& path, Environment& environment) {
    auto directory = Directory::create(path, environment);
    REQUIRE(directory);
    REQUIRE(Database::open(directory->database_path(), {.create = true}));
    return std::move(*directory);
}

}  // namespace

TEST_CASE("directory: created: private, and a second time refused") {
    const TemporaryDirectory above;
    const auto environment = system_environment();
    CHECK(Directory::open(above / "identity", *environment).error() == errc::not_a_store);
    const auto directory = new_store(above / "identity", *environment);
    struct stat status;
    REQUIRE(::stat(directory.path().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
    REQUIRE(::stat(directory.lock_path().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(Directory::create(above / "identity/", *environment).error() == errc::store_exists);
    CHECK(Directory::open(above / "identity/", *environment));
}

TEST_CASE("directory: an empty one is there already: taken") {
    const TemporaryDirectory above;
    const auto environment = system_environment();
    CHECK(Directory::open(above.path(), *environment).error() == errc::not_a_store);
    const auto directory = Directory::create(above.path(), *environment);
    REQUIRE(directory);
    CHECK_FALSE(directory->holds_store());
}

TEST_CASE("directory: nothing above it, or a file in its place: its own error") {
    const TemporaryDirectory above;
    const auto environment = system_environment();
    const auto orphan = Directory::create(above / "none/identity", *environment);
    REQUIRE_FALSE(orphan);
    CHECK(orphan.error() == errc::not_found);
    CHECK(orphan.error().detail().find("make it first") != std::string::npos);
    const std::string file = above.write("file", "");
    CHECK(Directory::create(file, *environment).error() == errc::io_error);
}

TEST_CASE("directory: without permission to write: read_only") {
    if (::geteuid() != 0) return;  // a directory of root's is needed
    const TemporaryDirectory above;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        // Nobody: may not enter root's directory, nor write beside it.
        if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(1);
        const auto environment = system_environment();
        const auto inside = Directory::create(above / "identity", *environment);
        ::_exit(!inside && inside.error() == errc::read_only ? 0 : 2);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("directory: the write lock: one holder over all handles and processes, with patience") {
    const TemporaryDirectory above;
    const auto environment = system_environment();
    auto first = new_store(above / "identity", *environment);
    auto second = Directory::open(above / "identity", *environment);  // as another process would
    REQUIRE(second);
    {
        const auto held = first.write_lock();
        REQUIRE(held);
        CHECK(second->write_lock(milliseconds(10)).error() == errc::busy);
    }
    const auto held = second->write_lock(milliseconds(0));
    REQUIRE(held);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        auto third = Directory::open(above / "identity", *environment);
        ::_exit(third && third->write_lock(milliseconds(10)).error() == errc::busy ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("directory: the write lock between threads: they take turns") {
    const TemporaryDirectory above;
    const auto environment = system_environment();
    auto directory = new_store(above / "identity", *environment);
    std::atomic<int> inside = 0;
    std::atomic<bool> together = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < 25; ++round) {
                const auto held = directory.write_lock();
                if (!held || ++inside != 1) together = true;
                std::this_thread::yield();
                --inside;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK_FALSE(together);
}

TEST_CASE("directory: served twice: the second is refused until the first is gone") {
    const TemporaryDirectory above;
    const auto environment = system_environment();
    auto first = new_store(above / "identity", *environment);
    auto second = Directory::open(above / "identity", *environment);
    REQUIRE(second);
    {
        const auto serving = first.serve();
        REQUIRE(serving);
        CHECK(second->serve().error() == errc::already_served);
        CHECK(second->write_lock(milliseconds(0)));  // a tool may still write
    }
    CHECK(second->serve());
}
