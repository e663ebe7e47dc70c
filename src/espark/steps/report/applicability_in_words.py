"""Whether a patient lies within what a model knows, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass

from espark.bundle.bundle import Bundle
from espark.ct.regions.plausibility import RegionDescription, doubts
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS

_NAMES = {"ct": "CT", "slides": "slide"}


@dataclass(frozen=True)
class Applicable:
    """What speaks against applying a model to a patient.

    Attributes:
        reasons: sentences; empty when nothing does.
        distances: by modality, (distance to the development patients, limit).
    """

    reasons: tuple[str, ...]
    distances: dict[str, tuple[float, float]]

    @property
    def outside(self) -> tuple[str, ...]:
        """The modalities that lie beyond their limit."""
        return tuple(name for name, (distance, limit) in self.distances.items() if distance > limit)


def applicability(
    bundle: Bundle, inputs: Inputs, *, tumor: RegionDescription | None = None, simulated: bool = False
) -> Applicable:
    """Compare a patient with the development patients of a model.

    Args:
        bundle: the trained model.
        inputs: the one patient.
        tumor: what the tumor looks like, where its region is known.
        simulated: whether the patient's images are simulated.
    """
    distances = bundle.distances(inputs)
    reasons: list[str] = []
    modalities = [name for name in MODELS[bundle.card.model].modalities if name in distances]
    seen = " and ".join(_NAMES[name] for name in modalities)
    if bundle.card.training.simulated and not simulated:
        noun = "images" if len(modalities) == 1 else f"{seen} given here"
        reasons.append(
            f"The model knows simulated patients only; the {noun} are real. As far as it can know, they are not of the "
            "disease it was trained for."
        )
    for name in modalities:
        distance, limit = distances[name]
        if distance > limit:
            reasons.append(
                f"Judged by its features, this {_NAMES[name]} is not of the disease the model was trained for: its "
                f"distance from the {bundle.card.training.n} development patients is {distance:.1f}, and their limit "
                f"is {limit:.1f}."
            )
    reasons += _tumor_reasons(bundle, tumor)
    return Applicable(tuple(reasons), distances)


def _tumor_reasons(bundle: Bundle, tumor: RegionDescription | None) -> list[str]:
    if tumor is None:
        return []
    reasons = []
    volumes = bundle.card.reference.tumor_volume_ml
    if volumes and not volumes[0] <= tumor.volume_ml <= volumes[-1]:
        reasons.append(
            f"The tumor has {tumor.volume_ml:.1f} ml; those of the development patients have {volumes[0]:.1f} to "
            f"{volumes[-1]:.1f} ml."
        )
    found = doubts(tumor, "tumor")
    if found:
        reasons.append(f"The outlined tumor does not look like one of the esophagus: {'; '.join(found)}.")
    return reasons
