"""A tiny simulated study, run once for the whole suite, however many workers it has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from espark.simulate.trial.trial import TrialSettings
from espark.steps.run import run
from espark.steps.trial.simulate import simulate
from espark.work.progress import Reporter
from identity import plant_identity
from sockets import watched

OVERRIDES = {"ct": {"image_types": ("Original",)}, "protocol": {"folds": 3}}
QUIET = Reporter("quiet")


def simulated_trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of twelve simulated patients, with a person's name in every header; read only."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if shared.name.startswith("popen-") else shared
    folder = shared / "trial"
    with FileLock(shared / "trial.lock"):
        if not (folder / "study.toml").exists():
            settings = TrialSettings(patients=12, tiles=10, seed=1, ct_matrix=64)
            simulate(folder, settings, overrides=OVERRIDES, recipe="published", reporter=QUIET)
            _more_responders(folder / "cohort.csv")
            plant_identity(folder)
    return folder


def finished_study(trial: Path) -> Path:
    """The same study after `espark run`; read only."""
    folder = trial.parent / "finished"
    with FileLock(trial.parent / "finished.lock"):
        if not (folder / "report" / "index.html").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(trial, folder)
            with watched() as sockets:
                run(folder, reporter=QUIET)
            (folder.parent / "sockets.json").write_text(json.dumps(sockets), encoding="utf-8")
    return folder


def _more_responders(cohort: Path) -> None:
    """Half of the few development patients respond, so that three folds can be drawn."""
    header, *rows = cohort.read_text().splitlines()
    cells = [row.split(",") for row in rows]
    for number, row in enumerate(cells):
        row[3] = str(number % 2)
    cohort.write_text("\n".join([header, *(",".join(row) for row in cells)]) + "\n")
