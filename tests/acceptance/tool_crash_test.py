#!/usr/bin/env python3
"""Processes of the tool that are killed in the middle of writing: what the `sqlite3` program says of
the file that they leave, then what ours says."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import tool
from tool import PASSWORD, ToolTest

ROUNDS = 5


def sqlite(database, statement):
    return subprocess.run(["sqlite3", database, statement], capture_output=True,
                          text=True, check=False, timeout=60)


class Crash(ToolTest):
    def setUp(self):
        super().setUp()
        self.init()
        self.killed = 0  # while it wrote

    def check(self, round_number):
        left = self.path(f"left{round_number}")
        shutil.copytree(self.dir, left)
        database = os.path.join(left, "store.db")
        answer = sqlite(database, "PRAGMA integrity_check")
        self.assertEqual((answer.stdout.strip(), answer.stderr), ("ok", ""))
        gaps = sqlite(database, "SELECT count(*) FROM batch AS b WHERE seq > 1 AND NOT EXISTS"
                                " (SELECT 1 FROM batch WHERE seq = b.seq - 1)")
        self.assertEqual(gaps.stdout.strip(), "0")
        self.assertEqual(sqlite(database, "SELECT (SELECT seq FROM head) ="
                                          " (SELECT max(seq) FROM batch)").stdout.strip(), "1")
        self.assertTrue(self.done("log", "verify", self.dir).object["ok"])
        return self.done("status", self.dir).object["users"]

    def import_until_killed(self, round_number, after):
        """A process that writes many batches, killed after so many seconds."""
        rows = "login\n" + "".join(f"user{round_number}x{n}\n" for n in range(20_000))
        with subprocess.Popen([tool.PROGRAM, "user", "import", self.dir,
                               self.write("many.csv", rows)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(after)
            process.send_signal(signal.SIGKILL)
        self.killed += process.returncode == -signal.SIGKILL

    def test_an_import_that_is_killed(self):
        users = 0
        for number in range(ROUNDS):
            self.import_until_killed(number, 0.05 + 0.1 * number)
            now = self.check(number)
            self.assertGreaterEqual(now, users)
            users = now
        self.assertGreater(self.killed, 0)

    def test_a_served_directory_whose_server_is_killed_while_others_write(self):
        self.add("ann")
        for number in range(ROUNDS):
            with subprocess.Popen([tool.PROGRAM, "serve", self.dir, "--listen", "127.0.0.1:0",
                                   "--json"], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL) as served:
                served.stdout.readline()
                writer = threading.Thread(target=self.import_until_killed,
                                          args=(number, 0.4 + 0.1 * number))
                writer.start()
                time.sleep(0.2 + 0.1 * number)
                served.send_signal(signal.SIGKILL)
                writer.join()
            self.check(number)
            self.login("ann", PASSWORD)
        self.add("bob")
        self.assertGreater(self.killed, 0)


if __name__ == "__main__":
    if not shutil.which("sqlite3"):
        print("skipped: no sqlite3 here")
        sys.exit(77)
    tool.main()
