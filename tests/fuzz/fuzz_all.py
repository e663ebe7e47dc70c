"""Fuzz every reader and print the table: ``python tests/fuzz/fuzz_all.py --cases 300``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]
PATHS = [str(folder) for folder in (TESTS, TESTS / "fuzz", TESTS / "ct")]
sys.path[:0] = PATHS
os.environ["PYTHONPATH"] = os.pathsep.join([*PATHS, os.environ.get("PYTHONPATH", "")])

from fuzz_harness import BAD, FAMILIES, KINDS, Reading  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=300, help="cases of each kind of input")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", nargs="*", default=list(FAMILIES), help="kinds of input")
    options = parser.parse_args()
    table: dict[str, Counter[str]] = {}
    slowest, largest = 0.0, 0
    with tempfile.TemporaryDirectory() as temporary, Reading(Path(temporary)) as reading:
        for name in options.only:
            table[name] = Counter()
            for number, outcome in reading.cases(name, range(options.first, options.first + options.cases)):
                table[name][outcome.kind] += 1
                slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.grown)
                if outcome.kind in BAD:
                    print(f"{name} {number}: {outcome.kind}; {outcome.damage}; {outcome.detail}", flush=True)
            print(f"{name:<22}" + "".join(f"{kind} {table[name][kind]}  " for kind in KINDS), flush=True)
    bad = sum(counts[kind] for counts in table.values() for kind in BAD)
    total = sum(sum(counts.values()) for counts in table.values())
    print(f"{total} cases, {bad} bad; at most {slowest:.1f} s and {largest / 2**20:.0f} MiB a case")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
