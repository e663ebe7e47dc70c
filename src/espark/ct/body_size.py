"""Checks that the body in a CT has a plausible width. If not, the size of a voxel is wrong."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from espark.ct.hounsfield import CtVolume
from espark.errors import ImageError
from espark.notes import Note

_BODY_HU = -300
_SLICES = 9
_POSSIBLE_MM = (50, 1000)
_USUAL_MM = (100, 700)  # a neck alone; shoulders with the table


def check_body(ct: CtVolume) -> tuple[Note, ...]:
    """Doubts about the size of a CT's voxels, from the width of the body and from the affine.

    Args:
        ct: a CT of neck, chest or abdomen.

    Raises:
        ImageError: when the body is so wide or narrow that the spacing cannot be in millimetres.
    """
    width = body_width_mm(ct)
    if not np.isfinite(width):
        return ()
    found = f"the body is {width:.0f} mm wide"
    low, high = _POSSIBLE_MM
    if not low <= width <= high:
        raise ImageError(
            f"{found} (spacing of the voxels: {' × '.join(f'{mm:g}' for mm in ct.spacing_mm)} mm)",
            expected=f"a body {low} to {high} mm wide",
            action="The spacing may be in cm or m, or may be lost. Export the CT again from the DICOM series.",
            code="E-CT-032",
        )
    notes = []
    low, high = _USUAL_MM
    if not low <= width <= high:
        text = f"The body is {width:.0f} mm wide (usual: {low} to {high} mm); the spacing of the voxels may be wrong."
        notes.append(Note("D-CT-008", text))
    if ct.source != "dicom" and set(ct.spacing_mm) == {1.0} and not any(ct.image.GetOrigin()):
        text = "The affine is the identity: voxels of 1 × 1 × 1 mm from the origin. The geometry may be lost."
        notes.append(Note("D-CT-009", text))
    return tuple(notes)


def body_width_mm(ct: CtVolume) -> float:
    """Largest width from left to right of the largest piece of tissue, in nine slices; NaN when there is no tissue."""
    upright = sitk.DICOMOrient(ct.image, "LPS")
    hu = sitk.GetArrayViewFromImage(upright)
    widths = [float("nan")]
    for z in np.linspace(0, len(hu) - 1, min(len(hu), _SLICES)).astype(int):
        parts, count = ndimage.label(hu[z] > _BODY_HU)
        if count:
            columns = np.flatnonzero((parts == 1 + np.bincount(parts.ravel())[1:].argmax()).any(axis=0))
            widths.append(float(columns[-1] - columns[0] + 1) * upright.GetSpacing()[0])
    return float(np.nanmax(widths)) if len(widths) > 1 else widths[0]
