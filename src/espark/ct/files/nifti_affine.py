"""Place and size of the voxels in the header of a NIfTI file, in three ways that may disagree.

ITK uses one of them and gives no warning: the spacing from ``pixdim``, the directions from the sform or the qform.
nibabel prefers the sform. So a file on which they differ lies elsewhere for one program than for the other.
"""

from __future__ import annotations

import gzip
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from espark.ct.grid import index_to_point
from espark.errors import InputError
from espark.notes import Note
from espark.types import DoubleArray

_NIFTI1_SIZEOF = 348
_HEADER = 352
_SAME_SPACING = 0.01
_UPRIGHT = 1e-3
_SAME_PLACE_MM = 0.1
_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

SHEARED = (
    "The gantry was tilted, or the affine was rounded. Resample CT and masks to an upright grid (3D Slicer: Resample "
    "Scalar Volume; nibabel.processing.resample_to_output), or convert the DICOM series again with dcm2niix."
)
"""What to do with a file whose axes are not at right angles."""


@dataclass(frozen=True, eq=False)
class _Affines:
    """Index to mm (RAS), as the header has it; None where a form is not in use.

    Attributes:
        spacing: ``pixdim`` along x, y, z, not 0.
        sform: 4 × 4.
        qform: 4 × 4.
    """

    spacing: DoubleArray
    sform: DoubleArray | None
    qform: DoubleArray | None


def check_affine(path: Path, content: bytes, error: type[InputError]) -> None:
    """Refuse a file whose sform is sheared, or gives another spacing than ``pixdim``.

    Args:
        path: the file, for the message.
        content: its first 352 bytes or more, decompressed.
        error: kind of error to raise.

    Raises:
        InputError: of kind ``error``.
    """
    affines = _affines(content)
    if affines is None or affines.sform is None:
        return
    axes = affines.sform[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    turns = axes / np.maximum(lengths, 1e-9)
    if np.abs(turns.T @ turns - np.eye(3)).max() > _UPRIGHT:
        raise error(
            "the axes of the voxels are not at right angles (sheared sform)",
            where=path,
            expected="upright voxels",
            action=SHEARED,
            code="E-CT-031",
        )
    if not (np.abs(lengths / affines.spacing - 1) < _SAME_SPACING).all():
        raise error(
            f"the header gives two sizes of a voxel: {_mm(affines.spacing)} (pixdim) and {_mm(lengths)} (sform)",
            where=path,
            expected="one size",
            action="Write the file again with the affine of the DICOM series, such as with dcm2niix.",
            code="E-CT-033",
        )


def affine_doubts(path: Path, image: sitk.Image) -> tuple[Note, ...]:
    """That qform and sform differ, and which was used; empty for files of another kind.

    Args:
        path: the file.
        image: what ITK read from it.
    """
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as handle:
        affines = _affines(handle.read(_HEADER))
    if affines is None or affines.sform is None or affines.qform is None:
        return ()
    apart = _apart(affines.sform, affines.qform, image)
    if apart <= _SAME_PLACE_MM:
        return ()
    used = _TO_LPS @ index_to_point(image)
    names = {"sform": affines.sform, "qform": affines.qform}
    taken = min(names, key=lambda name: _apart(names[name], used, image))
    text = f"qform and sform of the file put a voxel up to {apart:.1f} mm apart; the {taken} was used."
    return (Note("D-CT-007", text),)


def _apart(first: DoubleArray, second: DoubleArray, image: sitk.Image) -> float:
    """Largest distance in mm between the places that two affines give a corner of the image."""
    corners = np.array([(*corner, 1) for corner in itertools.product(*((0, n - 1) for n in image.GetSize()))]).T
    return float(np.linalg.norm(((first - second) @ corners)[:3], axis=0).max())


def _affines(content: bytes) -> _Affines | None:
    """The affines of a NIfTI-1 header; None for anything else."""
    order = next((o for o in "<>" if np.frombuffer(content[:4], f"{o}i4")[:1] == _NIFTI1_SIZEOF), None)
    if order is None or len(content) < _HEADER:
        return None
    pixdim = np.frombuffer(content, f"{order}f4", 8, 76).astype(np.float64)
    qform_code, sform_code = np.frombuffer(content, f"{order}i2", 2, 252)
    quaternion = np.frombuffer(content, f"{order}f4", 6, 256).astype(np.float64)
    sform = np.vstack((np.frombuffer(content, f"{order}f4", 12, 280).reshape(3, 4), (0, 0, 0, 1))).astype(np.float64)
    spacing = np.maximum(np.abs(pixdim[1:4]), 1e-9)
    qform = _qform(quaternion, spacing, -1.0 if pixdim[0] < 0 else 1.0)
    return _Affines(spacing, sform if sform_code > 0 else None, qform if qform_code > 0 else None)


def _qform(quaternion: DoubleArray, spacing: DoubleArray, handedness: float) -> DoubleArray:
    """The affine of a quaternion (b, c, d) with offsets; its first part follows from the other three."""
    b, c, d = quaternion[:3]
    turn = Rotation.from_quat([b, c, d, np.sqrt(max(1 - b * b - c * c - d * d, 0.0))]).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing * (1, 1, handedness)
    affine[:3, 3] = quaternion[3:]
    return affine


def _mm(values: DoubleArray) -> str:
    return " × ".join(f"{value:.4g}" for value in values) + " mm"
