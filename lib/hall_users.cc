#include <algorithm>
#include <utility>

#include "accounts/email.h"
#include "accounts/otpauth.h"
#include "accounts/password_policy.h"
#include "accounts/precis.h"
#include "accounts/unicode.h"
#include "hall_steps.h"
#include "log/batch.h"
#include "pool_settings.h"
#include "records/codec.h"
#include "records/uuid.h"

namespace countersign {
namespace {

constexpr std::size_t display_name_limit = 512;
constexpr std::size_t page_limit = 10'000;
constexpr std::size_t same_email_limit = 100;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool contains(std::string_view text, std::string_view part) {
    return std::ranges::search(text, part, {}, lower, lower).begin() != text.end() || part.empty();
}

bool matches(const User& user, const UserQuery& query) {
    if (query.disabled && *query.disabled != user.disabled) return false;
    return contains(user.login, query.contains) || contains(user.display_name, query.contains) ||
           contains(user.email, query.contains);
}

User to_user(UserId id, RealmId realm, LogSeq seq, const records::User& record) {
    User user;
    user.id = id;
    user.login = record.login;
    user.display_name = record.display_name;
    user.email = record.email;
    user.disabled = record.disabled;
    user.has_password = !record.password_hash.empty();
    for (const auto& each : record.authenticators) {
        user.has_totp = user.has_totp || each.confirmed;
        user.authenticators.push_back({.id = each.id,
                                       .label = each.label,
                                       .confirmed = each.confirmed,
                                       .created = each.created});
    }
    user.recovery_codes = record.recovery_codes.size();
    user.realm = realm;
    user.seq = seq;
    user.created = record.created;
    user.modified = record.modified;
    user.password_changed = record.password_changed;
    return user;
}

bool is_control(accounts::CodePoint c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

Result<void> check_display_name(std::string_view name) {
    if (name.size() > display_name_limit) {
        return Error(errc::invalid_argument, "a display name has at most 512 bytes");
    }
    const auto text = accounts::CodePoints::decode(name);
    if (!text) return Error(errc::invalid_argument, "a display name is UTF-8");
    if (std::ranges::any_of(text->view(), is_control)) {
        return Error(errc::invalid_argument, "a display name holds no control characters");
    }
    return {};
}

Result<commands::ChangeUser::Email> read_email(std::string_view given) {
    if (given.empty()) return commands::ChangeUser::Email{};
    auto email = accounts::normalise_email(given);
    if (!email) return email.error();
    return commands::ChangeUser::Email{.given = std::move(email->address),
                                       .key = std::move(email->key)};
}

std::string damaged_record(UserId id, const Error& error) {
    return "record of user " + to_string(id) + ": " + error.detail();
}

}  // namespace

Result<Secret> Hall::check_new_password(const PoolView& pool,
                                        const Secret& password,
                                        std::string_view login) {
    auto normal = accounts::normalise_password(password);
    if (!normal) return normal;
    const accounts::PasswordPolicy policy{.minimum_length = pool.settings.password_minimum,
                                          .maximum_length = pool.settings.password_maximum};
    if (auto ok = accounts::check_new_password(policy, *normal, login, blocklist_); !ok) {
        return ok.error();
    }
    return normal;
}

Result<std::string> Hall::hash_password(const PoolView& pool, const Secret& normal) {
    const std::size_t bytes = sealing::memory_of(hash_cost(pool.settings));
    if (auto place = gate_->wait_admitted(own_source_, bytes, deadline({}), now().monotonic);
        !place)
        return place.error();
    auto hash = hash_now(pool, normal);
    gate_->release(bytes, now().monotonic);
    return hash;
}

Result<std::string> Hall::hash_now(const PoolView& pool, const Secret& normal) const {
    std::array<std::byte, sealing::argon2_salt_size> salt;
    environment_->random(salt);
    return sealing::hash_password(normal, hash_cost(pool.settings), salt);
}

Result<commands::CreateUser> Hall::to_command(const PoolView& pool, NewUser& user) {
    const UnixTime time = now().wall;
    std::array<std::byte, 10> random;
    environment_->random(random);
    commands::CreateUser command;
    command.id = UserId{records::make_uuid(time, random).bytes};
    command.realm = user.realm;
    auto& record = command.user;

    auto login = accounts::normalise_login(user.login);
    if (!login) return login.error();
    record.login = *std::move(login);
    if (auto ok = check_display_name(user.display_name); !ok) return ok.error();
    record.display_name = std::move(user.display_name);
    auto email = read_email(user.email);
    if (!email) return email.error();
    record.email = std::move(email->given);
    record.email_key = std::move(email->key);
    record.disabled = user.disabled;
    record.created = record.modified = time;
    if (user.realm == RealmId::pool || !pool.sealer.keyring().newest(user.realm)) {
        return Error(errc::not_held, "realm " + std::to_string(value(user.realm)));
    }
    if (!user.totp_uri.empty()) {
        auto authenticator = import_authenticator(user.totp_uri, time);
        if (!authenticator) return authenticator.error();
        record.authenticators.push_back(std::move(*authenticator));
    }
    if (!user.password_hash.empty() && !user.password.empty()) {
        return Error(errc::invalid_argument, "a password or its hash, not both");
    }
    if (!user.password_hash.empty()) {
        if (auto read = sealing::parse_password_hash(user.password_hash); !read)
            return read.error();
        record.password_hash = std::move(user.password_hash);
    } else if (!user.password.empty()) {
        auto normal = check_new_password(pool, user.password, record.login);
        if (!normal) return normal.error();
        user.password = *std::move(normal);
    }
    if (!record.password_hash.empty() || !user.password.empty()) {
        record.password_version = PasswordVersion{1};
        record.password_changed = time;
    }
    return command;
}

void Hall::create_user(Caller<UserId> caller, NewUser user) {
    const auto pool = writable(caller.may_wait());
    if (!pool) return caller.answer(pool.error());
    auto command = to_command(**pool, user);
    if (!command) return caller.answer(command.error());
    const auto write = [](Caller<UserId> creator, commands::CreateUser made) {
        const UserId id = made.id;
        std::move(creator).write(std::move(made),
                                 [id](Caller<UserId> created, LogSeq) { created.answer(id); });
    };
    if (user.password.empty()) return write(std::move(caller), *std::move(command));
    std::move(caller).hash(
        *pool,
        std::move(user.password),
        [write, made = *std::move(command)](Caller<UserId> creator, std::string hash) mutable {
            made.user.password_hash = std::move(hash);
            write(std::move(creator), std::move(made));
        });
}

std::vector<Result<UserId>> Hall::create_users(std::vector<NewUser> users) {
    const auto pool = writable();
    if (!pool) return {users.size(), pool.error()};
    std::vector<Result<UserId>> results;
    std::vector<Write> writes;
    std::vector<std::size_t> places;  // of each write's user
    const auto commit = [&] {
        const auto outcomes = queue_.commit_all(std::exchange(writes, {}));
        for (std::size_t i = 0; i < outcomes.size(); ++i) {
            if (!outcomes[i]) results[places[i]] = outcomes[i].error();
        }
        places.clear();
    };
    // No more at once than a batch holds, nor than the queue takes beside other callers.
    const std::size_t most =
        std::clamp<std::size_t>(options_.commit_queue / 2, 1, log::batch_changes_limit);
    for (auto& user : users) {
        auto command = to_command(**pool, user);
        if (command && !user.password.empty()) {
            auto hash = hash_password(**pool, user.password);
            if (hash) {
                command->user.password_hash = *std::move(hash);
            } else {
                command = hash.error();
            }
        }
        if (!command) {
            results.push_back(command.error());
            continue;
        }
        places.push_back(results.size());
        results.push_back(command->id);
        writes.push_back({.rows = {}, .execute = executing(std::move(*command))});
        if (writes.size() == most) commit();
    }
    commit();
    return results;
}

Result<accounts::Subject> Hall::open_subject(Readers& readers, const PoolView& pool, UserId id) {
    accounts::Subject subject;
    subject.id = id;
    const auto name = records::name_of(id);
    const auto stored = readers.records.get(name);
    if (!stored) return stored.error();
    if (!*stored) return subject;
    const auto header = records::SealHeader::parse((*stored)->sealed);
    if (!header) return Error(errc::corrupt, damaged_record(id, header.error()));
    subject.realm = header->realm;
    subject.seq = (*stored)->seq;
    const auto content = pool.sealer.open(name, (*stored)->sealed);
    if (!content && content.error() == errc::not_held) {
        subject.held = false;
        return subject;
    }
    if (!content && content.error() == errc::corrupt) {
        return Error(errc::corrupt, damaged_record(id, content.error()));
    }
    if (!content) return content.error();
    auto user = records::decode_user(content->bytes());
    if (!user) return Error(errc::corrupt, damaged_record(id, user.error()));
    subject.known = true;
    subject.user = std::move(*user);
    return subject;
}

Result<User> Hall::require_user(Readers& readers, UserId id) {
    const auto pool = current_view(readers);
    if (!pool) return pool.error();
    const auto subject = open_subject(readers, **pool, id);
    if (!subject) return subject.error();
    if (!subject->held)
        return Error(errc::not_held, "realm " + std::to_string(value(subject->realm)));
    if (!subject->known) return Error(errc::not_found, "no user " + to_string(id));
    return to_user(id, subject->realm, subject->seq, subject->user);
}

Result<User> Hall::get_user(UserId id) {
    auto readers = reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    return require_user(**readers, id);
}

Result<User> Hall::find_user(std::string_view login) {
    const auto normal = accounts::normalise_login(login);
    if (!normal) return normal.error();
    auto readers = reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    const auto ids = (*readers)->records.find(index_->handle(records::Scope::login, *normal),
                                              records::RecordKind::user);
    if (!ids) return ids.error();
    if (ids->empty()) return Error(errc::not_found, "no user with this login");
    return require_user(**readers, UserId{ids->front().bytes});
}

Result<std::vector<User>> Hall::find_users_by_email(std::string_view email) {
    const auto normal = accounts::normalise_email(email);
    if (!normal) return normal.error();
    auto readers = reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    const auto ids = (*readers)->records.find(index_->handle(records::Scope::email, normal->key),
                                              records::RecordKind::user);
    if (!ids) return ids.error();
    std::vector<User> users;
    for (const auto& id : *ids) {
        if (users.size() == same_email_limit) break;
        auto user = require_user(**readers, UserId{id.bytes});
        if (!user && user.error() == errc::not_held) continue;
        if (!user) return user.error();
        users.push_back(std::move(*user));
    }
    return users;
}

Result<UserPage> Hall::list_users(const UserQuery& query) {
    if (query.limit < 1 || query.limit > page_limit) {
        return Error(errc::invalid_argument, "limit: 1 to 10,000 users a page");
    }
    std::optional<records::RecordName> after{{records::RecordKind::user, {}}};
    if (!query.cursor.empty()) {
        const auto id = parse_user_id(query.cursor);
        if (!id) return errc::invalid_cursor;
        after = records::name_of(*id);
    }
    auto readers = reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    const auto pool = current_view(**readers);
    if (!pool) return pool.error();
    UserPage page;
    std::optional<Error> failure;
    const auto read = (*readers)->records.each(
        after, [&](const records::RecordName& name, const records::StoredRecord& record) {
            if (name.kind != records::RecordKind::user) return false;
            if (page.users.size() == query.limit) {
                page.next = to_string(page.users.back().id);
                return false;
            }
            const auto header = records::SealHeader::parse(record.sealed);
            const auto content =
                header ? (*pool)->sealer.open(name, record.sealed) : header.error();
            if (!content && content.error() == errc::not_held) {
                ++page.not_held;
                return true;
            }
            const auto opened = content ? records::decode_user(content->bytes()) : content.error();
            if (!opened) {
                failure = Error(errc::corrupt, opened.error().detail());
                return false;
            }
            auto user = to_user(UserId{name.id.bytes}, header->realm, record.seq, *opened);
            if (matches(user, query)) page.users.push_back(std::move(user));
            return true;
        });
    if (!read) return read.error();
    if (failure) return *failure;
    return page;
}

void Hall::change_user(Caller<LogSeq> caller, UserId id, UserChanges changes) {
    commands::ChangeUser command;
    command.id = id;
    if (changes.login) {
        auto login = accounts::normalise_login(*changes.login);
        if (!login) return caller.answer(login.error());
        command.login = *std::move(login);
    }
    if (changes.display_name) {
        if (auto ok = check_display_name(*changes.display_name); !ok) {
            return caller.answer(ok.error());
        }
        command.display_name = std::move(changes.display_name);
    }
    if (changes.email) {
        auto email = read_email(*changes.email);
        if (!email) return caller.answer(email.error());
        command.email = std::move(*email);
    }
    command.disabled = changes.disabled;
    std::move(caller).write(std::move(command));
}

void Hall::set_password(Caller<LogSeq> caller, UserId id, Secret password) {
    replace_password(std::move(caller), id, password, std::nullopt);
}

void Hall::replace_password(Caller<LogSeq> caller,
                            UserId id,
                            const Secret& password,
                            std::optional<PasswordVersion> expected) {
    const auto pool = writable(caller.may_wait());
    if (!pool) return caller.answer(pool.error());
    const auto user = get_user(id);
    if (!user) return caller.answer(user.error());
    auto normal = check_new_password(**pool, password, user->login);
    if (!normal) return caller.answer(normal.error());
    std::move(caller).hash(
        *pool, *std::move(normal), [id, expected](Caller<LogSeq> changer, std::string hash) {
            std::move(changer).write(commands::SetPassword{
                .id = id, .hash = std::move(hash), .expected = expected, .rehash = false});
        });
}

void Hall::erase_user(Caller<LogSeq> caller, UserId id) {
    if (const auto pool = writable(caller.may_wait()); !pool) return caller.answer(pool.error());
    std::move(caller).commit({.rows = [id](attempts::Journal& journal) -> Result<void> {
                                  journal.erase(id);
                                  return {};
                              },
                              .execute = executing(commands::EraseUser{id})},
                             [](Caller<LogSeq> eraser, LogSeq seq) { eraser.answer(seq); });
}

}  // namespace countersign
