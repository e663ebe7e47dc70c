"""A study that has been opened: its folder, its configuration, its patients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from espark.cohort import Cohort, read_cohort
from espark.config import StudyConfig, read_config
from espark.errors import ConfigError, InputError, InputProblems
from espark.layout import StudyLayout


@dataclass(frozen=True)
class Workspace:
    """An opened study.

    Attributes:
        layout: where every artefact lies.
        config: what study.toml says.
        cohort: who the patients are.
    """

    layout: StudyLayout
    config: StudyConfig
    cohort: Cohort

    @property
    def root(self) -> Path:
        """The study folder."""
        return self.layout.root


def open_workspace(folder: Path) -> Workspace:
    """Read configuration and cohort.

    Raises:
        InputProblems: with everything that is wrong in both.
    """
    layout = StudyLayout(folder)
    if not folder.is_dir():
        raise InputError("there is no such folder", where=folder, action=f"Make one with `espark init {folder}`.")
    problems: list[InputError] = []
    config, cohort = None, None
    try:
        config = read_config(layout.config)
    except ConfigError as error:
        problems.append(error)
    except InputProblems as error:
        problems += error.problems
    if config is not None:
        try:
            imageless = bool(config.ct_features or config.slide_features)
            masks_required = config.ct.segmenter == "masks"
            cohort = read_cohort(
                layout.cohort, config.clinical_columns, imageless=imageless, masks_required=masks_required
            )
        except InputProblems as error:
            problems += error.problems
        except InputError as error:
            problems.append(error)
    if config is None or cohort is None:
        raise InputProblems(problems)
    return Workspace(layout, config, cohort)
