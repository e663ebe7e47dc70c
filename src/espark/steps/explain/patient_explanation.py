"""What one patient's answer is based on: attention, cell types, biomarkers, CT attribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from espark.bundle.bundle import Bundle
from espark.explain.attribution import CtAttributor
from espark.explain.cell_types import biomarkers, contributions, evidence
from espark.pathology.features import SlideFeatures
from espark.steps.prepare.prepared_inputs import bag_of, counts_of
from espark.training.inputs import Bag, Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.member import LooksAtTiles, looking_at_tiles
from espark.types import DoubleArray, FloatArray, Unseen
from espark.wording import percent


@dataclass(frozen=True)
class PatientExplanation:
    """What one patient's answer is based on.

    Attributes:
        attention: by slide, (tiles,); sums to 1 over all slides of the patient.
        contributions: by cell type, as a share of its group.
        biomarkers: ``nlr`` and ``differentiation``.
        ct_attribution: (models, features) in log-odds, scale after scale, one row per model that answered; None
            without CT.
        ct_standardized: (features,) values in SD of the development patients; None without CT.
        notes: sentences on tiles that could not be chosen by cell type.
        unreliable: why cell types and biomarkers are not given although the encoder has them; mostly empty.
    """

    attention: tuple[FloatArray, ...] = ()
    contributions: dict[str, float] = field(default_factory=dict)
    biomarkers: dict[str, float] = field(default_factory=dict)
    ct_attribution: DoubleArray | None = None
    ct_standardized: DoubleArray | None = None
    notes: tuple[str, ...] = ()
    unreliable: tuple[str, ...] = ()


def explain_patient(
    bundle: Bundle, inputs: Inputs, slides: Sequence[SlideFeatures], *, fold: Unseen | None = None, ct: bool = True
) -> PatientExplanation:
    """Explain the answer for one patient.

    Args:
        bundle: the trained model.
        inputs: the one patient.
        slides: tile features of the patient's slides.
        fold: the members that did not see a development patient; None for the mean of all members.
        ct: whether the CT is explained too.
    """
    members = bundle.asked(fold)
    modalities = MODELS[bundle.card.model].modalities
    found = PatientExplanation()
    bag = bag_of(list(slides))
    if "slides" in modalities and bag is not None and len(bag) > 0:
        found = _from_slides(bundle, looking_at_tiles(members), bag, slides)
    if ct and "ct" in modalities and inputs.has_ct[0]:
        attributors = [CtAttributor(member) for member in members]
        found = replace(
            found,
            ct_attribution=np.stack([attributor.attribute(inputs).values for attributor in attributors]),
            ct_standardized=np.mean([attributor.standardized(inputs) for attributor in attributors], axis=0),
        )
    return found


def _from_slides(
    bundle: Bundle, members: Sequence[LooksAtTiles], bag: Bag, slides: Sequence[SlideFeatures]
) -> PatientExplanation:
    attention = np.mean([member.attention(bag) for member in members], axis=0).astype(np.float32)
    edges = np.cumsum([len(part) for part in slides])[:-1]
    by_slide = tuple(np.split(attention, edges))
    notes = _fallback_notes(bundle, members, bag)
    encoder = bundle.card.encoder
    if encoder is None or bag.similarity is None or not encoder.evidence_mean:
        return PatientExplanation(by_slide, notes=notes)
    if not bag.cells_reliable:
        return PatientExplanation(by_slide, notes=notes, unreliable=unreliable_cells(slides))
    tiles = evidence(bag.similarity, encoder.evidence_mean, encoder.evidence_sd)
    return PatientExplanation(
        by_slide,
        contributions(tiles, attention, encoder.cell_types),
        biomarkers(tiles, encoder.cell_types, counts_of(list(slides))),
        notes=notes,
    )


def unreliable_cells(slides: Sequence[SlideFeatures]) -> tuple[str, ...]:
    """Why the cells of a patient cannot be relied on, slide by slide; empty when nothing speaks against them."""
    found = [
        f"{f'Slide {number}: ' if len(slides) > 1 else ''}{note}"
        for number, part in enumerate(slides, start=1)
        for note in (part.reliability.notes if part.reliability else ())
    ]
    return tuple(found)


def _fallback_notes(bundle: Bundle, members: Sequence[LooksAtTiles], bag: Bag) -> tuple[str, ...]:
    count = sum(member.selector.falls_back(bag) for member in members)
    if count == 0:
        return ()
    share = bundle.card.model_settings.cutoffs.share
    asked = "the model" if len(members) == 1 else f"{count} of {len(members)} fold models"
    return (
        f"No tile passed a cell-type cut-off of {asked}; the best {percent(share)} of the tiles were used instead.",
    )
