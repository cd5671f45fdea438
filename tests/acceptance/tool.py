"""Drives the command-line tool as an operator would: `Tool(directory)` has a store there, and
`tool.run(...)` what a command answered. Tests name the program as their first argument."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = ""
DONE, REFUSED, USAGE, FAILED = range(4)
PASSWORD = "correct horse battery"
# argon2 somesaltsomesalt -id -m 6 -t 1 -p 1 -e
PASSWORD_HASH = ("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA"
                 "$wZeUqErRQM9fr7+3IJVQyFsb5QPhYeqkXwNGZgBH/L4")


class Answer:
    def __init__(self, completed):
        self.status = completed.returncode
        self.out = completed.stdout
        self.err = completed.stderr

    def __repr__(self):
        return f"status {self.status}\n{self.out}{self.err}"

    @property
    def object(self):
        """The one object of standard output."""
        return json.loads(self.out)

    @property
    def objects(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self):
        return json.loads(self.err.splitlines()[-1])


def run(*words, stdin="", cwd=None, text=False):
    """With --json, unless `text`."""
    words = [PROGRAM, *map(str, words)] + ([] if text else ["--json"])
    return Answer(subprocess.run(words, input=stdin, capture_output=True, text=True, cwd=cwd,
                                 timeout=120, check=False))


class ToolTest(unittest.TestCase):
    """Each test has a directory of its own."""

    # Cheap hashes: what they cost is not what these tests are about.
    CHEAP = ("--hash-memory", 8, "--hash-passes", 1)

    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="countersign-tool-")
        self.addCleanup(place.cleanup)
        self.place = place.name
        self.dir = os.path.join(self.place, "pool")

    def path(self, name):
        return os.path.join(self.place, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", newline="") as file:
            return file.read()

    def expect(self, status, *words, **more):
        """What a command answers that ends as told."""
        answer = run(*words, **more)
        self.assertEqual(answer.status, status, f"{words}: {answer}")
        return answer

    def done(self, *words, **more):
        return self.expect(DONE, *words, **more)

    def fails(self, error, *words, status=FAILED, **more):
        """The error by name; its message says something."""
        answer = self.expect(status, *words, **more)
        self.assertEqual(answer.error["error"], error, repr(answer))
        self.assertGreater(len(answer.error["message"]), 15)
        return answer.error["message"]

    def init(self, *more):
        return self.done("init", self.dir, "--name", "hq", *self.CHEAP, *more).object

    def add(self, login, password=PASSWORD, *more):
        return self.done("user", "add", self.dir, login, "--password-stdin", *more,
                         stdin=password + "\n").object

    def login(self, login, password=PASSWORD, *more, status=DONE):
        return self.expect(status, "login", self.dir, login, "--password-stdin", *more,
                           stdin=password + "\n").object


def main():
    global PROGRAM
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
