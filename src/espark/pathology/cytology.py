"""``cytology.toml``: the cell types, their prompts, and the cut-offs that select tiles.

The file is optional and as strict as ``study.toml``. A bundle contains its settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from espark.cells import CELL_GROUPS, CELL_TYPES, PROMPT_TEMPLATES
from espark.pathology.encoders.catalogue import ENCODERS
from espark.strict_toml import Section, read_section, toml_value
from espark.tables.names import SafeName

Preset = Literal["auto", "conch", "share"]

_PUBLISHED = {entry.key: entry.conch_cutoff for entry in CELL_TYPES}
_NEEDED = tuple(dict.fromkeys(key for keys in CELL_GROUPS.values() for key in keys))


@dataclass(frozen=True)
class Cutoffs:
    """The source of the cut-off of each cell type.

    Attributes:
        share: share of the training tiles above a fitted cut-off, for each cell type.
        fixed: for each cell type, a cut-off that is fixed in advance; None if it is fitted. Empty when all are fitted.
    """

    share: float = 0.15
    fixed: tuple[float | None, ...] = ()


class CellTypePrompt(Section):
    """A cell type. If it has no own cut-off, the rule under [cutoffs] applies."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name in every file, in snake_case.")
    name: SafeName = Field(min_length=1, description="Name in the prompts.")
    cutoff: float | None = Field(None, description="Similarity that a tile must exceed.")


class CutoffSettings(Section):
    """How the cut-offs are found."""

    preset: Preset = Field(
        "auto",
        description="conch: the published cut-offs, made for the CONCH encoder; share: cut-offs with a fixed\n"
        "share of the training tiles of each fold above them; auto: the published cut-offs if the encoder has them,\n"
        "otherwise share.",
    )
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.15,
        description="Share of the tiles above the cut-off, for each cell type. For a patient with no tile above any\n"
        "cut-off, this share of the best tiles is used.",
    )


class Cytology(Section):
    """All settings of ``cytology.toml``."""

    templates: tuple[str, ...] = Field(
        PROMPT_TEMPLATES,
        min_length=1,
        description="Sentences with {} in place of the name of a cell. Their mean describes the cell type.",
    )
    cutoffs: CutoffSettings = CutoffSettings()
    cell_types: tuple[CellTypePrompt, ...] = tuple(
        CellTypePrompt(key=entry.key, name=entry.name) for entry in CELL_TYPES
    )

    @field_validator("templates")
    @classmethod
    def _one_gap_each(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if template.count("{}") != 1 or template.replace("{}", "").count("{"):
                raise ValueError(f"template '{template}' must contain {{}} once, for the name of the cell")
        return templates

    @field_validator("cell_types")
    @classmethod
    def _all_that_reports_need(cls, cell_types: tuple[CellTypePrompt, ...]) -> tuple[CellTypePrompt, ...]:
        keys = [entry.key for entry in cell_types]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise ValueError(f"cell type '{twice[0]}' appears twice")
        missing = [key for key in _NEEDED if key not in keys]
        if missing:
            raise ValueError(f"cell type '{missing[0]}' is missing; contributions and biomarkers need it")
        return cell_types

    @model_validator(mode="after")
    def _every_cutoff_is_known(self) -> Self:
        if self.cutoffs.preset == "conch":
            for entry in self.cell_types:
                if entry.cutoff is None and entry.key not in _PUBLISHED:
                    raise ValueError(f"cell type '{entry.key}' has no published cut-off; give it one")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """Key of each cell type."""
        return tuple(entry.key for entry in self.cell_types)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each cell type in the prompts."""
        return tuple(entry.name for entry in self.cell_types)

    @property
    def prompts(self) -> list[list[str]]:
        """All settings that change the similarity of a tile."""
        return [list(self.keys), list(self.names), list(self.templates)]

    def cutoffs_for(self, encoder: str | None) -> Cutoffs:
        """The cut-offs for an encoder, by its name in the catalogue or in features made elsewhere."""
        preset = self.cutoffs.preset
        if preset == "auto":
            known = ENCODERS.get(encoder or "")
            preset = "conch" if known is not None and known.cutoffs == "published" else "share"
        published = _PUBLISHED if preset == "conch" else {}
        fixed = tuple(
            published.get(entry.key) if entry.cutoff is None else entry.cutoff for entry in self.cell_types
        )  # fmt: skip
        return Cutoffs(self.cutoffs.share, fixed if any(value is not None for value in fixed) else ())


def read_cytology(path: Path) -> Cytology:
    """Read ``cytology.toml``; the defaults when there is no such file.

    Raises:
        ConfigError: when the file is not TOML.
        InputProblems: with every key that is unknown or has an unusable value.
    """
    return read_section(path, Cytology) if path.exists() else Cytology()


def cytology_template(cytology: Cytology | None = None) -> str:
    """The ``cytology.toml`` with comments; with the defaults when ``cytology`` is None."""
    shown = cytology or Cytology()
    lines = [
        "# The cell types that select tiles. Without this file, espark uses the defaults that are shown here.",
        "# Run `espark run` again after a change: prompts change the similarities, cut-offs change the models.",
        "",
        *_comment(Cytology, "templates"),
        "templates = [",
        *(f"    {toml_value(template)}," for template in shown.templates),
        "]",
        "",
        "[cutoffs]",
    ]
    for key in CutoffSettings.model_fields:
        lines += [*_comment(CutoffSettings, key), f"{key} = {toml_value(getattr(shown.cutoffs, key))}"]
    lines += ["", f"# {CellTypePrompt.__doc__}"]
    for entry in shown.cell_types:
        lines += ["[[cell_types]]", f"key = {toml_value(entry.key)}", f"name = {toml_value(entry.name)}"]
        lines += [f"cutoff = {entry.cutoff}"] if entry.cutoff is not None else []
        lines += [""]
    return "\n".join(lines)


def _comment(section: type[Section], key: str) -> list[str]:
    return [f"# {line}" for line in (section.model_fields[key].description or "").splitlines()]
