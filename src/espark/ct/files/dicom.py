"""A CT volume from DICOM files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from espark.ct.files.dicom_choice import choose, named_series
from espark.ct.files.dicom_headers import Slice
from espark.ct.files.dicom_series import Series, find_series, joined_single_slices
from espark.ct.files.dicom_stack import EXPORT_AGAIN, Stack, stack_of, stored_pixels
from espark.ct.hounsfield import CtVolume, as_hu, check_hu
from espark.errors import ImageError
from espark.intake.budget import require_room
from espark.notes import Note
from espark.types import AnyArray

_LARGEST = 2**31 - 1
_VOXEL_BYTES, _COPIES = 4, 3


def read_dicom(path: Path, *, series_uid: str | None = None) -> CtVolume:
    """Read the CT of a folder of DICOM files, or of one multi-frame file.

    When there are several series and none is named, scout views and series of one slice are ignored. Then original
    images come before derived ones, axial before other planes, longer before shorter coverage (in cm), more before
    fewer slices. A person must choose between series of several patients, or of studies with different dates.

    Args:
        path: folder, searched at any depth, or file.
        series_uid: SeriesInstanceUID of the series to read, or its number or description if only one series has it.

    Raises:
        ImageError: when there is no usable CT series, or it is not clear which series is meant. A series is not usable
            when slices are missing, doubled, unevenly spaced, tilted, of mixed geometry or of several acquisitions,
            or when it lacks Hounsfield units or is damaged.
    """
    found, remarks = find_series(path)
    if series_uid is None:
        found, joined = joined_single_slices(path, found)
        stack, choice = choose(path, found)
    else:
        named, joined = named_series(path, found, series_uid)
        stack, choice = stack_of(path, named), ()
    voxels = _hounsfield(stack)
    return CtVolume(
        image=_image(voxels, stack),
        source="dicom",
        frame_of_reference=stack.series.frame_of_reference,
        series_uid=stack.series.uid,
        person=stack.series.person,
        simulated=stack.series.simulated,
        notes=(*remarks, *joined, *stack.notes, *choice, *check_hu(voxels, path), *_lossy(stack.series)),
    )


def slices_of_volume(path: Path, series_uid: str) -> tuple[Slice, ...]:
    """The slices from which `read_dicom` made a volume, in their order along their normal.

    Args:
        path: folder or file that was read.
        series_uid: the series that the volume names.

    Raises:
        ImageError: when the series is no longer there, or cannot be read.
    """
    found, _ = joined_single_slices(path, find_series(path)[0])
    for series in found:
        if series.uid == series_uid:
            return stack_of(path, series).slices
    raise ImageError(
        f"the series {series_uid} is no longer there", where=path, action="Prepare the patient again.", code="E-CT-017"
    )


def _lossy(series: Series) -> tuple[Note, ...]:
    if not series.lossy:
        return ()
    return (Note("N-CT-004", "The pixels have lossy compression, which changes Hounsfield units slightly."),)


def _hounsfield(stack: Stack) -> AnyArray:
    """HU of a stack, (z, y, x)."""
    first = stack.slices[0]
    count = len(stack.slices) * first.rows * first.columns
    require_room(count * _VOXEL_BYTES, where=first.path.parent, copies=_COPIES, error=ImageError)
    whole = first.slope.is_integer() and first.intercept.is_integer()
    voxels = np.empty((len(stack.slices), first.rows, first.columns), dtype=np.int32 if whole else np.float32)
    by_file: dict[Path, list[int]] = {}
    for place, part in enumerate(stack.slices):
        by_file.setdefault(part.path, []).append(place)
    for path, places in by_file.items():
        stored = stored_pixels(path)
        for place in places:
            frame = stack.slices[place].frame
            if frame >= len(stored) or stored.shape[1:] != voxels.shape[1:]:
                raise ImageError(
                    "the pixel data do not fit the header", where=path, action=EXPORT_AGAIN, code="E-CT-013"
                )
            hu = stored[frame].astype(np.float64) * first.slope + first.intercept  # exact: well below 2^53
            voxels[place] = np.clip(hu, -_LARGEST, _LARGEST)
    return as_hu(voxels)


def _image(voxels: AnyArray, stack: Stack) -> sitk.Image:
    first = stack.slices[0]
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((first.pixel_mm[1], first.pixel_mm[0], stack.gap_mm))
    image.SetOrigin(first.position)
    image.SetDirection(np.column_stack((first.row_axis, first.column_axis, stack.normal)).ravel().tolist())
    return image
