"""The segmenters: name, text and code of each. A package may add its own (``docs/plugins.md``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from espark.catalogue import Catalogue
from espark.errors import SegmenterError

if TYPE_CHECKING:
    from espark.ct.segmentation.segmenter import Segmenter


@dataclass(frozen=True)
class SegmenterEntry:
    """A way to find the regions of patients without a mask.

    Attributes:
        name: name in ``study.toml``.
        build: loads it, from the folder with its files if one is given. It imports its libraries itself, so that
            reading ``study.toml`` stays fast. None for a way that segments nothing.
        finds: the regions it looks for. If it does not look for the tumor, the thickness of the wall gives a proposal.
        package: the package that must be installed for it; empty when there is none.
        license: license of its weights.
        source: where its weights come from.
        description: one line for ``espark doctor`` and the docs.
    """

    name: str
    build: Callable[[Path | None], Segmenter | None]
    finds: tuple[str, ...] = ("esophagus", "tumor")
    package: str = ""
    license: str = ""
    source: str = ""
    description: str = ""


def _mini(weights: Path | None) -> Segmenter:
    from espark.ct.segmentation.mini import MiniSegmenter
    from espark.ct.segmentation.weights_file import SHIPPED

    return MiniSegmenter.from_folder(weights or SHIPPED)


def _totalsegmentator(weights: Path | None) -> Segmenter:
    from espark.ct.segmentation.totalsegmentator import TotalSegmentator

    return TotalSegmentator(weights)


def _nnunet(weights: Path | None) -> Segmenter:
    from espark.ct.segmentation.nnunet import NnUnet

    if weights is None:
        raise SegmenterError("the folder of the nnU-Net model is not given", action="Give segmenter_weights.")
    return NnUnet(weights)


def _masks_only(weights: Path | None) -> None:
    del weights


SEGMENTERS = Catalogue(
    "segmenter",
    "espark.segmenters",
    (
        SegmenterEntry(
            name="espark-mini-seg",
            build=_mini,
            finds=("esophagus", "tumor"),
            package="",
            license="MIT",
            source="embedded in the package",
            description="small 3-D U-Net, fitted on real necks and simulated chests",
        ),
        SegmenterEntry(
            name="totalsegmentator",
            build=_totalsegmentator,
            finds=("esophagus",),
            package="totalsegmentator",
            license="Apache-2.0",
            source="a local folder filled by the command of TotalSegmentator",
            description="TotalSegmentator's esophagus",
        ),
        SegmenterEntry(
            name="nnunet",
            build=_nnunet,
            finds=("esophagus", "tumor"),
            package="nnunetv2",
            license="the user's",
            source="a local folder with a trained nnU-Net v2 model",
            description="your own nnU-Net with labels named esophagus or tumor",
        ),
        SegmenterEntry(
            name="masks",
            build=_masks_only,
            finds=(),
            package="",
            license="",
            source="none",
            description="only masks given by the user; a patient without a mask is an error",
        ),
    ),
    error=SegmenterError,
)
