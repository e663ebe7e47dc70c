"""Whether a model applies to a patient, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass

from espark.bundle.bundle import Bundle
from espark.ct.regions.plausibility import RegionDescription, doubts
from espark.notes import Note
from espark.training.applicability import FEWEST_PATIENTS
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.preprocessing import CLIP_SD

_DIFFERS = {
    "ct": "The CT differs from those of the {n} development patients by more than the limit: its distance from them "
    "is {distance:.1f}, and the limit is {limit:.1f}.",
    "slides": "The slides differ from those of the {n} development patients by more than the limit: their distance "
    "from them is {distance:.1f}, and the limit is {limit:.1f}.",
}
_UNCHECKED = {
    "ct": "Whether the CT resembles those of the development patients was not checked: fewer than {fewest} of them "
    "have a CT.",
    "slides": "Whether the slides resemble those of the development patients was not checked: fewer than {fewest} of "
    "them have slides.",
}
_MOST_CLIPPED = 0.5
_IMAGES = {"ct": "CT", "slides": "slides"}


@dataclass(frozen=True)
class Applicable:
    """Whether a model applies to a patient.

    Attributes:
        reasons: sentences with the reasons against it; empty when there are none.
        distances: by modality, (distance to the development patients, limit).
        unchecked: sentences on what could not be checked; empty when everything was checked.
    """

    reasons: tuple[str, ...]
    distances: dict[str, tuple[float, float]]
    unchecked: tuple[str, ...] = ()

    @property
    def applies(self) -> bool | None:
        """False when there is a reason against it; None when there is none, but not everything could be checked."""
        if self.reasons:
            return False
        return None if self.unchecked else True

    @property
    def doubts(self) -> tuple[str, ...]:
        """Reasons against it and missing checks: with any of these, the answer is withheld."""
        return (*self.reasons, *self.unchecked)


def applicability(
    bundle: Bundle, inputs: Inputs, *, tumor: RegionDescription | None = None, simulated: bool = False
) -> Applicable:
    """Compare a patient with the development patients of a model.

    Args:
        bundle: the trained model.
        inputs: the one patient.
        tumor: description of the tumor, when its region is known.
        simulated: whether the patient's images are simulated.
    """
    distances = bundle.distances(inputs)
    there = {"ct": bool(inputs.has_ct[0]), "slides": bool(inputs.has_slides[0])}
    seen = [name for name in MODELS[bundle.card.model].modalities if there.get(name)]
    reasons: list[str] = []
    if bundle.card.training.simulated and not simulated:
        noun = " and ".join(_IMAGES[name] for name in seen) or "values"
        reasons.append(
            f"The model was trained on simulated patients only, and the {noun} given here are real. It is not "
            "known how the model performs on real patients."
        )
    for name, (distance, limit) in distances.items():
        if not distance <= limit:
            reasons.append(_DIFFERS[name].format(n=bundle.card.training.n, distance=distance, limit=limit))
    reasons += _clip_reasons(bundle, inputs)
    reasons += _tumor_reasons(bundle, tumor)
    unchecked = tuple(_UNCHECKED[name].format(fewest=FEWEST_PATIENTS) for name in seen if name not in distances)
    return Applicable(tuple(reasons), distances, unchecked)


def _clip_reasons(bundle: Bundle, inputs: Inputs) -> list[str]:
    clipped, used = bundle.clipped(inputs)
    if clipped <= _MOST_CLIPPED * used:
        return []
    text = (
        f"{clipped} of the {used} CT features that can change the answer are {CLIP_SD:.0f} SD or more from the mean of "
        "the development patients. So far away, the model sees only that a value is extreme."
    )
    return [str(Note("D-MODEL-001", text))]


def _tumor_reasons(bundle: Bundle, tumor: RegionDescription | None) -> list[str]:
    if tumor is None:
        return []
    reasons = []
    volumes = bundle.card.reference.tumor_volume_ml
    if volumes and not volumes[0] <= tumor.volume_ml <= volumes[-1]:
        reasons.append(
            f"The tumor has a volume of {tumor.volume_ml:.1f} ml. The tumors of the development patients have volumes "
            f"of {volumes[0]:.1f} to {volumes[-1]:.1f} ml."
        )
    found = doubts(tumor, "tumor")
    if found:
        reasons.append(f"The outlined tumor does not look like a tumor of the esophagus: {'; '.join(found)}.")
    return reasons
