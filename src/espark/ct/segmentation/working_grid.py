"""The grid on which the embedded segmenter works: 3 mm voxels, cropped around the body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
from scipy import ndimage
from torch import Tensor

from espark.ct.grid import image_like
from espark.errors import ImageError
from espark.types import AnyArray, BoolArray, FloatArray

SPACING_MM = 3.0
AIR_HU = -1024.0

_BODY_HU = -300
_OPENING = 2
_MARGIN = 2
_ROUNDING = 1e-6
_SOFT = (40.0, 200.0)
_WIDE = (0.0, 1000.0)


@dataclass(frozen=True, eq=False)
class WorkingCt:
    """A CT on the working grid.

    Attributes:
        image: float32 Hounsfield units, axes along left, posterior, superior, 3 mm voxels.
    """

    image: sitk.Image

    @property
    def hu(self) -> FloatArray:
        """float32 (z, y, x), z upwards."""
        return np.asarray(sitk.GetArrayFromImage(self.image), dtype=np.float32)

    def cover(self, mask: sitk.Image) -> FloatArray:
        """The share (0 to 1) of each voxel of this grid inside a mask (0, 1) on any grid: float32 (z, y, x)."""
        coarse = _shrunk(sitk.Cast(sitk.DICOMOrient(mask, "LPS"), sitk.sitkFloat32))
        found = sitk.Resample(coarse, self.image, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
        return np.asarray(sitk.GetArrayFromImage(found), dtype=np.float32)

    def take_back(self, probability: FloatArray, reference: sitk.Image, *, least: float = 0.5) -> BoolArray:
        """A mask where a probability (z, y, x) on this grid is at least ``least``, on the grid of ``reference``."""
        field = image_like(probability.astype(np.float32), self.image)
        found = sitk.Resample(field, reference, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
        inside: BoolArray = sitk.GetArrayFromImage(found) >= least - _ROUNDING
        return inside


def working_ct(image: sitk.Image) -> WorkingCt:
    """Bring a CT onto the working grid.

    Args:
        image: Hounsfield units on any grid.

    Raises:
        ImageError: when there is no body in the image.
    """
    upright = sitk.DICOMOrient(image, "LPS")
    coarse = _shrunk(sitk.Cast(upright, sitk.sitkFloat32))
    extent = np.array(upright.GetSize()) * np.array(upright.GetSpacing())
    size = np.maximum(np.rint(extent / SPACING_MM), 1).astype(int)
    first = np.array(upright.GetOrigin()) - np.array(upright.GetSpacing()) / 2 @ _axes(upright).T
    origin = first + (extent - (size - 1) * SPACING_MM) / 2 @ _axes(upright).T
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(size.tolist())
    resampler.SetOutputSpacing((SPACING_MM,) * 3)
    resampler.SetOutputOrigin(origin.tolist())
    resampler.SetOutputDirection(upright.GetDirection())
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(AIR_HU)
    resampler.SetUseNearestNeighborExtrapolator(True)
    whole = resampler.Execute(coarse)
    box = _body_box(sitk.GetArrayViewFromImage(whole))
    start, stop = (np.array([getattr(part, end) for part in box[::-1]]) for end in ("start", "stop"))
    return WorkingCt(sitk.RegionOfInterest(whole, (stop - start).tolist(), start.tolist()))


def network_input(hu: Tensor) -> Tensor:
    """The input of the network from Hounsfield units: a soft-tissue and a wide window, each from −1 to 1.

    Args:
        hu: float32 (n, z, y, x).

    Returns:
        float32 (n, 2, z, y, x).
    """
    return torch.stack([((hu - level) / half).clamp(-1.0, 1.0) for level, half in (_SOFT, _WIDE)], dim=1)


def _axes(image: sitk.Image) -> AnyArray:
    return np.array(image.GetDirection()).reshape(3, 3)


def _shrunk(image: sitk.Image) -> sitk.Image:
    """Means over blocks of about the working spacing, so that fine structures between two voxels are not lost."""
    blocks = [
        min(int(n), max(1, round(SPACING_MM / mm))) for n, mm in zip(image.GetSize(), image.GetSpacing(), strict=True)
    ]
    shrunk: sitk.Image = sitk.BinShrink(image, blocks)
    return shrunk


def _body_box(hu: AnyArray) -> tuple[slice, ...]:
    """The box around the largest body; thin objects such as the table do not count."""
    body = ndimage.binary_opening(hu > _BODY_HU, iterations=_OPENING)
    parts, count = ndimage.label(body)
    if not count:
        raise ImageError("there is no body in the image", expected=f"tissue above {_BODY_HU} HU", code="E-CT-030")
    largest = int(np.bincount(parts.ravel())[1:].argmax())
    found = ndimage.find_objects(parts)[largest]
    return tuple(
        slice(max(part.start - _MARGIN, 0), min(part.stop + _MARGIN, n))
        for part, n in zip(found, hu.shape, strict=True)
    )
