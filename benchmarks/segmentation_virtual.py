"""How well the embedded segmenter finds esophagus and tumor of simulated patients, whose regions are exact.

    python benchmarks/segmentation_virtual.py [--patients 48] [--seed 100] [--json FILE]

The fit saw the scanners of centers A and B (other patients, seeds from 1000 up); center C is unseen: kernel, noise,
slice thickness, field of view and tube voltage. A region that is not found counts with a Dice of 0. This is the only
check of the tumor that there is: no CT with a drawn tumor of the esophagus is in our data.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from encoder_figures import Figure, show, write

from espark.ct.hounsfield import CtVolume
from espark.ct.regions.plausibility import describe_region, misfits
from espark.ct.segmentation.mini import MiniSegmenter
from espark.ct.segmentation.weights_file import SHIPPED, WEIGHTS_FILE
from espark.pretrain.segmenter_scans import FITTED_CENTERS, simulated_ct
from espark.simulate.people.centers import CENTERS
from espark.statistics.overlap import mean_estimate, overlap

WANTED = {"esophagus": 0.85, "tumor": 0.70}
WANTED_SECONDS = 12
WRONG_DICE = 0.3
MATRIX = 256


def compare(segmenter: MiniSegmenter, seed: int, center: int, index: int) -> list[dict[str, object]]:
    image, regions = simulated_ct(seed, center, index, matrix=MATRIX)
    labels = sitk.GetArrayFromImage(regions)
    ct = CtVolume(image, "nifti")
    start, worked = time.monotonic(), time.process_time()
    masks = segmenter.segment(ct)
    seconds, core_seconds = time.monotonic() - start, time.process_time() - worked
    x, y, z = image.GetSpacing()
    rows = []
    for region, truth, found in (("esophagus", labels > 0, masks.esophagus), ("tumor", labels == 2, masks.tumor)):
        agreement = overlap(np.zeros_like(truth) if found is None else found, truth, (z, y, x))
        doubtful = False
        if found is not None:
            mask = sitk.GetImageFromArray(found.astype(np.uint8))
            mask.CopyInformation(image)
            doubtful = bool(misfits(describe_region(ct, mask), region))  # type: ignore[arg-type]
            doubtful |= bool(masks.doubts.get(region))  # type: ignore[call-overload]
        rows.append(
            {
                "center": CENTERS[center].name, "patient": index, "region": region, "dice": agreement.dice,
                "surface_dice": agreement.surface_dice, "hd95_mm": agreement.hd95_mm, "found": found is not None,
                "flagged": doubtful, "seconds": seconds,
                "core_seconds": core_seconds,
            }
        )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=48, help="of each center (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--centers", default="C", help="letters of the centers (default: the unseen one)")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    segmenter = MiniSegmenter.from_folder(SHIPPED)
    chosen = [index for index, center in enumerate(CENTERS) if center.name in options.centers]
    rows = [
        row
        for center in chosen
        for index in range(options.patients)
        for row in compare(segmenter, options.seed, center, index)
    ]
    figures = figures_of(pd.DataFrame(rows))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    figures.append(Figure("peak memory, GB", "simulation and segmentation", peak, len(rows) // 2, "CTs"))
    show(figures)
    command = f"python benchmarks/segmentation_virtual.py --patients {options.patients} --seed {options.seed}"
    write(options.json, f"{command} --centers {options.centers}", SHIPPED / WEIGHTS_FILE, figures)


def figures_of(table: pd.DataFrame) -> list[Figure]:
    """Agreement by center and region, and the time taken."""
    figures = []
    seen = [CENTERS[index].name for index in FITTED_CENTERS]
    for (center, region), part in table.groupby(["center", "region"]):
        task, n = f"center {center} ({'scanner seen' if center in seen else 'unseen'}), {region}", len(part)
        for metric in ("dice", "surface_dice", "hd95_mm"):
            mean = mean_estimate(part[metric])
            wanted = WANTED[region] if metric == "dice" and center not in seen else None
            figures.append(
                Figure(task, metric, mean.value, mean.n, "patients", mean.ci_low, mean.ci_high, wanted=wanted)
            )
        figures += [
            Figure(task, "least dice", float(part.dice.min()), n, "patients"),
            Figure(task, "not found", float((~part.found).sum()), n, "patients"),
            Figure(task, "flagged as doubtful", float(part.flagged.sum()), n, "patients"),
        ]
        off = part.found & (part.dice < WRONG_DICE)
        figures += [
            Figure(task, f"found, dice below {WRONG_DICE}: flagged", float(part.flagged[off].sum()), int(off.sum()),
                   "patients"),
            Figure(task, "found, dice above: flagged", float(part.flagged[part.found & ~off].sum()),
                   int((part.found & ~off).sum()), "patients"),
        ]  # fmt: skip
    one = table[table.region == "esophagus"]
    for name in ("seconds", "core_seconds"):
        low, high = float(one[name].min()), float(one[name].max())
        figures.append(Figure("a CT of the trial", name, float(one[name].mean()), len(one), "CTs", low, high))
    figures.append(
        Figure("a CT of the trial", f"s below {WANTED_SECONDS}, slowest", WANTED_SECONDS - one.seconds.max(), len(one),
               "CTs", wanted=0.0)
    )  # fmt: skip
    return figures


if __name__ == "__main__":
    main()
