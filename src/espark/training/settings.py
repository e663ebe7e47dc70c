"""The settings with which a fold is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field

from espark.pathology.cytology import Cutoffs
from espark.training.members.catalogue import MODELS
from espark.training.plugins import plugins_of
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings


@dataclass(frozen=True)
class ModelSettings:
    """Settings of every model, and where the cut-offs of the cell types come from."""

    mscalect: MScaleCTSettings
    cytopath: CytoPathSettings
    espark: ESparkSettings
    cutoffs: Cutoffs = field(default_factory=Cutoffs)

    def voiced(self, model: str) -> bool:
        """Whether the folds of a model are linear voices instead of networks."""
        if model == "espark":
            return self.espark.weighted_sum
        return bool(getattr(self, model).voices) if model in ("mscalect", "cytopath") else False

    def identity(self, models: Sequence[str]) -> list[object]:
        """All that decides the weights of some models, as plain values for the key of a fold; plug-ins included."""
        names = {name for model in models for name in (*MODELS[model].starts_from, model)}
        parts = {"mscalect": self.mscalect, "cytopath": self.cytopath, "espark": self.espark}
        chosen = [parts[name].model_dump(mode="json") for name in parts if name in names]
        plugins = sorted({plugin for name in names for plugin in plugins_of(name, self)}, key=astuple)
        cutoffs = asdict(self.cutoffs) if "cytopath" in names else None
        return [sorted(names), *chosen, cutoffs, *(list(astuple(plugin)) for plugin in plugins)]
