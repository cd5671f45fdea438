#!/usr/bin/env python3
"""The tool's user commands, import and export apart, and how it takes its arguments."""

import os
import pty
import sys
import time

import tool
from tool import FAILED, PASSWORD, PASSWORD_HASH, REFUSED, USAGE, ToolTest, run


class Users(ToolTest):
    def setUp(self):
        super().setUp()
        self.init()

    def test_add_and_show(self):
        made = self.add("Ann", PASSWORD, "--display-name", "Ann Ó Briain", "--email",
                        "ann@example.org")
        self.assertEqual(made["login"], "ann")
        self.assertEqual(made["display_name"], "Ann Ó Briain")
        self.assertEqual(made["email"], "ann@example.org")
        self.assertFalse(made["disabled"])
        self.assertFalse(made["has_totp"])
        self.assertTrue(made["has_password"])
        self.assertEqual(self.done("user", "show", self.dir, "ANN").object, made)
        self.assertEqual(self.done("user", "show", self.dir, made["id"]).object, made)
        self.assertIn("Ann Ó Briain", self.done("user", "show", self.dir, "ann", text=True).out)

    def test_add_refuses_what_cannot_be(self):
        self.add("ann")
        add = ("user", "add", self.dir)
        piped = {"stdin": PASSWORD + "\n"}
        self.fails("already_exists", *add, "ANN", "--password-stdin", **piped)
        self.fails("invalid_login", *add, "a b", "--password-stdin", **piped)
        self.fails("invalid_email", *add, "bob", "--password-stdin", "--email", "bob", **piped)
        self.fails("invalid_password", *add, "bob", "--password-stdin", stdin="short\n")
        self.fails("invalid_password", *add, "bob", "--password-stdin", stdin="\n")
        self.fails("password_blocked", *add, "bob", "--password-stdin", stdin="password1\n")
        self.fails("invalid_argument", *add, "bob", "--password-stdin", stdin="", status=USAGE)
        self.fails("invalid_hash", *add, "bob", "--password-hash-stdin", stdin="$argon2id$x\n")
        self.fails("not_held", *add, "bob", "--no-password", "--realm", 9, status=REFUSED)
        self.assertIn("--password-stdin", self.fails("invalid_argument", *add, "bob", status=USAGE))
        self.assertEqual(len(self.done("user", "list", self.dir).objects), 1)

    def test_add_without_a_password_and_with_a_hash(self):
        made = self.done("user", "add", self.dir, "ann", "--no-password").object
        self.assertFalse(made["has_password"])
        self.login("ann", status=REFUSED)
        hashed = self.done("user", "add", self.dir, "bob", "--password-hash-stdin",
                           stdin=PASSWORD_HASH + "\n").object
        self.assertTrue(hashed["has_password"])
        self.login("bob")

    def test_more_blocked_passwords(self):
        blocked = self.write("blocked", "Example Ltd 2026\n")
        self.fails("password_blocked", "user", "add", self.dir, "ann", "--password-stdin",
                   "--blocked-passwords", blocked, stdin="example ltd 2026\n")

    def test_list(self):
        self.add("ann", PASSWORD, "--email", "office@example.org")
        self.add("bob", PASSWORD, "--disabled", "--display-name", "Bob Example")
        names = lambda *more: [each["login"] for each in
                               self.done("user", "list", self.dir, *more).objects]
        self.assertEqual(names(), ["ann", "bob"])
        self.assertEqual(names("--limit", 1), ["ann"])
        self.assertEqual(names("--contains", "EXAMPLE"), ["ann", "bob"])
        self.assertEqual(names("--disabled"), ["bob"])
        self.assertEqual(names("--enabled"), ["ann"])
        self.assertEqual(names("--email", "office@example.org"), ["ann"])
        self.assertEqual(names("--email", "nobody@example.org"), [])
        self.assertIn("bob\tBob Example\t\tdisabled",
                      self.done("user", "list", self.dir, text=True).out)

    def test_set(self):
        self.add("ann", PASSWORD, "--email", "ann@example.org")
        changed = self.done("user", "set", self.dir, "ann", "--login", "anna", "--display-name",
                            "Anna").object
        self.assertEqual((changed["login"], changed["display_name"], changed["email"]),
                         ("anna", "Anna", "ann@example.org"))
        self.assertEqual(self.done("user", "set", self.dir, "anna", "--email", "").object["email"],
                         "")
        self.fails("not_found", "user", "show", self.dir, "ann")
        self.fails("invalid_argument", "user", "set", self.dir, "anna", status=USAGE)
        self.add("bob")
        self.fails("already_exists", "user", "set", self.dir, "bob", "--login", "anna")

    def test_passwd(self):
        self.add("ann")
        self.done("user", "passwd", self.dir, "ann", "--password-stdin", stdin="another horse\n")
        self.login("ann", status=REFUSED)
        self.login("ann", "another horse")
        self.done("user", "passwd", self.dir, "ann", "--own", "--password-stdin",
                  stdin=f"another horse\n{PASSWORD}\n")
        self.login("ann")
        self.fails("not_permitted", "user", "passwd", self.dir, "ann", "--own", "--password-stdin",
                   stdin="another horse\nyet another horse\n", status=REFUSED)
        self.login("ann")

    def test_disable_and_enable(self):
        self.add("ann")
        self.assertTrue(self.done("user", "disable", self.dir, "ann").object["disabled"])
        self.assertEqual(self.login("ann", status=REFUSED)["verdict"], "disabled")
        self.assertEqual(self.login("ann", "wrong", status=REFUSED)["verdict"], "refused")
        self.assertFalse(self.done("user", "enable", self.dir, "ann").object["disabled"])
        self.login("ann")

    def test_erase(self):
        made = self.add("ann")
        self.assertEqual(self.done("user", "erase", self.dir, "ann").object["id"], made["id"])
        self.fails("not_found", "user", "show", self.dir, "ann")
        self.fails("not_found", "user", "erase", self.dir, "ann")
        self.login("ann", status=REFUSED)
        self.assertEqual(self.done("status", self.dir).object["users"], 0)

    def test_commands_are_no_logins(self):
        """Names of commands are ordinary words where a login is wanted."""
        for login in ("show", "list", "login", "user"):
            self.add(login)
            self.assertEqual(self.done("user", "show", self.dir, login).object["login"], login)

    def test_text_of_others_cannot_draw_on_the_terminal(self):
        self.done("user", "add", self.dir, "ann", "--no-password", "--display-name",
                  "Ann \u202egro.elpmaxe")
        self.assertIn("Ann \\u{202e}gro", self.done("user", "show", self.dir, "ann", text=True).out)

    def test_a_password_is_typed_twice_without_an_echo(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(tool.PROGRAM, [tool.PROGRAM, "user", "add", self.dir, "ann"])
        seen = b""
        for prompt in (b"new password: ", b"once more: "):
            while not seen.endswith(prompt):
                seen += os.read(terminal, 1000)
            time.sleep(0.05)
            os.write(terminal, PASSWORD.encode() + b"\n")
        while True:
            try:
                more = os.read(terminal, 1000)
            except OSError:
                break
            if not more:
                break
            seen += more
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        self.assertNotIn(PASSWORD.encode(), seen)
        self.login("ann")


class Arguments(ToolTest):
    def test_help_and_version(self):
        for words in (["--help"], ["user", "--help"], ["user", "add", "--help"], ["login", "-h"]):
            self.assertIn("Exit status" if len(words) != 2 or words[0] == "login" else "Subcommands",
                          self.done(*words, text=True).out)
        self.assertRegex(self.done("--version", text=True).out, r"^countersign \d+\.\d+\.\d+")

    def test_wrong_usage(self):
        for words in ([], ["fly"], ["user"], ["user", "fly", self.dir], ["user", "show"],
                      ["user", "show", self.dir], ["user", "show", self.dir, "ann", "bob"],
                      ["status", self.dir, "--fly"], ["init", self.dir],
                      ["init", self.dir, "--name", "hq", "--hash-memory", "much"],
                      ["user", "add", self.dir, "ann", "--no-password", "--password-stdin"],
                      ["user", "add", self.dir, "ann", "--password", "secret"],
                      ["status", self.dir, "--key-file", "k", "--passphrase"]):
            self.fails("wrong_usage", *words, status=USAGE)
            self.assertEqual(run(*words, text=True).err.count("\n"), 1)
        self.assertFalse(os.path.exists(self.dir))

    def test_json_may_stand_anywhere(self):
        self.init()
        for words in (["--json", "status", self.dir], ["status", "--json", self.dir],
                      ["nodes", "--json", "list", self.dir]):
            self.assertEqual(run(*words, text=True).object["name"], "hq")

    def test_an_output_that_cannot_be_written_is_an_error(self):
        self.init()
        with open("/dev/full", "w", encoding="ascii") as full:
            import subprocess
            ended = subprocess.run([tool.PROGRAM, "status", self.dir], stdout=full,
                                   stderr=subprocess.PIPE, check=False)
        self.assertEqual(ended.returncode, FAILED)

    def test_a_directory_that_cannot_be_written(self):
        if os.geteuid() == 0:
            self.skipTest("root may write everywhere")
        self.init()
        os.chmod(self.dir, 0o500)
        self.addCleanup(os.chmod, self.dir, 0o700)
        self.fails("read_only", "user", "add", self.dir, "ann", "--no-password")


if __name__ == "__main__":
    sys.exit(tool.main())
