"""The interface of every segmenter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from espark.ct.hounsfield import CtVolume
from espark.types import BoolArray, FloatArray, Region


@dataclass(frozen=True, eq=False)
class FoundMasks:
    """The result of a segmenter, before it is checked.

    Attributes:
        esophagus: bool (z, y, x) on the grid of the CT, the whole organ; None when it was not found.
        tumor: the same for the tumor; None when the segmenter does not look for it, or did not find it.
        notes: what a reader of the result should know.
        doubts: for each region, why it may be wrong or in a different place; empty or missing without doubts.
        peaks: the highest probability of the esophagus in each slice of the working grid (`working_grid.working_ct`),
            (z,); None when the segmenter gives no probability.
    """

    esophagus: BoolArray | None
    tumor: BoolArray | None
    notes: tuple[str, ...] = ()
    doubts: Mapping[Region, tuple[str, ...]] = field(default_factory=dict)
    peaks: FloatArray | None = None


@runtime_checkable
class Segmenter(Protocol):
    """Finds the regions of a CT.

    Attributes:
        name: name in the catalogue.
        finds_tumor: whether it looks for the tumor. If not, the thickness of the wall gives a proposal.
    """

    name: str
    finds_tumor: bool

    def segment(self, ct: CtVolume) -> FoundMasks:
        """Find esophagus and tumor.

        Raises:
            ImageError: when the CT cannot be segmented.
            SegmenterError: when the software of the segmenter fails.
        """
        ...
