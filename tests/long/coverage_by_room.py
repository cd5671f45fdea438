"""Prints what tests reach of each room's lines and branches: coverage_by_room.py SUMMARY, gcovr's in JSON."""

import collections
import json
import os
import sys


def main(summary: str) -> None:
    with open(summary, encoding="utf-8") as file:
        files = json.load(file)["files"]
    rooms: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for each in files:
        for room in (os.path.dirname(each["filename"]), "all"):
            for what in ("line_covered", "line_total", "branch_covered", "branch_total"):
                rooms[room][what] += each[what]
    print(f"{'room':28} {'lines':>7} {'of':>7} {'':>6} {'branches':>9} {'of':>7}")
    for room, sums in sorted(rooms.items(), key=lambda row: (row[0] == "all", row[0])):
        print(
            f"{room:28} {sums['line_covered']:7} {sums['line_total']:7}"
            f" {share(sums, 'line'):5.1f}% {sums['branch_covered']:9} {sums['branch_total']:7}"
            f" {share(sums, 'branch'):5.1f}%"
        )


def share(sums: collections.Counter[str], what: str) -> float:
    return 100 * sums[what + "_covered"] / max(sums[what + "_total"], 1)


if __name__ == "__main__":
    main(sys.argv[1])
