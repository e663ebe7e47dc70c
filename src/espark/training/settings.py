"""What the training of a fold can be told."""

from __future__ import annotations

from dataclasses import dataclass

from espark.config import CytoPathSettings, ESparkSettings, MScaleCTSettings


@dataclass(frozen=True)
class ModelSettings:
    """Settings of every model, and the cut-offs that come with an encoder, if it has any.

    Attributes:
        published_cutoffs: (cell types,) cut-offs used instead of fitted ones.
    """

    mscalect: MScaleCTSettings
    cytopath: CytoPathSettings
    espark: ESparkSettings
    published_cutoffs: tuple[float, ...] | None = None
