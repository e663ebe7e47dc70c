"""Do the explanations of the slides hold: completeness and deletion, with n and 95 % interval (Wilson).

espark explain STUDY
python benchmarks/explanations.py STUDY
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

WANTED = {"slide_completeness": 1.0, "slide_deletion": 0.9}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    folder: Path = parser.parse_args().study
    checks = json.loads((folder / "explain" / "checks.json").read_text(encoding="utf-8"))
    for name, entry in checks.items():
        if not name.startswith("slide_"):
            continue
        value, low, high = entry["value"], entry["ci_low"], entry["ci_high"]
        number = "not available" if value is None else f"{value:.3f}"
        interval = "" if low is None else f" ({low:.3f}–{high:.3f})"
        verdict = ""
        if name in WANTED:
            verdict = "PASS" if value is not None and value >= WANTED[name] else "FALLS SHORT"
        print(f"{entry['title']:<52} {number}{interval:<16} n = {entry['n']:<5} {verdict}")
        print(f"    {entry['sentence']}")


if __name__ == "__main__":
    main()
