"""espark-mini-seg: the segmenter inside the package. Small, open, fitted on real necks and simulated chests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import torch

from espark.ct.hounsfield import CtVolume
from espark.ct.segmentation.clean import INSIDE, clean_esophagus, clean_tumor, largest_component
from espark.ct.segmentation.segmenter import FoundMasks
from espark.ct.segmentation.weights_file import load_network
from espark.ct.segmentation.working_grid import AIR_HU, SPACING_MM, WorkingCt, network_input, working_ct
from espark.models.precision import computes_bfloat16
from espark.models.unet import UNet3d
from espark.types import FloatArray, Region

_WINDOW = (144, 144, 192)
"""Most chests fit into one window, because overlaps are computed twice. In float32 a window needs about 1.5 GB."""

_OVERLAP = 16

Box = tuple[slice, slice, slice]


class MiniSegmenter:
    """The embedded network, ready for use; see `espark.ct.segmentation.segmenter.Segmenter`.

    Args:
        network: fitted weights.
        device: device of the computation.

    Attributes:
        device: device of the computation.
        bfloat16: whether convolutions are computed in bfloat16; probabilities then differ by up to 0.02.
    """

    name = "espark-mini-seg"
    finds_tumor = True

    def __init__(self, network: UNet3d, *, device: torch.device | None = None):
        self.device = device or torch.device("cpu")
        self._network = network.eval().requires_grad_(False).to(self.device)
        self._network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.bfloat16 = self.device.type == "cpu" and computes_bfloat16(self.device)

    @classmethod
    def from_folder(cls, folder: Path, *, device: torch.device | None = None) -> Self:
        """Load the weights from a folder.

        Raises:
            InputError: when the file is missing or damaged.
            SegmenterError: when the weights do not belong to this network.
        """
        return cls(load_network(folder), device=device)

    def probabilities(self, grid: WorkingCt) -> FloatArray:
        """Probability of esophagus and tumor, float32 (2, z, y, x), by overlapping windows over the working grid."""
        hu = grid.hu
        multiple = self._network.shape.multiple
        padded = [-(-n // multiple) * multiple for n in hu.shape]
        hu = np.pad(hu, [(0, to - n) for n, to in zip(hu.shape, padded, strict=True)], constant_values=AIR_HU)
        total = np.zeros((self._network.shape.outputs, *hu.shape), np.float32)
        weight = np.zeros(hu.shape, np.float32)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            for box in _boxes(hu.shape, multiple):
                image = network_input(torch.from_numpy(hu[box]).unsqueeze(0).to(self.device))
                logits = self._network(image.contiguous(memory_format=torch.channels_last_3d))
                found = torch.sigmoid(logits.float())[0].cpu().numpy()
                ramp = _ramp(found.shape[1:])
                total[:, *box] += found * ramp
                weight[box] += ramp
        z, y, x = grid.hu.shape
        return np.asarray((total / weight)[:, :z, :y, :x])

    def segment(self, ct: CtVolume) -> FoundMasks:
        """Find esophagus and tumor.

        Raises:
            ImageError: when there is no body in the image.
        """
        grid = working_ct(ct.image)
        probability = self.probabilities(grid)
        esophagus, bridged, esophagus_doubts = clean_esophagus(probability.max(axis=0))
        if esophagus is None:
            return FoundMasks(None, None, ("the segmenter found no esophagus",))
        notes = [f"{bridged * SPACING_MM:g} mm of the esophagus were bridged"] if bridged else []
        tumor, tumor_doubts = clean_tumor(probability[1], esophagus)
        doubts: dict[Region, tuple[str, ...]] = {"esophagus": esophagus_doubts, "tumor": tumor_doubts}
        peaks = np.where(esophagus >= INSIDE, probability.max(axis=0), 0).max(axis=(1, 2))
        whole = grid.take_back(esophagus, ct.image, least=INSIDE)
        if tumor is None:
            notes.append("the segmenter found no tumor")
            return FoundMasks(largest_component(whole), None, tuple(notes), doubts, peaks)
        inside = largest_component(grid.take_back(tumor, ct.image, least=INSIDE))
        found = inside if inside.any() else None
        return FoundMasks(largest_component(whole | inside), found, tuple(notes), doubts, peaks)


def _boxes(shape: tuple[int, ...], multiple: int) -> Iterator[Box]:
    """Windows that cover a volume and overlap by about 16 voxels, aligned to the coarse grid of the network."""
    along = []
    for length, window in zip(shape, _WINDOW, strict=True):
        count = 1 if length <= window else 1 + -(-(length - window) // (window - _OVERLAP))
        starts = [round(index * (length - window) / max(1, count - 1) / multiple) * multiple for index in range(count)]
        along.append([slice(start, min(start + window, length)) for start in starts])
    yield from itertools.product(*along)


def _ramp(shape: tuple[int, ...]) -> FloatArray:
    """Weights of the voxels of a window. They rise from the border over the overlap."""
    parts = [np.minimum(np.arange(n) + 1, np.arange(n)[::-1] + 1).clip(max=_OVERLAP) / _OVERLAP for n in shape]
    return np.asarray(parts[0][:, None, None] * parts[1][:, None] * parts[2], dtype=np.float32)
