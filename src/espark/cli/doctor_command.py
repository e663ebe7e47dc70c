"""What this machine can do: `doctor`."""

from __future__ import annotations

import typer

from espark.cli.options import (
    AsJson,
    print_json,
)


def doctor(as_json: AsJson = False) -> None:
    """What this machine can do: libraries, accelerators, encoders, weights."""
    from espark.steps.doctor import doctor as run_doctor

    findings = run_doctor()
    if as_json:
        print_json([{"what": f.what, "state": f.state, "good": f.good, "advice": f.advice} for f in findings])
        return
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        mark = {True: "ok", False: "!!", None: "  "}[finding.good]
        advice = f"  -> {finding.advice}" if finding.advice else ""
        typer.echo(f"{mark} {finding.what:<{width}}  {finding.state}{advice}")
