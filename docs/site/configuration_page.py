"""The reference of the settings, from the pydantic models that read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from espark.node.node_config import NodeConfig
from espark.pathology.cytology import Cytology
from espark.strict_toml import Section, toml_value
from espark.workspace.config import StudyConfig
from espark.workspace.recipes import RECIPES

_FILES: tuple[tuple[str, type[Section], str], ...] = (
    ("study.toml", StudyConfig, "All settings of a study. `espark init` writes this file with comments."),
    ("cytology.toml", Cytology, "Optional: cell types, prompts and cut-offs."),
    ("node.toml", NodeConfig, "Settings of the DICOM node; see [DICOM](../dicom.md)."),
)
_LIMITS = {"gt": "> ", "ge": "≥ ", "lt": "< ", "le": "≤ ", "min_length": "length ≥ ", "max_length": "length ≤ "}


def configuration_page() -> str:
    """The page as Markdown."""
    lines = [
        "# Configuration",
        "",
        "This page is made from the code that reads the files. An unknown key is an error that names the nearest known "
        "key. Names of plug-ins are allowed wherever names are listed.",
        "",
        "## Recipes",
        "",
        "`espark init --recipe NAME` changes these settings together.",
        "",
    ]
    for recipe in RECIPES.values():
        changed = "; ".join(
            f"`[{section}]` {', '.join(f'`{key} = {toml_value(value)}`' for key, value in values.items())}"
            for section, values in recipe.values.items()
        )
        lines.append(f"- **{recipe.name}**: {recipe.description}{': ' + changed if changed else ''}.")
    for name, model, about in _FILES:
        lines += ["", f"## {name}", "", about, "", *_rows_of(model, "", name)]
    return "\n".join(lines) + "\n"


def _rows_of(model: type[Section], prefix: str, file: str) -> Iterator[str]:
    """The keys of a section in a table, then its subsections, each under its own heading."""
    plain = {key: info for key, info in model.model_fields.items() if not _sections(info)}
    if plain:
        yield from ("| key | value | default | meaning |", "|---|---|---|---|")
        yield from (_row(key, info) for key, info in plain.items())
    for key, info in model.model_fields.items():
        for section in _sections(info):
            name = f"{prefix}{key}"
            many = "[[" in _brackets(info)
            title = f"[[{name}]]" if many else f"[{name}]"
            yield from ("", f"### `{title}` in {file}", "", " ".join((section.__doc__ or "").split()), "")
            yield from _rows_of(section, f"{name}.", file)


def _row(key: str, info: FieldInfo) -> str:
    meaning = " ".join((info.description or "").split()).replace("|", "\\|")
    return f"| `{key}` | {_kind(info)} | {_default(info)} | {meaning} |"


def _sections(info: FieldInfo) -> list[type[Section]]:
    parts = [info.annotation, *get_args(info.annotation)]
    return [part for part in parts if isinstance(part, type) and issubclass(part, Section)]


def _brackets(info: FieldInfo) -> str:
    return "[[" if get_args(info.annotation) and info.annotation not in _sections(info) else "["


def _default(info: FieldInfo) -> str:
    if info.default is PydanticUndefined:
        return "required" if info.default_factory is None else ""
    if info.default is None:
        return ""
    return f"`{toml_value(_plain(info.default))}`".replace("|", "\\|")


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | bool | int | float | tuple | list) else str(value)


def _kind(info: FieldInfo) -> str:
    """The kind of value in words, with its limits or its choices."""
    limits = [
        f"{sign}{getattr(part, name)}"
        for part in info.metadata
        for name, sign in _LIMITS.items()
        if getattr(part, name, None) is not None
    ]
    return ", ".join([_words(info.annotation), *limits]).replace("|", "\\|")


def _words(kind: Any) -> str:
    simple = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "nothing"}
    if kind in simple:
        return simple[kind]
    if isinstance(kind, str):
        return f"`{kind}`"
    parts = [part for part in get_args(kind) if part is not Ellipsis and part is not type(None)]
    if parts and all(isinstance(part, str | int) for part in parts):
        return ", ".join(f"`{part}`" for part in parts)
    if "tuple" in str(kind):
        return "list: " + ", ".join(dict.fromkeys(map(_words, parts)))
    if hasattr(kind, "__metadata__"):
        return _words(parts[0])
    return " or ".join(dict.fromkeys(map(_words, parts))) or getattr(kind, "__name__", "text").lower()
