"""What a stain normalization has to offer, and the profile it works with."""

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
    """The pixels do not say what their stain looks like; the message gives the reason."""


@dataclass(frozen=True)
class StainProfile:
    """How one slide, or the target, is stained: plain numbers, by name.

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
    """A way to tell how pixels are stained, and to give them the stain of others."""

    def profile(self, pixels: Tensor) -> StainProfile:
        """How pixels are stained.

        Args:
            pixels: float (n, 3), RGB 0–255.

        Raises:
            UnusableStainError: when they do not say.
        """
        ...

    def transfer(self, source: StainProfile, target: StainProfile) -> Callable[[Tensor], Tensor]:
        """What turns pixels of ``source`` into what they would look like in ``target``.

        Args:
            source: of the slide the pixels come from.
            target: what they shall look like.

        Returns:
            A function from float (n, 3), RGB 0–255, to float (n, 3), not yet rounded nor clipped.
        """
        ...


def tensor(values: DoubleArray, like: Tensor) -> Tensor:
    """Numbers of a profile beside pixels."""
    return torch.as_tensor(values, dtype=like.dtype, device=like.device)
