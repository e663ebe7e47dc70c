"""The interface of a stain normalization, and its profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from espark.errors import EsparkError
from espark.types import DoubleArray

Rows = tuple[tuple[float, ...], ...]


class UnusableStainError(EsparkError):
    """The stain cannot be found from the pixels; the message gives the reason."""


@dataclass(frozen=True)
class StainProfile:
    """The stain of one slide, or of the target: numbers by name.

    Macenko and Vahadane: ``dyes``, the optical density of hematoxylin and of eosin in red, green and blue (unit
    length), and ``strength``, the 99th percentile of each dye's amount. Reinhard: ``mean`` and ``sd`` in CIE Lab.
    """

    numbers: Mapping[str, Rows]

    def array(self, name: str) -> DoubleArray:
        """One of the entries, float64 (rows, columns)."""
        return np.array(self.numbers[name], dtype=np.float64)

    @classmethod
    def of(cls, **entries: Tensor) -> StainProfile:
        """A profile of tensors (rows, columns) or (columns,), rounded to six digits."""
        rows = {name: np.atleast_2d(value.double().cpu().numpy()) for name, value in entries.items()}
        return cls(
            {name: tuple(tuple(round(float(v), 6) for v in row) for row in value) for name, value in rows.items()}
        )


class StainMethod(Protocol):
    """A method to find the stain of pixels, and to give them a different stain."""

    def profile(self, pixels: Tensor) -> StainProfile:
        """The stain of pixels.

        Args:
            pixels: float (n, 3), RGB 0–255.

        Raises:
            UnusableStainError: when the stain cannot be found.
        """
        ...

    def transfer(self, source: StainProfile, target: StainProfile) -> Callable[[Tensor], Tensor]:
        """A function that changes pixels from the stain ``source`` to the stain ``target``.

        Args:
            source: stain of the slide of the pixels.
            target: stain of the result.

        Returns:
            A function from float (n, 3), RGB 0–255, to float (n, 3), not yet rounded or clipped.
        """
        ...


def tensor(values: DoubleArray, like: Tensor) -> Tensor:
    """Numbers of a profile on the device of the pixels."""
    return torch.as_tensor(values, dtype=like.dtype, device=like.device)
