"""Grids of voxels: are two the same, is one stored in another order, and how to say what a grid is."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

from espark.types import DoubleArray

SAME_GRID_VOXELS = 0.05
"""Two grids are the same when no corner lies further apart than this share of a voxel (headers round)."""


def index_to_point(image: sitk.Image) -> DoubleArray:
    """The 4×4 matrix from voxel index (x, y, z, 1) to patient coordinates in mm (LPS)."""
    matrix = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    matrix[:3, :3] = direction * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def orientation_code(image: sitk.Image) -> str:
    """Where the index axes (x, y, z) point to, such as ``LPS`` (left, posterior, superior)."""
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

    Only the order and direction in which the axes are stored may differ. Nothing is interpolated.

    Args:
        image: 3-D image, usually a mask.
        reference: 3-D image, usually the CT.
    """
    if _equal_headers(image, reference):
        return image
    step = np.linalg.inv(index_to_point(image)) @ index_to_point(reference)
    exact = np.eye(4)
    exact[:3, :3] = np.rint(step[:3, :3])
    source = np.abs(exact[:3, :3]).argmax(axis=0)  # axis of `image` that runs along each axis of `reference`
    if not np.array_equal(np.abs(exact[:3, :3]), np.eye(3)[:, source].reshape(3, 3)) or len(set(source)) < 3:
        return None
    if tuple(np.array(image.GetSize())[source]) != reference.GetSize():
        return None
    backwards = exact[source, range(3)] < 0
    exact[source, 3] = np.where(backwards, np.array(reference.GetSize()) - 1, 0)
    corners = np.array([(*corner, 1) for corner in itertools.product(*((0, n - 1) for n in reference.GetSize()))]).T
    if np.abs((step - exact) @ corners).max() > SAME_GRID_VOXELS:
        return None
    voxels = sitk.GetArrayFromImage(image).transpose(2, 1, 0).transpose(source)
    voxels = np.flip(voxels, axis=tuple(np.flatnonzero(backwards)))
    return image_like(voxels.transpose(2, 1, 0), reference)


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
