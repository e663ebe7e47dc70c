"""Small pictures for the table of patients: the CT through the tumor with its outline, and each slide."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image
from scipy import ndimage

from espark.ct.regions.regions import LABELS, load_regions
from espark.files import write_bytes
from espark.serve.images.ct_planes import CtShelf, ShownCt, in_order
from espark.serve.images.slide_tiles import SlideShelf
from espark.serve.workbench import CaseSource
from espark.types import BoolArray, ByteArray

SIDE = 160
_WINDOW = (-160.0, 240.0)  # soft tissue
_AROUND_MM = (208.0, 160.0)
_OUTLINE = {"tumor": (213, 94, 0), "esophagus": (86, 180, 233)}  # as in the reports


class Thumbnails:
    """Small pictures, kept in ``serve/cache/thumbnails``.

    Args:
        folder: the folder; it can be deleted at any time.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, case: CaseSource, kind: str) -> Path:
        """The file of a picture, ``ct`` or ``slide``."""
        return self.folder / f"{case.patient_id}-{kind}.jpg"

    def ready(self, case: CaseSource) -> list[str]:
        """The pictures of a case that were drawn."""
        return [kind for kind in ("ct", "slide") if self.path(case, kind).exists()]

    def draw(self, case: CaseSource, cts: CtShelf, slides: SlideShelf) -> None:
        """Draw what is missing.

        Raises:
            InputError: when an image cannot be read.
        """
        files = case.patient.files
        if files.ct is not None and not self.path(case, "ct").exists():
            self._write(case, "ct", _ct_picture(case, cts))
        if files.slides and not self.path(case, "slide").exists():
            picture, _ = slides.open(files.slides[0], files.slide_mpp).thumbnail(2 * SIDE)
            self._write(case, "slide", picture)

    def _write(self, case: CaseSource, kind: str, pixels: ByteArray) -> None:
        picture = Image.fromarray(pixels)
        picture.thumbnail((2 * SIDE, SIDE))
        content = io.BytesIO()
        picture.save(content, "jpeg", quality=85)
        write_bytes(self.path(case, kind), content.getvalue())


def _ct_picture(case: CaseSource, cts: CtShelf) -> ByteArray:
    """The axial slice with the most tumor, with the outlines of the regions."""
    shown = cts.open(case.patient.files)
    path = case.layout.regions(case.patient_id)
    labels = None
    middle = shown.voxels.shape[0] // 2
    if path.is_file():
        labels = sitk.GetArrayFromImage(in_order(load_regions(path).labels))
        wanted = labels == LABELS["tumor"] if (labels == LABELS["tumor"]).any() else labels > 0
        middle = int(wanted.sum(axis=(1, 2)).argmax())
    low, high = _WINDOW
    gray = np.clip((np.asarray(shown.voxels[middle], dtype=np.float32) - low) / (high - low), 0, 1)
    pixels = np.repeat((255 * gray).astype(np.uint8)[..., None], 3, axis=2)
    if labels is not None:
        inside = {"esophagus": labels[middle] > 0, "tumor": labels[middle] == LABELS["tumor"]}
        for region, mask in inside.items():
            pixels[mask & ~ndimage.binary_erosion(mask)] = _OUTLINE[region]
        pixels = _around(pixels, inside["tumor"] if inside["tumor"].any() else inside["esophagus"], shown)
    x, y, _ = shown.geometry["spacing"]
    size = (2 * SIDE, round(2 * SIDE * pixels.shape[0] * y / (pixels.shape[1] * x)))
    return np.asarray(Image.fromarray(pixels).resize(size))


def _around(pixels: ByteArray, region: BoolArray, shown: ShownCt) -> ByteArray:
    """The part of a slice around a region."""
    x, y, _ = shown.geometry["spacing"]
    row, column = (round(float(places.mean())) for places in np.nonzero(region))
    half = (round(_AROUND_MM[1] / 2 / y), round(_AROUND_MM[0] / 2 / x))
    rows = slice(max(0, row - half[0]), row + half[0])
    return pixels[rows, max(0, column - half[1]) : column + half[1]]
