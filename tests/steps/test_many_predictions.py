"""A service that predicts one patient after the other keeps neither memory nor files."""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.work.progress import Reporter

TIMES, WARM, EVERY, WINDOW = 200, 20, 10, 5
MOST_BYTES = 50 << 20


def resident() -> int:
    """Memory of this process in RAM, in bytes."""
    gc.collect()
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) << 10


def handles() -> list[str]:
    """Files and pipes that are open."""
    found = []
    for handle in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(handle.readlink()))
        except OSError:  # the handle of this listing
            continue
    return sorted(path for path in found if "/proc/" not in path)


def measure(study: Path, out: Path, times: int) -> dict[str, object]:
    """Predict one patient ``times`` times, by CT and slides in turn; the first times fill the caches of libraries."""
    name = sorted(path.name for path in (study / "ct").iterdir())[-1]
    given = {
        "mscalect": NewPatient(ct=study / "ct" / name, tumor_mask=study / "masks" / f"{name}_tumor.nii.gz"),
        "cytopath": NewPatient(slides=(study / "slides" / f"{name}.tif",)),
    }
    sizes: list[int] = []
    before: list[str] = []
    for number in range(times + 1):
        model = tuple(given)[number % 2]
        predict(study / "models" / model, given[model], out / model, reporter=Reporter("quiet"))
        before = handles() if number == WARM else before
        if number % EVERY == 0 and number >= WARM:
            sizes.append(resident())
            sys.stderr.write(f"{number}: {sizes[-1] >> 20} MiB, {len(handles())} handles\n")
    # Single sizes go up and down by up to 80 MB, as the allocator keeps or returns what was freed.
    grown = statistics.median(sizes[-WINDOW:]) - statistics.median(sizes[:WINDOW])
    return {"grown": grown, "more": sorted(set(handles()) - set(before)), "times": times}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux gives memory and handles in /proc")
def test_two_hundred_predictions_in_one_process(finished: Path, tmp_path: Path) -> None:
    command = [sys.executable, __file__, str(finished), str(tmp_path / "out"), str(TIMES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["grown"] < MOST_BYTES, found
    assert not found["more"], found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))) + "\n")
