"""Patches of CTs with known regions, from which the segmenter learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from espark.ct.segmentation.working_grid import AIR_HU, SPACING_MM, network_input
from espark.types import AnyArray, BoolArray, ByteArray, DoubleArray, FloatArray

ESOPHAGUS, TUMOR, ESOPHAGUS_KNOWN, TUMOR_KNOWN = 1, 2, 4, 8
"""Bits of a scan's labels. The esophagus is the whole organ, the tumor included."""

_TRUTH = (ESOPHAGUS, TUMOR)
_KNOWN = (ESOPHAGUS_KNOWN, TUMOR_KNOWN)
_NEAR_MM = 12.0
_ON_REGION = 0.8
_ON_TUMOR = 0.4
_JITTER = (8, 12, 12)  # voxels (z, y, x)
_TURN_DEGREES = 8.0
_ZOOM = (0.88, 1.14)
_CONTRAST = (0.85, 1.15)
_SHIFT_HU = 12.0
_NOISE_HU = 25.0
_THICK_SLICES = 0.25
_THICK_VOXELS = 0.8


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT on the working grid with what is known of its regions.

    Attributes:
        name: for messages.
        hu: int16 (z, y, x), Hounsfield units at 3 mm.
        labels: uint8 (z, y, x), the four bits above.
    """

    name: str
    hu: AnyArray
    labels: ByteArray

    def places(self, bit: int) -> AnyArray:
        """Indices (n, 3) of the voxels in which a bit is set."""
        return np.argwhere(self.labels & bit)


@dataclass(frozen=True)
class Patches:
    """A batch.

    Attributes:
        images: float32 (n, 2, z, y, x), as the network sees them.
        truth: float32 (n, 2, z, y, x), 1 in esophagus and tumor.
        known: float32 (n, 2, z, y, x), 1 where the truth is known; elsewhere there is no loss.
    """

    images: Tensor
    truth: Tensor
    known: Tensor


def label_bits(esophagus: BoolArray | None, tumor: BoolArray | None, *, slices: BoolArray | None = None) -> ByteArray:
    """Labels of a scan.

    Where only the esophagus is known, the tumor is known to be absent well away from it, and unknown within: a real
    esophagus without a drawn tumor must not teach that real tumors do not exist.

    Args:
        esophagus: bool (z, y, x), the whole organ; None where it is not known.
        tumor: the same for the tumor.
        slices: bool (z,), where the contours are to be trusted; None for everywhere.
    """
    given = esophagus if esophagus is not None else tumor
    if given is None:
        raise ValueError("neither esophagus nor tumor is known")
    trusted = np.ones(given.shape, bool) if slices is None else np.broadcast_to(slices[:, None, None], given.shape)
    labels = np.zeros(given.shape, np.uint8)
    if tumor is not None:
        labels |= np.where(trusted, TUMOR_KNOWN | TUMOR * tumor.astype(np.uint8), 0).astype(np.uint8)
    elif esophagus is not None:
        far = ndimage.distance_transform_edt(~esophagus) > _NEAR_MM / SPACING_MM if esophagus.any() else trusted
        labels |= np.where(trusted & far, TUMOR_KNOWN, 0).astype(np.uint8)
    if esophagus is not None:
        whole = esophagus if tumor is None else esophagus | tumor
        labels |= np.where(trusted, ESOPHAGUS_KNOWN | ESOPHAGUS * whole.astype(np.uint8), 0).astype(np.uint8)
    return labels


def draw_patches(scans: Sequence[Scan], size: tuple[int, int, int], rng: np.random.Generator) -> Patches:
    """One patch of each scan, turned, zoomed, and varied in contrast and noise.

    Args:
        scans: from which to draw; a scan may come several times.
        size: voxels of a patch (z, y, x).
        rng: random stream.
    """
    drawn = [_patch(scan, size, rng) for scan in scans]
    images = network_input(np.stack([hu for hu, _ in drawn]))
    labels = np.stack([label for _, label in drawn])
    truth, known = (np.stack([labels & bit for bit in bits], axis=1) > 0 for bits in (_TRUTH, _KNOWN))
    return Patches(torch.from_numpy(images), torch.from_numpy(truth).float(), torch.from_numpy(known).float())


def _patch(scan: Scan, size: tuple[int, int, int], rng: np.random.Generator) -> tuple[FloatArray, ByteArray]:
    matrix = _turn_and_zoom(rng)
    middle = (np.array(size) - 1) / 2
    offset = _centre(scan, rng) - matrix @ middle
    shape = {"output_shape": size, "offset": offset}
    hu = ndimage.affine_transform(scan.hu, matrix, **shape, order=1, cval=AIR_HU, output=np.float32)
    labels = ndimage.affine_transform(scan.labels, matrix, **shape, order=0, cval=0)
    return _vary(hu, rng), labels


def _centre(scan: Scan, rng: np.random.Generator) -> DoubleArray:
    """Mostly a place on or near a region, else anywhere the truth is known."""
    if rng.random() < _ON_REGION:
        wanted = [TUMOR, ESOPHAGUS] if rng.random() < _ON_TUMOR else [ESOPHAGUS, TUMOR]
        for bit in wanted:
            places = scan.places(bit)
            if len(places):
                return np.asarray(rng.choice(places) + rng.uniform(-1.0, 1.0, 3) * _JITTER)
    known = np.flatnonzero((scan.labels & (ESOPHAGUS_KNOWN | TUMOR_KNOWN)).any(axis=(1, 2)))
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
    if rng.random() < _THICK_SLICES:
        hu = ndimage.gaussian_filter1d(hu, _THICK_VOXELS, axis=0)
    varied = hu * rng.uniform(*_CONTRAST) + rng.uniform(-_SHIFT_HU, _SHIFT_HU)
    noise = rng.standard_normal(hu.shape, dtype=np.float32) * rng.uniform(0.0, _NOISE_HU)
    return np.asarray(varied + noise, dtype=np.float32)
