"""``cytology.toml``: the cell types, the prompts that ask for them, and the cut-offs that choose tiles by them.

The file is optional and as strict as ``study.toml``. A bundle carries what was in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from espark.cells import CELL_GROUPS, CELL_TYPES, PROMPT_TEMPLATES
from espark.pathology.encoders.catalogue import ENCODERS
from espark.strict_toml import Section, read_section, toml_value

Preset = Literal["auto", "conch", "share"]

_PUBLISHED = {entry.key: entry.conch_cutoff for entry in CELL_TYPES}
_NEEDED = tuple(dict.fromkeys(key for keys in CELL_GROUPS.values() for key in keys))


@dataclass(frozen=True)
class Cutoffs:
    """Where the cut-off of each cell type comes from.

    Attributes:
        share: share of the training tiles that passes a fitted cut-off, for each cell type.
        fixed: by cell type, a cut-off that stands beforehand; None where it is fitted. Empty when all are fitted.
    """

    share: float = 0.15
    fixed: tuple[float | None, ...] = ()


class CellTypePrompt(Section):
    """A cell type. Without a cut-off of its own, the rule under [cutoffs] holds."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name in every file, in snake_case.")
    name: str = Field(min_length=1, description="Name as it stands in the prompts.")
    cutoff: float | None = Field(None, description="Similarity that a tile must exceed.")


class CutoffSettings(Section):
    """How the cut-offs are found."""

    preset: Preset = Field(
        "auto",
        description="conch: the published ones, made for the CONCH encoder; share: those that a share of the training\n"
        "tiles of each fold passes; auto: published ones where the encoder has them, otherwise share.",
    )
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.15,
        description="Share of the tiles that passes, for each cell type. It is also the share of best tiles that is\n"
        "used of a patient of whom no tile passes.",
    )


class Cytology(Section):
    """Everything that ``cytology.toml`` says."""

    templates: tuple[str, ...] = Field(
        PROMPT_TEMPLATES,
        min_length=1,
        description="Sentences around a cell's name, which stands where {} is. A cell type is asked for by their mean.",
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
                raise ValueError(f"template '{template}' must hold {{}} once, for the cell's name")
        return templates

    @field_validator("cell_types")
    @classmethod
    def _all_that_reports_need(cls, cell_types: tuple[CellTypePrompt, ...]) -> tuple[CellTypePrompt, ...]:
        keys = [entry.key for entry in cell_types]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise ValueError(f"cell type '{twice[0]}' is there twice")
        missing = [key for key in _NEEDED if key not in keys]
        if missing:
            raise ValueError(f"cell type '{missing[0]}' is missing; contributions and biomarkers are made of it")
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
        """All that the similarity of a tile depends on."""
        return [list(self.keys), list(self.names), list(self.templates)]

    def cutoffs_for(self, encoder: str | None) -> Cutoffs:
        """The cut-offs with an encoder, a name in the catalogue or of features made elsewhere."""
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
        InputProblems: with every key that is unknown or holds an unusable value.
    """
    return read_section(path, Cytology) if path.exists() else Cytology()


def cytology_template(cytology: Cytology | None = None) -> str:
    """The commented ``cytology.toml``, of the defaults when ``cytology`` is None."""
    shown = cytology or Cytology()
    lines = [
        "# The cell types that tiles are chosen by. Without this file the defaults hold, which are shown here.",
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
