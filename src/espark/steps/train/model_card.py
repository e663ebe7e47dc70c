"""``MODEL_CARD.md``: what a trained model is, what it is for, and what was measured on its development patients."""

from __future__ import annotations

import numpy as np

from espark.bundle.card import BundleCard
from espark.statistics.estimate import Estimate
from espark.statistics.metrics import evaluate_predictions
from espark.training.cross_validation import CrossValidated
from espark.training.members.catalogue import MODELS


def model_card(card: BundleCard, validated: CrossValidated) -> str:
    """Text of the card. It holds development figures only: results on other cohorts stay out of a bundle."""
    labels, fitted = validated.development.labels[validated.usable], validated.cross_fitted
    metrics = evaluate_predictions(labels, fitted.probability, decisions=fitted.prediction)
    training, name = card.training, card.outcome.name
    simulated = "\n**Trained on simulated patients. It says nothing about real ones.**\n" if training.simulated else ""
    rows = "\n".join(f"| {name.replace('_', ' ')} | {_value(estimate)} |" for name, estimate in metrics.items())
    decisions = "\n".join(f"- {decision}" for decision in card.decisions)
    return f"""# {card.title}

{MODELS[card.model].description}. For research use only; not a medical device.
{simulated}
- Disease: {card.disease}
- Predicts: {card.outcome.in_full}
- Trained on: {training.n} development patients ({training.n_positive} with {name}) of {", ".join(training.centers)},
  study "{training.study}", espark {card.espark_version}, {card.folds} fold models, seed {card.seed}
- Looks at: {" and ".join(card.looks_at)}

## Out-of-fold figures on the development patients

n = {len(labels)}, {int(labels.sum())} with {name}; calibrator, threshold and sets fitted on the other folds; 95 %
intervals.

| metric | value |
|---|---|
{rows}

## Choices, and what each was based on

{decisions}
"""


def _value(estimate: Estimate) -> str:
    if not estimate.available:
        return estimate.method
    if np.isnan(estimate.ci_low):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.ci_low:.3f} to {estimate.ci_high:.3f})"
