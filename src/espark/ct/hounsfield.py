"""A CT in espark: a volume in Hounsfield units with its position in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk

from espark.ct.gray_values import LOWEST_CUT_HU, Modes, find_modes
from espark.errors import ImageError
from espark.notes import Note
from espark.types import AnyArray
from espark.wording import number, percent

Source = Literal["dicom", "nifti", "nrrd"]

SIMULATED_MARK = "ESPARK SIMULATED"
"""This text is in the header of every simulated CT."""

_AIR_HU = -200
_DENSEST_HU = 4000
_DENSE_SHARE = 0.01
_LOWEST_HU = -10_000
_LEAST_SPAN = 50
_BYTE = 255
_GAS_HU = -850
_TISSUE_HU = (-150, 160)
_SOFT_TISSUE_HU = 40
_APART_HU = (880, 1140)  # from gas to tissue: from lung to fat, and from empty air to enhanced tissue
_NEVER_TISSUE_HU = 700  # enhanced vessels and bone do not form a mode of this size
_BONE_ABOVE_TISSUE_HU = 150
_INTERCEPT, _INTERCEPT_TOLERANCE = 1024, 90  # some scanners use 1000
_LEAST_SOFT, _LEAST_SOFT_WITHOUT_MODE = 0.02, 0.15
_MOST_BELOW_GAS = 0.05
_BELOW_GAS_HU = -1090
_EXPORT_AGAIN = "Export the CT again from the DICOM series with rescale slope and intercept applied once."


@dataclass(frozen=True, eq=False)
class CtVolume:
    """A CT volume.

    Attributes:
        image: Hounsfield units, int16 (or float32 if the file holds fractions); coordinates in mm, LPS.
        source: kind of file that it was read from.
        frame_of_reference: DICOM frame of reference, which is compared with that of contours.
        series_uid: DICOM series it was read from.
        person: hash of the PatientID, which is compared with that of contours; None when unknown.
        simulated: whether the header of the file marks a simulated patient.
        notes: decisions made while reading, such as which series was chosen and why.
    """

    image: sitk.Image
    source: Source
    frame_of_reference: str | None = None
    series_uid: str | None = None
    person: str | None = None
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
    """``voxels`` as int16 if this is exact, otherwise as float32."""
    limits = np.iinfo(np.int16)
    if voxels.dtype == np.int16:
        return voxels
    whole = np.issubdtype(voxels.dtype, np.integer) or bool(np.array_equal(voxels, np.rint(voxels)))
    if whole and voxels.min() >= limits.min and voxels.max() <= limits.max:
        return voxels.astype(np.int16)
    return voxels.astype(np.float32)


def check_hu(voxels: AnyArray, where: object) -> tuple[Note, ...]:
    """Refuse a volume if, by the modes of its histogram, its values cannot be Hounsfield units.

    Args:
        voxels: (z, y, x) values.
        where: file or folder, for the message.

    Returns:
        Doubts, when bright values were cut off, or a part of the image was blanked out with 0.

    Raises:
        ImageError: when the values are not finite, standardized, windowed, cut off, shifted or scaled, hold no air or
            nothing else, or too much that is denser than metal.
    """
    if np.issubdtype(voxels.dtype, np.floating) and not np.isfinite(voxels).all():
        raise ImageError(
            "some voxels do not hold a number (NaN or infinity)",
            where=where,
            expected="Hounsfield units in every voxel",
            action="Export the CT again from the DICOM series.",
            code="E-CT-001",
        )
    modes = find_modes(voxels)
    misfit = _misfit(voxels, float(voxels.min()), float(voxels.max()), modes)
    if misfit is not None:
        code, found, hint = misfit
        raise ImageError(
            f"{found}, so they are not Hounsfield units",
            where=where,
            expected="a CT in Hounsfield units: air at −1000, fat near −100, soft tissue near 40",
            action=f"{hint} {_EXPORT_AGAIN}".strip(),
            code=code,
        )
    notes = []
    if modes.cut_above is not None:
        limit = number(modes.cut_above, 0)
        text = f"Values above {limit} HU were cut off, so bone, metal and calcifications look alike."
        notes.append(Note("D-CT-002", text))
    if modes.zero_share:
        text = f"{percent(modes.zero_share)} of the voxels are exactly 0 HU, which is water: a part was blanked out."
        notes.append(Note("D-CT-010", text))
    return tuple(notes)


def _misfit(voxels: AnyArray, lowest: float, highest: float, modes: Modes) -> tuple[str, str, str] | None:
    """Code, finding and hint, when the values are not Hounsfield units."""
    span = f"the values ({lowest:g} to {highest:g})"
    dense = float(np.mean(voxels > _DENSEST_HU))
    if highest - lowest < _LEAST_SPAN:
        whole = bool(np.array_equal(voxels, np.rint(voxels)))
        hint = "The file may be a mask." if whole else "The original values cannot be recovered."
        return "E-CT-003", f"{span} were standardized or scaled", hint
    if highest - lowest <= _BYTE and lowest >= -_BYTE / 2 - 1:
        hint = "This looks like a windowed 8-bit picture. Hounsfield units cannot be recovered from it."
        return "E-CT-002", f"{span} are gray levels of a picture", hint
    if dense > _DENSE_SHARE or lowest < _LOWEST_HU:
        hint = "Negative values may have been stored as large positive ones." if lowest >= 0 else ""
        return "E-CT-010", f"{span} have too wide a range ({percent(dense)} are above {_DENSEST_HU})", hint
    pairs = [tissue for tissue in modes.tissue if any(_apart(tissue, gas) for gas in modes.gas)]
    raised = [tissue for tissue in pairs if tissue >= _NEVER_TISSUE_HU]
    fits = [tissue for tissue in modes.tissue if _TISSUE_HU[0] <= tissue <= _TISSUE_HU[1]]
    if raised or (pairs and not set(pairs) & set(fits)):
        return _shifted((raised or pairs)[-1], lowest, highest)
    if highest < _AIR_HU:
        return "E-CT-009", f"{span} are only air", "The rescale intercept may have been applied twice."
    return _without_air(span, lowest, modes) or _without_tissue(span, modes, bool(fits))


def _without_air(span: str, lowest: float, modes: Modes) -> tuple[str, str, str] | None:
    """The finding when values at one end were cut off, or never existed."""
    low, high = modes.cut_below, modes.cut_above
    if modes.lowest <= _GAS_HU:
        if high is None or high > LOWEST_CUT_HU:
            return None
        return "E-CT-006", f"{span} were cut off at {number(high, 0)}", "Bone and all bright tissue are lost."
    if lowest >= 0:
        hint = "The image may be an MR or a picture, or a CT in other units."
        return "E-CT-007", f"{span} hold no air, because none is negative", hint
    if low is not None:
        ends = number(low, 0) if high is None else f"{number(low, 0)} and {number(high, 0)}"
        return "E-CT-006", f"{span} were cut off at {ends}", "Air and lung are lost."
    return "E-CT-007", f"{span} hold no air", "The values may have been scaled."


def _without_tissue(span: str, modes: Modes, fits: bool) -> tuple[str, str, str] | None:
    """The finding when few values lie between fat and soft tissue, or many lie below air."""
    least = _LEAST_SOFT if fits else _LEAST_SOFT_WITHOUT_MODE
    below_gas = modes.low_share > _MOST_BELOW_GAS or any(mode < _BELOW_GAS_HU for mode in modes.tissue)
    if modes.soft_share >= least and not below_gas:
        return None
    hint = "The values may have been scaled, or the rescale intercept applied twice."
    return "E-CT-008", f"{span} do not have the modes of air, fat and soft tissue", hint


def _apart(tissue: float, gas: float) -> bool:
    return _APART_HU[0] <= tissue - gas <= _APART_HU[1]


def _shifted(tissue: float, lowest: float, highest: float) -> tuple[str, str, str]:
    """The finding when two modes have the distance of air and soft tissue, but not their position."""
    off = tissue - _SOFT_TISSUE_HU
    found = f"soft tissue seems to lie near {number(tissue, 0)} and air about 1000 below it"
    if abs(off + _INTERCEPT) <= _INTERCEPT_TOLERANCE:
        return "E-CT-005", found, "The values look like Hounsfield units minus 1024 (the intercept was applied twice)."
    if abs(off - _INTERCEPT) <= _INTERCEPT_TOLERANCE and highest - tissue > _BONE_ABOVE_TISSUE_HU:
        return "E-CT-004", found, "The values look like Hounsfield units plus 1024 (the intercept is missing)."
    if lowest >= 0:
        return "E-CT-007", "none of the values is negative", "The image may be an MR, or a CT in other units."
    return "E-CT-008", found, "The values may have been shifted, scaled or inverted."
