"""What the radiomics of two regions cost: beside the bare PyRadiomics call, on two workers, and by image type.

    python benchmarks/radiomics_speed.py
    python benchmarks/radiomics_speed.py --trial trial

1. A full-size CT (`ct/lung1-001`, 512 × 512 × 134): the region GTV-1 and a tube along the 13 points of the esophagus,
   every image type. espark and PyRadiomics' own extractor compute the same features from the same arrays (cropped and
   resampled in advance) in turn, in one process, so that a busy machine slows both.
2. The radiomics of that patient, both regions from the CT as it was read, with one worker and with two, on the clock
   and in turn; and how the work was shared.
3. With ``--trial``, a patient of a simulated trial: core-seconds of both regions, and where they go.
Seconds are of processor time where not said otherwise.
"""

from __future__ import annotations

import argparse
import csv
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from joblib.externals.loky import get_reusable_executor
from radiomics import featureextractor

from espark.ct.features.image_types import IMAGE_TYPES
from espark.ct.features.radiomics import RadiomicsResult, RadiomicsSettings, compute_radiomics
from espark.ct.files.volume import read_ct
from espark.ct.grid import image_like
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import read_regions
from espark.ct.regions.rtstruct import read_rtstruct_roi
from espark.ct.resample import crop_and_resample
from espark.steps.prepare.measure import measure_regions

DATA = Path(os.environ.get("ESPARK_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "ct" / "lung1-001"
TUBE_MM = 9.0
WANTED = {"ratio": 1.1, "speed-up": 1.8, "core-seconds": 15.0}
_BARE = [name for name in IMAGE_TYPES if name != "LBP3D"]  # its spherical harmonics do not run on today's SciPy


def esophagus_tube(ct: CtVolume) -> sitk.Image:
    """A tube along the points of the esophagus: of the right size and place, not a contour."""
    with (DATA / "esophagus_points.csv").open(encoding="utf-8") as handle:
        points = sorted((float(row["z"]), float(row["y"]), float(row["x"])) for row in csv.DictReader(handle))
    heights = [point[0] for point in points]
    mask = np.zeros(ct.size[::-1], dtype=np.uint8)
    rows, columns = np.ogrid[: mask.shape[1], : mask.shape[2]]
    for z in range(round(heights[0]), round(heights[-1]) + 1):
        y, x = (np.interp(z, heights, [point[axis] for point in points]) for axis in (1, 2))
        mask[z] = (rows - y) ** 2 + (columns - x) ** 2 <= (TUBE_MM / ct.spacing_mm[0]) ** 2
    return image_like(mask, ct.image)


def resampled(ct: CtVolume, mask: sitk.Image) -> tuple[CtVolume, sitk.Image]:
    """A region and its surroundings on espark's grid, which both sides then take as they are."""
    settings = RadiomicsSettings()
    image, region = crop_and_resample(
        ct.image, mask, spacing_mm=settings.spacing_mm, padding_mm=settings.padding_mm, clip=settings.hu_range
    )
    return CtVolume(image, "nifti"), region


def bare_extractor() -> featureextractor.RadiomicsFeatureExtractor:
    """PyRadiomics as anybody calls it, with espark's image types and bin width."""
    extractor = featureextractor.RadiomicsFeatureExtractor(
        binWidth=RadiomicsSettings().bin_width_hu, additionalInfo=False, minimumROIDimensions=1, minimumROISize=1
    )
    extractor.disableAllImageTypes()
    for name in _BARE:
        extractor.enableImageTypeByName(name, customArgs=dict(IMAGE_TYPES[name].settings))
    extractor.enableAllFeatures()
    return extractor


def beside_pyradiomics(regions: dict[str, tuple[CtVolume, sitk.Image]], rounds: int) -> float:
    """Print seconds by region and side; returns the median over rounds of espark's share of PyRadiomics' time."""
    extractor = bare_extractor()
    settings = RadiomicsSettings(
        image_types=tuple(_BARE), spacing_mm=None, hu_range=None, padding_mm=1000.0, lbp_bin_width=25.0
    )
    ratios = []
    for number in range(rounds):
        spent = {"espark": 0.0, "PyRadiomics": 0.0}
        for name, (ct, region) in regions.items():
            start = time.process_time()
            ours = compute_radiomics(ct, region, settings)
            middle = time.process_time()
            theirs = extractor.execute(ct.image, region)
            ends = {"espark": middle - start, "PyRadiomics": time.process_time() - middle}
            print(f"round {number + 1}, {name}: espark {ends['espark']:.1f} s, PyRadiomics {ends['PyRadiomics']:.1f} s")
            for side, seconds in ends.items():
                spent[side] += seconds
            if number == 0:
                shared = [key for key in theirs if key in ours.values]
                same = sum(bool(np.isclose(float(theirs[key]), ours.values[key], rtol=1e-6)) for key in shared)
                print(f"  {same} of {len(shared)} features that both give are the same to 1e-6")
        ratios.append(spent["espark"] / spent["PyRadiomics"])
    return float(np.median(ratios))


def speed_up(ct: CtVolume, masks: list[sitk.Image], rounds: int) -> float:
    """One worker against two, in turn; the median over rounds of how many times faster two are, on the clock.

    On a busy machine the clock flatters two processes, to which the system gives more of its time than to one. So
    processor seconds stand beside it: those of one worker, over those of this process and the busier of two workers.
    The first call starts the two workers and is printed apart.
    """
    gains = []
    start = time.perf_counter()
    measure_regions(ct, masks, RadiomicsSettings(), workers=2)
    print(f"two workers, started for it: {time.perf_counter() - start:.1f} s; load {_load()}", flush=True)
    for _ in range(rounds):
        (one, one_cpu, single), (two, two_cpu, pair) = (_seconds(ct, masks, workers) for workers in (1, 2))
        gains.append(one / two)
        same = all(
            np.array_equal([*a.values.values()], [*b.values.values()], equal_nan=True)
            for a, b in zip(single, pair, strict=True)
        )
        print(f"one worker {one:.1f} s, two {two:.1f} s, {one / two:.2f} times faster; load {_load()}; same: {same}")
        path = two_cpu[0] + max(two_cpu[1:])
        shares = " and ".join(f"{seconds:.1f}" for seconds in two_cpu[1:])
        print(
            f"  processor seconds: one worker {one_cpu[0]:.1f}; two {shares}, beside {two_cpu[0]:.1f} of this process: "
            f"{one_cpu[0] / path:.2f} times less on the longest path",
            flush=True,
        )
    return float(np.median(gains))


def _seconds(ct: CtVolume, masks: list[sitk.Image], workers: int) -> tuple[float, list[float], list[RadiomicsResult]]:
    """Seconds on the clock; processor seconds of this process and of each worker; the features."""
    clock, before = time.perf_counter(), _processor_seconds()
    results = measure_regions(ct, masks, RadiomicsSettings(), workers=workers)
    spent = [b - a for a, b in zip(before, _processor_seconds(), strict=True)]
    return time.perf_counter() - clock, spent, results


def _processor_seconds() -> list[float]:
    """Of this process and of the two workers, since they started (Linux)."""
    pool = get_reusable_executor(max_workers=2, reuse=True)
    clocks = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in sorted(pool._processes)]
    return [time.process_time(), *(sum(map(int, clock[11:13])) / os.sysconf("SC_CLK_TCK") for clock in clocks)]


def _load() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def trial_patient(trial: Path) -> float:
    """Core-seconds of a patient's two regions, reading included; what each image type takes alone is printed."""
    with (trial / "cohort.csv").open(encoding="utf-8") as handle:
        row = next(row for row in csv.DictReader(handle) if row["ct"] and row.get("tumor_mask"))
    start = time.process_time()
    ct = read_ct(trial / row["ct"])
    masks = trial / row["esophagus_mask"], trial / row["tumor_mask"]
    regions = read_regions(ct, esophagus_mask=masks[0], tumor_mask=masks[1])
    print(f"{row['patient_id']}: reading {time.process_time() - start:.2f} s")
    for scale in regions.scales:
        begin = time.process_time()
        voxels = compute_radiomics(ct, regions.mask(scale)).voxels
        print(f"  {scale} ({voxels} voxels of 2 mm): {time.process_time() - begin:.2f} s")
    whole = time.process_time() - start
    for scale in regions.scales:
        for name, settings in _by_image_type():
            begin = time.process_time()
            compute_radiomics(ct, regions.mask(scale), settings)
            print(f"    {scale}, {name} alone: {time.process_time() - begin:.2f} s")
    return whole


def _by_image_type() -> Iterator[tuple[str, RadiomicsSettings]]:
    for name in IMAGE_TYPES:
        yield name, RadiomicsSettings(image_types=(name,))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--trial", type=Path, help="a simulated trial, such as espark simulate writes")
    options = parser.parse_args()
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    ct = read_ct(DATA / "image")
    contours = next((DATA / "rtstruct").iterdir())
    masks = {"GTV-1": read_rtstruct_roi(contours, "GTV-1", ct).mask, "esophagus (tube)": esophagus_tube(ct)}
    regions = {name: resampled(ct, mask) for name, mask in masks.items()}
    for name, (_, region) in regions.items():
        print(f"{name}: {int(sitk.GetArrayViewFromImage(region).sum())} voxels of 2 mm in {region.GetSize()}")
    ratio = beside_pyradiomics(regions, options.rounds)
    verdict("espark / PyRadiomics, both regions", ratio, ratio <= WANTED["ratio"], f"at most {WANTED['ratio']}")
    gain = speed_up(ct, [*masks.values()], options.rounds)
    verdict("speed-up on two workers", gain, gain >= WANTED["speed-up"], f"at least {WANTED['speed-up']}")
    if options.trial:
        cost = trial_patient(options.trial)
        wanted = f"under {WANTED['core-seconds']:g}, or the parts above"
        verdict("core-seconds of a trial patient's two regions", cost, cost < WANTED["core-seconds"], wanted)


def verdict(what: str, value: float, good: bool, wanted: str) -> None:
    """One criterion."""
    print(f"{what}: {value:.2f} (wanted: {wanted}) {'PASS' if good else 'FALLS SHORT'}", flush=True)


if __name__ == "__main__":
    main()
