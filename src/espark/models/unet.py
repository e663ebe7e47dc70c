"""A small 3-D U-Net: an image on a coarse grid in, one logit per voxel and region out."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class UNetShape:
    """Size of the network.

    Attributes:
        widths: channels of each level, the finest first; each next level is half as fine.
        inputs: channels of the image.
        outputs: regions; each has its own sigmoid, because regions may overlap.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128)
    inputs: int = 2
    outputs: int = 2

    @property
    def multiple(self) -> int:
        """The number by which each side of an image must be divisible."""
        return 1 << (len(self.widths) - 1)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"widths": list(self.widths), "inputs": self.inputs, "outputs": self.outputs}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> UNetShape:
        """From plain data."""
        return cls(tuple(int(width) for width in values["widths"]), int(values["inputs"]), int(values["outputs"]))


class UNet3d(nn.Module):
    """U-Net with strided convolutions on the way down and transposed ones on the way up.

    The finest level costs most, so it has one convolution on each way. The others have two.

    Args:
        shape: size of the network.

    Example:
        >>> UNet3d(UNetShape(widths=(4, 8)))(torch.zeros(1, 2, 8, 8, 8)).shape
        torch.Size([1, 2, 8, 8, 8])
    """

    def __init__(self, shape: UNetShape | None = None):
        super().__init__()
        self.shape = shape or UNetShape()
        widths = self.shape.widths
        self.down = nn.ModuleList([_convolution(self.shape.inputs, widths[0])])
        self.lift = nn.ModuleList()
        self.up = nn.ModuleList()
        for fine, coarse in itertools.pairwise(widths):
            self.down.append(nn.Sequential(_convolution(fine, coarse, stride=2), _convolution(coarse, coarse)))
            self.lift.append(nn.ConvTranspose3d(coarse, fine, kernel_size=2, stride=2))
            joined = _convolution(2 * fine, fine)
            self.up.append(joined if fine == widths[0] else nn.Sequential(joined, _convolution(fine, fine)))
        self.head = nn.Conv3d(widths[0], self.shape.outputs, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of an image.

        Args:
            image: (n, inputs, z, y, x), each side divisible by `UNetShape.multiple`.

        Returns:
            (n, outputs, z, y, x).
        """
        seen = []
        for down in self.down:
            image = down(image)
            seen.append(image)  # (n, width, z / 2^level, …)
        for level in reversed(range(len(self.up))):
            image = self.up[level](torch.cat([self.lift[level](image), seen[level]], dim=1))
        logits: Tensor = self.head(image)
        return logits


def _convolution(channels_in: int, channels_out: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels_in, channels_out, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm3d(channels_out),
        nn.LeakyReLU(0.01, inplace=True),
    )
