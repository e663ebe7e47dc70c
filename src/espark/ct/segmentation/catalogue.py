"""The segmenters that espark knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SegmenterEntry:
    """A way to find the regions of patients of whom no mask is given.

    Attributes:
        name: name in ``study.toml``.
        finds: the regions it looks for; a tumor that it does not look for is proposed by the thickness of the wall.
        package: the package that must be installed for it; empty when there is none.
        license: under which terms its weights may be used.
        source: where its weights come from.
        description: one line for ``espark doctor`` and the docs.
    """

    name: str
    finds: tuple[str, ...]
    package: str
    license: str
    source: str
    description: str


SEGMENTERS: dict[str, SegmenterEntry] = {
    entry.name: entry
    for entry in (
        SegmenterEntry(
            name="espark-mini-seg",
            finds=("esophagus", "tumor"),
            package="",
            license="MIT",
            source="embedded in the package",
            description="small 3-D U-Net, fitted on real necks and simulated chests",
        ),
        SegmenterEntry(
            name="totalsegmentator",
            finds=("esophagus",),
            package="totalsegmentator",
            license="Apache-2.0",
            source="a local folder that TotalSegmentator's own command has filled",
            description="TotalSegmentator's esophagus",
        ),
        SegmenterEntry(
            name="nnunet",
            finds=("esophagus", "tumor"),
            package="nnunetv2",
            license="the user's",
            source="a local folder with a trained nnU-Net v2 model",
            description="a user's own nnU-Net, whose labels are named esophagus or tumor",
        ),
        SegmenterEntry(
            name="masks",
            finds=(),
            package="",
            license="",
            source="none",
            description="masks given by the user only; a patient without any is an error",
        ),
    )
}
