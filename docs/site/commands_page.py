"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from espark.cli.app import app


def commands_page() -> str:
    """The page as Markdown."""
    lines = [
        "# Commands",
        "",
        "This page is made from the commands. `espark COMMAND --help` shows the same text.",
        "",
        "Exit codes: **0**, everything is done. **1**, done, but some items failed and are listed. **2**, the input "
        "cannot be used; the message gives what was found, what was expected and what to do.",
        "",
    ]
    return "\n".join([*lines, *_sections(typer.main.get_command(app), "espark")]) + "\n"


def _sections(command: Any, path: str) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from _sections(child, f"{path} {name}")
        return
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    arguments = [_metavar(parameter) for parameter in parameters if parameter.param_type_name == "argument"]
    usage = " ".join([path, *arguments, *(["[OPTIONS]"] if len(arguments) < len(parameters) else [])])
    yield from (f"## {path}", "", _paragraph(command.help or ""), "", "```text", usage, "```", "")
    if parameters:
        yield from ("| argument or option | default | meaning |", "|---|---|---|", *map(_row, parameters), "")


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names = f"`{_metavar(parameter)}`"
    else:
        names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
        names += "" if parameter.is_flag else f" `{_metavar(parameter)}`"
    cells = (names, _default(parameter), _paragraph(parameter.help or ""))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or (parameter.name or "").upper().replace("_", "-"))


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if parameter.name == "workers":
        return "cores"  # of the machine that builds this page, otherwise
    value = parameter.default
    return "" if value is None or value is False or value == () or callable(value) else f"`{value}`"


def _paragraph(text: str) -> str:
    return " ".join(text.split())
