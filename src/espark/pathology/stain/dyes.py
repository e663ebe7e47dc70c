"""Normalization by separation of the dyes: Macenko and Vahadane.

By the law of Beer and Lambert, optical densities of dyes add up: density = amount @ dyes. Both methods find the two
dyes of a slide and the amount of each in every pixel. They replace the dyes by those of the target, scaled so that the
99th percentile of each amount is that of the target.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from espark.pathology.stain.color import lightness
from espark.pathology.stain.methods import StainProfile, UnusableStainError, tensor
from espark.types import DoubleArray, FloatArray

_STRONGEST = 0.99
_LEAST_PIXELS = 100
_LEAST_SHARE = 0.01
_LEAST_ANGLE = math.radians(4.0)
"""Hematoxylin and eosin differ by 15° to 45°. A smaller angle means that one dye was found twice."""
_LEAST_STRENGTH = 0.03


class Macenko:
    """Dyes are the extreme directions in the plane that holds most of the density (Macenko et al., ISBI 2009).

    Constants as in the code of the authors: incident light 240, pixels with a density under 0.15 in any channel are
    glass, the 1st and 99th percentile of the angle are the extremes. Amounts are least-squares and may be negative.
    """

    light = 240.0
    _GLASS = 0.15
    _EXTREME = 0.01

    def density(self, pixels: Tensor) -> Tensor:
        """Optical density (natural logarithm) of pixels (n, 3)."""
        absorbed: Tensor = -torch.log((pixels + 1.0) / self.light)
        return absorbed

    def profile(self, pixels: Tensor) -> StainProfile:
        """See `StainMethod.profile`."""
        density = self.density(pixels)
        stained = density[(density >= self._GLASS).all(dim=1)]
        _enough(len(stained), len(pixels))
        _, axes = torch.linalg.eigh(torch.cov(stained.T.double()))
        plane = axes[:, [2, 1]].to(density)
        plane = plane * torch.where(plane[:1] < 0, -1.0, 1.0)
        along, across = (stained @ plane).unbind(1)
        angle = torch.atan2(across, along)
        extremes = quantile(angle, self._EXTREME), quantile(angle, 1 - self._EXTREME)
        dyes = torch.stack([plane @ torch.stack([torch.cos(phi), torch.sin(phi)]) for phi in extremes])
        return _checked(dyes, self.amounts(density, dyes))

    def amounts(self, density: Tensor, dyes: Tensor) -> Tensor:
        """Amount of each dye, (n, 2), from density (n, 3) and dyes (2, 3)."""
        inverse: Tensor = torch.linalg.pinv(dyes.double())
        return density @ inverse.to(density)

    def transfer(self, source: StainProfile, target: StainProfile) -> Callable[[Tensor], Tensor]:
        """See `StainMethod.transfer`. Both steps are linear in the density and are combined."""
        ratio = target.array("strength")[0] / source.array("strength")[0]
        change = np.linalg.pinv(source.array("dyes")) * ratio @ target.array("dyes")

        def transferred(pixels: Tensor) -> Tensor:
            if pixels.device.type == "cpu":
                return torch.from_numpy(self._on_processor(pixels.numpy(), change))
            return self.light * torch.exp(-(self.density(pixels) @ tensor(change, pixels)))

        return transferred

    def _on_processor(self, pixels: FloatArray, change: DoubleArray) -> FloatArray:
        """The same on the processor, where logarithm, product and exponential of NumPy are three times as fast."""
        values = pixels + np.float32(1.0)
        values *= np.float32(1.0 / self.light)
        np.log(values, out=values)  # the density with the opposite sign
        values = np.asarray(values @ change.astype(np.float32))
        np.exp(values, out=values)
        values *= np.float32(self.light)
        return values


class Vahadane:
    """Dyes are a sparse non-negative dictionary of the density (Vahadane et al., IEEE TMI 35:1962, 2016).

    Constants as in StainTools: incident light 255, pixels with a lightness over 80 are glass, sparsity 0.1 for the
    dyes and 0.01 for the amounts. With two dyes the sparse amounts have a closed form, so no solver is needed.
    Four angles give the dictionary. It is the same in every run.
    """

    light = 255.0
    _GLASS = 80.0
    _SPARSE_DYES = 0.1
    _SPARSE_AMOUNTS = 0.01
    _START = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11))
    """Hematoxylin and eosin of Ruifrok and Johnston (Anal Quant Cytol Histol 23:291, 2001)."""
    _MOST_PIXELS = 30_000

    def density(self, pixels: Tensor) -> Tensor:
        """Optical density (natural logarithm) of pixels (n, 3), > 0."""
        return (-torch.log(pixels.clamp_min(1.0) / self.light)).clamp_min(1e-6)

    def profile(self, pixels: Tensor) -> StainProfile:
        """See `StainMethod.profile`."""
        stained = pixels[lightness(pixels) < self._GLASS]
        _enough(len(stained), len(pixels))
        dyes = self._learn(self.density(stained[:: 1 + len(stained) // self._MOST_PIXELS]))
        return _checked(dyes, self.amounts(self.density(pixels), dyes, self._SPARSE_AMOUNTS))

    def amounts(self, density: Tensor, dyes: Tensor, sparsity: float) -> Tensor:
        """The amounts a ≥ 0, (n, 2), that minimize ½ |density − a @ dyes|² + sparsity · Σ a, for dyes of length 1."""
        alone = density @ dyes.T - sparsity
        overlap = float(dyes[0] @ dyes[1])
        both = (alone - overlap * alone.flip(1)) / max(1.0 - overlap**2, 1e-6)
        return torch.where(both.flip(1) < 0, alone, both).clamp_min(0.0)

    def transfer(self, source: StainProfile, target: StainProfile) -> Callable[[Tensor], Tensor]:
        """See `StainMethod.transfer`."""
        dyes = source.array("dyes")
        change = (target.array("strength")[0] / source.array("strength")[0])[:, None] * target.array("dyes")

        def transferred(pixels: Tensor) -> Tensor:
            amounts = self.amounts(self.density(pixels), tensor(dyes, pixels), self._SPARSE_AMOUNTS)
            return self.light * torch.exp(-(amounts @ tensor(change, pixels)))

        return transferred

    def _learn(self, density: Tensor) -> Tensor:
        """The dyes of length 1 that give the sparsest faithful amounts.

        The dyes determine the amounts, so only two directions are searched: their angles, within the octant of
        non-negative densities, by L-BFGS-B.
        """
        pixels = density.double()

        def loss(angles: DoubleArray) -> tuple[float, DoubleArray]:
            free = torch.tensor(angles, dtype=torch.float64, requires_grad=True)
            with torch.enable_grad():
                dyes = _directions(free).to(pixels.device)
                amounts = self.amounts(
                    pixels, dyes.detach(), self._SPARSE_DYES
                )  # these are optimal, so no gradient is needed through them
                error = (pixels - amounts @ dyes).square().sum(dim=1).mean() / 2
                error.backward()
            value = error.detach() + self._SPARSE_DYES * amounts.sum(dim=1).mean()
            return float(value), np.asarray(free.grad)

        start = np.array([_angles(dye) for dye in self._START]).ravel()
        found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, math.pi / 2)] * 4)
        return _directions(torch.tensor(found.x)).to(density)


def _angles(direction: tuple[float, float, float]) -> tuple[float, float]:
    """Polar angle from the third axis and azimuth of a direction."""
    first, second, third = direction
    return math.atan2(math.hypot(first, second), third), math.atan2(second, first)


def _directions(angles: Tensor) -> Tensor:
    """Directions of length 1, (n, 3), from angles (2 n,)."""
    polar, azimuth = angles.reshape(-1, 2).unbind(1)
    return torch.stack([polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos()], dim=1)


def quantile(values: Tensor, share: float) -> Tensor:
    """The value below which the share ``share`` of all values lies, without interpolation, for any number of values."""
    return values.kthvalue(1 + round(share * (len(values) - 1))).values


def _enough(stained: int, pixels: int) -> None:
    if stained < max(_LEAST_PIXELS, _LEAST_SHARE * pixels):
        raise UnusableStainError(f"only {stained} of {pixels} pixels are stained")


def _checked(dyes: Tensor, amounts: Tensor) -> StainProfile:
    """The profile, hematoxylin (which absorbs red) first, or an error with the reason why there is none."""
    order = [0, 1] if dyes[0, 0] > dyes[1, 0] else [1, 0]
    dyes, amounts = dyes[order], amounts[:, order]
    strength = torch.stack([quantile(amount, _STRONGEST) for amount in amounts.unbind(1)])
    cosine = torch.nn.functional.cosine_similarity(dyes[0].double(), dyes[1].double(), dim=0)
    if not torch.isfinite(dyes).all() or not torch.isfinite(strength).all():
        raise UnusableStainError("the dyes cannot be separated")
    if float(cosine) > math.cos(_LEAST_ANGLE):
        raise UnusableStainError("only one dye was found")
    if float(strength.min()) < _LEAST_STRENGTH:
        raise UnusableStainError(f"there is hardly any {('hematoxylin', 'eosin')[int(strength.argmin())]}")
    return StainProfile.of(dyes=dyes, strength=strength)
