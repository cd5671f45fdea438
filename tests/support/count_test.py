#!/usr/bin/env python3
"""The closing line of tests/run.sh counts what happened, and nothing else."""

import contextlib
import io
import json
import tempfile
import unittest

import count

DOCTEST = """[doctest] doctest version is "2.4.9"
skipped: ids: all (no vectors of rfc: COUNTERSIGN_VECTORS is not set)
skipped: ids: all (no vectors of totp: COUNTERSIGN_VECTORS is not set)
[doctest] test cases:  12 |  10 passed | 2 failed | 1 skipped
[doctest] assertions: 400 | 398 passed | 2 failed |
"""
UNITTEST = "...\n----\nRan 41 tests in 0.5s\n\nFAILED (failures=2, errors=1, skipped=3)\n"


def run(name="unit", result="OK", stdout="", stderr=""):
    return {"name": name, "result": result, "stdout": stdout, "stderr": stderr}


class Counting(unittest.TestCase):
    def closing_line(self, *tests):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as log:
            log.write("".join(json.dumps(test) + "\n" for test in tests))
            log.flush()
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                status = count.main(log.name)
        return status, output.getvalue()

    def test_doctest_cases_count_one_by_one_and_those_without_vectors_as_skipped(self):
        self.assertEqual(count.count_of(run(result="FAIL", stdout=DOCTEST)), (9, 2, 2))

    def test_colours_do_not_matter(self):
        coloured = "\x1b[0;36m[doctest] \x1b[0mtest cases: \x1b[0m3 | \x1b[0;32m3 passed\x1b[0m | " \
                   "\x1b[0;31m0 failed\x1b[0m | 0 skipped\x1b[0m\n"
        self.assertEqual(count.count_of(run(stdout=coloured)), (3, 0, 0))

    def test_unittest_cases_count_one_by_one(self):
        self.assertEqual(count.count_of(run(result="FAIL", stderr=UNITTEST)), (35, 3, 3))
        self.assertEqual(count.count_of(run(stderr="Ran 1 test in 0.1s\n\nOK\n")), (1, 0, 0))

    def test_a_program_that_tells_nothing_counts_once(self):
        self.assertEqual(count.count_of(run()), (1, 0, 0))
        self.assertEqual(count.count_of(run(result="SKIP")), (0, 0, 1))
        for result in ("FAIL", "TIMEOUT", "ERROR", "UNEXPECTEDPASS", "INTERRUPT"):
            self.assertEqual(count.count_of(run(result=result)), (0, 1, 0))

    def test_a_program_that_passed_all_and_then_crashed_has_failed(self):
        passed = "[doctest] test cases: 5 | 5 passed | 0 failed | 0 skipped\n"
        self.assertEqual(count.count_of(run(result="FAIL", stdout=passed)), (5, 1, 0))

    def test_the_line_sums_up_and_the_status_tells_failure(self):
        self.assertEqual(self.closing_line(run(), run(result="SKIP")),
                         (0, "1 passed, 0 failed, 1 skipped\n"))
        self.assertEqual(self.closing_line(run(), run(result="FAIL")),
                         (1, "1 passed, 1 failed, 0 skipped\n"))

    def test_nothing_run_is_no_success(self):
        self.assertEqual(self.closing_line(), (1, "0 passed, 0 failed, 0 skipped\n"))


if __name__ == "__main__":
    unittest.main()
