"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator

import click
import typer.main

from espark.cli.app import app


def commands_page() -> str:
    """The page as Markdown."""
    root = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "This page is made from the commands. `espark COMMAND --help` shows the same text.",
        "",
        "Exit codes: **0**, everything is done. **1**, done, but some items failed and are listed. **2**, the input "
        "cannot be used; the message gives what was found, what was expected and what to do.",
        "",
    ]
    return "\n".join([*lines, *_sections(root, "espark")]) + "\n"


def _sections(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _sections(child, f"{path} {name}")
        return
    yield from (f"## {path}", "", _paragraph(command.help or ""), "", "```text")
    yield from (f"{path} {' '.join(command.collect_usage_pieces(context))}", "```", "")
    shown = [_row(parameter, context) for parameter in command.params if parameter.name != "help"]
    if shown:
        yield from ("| argument or option | default | meaning |", "|---|---|---|", *shown, "")


def _row(parameter: click.Parameter, context: click.Context) -> str:
    help_text = _paragraph(getattr(parameter, "help", "") or "")
    if isinstance(parameter, click.Option):
        names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
        value = "" if parameter.is_flag else f" `{parameter.make_metavar(context)}`"
    else:
        names, value = f"`{parameter.make_metavar(context)}`", ""
    default = "" if parameter.default in (None, False, ()) or callable(parameter.default) else f"`{parameter.default}`"
    if "workers" in (parameter.name or ""):
        default = "cores"
    required = "required" if parameter.required else default
    return f"| {(names + value).replace('|', chr(92) + '|')} | {required} | {help_text.replace('|', chr(92) + '|')} |"


def _paragraph(text: str) -> str:
    return " ".join(text.split())
