"""``manifest.json`` beside the report of a new patient."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espark.errors import InputError
from espark.files import digest, fingerprint, read_json, write_json
from espark.report.pages import design_fingerprint
from espark.work.progress import Reporter
from espark.workspace.manifest import changed, now, versions

_OUTPUTS = ("prediction.json", "report.html", "report.pdf")


def write_predict_manifest(
    out: Path,
    model: Path,
    *,
    files: Mapping[str, Path],
    clinical: Mapping[str, str],
    options: Mapping[str, Any],
    started: str,
    reporter: Reporter,
) -> None:
    """Write all that is needed to make the files in ``out`` again; changed inputs are named by their option.

    The patient's files are listed by option and hash, because their names may be the patient's.

    Args:
        out: folder with the prediction and the report.
        model: folder of the model.
        files: the patient's files, by option.
        clinical: the patient's clinical values; only their hash is kept.
        options: everything else that the report depends on.
        started: when the work began.
        reporter: names what changed.
    """
    path = out / "manifest.json"
    inputs = {option: fingerprint(file) for option, file in files.items()}
    inputs |= {f"--clinical {name}": digest(value) for name, value in clinical.items()}
    inputs |= {"model": fingerprint(model), "espark: code, templates and style": design_fingerprint()}
    news = changed(before, inputs) if (before := _inputs_before(path)) else []
    if news:
        reporter.say(f"changed since the last report in this folder: {', '.join(news)}")
    content = {
        "step": "predict",
        "options": dict(options),
        "inputs": inputs,
        "changed": news,
        "start": started,
        "end": now(),
        "versions": versions(),
        "outputs": {name: fingerprint(out / name) for name in _OUTPUTS if (out / name).exists()},
    }
    write_json(path, content)


def _inputs_before(path: Path) -> dict[str, str]:
    """The inputs of the last report in a folder; empty when there was none, or its manifest is damaged."""
    try:
        inputs = read_json(path)["inputs"]
    except (InputError, KeyError, TypeError):
        return {}
    return dict(inputs) if isinstance(inputs, dict) else {}
