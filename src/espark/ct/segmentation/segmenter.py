"""What every segmenter offers, whatever is behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from espark.ct.hounsfield import CtVolume
from espark.types import BoolArray, Region


@dataclass(frozen=True, eq=False)
class FoundMasks:
    """What a segmenter found, before it is judged.

    Attributes:
        esophagus: bool (z, y, x) on the CT's grid, the whole organ; None when it was not found.
        tumor: the same for the tumor; None when the segmenter does not look for it, or found none.
        notes: what a reader of the result should know.
        doubts: of each region, why it may be none or lie elsewhere; empty or missing when nothing speaks against it.
    """

    esophagus: BoolArray | None
    tumor: BoolArray | None
    notes: tuple[str, ...] = ()
    doubts: Mapping[Region, tuple[str, ...]] = field(default_factory=dict)


@runtime_checkable
class Segmenter(Protocol):
    """Finds the regions of a CT.

    Attributes:
        name: name in the catalogue.
        finds_tumor: whether it looks for the tumor; without, the thickness of the wall proposes one.
    """

    name: str
    finds_tumor: bool

    def segment(self, ct: CtVolume) -> FoundMasks:
        """Find esophagus and tumor.

        Raises:
            ImageError: when the CT cannot be segmented.
            SegmenterError: when the segmenter's software fails.
        """
        ...
