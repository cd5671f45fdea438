#!/usr/bin/env python3
"""The tool's user import and export."""

import csv
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import unittest

import tool
from tool import FAILED, PASSWORD, PASSWORD_HASH, REFUSED, USAGE, ToolTest

TOTP = ("otpauth://totp/Example:ann?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example")
HEADER = "login,display_name,email,password,password_hash,totp_uri\n"


class Import(ToolTest):
    def setUp(self):
        super().setUp()
        self.init()

    def rejected(self, name="staff.csv.rejected.csv"):
        return [(int(row["line"]), row["error"])
                for row in csv.DictReader(self.read(name).splitlines())]

    def bring(self, text, *more, name="staff.csv"):
        return self.done("user", "import", self.dir, self.write(name, text), *more).object

    def show(self, login):
        return self.done("user", "show", self.dir, login).object

    def test_csv(self):
        counts = self.bring(HEADER +
                            f'Ann,"Ann ""Annie"" Ó Briain, PhD",ann@example.org,{PASSWORD},,\n'
                            f"bob,Bob,,,\"{PASSWORD_HASH}\",\n"
                            f"cyd,Cyd,,{PASSWORD},,{TOTP}\n")
        self.assertEqual((counts["imported"], counts["rejected"], counts["existing"]), (3, 0, 0))
        self.assertEqual(self.rejected(), [])
        self.assertEqual(self.show("ann")["display_name"], 'Ann "Annie" Ó Briain, PhD')
        self.login("ann")
        self.login("bob")
        self.assertTrue(self.show("cyd")["has_totp"])
        self.assertEqual(self.login("cyd", status=REFUSED)["verdict"], "code_required")

    def test_spreadsheets_write_csv_in_their_own_ways(self):
        self.bring("\ufeffemail;login;display_name\r\na@example.org;ann;\"Ann\r\nB. \"\"C\"\"\"\r\n"
                   "\r\n;bob;\r\n")
        self.assertEqual(self.rejected(), [(2, "invalid_argument")])  # a name has no line break
        self.assertEqual(self.show("bob")["email"], "")
        self.bring("login\tdisabled\nann\ttrue\nbea\tNo")
        self.assertTrue(self.show("ann")["disabled"])
        self.assertFalse(self.show("bea")["disabled"])

    def test_json_lines(self):
        rows = [{"login": "ann", "display_name": "安娜", "password": PASSWORD, "email": None},
                {"login": "bob", "password_hash": PASSWORD_HASH, "disabled": True}]
        counts = self.bring("".join(json.dumps(row) + "\n" for row in rows) + "\n",
                            name="staff.jsonl")
        self.assertEqual(counts["imported"], 2)
        self.assertEqual(self.show("ann")["display_name"], "安娜")
        self.assertEqual(self.login("bob", status=REFUSED)["verdict"], "disabled")

    @unittest.skipUnless(shutil.which("argon2"), "no argon2 here")
    def test_hashes_of_the_argon2_command(self):
        text = "login,password_hash\n"
        costs = [(6, 1, 1), (8, 3, 2), (12, 2, 4), (14, 1, 1)]
        for n, (memory, passes, lanes) in enumerate(costs):
            made = subprocess.run(
                ["argon2", f"salt of {n} users", "-id", "-e", "-m", str(memory), "-t", str(passes),
                 "-p", str(lanes)], input=PASSWORD, capture_output=True, text=True, check=True)
            text += f'user{n},"{made.stdout.strip()}"\n'
        self.assertEqual(self.bring(text)["imported"], len(costs))
        for n in range(len(costs)):
            self.login(f"user{n}")
            self.login(f"user{n}", PASSWORD + "x", status=REFUSED)

    def test_bad_rows_are_told_by_line_and_the_rest_is_imported(self):
        rows = [
            f"ann,Ann,,{PASSWORD},,",                       # 2
            f"b b,Blank,,{PASSWORD},,",                     # 3
            "cyd,Cyd,,short,,",                             # 4
            "dan,Dan,,password1,,",                         # 5
            f"eve,Eve,no address,{PASSWORD},,",             # 6
            "fay,Fay,,,$argon2id$v=19$m=999999999$x$y,",    # 7
            f"gus,Gus,,{PASSWORD},,https://example.org",    # 8
            f"ANN,Other Ann,,{PASSWORD},,",                 # 9
            "hal,too,few",                                  # 10
            f"ida,\"Ida\" x,,{PASSWORD},,",                 # 11
            f"joe,Joe,,{PASSWORD},{PASSWORD_HASH.replace(',', ' ')},",  # 12
            f"kim,Kim,,{PASSWORD},,",                       # 13
            f"leo,\"never closed,,{PASSWORD},,",            # 14
            f"max,Max,,{PASSWORD},,",                       # 15
            ",,,,,",                                        # 16
        ]
        counts = self.bring(HEADER + "\n".join(rows) + "\n")
        self.assertEqual(counts["imported"], 3)
        self.assertEqual(counts["rejected"], 12)
        self.assertEqual(counts["report"], self.path("staff.csv.rejected.csv"))
        errors = dict(self.rejected())
        self.assertEqual(len(errors), 12)
        self.assertEqual([errors.get(line) for line in range(2, 17)],
                         [None, "invalid_login", "invalid_password", "password_blocked",
                          "invalid_email", "invalid_hash", "invalid_totp", "already_exists",
                          "malformed", "malformed", "invalid_argument", None, "malformed", None,
                          "invalid_login"])
        self.assertEqual({each["login"] for each in self.done("user", "list", self.dir).objects},
                         {"ann", "kim", "max"})
        report = self.read("staff.csv.rejected.csv")
        self.assertIn("line 2 has the same login", report)
        self.assertNotIn(PASSWORD, report)
        self.expect(FAILED, "user", "import", self.dir, self.path("staff.csv"), "--strict")

    def test_bad_json_lines(self):
        lines = ['{"login": "ann"}', "[1]", "{", '{"login": 7}', '{"login": "bob", "age": 5}',
                 '{"login": "cyd", "disabled": "perhaps"}', '{"login": "' + "x" * 70_000 + '"}',
                 '{"login": "dan"}']
        counts = self.bring("\n".join(lines), name="staff.jsonl")
        self.assertEqual((counts["imported"], counts["ignored_columns"]), (3, ["age"]))
        self.assertEqual(self.rejected("staff.jsonl.rejected.csv"),
                         [(2, "malformed"), (3, "malformed"), (4, "malformed"), (6, "malformed"),
                          (7, "too_large")])

    def test_bytes_that_are_no_utf8(self):
        with open(self.path("staff.csv"), "wb") as file:
            file.write(b"login,display_name\nann,\xff\xfe\nb\xe9a,Bea\ncyd,Cyd\n")
        self.done("user", "import", self.dir, self.path("staff.csv"))
        self.assertEqual(self.rejected(), [(2, "invalid_argument"), (3, "invalid_login")])

    def test_columns_that_mean_nothing_are_named(self):
        counts = self.bring("login,department\nann,Sales\n")
        self.assertEqual(counts["ignored_columns"], ["department"])

    def test_files_that_cannot_be_imported(self):
        bad = lambda text: ("user", "import", self.dir, self.write("staff.csv", text))
        self.fails("malformed", *bad(""))
        self.assertIn("login", self.fails("malformed", *bad("name,password\nann,x\n")))
        self.fails("malformed", *bad("login,login\nann,ann\n"))
        self.fails("not_found", "user", "import", self.dir, self.path("none.csv"))
        self.fails("not_found", "user", "import", self.dir, self.place)
        self.fails("read_only", *bad("login\nann\n"), "--report", self.path("no/such"))
        self.fails("invalid_argument", *bad("login\nann\n"), "--report", self.path("staff.csv"),
                   status=USAGE)
        self.assertEqual(self.read("staff.csv"), "login\nann\n")
        self.assertEqual(self.done("user", "list", self.dir).objects, [])

    def test_a_thousand_rows_and_the_same_again(self):
        text = "login,display_name,password\n" + "".join(
            f"user{n},User {n},{PASSWORD} {n}\n" for n in range(1000))
        counts = self.bring(text)
        self.assertEqual((counts["imported"], counts["rejected"]), (1000, 0))
        status = self.done("status", self.dir).object
        self.assertEqual(status["users"], 1000)
        self.assertLess(status["seq"], 25)  # large batches
        again = self.bring(text)
        self.assertEqual((again["imported"], again["rejected"], again["existing"]), (0, 0, 1000))
        self.assertEqual(self.done("status", self.dir).object["seq"], status["seq"])
        self.login("user999", PASSWORD + " 999")
        self.assertTrue(self.done("log", "verify", self.dir).object["ok"])

    def test_from_standard_input_after_a_passphrase(self):
        self.done("keys", "rewrap", self.dir, "--new-passphrase-stdin", stdin="sesame\n")
        counts = self.done("user", "import", self.dir, "-", "--passphrase-stdin", "--report",
                           self.path("report"), stdin='sesame\n{"login": "ann"}\n').object
        self.assertEqual(counts["imported"], 1)

    def test_a_bar_grows_on_a_terminal(self):
        self.write("staff.csv", "login,password\n" + "".join(
            f"user{n},{PASSWORD} {n}\n" for n in range(500)))
        terminal, end = pty.openpty()
        with subprocess.Popen([tool.PROGRAM, "user", "import", self.dir, self.path("staff.csv")],
                              stdout=subprocess.PIPE, stderr=end, text=True) as program:
            out, _ = program.communicate()
        drawn = b""
        while select.select([terminal], [], [], 0)[0]:
            drawn += os.read(terminal, 10_000)
        os.close(end)
        os.close(terminal)
        self.assertIn("500 imported", out)
        self.assertIn("importing", drawn.decode())
        self.assertIn("rows", drawn.decode())


class Export(ToolTest):
    def setUp(self):
        super().setUp()
        self.init()
        self.add("ann", PASSWORD, "--display-name", 'Ann "A", B', "--email", "ann@example.org")
        self.add("bob", PASSWORD, "--disabled")

    def test_csv_that_can_be_imported_again(self):
        out = self.done("user", "export", self.dir, text=True).out
        rows = list(csv.DictReader(out.splitlines()))
        self.assertEqual([row["login"] for row in rows], ["ann", "bob"])
        self.assertEqual(rows[0]["display_name"], 'Ann "A", B')
        self.assertEqual(rows[1]["disabled"], "true")
        self.assertNotIn("argon2", out)
        other = self.path("other")
        self.done("init", other, "--name", "hq", *self.CHEAP)
        self.done("user", "import", other, self.write("all.csv", out))
        self.assertTrue(self.done("user", "show", other, "bob").object["disabled"])

    def test_json_lines(self):
        rows = self.done("user", "export", self.dir).objects
        self.assertEqual([row["login"] for row in rows], ["ann", "bob"])
        self.assertFalse(rows[0]["has_totp"])
        self.assertEqual([json.loads(line) for line in
                          self.done("user", "export", self.dir, "--format", "jsonl",
                                    text=True).out.splitlines()], rows)

    def test_to_a_file(self):
        answer = self.done("user", "export", self.dir, "--output", self.path("all.csv")).object
        self.assertEqual(answer["exported"], 2)
        self.assertEqual(os.stat(self.path("all.csv")).st_mode & 0o777, 0o600)
        self.fails("read_only", "user", "export", self.dir, "--output", self.path("no/such"))


if __name__ == "__main__":
    sys.exit(tool.main())
