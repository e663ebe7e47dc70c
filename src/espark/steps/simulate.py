"""``espark simulate``: the virtual trial, written as a study like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from espark.config import StudySettings, config_template
from espark.files import write_text
from espark.layout import StudyLayout
from espark.simulate.trial import CLINICAL_COLUMNS, TrialSettings, simulate_trial
from espark.steps.progress import Reporter


def simulate(
    folder: Path,
    settings: TrialSettings,
    *,
    name: str = "Virtual trial",
    overrides: dict[str, dict[str, Any]] | None = None,
    reporter: Reporter | None = None,
) -> None:
    """Write a study of simulated patients. Patients that are there already stay.

    Args:
        folder: the study folder.
        settings: how many patients and centers, which seed.
        name: title of the study.
        overrides: values of study.toml that differ from the defaults, by section and key.
        reporter: says how far the work is.
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

        simulate_trial(folder, settings, progress)
    layout = StudyLayout(folder)
    if not layout.config.exists():
        study = StudySettings(name=f"{name}, seed {settings.seed}", simulated=True)
        write_text(layout.config, config_template(study, CLINICAL_COLUMNS, overrides))
