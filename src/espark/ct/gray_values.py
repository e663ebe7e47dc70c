"""Checks whether gray values are Hounsfield units, by the modes of their histogram and not by their extremes.

In Hounsfield units gas lies at −1000 and soft tissue near 40, with fat near −100. If the rescale
intercept is missing or applied twice, or the CT was saved as a picture, these modes are shifted or distorted. The
extremes do not show this: a single value of padding hides it.

So the modes are found first, without values that are not image content (padding, clipped air). Then the code looks for
a mode of tissue with a mode of gas about 1000 below it. The position of this pair shows what was done to the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from espark.types import AnyArray, DoubleArray

_LIMIT = 5000
_SAMPLE = 4_000_000
_SPIKE = 0.01
_PADDING = (-1100, 50)
_SMOOTH_HU = 12
_MODE_HU = 60
_TISSUE_SHARE, _TISSUE_SHARE_WITHOUT_GAS = 0.04, 0.2
_GAS_BELOW_HU = -600
_GAS_SHARE = 0.002
_BINS, _BIN_HU = 5, 20
_CUT_FACTOR, _CUT_VOXELS, _CUT_SHARE = 10, 20, 0.005
_NOISY_VALUES = 100
_POPULATED = 0.5
_HIGHEST_CUT_HU = 2000

LOWEST_CUT_HU = 300
"""Below this limit, cutting off brighter values loses bone and enhanced tissue; above it, only bone."""


@dataclass(frozen=True)
class Modes:
    """The modes of the gray values of an image.

    Attributes:
        tissue: modes that hold at least 4 % of the voxels that are neither padding nor clipped air, or 20 % of those
            above −600 (a neck in a wide field of view), from low to high.
        gas: all modes, including the values left out for the tissue, from low to high.
        lowest: lowest value without padding.
        soft_share: share of the voxels from −250 to 250, without the values left out.
        low_share: the same share below −1150, which is lower than gas.
        cut_below: the lowest value, if at least 1 % of the voxels have it. None otherwise.
        zero_share: share of the voxels that are exactly 0, if that is far more than those beside it. 0 otherwise.
        cut_above: the highest value, if brighter values were probably set to it. None otherwise.
    """

    tissue: tuple[float, ...]
    gas: tuple[float, ...]
    lowest: float
    soft_share: float
    low_share: float
    cut_below: float | None
    zero_share: float
    cut_above: float | None


def find_modes(voxels: AnyArray) -> Modes:
    """Find the modes of gray values. Of more than four million voxels, only every n-th is counted.

    Args:
        voxels: finite values, of any shape.
    """
    counts = _counts(voxels)
    padding, counts = _without_padding(counts)
    above = _cut_above(counts)
    spikes, rest = _without_spikes(counts)
    if above is not None:
        rest[_index(above)] = 0
    places, shares = _peaks(rest / max(rest.sum(), 1.0))
    least = min(_TISSUE_SHARE, _TISSUE_SHARE_WITHOUT_GAS * _share(rest, _GAS_BELOW_HU, _LIMIT))
    large = shares >= np.where(places > _GAS_BELOW_HU, least, _TISSUE_SHARE)
    return Modes(
        tissue=tuple(places[large].tolist()),
        gas=(*padding, *spikes, *places[shares >= _GAS_SHARE].tolist()),
        lowest=float(np.flatnonzero(counts)[0] - _LIMIT),
        soft_share=_share(rest, -250, 250),
        low_share=_share(rest, -_LIMIT, -1150),
        cut_below=spikes[0] if spikes else None,
        zero_share=_zero_share(counts),
        cut_above=above,
    )


def _counts(voxels: AnyArray) -> DoubleArray:
    """How often each whole value from −5000 to 5000 occurs. Values outside this range count at the ends."""
    flat = voxels.reshape(-1)
    step = flat.size // _SAMPLE | 1  # odd, so that it does not always meet the same columns
    whole = np.clip(np.rint(flat[::step]), -_LIMIT, _LIMIT).astype(np.int64)
    return np.bincount(whole + _LIMIT, minlength=2 * _LIMIT + 1).astype(np.float64)


def _index(value: float) -> int:
    return round(value) + _LIMIT


def _share(counts: DoubleArray, low: int, high: int) -> float:
    return float(counts[_index(low) : _index(high) + 1].sum() / max(counts.sum(), 1.0))


def _without_padding(counts: DoubleArray) -> tuple[list[float], DoubleArray]:
    """Separate a lowest value below gas and far from all others. Returns the value and the remaining counts."""
    below, gap = _PADDING
    there = np.flatnonzero(counts)
    if len(there) < 2 or there[0] >= _index(below) or there[1] - there[0] < gap:
        return [], counts
    left = counts.copy()
    left[there[0]] = 0
    return [float(there[0] - _LIMIT)], left


def _without_spikes(counts: DoubleArray) -> tuple[list[float], DoubleArray]:
    """Separate up to two lowest values that are too frequent for noise: air that the scanner or a program cut off."""
    spikes, left = [], counts.copy()
    for _ in range(2):
        there = np.flatnonzero(left)
        if len(there) < 2 or left[there[0]] < _SPIKE * counts.sum():
            break
        spikes.append(float(there[0] - _LIMIT))
        left[there[0]] = 0
    return spikes, left


def _peaks(shares: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Positions of the peaks, and the share of the voxels within 60 of each peak."""
    smooth = gaussian_filter1d(shares, _SMOOTH_HU, mode="constant")
    places, _ = find_peaks(smooth, height=1e-6)
    sums = np.concatenate([[0.0], np.cumsum(shares)])
    ends = np.minimum(places + _MODE_HU + 1, len(shares)), np.maximum(places - _MODE_HU, 0)
    return (places - _LIMIT).astype(np.float64), sums[ends[0]] - sums[ends[1]]


def _zero_share(counts: DoubleArray) -> float:
    """Share of a heap of zeros among values that are populated on both sides; 0 where there is none."""
    zero, share = counts[_LIMIT], _share(counts, 0, 0)
    beside = np.concatenate([counts[_LIMIT - _BIN_HU : _LIMIT], counts[_LIMIT + 1 : _LIMIT + 1 + _BIN_HU]])
    heaped = share > _SPIKE and (beside > 0).mean() > _POPULATED and zero > _CUT_FACTOR * beside.mean()
    return share if heaped else 0.0


def _cut_above(counts: DoubleArray) -> float | None:
    """The highest value, if it occurs far too often for the natural end of a distribution.

    Bone is above 300 HU in every CT of the chest. So up to 300 HU, a peak of equal values within noise is enough.
    """
    there = np.flatnonzero(counts)
    last, heap = int(there[-1]), counts[there[-1]]
    if heap < _CUT_VOXELS or last > _index(_HIGHEST_CUT_HU):
        return None
    before = counts[last - _BINS * _BIN_HU : last]
    if before.any() and heap <= _CUT_FACTOR * before[before > 0].mean():
        return None
    low = last <= _index(LOWEST_CUT_HU) and len(there) >= _NOISY_VALUES
    heaped = low and heap > _CUT_SHARE * counts[there[1:]].sum()
    return float(last - _LIMIT) if heaped or before.reshape(_BINS, _BIN_HU).any(axis=1).all() else None
