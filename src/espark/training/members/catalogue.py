"""The models that a study trains, and those on radiomics that are compared with MScaleCT."""

from __future__ import annotations

from dataclasses import dataclass

from espark.types import Modality


@dataclass(frozen=True)
class ModelEntry:
    """A model that a study trains.

    Attributes:
        name: folder and file name in the study.
        title: name in reports.
        modalities: what it looks at.
        description: one line for reports and docs.
        starts_from: the models of the same fold that it needs.
    """

    name: str
    title: str
    modalities: tuple[Modality, ...]
    description: str
    starts_from: tuple[str, ...] = ()

    @property
    def fuses(self) -> bool:
        """Whether it joins CT and slides, so that it can answer from either alone."""
        return len(self.modalities) > 1

    @property
    def answers_from(self) -> tuple[Modality, ...]:
        """What an answer can rest on; first all that the model looks at."""
        return ("both", *self.modalities) if self.fuses else self.modalities


MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry("clinical", "Clinical columns", ("clinical",), "logistic regression on clinical columns"),
        ModelEntry("mscalect", "MScaleCT", ("ct",), "radiomics of tumor and esophagus"),
        ModelEntry("cytopath", "CytoPath", ("slides",), "H&E tiles chosen by cell type, pooled to one answer"),
        ModelEntry("espark", "eSPARK", ("ct", "slides"), "fusion of MScaleCT and CytoPath", ("mscalect", "cytopath")),
    )
}


@dataclass(frozen=True)
class CtModelEntry:
    """A kind of model on radiomics that `espark ablate --ct` trains on both scales and on each alone.

    Attributes:
        name: name in tables.
        title: name in figures.
        source: where it comes from.
    """

    name: str
    title: str
    source: str


CT_MODELS: dict[str, CtModelEntry] = {
    entry.name: entry
    for entry in (
        CtModelEntry(
            "network",
            "Network (on all scales: MScaleCT)",
            "MScaleCT as study.toml describes it; on both scales it is MScaleCT",
        ),
        CtModelEntry("logistic-l1", "Logistic, L1", "logistic regression with a lasso penalty, features selected"),
        CtModelEntry("logistic-l2", "Logistic, L2", "logistic regression with a ridge penalty, features selected"),
    )
}
