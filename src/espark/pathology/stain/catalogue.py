"""The stain normalizations that espark knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StainEntry:
    """A stain normalization.

    Attributes:
        name: name in ``study.toml``.
        description: one line for the docs.
        source: where it was published.
    """

    name: str
    description: str
    source: str


STAINS: dict[str, StainEntry] = {
    entry.name: entry
    for entry in (
        StainEntry("none", "tiles are not changed", ""),
        StainEntry("macenko", "dyes from the extreme directions of the density", "Macenko et al., ISBI 2009"),
        StainEntry("reinhard", "mean and spread of the color in CIE Lab", "Reinhard et al., IEEE CG&A 21:34, 2001"),
        StainEntry(
            "vahadane", "dyes from a sparse dictionary of the density", "Vahadane et al., IEEE TMI 35:1962, 2016"
        ),
    )
}
