"""``espark demo``: a small trial of simulated patients, and every step on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from espark.simulate.people.centers import role_of
from espark.simulate.trial.trial import TrialSettings, trial_truth
from espark.steps.run import RunResult, run
from espark.steps.trial.simulate import simulate
from espark.work.progress import Reporter

DEMO_PATIENTS = 40
DEMO_TILES = 60
DEMO_SEED = 16
"""Chosen by the drawn labels alone: every cohort of the default trial has both outcomes."""

_LAST_SEED = 99
_FEWEST_OF_A_CLASS = 3

_OVERRIDES: dict[str, dict[str, Any]] = {"ct": {"image_types": ("Original", "Wavelet", "LoG")}}
_SMALL = {"protocol": {"folds": 2}}
"""With few patients, a fold must still contain both outcomes."""

_ENOUGH_FOR_TEN_FOLDS = 40


def demo(
    folder: Path, *, patients: int = DEMO_PATIENTS, workers: int = 2, reporter: Reporter | None = None
) -> RunResult:
    """Simulate a small trial in ``folder`` and run every step on it; what is done already stays.

    The trial is far too small to judge the method by: it shows what espark does, in a few minutes.

    Args:
        folder: where the study is written.
        patients: of all centers together; with fewer than the default, two folds instead of ten.
        workers: processes.
        reporter: reports the progress.
    """
    settings = TrialSettings(patients=patients, tiles=DEMO_TILES, seed=demo_seed(patients), workers=workers)
    overrides = _OVERRIDES if patients >= _ENOUGH_FOR_TEN_FOLDS else _OVERRIDES | _SMALL
    simulate(folder, settings, name="Demonstration on simulated patients", overrides=overrides, reporter=reporter)
    return run(folder, workers=workers, reporter=reporter)


def demo_seed(patients: int) -> int:
    """The first seed whose development patients have enough of both outcomes for two folds.

    Args:
        patients: of all centers together.
    """
    for seed in range(DEMO_SEED, _LAST_SEED + 1):
        plans = TrialSettings(patients=patients, tiles=DEMO_TILES, seed=seed).plans()
        developed = [role_of(plan.center_index, plan.patient_index) == "development" for plan in plans]
        labels = trial_truth(TrialSettings(patients=patients, tiles=DEMO_TILES, seed=seed)).loc[developed, "pcr"]
        if min(labels.sum(), len(labels) - labels.sum()) >= _FEWEST_OF_A_CLASS:
            return seed
    return DEMO_SEED
