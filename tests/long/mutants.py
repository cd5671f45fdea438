#!/usr/bin/env python3
"""Plants each bug of the catalogue and looks whether the simulator finds it, by an invariant that the
catalogue names: mutants.py SOURCE BUILD [MUTANT...]"""

import os
import re
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

FIRST_SEED = 1
MOST_SEEDS = 400


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


def find(build: str, name: str) -> tuple[int, str]:
    """How many seeds it took, and what was violated; 0: it was not found."""
    run = simulate(
        build,
        *("--mutant", name, "--until-found"),
        *("--first-seed", str(FIRST_SEED), "--seeds", str(MOST_SEEDS)),
    )
    found = re.search(r"^found after (\d+) seeds: (\w+)", run.stdout, re.MULTILINE)
    return (int(found[1]), found[2]) if found else (0, f"exit status {run.returncode}")


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
    failed = 0
    took = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        results = pool.map(lambda mutant: find(build, mutant[0]), mutants)
        for (name, shown_by), (seeds, violated) in zip(mutants, results):
            right = seeds != 0 and violated in shown_by
            verdict = f"{seeds:5} seeds, {violated}" if seeds else f"not found: {violated}"
            print(f"{name:22} {verdict}{'' if right else ': FAILED'}", flush=True)
            failed += not right
            if seeds:
                took.append(seeds)
    print(f"{len(mutants)} planted bugs, {len(took)} found, {failed} failed", end="")
    print(f"; median {statistics.median(took):g} seeds, most {max(took)}" if took else "")
    # What is blamed on a bug must not be there without it.
    clean = simulate(build, "--first-seed", str(FIRST_SEED), "--seeds", str(max(took, default=1)))
    print(clean.stdout[clean.stdout.rfind("\n", 0, -1) + 1 :], end="")
    if clean.returncode != 0:
        print("".join(line for line in clean.stdout.splitlines(True) if "VIOLATED" in line))
    return 1 if failed or clean.returncode != 0 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
