// totp enrol|confirm|remove|recovery
#include <nlohmann/json.hpp>

#include "commands.h"
#include "qr.h"
#include "user_json.h"

namespace tool {
namespace {

/// The authenticator that `id` names, or the only one that fits.
cs::Result<cs::TotpInfo> choose(const cs::User& user, const std::string& id, bool unconfirmed) {
    std::vector<cs::TotpInfo> fitting;
    for (const auto& each : user.authenticators) {
        const bool fits = id.empty() ? !(unconfirmed && each.confirmed)
                                     : id == cs::to_string(each.id) || id == each.label;
        if (fits) fitting.push_back(each);
    }
    if (fitting.size() == 1) return fitting.front();
    if (fitting.empty()) {
        return cs::Error(cs::errc::not_found,
                         !id.empty() ? "no authenticator has this id or label; see 'user show'"
                         : unconfirmed
                             ? "no authenticator waits for its first code; enrol one first"
                             : "this user has no authenticator");
    }
    return cs::Error(cs::errc::invalid_argument,
                     "there are several; name one with --id, as 'user show' lists them");
}

}  // namespace

Outcome run(const TotpEnrol& enrol, Session& session) {
    auto store = session.open(enrol.at);
    if (!store) return store.error();
    const auto user = session.find(*store, enrol.login);
    if (!user) return user.error();
    const auto made = store->users().enrol_totp(user->id, enrol.options);
    if (!made) return made.error();
    const std::string uri(made->uri.text());
    std::string text;
    if (!enrol.no_qr && !session.output.json()) {
        auto drawn = draw_qr(uri);
        if (!drawn) return drawn.error();
        text = std::move(*drawn);
    }
    text += uri + "\n\nIt is shown once. Scan it, then: countersign totp confirm DIR " +
            printable(user->login) + " CODE";
    session.output.show({{"id", cs::to_string(made->id)}, {"login", user->login}, {"uri", uri}},
                        text);
    return Exit::done;
}

Outcome run(const TotpConfirm& confirm, Session& session) {
    auto store = session.open(confirm.at);
    if (!store) return store.error();
    const auto user = session.find(*store, confirm.login);
    if (!user) return user.error();
    const auto chosen = choose(*user, confirm.id, true);
    if (!chosen) return chosen.error();
    std::string code = confirm.code;
    if (code.empty()) {
        auto typed = session.input.visible("The code that it shows", "--code");
        if (!typed) return typed.error();
        code = std::move(*typed);
    }
    const auto seq = store->users().confirm_totp(user->id, chosen->id, code);
    if (!seq) return seq.error();
    session.output.show({{"id", cs::to_string(chosen->id)},
                         {"login", user->login},
                         {"confirmed", true},
                         {"seq", cs::value(*seq)}},
                        "confirmed: " + printable(user->login) + " needs a code from now on");
    return Exit::done;
}

Outcome run(const TotpRemove& remove, Session& session) {
    auto store = session.open(remove.at);
    if (!store) return store.error();
    const auto user = session.find(*store, remove.login);
    if (!user) return user.error();
    std::vector<cs::TotpInfo> gone = user->authenticators;
    if (!remove.all) {
        const auto chosen = choose(*user, remove.id, false);
        if (!chosen) return chosen.error();
        gone = {*chosen};
    }
    auto ids = Json::array();
    for (const auto& each : gone) {
        if (const auto done = store->users().remove_totp(user->id, each.id); !done) {
            return done.error();
        }
        ids.push_back(cs::to_string(each.id));
    }
    session.output.show({{"login", user->login}, {"removed", std::move(ids)}},
                        "removed " + std::to_string(gone.size()) + " of " +
                            std::to_string(user->authenticators.size()) + " authenticators of " +
                            printable(user->login));
    return Exit::done;
}

Outcome run(const TotpRecovery& recovery, Session& session) {
    auto store = session.open(recovery.at);
    if (!store) return store.error();
    const auto user = session.find(*store, recovery.login);
    if (!user) return user.error();
    const auto codes = store->users().make_recovery_codes(user->id);
    if (!codes) return codes.error();
    auto list = Json::array();
    std::string text;
    for (const auto& code : *codes) {
        list.push_back(std::string(code.text()));
        text.append(code.text()) += "\n";
    }
    text += "\nThey are shown once; each works once, in the place of a code. Older ones are void.";
    session.output.show({{"login", user->login}, {"codes", std::move(list)}}, text);
    return Exit::done;
}

}  // namespace tool
