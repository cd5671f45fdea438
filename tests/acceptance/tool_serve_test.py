#!/usr/bin/env python3
"""The tool's join and serve: two processes that keep two directories in agreement."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

import tool
from tool import DONE, FAILED, PASSWORD, REFUSED, USAGE, ToolTest, run

PATIENCE = 30


class Served:
    """A `serve` process and the lines that it prints."""

    def __init__(self, directory, *words):
        self.process = subprocess.Popen(
            [tool.PROGRAM, "serve", directory, "--json", "--backoff-cap", "200ms", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.seen = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def wait_for(self, event):
        """The next line with this event."""
        until = time.monotonic() + PATIENCE
        while True:
            line = self.lines.get(timeout=max(0.01, until - time.monotonic()))
            if line is None:
                raise AssertionError(f"ended before {event}: {self.seen} "
                                     f"{self.process.stderr.read()}")
            self.seen.append(line)
            if line["event"] == event:
                return line

    def end(self, with_signal=None):
        """Its exit status; without a signal it is ending already."""
        if with_signal is not None and self.process.poll() is None:
            self.process.send_signal(with_signal)
        status = self.process.wait(timeout=PATIENCE)
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return status


class ServeTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.init()
        self.other = self.path("other")

    def serve(self, directory=None, *words):
        served = Served(directory or self.dir, *words)
        self.addCleanup(served.end, signal.SIGKILL)
        return served, served.wait_for("serving")

    def invitation(self, port, *more, name="branch"):
        return self.done("invite", self.dir, "--name", name, "--address", f"127.0.0.1:{port}",
                         *more).object["invitation"]

    def joined(self, port, *more, name="branch", directory=None):
        return self.done("join", directory or self.other, "-", stdin=self.invitation(
            port, *more, name=name) + "\n").object

    def wait_until(self, what, holds):
        until = time.monotonic() + PATIENCE
        while not holds():
            self.assertLess(time.monotonic(), until, what)
            time.sleep(0.02)


class Serve(ServeTest):
    def test_says_where_it_listens_and_ends_when_asked(self):
        for each in (signal.SIGTERM, signal.SIGINT):
            served, line = self.serve(None, "--listen", "127.0.0.1:0")
            self.assertEqual((line["name"], line["role"]), ("hq", "primary"))
            socket.create_connection(("127.0.0.1", line["port"]), timeout=PATIENCE).close()
            self.assertTrue(self.done("status", self.dir).object["served"])
            served.process.send_signal(each)
            served.wait_for("stopped")
            self.assertEqual(served.end(), DONE)
            self.assertFalse(self.done("status", self.dir).object["served"])

    def test_a_second_one_on_the_directory_is_refused(self):
        self.serve(None, "--listen", "127.0.0.1:0")
        self.fails("already_served", "serve", self.dir, "--listen", "127.0.0.1:0")

    def test_an_address_that_is_taken_or_none(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.fails("address_in_use", "serve", self.dir, "--listen", f"127.0.0.1:{port}")
        for wrong in ("localhost", "localhost:", "localhost:http", "localhost:70000", ":-1"):
            self.fails("invalid_argument", "serve", self.dir, "--listen", wrong, status=USAGE)
        self.fails("name_not_resolved", "serve", self.dir, "--listen", "no-such-host.invalid:0")

    def test_every_command_works_on_a_directory_that_is_served(self):
        self.serve(None, "--listen", "127.0.0.1:0")
        self.add("ann")
        self.login("ann")
        self.done("user", "import", self.dir, self.write("staff.csv", "login\nbob\n"))
        self.done("user", "erase", self.dir, "bob")
        self.assertTrue(self.done("log", "verify", self.dir).object["ok"])
        self.done("log", "compact", self.dir)
        self.done("keys", "rewrap", self.dir)
        self.assertEqual(self.done("status", self.dir).object["users"], 1)


class Join(ServeTest):
    def test_a_replica_holds_what_the_primary_holds(self):
        self.add("ann")
        _, line = self.serve(None, "--listen", "127.0.0.1:0")
        made = self.joined(line["port"])
        self.assertEqual((made["name"], made["primary"], made["users"]), ("branch", "hq", 1))
        self.assertEqual(os.stat(self.other + ".key").st_mode & 0o777, 0o600)
        status = self.done("status", self.other).object
        self.assertEqual((status["role"], status["primary"]), ("replica", "hq"))
        self.assertEqual(status["digest"], self.done("status", self.dir).object["digest"])
        self.assertFalse(status["root_key_here"])
        accepted = self.done("login", self.other, "ann", "--password-stdin",
                             stdin=PASSWORD + "\n").object
        self.assertEqual(accepted["verdict"], "accepted")
        self.assertEqual(accepted["node"], made["node"])
        nodes = self.done("nodes", "list", self.dir).objects
        self.assertEqual([each["name"] for each in nodes], ["branch", "hq"])
        self.assertTrue(self.done("log", "verify", self.other).object["ok"])

    def test_a_replica_follows_and_writes_nothing(self):
        _, line = self.serve(None, "--listen", "127.0.0.1:0")
        self.joined(line["port"])
        self.serve(self.other)
        seq = self.add("ann")["seq"]
        self.wait_until("the change is at the replica", lambda: self.done(
            "status", self.other).object["seq"] >= seq)
        self.done("login", self.other, "ann", "--password-stdin", stdin=PASSWORD + "\n")
        self.wait_until("the primary knows that", lambda: any(
            link["name"] == "branch" and link["acked_seq"] >= seq
            for link in self.done("status", self.dir).object["links"]))
        for words in (["user", "disable", self.other, "ann"], ["user", "erase", self.other, "ann"],
                      ["user", "add", self.other, "bob", "--no-password"],
                      ["user", "import", self.other, self.write("staff.csv", "login\nbob\n")],
                      ["totp", "enrol", self.other, "ann"],
                      ["invite", self.other, "--name", "edge", "--address", "localhost:1"]):
            self.assertIn("hq", self.fails("not_primary", *words))

    def test_a_replica_goes_on_without_the_primary_and_catches_up(self):
        self.add("ann")
        served, line = self.serve(None, "--listen", "127.0.0.1:0")
        self.joined(line["port"])
        replica, _ = self.serve(self.other)
        replica.wait_for("following")
        self.assertNotEqual(served.end(signal.SIGKILL), DONE)
        self.assertIn("reason", replica.wait_for("link_ended"))
        self.done("login", self.other, "ann", "--password-stdin", stdin=PASSWORD + "\n")
        seq = self.add("bob")["seq"]
        self.serve(None, "--listen", f"127.0.0.1:{line['port']}")
        self.wait_until("it caught up", lambda: self.done(
            "status", self.other).object["seq"] >= seq)
        self.assertEqual(self.done("log", "verify", self.other).object["digest"],
                         self.done("log", "verify", self.dir).object["digest"])

    def test_a_removed_node_signs_nobody_in(self):
        self.add("ann")
        _, line = self.serve(None, "--listen", "127.0.0.1:0")
        self.joined(line["port"])
        replica, _ = self.serve(self.other)
        replica.wait_for("following")
        self.done("nodes", "remove", self.dir, "branch")
        replica.wait_for("node_removed")
        login = run("login", self.other, "ann", "--password-stdin", stdin=PASSWORD + "\n")
        self.assertEqual(login.status, FAILED)
        self.assertEqual(login.error["error"], "not_a_member")
        self.assertEqual(replica.end(signal.SIGTERM), DONE)
        self.fails("not_a_member", "serve", self.other)
        self.assertEqual(self.done("status", self.other).object["stage"], "removed")

    def test_an_invitation_is_good_once(self):
        _, line = self.serve(None, "--listen", "127.0.0.1:0")
        invitation = self.invitation(line["port"])
        self.done("join", self.other, invitation)
        answer = run("join", self.path("third"), invitation, "--deadline", "20s")
        self.assertEqual(answer.status, FAILED)
        self.assertIn(answer.error["error"], ("invitation_spent", "handshake_failed"))
        self.fails("store_exists", "join", self.other, self.invitation(line["port"], name="edge"))

    def test_bad_invitations(self):
        for wrong in ("", "csi1-", "hello", "csi1-AAAA"):
            self.fails("invalid_invitation", "join", self.other, wrong)
        self.fails("wrong_usage", "join", self.other, status=USAGE)
        self.assertEqual(os.listdir(self.place).count("other"), 0)
        self.assertEqual(os.listdir(self.place).count("other.key"), 0)

    def test_joining_can_be_tried_again(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        invitation = self.invitation(port)
        answer = run("join", self.other, invitation, "--deadline", "1s")
        self.assertEqual(answer.status, FAILED)
        self.assertIn(answer.error["error"], ("unreachable", "timed_out"))
        self.fails("not_a_member", "status", self.other)
        self.serve(None, "--listen", f"127.0.0.1:{port}")
        self.done("join", self.other, invitation)
        self.assertEqual(self.done("status", self.other).object["name"], "branch")

    def test_joining_with_a_passphrase(self):
        _, line = self.serve(None, "--listen", "127.0.0.1:0")
        self.done("join", self.other, "-", "--passphrase-stdin",
                  stdin=f"sesame\n{self.invitation(line['port'])}\n")
        self.assertFalse(os.path.exists(self.other + ".key"))
        self.done("status", self.other, "--passphrase-stdin", stdin="sesame\n")


if __name__ == "__main__":
    sys.exit(tool.main())
