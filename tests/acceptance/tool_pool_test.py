#!/usr/bin/env python3
"""The tool's init, status, keys, invite, nodes and log."""

import os
import shutil
import stat
import sys

import tool
from tool import FAILED, PASSWORD, USAGE, ToolTest, run


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class Init(ToolTest):
    def key(self):
        with open(self.dir + ".key", "rb") as file:
            return file.read()

    def test_makes_store_key_and_root_that_only_their_owner_reads(self):
        made = self.init()
        self.assertEqual(made["name"], "hq")
        self.assertEqual(made["key_file"], self.dir + ".key")
        self.assertEqual(made["root_file"], self.dir + ".root")
        self.assertTrue(made["key_beside_data"])
        self.assertEqual(mode(self.dir), 0o700)
        self.assertEqual(mode(self.dir + ".key"), 0o600)
        self.assertEqual(mode(self.dir + ".root"), 0o600)

    def test_a_second_init_fails_and_changes_nothing(self):
        self.init()
        key = self.key()
        self.fails("store_exists", "init", self.dir, "--name", "hq")
        self.assertEqual(self.key(), key)
        self.done("status", self.dir)

    def test_an_init_that_fails_leaves_no_key_behind(self):
        self.fails("invalid_argument", "init", self.dir, "--name", "h q", status=USAGE)
        self.assertEqual(os.listdir(self.place), [])

    def test_without_a_parent_directory_it_says_so(self):
        answer = run("init", self.path("no/such/pool"), "--name", "hq")
        self.assertEqual(answer.status, FAILED)
        self.assertIn("no/such", answer.error["message"])

    def test_slashes_at_the_end_change_no_name(self):
        self.done("init", self.dir + "//", "--name", "hq", *self.CHEAP)
        self.assertTrue(os.path.exists(self.dir + ".key"))
        self.done("status", self.dir + "/")
        self.done("status", ".", cwd=self.dir)

    def test_options_of_the_pool_hold(self):
        self.init("--issuer", "Example Ltd", "--max-failures", 2, "--unique-email",
                  "--password-minimum", 20)
        self.fails("invalid_password", "user", "add", self.dir, "ann", "--password-stdin",
                   stdin="only nineteen chars\n")
        self.add("ann", PASSWORD, "--email", "ann@example.org")
        self.fails("already_exists", "user", "add", self.dir, "bob", "--password-stdin",
                   "--email", "ann@example.org", stdin=PASSWORD + "\n")
        for _ in range(2):
            self.login("ann", "wrong", status=tool.REFUSED)
        self.assertEqual(self.login("ann", status=tool.REFUSED)["verdict"], "locked")
        uri = self.done("totp", "enrol", self.dir, "ann").object["uri"]
        self.assertIn("issuer=Example%20Ltd", uri)

    def test_options_out_of_range_are_named(self):
        message = self.fails("invalid_argument", "init", self.dir, "--name", "hq",
                             "--hash-passes", 11, status=USAGE)
        self.assertIn("hash_passes", message)


class Status(ToolTest):
    def test_has_every_field(self):
        self.init()
        self.add("ann")
        status = self.done("status", self.dir).object
        self.assertEqual(status["name"], "hq")
        self.assertEqual(status["role"], "primary")
        self.assertEqual(status["primary"], "hq")
        self.assertEqual(status["epoch"], 1)
        self.assertEqual(status["seq"], 2)
        self.assertEqual(status["users"], 1)
        self.assertEqual(status["links"], [])
        self.assertRegex(status["pool"], "^[0-9a-f]{32}$")
        self.assertRegex(status["node"], "^[0-9a-f]{64}$")
        self.assertRegex(status["digest"], "^[0-9a-f]{64}$")
        self.assertTrue(status["key_beside_data"])
        self.assertTrue(status["root_key_here"])

    def test_says_what_a_key_beside_the_data_is_worth(self):
        self.init()
        text = self.done("status", self.dir, text=True).out
        self.assertIn("protects nothing against whoever takes this machine", text)
        self.assertIn("root key", text)

    def test_a_key_elsewhere_and_no_root_key_need_no_word(self):
        os.mkdir(self.path("elsewhere"))
        key = self.path("elsewhere/key")
        self.init("--key-file", key, "--root", self.path("elsewhere/root"))
        answer = self.done("status", self.dir, "--key-file", key)
        self.assertFalse(answer.object["key_beside_data"])
        self.assertFalse(answer.object["root_key_here"])
        text = self.done("status", self.dir, "--key-file", key, text=True).out
        self.assertNotIn("protects nothing", text)


class Keys(ToolTest):
    def test_a_directory_without_a_store(self):
        self.assertIn("countersign init", self.fails("not_a_store", "status", self.dir))
        os.mkdir(self.dir)
        self.write("pool.key", "k" * 32)
        os.chmod(self.path("pool.key"), 0o600)
        self.fails("not_a_store", "status", self.dir)

    def test_a_missing_key(self):
        self.init()
        os.remove(self.dir + ".key")
        self.assertIn("--key-file", self.fails("key_unavailable", "status", self.dir))

    def test_a_wrong_key(self):
        self.init()
        self.write("pool.key", "k" * 32)
        self.assertIn("--key-file", self.fails("wrong_key", "status", self.dir))
        self.write("pool.key", "short")
        self.fails("wrong_key", "status", self.dir)

    def test_a_key_that_others_can_read(self):
        self.init()
        os.chmod(self.dir + ".key", 0o640)
        self.assertIn("chmod 600", self.fails("insecure_key_file", "status", self.dir))

    def test_a_passphrase_instead_of_a_file(self):
        self.done("init", self.dir, "--name", "hq", "--passphrase-stdin", *self.CHEAP,
                  stdin="sesame\n")
        self.assertFalse(os.path.exists(self.dir + ".key"))
        opened = self.done("status", self.dir, "--passphrase-stdin", stdin="sesame\n").object
        self.assertFalse(opened["key_beside_data"])
        self.fails("wrong_key", "status", self.dir, "--passphrase-stdin", stdin="Sesame\n")
        self.assertIn("passphrase", self.fails("wrong_key", "status", self.dir))
        self.fails("invalid_argument", "status", self.dir, "--passphrase-stdin", status=USAGE)
        # The passphrase is the first line, the password the next.
        self.done("user", "add", self.dir, "ann", "--passphrase-stdin", "--password-stdin",
                  stdin=f"sesame\n{PASSWORD}\n")

    def test_rewrap_puts_a_new_key_in_the_place_of_the_old(self):
        self.init()
        shutil.copy2(self.dir + ".key", self.path("old"))
        self.assertEqual(self.done("keys", "rewrap", self.dir).object["key_file"],
                         self.dir + ".key")
        self.assertEqual(sorted(os.listdir(self.place)), ["old", "pool", "pool.key", "pool.root"])
        self.done("status", self.dir)
        self.fails("wrong_key", "status", self.dir, "--key-file", self.path("old"))
        # The root key moved with it.
        self.done("invite", self.dir, "--name", "branch", "--address", "localhost:7700")

    def test_rewrap_with_a_passphrase_and_back(self):
        self.init()
        self.done("keys", "rewrap", self.dir, "--new-passphrase-stdin", stdin="sesame\n")
        self.fails("wrong_key", "status", self.dir)
        self.done("keys", "rewrap", self.dir, "--passphrase-stdin", "--new-key-file",
                  self.path("new"), stdin="sesame\n")
        self.assertEqual(mode(self.path("new")), 0o600)
        self.done("status", self.dir, "--key-file", self.path("new"))
        self.done("invite", self.dir, "--name", "branch", "--address", "localhost:7700",
                  "--key-file", self.path("new"))

    def test_rewrap_with_the_wrong_key_leaves_everything_as_it_was(self):
        self.init()
        self.write("wrong", "k" * 32)
        os.chmod(self.path("wrong"), 0o600)
        before = sorted(os.listdir(self.place))
        self.fails("wrong_key", "keys", "rewrap", self.dir, "--key-file", self.path("wrong"))
        self.assertEqual(sorted(os.listdir(self.place)), before)
        self.done("status", self.dir)

    def test_rewrap_tells_of_one_that_was_interrupted(self):
        self.init()
        self.write("pool.key.new", "k" * 32)
        self.assertIn("pool.key.new", self.fails("already_exists", "keys", "rewrap", self.dir))


class Nodes(ToolTest):
    def test_an_invitation(self):
        self.init()
        made = self.done("invite", self.dir, "--name", "branch", "--address", "localhost:7700",
                         "--may", "serve,propose", "--expires", "2h").object
        self.assertTrue(made["invitation"].startswith("csi1-"))
        self.assertEqual(made["expires_in_ms"], 7_200_000)

    def test_the_root_key_can_lie_elsewhere_under_a_key_of_its_own(self):
        root = self.path("safe.root")
        self.done("init", self.dir, "--name", "hq", "--root", root, "--root-passphrase-stdin",
                  stdin="root sesame\n")
        invite = ("invite", self.dir, "--name", "branch", "--address", "localhost:7700")
        self.assertIn("fetch it", self.fails("not_found", *invite))
        self.fails("wrong_key", *invite, "--root", root)
        self.done(*invite, "--root", root, "--root-passphrase-stdin", stdin="root sesame\n")

    def test_bad_invitations_are_refused(self):
        self.init()
        invite = ("invite", self.dir, "--name", "branch")
        for wrong in (["--address", "localhost"], ["--address", "localhost:x"],
                      ["--address", "localhost:7700", "--expires", "31d"]):
            self.fails("invalid_argument", *invite, *wrong, status=USAGE)
        self.fails("wrong_usage", *invite, status=USAGE)
        for wrong in (["--expires", "soon"], ["--may", "fly"]):
            self.fails("wrong_usage", *invite, "--address", "localhost:7700", *wrong, status=USAGE)
        self.fails("already_exists", "invite", self.dir, "--name", "hq", "--address",
                   "localhost:7700")

    def test_list_and_remove(self):
        self.init()
        nodes = self.done("nodes", "list", self.dir).objects
        self.assertEqual([each["name"] for each in nodes], ["hq"])
        self.assertTrue(nodes[0]["primary"] and nodes[0]["self"])
        self.assertIn("stand", nodes[0]["may"])
        self.fails("not_found", "nodes", "remove", self.dir, "branch")
        self.fails("invalid_argument", "nodes", "remove", self.dir, "hq", status=USAGE)


class Log(ToolTest):
    def test_show_verify_compact(self):
        self.init()
        for login in ("ann", "bob", "cyd"):
            self.add(login)
        batches = self.done("log", "show", self.dir).objects
        self.assertEqual([each["seq"] for each in batches], [1, 2, 3, 4])
        self.assertEqual([each["seq"] for each in
                          self.done("log", "show", self.dir, "--limit", 2).objects], [3, 4])
        self.assertEqual([each["seq"] for each in
                          self.done("log", "show", self.dir, "--from", 2, "--limit", 1).objects],
                         [2])
        verified = self.done("log", "verify", self.dir).object
        status = self.done("status", self.dir).object
        self.assertTrue(verified["ok"])
        self.assertEqual(verified["seq"], status["seq"])
        self.assertEqual(verified["digest"], status["digest"])
        erased = self.done("log", "compact", self.dir).object["batches_erased"]
        self.assertGreater(erased, 0)
        self.assertEqual(len(self.done("log", "show", self.dir).objects), 4 - erased)
        self.fails("not_found", "log", "show", self.dir, "--from", 1)
        self.assertTrue(self.done("log", "verify", self.dir).object["ok"])


if __name__ == "__main__":
    sys.exit(tool.main())
