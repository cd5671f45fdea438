// user add|show|list|set|passwd|disable|enable|erase
#include <nlohmann/json.hpp>

#include "commands.h"
#include "user_json.h"

namespace tool {
namespace {

Exit show_user(Session& session, const cs::User& user) {
    session.output.show(to_json(user), to_text(user));
    return Exit::done;
}

/// The same after a change.
Outcome show_changed(Session& session, cs::Store& store, const cs::UserId& id) {
    const auto user = store.users().get(id);
    if (!user) return user.error();
    return show_user(session, *user);
}

cs::Result<cs::Secret> new_password(Session& session, bool from_stdin, std::string_view instead) {
    return from_stdin ? session.input.line("password")
                      : session.input.hidden_twice("The new password", instead);
}

/// One line of a list.
std::string to_line(const cs::User& user) {
    std::string line =
        printable(user.login) + "\t" + printable(user.display_name) + "\t" + printable(user.email);
    if (user.has_totp) line += "\ttotp";
    if (user.disabled) line += "\tdisabled";
    return line;
}

}  // namespace

Json to_json(const cs::User& user) {
    auto authenticators = Json::array();
    for (const auto& each : user.authenticators) {
        authenticators.push_back({{"id", cs::to_string(each.id)},
                                  {"label", each.label},
                                  {"confirmed", each.confirmed},
                                  {"created", time_text(each.created)}});
    }
    return {
        {"id", cs::to_string(user.id)},
        {"login", user.login},
        {"display_name", user.display_name},
        {"email", user.email},
        {"disabled", user.disabled},
        {"has_password", user.has_password},
        {"has_totp", user.has_totp},
        {"authenticators", std::move(authenticators)},
        {"recovery_codes", user.recovery_codes},
        {"realm", cs::value(user.realm)},
        {"seq", cs::value(user.seq)},
        {"created", time_text(user.created)},
        {"modified", time_text(user.modified)},
        {"password_changed", user.has_password ? Json(time_text(user.password_changed)) : Json()}};
}

std::string to_text(const cs::User& user) {
    std::string text;
    const auto line = [&](std::string_view name, const std::string& value) {
        text.append(name).append(14 - name.size(), ' ') += printable(value) + "\n";
    };
    line("id", cs::to_string(user.id));
    line("login", user.login);
    line("display name", user.display_name);
    line("e-mail", user.email);
    line("disabled", user.disabled ? "yes" : "no");
    line("password", user.has_password ? "changed " + time_text(user.password_changed) : "none");
    for (const auto& each : user.authenticators) {
        line("authenticator",
             " " + cs::to_string(each.id) + (each.confirmed ? "" : ", not confirmed") +
                 (each.label.empty() ? "" : ", " + each.label));
    }
    line("recovery", std::to_string(user.recovery_codes) + " codes made");
    line("created", time_text(user.created));
    line("modified", time_text(user.modified) + ", seq " + std::to_string(cs::value(user.seq)));
    text.pop_back();
    return text;
}

Outcome run(const UserAdd& add, Session& session) {
    auto store = session.open(add.at, add.blocked_passwords);
    if (!store) return store.error();
    cs::NewUser user{.login = add.login,
                     .display_name = add.display_name,
                     .email = add.email,
                     .disabled = add.disabled,
                     .realm = cs::RealmId{add.realm}};
    if (add.password_hash_stdin) {
        const auto hash = session.input.line("password hash");
        if (!hash) return hash.error();
        user.password_hash = hash->text();
    } else if (!add.no_password) {
        auto password = new_password(session, add.password_stdin, "--password-stdin");
        if (!password) return password.error();
        if (password->empty()) {
            return cs::Error(cs::errc::invalid_password,
                             "it is empty; --no-password makes a user who cannot sign in yet");
        }
        user.password = std::move(*password);
    }
    const auto id = store->users().create(std::move(user));
    if (!id) return id.error();
    return show_changed(session, *store, *id);
}

Outcome run(const UserShow& show, Session& session) {
    auto store = session.open(show.at);
    if (!store) return store.error();
    const auto user = session.find(*store, show.login);
    if (!user) return user.error();
    return show_user(session, *user);
}

Outcome run(const UserList& list, Session& session) {
    auto store = session.open(list.at);
    if (!store) return store.error();
    std::size_t shown = 0;
    const auto full = [&] { return list.limit != 0 && shown == list.limit; };
    const auto show = [&](const cs::User& user) {
        session.output.show(to_json(user), to_line(user));
        ++shown;
    };
    if (!list.email.empty()) {
        const auto users = store->users().find_by_email(list.email);
        if (!users) return users.error();
        for (const auto& user : *users) {
            if (!full()) show(user);
        }
        return Exit::done;
    }
    cs::UserQuery query{.contains = list.contains, .limit = 1000};
    if (list.disabled || list.enabled) query.disabled = list.disabled;
    std::size_t not_held = 0;
    do {
        const auto page = store->users().list(query);
        if (!page) return page.error();
        not_held += page->not_held;
        for (const auto& user : page->users) {
            if (full()) return Exit::done;
            show(user);
        }
        query.cursor = page->next;
    } while (!query.cursor.empty());
    if (not_held != 0) {
        session.output.note(std::to_string(not_held) +
                            " users are of realms that this node holds no key of");
    }
    return Exit::done;
}

Outcome run(const UserSet& set, Session& session) {
    if (!set.new_login && !set.display_name && !set.email) {
        return cs::Error(cs::errc::invalid_argument,
                         "nothing to change; give --login, --display-name or --email");
    }
    auto store = session.open(set.at);
    if (!store) return store.error();
    const auto user = session.find(*store, set.login);
    if (!user) return user.error();
    const auto done = store->users().change(user->id,
                                            {.login = set.new_login,
                                             .display_name = set.display_name,
                                             .email = set.email,
                                             .disabled = std::nullopt});
    if (!done) return done.error();
    return show_changed(session, *store, user->id);
}

Outcome run(const UserPassword& change, Session& session) {
    auto store = session.open(change.at, change.blocked_passwords);
    if (!store) return store.error();
    const auto user = session.find(*store, change.login);
    if (!user) return user.error();
    std::optional<cs::Secret> current;
    if (change.own) {
        auto typed = change.password_stdin
                         ? session.input.line("current password")
                         : session.input.hidden("The current password", "--password-stdin");
        if (!typed) return typed.error();
        current = std::move(*typed);
    }
    auto password = new_password(session, change.password_stdin, "--password-stdin");
    if (!password) return password.error();
    const auto done = current
                          ? store->users().change_password(user->id, *current, std::move(*password))
                          : store->users().set_password(user->id, std::move(*password));
    if (!done && current && done.error() == cs::errc::not_permitted) {
        session.output.fail(cs::Error(cs::errc::not_permitted,
                                      "the current password is wrong, or the user is locked"));
        return Exit::refused;
    }
    if (!done) return done.error();
    return show_changed(session, *store, user->id);
}

Outcome run(const UserSwitch& change, Session& session) {
    auto store = session.open(change.at);
    if (!store) return store.error();
    const auto user = session.find(*store, change.login);
    if (!user) return user.error();
    cs::UserChanges changes;
    changes.disabled = change.disable;
    const auto done = store->users().change(user->id, std::move(changes));
    if (!done) return done.error();
    return show_changed(session, *store, user->id);
}

Outcome run(const UserErase& erase, Session& session) {
    auto store = session.open(erase.at);
    if (!store) return store.error();
    const auto user = session.find(*store, erase.login);
    if (!user) return user.error();
    const std::string question =
        "Erase " + printable(user->login) + " at all nodes? This cannot be undone.";
    if (!erase.yes && !session.input.confirmed(question)) {
        return cs::Error(cs::errc::cancelled, "nothing was erased");
    }
    const auto seq = store->users().erase(user->id);
    if (!seq) return seq.error();
    session.output.show(
        {{"id", cs::to_string(user->id)}, {"login", user->login}, {"seq", cs::value(*seq)}},
        "erased " + printable(user->login) + "; 'countersign log compact' lets go of what the log" +
            " still holds of it");
    return Exit::done;
}

}  // namespace tool
