"""How well the embedded segmenter finds the esophagus on real CTs.

    python -m espark.pretrain.make_segmenter --real OPENKBP --work WORK --fold 0      (and 1, 2, 3, 4)
    python benchmarks/segmentation_real.py --data DATA --fits WORK [--json FILE]

Cross-validation on the clean half of OpenKBP: a fold's scans are segmented by a network that saw none of them, and
compared on the slices that the truth contours, for its contours stop where the radiotherapy plan needed no more. Folds
that were not fitted are named. On lung1-001, which no network saw, 13 points set by eye (not by an expert) stand for
the truth. No real tumor of the esophagus is in these data: nothing here says how well a tumor is found.
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

from espark.ct.files.volume import read_ct
from espark.ct.hounsfield import CtVolume
from espark.ct.segmentation.mini import MiniSegmenter
from espark.ct.segmentation.weights_file import SHIPPED, WEIGHTS_FILE
from espark.files import read_safetensors_notes
from espark.pretrain.segmenter_scans import FOLDS, fold_names, read_real
from espark.statistics.overlap import mean_estimate, overlap

WANTED_DICE = 0.74
WANTED_SECONDS, WANTED_GB = 60, 4
NEAR_MM = 5.0
HEART_Z = 93


def compare(folder: Path, name: str, segmenter: MiniSegmenter) -> dict[str, float]:
    """Agreement on the slices that the truth contours."""
    image, mask = read_real(folder, name)
    truth = sitk.GetArrayFromImage(mask) > 0
    esophagus = segmenter.segment(CtVolume(image, "nifti")).esophagus
    found = np.zeros_like(truth) if esophagus is None else esophagus
    slices = truth.any(axis=(1, 2))
    x, y, z = image.GetSpacing()
    agreement = overlap(found[slices], truth[slices], (z, y, x))
    return {"dice": agreement.dice, "surface_dice": agreement.surface_dice, "hd95_mm": agreement.hd95_mm}


def cross_validation(folder: Path, fits: Path) -> pd.DataFrame:
    rows = []
    for fold in range(FOLDS):
        if not (fits / f"fold-{fold}" / WEIGHTS_FILE).is_file():
            print(f"fold {fold}: not fitted")
            continue
        segmenter = MiniSegmenter.from_folder(fits / f"fold-{fold}")
        steps = int(read_safetensors_notes(fits / f"fold-{fold}" / WEIGHTS_FILE)["steps"])
        known = {"fold": fold, "steps": steps}
        rows += [known | {"name": name} | compare(folder, name, segmenter) for name in fold_names(folder, fold)]
    return pd.DataFrame(rows)


def esophagus_points(folder: Path) -> tuple[pd.DataFrame, list[Figure]]:
    """Distance of each point of lung1-001 from the region and from its centre in that slice; time and memory taken."""
    ct = read_ct(folder / "image")
    start, worked = time.monotonic(), time.process_time()
    found = MiniSegmenter.from_folder(SHIPPED).segment(ct).esophagus
    seconds, core_seconds = time.monotonic() - start, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    task = "lung1-001, 512 × 512 × 134, segmented"
    timing = [
        Figure(task, "seconds", seconds, 1, "CT"), Figure(task, "core_seconds", core_seconds, 1, "CT"),
        Figure(task, f"s below {WANTED_SECONDS}", WANTED_SECONDS - seconds, 1, "CT", wanted=0.0),
        Figure(task, f"GB below {WANTED_GB}, peak", WANTED_GB - peak, 1, "CT", wanted=0.0),
    ]  # fmt: skip
    points = pd.read_csv(folder / "esophagus_points.csv")
    x_mm, y_mm, _ = ct.spacing_mm
    for index, point in points.iterrows():
        places = np.argwhere(found[int(point.z)]) if found is not None else np.empty((0, 2))
        if not len(places):
            points.loc[index, ["to_region", "to_centre"]] = np.inf
            continue
        away = (places - (point.y, point.x)) * (y_mm, x_mm)
        points.loc[index, "to_region"] = max(0.0, np.hypot(*away.T).min() - max(x_mm, y_mm) / 2)
        points.loc[index, "to_centre"] = float(np.hypot(*away.mean(axis=0)))
    return points, timing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ct/openkbp and ct/lung1-001")
    parser.add_argument("--fits", type=Path, required=True, help="work folder of the fits, with fold-0 to fold-4")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    figures = []
    table = cross_validation(options.data / "ct" / "openkbp", options.fits)
    if len(table):
        print(table.to_string(index=False, float_format="%.3f"))
        figures += agreement_figures(table)
    points, timing = esophagus_points(options.data / "ct" / "lung1-001")
    print(points[["z", "to_region", "to_centre"]].to_string(index=False, float_format="%.1f"))
    figures += [*point_figures(points), *timing]
    show(figures)
    command = "python benchmarks/segmentation_real.py --data DATA --fits WORK"
    write(options.json, command, SHIPPED / WEIGHTS_FILE, figures)


def agreement_figures(table: pd.DataFrame) -> list[Figure]:
    """Agreement with the contours of OpenKBP, over the folds that were fitted."""
    done = sorted(table.fold.unique().tolist())
    counts = " or ".join(str(count) for count in sorted(table.steps.unique().tolist()))
    task = (
        f"esophagus, OpenKBP, clean half, folds {', '.join(map(str, done))} of {FOLDS}, second part of {counts} steps"
    )
    figures = []
    for metric in ("dice", "surface_dice", "hd95_mm"):
        mean = mean_estimate(table[metric])
        wanted = WANTED_DICE if metric == "dice" else None
        figures.append(Figure(task, metric, mean.value, mean.n, "CTs", mean.ci_low, mean.ci_high, wanted=wanted))
    return [*figures, Figure(task, "least dice", float(table.dice.min()), len(table), "CTs")]


def point_figures(points: pd.DataFrame) -> list[Figure]:
    """Share of the points near the region, in all and above and below the heart."""
    parts = (("all", points), (f"above z = {HEART_Z}", points[points.z > HEART_Z]),
             (f"at or below z = {HEART_Z}", points[points.z <= HEART_Z]))  # fmt: skip
    return [
        Figure(f"lung1-001, points {name}, share within {NEAR_MM:g} mm", words, float((part[key] <= NEAR_MM).mean()),
               len(part), "points")
        for name, part in parts
        for key, words in (("to_region", "of the region"), ("to_centre", "of its centre"))
    ]  # fmt: skip


if __name__ == "__main__":
    main()
