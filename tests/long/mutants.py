#!/usr/bin/env python3
"""Plants each bug of the catalogue and looks whether the simulator finds it, by an invariant that the
catalogue names: mutants.py SOURCE BUILD [MUTANT...]. COUNTERSIGN_SEEDS: how many at most for each."""

import os
import re
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

FIRST_SEED = 1
MOST_SEEDS = int(os.environ.get("COUNTERSIGN_SEEDS", "400"))


def simulate(build: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = os.path.join(build, "examples/simulate/countersign-simulate")
    return subprocess.run(
        [program, "--trace", "0", *arguments], text=True, stdout=subprocess.PIPE, check=False
    )


def listed(build: str) -> list[tuple[str, list[str]]]:
    """Each mutant with the invariants that may show it."""
    rows = simulate(build, "--list").stdout.partition("\nmutants\n")[2]
    return [
        (name, shown_by.split(","))
        for name, shown_by in re.findall(r"^  (\w+) +([\w,]+): ", rows, re.MULTILINE)
    ]


class Finding:
    """What came of one mutant. A run may break other invariants first; those do not count."""

    def __init__(self, build: str, name: str, shown_by: list[str]) -> None:
        self.name = name
        self.seeds = 0  # that it took; 0: not found
        self.violated = ""
        self.others: list[str] = []
        tried = 0
        while tried < MOST_SEEDS:
            run = simulate(
                build,
                *("--mutant", name, "--until-found"),
                *("--first-seed", str(FIRST_SEED + tried), "--seeds", str(MOST_SEEDS - tried)),
            )
            found = re.search(r"^found after (\d+) seeds: (\w+)", run.stdout, re.MULTILINE)
            if not found:
                return
            tried += int(found[1])
            if found[2] in shown_by:
                self.seeds, self.violated = tried, found[2]
                return
            self.others.append(f"{found[2]} (seed {FIRST_SEED + tried - 1})")

    def __str__(self) -> str:
        told = f"{self.seeds:5} seeds, {self.violated}" if self.seeds else "not found: FAILED"
        others = ", ".join(self.others)
        return f"{self.name:22} {told}" + (f"; before that {others}" if others else "")


def configure(source: str, build: str) -> None:
    meson = "/usr/bin/meson" if os.access("/usr/bin/meson", os.X_OK) else shutil.which("meson")
    if not os.path.exists(os.path.join(build, "build.ninja")):
        options = ["-Dmutants=true", "-Dtests=disabled", "-Doptimization=2", "-Ddebug=false"]
        subprocess.run([meson, "setup", build, source, *options], check=True)
    subprocess.run(["ninja", "-C", build, "examples/simulate/countersign-simulate"], check=True)


def main(source: str, build: str, *wanted: str) -> int:
    configure(source, build)
    mutants = [each for each in listed(build) if not wanted or each[0] in wanted]
    if not mutants:
        print("no such mutant, or a build without them")
        return 2
    took = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for finding in pool.map(lambda mutant: Finding(build, *mutant), mutants):
            print(finding, flush=True)
            if finding.seeds:
                took.append(finding.seeds)
    print(f"{len(took)} of {len(mutants)} planted bugs found", end="")
    print(f"; median {statistics.median(took):g} seeds, most {max(took)}" if took else "")
    # What is blamed on a bug must not be there without it.
    clean = simulate(build, "--first-seed", str(FIRST_SEED), "--seeds", str(max(took, default=1)))
    told = re.findall(r"^seed .*|.*VIOLATED.*|^\d+ runs, .*", clean.stdout, re.MULTILINE)
    print("without a planted bug:", *told, sep="\n  ")
    return 0 if len(took) == len(mutants) and clean.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
