"""Where the time of a whole `espark run` goes, and how time and memory grow with the number of patients.

    espark simulate trial --patients 344 --seed 100
    python benchmarks/whole_run.py trial --sizes 86 172 344 --workers 2

Each size is a study of its own in the work folder, on the first patients of each center of the same trial, with its
masks. The command runs as a user would start it; twice a second the processor time and the memory of all its processes
are read from /proc (Linux). Memory is proportional set size: what processes share counts once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from trial_draws import cohort_of

from espark.errors import InputError
from espark.files import read_json, write_json
from espark.simulate.people.centers import center_sizes

MINUTES, GIGABYTES, EXPONENT = 120.0, 6.0, 1.1
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Usage:
    """What a run used, by step."""

    wall: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    processor: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    peak: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


def study_of(trial: Path, size: int, folder: Path) -> Path:
    """A study of the first ``size`` patients of a trial, center by center, beside its images."""
    cohort = cohort_of(trial)
    centers = sorted(cohort["center"].unique())
    if size > len(cohort):
        raise SystemExit(f"the trial has {len(cohort)} patients, not {size}")
    sizes = dict(zip(centers, center_sizes(size, len(centers)), strict=True))
    place = cohort.groupby("center").cumcount()
    cohort = cohort[place < cohort["center"].map(sizes)]
    folder.mkdir(parents=True)
    cohort.to_csv(folder / "cohort.csv", index=False)
    (folder / "study.toml").write_text((trial / "study.toml").read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def family(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            children[int(fields[1])].append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += children[process]
    return found


def processor_seconds(process: int) -> float:
    """Of a process and of its children that have ended and were waited for."""
    try:
        fields = Path("/proc", str(process), "stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(value) for value in fields[11:15]) / TICK


def gigabytes(process: int) -> float:
    """Proportional set size."""
    try:
        lines = Path("/proc", str(process), "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e9


def running_step(folder: Path) -> str:
    """The step that the manifest calls running; what lies between steps is ``other``."""
    try:
        steps = read_json(folder / "manifest.json")["steps"]
    except InputError:
        return "other"
    return next((name for name, entry in steps.items() if entry["state"] == "running"), "other")


def check_ended(folder: Path, code: int) -> None:
    """Name the items that failed; a run without them that ends with an error, or stops early, is not a measurement.

    Raises:
        SystemExit: when the run did not come to its end.
    """
    steps = read_json(folder / "manifest.json")["steps"]
    status = pd.read_csv(folder / "prepared" / "status.csv", dtype=str, keep_default_na=False)
    failed = status[status["state"] == "failed"]
    for row in failed.itertuples():
        print(f"failed: {row.patient_id}, {row.item}: {row.error}", flush=True)
    if code != 0 and (failed.empty or any(entry["state"] != "done" for entry in steps.values())):
        raise SystemExit(f"espark run ended with {code}; see {folder / 'run.log'}")


def measured_run(folder: Path, workers: int) -> Usage:
    """Run the study and watch it.

    Raises:
        SystemExit: when the run did not come to its end.
    """
    usage = Usage()
    command = [sys.executable, "-m", "espark", "run", str(folder), "--workers", str(workers), "--quiet"]
    with (folder / "run.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as run:
        before, spent = time.monotonic(), 0.0
        while run.poll() is None:
            time.sleep(0.5)
            processes, step = family(run.pid), running_step(folder)
            now, total = time.monotonic(), max(spent, sum(map(processor_seconds, processes)))
            usage.wall[step] += now - before
            usage.processor[step] += total - spent
            usage.peak[step] = max(usage.peak[step], sum(map(gigabytes, processes)))
            before, spent = now, total
    check_ended(folder, run.returncode)
    return usage


def table_of(folder: Path, usage: Usage, patients: int) -> pd.DataFrame:
    """One row a step, then the items of `prepare`, then all together."""
    rows = [(step, usage.wall[step], usage.processor[step], usage.peak[step]) for step in usage.wall]
    status = pd.read_csv(folder / "prepared" / "status.csv")
    kinds = status["item"].str.split(":").str[0]
    for kind, part in status.groupby(kinds):
        rows.append((f"  of prepare, {len(part)} × {kind} (wall, one worker)", part["seconds"].sum(), np.nan, np.nan))
    rows.append(("all", sum(usage.wall.values()), sum(usage.processor.values()), max(usage.peak.values())))
    table = pd.DataFrame(rows, columns=["step", "wall_s", "processor_s", "peak_gb"])
    table.insert(0, "patients", patients)
    return table


def exponent(sizes: list[int], values: list[float]) -> float:
    """b of value = a · patients^b, by least squares on the logarithms; 1 is linear, 0 does not grow."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[86, 172, 344])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("whole-run"))
    options = parser.parse_args()
    tables = []
    for size in options.sizes:
        path = options.work / f"{size}.json"
        if not path.exists():
            folder = study_of(options.trial, size, options.work / f"study-{size}-{int(time.time())}")
            found = table_of(folder, measured_run(folder, options.workers), size)
            write_json(path, found.astype(object).where(found.notna(), None).to_dict("records"))
        tables.append(pd.DataFrame(read_json(path)))
        print(tables[-1].round(2).to_string(index=False, na_rep=""), flush=True)
    whole = pd.concat(tables).query("step == 'all'")
    largest = whole.iloc[whole["patients"].to_numpy().argmax()]
    checks = [
        ("wall time of the largest, minutes", largest["wall_s"] / 60, MINUTES),
        ("peak memory of the largest, GB", largest["peak_gb"], GIGABYTES),
    ]
    if len(whole) > 1:
        sizes = whole["patients"].tolist()
        checks += [
            (f"growth of {what}, exponent over {len(whole)} sizes (1 is linear)",
             exponent(sizes, whole[name].tolist()), EXPONENT)
            for what, name in (("wall time", "wall_s"), ("processor time", "processor_s"), ("peak memory", "peak_gb"))
        ]  # fmt: skip
    for what, value, most in checks:
        print(f"{what:<64} {value:8.2f} (at most {most:g})  {'PASS' if value <= most else 'FALLS SHORT'}")


if __name__ == "__main__":
    main()
