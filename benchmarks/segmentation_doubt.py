"""What espark passes on of the embedded segmenter's regions on real CTs, before and after the cut at the landmarks.

    python benchmarks/segmentation_doubt.py --chests DATA/ct/segthor-dev [--necks DATA/ct/openkbp]

Chests: CTs with expert contours of esophagus, windpipe and aorta (labels 1, 3, 4). Below is below the lowest slice of
the contoured windpipe. Necks: planning CTs with the esophagus (label 1) and, in some, the larynx (label 7); the
network was fitted to them, and no tumor of the esophagus is known in them. A region that is left out has a Dice of 0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from espark.ct.files.volume import read_ct
from espark.ct.segmentation.mini import MiniSegmenter
from espark.ct.segmentation.sure.landmark_cut import cut_to_landmarks
from espark.ct.segmentation.weights_file import SHIPPED
from espark.types import AnyArray

ESOPHAGUS, WINDPIPE, AORTA, LARYNX = 1, 3, 4, 7


def dice(found: AnyArray, truth: AnyArray) -> float:
    return float(2 * (found & truth).sum() / max(1, found.sum() + truth.sum()))


def measure(ct_file: Path, labels_file: Path, segmenter: MiniSegmenter, *, neck: bool) -> dict[str, object]:
    """One row: agreement of what the segmenter found (raw) and of what is passed on, and the notes."""
    ct = read_ct(ct_file)
    labels = sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(labels_file)), "LPS"))
    found = segmenter.segment(ct)
    kept, notes = cut_to_landmarks(ct, found)
    raw, passed = (_upright(ct.image, part, labels.shape) for part in (found.esophagus, kept.esophagus))
    truth = labels == ESOPHAGUS
    row: dict[str, object] = {
        "name": ct_file.name.removesuffix("_ct.nii.gz"),
        "codes": " ".join(note.code for note in notes),
        "tumor": kept.tumor is not None and not kept.doubts.get("tumor"),
    }
    slices = np.flatnonzero(truth.any(axis=(1, 2)))
    level = np.flatnonzero((labels == (LARYNX if neck else WINDPIPE)).any(axis=(1, 2)))
    height = ct.image.GetSpacing()[2]
    for name, mask in (("raw", raw), ("passed", passed)):
        row[f"dice_{name}"] = dice(mask[slices], truth[slices])
        if not neck:
            row[f"below_{name}"] = dice(mask[: level[0]], truth[: level[0]])
            row[f"aorta_{name}"] = float((mask & (labels == AORTA)).sum() / max(1, mask.sum()))
        elif len(level) and mask.any():
            row[f"above_larynx_mm_{name}"] = (np.flatnonzero(mask.any(axis=(1, 2)))[-1] - level[0]) * height
    if not neck:
        row["below_passed_mm"] = passed[: level[0]].any(axis=(1, 2)).sum() * height
    return row


def _upright(image: sitk.Image, mask: AnyArray | None, shape: tuple[int, ...]) -> AnyArray:
    if mask is None:
        return np.zeros(shape, bool)
    stored = sitk.GetImageFromArray(mask.astype(np.uint8))
    stored.CopyInformation(image)
    return np.asarray(sitk.GetArrayFromImage(sitk.DICOMOrient(stored, "LPS")) > 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chests", type=Path, default=None, help="folder with <id>_ct.nii.gz and <id>_labels.nii.gz")
    parser.add_argument("--necks", type=Path, default=None, help="folder with <id>_ct.nii.gz and <id>_oar.nii.gz")
    options = parser.parse_args()
    segmenter = MiniSegmenter.from_folder(SHIPPED)
    for folder, suffix in ((options.chests, "labels"), (options.necks, "oar")):
        if folder is None:
            continue
        files = sorted(folder.glob("*_ct.nii.gz"))
        pairs = [(file, file.with_name(file.name.replace("_ct.", f"_{suffix}."))) for file in files]
        table = pd.DataFrame([measure(*pair, segmenter, neck=suffix == "oar") for pair in pairs])
        print(table.to_string(index=False, float_format="%.3f"))
        print(table.describe().loc[["count", "mean", "std", "min", "max"]].to_string(float_format="%.3f"))


if __name__ == "__main__":
    main()
