"""The virtual multicenter trial: writes a study folder of patients whose truth is known."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from espark.errors import InputError
from espark.files import read_json, write_csv, write_json, write_text
from espark.outcome import Outcome
from espark.simulate.people.centers import MAX_CENTERS, center_sizes
from espark.simulate.people.clinical_columns import CLINICAL_COLUMNS
from espark.simulate.trial.overview import TrialFacts, write_overview
from espark.simulate.trial.simulated_patient import (
    PatientPlan,
    cohort_row,
    draw_truth,
    is_done,
    simulate_patient,
    truth_row,
)
from espark.simulate.trial.truth import MARKER, truth_readme

__all__ = ["CLINICAL_COLUMNS", "TrialSettings", "redraw_labels", "simulate_trial", "trial_truth"]


_SETTINGS_FILE = Path("truth", "trial.json")


@dataclass(frozen=True)
class TrialSettings:
    """What ``espark simulate`` is asked for.

    Attributes:
        centers: number of centers, 1–3; the first develops models, the others are external.
        patients: over all centers.
        seed: of every random stream; 0–99 for development, 100–199 for reported figures.
        null: labels depend on nothing.
        effect: scale of the effects; 1 is the documented trial.
        masks: whether readers' masks of esophagus and tumor are written.
        tiles: tissue tiles per slide; None for the slide's default.
        ct_matrix: rows and columns of the CT, at least 64.
        workers: processes.
    """

    centers: int = 3
    patients: int = 344
    seed: int = 0
    null: bool = False
    effect: float = 1.0
    masks: bool = True
    tiles: int | None = None
    ct_matrix: int = 256
    workers: int = 1

    def __post_init__(self) -> None:
        _check("centers", self.centers, 1, MAX_CENTERS)
        _check("patients", self.patients, 1, 100_000)
        _check("seed", self.seed, 0, 2**32 - 1)
        _check("effect", self.effect, 0.0, 10.0)
        _check("ct_matrix", self.ct_matrix, 64, 1024)
        _check("workers", self.workers, 1, 256)
        if self.tiles is not None:
            _check("tiles", self.tiles, 1, 10_000)

    def plans(self) -> list[PatientPlan]:
        """All patients, by center. None of them depends on how many there are."""
        return [
            PatientPlan(
                seed=self.seed,
                center_index=center,
                patient_index=index,
                null=self.null,
                effect=self.effect,
                masks=self.masks,
                tiles=self.tiles,
                ct_matrix=self.ct_matrix,
            )
            for center, size in enumerate(center_sizes(self.patients, self.centers))
            for index in range(size)
        ]


def simulate_trial(
    folder: Path,
    settings: TrialSettings,
    progress: Callable[[int, int], None] | None = None,
    *,
    outcome: Outcome | None = None,
) -> None:
    """Write the trial's images, tables and truth into ``folder``.

    Patients who are done according to their record are left alone, so an interrupted run goes on where it stopped and
    a larger trial in the same folder only adds patients.

    Args:
        folder: made when missing.
        settings: what to simulate.
        progress: called with (patients done, patients in all), first with what was done before.
        outcome: how the study calls a response, the default outcome when None; ``truth/`` has names of its own.

    Raises:
        InputError: when the folder holds a file where a folder is needed.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError("a file lies there", where=folder, expected="a folder or nothing", action="Name another.")
    write_text(folder / "SIMULATED.txt", MARKER)
    plans = settings.plans()
    todo = [plan for plan in plans if not is_done(folder, plan)]
    done = len(plans) - len(todo)
    if progress:
        progress(done, len(plans))
    for finished in _simulate(folder, todo, settings.workers):
        if progress:
            progress(done + finished, len(plans))
    _write_tables(folder, settings, plans, outcome or Outcome())


def _simulate(folder: Path, plans: list[PatientPlan], workers: int) -> Iterator[int]:
    if workers == 1 or len(plans) < 2:
        for finished, plan in enumerate(plans, start=1):
            simulate_patient(folder, plan)
            yield finished
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures: list[Future[None]] = [pool.submit(simulate_patient, folder, plan) for plan in plans]
        try:
            for finished, future in enumerate(as_completed(futures), start=1):
                future.result()
                yield finished
        finally:
            for future in futures:
                future.cancel()


def _write_tables(folder: Path, settings: TrialSettings, plans: list[PatientPlan], outcome: Outcome) -> None:
    truths = [draw_truth(plan) for plan in plans]
    cohort = pd.DataFrame([cohort_row(plan, truth, outcome) for plan, truth in zip(plans, truths, strict=True)])
    table = trial_truth(settings)
    write_json(folder / _SETTINGS_FILE, asdict(settings) | {"workers": 1})
    write_csv(folder / "truth" / "patients.csv", table)
    write_text(folder / "truth" / "README.md", truth_readme(settings.effect, settings.null, table))
    write_overview(folder, TrialFacts(settings.seed, settings.effect, settings.null), table)
    write_csv(folder / "cohort.csv", cohort)


def trial_truth(settings: TrialSettings) -> pd.DataFrame:
    """``truth/patients.csv`` of a trial without making any image: one row per patient, within a second for 344."""
    return pd.DataFrame([truth_row(plan, draw_truth(plan)) for plan in settings.plans()])


def redraw_labels(folder: Path, n: int, *, null: bool = False) -> pd.DataFrame:
    """Fresh labels for the same images, drawn with the true probabilities.

    More draws never change earlier ones.

    Args:
        folder: a simulated trial.
        n: number of draws.
        null: draw labels that depend on nothing, at the expected rate of responses.

    Returns:
        One row per patient: ``patient_id`` and ``pcr_1`` … ``pcr_<n>`` (0 or 1).

    Raises:
        InputError: when ``folder`` holds no finished simulated trial, or ``n`` is not positive.
    """
    _check("redraw", n, 1, 100_000)
    path = folder / _SETTINGS_FILE
    if not path.is_file():
        raise InputError(
            "the settings of the trial are missing",
            where=path,
            expected="a folder written by `espark simulate`",
            action="Name a simulated trial, or finish this one first.",
        )
    settings = TrialSettings(**read_json(path))
    plans = replace(settings, null=settings.null or null).plans()
    draws = [plan.stream("redraw").random(n) < draw_truth(plan).probability for plan in plans]
    labels = pd.DataFrame(np.array(draws, dtype=int), columns=[f"pcr_{number}" for number in range(1, n + 1)])
    labels.insert(0, "patient_id", [plan.patient_id for plan in plans])
    return labels


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(
            f"`{name}` is {value}", expected=f"a value from {low} to {high}", action=f"Choose another `{name}`."
        )
