"""Grids of voxels: compare two grids, change the storage order, and describe a grid in words."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from espark.types import AnyArray, DoubleArray, IntArray

SAME_GRID_VOXELS = 0.05
"""Two grids are the same when no corners differ by more than this share of a voxel (headers are rounded)."""


def index_to_point(image: sitk.Image) -> DoubleArray:
    """The 4×4 matrix from voxel index (x, y, z, 1) to patient coordinates in mm (LPS)."""
    matrix = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    matrix[:3, :3] = direction * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def volume_ml(voxels: int, spacing_mm: Sequence[float]) -> float:
    """Volume of a region in ml.

    Args:
        voxels: number of voxels of the region.
        spacing_mm: size of a voxel along x, y and z.

    Example:
        >>> volume_ml(2000, (1.0, 1.0, 2.5))
        5.0
    """
    x, y, z = spacing_mm
    return voxels * (z * y * x) / 1000


def orientation_code(image: sitk.Image) -> str:
    """The directions of the index axes (x, y, z), such as ``LPS`` (left, posterior, superior)."""
    code: str = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    return code


def describe_grid(image: sitk.Image) -> str:
    """A grid in words: size, spacing, first voxel, axes."""
    size = " × ".join(str(n) for n in image.GetSize())
    spacing = " × ".join(f"{mm:.3f}" for mm in image.GetSpacing())
    origin = ", ".join(f"{mm:.1f}" for mm in image.GetOrigin())
    return f"{size} voxels of {spacing} mm, first voxel at ({origin}) mm, axes {orientation_code(image)}"


def onto_grid(image: sitk.Image, reference: sitk.Image) -> sitk.Image | None:
    """``image`` in the storage order and with the exact geometry of ``reference``; None when the grids differ.

    Only the order and direction of the stored axes may differ. Nothing is interpolated.

    Args:
        image: 3-D image, usually a mask.
        reference: 3-D image, usually the CT.
    """
    if _equal_headers(image, reference):
        return image
    placed = _place(image, reference)
    if placed is None:
        return None
    voxels, start = placed
    if voxels.shape != reference.GetSize() or start.any():
        return None
    return image_like(voxels.transpose(2, 1, 0), reference)


def padded_onto_grid(image: sitk.Image, reference: sitk.Image) -> sitk.Image | None:
    """``image`` filled up with zeros, by whole voxels, to the extent of ``reference``.

    The voxels must match voxels of the reference, in any storage order. Nothing is interpolated.

    Args:
        image: 3-D mask which may cover less than the reference, or more if it holds only zeros there.
        reference: 3-D image, usually the CT.

    Returns:
        The image on the grid of the reference; None when its voxels do not match, or lie outside.
    """
    placed = _place(image, reference)
    if placed is None:
        return None
    voxels, start = placed
    size = np.array(reference.GetSize())
    low, high = np.clip(-start, 0, voxels.shape), np.clip(size - start, 0, voxels.shape)
    inside = voxels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    if np.count_nonzero(inside) != np.count_nonzero(voxels):
        return None
    whole = np.zeros(reference.GetSize(), dtype=voxels.dtype)
    whole[tuple(slice(a, b) for a, b in zip(start + low, start + high, strict=True))] = inside
    return image_like(whole.transpose(2, 1, 0), reference)


def _place(image: sitk.Image, reference: sitk.Image) -> tuple[AnyArray, IntArray] | None:
    """Voxels (x, y, z) in the storage order of the reference, and the index of the first voxel in the reference. None
    when the voxels do not match."""
    step = np.linalg.inv(index_to_point(reference)) @ index_to_point(image)
    exact = np.rint(step)
    turn = np.abs(exact[:3, :3])
    source = turn.argmax(axis=1)  # axis of `image` that runs along each axis of `reference`
    if len(set(source)) < 3 or not np.array_equal(turn, np.eye(3)[source]):
        return None
    corners = np.array([(*corner, 1) for corner in itertools.product(*((0, n - 1) for n in image.GetSize()))]).T
    if np.abs((step - exact) @ corners).max() > SAME_GRID_VOXELS:
        return None
    backwards = exact[range(3), source] < 0
    voxels = sitk.GetArrayFromImage(image).transpose(2, 1, 0).transpose(source)
    start: IntArray = (exact @ corners)[:3].min(axis=1).astype(np.int64)
    return np.flip(voxels, axis=tuple(np.flatnonzero(backwards))), start


def _equal_headers(first: sitk.Image, second: sitk.Image) -> bool:
    return (first.GetSize(), first.GetSpacing(), first.GetOrigin(), first.GetDirection()) == (
        second.GetSize(),
        second.GetSpacing(),
        second.GetOrigin(),
        second.GetDirection(),
    )


def image_like(voxels: np.typing.NDArray[np.generic], reference: sitk.Image) -> sitk.Image:
    """An image of ``voxels`` (z, y, x) on the grid of ``reference``."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels))
    image.SetOrigin(reference.GetOrigin())
    image.SetSpacing(reference.GetSpacing())
    image.SetDirection(reference.GetDirection())
    return image
