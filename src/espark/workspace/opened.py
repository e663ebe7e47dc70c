"""A study that has been opened: its folder, its configuration, its patients."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from espark.errors import ConfigError, InputError, InputProblems
from espark.outcome import Outcome
from espark.pathology.cytology import Cytology, read_cytology
from espark.workspace.accepted_regions import with_accepted_regions
from espark.workspace.cohort import Cohort, read_cohort
from espark.workspace.config import StudyConfig, read_config
from espark.workspace.layout import StudyLayout


@dataclass(frozen=True)
class Workspace:
    """An opened study.

    Attributes:
        layout: where every artefact lies.
        config: the settings in study.toml.
        cohort: who the patients are.
        cytology: cell types, prompts and cut-offs.
    """

    layout: StudyLayout
    config: StudyConfig
    cohort: Cohort
    cytology: Cytology = field(default_factory=Cytology)

    @property
    def outcome(self) -> Outcome:
        """What the study predicts."""
        return self.config.study.outcome

    @property
    def root(self) -> Path:
        """The study folder."""
        return self.layout.root


def open_workspace(folder: Path, *, trains: bool = True) -> Workspace:
    """Read configuration, cell types and cohort.

    Args:
        folder: the study folder.
        trains: False for a step that a study without any development patient can use, such as one of a site to which
            a model is adapted.

    Raises:
        InputProblems: with everything that is wrong in them.
    """
    layout = StudyLayout(folder)
    if not folder.is_dir():
        raise InputError("there is no such folder", where=folder, action=f"Make one with `espark init {folder}`.")
    problems: list[InputError] = []
    config, cohort, cytology = None, None, None
    try:
        config = read_config(layout.config)
    except ConfigError as error:
        problems.append(error)
    except InputProblems as error:
        problems += error.problems
    try:
        cytology = read_cytology(layout.cytology)
    except ConfigError as error:
        problems.append(error)
    except InputProblems as error:
        problems += error.problems
    if config is not None:
        try:
            imageless = bool(config.ct_features or config.slide_features)
            masks_required = config.ct.segmenter == "masks"
            cohort = read_cohort(
                layout.cohort, config.study.outcome, config.clinical_columns, imageless=imageless,
                encoded_elsewhere=bool(config.slide_features), masks_required=masks_required,
                rois={"tumor": config.ct.tumor_roi, "esophagus": config.ct.esophagus_roi}, trains=trains,
            )  # fmt: skip
            cohort = with_accepted_regions(cohort, layout)
        except InputProblems as error:
            problems += error.problems
        except InputError as error:
            problems.append(error)
    if config is None or cohort is None or cytology is None:
        raise InputProblems(problems)
    return Workspace(layout, config, cohort, cytology)
