"""The real CT `ct/lung1-001`: DICOM against NIfTI, the volume of its tumor, and what becomes of a disturbed folder.

    python benchmarks/ct_lung1.py

The tumor is a lung tumor (GTV-1, 160.7 ml by the planning system): it is an example of contours, not of the esophagus.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from espark.ct.files.nifti import write_image_file
from espark.ct.files.volume import read_ct
from espark.ct.grid import volume_ml
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.rtstruct import read_rtstruct_roi
from espark.errors import InputError

DATA = Path(os.environ.get("ESPARK_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "ct" / "lung1-001"
GTV_ML = 160.7  # with the voxels through which the contours run
POLYGONS_ML = 156.3  # the area of the polygons times the distance of the slices


def differs(first: CtVolume, second: CtVolume) -> str:
    """What two volumes differ in; empty when in nothing."""
    if not np.array_equal(sitk.GetArrayViewFromImage(first.image), sitk.GetArrayViewFromImage(second.image)):
        return "values"
    for name in ("GetSpacing", "GetOrigin", "GetDirection"):
        if not np.allclose(getattr(first.image, name)(), getattr(second.image, name)(), atol=1e-4):
            return name.removeprefix("Get").lower()
    return ""


def verdict(what: str, good: bool) -> None:
    """One criterion."""
    print(f"{what}: {'PASS' if good else 'FALLS SHORT'}", flush=True)


def disturbed(expected: CtVolume, folder: Path) -> None:
    """Shuffle and rename, then drop a file in the middle."""
    files = sorted((DATA / "image").iterdir())
    random.Random(1).shuffle(files)
    for number, file in enumerate(files):
        target = folder / f"part {number % 4}" / f"{number * 7919 % 1009:04d}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    found = differs(read_ct(folder), expected)
    verdict(f"{len(files)} files shuffled over folders and renamed: {found or 'the same volume'}", not found)
    shutil.rmtree(folder)
    shutil.copytree(DATA / "image", folder)
    sorted(folder.iterdir())[60].unlink()
    try:
        read_ct(folder)
        verdict("a file in the middle dropped: read all the same", good=False)
    except InputError as error:
        verdict(f"a file in the middle dropped: refused ({error.found})", good=True)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    ct = read_ct(DATA / "image")
    print(f"{ct.size} voxels of {ct.spacing_mm} mm, {sitk.GetArrayViewFromImage(ct.image).min()} HU and more")
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "ct.nii.gz"
        write_image_file(path, ct.image)
        found = differs(read_ct(path), ct)
        verdict(f"DICOM and NIfTI: {found or 'identical values and geometry'}", not found)
        disturbed(ct, Path(temporary) / "ct")
    contours = next((DATA / "rtstruct").iterdir())
    with_line, volume = (
        volume_ml(
            int(sitk.GetArrayFromImage(read_rtstruct_roi(contours, "GTV-1", ct, outline=outline).mask).sum()),
            ct.spacing_mm,
        )
        for outline in ("line", "polygon")
    )
    for what, measured, known in (("as espark reads it", volume, POLYGONS_ML), ("with the line", with_line, GTV_ML)):
        off = measured / known - 1
        verdict(f"GTV-1 {what}: {measured:.1f} ml, {off:+.1%} from {known} ml (wanted: within 2 %)", abs(off) <= 0.02)


if __name__ == "__main__":
    main()
