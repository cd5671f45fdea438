#include "support/store_fixture.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "accounts/otpauth.h"
#include "sqlite/database.h"
#include "sqlite/statement.h"

namespace countersign::testing {
namespace {

class MemoryKey final : public KeyProvider {
  public:
    explicit MemoryKey(char letter) : letter_(letter) {}

    Result<std::vector<std::byte>> wrap(const Secret& key,
                                        const KeyContext& context,
                                        Entropy) override {
        std::vector<std::byte> wrapped = prefix(context);
        for (const std::byte byte : key.bytes()) wrapped.push_back(byte ^ pad());
        return wrapped;
    }

    Result<Secret> unwrap(std::span<const std::byte> wrapped, const KeyContext& context) override {
        const auto expected = prefix(context);
        if (wrapped.size() < expected.size() ||
            !std::ranges::equal(expected, wrapped.first(expected.size()))) {
            return Error(errc::wrong_key, "wrapped by another key, or for another node");
        }
        const auto sealed = wrapped.subspan(expected.size());
        auto key = Secret::of_size(sealed.size());
        for (std::size_t i = 0; i < sealed.size(); ++i) key.writable()[i] = sealed[i] ^ pad();
        return key;
    }

    std::string describe() const override { return std::string("memory key ") + letter_; }

  private:
    std::byte pad() const { return static_cast<std::byte>(letter_); }
    std::vector<std::byte> prefix(const KeyContext& context) const {
        std::vector<std::byte> bytes(1, pad());
        bytes.insert(bytes.end(), context.pool.bytes.begin(), context.pool.bytes.end());
        bytes.insert(bytes.end(), context.node.bytes.begin(), context.node.bytes.end());
        return bytes;
    }

    char letter_;
};

}  // namespace

std::shared_ptr<KeyProvider> memory_key(char letter) {
    return std::make_shared<MemoryKey>(letter);
}

EventHandler HeardEvents::handler() {
    return [heard = heard_](const Event& event) {
        const std::lock_guard guard(heard->mutex);
        heard->events.push_back(event);
    };
}

std::size_t HeardEvents::count(Event::Kind kind) const {
    const std::lock_guard guard(heard_->mutex);
    return static_cast<std::size_t>(std::ranges::count(heard_->events, kind, &Event::kind));
}

std::string HeardEvents::detail_of(Event::Kind kind) const {
    const std::lock_guard guard(heard_->mutex);
    std::string detail;
    for (const auto& event : heard_->events) {
        if (event.kind == kind) detail = event.detail;
    }
    return detail;
}

void HeardEvents::forget() {
    const std::lock_guard guard(heard_->mutex);
    heard_->events.clear();
}

StorePlace::StorePlace(std::uint64_t seed) : environment(std::make_shared<TestEnvironment>(seed)) {
    options.directory = around / "store";
    options.node_name = "hq";
    options.key_provider = memory_key();
    options.environment = environment;
    options.on_event = events.handler();
    options.pool.hash_memory_kib = 8;
    options.pool.hash_passes = 1;
}

Store StorePlace::create() const {
    auto store = Store::create(options);
    if (!store) FAIL(store.error().message());
    return std::move(*store);
}

Store StorePlace::open() const {
    auto store = Store::open(options);
    if (!store) FAIL(store.error().message());
    return std::move(*store);
}

void StorePlace::copy_files(const std::string& path) const {
    const std::string command = "cp -r '" + options.directory + "' '" + path + "'";
    REQUIRE(std::system(command.c_str()) == 0);
}

std::string StorePlace::bytes_on_disk() const {
    const std::string copy = around / "bytes";
    copy_files(copy);
    std::string bytes;
    for (const auto& file : std::filesystem::directory_iterator(copy)) {
        bytes += around.read("bytes/" + file.path().filename().string());
    }
    std::filesystem::remove_all(copy);
    return bytes;
}

void StorePlace::plant(const char* sql) const {
    auto file = sqlite::Database::open(database());
    REQUIRE(file);
    const auto done = file->execute(sql);
    if (!done) FAIL(done.error().message());
}

std::int64_t StorePlace::ask(const char* sql) const {
    auto file = sqlite::Database::open(database(), {.read_only = true});
    REQUIRE(file);
    auto statement = file->prepare(sql);
    if (!statement) FAIL(statement.error().message());
    auto rows = statement->query();
    REQUIRE(rows);
    const auto found = rows->next();
    REQUIRE(found);
    REQUIRE(*found);
    return rows->integer(0);
}

StoreState state_of(Store& store) {
    const auto status = store.status();
    if (!status) FAIL(status.error().message());
    return {.seq = status->seq, .digest = status->digest, .users = status->users};
}

UserId add_user(Store& store, std::string login, std::string_view password) {
    NewUser user;
    user.login = std::move(login);
    user.password = Secret(password);
    const auto id = store.users().create(std::move(user));
    if (!id) FAIL(id.error().message());
    return *id;
}

namespace {

SignInResult decided(Store& store, SignIn attempt) {
    auto result = store.authenticate(std::move(attempt));
    if (!result) FAIL(result.error().message());
    return std::move(*result);
}

}  // namespace

SignInResult sign_in(Store& store,
                     std::string login,
                     std::string_view password,
                     std::string code,
                     std::string source) {
    SignIn attempt;
    attempt.login = std::move(login);
    attempt.password = Secret(password);
    attempt.code = std::move(code);
    attempt.source = std::move(source);
    return decided(store, std::move(attempt));
}

SignInResult answer_challenge(Store& store, std::string challenge, std::string code) {
    SignIn attempt;
    attempt.challenge = std::move(challenge);
    attempt.code = std::move(code);
    return decided(store, std::move(attempt));
}

std::string code_at(const Secret& uri, UnixTime time) {
    const auto otpauth = accounts::parse_otpauth(uri.text());
    REQUIRE(otpauth);
    const auto& parameters = otpauth->parameters;
    const auto step = accounts::step_at(time, parameters.period);
    REQUIRE(step);
    return accounts::hotp(
        otpauth->secret.bytes(), value(*step), parameters.digits, parameters.algorithm);
}

Authenticator add_authenticator(Store& store, TestEnvironment& environment, UserId user) {
    auto enrolment = store.users().enrol_totp(user);
    if (!enrolment) FAIL(enrolment.error().message());
    const auto confirmed = store.users().confirm_totp(
        user, enrolment->id, code_at(enrolment->uri, environment.wall()));
    if (!confirmed) FAIL(confirmed.error().message());
    return {.id = enrolment->id, .uri = std::move(enrolment->uri)};
}

}  // namespace countersign::testing
