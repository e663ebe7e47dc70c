"""``espark init``: a commented study.toml, a commented cytology.toml and a first cohort.csv."""

from __future__ import annotations

from pathlib import Path

from espark.errors import InputError
from espark.files import write_text
from espark.outcome import Outcome
from espark.pathology.cytology import cytology_template
from espark.workspace.cohort import OPTIONAL_COLUMNS, required_columns
from espark.workspace.layout import StudyLayout
from espark.workspace.recipes import DEFAULT, RECIPES
from espark.workspace.template import config_template


def init(folder: Path, *, recipe: str = DEFAULT) -> StudyLayout:
    """Write the three files a study starts from. Nothing that is there is overwritten.

    Args:
        folder: the study folder; made when missing.
        recipe: key of ``RECIPES``, the settings of the models.

    Raises:
        InputError: when one of the files is there already, or there is no such recipe.
    """
    if recipe not in RECIPES:
        known = "; ".join(f"{entry.name}, {entry.description}" for entry in RECIPES.values())
        raise InputError(f"there is no recipe '{recipe}'", expected=known)
    layout = StudyLayout(folder)
    for path in (layout.config, layout.cytology, layout.cohort):
        if path.exists():
            raise InputError("the file is there already", where=path, action="Choose another folder, or remove it.")
    write_text(layout.config, config_template(recipe=recipe))
    write_text(layout.cytology, cytology_template())
    columns = [
        *required_columns(Outcome()),
        *(name for name in OPTIONAL_COLUMNS if name in ("tumor_mask", "esophagus_mask")),
    ]
    write_text(layout.cohort, ",".join(columns) + "\n")
    return layout
