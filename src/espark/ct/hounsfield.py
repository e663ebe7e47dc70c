"""A CT as espark sees it: a volume in Hounsfield units with its place in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk

from espark.errors import ImageError
from espark.notes import Note
from espark.types import AnyArray
from espark.wording import percent

Source = Literal["dicom", "nifti", "nrrd"]

SIMULATED_MARK = "ESPARK SIMULATED"
"""What the header of every simulated CT says."""

_AIR_HU = -200
_DENSEST_HU = 4000
_DENSE_SHARE = 0.01
_LOWEST_HU = -10_000


@dataclass(frozen=True, eq=False)
class CtVolume:
    """A CT volume.

    Attributes:
        image: Hounsfield units, int16 (or float32 where the file holds fractions); coordinates in mm, LPS.
        source: kind of file it came from.
        frame_of_reference: DICOM frame of reference, against which contours are checked.
        series_uid: DICOM series it was read from.
        simulated: whether the file's header says that this is a simulated patient.
        notes: what was decided while reading, such as which series was taken and why.
    """

    image: sitk.Image
    source: Source
    frame_of_reference: str | None = None
    series_uid: str | None = None
    simulated: bool = False
    notes: tuple[Note, ...] = ()

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of voxel centres along the index axes (x, y, z) in mm."""
        x, y, z = self.image.GetSpacing()
        return x, y, z

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of voxels along the index axes (x, y, z)."""
        x, y, z = self.image.GetSize()
        return x, y, z


def as_hu(voxels: AnyArray) -> AnyArray:
    """``voxels`` as int16 where that loses nothing, else as float32."""
    limits = np.iinfo(np.int16)
    if voxels.dtype == np.int16:
        return voxels
    whole = np.issubdtype(voxels.dtype, np.integer) or bool(np.array_equal(voxels, np.rint(voxels)))
    if whole and voxels.min() >= limits.min and voxels.max() <= limits.max:
        return voxels.astype(np.int16)
    return voxels.astype(np.float32)


def check_hu(voxels: AnyArray, where: object) -> None:
    """Refuse a volume whose values cannot be Hounsfield units.

    Args:
        voxels: (z, y, x) values.
        where: file or folder, for the message.

    Raises:
        ImageError: when the values hold no air or nothing else, too much that is denser than metal, or are not finite.
    """
    if np.issubdtype(voxels.dtype, np.floating) and not np.isfinite(voxels).all():
        raise ImageError(
            "some voxels hold no number (NaN or infinity)",
            where=where,
            expected="Hounsfield units in every voxel",
            action="Export the CT again from the DICOM series.",
        )
    lowest, highest = float(voxels.min()), float(voxels.max())
    hint = "Export the CT again from the DICOM series with rescale slope and intercept applied."
    if lowest > _AIR_HU:
        if lowest >= 0 and highest <= 255:
            hint = "This looks like a windowed 8-bit picture, from which Hounsfield units cannot be recovered. " + hint
        elif -1 <= lowest < 100 and highest > 1000:
            hint = "The values look like Hounsfield units plus 1024 (the intercept is missing). " + hint
        raise ImageError(
            f"the values ({lowest:g} to {highest:g}) are not Hounsfield units, for there is no air in the image",
            where=where,
            expected=f"a CT of the chest with air below {_AIR_HU} HU",
            action=hint,
        )
    if highest < _AIR_HU:
        raise ImageError(
            f"the values ({lowest:g} to {highest:g}) are nothing but air",
            where=where,
            expected="a CT of the chest in Hounsfield units: air at −1000, water at 0",
            action=hint,
        )
    dense = float(np.mean(voxels > _DENSEST_HU))
    if dense > _DENSE_SHARE or lowest < _LOWEST_HU:
        raise ImageError(
            f"the values ({lowest:g} to {highest:g}, {percent(dense)} above {_DENSEST_HU}) are not Hounsfield units",
            where=where,
            expected="a CT in Hounsfield units: air at −1000, water at 0",
            action=hint,
        )
