"""Patches of CTs with known regions, from which the segmenter learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from espark.ct.segmentation.working_grid import AIR_HU, SPACING_MM, network_input
from espark.types import AnyArray, BoolArray, ByteArray, DoubleArray, FloatArray

ESOPHAGUS, TUMOR = 0, 1
"""Channels of a scan's truth. The esophagus is the whole organ, the tumor included."""

_FULL = 255
_NEAR_MM = 12.0
_ON_REGION = 0.8
_ON_TUMOR = 0.4
_JITTER = (8, 12, 12)  # voxels (z, y, x)
_TURN_DEGREES = 8.0
_ZOOM = (0.88, 1.14)
_CONTRAST = (0.85, 1.15)
_SHIFT_HU = 12.0
_SHARPNESS = (-0.9, 0.9)
_SHARPNESS_VOXELS = 0.8
_NOISE_HU = 25.0
_COARSE_NOISE = 0.5
_COARSE_NOISE_VOXELS = 0.6
_THICK_SLICES = 0.25
_THICK_VOXELS = 0.8


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT on the working grid with what is known of its regions.

    Attributes:
        name: for messages.
        hu: int16 (z, y, x), Hounsfield units at 3 mm.
        share: uint8 (2, z, y, x), how much of each voxel is esophagus and tumor, in 255ths. The organ is only some four
            voxels across: a border that is known to a part of a voxel is worth more than a jagged one.
        known: uint8 (z, y, x), bit 1 where the truth of the esophagus is known, bit 2 where that of the tumor is.
    """

    name: str
    hu: AnyArray
    share: ByteArray
    known: ByteArray

    @cached_property
    def places(self) -> tuple[AnyArray, AnyArray]:
        """Indices (n, 3) of the voxels in esophagus and tumor."""
        esophagus, tumor = (np.argwhere(part > _FULL // 2).astype(np.int16) for part in self.share)
        return esophagus, tumor


@dataclass(frozen=True)
class Patches:
    """A batch.

    Attributes:
        images: float32 (n, 2, z, y, x), as the network sees them.
        truth: float32 (n, 2, z, y, x), the share of a voxel in esophagus and tumor.
        known: float32 (n, 2, z, y, x), 1 where the truth is known; elsewhere there is no loss.
    """

    images: Tensor
    truth: Tensor
    known: Tensor


def label_scan(
    name: str,
    hu: FloatArray,
    esophagus: FloatArray | None,
    tumor: FloatArray | None,
    *,
    slices: BoolArray | None = None,
) -> Scan:
    """A scan with its labels.

    Where only the esophagus is known, the tumor is known to be absent well away from it, and unknown within: a real
    esophagus without a drawn tumor must not teach that real tumors do not exist.

    Args:
        name: for messages.
        hu: (z, y, x), Hounsfield units at 3 mm.
        esophagus: share (0 to 1) of each voxel (z, y, x) in the whole organ; None where it is not known.
        tumor: the same for the tumor.
        slices: bool (z,), where the contours are to be trusted; None for everywhere.

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
    return Scan(name, np.rint(hu).astype(np.int16), share, np.asarray(bits, dtype=np.uint8))


def draw_patches(scans: Sequence[Scan], size: tuple[int, int, int], rng: np.random.Generator) -> Patches:
    """One patch of each scan, turned, zoomed, and varied in contrast and noise.

    Args:
        scans: from which to draw; a scan may come several times.
        size: voxels of a patch (z, y, x).
        rng: random stream.
    """
    drawn = [_patch(scan, size, rng) for scan in scans]
    images = network_input(np.stack([hu for hu, _, _ in drawn]))
    truth = np.stack([share for _, share, _ in drawn])
    bits = np.stack([known for _, _, known in drawn])
    known = np.stack([bits & 1 << region for region in (ESOPHAGUS, TUMOR)], axis=1) > 0
    return Patches(torch.from_numpy(images), torch.from_numpy(truth), torch.from_numpy(known).float())


def _in_255ths(share: FloatArray) -> ByteArray:
    return np.rint(share * _FULL).astype(np.uint8)


def _patch(
    scan: Scan, size: tuple[int, int, int], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, ByteArray]:
    """Hounsfield units, shares and known bits of a patch."""
    matrix = _turn_and_zoom(rng)
    middle = (np.array(size) - 1) / 2
    offset = _centre(scan, rng) - matrix @ middle
    shape = {"output_shape": size, "offset": offset}
    hu = ndimage.affine_transform(scan.hu, matrix, **shape, order=1, cval=AIR_HU, output=np.float32)
    shares = [
        ndimage.affine_transform(part, matrix, **shape, order=1, cval=0, output=np.float32) / _FULL
        if len(places)
        else np.zeros(size, np.float32)
        for part, places in zip(scan.share, scan.places, strict=True)
    ]
    known = ndimage.affine_transform(scan.known, matrix, **shape, order=0, cval=0)
    return _vary(hu, rng), np.stack(shares), known


def _centre(scan: Scan, rng: np.random.Generator) -> DoubleArray:
    """Mostly a place on or near a region, else anywhere the truth is known."""
    if rng.random() < _ON_REGION:
        wanted = [TUMOR, ESOPHAGUS] if rng.random() < _ON_TUMOR else [ESOPHAGUS, TUMOR]
        for region in wanted:
            places = scan.places[region]
            if len(places):
                return np.asarray(rng.choice(places) + rng.uniform(-1.0, 1.0, 3) * _JITTER)
    known = np.flatnonzero(scan.known.any(axis=(1, 2)))
    inside = rng.uniform(0.0, 1.0, 3) * (np.array(scan.hu.shape) - 1)
    return np.array([rng.choice(known), inside[1], inside[2]], dtype=np.float64)


def _turn_and_zoom(rng: np.random.Generator) -> DoubleArray:
    """A small rotation about a random axis with a zoom, as the matrix from patch to scan."""
    axis = rng.standard_normal(3)
    x, y, z = axis / np.linalg.norm(axis) * np.deg2rad(rng.uniform(-_TURN_DEGREES, _TURN_DEGREES))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.sqrt(x * x + y * y + z * z) + 1e-12
    turn = np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross
    return np.asarray(turn * rng.uniform(*_ZOOM))


def _vary(hu: FloatArray, rng: np.random.Generator) -> FloatArray:
    """What differs between scanners: slices, kernel, contrast, calibration, amount and grain of the noise."""
    if rng.random() < _THICK_SLICES:
        hu = ndimage.gaussian_filter1d(hu, _THICK_VOXELS, axis=0)
    smooth = ndimage.gaussian_filter(hu, (0, _SHARPNESS_VOXELS, _SHARPNESS_VOXELS), truncate=2.5)
    sharp = hu + rng.uniform(*_SHARPNESS) * (hu - smooth)
    varied = sharp * rng.uniform(*_CONTRAST) + rng.uniform(-_SHIFT_HU, _SHIFT_HU)
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    if rng.random() < _COARSE_NOISE:
        noise = ndimage.gaussian_filter(noise, _COARSE_NOISE_VOXELS, truncate=2.5)
    return np.asarray(varied + noise * rng.uniform(0.0, _NOISE_HU), dtype=np.float32)
