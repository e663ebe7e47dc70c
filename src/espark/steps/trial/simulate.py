"""``espark simulate``: the virtual trial, written as a study like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from espark.files import write_csv, write_text
from espark.outcome import Outcome
from espark.simulate.trial.trial import CLINICAL_COLUMNS, TrialSettings, redraw_labels, simulate_trial
from espark.work.progress import Reporter
from espark.workspace.config import StudySettings
from espark.workspace.layout import StudyLayout
from espark.workspace.recipes import DEFAULT
from espark.workspace.template import config_template


def simulate(
    folder: Path,
    settings: TrialSettings,
    *,
    name: str = "Virtual trial",
    overrides: dict[str, dict[str, Any]] | None = None,
    recipe: str = DEFAULT,
    outcome: Outcome | None = None,
    reporter: Reporter | None = None,
) -> None:
    """Write a study of simulated patients. Patients that are there already stay.

    Args:
        folder: the study folder.
        settings: how many patients and centers, which seed.
        name: title of the study.
        overrides: values of study.toml that differ from the defaults, by section and key.
        recipe: key of ``RECIPES``, the settings of the models; its values win over those of ``overrides``.
        outcome: how the study calls a response; the default outcome when None.
        reporter: shows the progress.
    """
    reporter = reporter or Reporter()
    with reporter.track("simulate patients", settings.patients) as advance:
        shown = 0

        def progress(done: int, total: int) -> None:
            nonlocal shown
            del total
            while shown < done:
                advance()
                shown += 1

        simulate_trial(folder, settings, progress, outcome=outcome)
    layout = StudyLayout(folder)
    if not layout.config.exists():
        study = StudySettings(name=f"{name}, seed {settings.seed}", simulated=True, outcome=outcome or Outcome())
        write_text(layout.config, config_template(study, CLINICAL_COLUMNS, overrides, recipe))


def redraw(folder: Path, n: int, *, null: bool = False) -> Path:
    """Write fresh label columns for the images of a simulated trial; the study itself stays as it is.

    Args:
        folder: a simulated trial.
        n: number of columns ``pcr_1`` … ``pcr_<n>``; more never change earlier ones.
        null: labels that depend on nothing.

    Returns:
        The table: ``truth/labels.csv``, or ``truth/null_labels.csv``.

    Raises:
        InputError: when ``folder`` holds no finished simulated trial, or ``n`` is not positive.
    """
    path = folder / "truth" / ("null_labels.csv" if null else "labels.csv")
    write_csv(path, redraw_labels(folder, n, null=null))
    return path
