"""How long a simulated patient takes, against one blur of everything that is drawn.

    python benchmarks/simulation_speed.py [--patients 4] [--tiles 150]

Ours: one patient of the virtual trial, from the anatomy to the written CT and masks, and from the tissue to the written
slide. The yardstick: SciPy's Gaussian filter (σ = 1) over the same CT and over the three colors of the same slide, in
single precision. Both are seconds of the processor in the same process, one thread, in turn; their ratio hardly
depends on the machine. The first patient is not counted: the stamps of the nuclei are drawn once for each process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import tifffile
from scipy import ndimage

import espark.simulate.trial.simulated_patient as simulated_patient
from espark.simulate.trial.simulated_patient import simulate_patient
from espark.simulate.trial.trial import TrialSettings

WANTED_SECONDS = 3.0
PARTS = {"ct": "_write_ct", "slide": "_write_slide"}


def seconds_of(work: Callable[[], Any]) -> float:
    """Seconds of the processor."""
    start = time.process_time()
    work()
    return time.process_time() - start


def timed_parts(seconds: dict[str, float]) -> None:
    """Let the two halves of a patient note how long they take."""

    def timed(part: str, half: Callable[..., None]) -> Callable[..., None]:
        def run(*arguments: Any) -> None:
            seconds[part] = seconds_of(lambda: half(*arguments))

        return run

    for part, name in PARTS.items():
        setattr(simulated_patient, name, timed(part, getattr(simulated_patient, name)))


def blur(folder: Path, patient_id: str) -> float:
    """Seconds of the yardstick for the images of a patient."""
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder / "ct" / patient_id))
    volume = sitk.GetArrayFromImage(sitk.ReadImage(names)).astype(np.float32)
    slide = tifffile.imread(folder / "slides" / f"{patient_id}.tif").astype(np.float32)
    return seconds_of(lambda: (ndimage.gaussian_filter(volume, 1.0), ndimage.gaussian_filter(slide, (1.0, 1.0, 0.0))))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=4)
    parser.add_argument("--tiles", type=int, default=150, help="tiles with tissue on a slide")
    parser.add_argument("--ct-matrix", type=int, default=256)
    options = parser.parse_args()
    settings = TrialSettings(patients=options.patients + 1, tiles=options.tiles, ct_matrix=options.ct_matrix)
    seconds: dict[str, float] = {}
    timed_parts(seconds)
    rows = []
    print(f"{'':>8}{'CT':>8}{'slide':>8}{'ours':>8}{'blur':>8}{'ratio':>8}   seconds of the processor")
    with tempfile.TemporaryDirectory() as scratch:
        for number, plan in enumerate(reversed(settings.plans())):
            simulate_patient(Path(scratch), plan)
            ours, yardstick = seconds["ct"] + seconds["slide"], blur(Path(scratch), plan.patient_id)
            if number:
                rows.append((seconds["ct"], seconds["slide"], ours, yardstick, ours / yardstick))
                print(f"{plan.patient_id:>8}" + "".join(f"{value:>8.2f}" for value in rows[-1]))
    means = np.mean(rows, axis=0)
    print(f"{'mean':>8}" + "".join(f"{value:>8.2f}" for value in means))
    verdict = "PASS" if means[2] < WANTED_SECONDS else "FALLS SHORT"
    print(f"under {WANTED_SECONDS:g} core-seconds a patient: {verdict} ({means[2]:.2f}, {means[4]:.2f} blurs)")


if __name__ == "__main__":
    main()
