#!/usr/bin/env python3
"""The tool's login, lockout and totp; codes are made by oathtool."""

import shutil
import subprocess
import sys
import time
import unittest
import urllib.parse

import tool
from tool import PASSWORD, REFUSED, USAGE, ToolTest

FIELDS = {"verdict", "methods", "node", "epoch", "seq", "data_age_ms", "retry_after_ms"}


def code_of(uri, steps=0):
    """What an authenticator with this URI shows, `steps` periods from now."""
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(uri).query))
    period = int(query.get("period", 30))
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + steps * period))
    words = ["oathtool", "--base32", f"--totp={query.get('algorithm', 'SHA1').lower()}",
             f"--digits={query.get('digits', 6)}", f"--time-step-size={period}", f"--now={when}",
             query["secret"]]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def wait_for_room(period=30, seconds=5):
    """Until the step that has begun lasts long enough for a test."""
    left = period - time.time() % period
    if left < seconds:
        time.sleep(left + 0.1)


class Login(ToolTest):
    def setUp(self):
        super().setUp()
        self.init("--max-failures", 3)
        self.user = self.add("ann")

    def test_accepted_and_refused(self):
        accepted = self.login("ANN")
        self.assertLessEqual(FIELDS, accepted.keys())
        self.assertEqual(accepted["verdict"], "accepted")
        self.assertEqual(accepted["methods"], ["password"])
        self.assertEqual(accepted["user"], self.user["id"])
        self.assertEqual(accepted["seq"], 2)
        refused = self.login("ann", "wrong", "--source", "10.0.0.1", status=REFUSED)
        self.assertLessEqual(FIELDS, refused.keys())
        self.assertEqual(refused["verdict"], "refused")
        self.assertEqual(refused["methods"], [])
        self.assertIsNone(refused["user"])
        self.assertEqual(refused["tries_left"], 2)

    def test_nobody_answers_as_somebody_who_mistyped(self):
        nobody = self.login("zed", "wrong", status=REFUSED)
        somebody = self.login("ann", "wrong", status=REFUSED)
        self.assertEqual({**nobody, "login": ""}, {**somebody, "login": ""})

    def test_failures_lock_and_an_operator_unlocks(self):
        show = lambda command: self.done("lockout", command, self.dir, "ann").object
        self.assertEqual(show("show")["failures"], 0)
        self.assertFalse(show("show")["locked"])
        for _ in range(3):
            self.login("ann", "wrong", status=REFUSED)
        locked = self.login("ann", status=REFUSED)
        self.assertEqual(locked["verdict"], "locked")
        self.assertGreater(locked["retry_after_ms"], 20_000)
        seen = show("show")
        self.assertTrue(seen["locked"])
        self.assertEqual(seen["failures"], 3)
        self.assertGreater(seen["retry_after_ms"], 20_000)
        self.assertEqual([(each["name"], each["failures"]) for each in seen["nodes"]], [("hq", 3)])
        self.assertFalse(show("clear")["locked"])
        self.login("ann")
        self.fails("not_found", "lockout", "show", self.dir, "zed")

    def test_a_new_password_unlocks(self):
        for _ in range(3):
            self.login("ann", "wrong", status=REFUSED)
        self.done("user", "passwd", self.dir, "ann", "--password-stdin", stdin="another horse\n")
        self.login("ann", "another horse")

    def test_the_password_never_comes_from_an_argument(self):
        self.fails("wrong_usage", "login", self.dir, "ann", "--password", PASSWORD, status=USAGE)
        self.fails("invalid_argument", "login", self.dir, "ann", status=USAGE)


@unittest.skipUnless(shutil.which("oathtool"), "needs oathtool")
class Codes(ToolTest):
    def setUp(self):
        super().setUp()
        self.init()
        self.add("ann")

    def enrol(self, *more):
        return self.done("totp", "enrol", self.dir, "ann", *more).object

    def test_enrol_confirm_sign_in_remove(self):
        made = self.enrol()
        self.assertTrue(made["uri"].startswith("otpauth://totp/"))
        self.login("ann")  # not asked for until confirmed
        wait_for_room()
        before, now = code_of(made["uri"], -1), code_of(made["uri"])
        self.assertTrue(self.done("totp", "confirm", self.dir, "ann", before).object["confirmed"])
        self.assertTrue(self.done("user", "show", self.dir, "ann").object["has_totp"])
        wanted = self.login("ann", status=REFUSED)
        self.assertEqual((wanted["verdict"], wanted["methods"]), ("code_required", ["password"]))
        accepted = self.login("ann", PASSWORD, "--code", now)
        self.assertEqual(accepted["methods"], ["password", "totp"])
        self.assertEqual(self.login("ann", PASSWORD, "--code", now, status=REFUSED)["verdict"],
                         "refused")
        removed = self.done("totp", "remove", self.dir, "ann").object["removed"]
        self.assertEqual(removed, [made["id"]])
        self.login("ann")

    def test_a_challenge_stands_for_the_password(self):
        made = self.enrol()
        wait_for_room()
        self.done("totp", "confirm", self.dir, "ann", "--code", code_of(made["uri"], -1))
        challenge = self.login("ann", status=REFUSED)["challenge"]
        words = ("login", self.dir, "ann", "--challenge-stdin")
        self.fails("invalid_argument", *words, stdin=challenge + "\n", status=USAGE)
        accepted = self.done(*words, "--code", code_of(made["uri"]), stdin=challenge + "\n").object
        self.assertEqual(accepted["verdict"], "accepted")

    def test_other_hashes_digits_and_periods(self):
        for number, more in enumerate((["--hash", "sha256", "--digits", 8],
                                       ["--hash", "sha512", "--digits", 7, "--period", 60])):
            made = self.enrol("--label", f"phone {number}", *more)
            self.done("totp", "confirm", self.dir, "ann", code_of(made["uri"]), "--id",
                      f"phone {number}")
        self.fails("invalid_totp", "totp", "enrol", self.dir, "ann", "--digits", 9)
        self.fails("wrong_usage", "totp", "enrol", self.dir, "ann", "--hash", "md5", status=USAGE)

    def test_confirming_wants_the_right_code_of_one_that_waits(self):
        self.fails("not_found", "totp", "confirm", self.dir, "ann", "000000")
        first, second = self.enrol(), self.enrol()
        wrong = next(f"{n:06}" for n in range(10)
                     if f"{n:06}" not in {code_of(first["uri"], step) for step in (-1, 0, 1)})
        confirm = ("totp", "confirm", self.dir, "ann")
        self.fails("wrong_code", *confirm, wrong, "--id", first["id"], status=REFUSED)
        message = self.fails("invalid_argument", *confirm, code_of(first["uri"]), status=USAGE)
        self.assertIn("--id", message)
        self.done(*confirm, code_of(first["uri"]), "--id", first["id"])
        self.fails("already_confirmed", *confirm, code_of(first["uri"]), "--id", first["id"])
        # The second alone waits now.
        self.done(*confirm, code_of(second["uri"]))
        self.fails("invalid_argument", "totp", "remove", self.dir, "ann", status=USAGE)
        self.assertEqual(len(self.done("totp", "remove", self.dir, "ann", "--all")
                             .object["removed"]), 2)

    def test_recovery_codes(self):
        made = self.enrol()
        self.done("totp", "confirm", self.dir, "ann", code_of(made["uri"]))
        codes = self.done("totp", "recovery", self.dir, "ann").object["codes"]
        self.assertEqual(len(set(codes)), 10)
        accepted = self.login("ann", PASSWORD, "--code", codes[0])
        self.assertEqual(accepted["methods"], ["password", "recovery_code"])
        self.login("ann", PASSWORD, "--code", codes[0], status=REFUSED)
        self.login("ann", PASSWORD, "--code", codes[1].lower())

    def test_the_qr_code_is_drawn(self):
        text = self.done("totp", "enrol", self.dir, "ann", text=True).out
        rows = [line for line in text.splitlines() if line.startswith("█")]
        self.assertGreater(len(rows), 20)
        self.assertEqual({len(row) for row in rows}, {len(rows[0])})
        self.assertIn("otpauth://totp/", text)
        self.assertNotIn("█", self.done("totp", "enrol", self.dir, "ann", "--no-qr", text=True).out)


if __name__ == "__main__":
    sys.exit(tool.main())
