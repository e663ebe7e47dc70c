"""A CT on the working grid with the known truth of its regions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from espark.ct.segmentation.working_grid import AIR_HU, SPACING_MM
from espark.types import AnyArray, BoolArray, ByteArray, FloatArray

ESOPHAGUS, TUMOR = 0, 1
"""Channels of a scan's truth. The esophagus is the whole organ, the tumor included."""

FULL_SHARE = 255
"""The stored share of a voxel that is completely inside."""

_MOST_HU = 3071
_NEAR_MM = 12.0


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT on the working grid with the known truth of its regions.

    Attributes:
        name: name in messages.
        hu: int16 (z, y, x), Hounsfield units at 3 mm, from air to 3071.
        share: uint8 (2, z, y, x), share of each voxel in esophagus and tumor, in 255ths. The organ is only about four
            voxels wide, so a border within voxels is better than a jagged one.
        known: uint8 (z, y, x), bit 1 where the truth of the esophagus is known, bit 2 where the truth of the tumor is.
    """

    name: str
    hu: AnyArray
    share: ByteArray
    known: ByteArray

    @cached_property
    def places(self) -> tuple[AnyArray, AnyArray]:
        """Indices (n, 3) of the voxels in esophagus and tumor."""
        esophagus, tumor = (np.argwhere(part > FULL_SHARE // 2).astype(np.int16) for part in self.share)
        return esophagus, tumor


def label_scan(
    name: str,
    hu: FloatArray,
    esophagus: FloatArray | None,
    tumor: FloatArray | None,
    *,
    slices: BoolArray | None = None,
) -> Scan:
    """A scan with its labels.

    If only the esophagus is known, the tumor is absent far from it and unknown inside it: a real esophagus without an
    outlined tumor must not teach the network that there is no tumor.

    Args:
        name: name in messages.
        hu: (z, y, x), Hounsfield units at 3 mm.
        esophagus: share (0 to 1) of each voxel (z, y, x) in the whole organ; None if it is not known.
        tumor: the same for the tumor.
        slices: bool (z,), slices with reliable contours; None for all slices.

    Raises:
        ValueError: when neither is known.
    """
    given = esophagus if esophagus is not None else tumor
    if given is None:
        raise ValueError("neither esophagus nor tumor is known")
    trusted = np.ones(given.shape, bool) if slices is None else np.broadcast_to(slices[:, None, None], given.shape)
    share, known = np.zeros((2, *given.shape), np.uint8), np.zeros((2, *given.shape), bool)
    if tumor is not None:
        share[TUMOR], known[TUMOR] = _in_255ths(tumor), trusted
    elif esophagus is not None:
        inside = esophagus >= 0.5
        far = ndimage.distance_transform_edt(~inside) > _NEAR_MM / SPACING_MM if inside.any() else trusted
        known[TUMOR] = trusted & far
    if esophagus is not None:
        whole = esophagus if tumor is None else np.maximum(esophagus, tumor)
        share[ESOPHAGUS], known[ESOPHAGUS] = _in_255ths(whole), trusted
    share[:, ~trusted] = 0
    bits = sum(part.astype(np.uint8) << region for region, part in enumerate(known))
    return Scan(name, np.rint(hu.clip(AIR_HU, _MOST_HU)).astype(np.int16), share, np.asarray(bits, dtype=np.uint8))


def _in_255ths(share: FloatArray) -> ByteArray:
    return np.rint(share * FULL_SHARE).astype(np.uint8)
