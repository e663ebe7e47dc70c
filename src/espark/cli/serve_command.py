"""The workbench in the browser: `serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from espark.cli.options import StudyFolder
from espark.errors import MissingStepError


def serve(
    study: StudyFolder,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="BUNDLE", help="The model that answers.", show_default="the study's own"),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes any that is free.")] = 8470,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser of this machine.")] = False,
    host: Annotated[
        str,
        typer.Option("--host", help="Address to listen at; others than this machine's own need a password and TLS."),
    ] = "127.0.0.1",
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help="File with the password, at least 12 characters.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="TLS certificate, PEM.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Private key of the certificate, PEM.")] = None,
    behind_proxy: Annotated[
        str | None, typer.Option("--behind-proxy", metavar="NAME", help="Name of a proxy that does TLS.")
    ] = None,
) -> None:
    """Look at the cases in a browser, correct regions, and run a case again."""
    try:
        from espark.serve.server import Listening
        from espark.serve.server import serve as run_server
    except ModuleNotFoundError as error:
        raise MissingStepError(
            f"the workbench needs {error.name}, which is not installed",
            action="Install the extra: pip install 'espark[serve]'.",
        ) from error
    listening = Listening(host, port, password_file, certificate, key, behind_proxy)
    run_server(study, model=model, listening=listening, open_browser=open_browser, say=typer.echo)
