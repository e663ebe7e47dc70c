"""The CT instances that the objects of a patient refer to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

from espark.ct.files.dicom import slices_of_volume
from espark.ct.files.dicom_headers import Slice, reading
from espark.ct.grid import SAME_GRID_VOXELS, index_to_point
from espark.ct.hounsfield import CtVolume
from espark.dicom_out.converted_ct import write_converted
from espark.dicom_out.equipment import fill_blanks
from espark.dicom_out.uids import uid_of
from espark.errors import ImageError
from espark.types import ByteArray

_IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True, eq=False)
class CtSource:
    """The instances of a CT.

    Attributes:
        headers: one for each file, without pixels.
        slices: for each file, its slices that belong to the volume.
        converted: whether espark wrote the instances, because the CT was not given as DICOM.
    """

    headers: tuple[Dataset, ...]
    slices: tuple[tuple[Slice, ...], ...]
    converted: bool

    @property
    def frames(self) -> int:
        """Number of images in all files."""
        return sum(int(header.get("NumberOfFrames") or 1) for header in self.headers)

    def planes(self, mask: sitk.Image) -> ByteArray:
        """A mask on the grid of the volume, as uint8 (frame, row, column) in the order of the files.

        Raises:
            ImageError: when the slices are not slices of the mask's grid.
        """
        voxels = sitk.GetArrayViewFromImage(mask)
        planes = np.zeros((self.frames, int(self.headers[0].Rows), int(self.headers[0].Columns)), dtype=np.uint8)
        start = 0
        for header, parts in zip(self.headers, self.slices, strict=True):
            for part in parts:
                planes[start + part.frame] = _plane(voxels, mask, part)
            start += int(header.get("NumberOfFrames") or 1)
        return planes


def ct_source(path: Path, ct: CtVolume, patient_id: str, folder: Path) -> CtSource:
    """The instances of a CT; a CT that is not DICOM, or has no UIDs, is converted.

    Args:
        path: file or folder from which the CT was read.
        ct: the CT.
        patient_id: the patient of a converted CT.
        folder: where the instances of a converted CT are written.
    """
    if ct.source == "dicom":
        headers, slices = _read(path, ct)
        multi_frame = any("NumberOfFrames" in header for header in headers)
        if all(header.get(name) for header in headers for name in _IDENTIFIERS) and not (
            multi_frame and len(headers) > 1
        ):
            return CtSource(headers, slices, converted=False)
    converted = write_converted(folder, ct, patient_id)
    return CtSource(*_read(folder, converted), converted=True)


def _gap_mm(slices: tuple[Slice, ...]) -> float:
    """Distance of neighboring slices."""
    normal = np.cross(slices[0].row_axis, slices[0].column_axis)
    first, last = (float(np.dot(part.position, normal)) for part in (slices[0], slices[-1]))
    return round((last - first) / (len(slices) - 1), 6)


def _read(path: Path, ct: CtVolume) -> tuple[tuple[Dataset, ...], tuple[tuple[Slice, ...], ...]]:
    every = slices_of_volume(path, ct.series_uid or "")
    by_file: dict[Path, list[Slice]] = {}
    for part in every:
        by_file.setdefault(part.path, []).append(part)
    headers = []
    for file in by_file:
        with reading(file):
            header = fill_blanks(pydicom.dcmread(file, stop_before_pixels=True))
        if not header.get("FrameOfReferenceUID"):
            header.FrameOfReferenceUID = uid_of(str(header.get("SeriesInstanceUID")), "frame of reference")
        if header.SliceThickness is None:
            header.SliceThickness = _gap_mm(every)
        headers.append(header)
    return tuple(headers), tuple(tuple(parts) for parts in by_file.values())


def _plane(voxels: ByteArray, mask: sitk.Image, part: Slice) -> ByteArray:
    """The voxels (z, y, x) of a mask at the pixels of a slice, in whatever order the grid stores them."""
    to_index = np.linalg.inv(index_to_point(mask))
    origin = to_index[:3, :3] @ np.array(part.position) + to_index[:3, 3]
    along_row = to_index[:3, :3] @ np.array(part.row_axis) * part.pixel_mm[1]
    along_column = to_index[:3, :3] @ np.array(part.column_axis) * part.pixel_mm[0]
    rows, columns = np.arange(part.rows)[:, None, None], np.arange(part.columns)[None, :, None]
    exact = origin + rows * along_column + columns * along_row
    index = np.rint(exact).astype(np.int64)
    size = np.array(mask.GetSize())
    if np.abs(exact - index).max() > 2 * SAME_GRID_VOXELS or (index < 0).any() or (index >= size).any():
        raise ImageError(
            "the slices do not lie on the grid of the regions",
            where=part.path.parent,
            action="Prepare the patient again from the CT that is in this folder now.",
        )
    found: ByteArray = voxels[index[..., 2], index[..., 1], index[..., 0]].astype(np.uint8)
    return found
