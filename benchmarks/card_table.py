"""What the model cards of the embedded encoder and segmenter share: one table for each benchmark's figures."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path


def table(path: Path, digest: str) -> list[str]:
    """Lines of one benchmark's figures."""
    content = json.loads(path.read_text())
    if content["weights_sha256"] != digest:
        raise SystemExit(f"{path} belongs to other weights: run `{content['command']}` again")
    lines = ["", f"## `{content['command']}`", ""]
    lines += ["| figure | by | value | 95 % interval | n | asked |", "|---|---|---|---|---|---|"]
    for task, figures in groupby(content["figures"], key=lambda figure: figure["task"]):
        for index, figure in enumerate(figures):
            digits = 0 if abs(figure["value"]) >= 20 else 3
            interval = "" if figure["low"] is None else f"{figure['low']:.{digits}f} to {figure['high']:.{digits}f}"
            positive = "" if figure["positive"] is None else f", {figure['positive']} positive"
            asked = "" if figure["wanted"] is None else f"≥ {figure['wanted']:.{digits}f}: {figure['verdict']}"
            name, value = task if index == 0 else "", f"{figure['value']:.{digits}f}"
            count = f"{figure['n']} {figure['unit']}{positive}"
            lines.append(f"| {name} | {figure['score']} | {value} | {interval} | {count} | {asked} |")
    return lines
