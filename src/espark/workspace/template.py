"""The commented ``study.toml`` that ``espark init`` writes, made from the descriptions in the configuration."""

from __future__ import annotations

from typing import Any

from espark.strict_toml import Section, toml_value
from espark.types import ClinicalColumn
from espark.workspace.config import StudyConfig, StudySettings
from espark.workspace.recipes import DEFAULT, RECIPES


def config_template(
    study: StudySettings | None = None,
    clinical: tuple[ClinicalColumn, ...] = (),
    overrides: dict[str, dict[str, Any]] | None = None,
    recipe: str = DEFAULT,
) -> str:
    """The commented ``study.toml`` that ``espark init`` writes.

    Args:
        study: the section ``[study]``; the default one when None.
        clinical: clinical columns to declare; without any, an example is written as a comment.
        overrides: values that differ from the defaults, by section and key.
        recipe: key of ``RECIPES``; its values win over those of ``overrides``.
    """
    config, entry = StudyConfig(study=study or StudySettings()), RECIPES[recipe]
    lines = [
        "# The configuration of an espark study. Every value shown is the default unless you change it.",
        "# Where names are listed, those of installed plug-ins may be used too: `espark doctor` lists them.",
    ]
    if entry.values:
        keys = ", ".join(f"[{section}] {key}" for section, values in entry.values.items() for key in values)
        lines += [f"# Except the recipe {recipe}, {entry.description}:", f"# {keys}."]
    lines += [""]
    for name in ("study", "ct", "slides", "protocol", "mscalect", "cytopath", "espark"):
        section: Section = getattr(config, name)
        update = (overrides or {}).get(name, {}) | entry.values.get(name, {})
        lines += _section_lines(name, section.model_copy(update=update))
    lines += ["# Clinical columns of cohort.csv; a column that is not declared here is an error."]
    if clinical:
        for column in clinical:
            unit = f'unit = "{column.unit}"\n' if column.unit else ""
            lines += [f'[[clinical]]\nname = "{column.name}"\nkind = "{column.kind}"\n{unit}']
    else:
        lines += [
            '# [[clinical]]\n# name = "age"\n# kind = "number"      # or "category"\n# unit = "years"\n'
            "# missing = [999]      # codes for a missing value; an empty cell always means one\n"
        ]
    lines += [
        "# Features made elsewhere come in without images.",
        '# [[ct_features]]\n# file = "radiomics.csv"\n# patient_column = "patient_id"\n# scale = "tumor"\n',
        '# [[slide_features]]\n# folder = "trident"\n# encoder = "uni"\n',
    ]
    return "\n".join(lines)


def _section_lines(name: str, section: Section) -> list[str]:
    lines = [f"[{name}]"]
    if section.__doc__:
        lines.insert(0, f"# {section.__doc__.strip()}")
    tables: list[str] = []
    for key, info in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, Section):
            tables += _section_lines(f"{name}.{key}", value)
            continue
        lines += [f"# {line}" for line in (info.description or "").splitlines()]
        lines += [f"{key} = {toml_value(value)}"]
    return [*lines, "", *tables]
