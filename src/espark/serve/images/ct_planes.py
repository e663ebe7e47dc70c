"""A CT for the browser: voxels in a fixed order, so that three planes can be drawn without knowing the file.

The volume is stored along L, P and S (left, posterior, superior): the first voxel is the right, front, lowest one. This
changes the order of the voxels, never their values, and nothing is interpolated. A CT with oblique axes keeps them; the
letters on the screen then name the nearest directions.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from espark.ct.grid import image_like, index_to_point, onto_grid
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import Regions
from espark.errors import InputError, RegionError
from espark.files import atomic_path, digest, read_json, write_json
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.types import AnyArray, ByteArray
from espark.workspace.patient_files import PatientFiles

_ORDER = "LPS"
_OBLIQUE_DEGREES = 1.0
_KEPT = 3  # volumes whose files stay mapped
_DISK = 12 << 30


def in_order(image: sitk.Image) -> sitk.Image:
    """An image with its voxels stored along L, P and S; the axes nearest to these are taken."""
    ordered: sitk.Image = sitk.DICOMOrient(image, _ORDER)
    return ordered


def onto_ct(labels: ByteArray, shown: sitk.Image, ct: CtVolume) -> sitk.Image:
    """Labels that were drawn in the browser, on the CT's own grid: the inverse of :func:`in_order`.

    Args:
        labels: (z, y, x) in the order of ``shown``.
        shown: the CT as the browser shows it.
        ct: the CT as it was read.

    Raises:
        RegionError: when the labels have another size than the CT.
    """
    size = shown.GetSize()[::-1]
    if labels.shape != size:
        raise RegionError(f"the drawn regions are {labels.shape} voxels", expected=f"{size}, as the CT")
    placed = onto_grid(image_like(labels, shown), ct.image)
    if placed is None:
        raise RegionError("the drawn regions do not lie on the grid of the CT", action="Open the case again.")
    return placed


@dataclass(frozen=True)
class ShownCt:
    """A CT as the browser shows it.

    Attributes:
        voxels: (z, y, x) int16 HU along S, P and L.
        geometry: what the browser must know to draw it: size, spacing, matrix, letters.
    """

    voxels: AnyArray
    geometry: dict[str, Any]

    def slices(self, first: int, count: int) -> bytes:
        """Axial slices as little-endian int16, from the lowest slice up."""
        return np.ascontiguousarray(self.voxels[first : first + count], dtype="<i2").tobytes()

    def grid(self) -> sitk.Image:
        """An image without values that has the grid of the volume; its voxels are zero."""
        size = [int(n) for n in self.geometry["size"]]
        image = sitk.Image(size, sitk.sitkUInt8)
        matrix = np.array(self.geometry["matrix"]).reshape(4, 4)
        spacing = np.array(self.geometry["spacing"])
        image.SetSpacing(spacing.tolist())
        image.SetOrigin(matrix[:3, 3].tolist())
        image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
        return image


class CtShelf:
    """CTs that were opened: a file each in ``serve/cache/ct``, mapped while it is in use.

    Args:
        folder: the folder of these files; it can be deleted at any time.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._open: dict[str, ShownCt] = {}
        self._reading = threading.Lock()

    def is_ready(self, files: PatientFiles) -> bool:
        """Whether a CT was opened before, so that showing it takes no time."""
        return (self.folder / f"{_key(files)}.json").exists()

    def open(self, files: PatientFiles) -> ShownCt:
        """The CT of a patient.

        Raises:
            InputError: when there is none, or it cannot be read.
        """
        key = _key(files)
        with self._reading:
            if key not in self._open:
                if not self.is_ready(files):
                    self._store(key, read_patient_ct(files))
                self._open[key] = self._mapped(key)
                while len(self._open) > _KEPT:
                    self._open.pop(next(iter(self._open)))
            return self._open[key]

    def _mapped(self, key: str) -> ShownCt:
        geometry = read_json(self.folder / f"{key}.json")
        x, y, z = geometry["size"]
        voxels = np.memmap(self.folder / f"{key}.raw", dtype="<i2", mode="r", shape=(z, y, x))
        return ShownCt(voxels, geometry)

    def _store(self, key: str, ct: CtVolume) -> None:
        self._make_room()
        shown = in_order(ct.image)
        voxels = np.clip(np.rint(sitk.GetArrayViewFromImage(shown)), -32768, 32767).astype("<i2")
        with atomic_path(self.folder / f"{key}.raw") as temporary:
            voxels.tofile(temporary)
        write_json(self.folder / f"{key}.json", geometry_of(shown, ct))

    def _make_room(self) -> None:
        """Remove the volumes that were not used for longest."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stored = sorted(self.folder.glob("*.raw"), key=lambda path: path.stat().st_atime, reverse=True)
        total = 0
        for path in stored:
            total += path.stat().st_size
            if total > _DISK:
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink(missing_ok=True)


def geometry_of(shown: sitk.Image, ct: CtVolume) -> dict[str, Any]:
    """Size, spacing, matrix from voxel (x, y, z) to mm (LPS), how oblique the axes are, and what was noted."""
    direction = np.array(shown.GetDirection()).reshape(3, 3)
    tilt = float(np.degrees(np.arccos(np.clip(np.diagonal(direction), -1, 1))).max())
    return {
        "size": [int(n) for n in shown.GetSize()],
        "spacing": [float(mm) for mm in shown.GetSpacing()],
        "matrix": index_to_point(shown).ravel().tolist(),
        "tilt_degrees": round(tilt, 1) if tilt >= _OBLIQUE_DEGREES else 0.0,
        "simulated": ct.simulated,
        "notes": [str(note) for note in ct.notes],
        "series_uid": ct.series_uid,
    }


def _key(files: PatientFiles) -> str:
    """Changes with the files of a CT, without reading them."""
    if files.ct is None:
        raise InputError("this patient has no CT")
    paths = sorted(files.ct.rglob("*")) if files.ct.is_dir() else [files.ct]
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths if path.is_file()]
    return digest([str(files.ct), files.ct_series, facts])[:32]


@dataclass(frozen=True)
class LabelBlock:
    """Labels of a CT in the smallest box that holds them: 1 = esophagus, 2 = tumor.

    Attributes:
        first: first voxel (x, y, z) of the box.
        voxels: (z, y, x) uint8.
    """

    first: tuple[int, int, int]
    voxels: ByteArray

    @property
    def size(self) -> tuple[int, int, int]:
        """Size of the box (x, y, z)."""
        z, y, x = self.voxels.shape
        return x, y, z


def shown_labels(regions: Regions) -> LabelBlock:
    """The regions in the order of the voxels that the browser shows."""
    labels: ByteArray = sitk.GetArrayFromImage(in_order(regions.labels))
    sides = [np.flatnonzero(labels.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if not len(sides[0]):
        return LabelBlock((0, 0, 0), np.zeros((0, 0, 0), np.uint8))
    z, y, x = (slice(int(side[0]), int(side[-1]) + 1) for side in sides)
    return LabelBlock((x.start, y.start, z.start), np.ascontiguousarray(labels[z, y, x]))


def whole_labels(block: LabelBlock, size: tuple[int, int, int]) -> ByteArray:
    """Labels (z, y, x) of the whole CT from a block.

    Raises:
        RegionError: when the block does not lie in the CT.
    """
    ends = [start + n for start, n in zip(block.first, block.size, strict=True)]
    if min(block.first) < 0 or any(end > n for end, n in zip(ends, size, strict=True)):
        raise RegionError("the drawn regions reach beyond the CT", action="Open the case again.")
    labels = np.zeros(size[::-1], np.uint8)
    x, y, z = block.first
    labels[z : ends[2], y : ends[1], x : ends[0]] = block.voxels
    return labels
