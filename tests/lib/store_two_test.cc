#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sqlite/marker.h"
#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

/// Two store objects on one directory, as a server and a command-line tool have.
struct TwoStores : StorePlace {
    Store server = create();
    Store tool = open();
};

/// Another process with the store open, which does what single letters ask of it. To be made while
/// this process has no store open: SQLite's locks do not outlive a fork.
class OtherProcess {
  public:
    explicit OtherProcess(const StorePlace& place) {
        REQUIRE(::pipe(requests_) == 0);
        REQUIRE(::pipe(answers_) == 0);
        child_ = ::fork();
        REQUIRE(child_ >= 0);
        if (child_ != 0) return;
        ::close(requests_[1]);
        serve(place);
        ::_exit(0);
    }
    OtherProcess(const OtherProcess&) = delete;
    OtherProcess& operator=(const OtherProcess&) = delete;
    ~OtherProcess() {
        ::close(requests_[1]);  // it then ends
        ::close(requests_[0]);
        ::close(answers_[0]);
        ::close(answers_[1]);
        ::waitpid(child_, nullptr, 0);
    }

    /// Its answer: `y` for yes, `n` for no.
    char ask(char request) const {
        char answer = '?';
        CHECK(::write(requests_[1], &request, 1) == 1);
        CHECK(::read(answers_[0], &answer, 1) == 1);
        return answer;
    }
    void die() {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }

  private:
    void serve(const StorePlace& place) const {
        auto options = place.options;
        const auto environment = std::make_shared<TestEnvironment>(99);  // draws other ids
        environment->set_wall(place.environment->wall());
        options.environment = environment;
        auto store = Store::open(options);
        char request = 0;
        while (::read(requests_[0], &request, 1) == 1) {
            const char answer = store && done(*store, request) ? 'y' : 'n';
            if (::write(answers_[1], &answer, 1) != 1) return;
        }
    }
    static bool done(Store& store, char request) {
        const auto verdict = [&](const char* login, std::string_view password) {
            SignIn attempt{.login = login, .password = Secret(password)};
            const auto result = store.authenticate(std::move(attempt));
            return result ? result->verdict : Verdict::stale;
        };
        switch (request) {
            case 'b':
                return store.users()
                    .create({.login = "bob", .password = Secret(good_password)})
                    .has_value();
            case 'w':
                return verdict("alice", "wrong") == Verdict::refused;
            case 'l':
                return verdict("alice", good_password) == Verdict::locked;
            case 'c':
                return verdict("carol", good_password) == Verdict::accepted;
            default:
                return store.log().verify().has_value();
        }
    }

    int requests_[2] = {-1, -1};
    int answers_[2] = {-1, -1};
    pid_t child_ = -1;
};

}  // namespace

TEST_CASE("store: two on one directory: no copy, no unclean end, one pool") {
    TwoStores place;
    CHECK_FALSE(place.events.heard(Event::Kind::new_incarnation));
    CHECK(place.server.status()->node == place.tool.status()->node);
    CHECK(place.server.status()->pool == place.tool.status()->pool);
}

TEST_CASE("store: two on one directory: each sees what the other writes, one log, one digest") {
    TwoStores place;
    const auto alice = add_user(place.server, "alice");
    CHECK(place.tool.users().find("alice")->id == alice);
    const auto bob = add_user(place.tool, "bob");
    CHECK(sign_in(place.server, "bob").user == bob);
    for (int i = 0; i < 10; ++i) {
        add_user(i % 2 ? place.server : place.tool, "user" + std::to_string(i));
        CHECK(state_of(place.server) == state_of(place.tool));
    }
    const auto taken = place.tool.users().create({.login = "alice"});
    REQUIRE_FALSE(taken);
    CHECK(taken.error() == errc::already_exists);
    REQUIRE(place.tool.users().set_password(alice, Secret("a better one")));
    CHECK(sign_in(place.server, "alice").verdict == Verdict::refused);
    CHECK(sign_in(place.server, "alice", "a better one").verdict == Verdict::accepted);
    REQUIRE(place.server.users().change(bob, {.disabled = true}));
    CHECK(sign_in(place.tool, "bob").verdict == Verdict::disabled);
    REQUIRE(place.tool.users().erase(bob));
    CHECK(sign_in(place.server, "bob").verdict == Verdict::refused);
    const auto verified = place.server.log().verify();
    REQUIRE(verified);
    CHECK(verified->digest == place.tool.status()->digest);
    CHECK(verified->seq == LogSeq{16});
}

TEST_CASE("store: two on one directory: attempts are counted together, and locked by both") {
    TwoStores place;
    const auto alice = add_user(place.server, "alice");
    for (std::uint32_t i = 1; i <= 10; ++i) {
        auto& store = i % 2 ? place.server : place.tool;
        CHECK(sign_in(store, "alice", "wrong").tries_left == 10 - i);
        CHECK(sign_in(store, "nobody", "wrong").tries_left == 10 - i);
    }
    for (auto* store : {&place.server, &place.tool}) {
        CHECK(sign_in(*store, "alice").retry_after == 30s);
        CHECK(sign_in(*store, "nobody").retry_after == 30s);
        CHECK(store->lockout().show(alice)->password.failures == 10);
    }
    REQUIRE(place.tool.lockout().clear(alice));
    CHECK(sign_in(place.server, "alice").verdict == Verdict::accepted);
}

TEST_CASE("store: two on one directory: a code or challenge is good at one of them") {
    TwoStores place;
    const auto alice = add_user(place.server, "alice");
    const auto authenticator = add_authenticator(place.tool, *place.environment, alice);
    place.environment->pass(30s);
    const auto code = code_at(authenticator.uri, place.environment->wall());
    const auto challenge = sign_in(place.server, "alice").challenge;
    CHECK(answer_challenge(place.tool, challenge, code).verdict == Verdict::accepted);
    CHECK(sign_in(place.server, "alice", good_password, code).verdict == Verdict::refused);
    place.environment->pass(30s);
    const auto next = code_at(authenticator.uri, place.environment->wall());
    CHECK(answer_challenge(place.server, challenge, next).verdict == Verdict::refused);
    CHECK(sign_in(place.server, "alice", good_password, next).verdict == Verdict::accepted);
}

TEST_CASE("store: two on one directory, threads on both: every write and attempt is there") {
    TwoStores place;
    const auto alice = add_user(place.server, "alice");
    constexpr int each = 15;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&place, t] {
                auto& store = t % 2 ? place.server : place.tool;
                for (int i = 0; i < each; ++i) {
                    NewUser user{.login = "u" + std::to_string(t) + "-" + std::to_string(i)};
                    static_cast<void>(store.users().create(std::move(user)));
                    SignIn attempt{.login = "alice", .password = Secret("wrong")};
                    static_cast<void>(store.authenticate(std::move(attempt)));
                }
            });
        }
    }
    CHECK(place.server.status()->users == 1 + 4 * each);
    CHECK(state_of(place.server) == state_of(place.tool));
    CHECK(place.tool.log().verify());
    // Each of the two may have one attempt in flight that the other does not know of.
    const auto failures = place.server.lockout().show(alice)->password.failures;
    CHECK(failures >= 10);
    CHECK(failures <= 20);
}

TEST_CASE("store: two on one directory: one compacts, the other goes on") {
    TwoStores place;
    add_user(place.server, "alice");
    sign_in(place.server, "alice", "wrong");
    REQUIRE(place.tool.log().compact());
    CHECK(sign_in(place.server, "alice", "wrong").tries_left == 8);
    add_user(place.server, "bob");
    CHECK(place.tool.users().find("bob"));
    CHECK(place.server.log().verify());
    CHECK(place.tool.log().verify());
}

TEST_CASE("store: two on one directory: one wraps the key anew, both go on with the new one") {
    TwoStores place;
    add_user(place.server, "alice");
    REQUIRE(place.tool.rewrap(memory_key('n')));
    CHECK(sign_in(place.server, "alice").verdict == Verdict::accepted);
    add_user(place.server, "bob");
    REQUIRE(place.server.rewrap(memory_key('m')));
    place.options.key_provider = memory_key('m');
    auto third = place.open();
    CHECK(third.status()->users == 2);
}

TEST_CASE("store: another process on the directory: each sees the other's writes and attempts") {
    StorePlace place;
    {
        auto store = place.create();
        add_user(store, "alice");
    }
    const OtherProcess tool(place);
    CHECK(tool.ask('v') == 'y');
    auto server = place.open();
    CHECK_FALSE(place.events.heard(Event::Kind::new_incarnation));
    CHECK(tool.ask('b') == 'y');
    CHECK(sign_in(server, "bob").verdict == Verdict::accepted);
    add_user(server, "carol");
    CHECK(tool.ask('c') == 'y');
    for (int i = 0; i < 5; ++i) {
        CHECK(tool.ask('w') == 'y');
        CHECK(sign_in(server, "alice", "wrong").verdict == Verdict::refused);
    }
    CHECK(tool.ask('l') == 'y');
    CHECK(sign_in(server, "alice").verdict == Verdict::locked);
    CHECK(tool.ask('v') == 'y');
    CHECK(server.log().verify());
}

TEST_CASE("store: another process is killed: what it was answered stays, this one goes on") {
    StorePlace place;
    {
        auto store = place.create();
        add_user(store, "alice");
    }
    OtherProcess tool(place);
    CHECK(tool.ask('v') == 'y');
    auto server = place.open();
    CHECK(tool.ask('b') == 'y');
    CHECK(tool.ask('w') == 'y');
    tool.die();
    CHECK(sign_in(server, "bob").verdict == Verdict::accepted);
    CHECK(sign_in(server, "alice", "wrong").tries_left == 8);
    add_user(server, "carol");
    CHECK(server.log().verify());
}

TEST_CASE("store: a second object while one serves: no unclean end, neither now nor after it") {
    StorePlace place;
    auto server = place.create();
    auto serving = server.links().serve();
    REQUIRE(serving);
    const auto marker = [&] {
        const auto bytes =
            place.environment->read_file(place.options.directory + "/marker", sqlite::marker_bytes);
        REQUIRE(bytes);
        REQUIRE(bytes->has_value());
        const auto read = sqlite::decode(**bytes);
        REQUIRE(read);
        return *read;
    };
    CHECK(place.open().status()->served);
    CHECK_FALSE(place.events.heard(Event::Kind::unclean_end));
    CHECK_FALSE(marker().clean_end);  // the one that serves has not ended
    serving->reset();
    {
        const auto last = place.open();
    }
    CHECK(place.events.heard(Event::Kind::unclean_end));
    CHECK(marker().clean_end);
}
