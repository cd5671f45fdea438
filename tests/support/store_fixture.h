#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "countersign/store.h"

#include "support/temporary_directory.h"
#include "support/test_environment.h"

namespace countersign::testing {

/// A customer's key in memory: `letter` stands for its bytes. Providers with one letter open what
/// each other wrapped.
std::shared_ptr<KeyProvider> memory_key(char letter = 'k');

/// The events that a store told of, from any thread.
class HeardEvents {
  public:
    EventHandler handler();
    std::size_t count(Event::Kind kind) const;
    bool heard(Event::Kind kind) const { return count(kind) != 0; }
    std::string detail_of(Event::Kind kind) const;  ///< of the newest; empty: none
    void forget();

  private:
    struct Heard {
        mutable std::mutex mutex;
        std::vector<Event> events;
    };
    std::shared_ptr<Heard> heard_ = std::make_shared<Heard>();
};

inline constexpr const char* good_password = "correct horse battery";

/// A place for one store, and options under which a test's hash costs microseconds.
struct StorePlace {
    explicit StorePlace(std::uint64_t seed = 1);

    TemporaryDirectory around;
    std::shared_ptr<TestEnvironment> environment;
    HeardEvents events;
    Options options;  ///< for `create` and `open`

    Store create() const;
    Store open() const;
    std::string database() const { return options.directory + "/store.db"; }
    std::string root_file() const { return options.directory + ".root"; }
    /// Copies the directory as it lies on the disk, store open or not, to `path`: what a power cut
    /// or a backup would leave. In a process of its own, so that no lock of SQLite's is lost.
    void copy_files(const std::string& path) const;
    /// The bytes of all its files as they lie on the disk, one behind the other.
    std::string bytes_on_disk() const;
    /// Runs SQL on the store's file, behind the back of the store, which must be closed.
    void plant(const char* sql) const;
    /// The number that a query on the store's file gives.
    std::int64_t ask(const char* sql) const;
};

/// What a failed call must leave as it was.
struct StoreState {
    LogSeq seq{};
    std::string digest;
    std::uint64_t users = 0;
    friend bool operator==(const StoreState&, const StoreState&) = default;
};
StoreState state_of(Store& store);

UserId add_user(Store& store, std::string login, std::string_view password = good_password);

/// One attempt, decided. Fails the test on an error.
SignInResult sign_in(Store& store,
                     std::string login,
                     std::string_view password = good_password,
                     std::string code = {},
                     std::string source = {});
SignInResult answer_challenge(Store& store, std::string challenge, std::string code);

/// The code that an authenticator app shows at `time`, made from the URI that it was given.
std::string code_at(const Secret& uri, UnixTime time);

/// Enrols and confirms an authenticator, with the code of now; returns its URI. A later step is
/// needed for the next code.
struct Authenticator {
    TotpId id;
    Secret uri;
};
Authenticator add_authenticator(Store& store, TestEnvironment& environment, UserId user);

}  // namespace countersign::testing

namespace doctest {

template <>
struct StringMaker<countersign::Verdict> {
    static String convert(countersign::Verdict verdict) { return countersign::name(verdict); }
};

template <>
struct StringMaker<countersign::errc> {
    static String convert(countersign::errc code) { return countersign::name(code); }
};

template <>
struct StringMaker<countersign::Error> {
    static String convert(const countersign::Error& error) { return error.message().c_str(); }
};

}  // namespace doctest
