"""Strict TOML files: an unknown key is an error that names the nearest known key. All problems appear at once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from espark.errors import ConfigError, InputProblems, nearest
from espark.intake.streams import read_settings_text

_MOST_PROBLEMS = 50

Positive = Annotated[float, Field(gt=0)]

Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A table of ``study.toml``."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Settings = TypeVar("Settings", bound=Section)


def read_section(path: Path, kind: type[Settings]) -> Settings:
    """Read a strict TOML file.

    Args:
        path: the file.
        kind: the expected content.

    Raises:
        ConfigError: when the file is missing or is not TOML.
        InputProblems: with every key that is unknown or has an unusable value.
    """
    try:
        text = read_settings_text(path)
        values = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(
            "the configuration is missing", where=path, action="Write one with `espark init DIR`."
        ) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the file is not TOML ({error})", where=path, action="Correct that line.") from error
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InputProblems(
            _config_error(path, kind, text, problem) for problem in error.errors()[:_MOST_PROBLEMS]
        ) from error


def _config_error(path: Path, kind: type[Section], text: str, problem: Any) -> ConfigError:
    keys = [part for part in problem["loc"] if isinstance(part, str)]
    dotted = ".".join(str(part) for part in problem["loc"])
    key = keys[-1] if keys else dotted
    line = _line_of(text, keys) if keys else None
    where = f"{path}, line {line}" if line else path
    if problem["type"] == "extra_forbidden":
        known = _known_keys(kind, keys[:-1])
        guess = nearest(key, known)
        action = f"Did you mean '{guess}'?" if guess else f"Keys allowed here: {', '.join(known)}."
        return ConfigError(f"unknown key '{dotted}'", where=where, action=action)
    if problem["type"] == "missing":
        return ConfigError(f"'{dotted}' is missing", where=where, action="Add it.")
    if problem["type"] == "value_error":
        return ConfigError(f"'{dotted}': {problem['msg'].removeprefix('Value error, ')}", where=where)
    found = "" if isinstance(problem["input"], dict) else f" (found: {problem['input']!r})"
    message = problem["msg"]
    return ConfigError(f"'{dotted}' cannot be used{found}", where=where, expected=message[0].lower() + message[1:])


def _line_of(text: str, keys: list[str]) -> int | None:
    """The line that contains a key or a table: in the right table, or else the first line with this name."""
    table = ""
    first: int | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([\w.-]+)", line):
            table = header[1]
            if table == ".".join(keys):
                return number
        elif re.match(rf"\s*{re.escape(keys[-1])}\s*=", line):
            if table == ".".join(keys[:-1]):
                return number
            first = first or number
    return first


def _known_keys(kind: type[Section], path: list[str]) -> list[str]:
    section: type[BaseModel] = kind
    for name in path:
        annotation = section.model_fields[name].annotation
        inner = next((part for part in get_args(annotation) if isinstance(part, type)), annotation)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        section = inner
    return list(section.model_fields)


def toml_value(value: object) -> str:
    """A string, number, truth value or tuple of them as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(part) for part in value) + "]"
    return repr(value)
