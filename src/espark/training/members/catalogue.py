"""The models that a study trains, and those on radiomics that its CT model is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from espark.types import IntArray, Modality

if TYPE_CHECKING:
    from espark.training.inputs import Inputs
    from espark.training.members.member import Member
    from espark.training.settings import ModelSettings


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
class CtComparatorEntry:
    """A model on radiomics beside which `espark ablate --ct` sets the CT models; it cannot be fused.

    Attributes:
        name: name in tables.
        title: name in figures.
        source: where it comes from.
        train: trains a fold, from inputs, labels, settings and seed.
    """

    name: str
    title: str
    source: str
    train: Callable[[Inputs, IntArray, ModelSettings, int], Member]


def _lasso(inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int) -> Member:
    from espark.training.members.ct_logistic import CtLogisticMember

    return CtLogisticMember.train(inputs, labels, settings, seed, penalty="l1")


def _ridge(inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int) -> Member:
    from espark.training.members.ct_logistic import CtLogisticMember

    return CtLogisticMember.train(inputs, labels, settings, seed, penalty="l2")


CT_COMPARATORS: dict[str, CtComparatorEntry] = {
    entry.name: entry
    for entry in (
        CtComparatorEntry(
            "logistic-l1", "Logistic, L1", "logistic regression with a lasso penalty, features selected", _lasso
        ),
        CtComparatorEntry(
            "logistic-l2", "Logistic, L2", "logistic regression with a ridge penalty, features selected", _ridge
        ),
    )
}
