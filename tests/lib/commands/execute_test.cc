#include "commands/execute.h"

#include <algorithm>

#include <doctest/doctest.h>

#include "records/codec.h"
#include "records/flat_message.h"
#include "records/record.capnp.h"
#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::commands;
using countersign::testing::bytes_of;
using countersign::testing::changes;
using countersign::testing::Draw;
using countersign::testing::erase;
using countersign::testing::key_bytes;
using countersign::testing::Pool;
using countersign::testing::PoolNode;
using countersign::testing::put;
using records::Scope;

namespace {

constexpr const char* hash =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA";
constexpr const char* other_hash =
    "$argon2id$v=19$m=19456,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA";
constexpr const char* bomb =
    "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA";

UserId user_id(std::uint8_t number) {
    return UserId{countersign::testing::user_name(number).id.bytes};
}

records::Authenticator authenticator(std::uint8_t number) {
    records::Authenticator made;
    made.id.bytes[0] = std::byte{number};
    made.label = "phone";
    made.secret = sealing::PlainBytes::copy_of(Draw(number).bytes(20));
    return made;
}

/// A primary on which commands are executed as the hall does it.
struct Primary {
    Pool pool;
    PoolNode& node = pool.add_node();
    records::PoolSettings settings;
    sealing::Entropy entropy{key_bytes(77)};

    Primary() { pool.designate(node); }

    Context context(sealing::Entropy& from) const {
        return {.sealer = pool.sealer,
                .index = pool.index,
                .settings = settings,
                .pool = pool.id,
                .root_key = pool.root_key.public_key(),
                .now = pool.now,
                .entropy = from};
    }
    Result<std::vector<records::Change>> run(const Command& command) {
        return execute(command, node.ledger.reader, context(entropy));
    }
    void does(const Command& command) {
        auto made = run(command);
        REQUIRE(made);
        REQUIRE(made->size() == 1);
        pool.append(node, std::move(*made));
    }
    void refuses(const Command& command, errc expected) {
        const auto before = node.content();
        const auto made = run(command);
        REQUIRE_FALSE(made);
        CHECK(made.error() == expected);
        CHECK(node.content() == before);
    }
    CreateUser create(std::uint8_t number, std::string login, std::string email = "") {
        CreateUser command{.id = user_id(number), .realm = RealmId::default_users, .user = {}};
        command.user.login = std::move(login);
        command.user.email = email;
        command.user.email_key = std::move(email);
        command.user.password_hash = hash;
        command.user.password_version = PasswordVersion{1};
        command.user.created = pool.now;
        return command;
    }
    records::User user(std::uint8_t number) {
        const auto name = records::name_of(user_id(number));
        const auto stored = node.ledger.reader.get(name);
        REQUIRE(stored);
        REQUIRE(*stored);
        const auto content = pool.sealer.open(name, (*stored)->sealed);
        REQUIRE(content);
        auto decoded = records::decode_user(content->bytes());
        REQUIRE(decoded);
        return std::move(*decoded);
    }
    std::vector<RecordId> find(Scope scope, std::string_view value) {
        const auto found =
            node.ledger.reader.find(pool.index.handle(scope, value), records::RecordKind::user);
        REQUIRE(found);
        return *found;
    }
    bool finds(Scope scope, std::string_view value, std::uint8_t number) {
        return find(scope, value) == std::vector{RecordId{user_id(number).bytes}};
    }
};

}  // namespace

TEST_CASE("commands: create a user: sealed in its realm, found by login and e-mail") {
    Primary primary;
    primary.does(primary.create(1, "alice", "alice@example.org"));
    CHECK(primary.user(1).login == "alice");
    CHECK(primary.user(1).password_hash == hash);
    CHECK(primary.finds(Scope::login, "alice", 1));
    CHECK(primary.finds(Scope::email, "alice@example.org", 1));
    CHECK(primary.find(Scope::login, "alice@example.org").empty());
    const auto stored = primary.node.ledger.reader.get(records::name_of(user_id(1)));
    CHECK(records::SealHeader::parse((*stored)->sealed)->realm == RealmId::default_users);
    primary.does(primary.create(2, "bob"));  // without an address
    CHECK(primary.finds(Scope::login, "bob", 2));
}

TEST_CASE("commands: executed twice on the same: the same bytes, and nothing is written") {
    Primary primary;
    const auto before = primary.node.content();
    sealing::Entropy first(key_bytes(1));
    sealing::Entropy second(key_bytes(1));
    const auto with = [&](sealing::Entropy& entropy) {
        auto made = execute(
            primary.create(1, "alice"), primary.node.ledger.reader, primary.context(entropy));
        REQUIRE(made);
        return (*made)[0].put->sealed;
    };
    CHECK(with(first) == with(second));
    CHECK(primary.node.content() == before);
}

TEST_CASE("commands: create with an id or login that is taken: already exists") {
    Primary primary;
    primary.does(primary.create(1, "alice"));
    primary.refuses(primary.create(1, "bob"), errc::already_exists);
    primary.refuses(primary.create(2, "alice"), errc::already_exists);
}

TEST_CASE("commands: create in a realm that is not held, or the pool's own: refused") {
    Primary primary;
    for (const auto& [realm, expected] : {std::pair(RealmId{9}, errc::not_held),
                                          std::pair(RealmId::pool, errc::invalid_argument)}) {
        auto command = primary.create(1, "alice");
        command.realm = realm;
        primary.refuses(std::move(command), expected);
    }
}

TEST_CASE("commands: a password hash that is none, or a bomb: refused wherever it comes") {
    Primary primary;
    for (const char* bad : {"plain text", bomb}) {
        auto command = primary.create(1, "alice");
        command.user.password_hash = bad;
        primary.refuses(std::move(command), errc::invalid_hash);
    }
    auto without = primary.create(1, "alice");
    without.user.password_hash.clear();
    primary.does(std::move(without));
    primary.refuses(SetPassword{.id = user_id(1), .hash = bomb, .expected = {}},
                    errc::invalid_hash);
    primary.does(SetPassword{.id = user_id(1), .hash = hash, .expected = {}});
}

TEST_CASE("commands: more than a user may have, or what could not be read again: refused") {
    Primary primary;
    const auto with = [&](errc expected, auto&& change) {
        auto command = primary.create(1, "alice");
        change(command.user);
        primary.refuses(std::move(command), expected);
    };
    with(errc::limit_reached, [](records::User& user) {
        user.recovery_codes.resize(records::recovery_codes_limit + 1);
    });
    with(errc::limit_reached, [](records::User& user) {
        for (std::uint8_t i = 0; i <= records::authenticators_limit; ++i) {
            user.authenticators.push_back(authenticator(i));
        }
    });
    with(errc::invalid_argument, [](records::User& user) {
        user.authenticators.push_back(authenticator(1));
        user.authenticators[0].digits = 12;
    });
    with(errc::too_large, [](records::User& user) { user.display_name.resize(64 * 1024, 'x'); });
}

TEST_CASE("commands: unique e-mail: only where the pool wants it, and empty ones never clash") {
    Primary primary;
    primary.does(primary.create(1, "alice", "shared@example.org"));
    primary.does(primary.create(2, "bob", "shared@example.org"));
    CHECK(primary.find(Scope::email, "shared@example.org").size() == 2);
    primary.settings.unique_email = true;
    primary.refuses(primary.create(3, "carol", "shared@example.org"), errc::already_exists);
    primary.does(primary.create(3, "carol"));
    primary.does(primary.create(4, "dave"));
    ChangeUser change{.id = user_id(3)};
    change.email = {"Shared@Example.org", "shared@example.org"};
    primary.refuses(change, errc::already_exists);
    // Those who shared an address before the pool wanted otherwise can change what else they like.
    change = {.id = user_id(1)};
    change.display_name = "Alice";
    primary.does(change);
}

TEST_CASE("commands: change a user: what is given, and nothing else") {
    Primary primary;
    primary.does(primary.create(1, "alice", "alice@example.org"));
    primary.pool.now += milliseconds{5'000};
    const auto changed_at = primary.pool.now;
    ChangeUser change{.id = user_id(1)};
    change.display_name = "Alice A.";
    change.disabled = true;
    primary.does(change);
    auto user = primary.user(1);
    CHECK(user.login == "alice");
    CHECK(user.display_name == "Alice A.");
    CHECK(user.email == "alice@example.org");
    CHECK(user.disabled);
    CHECK(user.modified == changed_at);
    CHECK(user.password_version == PasswordVersion{1});

    change = {.id = user_id(1)};
    change.email = {"Al@Example.org", "al@example.org"};
    primary.does(change);
    CHECK(primary.user(1).email == "Al@Example.org");
    CHECK(primary.finds(Scope::email, "al@example.org", 1));
    CHECK(primary.find(Scope::email, "alice@example.org").empty());
    change.email = {"", ""};
    primary.does(change);
    CHECK(primary.find(Scope::email, "al@example.org").empty());
    CHECK(primary.user(1).disabled);
}

TEST_CASE("commands: change a login: the old one is free, a taken one refused, one's own is not") {
    Primary primary;
    primary.does(primary.create(1, "alice"));
    primary.does(primary.create(2, "bob"));
    ChangeUser change{.id = user_id(1)};
    change.login = "bob";
    primary.refuses(change, errc::already_exists);
    change.login = "alice";
    primary.does(change);
    change.login = "alicia";
    primary.does(change);
    CHECK(primary.finds(Scope::login, "alicia", 1));
    CHECK(primary.find(Scope::login, "alice").empty());
    primary.does(primary.create(3, "alice"));
    CHECK(primary.finds(Scope::login, "alice", 3));
}

TEST_CASE("commands: set a password: its version rises, if it is still the expected one") {
    Primary primary;
    primary.does(primary.create(1, "alice"));
    primary.pool.now += milliseconds{5'000};
    const auto changed_at = primary.pool.now;
    primary.refuses(
        SetPassword{.id = user_id(1), .hash = other_hash, .expected = PasswordVersion{2}},
        errc::conflict);
    primary.does(SetPassword{.id = user_id(1), .hash = other_hash, .expected = PasswordVersion{1}});
    CHECK(primary.user(1).password_version == PasswordVersion{2});
    CHECK(primary.user(1).password_hash == other_hash);
    CHECK(primary.user(1).password_changed == changed_at);
    primary.does(SetPassword{.id = user_id(1), .hash = hash, .expected = {}});
    CHECK(primary.user(1).password_version == PasswordVersion{3});
}

TEST_CASE("commands: a stronger hash of the same password: version and time stay") {
    Primary primary;
    primary.does(primary.create(1, "alice"));
    const auto before = primary.user(1).password_changed;
    SetPassword command{
        .id = user_id(1), .hash = other_hash, .expected = PasswordVersion{1}, .rehash = true};
    primary.does(command);
    CHECK(primary.user(1).password_hash == other_hash);
    CHECK(primary.user(1).password_version == PasswordVersion{1});
    CHECK(primary.user(1).password_changed == before);
    command.expected = PasswordVersion{2};
    primary.refuses(command, errc::conflict);
    command.expected = std::nullopt;  // it could overwrite a password that was changed meanwhile
    primary.refuses(command, errc::invalid_argument);
}

TEST_CASE("commands: authenticators: added, confirmed once, removed") {
    Primary primary;
    primary.does(primary.create(1, "alice"));
    primary.does(AddAuthenticator{.id = user_id(1), .authenticator = authenticator(1)});
    primary.does(AddAuthenticator{.id = user_id(1), .authenticator = authenticator(2)});
    primary.refuses(AddAuthenticator{.id = user_id(1), .authenticator = authenticator(2)},
                    errc::already_exists);
    const auto first = authenticator(1).id;
    const auto second = authenticator(2).id;
    primary.does(ConfirmAuthenticator{.id = user_id(1), .authenticator = second});
    auto user = primary.user(1);
    REQUIRE(user.authenticators.size() == 2);
    CHECK_FALSE(user.authenticators[0].confirmed);
    CHECK(user.authenticators[1].confirmed);
    CHECK(
        std::ranges::equal(user.authenticators[1].secret.bytes(), authenticator(2).secret.bytes()));
    primary.refuses(ConfirmAuthenticator{.id = user_id(1), .authenticator = second},
                    errc::already_confirmed);
    primary.does(RemoveAuthenticator{.id = user_id(1), .authenticator = first});
    user = primary.user(1);
    REQUIRE(user.authenticators.size() == 1);
    CHECK(user.authenticators[0].id == second);
    primary.refuses(RemoveAuthenticator{.id = user_id(1), .authenticator = first}, errc::not_found);
    primary.refuses(ConfirmAuthenticator{.id = user_id(1), .authenticator = first},
                    errc::not_found);
}

TEST_CASE("commands: a ninth authenticator: limit reached") {
    Primary primary;
    primary.does(primary.create(1, "alice"));
    for (std::uint8_t i = 0; i < records::authenticators_limit; ++i) {
        primary.does(AddAuthenticator{.id = user_id(1), .authenticator = authenticator(i)});
    }
    primary.refuses(AddAuthenticator{.id = user_id(1), .authenticator = authenticator(100)},
                    errc::limit_reached);
}

TEST_CASE("commands: recovery codes: replaced whole, as the next set; not more than may be") {
    Primary primary;
    primary.does(primary.create(1, "alice"));
    Draw draw(1);
    std::vector<records::RecoveryDigest> codes;
    for (int i = 0; i < 10; ++i) codes.push_back(draw.id<records::RecoveryDigest>());
    primary.does(SetRecoveryCodes{.id = user_id(1), .codes = codes});
    CHECK(primary.user(1).recovery_version == 1);
    CHECK(primary.user(1).recovery_made == primary.user(1).modified);
    CHECK(primary.user(1).recovery_codes == codes);
    primary.does(SetRecoveryCodes{.id = user_id(1), .codes = {}});
    CHECK(primary.user(1).recovery_version == 2);
    CHECK(primary.user(1).recovery_codes.empty());
    codes.resize(records::recovery_codes_limit + 1);
    primary.refuses(SetRecoveryCodes{.id = user_id(1), .codes = codes}, errc::limit_reached);
}

TEST_CASE("commands: erase a user: record and handles go, and the login is free") {
    Primary primary;
    primary.does(primary.create(1, "alice", "alice@example.org"));
    primary.does(EraseUser{.id = user_id(1)});
    CHECK(*primary.node.ledger.reader.get(records::name_of(user_id(1))) == std::nullopt);
    CHECK(primary.find(Scope::login, "alice").empty());
    CHECK(primary.find(Scope::email, "alice@example.org").empty());
    primary.refuses(EraseUser{.id = user_id(1)}, errc::not_found);
    primary.does(primary.create(2, "alice", "alice@example.org"));
}

TEST_CASE("commands: of a user that is not there: not found, every one") {
    Primary primary;
    const auto id = user_id(1);
    primary.refuses(ChangeUser{.id = id}, errc::not_found);
    primary.refuses(SetPassword{.id = id, .hash = hash, .expected = {}}, errc::not_found);
    primary.refuses(EraseUser{.id = id}, errc::not_found);
    primary.refuses(AddAuthenticator{.id = id, .authenticator = authenticator(1)}, errc::not_found);
    primary.refuses(ConfirmAuthenticator{.id = id, .authenticator = {}}, errc::not_found);
    primary.refuses(RemoveAuthenticator{.id = id, .authenticator = {}}, errc::not_found);
    primary.refuses(SetRecoveryCodes{.id = id, .codes = {}}, errc::not_found);
}

TEST_CASE("commands: of a user whose record is damaged, moved, newer or not held: says which") {
    Primary primary;
    primary.does(primary.create(1, "alice"));
    const auto name = records::name_of(user_id(1));
    const auto stored = primary.node.ledger.reader.get(name);
    const auto as = [&](Bytes sealed, errc expected) {
        auto damaged = changes(put(name, ""));
        damaged[0].put->sealed = std::move(sealed);
        primary.pool.append(primary.node, std::move(damaged));
        ChangeUser change{.id = user_id(1)};
        change.disabled = true;
        primary.refuses(change, expected);
    };
    auto sealed = (*stored)->sealed;
    sealed.back() ^= std::byte{1};
    as(sealed, errc::corrupt);
    as({}, errc::corrupt);
    sealed = (*stored)->sealed;
    sealed[0] = std::byte{2};
    as(sealed, errc::newer_format);
    sealed = (*stored)->sealed;
    sealed[1] = std::byte{9};
    as(sealed, errc::not_held);
    as(*primary.pool.sealer.seal(
           name, RealmId::default_users, bytes_of("no user"), Draw(1).id<sealing::Nonce>()),
       errc::corrupt);
    primary.does(EraseUser{.id = user_id(1)});  // which needs no key
}

TEST_CASE("commands: what a newer release put into a user: stays through every edit") {
    Primary primary;
    primary.does(primary.create(1, "alice"));
    const auto name = records::name_of(user_id(1));
    {
        // The same user with one more text behind the last pointer that this release knows.
        using Schema = records::schema::User;
        const auto stored = primary.node.ledger.reader.get(name);
        const auto content = primary.pool.sealer.open(name, (*stored)->sealed);
        capnp::MallocMessageBuilder message;
        auto root = message.getRoot<capnp::AnyPointer>().initAsAnyStruct(
            Schema::_capnpPrivate::dataWordSize, Schema::_capnpPrivate::pointerCount + 1);
        REQUIRE(records::flat::read<Schema>(content->bytes(), "a user", [&](auto known) {
            const auto from = capnp::toAny(known);
            std::ranges::copy(from.getDataSection(), root.getDataSection().begin());
            auto to = root.getPointerSection();
            const auto old = from.getPointerSection();
            for (unsigned i = 0; i < old.size(); ++i) to[i].set(old[i]);
            to[old.size()].template setAs<capnp::Text>("of the future");
        }));
        auto future = changes(put(name, ""));
        future[0].put->sealed = *primary.pool.sealer.seal(name,
                                                          RealmId::default_users,
                                                          records::flat::write(message),
                                                          Draw(1).id<sealing::Nonce>());
        future[0].put->handles = (*stored)->handles;
        primary.pool.append(primary.node, std::move(future));
    }
    const auto keeps = [&] {
        const auto stored = primary.node.ledger.reader.get(name);
        const auto content = primary.pool.sealer.open(name, (*stored)->sealed);
        REQUIRE(content);
        return !std::ranges::search(content->bytes(), bytes_of("of the future")).empty();
    };
    REQUIRE(keeps());
    ChangeUser change{.id = user_id(1)};
    change.login = "alicia";
    primary.does(change);
    CHECK(keeps());
    primary.does(SetPassword{.id = user_id(1), .hash = other_hash, .expected = {}});
    CHECK(keeps());
    primary.does(AddAuthenticator{.id = user_id(1), .authenticator = authenticator(1)});
    primary.does(ConfirmAuthenticator{.id = user_id(1), .authenticator = authenticator(1).id});
    primary.does(RemoveAuthenticator{.id = user_id(1), .authenticator = authenticator(1).id});
    primary.does(SetRecoveryCodes{.id = user_id(1), .codes = {}});
    CHECK(keeps());
    CHECK(primary.user(1).login == "alicia");
}
