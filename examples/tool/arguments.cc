#include "arguments.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <string_view>

#include "commands.h"

namespace tool {
namespace {

using Action = std::function<Outcome(Session&)>;

constexpr const char* exit_statuses =
    "Exit status: 0 done or accepted; 1 refused (wrong credentials, locked, disabled, code "
    "required,\n"
    "stale, not held here); 2 wrong usage; 3 anything else. With --json every command prints one\n"
    "object, lists one per line, and errors as {error, message} on standard error.";

/// A span of time as people write it: 30s, 15m, 24h, 7d, 500ms.
cs::milliseconds to_span(const std::string& text) {
    std::int64_t number = 0;
    const auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
    const std::pair<std::string_view, std::int64_t> units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
    const auto* found =
        std::ranges::find(units, unit, &std::pair<std::string_view, std::int64_t>::first);
    constexpr std::int64_t most = 1'000'000'000;
    if (failure != std::errc() || found == std::end(units) || number < 0 || number > most) {
        throw CLI::ValidationError(text, "a span of time is written 30s, 15m, 24h or 7d");
    }
    return cs::milliseconds{number * found->second};
}

CLI::Option* add_span(CLI::App& app,
                      const char* name,
                      std::function<void(cs::milliseconds)> take,
                      const char* about) {
    return app
        .add_option_function<std::string>(
            name, [take](const std::string& text) { take(to_span(text)); }, about)
        ->type_name("SPAN");
}

cs::Capability to_capability(const std::string& text) {
    static const std::map<std::string, cs::Capability> names{
        {"none", cs::Capability::none},
        {"serve", cs::Capability::serve},
        {"stand", cs::Capability::stand},
        {"propose", cs::Capability::propose},
        {"administer", cs::Capability::administer},
        {"tokens", cs::Capability::tokens},
        {"all", cs::Capability::all}};
    const auto found = names.find(text);
    if (found != names.end()) return found->second;
    throw CLI::ValidationError(
        text, "--may knows serve, stand, propose, administer, tokens, all and none");
}

/// Adds commands, each of which sets the action when it is the one that was given.
class Commands {
  public:
    explicit Commands(Action& chosen) : chosen_(&chosen) {}

    template <class Command>
    struct Added {
        CLI::App& app;
        Command& command;
    };

    /// A command on a directory. `fields` are those of its JSON object.
    template <class Command>
    Added<Command> add(CLI::App& parent,
                       const char* name,
                       const char* about,
                       const std::string& fields) {
        auto command = std::make_shared<Command>();
        auto* app = parent.add_subcommand(name, about);
        app->footer((fields.empty() ? "" : "--json: " + fields + "\n") + exit_statuses);
        app->callback([chosen = chosen_, command] {
            *chosen = [command](Session& session) { return run(*command, session); };
        });
        app->add_option("DIR", command->at.directory, "The directory of the store")->required();
        add_key(*app, "", command->at.key, "The key: this file, instead of DIR.key");
        return {*app, *command};
    }

    /// --key-file, --passphrase and --passphrase-stdin, or, with `of`, those of another key.
    static void add_key(CLI::App& app, const std::string& of, KeyChoice& key, const char* about) {
        const auto group = of.empty() ? "Key" : of == "root-" ? "Root key" : "New key";
        auto* file = app.add_option("--" + of + "key-file", key.file, about)->type_name("FILE");
        auto* typed = app.add_flag(
            "--" + of + "passphrase", key.passphrase, "A passphrase, asked for at the terminal");
        auto* piped = app.add_flag("--" + of + "passphrase-stdin",
                                   key.passphrase_stdin,
                                   "A passphrase, the next line of standard input");
        for (auto* option : {file, typed, piped}) option->group(group);
        file->excludes(typed)->excludes(piped);
        typed->excludes(piped);
    }

    template <class Command>
    Added<Command> add_on_user(CLI::App& parent,
                               const char* name,
                               const char* about,
                               const std::string& fields) {
        const auto added = add<Command>(parent, name, about, fields);
        added.app.add_option("LOGIN", added.command.login, "The user's login, or id")->required();
        return added;
    }

  private:
    Action* chosen_;
};

CLI::App& add_group(CLI::App& parent, const char* name, const char* about) {
    auto* group = parent.add_subcommand(name, about);
    group->require_subcommand(1);
    return *group;
}

constexpr const char* user_fields =
    "{id, login, email, display_name, disabled, has_password, has_totp, authenticators: [{id,\n"
    "label, confirmed, created}], recovery_codes, realm, seq, created, modified,\n"
    "password_changed}";

void add_init(CLI::App& app, Commands& commands) {
    auto [init, it] = commands.add<Init>(
        app,
        "init",
        "Make a pool and its first node, the primary, in a new directory. The key goes to DIR.key\n"
        "and the pool's root key to DIR.root, both mode 0600, unless told otherwise.",
        "{pool, node, name, directory, key_file, key_beside_data, root_file}");
    init.add_option("--name", it.name, "Of this node: letters, digits, '-', '_', '.'")->required();
    init.add_option("--root", it.root_file, "Where the pool's root key goes; DIR.root")
        ->type_name("FILE");
    Commands::add_key(init, "root-", it.root_key, "What wraps the root key; the node's own key");
    auto& pool = it.pool;
    init.add_option("--issuer", pool.issuer, "What authenticator apps show")->group("Pool");
    init.add_flag("--unique-email", pool.unique_email, "One user to an e-mail address")
        ->group("Pool");
    init.add_option("--password-minimum", pool.password_minimum, "Characters, 8 to 64; 8")
        ->group("Pool");
    init.add_option("--password-maximum", pool.password_maximum, "Characters, 64 to 256; 128")
        ->group("Pool");
    init.add_option("--hash-memory", pool.hash_memory_kib, "KiB of Argon2id; 19456")->group("Pool");
    init.add_option("--hash-passes", pool.hash_passes, "Passes of Argon2id; 2")->group("Pool");
    init.add_option("--guess-budget",
                    pool.guess_budget,
                    "Wrong guesses between two successes over the whole pool; 100")
        ->group("Pool");
    // One set of figures for both factors.
    const auto both = [&pool](auto&& change) {
        change(pool.password_throttle);
        change(pool.code_throttle);
    };
    init.add_option_function<std::uint32_t>(
            "--max-failures",
            [both](std::uint32_t most) {
                both([&](cs::ThrottleOptions& each) { each.max_failures = most; });
            },
            "Failures that lock, of passwords and of codes; 10")
        ->group("Pool");
    add_span(
        init,
        "--lock-for",
        [both](cs::milliseconds span) {
            both([&](cs::ThrottleOptions& each) { each.lock_for = span; });
        },
        "For how long, doubled by each further failure; 30s")
        ->group("Pool");
    add_span(
        init,
        "--lock-cap",
        [both](cs::milliseconds span) {
            both([&](cs::ThrottleOptions& each) { each.lock_cap = span; });
        },
        "And at most; 1h")
        ->group("Pool");
}

void add_pool(CLI::App& app, Commands& commands) {
    add_init(app, commands);
    commands.add<ShowStatus>(
        app,
        "status",
        "Who and where this node is, how its links stand, and where its keys lie.",
        "{pool, node, name, role: primary|replica, stage, root_term, epoch, seq, digest, users,\n"
        "primary, primary_node, data_age_ms, served, links: [{name, node, state, acked_seq}],\n"
        "restored, key, key_beside_data, root_key_here}");
    auto& keys = add_group(app, "keys", "The keys of this node");
    auto [rewrap, change] = commands.add<KeysRewrap>(
        keys,
        "rewrap",
        "Wrap this node's master key anew. Without a new key named: with a new one in the place "
        "of\n"
        "the key file. A root key beside the directory that the old key opens moves with it.",
        "{key_file}");
    Commands::add_key(rewrap, "new-", change.new_key, "The new key: this file, made if need be");
    rewrap.add_option("--root", change.root_file, "The root key's file; DIR.root")
        ->type_name("FILE");
}

void add_user_changes(CLI::App& group, Commands& commands) {
    auto [add, it] = commands.add_on_user<UserAdd>(
        group, "add", "Make a user. The password is asked for at the terminal.", user_fields);
    add.add_option("--display-name", it.display_name, "At most 512 bytes");
    add.add_option("--email", it.email, "At most 254 bytes");
    add.add_flag("--disabled", it.disabled, "Not let in until 'user enable'");
    add.add_option("--realm", it.realm, "Whose data key seals the user; 1");
    auto* none = add.add_flag("--no-password", it.no_password, "Set one later");
    auto* piped = add.add_flag("--password-stdin", it.password_stdin, "A line of standard input");
    auto* hash = add.add_flag(
        "--password-hash-stdin", it.password_hash_stdin, "A PHC string, a line of standard input");
    none->excludes(piped)->excludes(hash);
    piped->excludes(hash);
    add.add_option("--blocked-passwords", it.blocked_passwords, "More of them, one a line")
        ->type_name("FILE");

    auto [set, change] = commands.add_on_user<UserSet>(
        group, "set", "Change a user's login or attributes; what is not given stays.", user_fields);
    set.add_option("--login", change.new_login, "The new login");
    set.add_option("--display-name", change.display_name, "The new name");
    set.add_option("--email", change.email, "The new address; '' for none");

    auto [passwd, password] = commands.add_on_user<UserPassword>(
        group,
        "passwd",
        "Set a user's password. What was counted against the old one is void.",
        user_fields);
    passwd.add_flag(
        "--own", password.own, "As the owner does: the current password is asked for first");
    passwd.add_flag("--password-stdin",
                    password.password_stdin,
                    "Lines of standard input (the current one first, with --own)");
    passwd
        .add_option("--blocked-passwords", password.blocked_passwords, "More of them, one a line")
        ->type_name("FILE");
    commands.add_on_user<UserDisable>(group, "disable", "Let a user in no more.", user_fields);
    commands.add_on_user<UserEnable>(group, "enable", "Let a user in again.", user_fields);
    auto [erase, gone] = commands.add_on_user<UserErase>(
        group, "erase", "Remove a user at all nodes, for good.", "{id, login, seq}");
    erase.add_flag("--yes", gone.yes, "Do not ask");
}

void add_users(CLI::App& app, Commands& commands) {
    auto& group = add_group(app, "user", "The users of the pool");
    add_user_changes(group, commands);
    commands.add_on_user<UserShow>(group, "show", "Show a user.", user_fields);
    auto [list, query] = commands.add<UserList>(
        group, "list", "List users in the order in which they were made.", user_fields);
    list.add_option("--contains", query.contains, "In login, display name or e-mail");
    list.add_option("--email", query.email, "With exactly this address");
    auto* disabled = list.add_flag("--disabled", query.disabled, "Only those");
    list.add_flag("--enabled", query.enabled, "Only those")->excludes(disabled);
    list.add_option("--limit", query.limit, "At most so many; 0: all");

    auto [import, file] = commands.add<UserImport>(
        group,
        "import",
        "Import users from CSV with a header or JSON Lines: login, display_name, email, password "
        "or\n"
        "password_hash (an argon2id PHC string), totp_uri, disabled. Rows that cannot be imported\n"
        "go to a report with line number and reason, the others are imported. Users that are "
        "there\n"
        "already are counted and left as they are, so it may be run again.",
        "{imported, rejected, existing, report, ignored_columns}");
    import.add_option("FILE", file.file, "The file; '-' for standard input")->required();
    const auto formats = CLI::IsMember({"csv", "jsonl"});
    import.add_option("--format", file.format, "csv or jsonl; by name or content")->check(formats);
    import.add_option("--report", file.report, "FILE.rejected.csv")->type_name("FILE");
    import.add_option("--realm", file.realm, "Whose data key seals the users; 1");
    import.add_option("--threads", file.threads, "That hash passwords; one a core")
        ->check(CLI::Range(1, 256));
    import.add_flag("--strict", file.strict, "Exit status 3 when a row was rejected");
    import.add_option("--blocked-passwords", file.blocked_passwords, "More of them, one a line")
        ->type_name("FILE");

    auto [whole, out] = commands.add<UserExport>(
        group,
        "export",
        "Write all users' attributes as CSV, with --json as JSON Lines. No "
        "secrets.",
        "{id, login, display_name, email, disabled, has_password, has_totp, realm, created,\n"
        "modified}, or {exported, file} with --output");
    whole.add_option("--format", out.format, "csv or jsonl")->check(formats);
    whole.add_option("--output", out.file, "Mode 0600; standard output")->type_name("FILE");
}

void add_sign_in(CLI::App& app, Commands& commands) {
    auto [login, attempt] = commands.add_on_user<Login>(
        app,
        "login",
        "Decide one attempt to sign in, as an application would; it counts like any other.",
        "{login, verdict: accepted|refused|code_required|locked|disabled|stale|not_held_here,\n"
        "user, methods, node, epoch, seq, data_age_ms, retry_after_ms, tries_left, challenge}");
    login.add_option("--code", attempt.code, "A TOTP or recovery code");
    login.add_option("--source", attempt.source, "Where the attempt comes from");
    auto* piped =
        login.add_flag("--password-stdin", attempt.password_stdin, "A line of standard input");
    login
        .add_flag("--challenge-stdin",
                  attempt.challenge_stdin,
                  "Instead of a password: what code_required gave, a line of standard input")
        ->excludes(piped);

    auto& lockout = add_group(app, "lockout", "Failed attempts to sign in");
    const char* fields =
        "{login, locked, failures, retry_after_ms, nodes: [{name, node, failures}], password:\n"
        "{locked, failures, retry_after_ms, share, share_used}, codes: {the same}}";
    commands.add_on_user<LockoutShow>(
        lockout,
        "show",
        "What counts against a user. The time of a lock runs in the process that "
        "serves: in this one it begins anew.",
        fields);
    commands.add_on_user<LockoutClear>(lockout, "clear", "Unlock a user.", fields);

    auto& totp = add_group(app, "totp", "Authenticators and recovery codes");
    auto [enrol, made] = commands.add_on_user<TotpEnrol>(
        totp,
        "enrol",
        "Make an authenticator and draw its QR code; it counts once 'totp confirm' saw a code.",
        "{id, login, uri}");
    static const std::map<std::string, cs::TotpHash> hashes{{"sha1", cs::TotpHash::sha1},
                                                            {"sha256", cs::TotpHash::sha256},
                                                            {"sha512", cs::TotpHash::sha512}};
    enrol.add_option("--label", made.options.label, "Tells a user's authenticators apart");
    enrol
        .add_option("--hash", made.options.hash, "sha1, sha256 or sha512; many apps know sha1 only")
        ->transform(CLI::CheckedTransformer(hashes))
        ->option_text("NAME");
    enrol.add_option("--digits", made.options.digits, "6 to 8; 6");
    enrol.add_option("--period", made.options.period, "Seconds, 15 to 120; 30");
    enrol.add_flag("--no-qr", made.no_qr, "The URI alone");
    auto [confirm, first] =
        commands.add_on_user<TotpConfirm>(totp,
                                          "confirm",
                                          "Make an authenticator count, by its first code.",
                                          "{id, login, confirmed, seq}");
    auto* positional = confirm.add_option("CODE", first.code, "What it shows");
    confirm.add_option("--code", first.code, "The same")->excludes(positional);
    confirm.add_option("--id", first.id, "Which, where several wait: id or label");
    auto [remove, gone] = commands.add_on_user<TotpRemove>(
        totp, "remove", "Take an authenticator from a user.", "{login, removed: [id]}");
    auto* id = remove.add_option("--id", gone.id, "Which, where there are several: id or label");
    remove.add_flag("--all", gone.all, "All of them")->excludes(id);
    commands.add_on_user<TotpRecovery>(
        totp, "recovery", "Make ten new recovery codes; older ones are void.", "{login, codes}");
}

void add_nodes(CLI::App& app, Commands& commands) {
    auto [invite, it] = commands.add<MakeInvitation>(
        app,
        "invite",
        "Let a new node join, once. Opens the pool's root key for as long as that takes.",
        "{invitation, name, expires_in_ms}");
    invite.add_option("--name", it.name, "Of the new node")->required();
    invite.add_option("--address", it.addresses, "HOST:PORT of this node; may be repeated")
        ->required()
        ->allow_extra_args(false);
    invite
        .add_option_function<std::vector<std::string>>(
            "--may",
            [&may = it.may](const std::vector<std::string>& names) {
                may = cs::Capability::none;
                for (const auto& name : names) may = may | to_capability(name);
            },
            "serve, stand, propose, administer, tokens, all or none, by commas; propose")
        ->delimiter(',')
        ->allow_extra_args(false);
    invite.add_option("--realm", it.realms, "Whose data keys it gets, by commas; 1")
        ->delimiter(',')
        ->allow_extra_args(false);
    add_span(
        invite,
        "--expires",
        [&span = it.expires_in](cs::milliseconds given) { span = given; },
        "As 30m, 24h or 7d; 24h");
    invite.add_option("--root", it.root_file, "The pool's root key; DIR.root")->type_name("FILE");
    Commands::add_key(invite, "root-", it.root_key, "What wraps the root key; the node's own key");

    auto& nodes = add_group(app, "nodes", "The nodes of the pool");
    commands.add<NodesList>(nodes,
                            "list",
                            "List the nodes.",
                            "{id, name, primary, self, may, realms, addresses, joined}");
    auto [remove, gone] =
        commands.add<NodesRemove>(nodes, "remove", "Shut a node out.", "{id, name, seq}");
    remove.add_option("NODE", gone.node, "Its name or id")->required();
    remove.add_flag("--yes", gone.yes, "Do not ask");
    commands.add<NodesConfirm>(
        nodes,
        "confirm",
        "Say that no other node holds later batches of this copied or restored primary.",
        "{confirmed}");
}

void add_log(CLI::App& app, Commands& commands) {
    auto& log = add_group(app, "log", "The signed log");
    auto [show, range] =
        commands.add<LogShow>(log,
                              "show",
                              "List batches of the log, the newest unless --from.",
                              "{seq, root_term, epoch, node, time, bytes, changes, hash}");
    show.add_option("--from", range.from, "The first seq");
    show.add_option("--limit", range.limit, "At most so many; 20");
    commands.add<LogVerify>(log,
                            "verify",
                            "Recompute chain, signatures and digest from scratch.",
                            "{ok, batches, records, seq, digest}");
    commands.add<LogCompact>(log,
                             "compact",
                             "Let go of batches that every node has, and of what was erased.",
                             "{batches_erased, batches_kept}");
}

/// Why the arguments make no sense, and where to read on.
std::string complaint_of(const CLI::App& app, const CLI::ParseError& error) {
    std::string path = app.get_name();
    const auto* command = &app;
    while (!command->get_subcommands().empty()) {
        command = command->get_subcommands().front();
        path += " " + command->get_name();
    }
    const auto rest = app.remaining(true);
    const bool group = command->get_require_subcommand_min() != 0;
    std::string text = error.what();
    if (group) text = rest.empty() ? "a command is missing" : "there is no command " + rest.front();
    return printable(text) + "; see " + path + " --help";
}

}  // namespace

Parsed parse(int count, char** words) {
    Parsed parsed;
    CLI::App app("Local user stores that many sites keep in agreement.", "countersign");
    app.set_version_flag("--version", "countersign " COUNTERSIGN_VERSION);
    app.add_flag("--json", parsed.json, "One JSON object (lists: one a line)");
    app.require_subcommand(1);
    app.fallthrough();
    app.footer(exit_statuses);
    Commands commands(parsed.action);
    add_pool(app, commands);
    add_nodes(app, commands);
    add_users(app, commands);
    add_sign_in(app, commands);
    add_log(app, commands);
    try {
        app.parse(count, words);
    } catch (const CLI::ParseError& stopped) {
        parsed.action = {};
        if (stopped.get_exit_code() == 0) {
            app.exit(stopped);
            return parsed;
        }
        for (int i = 1; i < count; ++i) {
            if (std::string_view(words[i]) == "--json") parsed.json = true;
        }
        parsed.complaint = complaint_of(app, stopped);
    }
    return parsed;
}

}  // namespace tool
