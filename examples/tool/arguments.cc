#include "arguments.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>

#include "command_line.h"

namespace tool {

const char* const exit_statuses =
    "Exit status: 0 done or accepted; 1 refused (wrong credentials, locked, disabled, code "
    "required,\n"
    "stale, not held here); 2 wrong usage; 3 anything else. With --json every command prints one\n"
    "object, lists one per line, and errors as {error, message} on standard error.";

namespace {

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

}  // namespace

void Commands::add_key(CLI::App& app, const std::string& of, KeyChoice& key, const char* about) {
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

CLI::App& add_group(CLI::App& parent, const char* name, const char* about) {
    auto* group = parent.add_subcommand(name, about);
    group->require_subcommand(1);
    return *group;
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

namespace {

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
        "restored, damage, key, key_beside_data, root_key_here}");
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

void add_invite(CLI::App& app, Commands& commands) {
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
}

void add_links(CLI::App& app, Commands& commands) {
    auto [join, joiner] = commands.add<Join>(
        app,
        "join",
        "Make this machine a node of the pool: admission, copy and proof. After a failure it may "
        "be\n"
        "run again with the same invitation. The key goes to DIR.key unless told otherwise.",
        "{pool, node, name, primary, directory, key_file, epoch, seq, digest, users}");
    join.add_option("INVITATION", joiner.invitation, "What 'invite' printed; '-': standard input")
        ->required();
    join.add_option("--address",
                    joiner.addresses,
                    "HOST:PORT by which other nodes reach this one; may be repeated")
        ->allow_extra_args(false);
    add_span(
        join,
        "--deadline",
        [&span = joiner.deadline](cs::milliseconds given) { span = given; },
        "How long it tries; 30m");

    auto [serve, server] = commands.add<Serve>(
        app,
        "serve",
        "Keep the links of this directory: listen, dial, follow and feed, until SIGINT or SIGTERM.",
        "{event: serving, time, name, node, role, listen, port}, then a line for each\n"
        "event: {event, time, ...}; last {event: stopped, time}");
    serve
        .add_option("--listen",
                    server.listen,
                    "HOST:PORT; may be repeated; :PORT for every address; port 0 for a free one")
        ->allow_extra_args(false);
    add_span(
        serve,
        "--backoff-cap",
        [&span = server.backoff_cap](cs::milliseconds given) { span = given; },
        "Longest wait before a node is dialled again; 30s");
}

void add_nodes(CLI::App& app, Commands& commands) {
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
    add_invite(app, commands);
    add_links(app, commands);
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
