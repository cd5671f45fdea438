#!/usr/bin/env python3
"""Prints `N passed, N failed, N skipped` from what meson logged of a run (meson-logs/testlog.json).

Test cases are counted one by one where a program tells them (doctest, unittest); any other test
counts as one. A doctest case that went without its vectors counts as skipped. A program that ended
badly counts at least one failure, whatever it printed before. Exit status 1 when anything failed
or nothing passed."""

import json
import re
import sys
from typing import NamedTuple

DOCTEST = re.compile(
    r"^\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped", re.M)
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n\n(?:OK|FAILED)(?: \((.*)\))?$", re.M)
WITHOUT_VECTORS = re.compile(r"^skipped: (.*) \(no vectors of ", re.M)
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Count(NamedTuple):
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Count(*(a + b for a, b in zip(self, other)))

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def told(output: str, errors: str) -> Count | None:
    """What the program says of its own cases; None: nothing."""
    if summaries := DOCTEST.findall(output):
        passed, failed, skipped = (sum(int(s[i]) for s in summaries) for i in range(3))
        without = min(len(set(WITHOUT_VECTORS.findall(output))), passed)
        return Count(passed - without, failed, skipped + without)
    if match := UNITTEST.search(errors):
        notes = {key: int(n) for key, n in re.findall(r"(\w[\w ]*)=(\d+)", match[2] or "")}
        failed = notes.get("failures", 0) + notes.get("errors", 0)
        skipped = notes.get("skipped", 0)
        return Count(int(match[1]) - failed - skipped, failed, skipped)
    return None


def count_of(test: dict) -> Count:
    result = test["result"]
    if result == "SKIP":
        return Count(skipped=1)
    ended_well = result in ("OK", "EXPECTEDFAIL")
    cases = told(ESCAPE.sub("", test.get("stdout") or ""), ESCAPE.sub("", test.get("stderr") or ""))
    if cases is None:
        return Count(passed=1) if ended_well else Count(failed=1)
    if not ended_well and cases.failed == 0:
        return cases + Count(failed=1)
    return cases


def main(path: str) -> int:
    with open(path, encoding="utf-8") as log:
        tests = [json.loads(line) for line in log if line.strip()]
    total = sum((count_of(test) for test in tests), Count())
    print(total)
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
