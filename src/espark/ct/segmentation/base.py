"""What every segmenter offers, whatever is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from espark.ct.hounsfield import CtVolume
from espark.types import BoolArray


@dataclass(frozen=True, eq=False)
class FoundMasks:
    """What a segmenter found, before it is judged.

    Attributes:
        esophagus: bool (z, y, x) on the CT's grid, the whole organ; None when it was not found.
        tumor: the same for the tumor; None when the segmenter does not look for it, or found none.
        notes: what a reader of the result should know.
        tumor_doubts: why the tumor may be none, or may lie elsewhere; empty when nothing speaks against it.
    """

    esophagus: BoolArray | None
    tumor: BoolArray | None
    notes: tuple[str, ...] = ()
    tumor_doubts: tuple[str, ...] = ()


@runtime_checkable
class Segmenter(Protocol):
    """Finds the regions of a CT.

    Attributes:
        name: name in the registry.
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
