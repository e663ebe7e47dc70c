"""The embedded dual encoder: a small network for tiles and a small transformer for phrases, in one vector space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

PADDING = 0
"""Token for padding, not for a word."""

_MAP_STAGE = 2
_MAP_CELLS = 256
"""Cells of the map (16 px wide) in a tile of 256 px."""
_COUNT_SCALE = 0.25
_MEASURE = 0.5


@dataclass(frozen=True)
class DualEncoderShape:
    """Sizes of the network; saved with its weights.

    Attributes:
        dim: length of the common vector.
        stem: channels after the first convolution (half resolution).
        widths: channels of the stages at 1/4, 1/8, 1/16 … of the resolution.
        depths: residual blocks of each stage.
        words: size of the vocabulary, padding included.
        text_width: width of the text tower.
        max_words: longest phrase in words.
        counted: number of cell kinds in the output; each is a sum of kinds of the map.
        local_counts: number of cell kinds that the map counts.
        local_areas: number of tissue classes that the map separates.
        least_count: expected number of cells in a cell of the map that counts as none. A map that is nearly zero
            everywhere then has totals of exactly zero.
    """

    dim: int = 256
    stem: int = 16
    widths: tuple[int, ...] = (32, 64, 128, 192)
    depths: tuple[int, ...] = (2, 2, 1, 1)
    words: int = 256
    text_width: int = 128
    max_words: int = 24
    counted: int = 7
    local_counts: int = 1
    local_areas: int = 1
    least_count: float = 0.0

    def to_json(self) -> dict[str, object]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**{key: tuple(entry) if isinstance(entry, list) else entry for key, entry in value.items()})  # type: ignore[arg-type]


class ImageOutput(NamedTuple):
    """The output of the image tower.

    Attributes:
        vector: (n, dim), length 1.
        log_counts: (n, local_counts, h/16, w/16), logarithm of the expected number of objects in each cell of the map.
        areas: (n, local_areas, h/16, w/16), log-odds of each tissue class.
        cells: (n, local_counts), expected number of objects as if the tile had 256 px; 0 where the map has none.
    """

    vector: Tensor
    log_counts: Tensor
    areas: Tensor
    cells: Tensor


class _ConvBlock(nn.Module):
    """Convolution, batch norm and, unless ``linear``, ReLU. `fuse` merges the batch norm into the convolution."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, linear: bool = False):
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return x if self.linear else functional.relu(x, inplace=True)

    def fuse(self) -> None:
        if isinstance(self.norm, nn.BatchNorm2d) and isinstance(self.conv, nn.Conv2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class _Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(_ConvBlock(width, width), _ConvBlock(width, width, linear=True))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.body(x))


class ImageTower(nn.Module):
    """Tiles to vectors. Any tile size from 32 px is possible; the tower is made for 256 px at 0.5 µm/px.

    In the middle of the tower, a map gives the nuclei of each kind and the tissue classes at each place. A vector has a
    free part, the totals of the map without change, and one coordinate that gives their scale. So counts can be read
    back from the vector.
    """

    def __init__(self, shape: DualEncoderShape):
        super().__init__()
        self._convolved_in = torch.float32
        self._least_count = shape.least_count
        self.stem = _ConvBlock(3, shape.stem, kernel=5, stride=2)
        stages: list[nn.Module] = []
        inputs = shape.stem
        for width, depth in zip(shape.widths, shape.depths, strict=True):
            stages.append(nn.Sequential(_ConvBlock(inputs, width, stride=2), *(_Residual(width) for _ in range(depth))))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.log_counts = nn.Conv2d(shape.widths[_MAP_STAGE], shape.local_counts, 1)
        self.areas = nn.Conv2d(shape.widths[_MAP_STAGE], shape.local_areas, 1)
        self.log_counts.bias = nn.Parameter(torch.full((shape.local_counts,), -3.0))  # most places are empty
        totals = shape.local_counts + shape.local_areas
        self.head = nn.Linear(2 * inputs + shape.widths[_MAP_STAGE] + totals, shape.dim - totals - 1)

    def forward(self, tiles: Tensor, keep_free: Tensor | None = None) -> ImageOutput:
        """Encode tiles.

        Args:
            tiles: (n, 3, h, w) float, 0–1, RGB.
            keep_free: (n, 1), 0 where the free part is left out; for training.
        """
        x = self.stem(((tiles - 0.5) * 4.0).to(self._convolved_in))
        middle = x
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index == _MAP_STAGE:
                middle = x.to(self.log_counts.weight.dtype)  # (n, widths[2], h/16, w/16)
        log_counts = self.log_counts(middle).float().clamp(-12.0, 4.0)
        areas = self.areas(middle).float()
        there = log_counts.exp()
        if self._least_count:
            there = (there - self._least_count).clamp(min=0.0)
        cells = there.mean(dim=(2, 3)) * _MAP_CELLS
        totals = torch.cat([cells.log1p() * _COUNT_SCALE, areas.sigmoid().mean(dim=(2, 3))], dim=1)
        pooled = torch.cat(
            [x.float().mean(dim=(2, 3)), _root_mean_cube(x), middle.float().mean(dim=(2, 3)), totals], dim=1
        )
        with torch.autocast(pooled.device.type, enabled=False):
            free = functional.normalize(self.head(pooled), dim=1)
        if keep_free is not None:
            free = free * keep_free
        measure = torch.full_like(totals[:, :1], _MEASURE)
        vector = functional.normalize(torch.cat([free, totals, measure], dim=1), dim=1)
        return ImageOutput(vector, log_counts, areas, cells)

    def convolve_in(self, dtype: torch.dtype) -> None:
        """Compute the convolutions in ``dtype``; maps, totals and the vector stay in float32. For inference only."""
        self._convolved_in = dtype
        self.stem.to(dtype)
        self.stages.to(dtype)

    def fuse(self) -> None:
        """Fold batch norms into convolutions. For inference only."""
        for module in self.modules():
            if isinstance(module, _ConvBlock):
                module.fuse()


class TextTower(nn.Module):
    """Words to vectors: embedding, one transformer layer, mean over words."""

    def __init__(self, shape: DualEncoderShape):
        super().__init__()
        self.words = nn.Embedding(shape.words, shape.text_width, padding_idx=PADDING)
        self.places = nn.Parameter(torch.randn(shape.max_words, shape.text_width) * 0.02)
        self.layer = nn.TransformerEncoderLayer(
            shape.text_width,
            nhead=4,
            dim_feedforward=2 * shape.text_width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.norm = nn.LayerNorm(shape.text_width)
        self.head = nn.Linear(shape.text_width, shape.dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode phrases.

        Args:
            tokens: (m, words) int64, padded with `PADDING`.

        Returns:
            (m, dim), length 1.
        """
        absent = tokens == PADDING
        x = self.words(tokens) + self.places[: tokens.shape[1]]
        x = self.norm(self.layer(x, src_key_padding_mask=absent))  # (m, words, width)
        present = (~absent).unsqueeze(-1).to(x.dtype)
        pooled = (x * present).sum(dim=1) / present.sum(dim=1).clamp(min=1.0)
        return functional.normalize(self.head(pooled).float(), dim=1)


class DualEncoder(nn.Module):
    """Image tower and text tower with the scale and shift of the pairwise sigmoid loss.

    The loss is that of SigLIP (Zhai et al., ICCV 2023): every tile–phrase pair is a separate yes-or-no question.
    """

    def __init__(self, shape: DualEncoderShape):
        super().__init__()
        self.shape = shape
        self.parts: Tensor
        self.image = ImageTower(shape)
        self.text = TextTower(shape)
        self.register_buffer("parts", torch.zeros(shape.local_counts, shape.counted))
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())
        self.shift = nn.Parameter(torch.tensor(-2.0))

    def pair_logits(self, tile_vectors: Tensor, phrase_vectors: Tensor) -> Tensor:
        """(n, dim), (m, dim) → (n, m), the log-odds that a phrase is true of a tile."""
        return self.log_scale.exp() * tile_vectors @ phrase_vectors.T + self.shift

    def expected_counts(self, tile_vectors: Tensor) -> Tensor:
        """(n, dim) → (n, counted), expected number of cells in a tile of 256 px, read back from the vectors.

        ``parts`` (local_counts, counted) holds 1 where a kind of the map belongs to a counted cell, else 0.
        """
        shape = self.shape
        first = shape.dim - 1 - shape.local_counts - shape.local_areas
        measured = tile_vectors[:, first : first + shape.local_counts] / tile_vectors[:, -1:]
        return (measured * (_MEASURE / _COUNT_SCALE)).expm1().clamp(min=0.0) @ self.parts


def _root_mean_cube(x: Tensor) -> Tensor:
    """Generalized mean with exponent 3 over a map of non-negative values, (n, c, h, w) → (n, c)."""
    return x.float().clamp(min=1e-4).pow(3).mean(dim=(2, 3)).pow(1.0 / 3.0)
