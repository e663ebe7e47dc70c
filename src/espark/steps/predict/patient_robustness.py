"""What small changes of the contour and of the slices do to the answer for a new patient."""

from __future__ import annotations

from typing import Any

from espark.bundle.bundle import Bundle
from espark.ct.features.radiomics import RadiomicsSettings
from espark.explain.attribution import CtAttributor
from espark.explain.robustness import Robustness, robustness
from espark.outcome import Outcome
from espark.steps.explain.redrawn_features import redrawn_features, rows_of, used_features
from espark.steps.predict.patient_images import MeasuredCt
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS


def patient_robustness(bundle: Bundle, inputs: Inputs, ct: MeasuredCt | None, workers: int) -> Robustness | None:
    """Measure the patient's regions again after each change and ask the model again.

    Args:
        bundle: the model.
        inputs: the one patient.
        ct: the CT with its regions; None without one.
        workers: processes that share the radiomics.

    Returns:
        None when the model has no CT to look at.
    """
    card, modality = bundle.card.radiomics, bundle.modality(inputs, 0)
    looks = "ct" in MODELS[bundle.card.model].modalities and bool(inputs.has_ct[0])
    if ct is None or card is None or modality is None or not looks:
        return None
    found = redrawn_features(
        ct.ct,
        ct.regions,
        RadiomicsSettings(card.image_types, card.spacing_mm, card.bin_width_hu),
        used_features(bundle, inputs),
        ring_mm=card.ring_mm,
        image_model=card.image_model,
        workers=workers,
    )
    point = bundle.ensemble.points[modality]
    attributors = [CtAttributor(member) for member in bundle.members]
    names, rows = [part.name for part in found], rows_of(inputs, found)
    return robustness(attributors, inputs, names, rows, point, pooled=False)


def robustness_json(found: Robustness, outcome: Outcome) -> dict[str, Any]:
    """As ``prediction.json`` holds it."""
    return {
        "probability_low": found.low,
        "probability_high": found.high,
        "conformal_set": outcome.set_name(found.union),
        "answer_holds": found.holds,
        "changes": [
            {
                "change": answer.change,
                "probability": answer.probability,
                "conformal_set": outcome.set_name(answer.conformal_set),
            }
            for answer in found.changed
        ],
    }
