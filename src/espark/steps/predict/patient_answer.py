"""The answer for a new patient: what Python gets back, and what ``prediction.json`` holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from espark.bundle.bundle import Bundle
from espark.bundle.card import BundleCard
from espark.files import fingerprint
from espark.pathology.features import SlideFeatures
from espark.steps.explain.patient_explanation import unreliable_cells
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.patient_images import PatientImages
from espark.steps.predict.patient_robustness import robustness_json
from espark.steps.prepare.slide_quality import left_out
from espark.steps.report.case import Case
from espark.steps.report.patient_page import missing_sentences
from espark.training.operating_point import OperatingPoint
from espark.types import Modality


@dataclass(frozen=True)
class PatientAnswer:
    """What a model answers for one patient. A withheld answer holds no number.

    Attributes:
        patient_id: whose.
        modality: what the answer rests on.
        withheld: whether the answer is kept back, because the model does not apply or that could not be checked.
        applies: whether the model applies to the patient; None when that could not be checked.
        reasons: sentences on what speaks against it, and on what could not be checked.
        probability: calibrated probability of the outcome, the mean of the members; None when withheld.
        probability_sd: SD of the members' calibrated probabilities; None when withheld.
        members: (folds,) each member's calibrated probability; None when withheld.
        prediction: 1 or 0, the call at the threshold; None when withheld.
        conformal_set: the outcomes that cannot be ruled out, with the names that the bundle's outcome gives them; empty
            when the patient fits neither; None when withheld.
        probability_range: lowest and highest probability after small changes of the contour and the slices; None when
            withheld, and without a CT.
        robust_set: the outcomes that cannot be ruled out in all these answers together; None as above.
    """

    patient_id: str
    modality: Modality
    withheld: bool
    applies: bool | None
    reasons: tuple[str, ...]
    probability: float | None = None
    probability_sd: float | None = None
    members: tuple[float, ...] | None = None
    prediction: int | None = None
    conformal_set: str | None = None
    probability_range: tuple[float, float] | None = None
    robust_set: str | None = None

    @classmethod
    def of(cls, case: Case, card: BundleCard) -> PatientAnswer:
        """The answer for a case, as far as it may be given."""
        found, applicable = case.prediction, case.applicable
        answer = cls(case.patient_id, found.modality, case.withheld, applicable.applies, applicable.doubts)
        if case.withheld:
            return answer
        robust = case.robustness
        return replace(
            answer,
            probability=found.probability,
            probability_sd=found.probability_sd,
            members=found.members,
            prediction=found.prediction,
            conformal_set=card.outcome.set_name(found.conformal_set),
            probability_range=(robust.low, robust.high) if robust else None,
            robust_set=card.outcome.set_name(robust.union) if robust else None,
        )


def prediction_json(
    bundle: Bundle, patient: NewPatient, images: PatientImages, case: Case, answer: PatientAnswer
) -> dict[str, Any]:
    """What ``prediction.json`` holds; where the answer is withheld, null for all that depends on the model."""
    card, inputs, explanation = bundle.card, case.inputs, case.explanation
    point = OperatingPoint.from_dict(card.operating_points[answer.modality])
    hidden = answer.withheld or bool(explanation.unreliable)
    return {
        "patient_id": answer.patient_id,
        "model": {"name": card.model, "espark_version": card.espark_version, "folds": card.folds},
        "disease": card.disease,
        "outcome": card.outcome.name,
        "trained_on": card.outcome.named_keys(card.training.model_dump(mode="json")),
        "modality": answer.modality,
        "withheld": answer.withheld,
        "probability": answer.probability,
        "probability_sd": answer.probability_sd,
        "members": answer.members,
        "threshold": point.threshold,
        "voting": card.protocol.voting,
        "prediction": answer.prediction,
        "conformal_set": answer.conformal_set,
        "coverage": point.sets.coverage,
        "robustness": robustness_json(case.robustness, card.outcome) if case.robustness else None,
        "missing": list(missing_sentences(bundle, inputs)),
        "applicability": {
            "applies": answer.applies,
            "reasons": list(answer.reasons),
            "distances": {name: asdict(found) for name, found in case.applicable.likeness.items()},
        },
        "regions": {
            scale: {"volume_ml": description.volume_ml, "length_mm": description.length_mm}
            for scale, description in (images.ct.descriptions.items() if images.ct else ())
        },
        "segmenter": images.ct.segmenter if images.ct else None,
        "slides": _slide_facts(images.slides.features),
        "cell_types": None if hidden else explanation.contributions,
        "biomarkers": None if hidden else explanation.biomarkers,
        "cells_not_reliable": list(unreliable_cells(case.features)),
        "clinical": dict(zip((card.name for card in card.clinical), inputs.clinical[0], strict=True)),
        "simulated_patient": images.simulated,
        "quality": list(case.notes),
        "inputs": {option.removeprefix("--"): fingerprint(path) for option, path in patient.by_option().items()},
        "research_use_only": True,
    }


def _slide_facts(features: Sequence[SlideFeatures]) -> list[dict[str, Any]]:
    """What was read of each slide, by its number: its file's name may be the patient's."""
    return [
        {
            "slide": number,
            "mpp": part.slide_mpp,
            "tiles": len(part),
            "tiles_left_out": len(part.rejected_coords),
            "left_out": left_out(part),
            "cells": _reliability(part),
        }
        for number, part in enumerate(features, start=1)
    ]


def _reliability(features: SlideFeatures) -> dict[str, Any] | None:
    """How far the cell types of a slide can be relied on; None when the encoder has no such check."""
    found = features.reliability
    return None if found is None else {"reliable": found.reliable, **asdict(found)}
