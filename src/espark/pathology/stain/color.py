"""Colors of many pixels at once, in torch: conversion to and from optical density and CIE Lab."""

from __future__ import annotations

import torch
from torch import Tensor

_RGB_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_WHITE = (0.95047, 1.0, 1.08883)
"""sRGB primaries and the D65 white point (IEC 61966-2-1)."""


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """CIE Lab of sRGB pixels.

    Args:
        rgb: float (..., 3), 0–255.

    Returns:
        float (..., 3): L 0–100, a and b around 0.
    """
    value = rgb / 255.0
    linear = torch.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)
    xyz = linear @ _like(rgb, _RGB_TO_XYZ).T / _like(rgb, _WHITE)
    root = torch.where(xyz > 0.008856, xyz.clamp_min(1e-12) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = root.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-1)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """sRGB 0–255 of CIE Lab pixels, float (..., 3); colors that a screen cannot show are clipped."""
    lightness, a, b = lab.unbind(-1)
    y = (lightness + 16) / 116
    root = torch.stack([y + a / 500, y, y - b / 200], dim=-1)
    xyz = torch.where(root > 0.2068966, root**3, (root - 16 / 116) / 7.787) * _like(lab, _WHITE)
    linear = xyz @ torch.linalg.inv(_like(lab, _RGB_TO_XYZ)).T
    curved = 1.055 * linear.clamp_min(1e-12) ** (1 / 2.4) - 0.055
    return (255.0 * torch.where(linear > 0.0031308, curved, 12.92 * linear)).clamp(0.0, 255.0)


def lightness(rgb: Tensor) -> Tensor:
    """CIE lightness L of sRGB pixels (..., 3), 0–100."""
    return rgb_to_lab(rgb)[..., 0]


def _like(pixels: Tensor, values: tuple[tuple[float, ...], ...] | tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=pixels.dtype, device=pixels.device)
