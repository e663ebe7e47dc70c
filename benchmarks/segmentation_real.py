"""How well the embedded segmenter finds the esophagus on real CTs.

    python -m espark.pretrain.segmenter --real OPENKBP --work WORK --fold 0      (and 1, 2, 3, 4)
    python benchmarks/segmentation_real.py --data DATA --fits WORK [--json FILE]

Cross-validation on the clean half of OpenKBP: a fold's scans are segmented by a network that saw none of them, and
compared on the slices that the truth contours, for its contours stop where the radiotherapy plan needed no more. Folds
that were not fitted are named. On lung1-001, which no network saw, 13 points set by eye (not by an expert) stand for
the truth. No real tumor of the esophagus is in these data: nothing here says how well a tumor is found.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from espark.ct.hounsfield import CtVolume
from espark.ct.segmentation.mini import MiniSegmenter
from espark.ct.segmentation.weights_file import SHIPPED, WEIGHTS_FILE
from espark.ct.volume import read_ct
from espark.pretrain.segmenter_scans import FOLDS, fold_names, read_real
from espark.statistics.overlap import mean_estimate, overlap

WANTED_DICE = 0.74
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
        rows += [{"fold": fold, "name": name} | compare(folder, name, segmenter) for name in fold_names(folder, fold)]
    return pd.DataFrame(rows)


def esophagus_points(folder: Path) -> tuple[pd.DataFrame, float]:
    """Distance of each point of lung1-001 from the region and from its centre in that slice; seconds taken."""
    ct = read_ct(folder / "image")
    start = time.monotonic()
    found = MiniSegmenter.from_folder(SHIPPED).segment(ct).esophagus
    seconds = time.monotonic() - start
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
    return points, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ct/openkbp and ct/lung1-001")
    parser.add_argument("--fits", type=Path, required=True, help="work folder of the fits, with fold-0 to fold-4")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    figures: dict[str, object] = {}
    table = cross_validation(options.data / "ct" / "openkbp", options.fits)
    if len(table):
        print(table.to_string(index=False, float_format="%.3f"))
        done = sorted(table.fold.unique().tolist())
        figures["folds"] = done
        for metric in ("dice", "surface_dice", "hd95_mm"):
            mean = mean_estimate(table[metric])
            figures[metric] = {"mean": mean.value, "ci_low": mean.ci_low, "ci_high": mean.ci_high, "n": mean.n}
            verdict = ""
            if metric == "dice":
                verdict = "PASS" if mean.value >= WANTED_DICE else "FALLS SHORT"
                verdict += f" (wanted {WANTED_DICE})" + ("" if len(done) == FOLDS else f", folds {done} only")
            print(
                f"esophagus, OpenKBP clean half, {metric}: {mean.value:.3f} ({mean.ci_low:.3f} to {mean.ci_high:.3f}), "
                f"n = {mean.n} {verdict}"
            )
        figures["least_dice"] = float(table.dice.min())
    points, seconds = esophagus_points(options.data / "ct" / "lung1-001")
    print(points[["z", "to_region", "to_centre"]].to_string(index=False, float_format="%.1f"))
    for name, part in (("all", points), ("above", points[points.z > HEART_Z]), ("below", points[points.z <= HEART_Z])):
        near = {key: int((part[key] <= NEAR_MM).sum()) for key in ("to_region", "to_centre")}
        figures[f"lung1_{name}"] = {**near, "n": len(part)}
        print(
            f"lung1-001, points {name} z = {HEART_Z}: {near['to_region']} of {len(part)} within {NEAR_MM:g} mm of the "
            f"region, {near['to_centre']} of {len(part)} within {NEAR_MM:g} mm of its centre"
        )
    figures["lung1_seconds"] = seconds
    verdict = "PASS" if seconds < 60 else "FALLS SHORT"
    print(f"lung1-001, 512 × 512 × 134: segmented in {seconds:.1f} s (wanted < 60) {verdict}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
