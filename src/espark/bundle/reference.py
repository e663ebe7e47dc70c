"""The development patients among whom a new patient is placed, without their ids."""

from __future__ import annotations

from pydantic import Field

from espark.bundle.schema import CardPart, Label
from espark.strict_toml import Share
from espark.types import Modality


class ModalityReference(CardPart):
    """Development patients with CT and slides, seen through one modality alone; in one order for every modality.

    Attributes:
        probability: cross-fitted probability of each.
        labels: label of each.
        conformal_set: cross-fitted conformal set of each.
    """

    probability: tuple[Share, ...]
    labels: tuple[Label, ...]
    conformal_set: tuple[str, ...]


class Reference(CardPart):
    """Development patients, out of fold and without their ids, among whom a new patient is placed.

    Attributes:
        probability: cross-fitted probability of each, ascending.
        labels: label of each, in the same order.
        prediction: cross-fitted call of each, in the same order.
        conformal_set: cross-fitted conformal set of each, in the same order.
        by_modality: for a model of both modalities, what it answers for CT and slides, CT alone and slides alone.
        contribution: by cell type, the contribution in each patient with slides, ascending.
        biomarkers: ``nlr`` and ``differentiation`` in each patient with slides, ascending.
        biomarker_labels: label of each, in the order of ``biomarkers``.
        biomarker_favorable: by biomarker, 1 for each patient on the side where the outcome is expected, at the cut-off
            that the other folds give; in the same order.
        tumor_volume_ml: volume of each tumor, ascending.
    """

    probability: tuple[Share, ...]
    labels: tuple[Label, ...]
    prediction: tuple[Label, ...]
    conformal_set: tuple[str, ...] = ()
    by_modality: dict[Modality, ModalityReference] = Field(default_factory=dict)
    contribution: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    biomarkers: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    biomarker_labels: dict[str, tuple[Label, ...]] = Field(default_factory=dict)
    biomarker_favorable: dict[str, tuple[Label, ...]] = Field(default_factory=dict)
    tumor_volume_ml: tuple[float, ...] = ()
