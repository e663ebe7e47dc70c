"""Whether a model applies to a patient, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from espark.bundle.bundle import Bundle
from espark.ct.regions.plausibility import RegionDescription, doubts
from espark.notes import Note
from espark.training.inputs import Inputs
from espark.training.likeness.applicability import FEWEST_PATIENTS, Likeness
from espark.training.members.catalogue import MODELS
from espark.training.preprocessing import CLIP_SD
from espark.wording import percent

_STRANGE = {
    "ct": "The CT differs from those of the {n} development patients by more than the limit: its distance from them "
    "is {distance:.1f}, and the limit is {limit:.1f}.",
    "slides": "The slides differ from those of the {n} development patients by more than the limit: their distance "
    "from them is {distance:.1f}, and the limit is {limit:.1f}.",
}
_FOREIGN = {
    "ct": "The CT differs from those of the {n} development patients by more than another scanner explains: its "
    "distance from them in all features is {distance:.1f}, and the limit is {limit:.1f}.",
    "slides": "The slides differ from those of the {n} development patients by more than another stain or scanner "
    "explains: their distance from them in all features is {distance:.1f}, and the limit is {limit:.1f}.",
}
_NEW_CENTER = {
    "ct": "The CT looks as if it came from a scanner or a protocol that the model does not know. The patient is like "
    "the development patients in the shape of the regions, which a scanner hardly changes. So the answer is given, "
    "but it may be less exact.",
    "slides": "The slides look as if they came from a stain or a scanner that the model does not know. The patient is "
    "like the development patients in the cell types, which a stain hardly changes. So the answer is given, but it may "
    "be less exact.",
}
_FEW = 40
"""With fewer development patients, the page gives the interval of the share that the limit withholds."""
_UNCHECKED = {
    "ct": "Whether the CT resembles those of the development patients was not checked: fewer than {fewest} of them "
    "have a CT.",
    "slides": "Whether the slides resemble those of the development patients was not checked: fewer than {fewest} of "
    "them have slides.",
}
_MOST_CLIPPED = 0.5
_IMAGES = {"ct": "CT", "slides": "slides"}
_WIDER = 2.0
"""Factor beyond the volumes of the development tumors from which a volume is strange."""


@dataclass(frozen=True)
class Applicable:
    """Whether a model applies to a patient.

    Attributes:
        reasons: sentences with the reasons against it; empty when there are none.
        likeness: by modality, distances to the development patients with their limits.
        unchecked: sentences on what could not be checked; empty when everything was checked.
        notes: sentences on a scanner or stain that looks new, and on limits that few patients gave. They withhold
            nothing.
    """

    reasons: tuple[str, ...]
    likeness: dict[str, Likeness]
    unchecked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

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
    likeness = bundle.likeness(inputs)
    there = {"ct": bool(inputs.has_ct[0]), "slides": bool(inputs.has_slides[0])}
    seen = [name for name in MODELS[bundle.card.model].modalities if there.get(name)]
    reasons: list[str] = []
    if bundle.card.training.simulated and not simulated:
        noun = " and ".join(_IMAGES[name] for name in seen) or "values"
        reasons.append(
            f"The model was trained on simulated patients only, and the {noun} given here are real. It is not "
            "known how the model performs on real patients."
        )
    for name, found in likeness.items():
        reasons += _distance_reasons(name, found, bundle.card.training.n)
    reasons += _clip_reasons(bundle, inputs)
    reasons += _tumor_reasons(bundle, tumor)
    unchecked = tuple(_UNCHECKED[name].format(fewest=FEWEST_PATIENTS) for name in seen if name not in likeness)
    notes = tuple(_NEW_CENTER[name] for name, found in likeness.items() if found.shifted)
    return Applicable(tuple(reasons), likeness, unchecked, (*notes, *_few_patients(bundle, likeness)))


def _distance_reasons(name: str, found: Likeness, n: int) -> Iterator[str]:
    if found.foreign:
        yield _FOREIGN[name].format(n=n, distance=found.shift, limit=found.far)
    elif found.strange:
        yield _STRANGE[name].format(n=n, distance=found.distance, limit=found.limit)


def _few_patients(bundle: Bundle, likeness: Iterable[str]) -> Iterator[str]:
    """How sure a limit is that few development patients gave."""
    for name in likeness:
        check = bundle.applicability[name]
        if check.patients < _FEW:
            low, high = (percent(share) for share in check.sure)
            yield (
                f"The limit for the {_IMAGES[name]} comes from {check.patients} development patients. Of patients like "
                f"them, it withholds {low} to {high} (95 % interval; aim: {percent(check.rate)})."
            )


def _clip_reasons(bundle: Bundle, inputs: Inputs) -> list[str]:
    clipped, used = bundle.clipped(inputs)
    if clipped <= _MOST_CLIPPED * used:
        return []
    text = (
        f"{clipped} of the {used} CT features that can change the answer are so far from those of the development "
        f"patients that the model sees only that they are extreme ({CLIP_SD:.0f} SD from their mean, or outside the "
        "range of nearly all of them)."
    )
    return [str(Note("D-MODEL-001", text))]


def _tumor_reasons(bundle: Bundle, tumor: RegionDescription | None) -> list[str]:
    if tumor is None:
        return []
    reasons = []
    volumes = bundle.card.reference.tumor_volume_ml
    if volumes and not volumes[0] / _WIDER <= tumor.volume_ml <= volumes[-1] * _WIDER:
        reasons.append(
            f"The tumor has a volume of {tumor.volume_ml:.1f} ml. The tumors of the development patients have volumes "
            f"of {volumes[0]:.1f} to {volumes[-1]:.1f} ml. A volume up to {_WIDER:g} times as large or small is "
            "accepted."
        )
    found = doubts(tumor, "tumor")
    if found:
        reasons.append(f"The outlined tumor does not look like a tumor of the esophagus: {'; '.join(found)}.")
    return reasons
