// The arguments of user, login, lockout and totp.
#include <map>

#include "command_line.h"

namespace tool {
namespace {

constexpr const char* user_fields =
    "{id, login, email, display_name, disabled, has_password, has_totp, authenticators: [{id,\n"
    "label, confirmed, created}], recovery_codes, realm, seq, created, modified,\n"
    "password_changed}";

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

}  // namespace

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

}  // namespace tool
