#include "commands/execute.h"

#include <algorithm>
#include <utility>

#include "countersign/mutants.h"

#include "commands/execute_nodes.h"
#include "records/codec.h"
#include "sealing/argon2.h"

namespace countersign::commands {
namespace {

using records::Change;
using records::Handle;
using records::Scope;

using Changes = Result<std::vector<Change>>;

std::vector<Handle> handles_of(const records::User& user, const records::Index& index) {
    std::vector<Handle> handles{index.handle(Scope::login, user.login)};
    if (!user.email_key.empty()) handles.push_back(index.handle(Scope::email, user.email_key));
    std::ranges::sort(handles);
    return handles;
}

/// errc::already_exists when another record than `self` carries the handle.
Result<void> require_free(records::Reader& reader,
                          const Handle& handle,
                          UserId self,
                          const char* what) {
    const auto holders = reader.find(handle, records::RecordKind::user);
    if (!holders) return holders.error();
    const bool taken = std::ranges::any_of(
        *holders, [&](const RecordId& holder) { return holder.bytes != self.bytes; });
    if (taken && !is_planted(Mutant::login_twice)) return Error(errc::already_exists, what);
    return {};
}

Result<void> require_free_login(records::Reader& reader,
                                const Context& context,
                                UserId id,
                                std::string_view login) {
    const auto handle = context.index.handle(Scope::login, login);
    return require_free(reader, handle, id, "a user with this login");
}

Result<void> require_free_email(records::Reader& reader,
                                const Context& context,
                                UserId id,
                                std::string_view email_key) {
    if (!context.settings.unique_email || email_key.empty()) return {};
    const auto handle = context.index.handle(Scope::email, email_key);
    return require_free(reader, handle, id, "a user with this e-mail address");
}

/// What every record of a user is held to, whoever asked for it: nothing is written that another
/// node could not read, or that would cost it gigabytes to check a password against.
Result<void> require_sound(const records::User& user) {
    if (user.authenticators.size() > records::authenticators_limit) {
        return Error(errc::limit_reached, "a user has at most 8 authenticators; remove one");
    }
    if (user.recovery_codes.size() > records::recovery_codes_limit) {
        return Error(errc::limit_reached, "a user has at most 32 recovery codes");
    }
    if (user.password_hash.empty()) return {};
    const auto hash = sealing::parse_password_hash(user.password_hash);
    if (!hash) return hash.error();
    return {};
}

/// A user's record, opened to be changed.
struct Opened {
    records::StoredRecord stored;
    RealmId realm;
    sealing::PlainBytes content;
    records::User user;
};

Result<Opened> open_user(records::Reader& reader, const Context& context, UserId id) {
    const auto name = records::name_of(id);
    auto stored = reader.get(name);
    if (!stored) return stored.error();
    if (!*stored) return Error(errc::not_found, "no user " + to_string(id));
    auto content = context.sealer.open(name, (*stored)->sealed);
    if (!content && content.error() == errc::corrupt) {
        return Error(errc::corrupt,
                     "record of user " + to_string(id) + ": " + content.error().detail());
    }
    if (!content) return content.error();
    const auto header = records::SealHeader::parse((*stored)->sealed);
    if (!header) return header.error();
    auto user = records::decode_user(content->bytes());
    if (!user) return Error(errc::corrupt, user.error().detail());
    return Opened{std::move(**stored), header->realm, std::move(*content), std::move(*user)};
}

/// The one change that puts `user`; what `before` held and this release does not know stays.
Changes put_user(
    const Context& context, UserId id, RealmId realm, const records::User& user, BytesView before) {
    if (auto sound = require_sound(user); !sound) return sound.error();
    const auto name = records::name_of(id);
    const auto content = records::encode(user, before);
    if (!records::decode_user(content)) {
        return Error(errc::invalid_argument, "a user's record that could not be read again");
    }
    auto sealed = context.sealer.seal(name, realm, content, context.entropy.nonce());
    if (!sealed) return sealed.error();
    std::vector<Change> changes(1, {.name = name, .put = std::nullopt});
    changes[0].put = Change::Put{std::move(*sealed), handles_of(user, context.index)};
    return changes;
}

/// Opens the user, lets `edit` change it (or refuse), and puts it back.
template <class Edit>
Changes edit_user(records::Reader& reader, const Context& context, UserId id, Edit&& edit) {
    auto opened = open_user(reader, context, id);
    if (!opened) return opened.error();
    if (Result<void> edited = edit(opened->user); !edited) return edited.error();
    opened->user.modified = context.now;
    auto changes = put_user(context, id, opened->realm, opened->user, opened->content.bytes());
    if (changes) changes->front().before = std::move(opened->stored);
    return changes;
}

records::Authenticator copy_of(const records::Authenticator& from) {
    return {.id = from.id,
            .label = from.label,
            .secret = sealing::PlainBytes::copy_of(from.secret.bytes()),
            .algorithm = from.algorithm,
            .digits = from.digits,
            .period = from.period,
            .confirmed = from.confirmed,
            .created = from.created};
}

auto find_authenticator(records::User& user, TotpId id) {
    return std::ranges::find(user.authenticators, id, &records::Authenticator::id);
}

struct Executor {
    records::Reader& reader;
    const Context& context;

    Changes operator()(const CreateUser& command) const {
        const auto existing = reader.get(records::name_of(command.id));
        if (!existing) return existing.error();
        if (*existing) return Error(errc::already_exists, "a user with this id");
        if (command.realm == RealmId::pool) {
            return Error(errc::invalid_argument, "users lie in a realm of their own");
        }
        auto free = require_free_login(reader, context, command.id, command.user.login);
        if (!free) return free.error();
        free = require_free_email(reader, context, command.id, command.user.email_key);
        if (!free) return free.error();
        return put_user(context, command.id, command.realm, command.user, {});
    }

    Changes operator()(const ChangeUser& command) const {
        return edit_user(reader, context, command.id, [&](records::User& user) -> Result<void> {
            if (command.login) {
                auto free = require_free_login(reader, context, command.id, *command.login);
                if (!free) return free;
                user.login = *command.login;
            }
            if (command.email) {
                auto free = require_free_email(reader, context, command.id, command.email->key);
                if (!free) return free;
                user.email = command.email->given;
                user.email_key = command.email->key;
            }
            if (command.display_name) user.display_name = *command.display_name;
            if (command.disabled) user.disabled = *command.disabled;
            return {};
        });
    }

    Changes operator()(const SetPassword& command) const {
        return edit_user(reader, context, command.id, [&](records::User& user) -> Result<void> {
            if (command.rehash && !command.expected) {
                return Error(errc::invalid_argument, "a new hash of which password version?");
            }
            if (command.expected && *command.expected != user.password_version) {
                return Error(errc::conflict, "the password was changed meanwhile");
            }
            user.password_hash = command.hash;
            if (command.rehash) return {};
            user.password_version = PasswordVersion{value(user.password_version) + 1};
            user.password_changed = context.now;
            return {};
        });
    }

    Changes operator()(const Invite& command) const {
        return execute_node(command, reader, context);
    }
    Changes operator()(const Admit& command) const {
        return execute_node(command, reader, context);
    }
    Changes operator()(const RemoveNode& command) const {
        return execute_node(command, reader, context);
    }

    Changes operator()(const EraseUser& command) const {
        const auto name = records::name_of(command.id);
        const auto stored = reader.get(name);
        if (!stored) return stored.error();
        if (!*stored) return Error(errc::not_found, "no user " + to_string(command.id));
        return std::vector<Change>{{.name = name, .put = std::nullopt}};
    }

    Changes operator()(const AddAuthenticator& command) const {
        return edit_user(reader, context, command.id, [&](records::User& user) -> Result<void> {
            if (find_authenticator(user, command.authenticator.id) != user.authenticators.end()) {
                return Error(errc::already_exists, "an authenticator with this id");
            }
            user.authenticators.push_back(copy_of(command.authenticator));
            return {};
        });
    }

    Changes operator()(const ConfirmAuthenticator& command) const {
        return edit_user(reader, context, command.id, [&](records::User& user) -> Result<void> {
            const auto found = find_authenticator(user, command.authenticator);
            if (found == user.authenticators.end()) {
                return Error(errc::not_found, "no such authenticator");
            }
            if (found->confirmed) return errc::already_confirmed;
            found->confirmed = true;
            return {};
        });
    }

    Changes operator()(const RemoveAuthenticator& command) const {
        return edit_user(reader, context, command.id, [&](records::User& user) -> Result<void> {
            const auto found = find_authenticator(user, command.authenticator);
            if (found == user.authenticators.end()) {
                return Error(errc::not_found, "no such authenticator");
            }
            user.authenticators.erase(found);
            return {};
        });
    }

    Changes operator()(const SetRecoveryCodes& command) const {
        return edit_user(reader, context, command.id, [&](records::User& user) -> Result<void> {
            user.recovery_codes = command.codes;
            ++user.recovery_version;
            user.recovery_made = context.now;
            return {};
        });
    }
};

}  // namespace

Changes execute(const Command& command, records::Reader& reader, const Context& context) {
    return std::visit(Executor{reader, context}, command);
}

}  // namespace countersign::commands
