"""Normalization by mean and spread of the color (Reinhard et al., IEEE Comput Graph Appl 21:34, 2001)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from espark.pathology.stain.color import lab_to_rgb, rgb_to_lab
from espark.pathology.stain.methods import StainProfile, UnusableStainError, tensor

_LEAST_SPREAD = 0.5
"""In units of CIE Lab; glass and uniform color have less."""


class Reinhard:
    """Mean and standard deviation of each channel of CIE Lab become those of the target.

    The color space is that of StainTools, HistomicsTK and torchstain. All pixels count, also glass, so use it only for
    tiles of tissue.
    """

    def profile(self, pixels: Tensor) -> StainProfile:
        """See `StainMethod.profile`."""
        lab = rgb_to_lab(pixels).double()
        spread = lab.std(dim=0)
        if not float(spread.min()) >= _LEAST_SPREAD:
            raise UnusableStainError("all pixels have the same color")
        return StainProfile.of(mean=lab.mean(dim=0), sd=spread)

    def transfer(self, source: StainProfile, target: StainProfile) -> Callable[[Tensor], Tensor]:
        """See `StainMethod.transfer`."""
        factor = target.array("sd") / source.array("sd")
        shift = target.array("mean") - source.array("mean") * factor

        def transferred(pixels: Tensor) -> Tensor:
            return lab_to_rgb(rgb_to_lab(pixels) * tensor(factor, pixels) + tensor(shift, pixels))

        return transferred
