"""What the training of a fold can be told."""

from __future__ import annotations

from dataclasses import dataclass, field

from espark.pathology.cytology import Cutoffs
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings


@dataclass(frozen=True)
class ModelSettings:
    """Settings of every model, and where the cut-offs of the cell types come from."""

    mscalect: MScaleCTSettings
    cytopath: CytoPathSettings
    espark: ESparkSettings
    cutoffs: Cutoffs = field(default_factory=Cutoffs)
