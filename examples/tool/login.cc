// login, lockout show|clear
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include "commands.h"
#include "terminal.h"

namespace tool {
namespace {

Json methods_of(cs::Methods methods) {
    auto list = Json::array();
    if (includes(methods, cs::Methods::password)) list.push_back("password");
    if (includes(methods, cs::Methods::totp)) list.push_back("totp");
    if (includes(methods, cs::Methods::recovery_code)) list.push_back("recovery_code");
    return list;
}

bool knows_user(cs::Verdict verdict) {
    return verdict == cs::Verdict::accepted || verdict == cs::Verdict::code_required ||
           verdict == cs::Verdict::disabled;
}

Json to_json(const std::string& login, const cs::SignInResult& result) {
    return {{"login", login},
            {"verdict", cs::name(result.verdict)},
            {"user", knows_user(result.verdict) ? Json(cs::to_string(result.user)) : Json()},
            {"methods", methods_of(result.methods)},
            {"node", cs::to_string(result.node)},
            {"epoch", cs::value(result.epoch)},
            {"seq", cs::value(result.seq)},
            {"data_age_ms", span_json(result.data_age)},
            {"retry_after_ms", span_json(result.retry_after)},
            {"tries_left", result.tries_left ? Json(*result.tries_left) : Json()},
            {"challenge", result.challenge.empty() ? Json() : Json(result.challenge)}};
}

std::string to_text(const cs::SignInResult& result) {
    std::string text = cs::name(result.verdict);
    switch (result.verdict) {
        case cs::Verdict::accepted: {
            text += " with";
            for (const auto& method : methods_of(result.methods)) {
                text += " " + method.get<std::string>();
            }
            break;
        }
        case cs::Verdict::refused:
            text += ": login, password or code is wrong";
            if (result.tries_left) {
                text += "; " + std::to_string(*result.tries_left) + " tries left";
            }
            break;
        case cs::Verdict::code_required:
            text += ": the password is right; give --code too";
            break;
        case cs::Verdict::locked:
            text += ": too many failures; ";
            text += result.retry_after ? "try again in " + span_text(*result.retry_after) + ", or "
                                       : std::string();
            text += "'countersign lockout clear' unlocks";
            break;
        case cs::Verdict::disabled:
            text += ": 'countersign user enable' lets the user in again";
            break;
        case cs::Verdict::stale:
            text += ": this node's data is older than the pool allows; check its link";
            break;
        case cs::Verdict::not_held_here:
            text += ": this node holds no key of the user's realm; sign in at another";
            break;
    }
    return text;
}

Json to_json(const cs::LockoutStatus::Factor& factor) {
    return {{"locked", factor.locked},
            {"failures", factor.failures},
            {"retry_after_ms", span_json(factor.retry_after)},
            {"share", factor.share},
            {"share_used", factor.share_used}};
}

std::string to_text(const cs::LockoutStatus::Factor& factor) {
    std::string text = std::to_string(factor.failures) + " failures; this node's own " +
                       std::to_string(factor.share_used) + " of its share of " +
                       std::to_string(factor.share);
    if (factor.locked) {
        text += factor.retry_after ? "; locked for " + span_text(*factor.retry_after)
                                   : "; locked until it is cleared";
    }
    return text;
}

/// When both factors are locked, the later; none: only an unlock helps, or nothing is locked.
std::optional<cs::milliseconds> wait_of(const cs::LockoutStatus& status) {
    std::optional<cs::milliseconds> wait;
    for (const auto* factor : {&status.password, &status.codes}) {
        if (!factor->locked) continue;
        if (!factor->retry_after) return std::nullopt;
        wait = std::max(wait.value_or(cs::milliseconds{0}), *factor->retry_after);
    }
    return wait;
}

Exit show_lockout(Session& session,
                  const std::string& login,
                  const cs::LockoutStatus& status,
                  const std::vector<cs::NodeInfo>& members) {
    std::map<cs::NodeId, std::uint64_t> sums;
    for (const auto* factor : {&status.password, &status.codes}) {
        for (const auto& node : factor->nodes) sums[node.node] += node.failures;
    }
    auto nodes = Json::array();
    std::string text = printable(login) + "\n  password  " + to_text(status.password) +
                       "\n  codes     " + to_text(status.codes);
    for (const auto& [id, failures] : sums) {
        const auto member = std::ranges::find(members, id, &cs::NodeInfo::id);
        const std::string name = member == members.end() ? std::string() : member->name;
        nodes.push_back({{"name", name}, {"node", cs::to_string(id)}, {"failures", failures}});
        text += "\n  seen at " + (name.empty() ? "a node that was removed" : name) + ": " +
                std::to_string(failures);
    }
    session.output.show({{"login", login},
                         {"locked", status.password.locked || status.codes.locked},
                         {"failures", status.password.failures + status.codes.failures},
                         {"retry_after_ms", span_json(wait_of(status))},
                         {"nodes", std::move(nodes)},
                         {"password", to_json(status.password)},
                         {"codes", to_json(status.codes)}},
                        text);
    return Exit::done;
}

Outcome show_lockout_of(Session& session, cs::Store& store, const cs::User& user) {
    const auto status = store.lockout().show(user.id);
    if (!status) return status.error();
    const auto members = store.nodes().list();
    if (!members) return members.error();
    return show_lockout(session, user.login, *status, *members);
}

cs::Result<cs::SignIn> attempt_of(const Login& login, Session& session) {
    cs::SignIn attempt{.code = login.code, .source = login.source};
    if (login.challenge_stdin) {
        const auto challenge = session.input.line("challenge");
        if (!challenge) return challenge.error();
        attempt.challenge = challenge->text();
        return attempt;
    }
    auto password = login.password_stdin ? session.input.line("password")
                                         : session.input.hidden("The password", "--password-stdin");
    if (!password) return password.error();
    attempt.login = login.login;
    attempt.password = std::move(*password);
    return attempt;
}

}  // namespace

Outcome run(const Login& login, Session& session) {
    if (login.challenge_stdin && login.code.empty()) {
        return cs::Error(cs::errc::invalid_argument, "--challenge-stdin needs --code");
    }
    auto store = session.open(login.at);
    if (!store) return store.error();
    auto attempt = attempt_of(login, session);
    if (!attempt) return attempt.error();
    auto result = store->authenticate(std::move(*attempt));
    if (!result) return result.error();
    const bool can_ask = !session.output.json() && is_terminal(STDIN_FILENO);
    if (result->verdict == cs::Verdict::code_required && can_ask) {
        auto code = session.input.visible("The code", "--code");
        if (!code) return code.error();
        result = store->authenticate(
            {.code = *code, .challenge = result->challenge, .source = login.source});
        if (!result) return result.error();
    }
    session.output.show(to_json(login.login, *result), to_text(*result));
    return result->verdict == cs::Verdict::accepted ? Exit::done : Exit::refused;
}

Outcome run(const LockoutShow& show, Session& session) {
    auto store = session.open(show.at);
    if (!store) return store.error();
    const auto user = session.find(*store, show.login);
    if (!user) return user.error();
    return show_lockout_of(session, *store, *user);
}

Outcome run(const LockoutClear& clear, Session& session) {
    auto store = session.open(clear.at);
    if (!store) return store.error();
    const auto user = session.find(*store, clear.login);
    if (!user) return user.error();
    if (const auto done = store->lockout().clear(user->id); !done) return done.error();
    return show_lockout_of(session, *store, *user);
}

}  // namespace tool
