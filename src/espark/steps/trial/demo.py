"""``espark demo``: a small trial of simulated patients, and every step on it."""

from __future__ import annotations

from pathlib import Path

from espark.simulate.trial.trial import TrialSettings
from espark.steps.run import RunResult, run
from espark.steps.trial.simulate import simulate
from espark.work.progress import Reporter

DEMO_PATIENTS = 40
DEMO_TILES = 60
DEMO_SEED = 16
"""Chosen by the drawn labels alone: every cohort of so small a trial has both outcomes."""

_OVERRIDES = {"ct": {"image_types": ("Original", "Wavelet", "LoG")}}


def demo(folder: Path, *, workers: int = 2, reporter: Reporter | None = None) -> RunResult:
    """Simulate a small trial in ``folder`` and run every step on it; what is done already stays.

    The trial is far too small to judge the method by: it shows what espark does, in a few minutes.
    """
    settings = TrialSettings(patients=DEMO_PATIENTS, tiles=DEMO_TILES, seed=DEMO_SEED, workers=workers)
    simulate(folder, settings, name="Demonstration on simulated patients", overrides=_OVERRIDES, reporter=reporter)
    return run(folder, workers=workers, reporter=reporter)
