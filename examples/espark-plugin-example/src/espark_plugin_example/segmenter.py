"""A segmenter without weights: where an esophagus usually is. It shows the contract; it does not find an esophagus."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from espark.plugins import CtVolume, FoundMasks

_BONE_HU = 200
_BODY_HU = -300
_RADIUS_MM = 9.0
_BEFORE_SPINE_MM = 12.0
_HEIGHT = (0.15, 0.85)  # share of the slices


class TubeSegmenter:
    """A straight tube in front of the spine; see `espark.plugins.Segmenter`."""

    name = "example-tube"
    finds_tumor = False

    def segment(self, ct: CtVolume) -> FoundMasks:
        """The tube as esophagus, bool (z, y, x) on the CT's own grid."""
        image = sitk.DICOMOrient(ct.image, "LPS")  # x to the left, y to the back, z to the head
        hu = sitk.GetArrayFromImage(image)
        mm_x, mm_y, _ = image.GetSpacing()
        columns = np.flatnonzero((hu > _BODY_HU).any(axis=(0, 1)))
        middle = (columns[0] + columns[-1]) / 2
        bone = hu[:, :, int(middle - 20 / mm_x) : int(middle + 20 / mm_x)] > _BONE_HU
        rows = np.flatnonzero(bone.any(axis=(0, 2)) & (np.arange(hu.shape[1]) > hu.shape[1] * 0.4))
        if not len(rows):
            return FoundMasks(None, None, ("the segmenter found no spine",))
        row = rows[0] - _BEFORE_SPINE_MM / mm_y
        y, x = np.ogrid[: hu.shape[1], : hu.shape[2]]
        disc = np.hypot((y - row) * mm_y, (x - middle) * mm_x) <= _RADIUS_MM
        tube = np.zeros(hu.shape, np.uint8)
        tube[int(_HEIGHT[0] * len(hu)) : int(_HEIGHT[1] * len(hu))] = disc
        mask = sitk.GetImageFromArray(tube)
        mask.CopyInformation(image)
        code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(ct.image.GetDirection())
        return FoundMasks(sitk.GetArrayFromImage(sitk.DICOMOrient(mask, code)) > 0, None)
