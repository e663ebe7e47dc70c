"""Patches of labelled CTs to train the segmenter: cut on the processor, rotated and varied on the training device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from espark.ct.segmentation.fit.labelled_scan import ESOPHAGUS, FULL_SHARE, TUMOR, Scan
from espark.ct.segmentation.working_grid import AIR_HU, network_input
from espark.types import AnyArray, DoubleArray

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
_REACH = 2.5  # a Gaussian is cut after this many standard deviations


@dataclass(frozen=True)
class Patches:
    """A batch.

    Attributes:
        images: float32 (n, 2, z, y, x), the input of the network.
        truth: float32 (n, 2, z, y, x), the share of a voxel in esophagus and tumor.
        known: float32 (n, 2, z, y, x), 1 where the truth is known; elsewhere there is no loss.
    """

    images: Tensor
    truth: Tensor
    known: Tensor


def draw_patches(
    scans: Sequence[Scan],
    size: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    device: torch.device | None = None,
) -> Patches:
    """One patch of each scan, rotated, zoomed, and varied in contrast and noise.

    Args:
        scans: scans for the patches; a scan may appear several times.
        size: voxels of a patch (z, y, x).
        rng: random stream. The same stream gives the same patches on the same kind of device.
        device: device of the patches; the processor when None.
    """
    device = device or torch.device("cpu")
    turns = np.stack([_turn_and_zoom(rng) for _ in scans])  # (n, 3, 3), from patch to scan
    centres = np.stack([_centre(scan, rng) for scan in scans])  # (n, 3), voxels of the scan
    side = _box_side(size)
    corners = np.rint(centres - (np.array(side) - 1) / 2).astype(int)
    boxes = _cut(scans, corners, side).to(device).float()
    grid = _sampling_grid(turns, centres - corners, side, size).to(device)
    # Hounsfield units are counted from air, so the outside of the scan is air, in no region, with unknown truth.
    drawn = functional.grid_sample(boxes, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    hu = _vary(drawn[:, :1] + AIR_HU, rng)
    return Patches(network_input(hu[:, 0]), drawn[:, 1:3] / FULL_SHARE, (drawn[:, 3:] >= 0.5).float())


def _centre(scan: Scan, rng: np.random.Generator) -> DoubleArray:
    """Mostly a point on or near a region, otherwise any point with known truth."""
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


def _box_side(size: tuple[int, int, int]) -> tuple[int, ...]:
    """Size in voxels of a box that holds a patch of this size for any rotation and zoom."""
    half = np.array(size) / 2
    turned = half + np.sin(np.deg2rad(_TURN_DEGREES)) * (half.sum() - half)
    return tuple(2 * int(np.ceil(_ZOOM[1] * reach)) + 3 for reach in turned)


def _cut(scans: Sequence[Scan], corners: AnyArray, side: tuple[int, ...]) -> Tensor:
    """Boxes of scans, int16 (n, 5, z, y, x): Hounsfield units above air, both shares, where both are known."""
    boxes = torch.zeros(len(scans), 5, *side, dtype=torch.int16)
    for box, scan, corner in zip(boxes.numpy(), scans, corners, strict=True):
        low, high = np.maximum(corner, 0), np.minimum(corner + side, scan.hu.shape)
        inside = tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
        place = tuple(slice(a - c, max(a, b) - c) for a, b, c in zip(low, high, corner, strict=True))
        box[0][place] = scan.hu[inside] - int(AIR_HU)
        box[1:3, *place] = scan.share[:, *inside]
        for region in (ESOPHAGUS, TUMOR):
            box[3 + region][place] = scan.known[inside] >> region & 1
    return boxes


def _sampling_grid(
    turns: DoubleArray, centres: DoubleArray, side: tuple[int, ...], size: tuple[int, int, int]
) -> Tensor:
    """Position of each voxel of the patches in its box, in units of torch's `grid_sample`: (n, z, y, x, 3)."""
    half_side, half_size = (np.array(side) - 1) / 2, (np.array(size) - 1) / 2
    theta = np.empty((len(turns), 3, 4))
    theta[:, :, :3] = turns * half_size / half_side[:, None]
    theta[:, :, 3] = centres / half_side - 1
    reverse = [2, 1, 0]  # torch counts x, y, z
    theta = theta[:, reverse][:, :, [*reverse, 3]]
    shape = [len(turns), 1, *size]
    return functional.affine_grid(torch.from_numpy(theta).float(), shape, align_corners=True)


def _vary(hu: Tensor, rng: np.random.Generator) -> Tensor:
    """Vary what differs between scanners: slices, kernel, contrast, calibration, amount and grain of the noise.

    Args:
        hu: (n, 1, z, y, x); each patch is varied differently.
        rng: random stream.
    """
    noise_stream = torch.Generator(hu.device).manual_seed(int(rng.integers(2**62)))

    def each(low: float, high: float) -> Tensor:
        values = rng.uniform(low, high, (len(hu), 1, 1, 1, 1))
        return torch.from_numpy(values).to(hu)

    thick = each(0, 1) < _THICK_SLICES
    hu = torch.where(thick, _smooth(hu, _THICK_VOXELS, [2]), hu)
    sharp = hu + each(*_SHARPNESS) * (hu - _smooth(hu, _SHARPNESS_VOXELS, [3, 4]))
    varied = sharp * each(*_CONTRAST) + each(-_SHIFT_HU, _SHIFT_HU)
    noise = torch.randn(hu.shape, generator=noise_stream, device=hu.device)
    coarse = each(0, 1) < _COARSE_NOISE
    noise = torch.where(coarse, _smooth(noise, _COARSE_NOISE_VOXELS, [2, 3, 4]), noise)
    return varied + noise * each(0, _NOISE_HU)


def _smooth(images: Tensor, sigma: float, axes: Sequence[int]) -> Tensor:
    """A Gaussian over some axes of (n, 1, z, y, x); beyond the border, the outermost voxels are repeated."""
    reach = int(np.ceil(_REACH * sigma))
    steps = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    weights = weights / weights.sum()
    for axis in axes:
        length = images.shape[axis]
        index = torch.arange(-reach, length + reach, device=images.device).clamp(0, length - 1)
        longer = images.index_select(axis, index)
        images = sum(weight * longer.narrow(axis, step, length) for step, weight in enumerate(weights))
    return images
