"""``MODEL_CARD.md``: what a trained model is, what it is for, and what was measured on its development patients."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from espark.bundle.card import BundleCard
from espark.statistics.estimate import Estimate
from espark.statistics.metrics import evaluate_predictions
from espark.training.cross_validation import CrossValidated
from espark.training.members.catalogue import MODELS


def model_card(card: BundleCard, validated: CrossValidated) -> str:
    """Text of the card. It holds development figures only: results on other cohorts stay out of a bundle.

    It begins with the metadata that the Hugging Face hub reads.
    """
    labels, fitted = validated.development.labels[validated.usable], validated.cross_fitted
    metrics = evaluate_predictions(labels, fitted.probability, decisions=fitted.prediction)
    training, name = card.training, card.outcome.name
    simulated = "\n**Trained on simulated patients. It says nothing about real ones.**\n" if training.simulated else ""
    rows = "\n".join(f"| {name.replace('_', ' ')} | {_value(estimate)} |" for name, estimate in metrics.items())
    decisions = "\n".join(f"- {decision}" for decision in card.decisions)
    return f"""{_metadata(card, metrics)}
# {card.title}

{MODELS[card.model].description}. For research use only; not a medical device.
{simulated}
- Disease: {card.disease}
- Predicts: {card.outcome.in_full}
- Trained on: {training.n} development patients ({training.n_positive} with {name}) of {", ".join(training.centers)},
  study "{training.study}", espark {card.espark_version}, {card.folds} fold models, seed {card.seed}
- Looks at: {" and ".join(card.looks_at)}

## Use

Load it with `espark predict` or `espark.load_bundle`. It is meant for research on patients like those that it was
trained on, and it withholds the answer for patients who differ too much. It is not meant for decisions about the
treatment of a patient. How well it works elsewhere is not known from this card: validate it on patients of your own.

## Out-of-fold figures on the development patients

n = {len(labels)}, {int(labels.sum())} with {name}; calibrator, threshold and sets fitted on the other folds; 95 %
intervals.

| metric | value |
|---|---|
{rows}

## Choices, and what each was based on

{decisions}
"""


def _metadata(card: BundleCard, metrics: Mapping[str, Estimate]) -> str:
    """The fields of the Hugging Face hub, as YAML. The people who publish the model choose its license."""
    results = [
        {"type": name, "name": name.replace("_", " "), "value": round(estimate.value, 4)}
        for name, estimate in metrics.items()
        if estimate.available
    ]
    task = {"type": "other", "name": f"prediction of {card.outcome.name}"}
    dataset = {"type": "private", "name": f"{card.training.study}, development patients, out of fold"}
    fields: dict[str, object] = {
        "library_name": "espark",
        "license": "other",
        "license_name": "to-be-chosen-by-the-authors",
        "tags": ["medical", "pathology", "radiology", *(["simulated"] if card.training.simulated else [])],
        "metrics": [result["type"] for result in results],
        "model-index": [{"name": card.title, "results": [{"task": task, "dataset": dataset, "metrics": results}]}],
    }
    # JSON is YAML; one field on each line is enough for a reader.
    return "\n".join(
        ["---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()), "---"]
    )


def _value(estimate: Estimate) -> str:
    if not estimate.available:
        return estimate.method
    if np.isnan(estimate.ci_low):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.ci_low:.3f} to {estimate.ci_high:.3f})"
