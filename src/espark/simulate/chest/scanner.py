"""What the scanner adds: the table, the blur of the kernel, and noise with the kernel's texture."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from espark.simulate.chest.canvas import doubled
from espark.simulate.people.centers import CtProtocol
from espark.types import FloatArray


def paint_table(hu: FloatArray, x: FloatArray, y: FloatArray, table_y: float) -> None:
    """Paint the curved table under the patient into slices of air, in place.

    Args:
        hu: shape (z, y, x).
        x: scanner positions in mm, shape (x,).
        y: likewise, shape (y,).
        table_y: height of the table's upper side in the middle.
    """
    sag = table_y - (x / 210.0) ** 2 * 22.0
    depth = y[:, None] - sag[None]
    within = np.abs(x)[None] < 205.0
    shell = within & (((depth > 0) & (depth < 3.0)) | ((depth > 22.0) & (depth < 25.0)))
    foam = within & (depth >= 3.0) & (depth <= 22.0)
    for mask, value in ((shell, -180.0), (foam, -930.0)):
        hu[:, mask] = np.maximum(hu[:, mask], np.float32(value))


def acquire(
    hu: FloatArray, pixel_mm: float, slice_mm: float, protocol: CtProtocol, rng: np.random.Generator
) -> FloatArray:
    """Blur by the kernel and add its noise.

    Noise is stronger where the beam crosses more tissue, and with thinner slices.

    Args:
        hu: noiseless slices, shape (z, y, x).
        pixel_mm: pixel size.
        slice_mm: slice thickness.
        protocol: how the center scans.
        rng: the scan's random stream.
    """
    size = hu.shape[1:]
    fy = np.fft.fftfreq(size[0], pixel_mm)[:, None]
    fx = np.fft.rfftfreq(size[1], pixel_mm)[None]
    frequency = np.hypot(fy, fx).astype(np.float32)
    transfer = np.exp(-2 * (np.pi * protocol.blur_mm * frequency) ** 2)
    transfer *= 1 + protocol.edge_gain * (1 - np.exp(-((frequency / 0.16) ** 2)))
    noise_shape = _noise_shape(frequency, protocol)
    white = rng.standard_normal(hu.shape, dtype=np.float32)
    if len(hu) > 2:
        white = _shared_by_neighbours(white)
    noise = fft.irfft2(fft.rfft2(white) * noise_shape, s=size)
    image = fft.irfft2(fft.rfft2(hu) * transfer, s=size)
    # Thin slices catch fewer photons; reconstruction evens part of that out.
    amplitude = protocol.noise_hu * float(np.sqrt(np.sqrt(3.0 / slice_mm))) * _beam_loss(hu)
    return np.asarray(image + noise * amplitude, dtype=np.float32)


def _shared_by_neighbours(white: FloatArray) -> FloatArray:
    """White noise of which neighbouring slices share a part, the last with the first, as they do after rebinning."""
    near, far = np.float32(0.0905), np.float32(1.0689)
    return np.asarray(far * white + near * (np.roll(white, 1, axis=0) + np.roll(white, -1, axis=0)))


def _noise_shape(frequency: FloatArray, protocol: CtProtocol) -> FloatArray:
    """Square root of the noise power spectrum, such that the noise has unit variance."""
    relative = frequency / np.float32(protocol.noise_peak)
    shape = np.sqrt(relative + 0.02) * np.exp(-0.5 * relative**1.5)
    full = np.concatenate([shape, shape[:, 1:-1]], axis=1) if shape.shape[1] > 2 else shape
    return np.asarray(shape / np.sqrt((full**2).mean()), dtype=np.float32)


def _beam_loss(hu: FloatArray) -> FloatArray:
    """Noise relative to the middle of an average chest, shape (z, y, x): grows with the tissue the beam crosses."""
    density = np.clip(hu[:, ::4, ::4] + 1000.0, 0.0, 2200.0)
    across = density.mean(axis=2, keepdims=True)
    along = density.mean(axis=1, keepdims=True)
    local = ndimage.gaussian_filter(density, (0, 5, 5))
    load = (0.45 * across + 0.35 * along + 0.20 * local) / 830.0
    small = 0.35 + 0.75 * np.clip(load, 0.0, 2.2) ** 1.2
    grown: FloatArray = ndimage.gaussian_filter(small, (0, 0.6, 0.6))
    for axis, size in ((1, hu.shape[1]), (2, hu.shape[2])):
        grown = doubled(doubled(grown, -(-size // 2), axis), size, axis)
    return grown
