"""Predicts a case in a process of its own, so that a damaged image can end the prediction, but never the node."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from espark.errors import DicomError, Interrupted
from espark.machine.processes import kill_group, start_group

Predict = Callable[[Path, Path, str], None]
"""From the folder of a study's images, the folder of the results, and the name of the patient on the page."""

_LONGEST_MESSAGE = 500
_POLL_SECONDS = 0.2


def prediction_by(model: Path, most_seconds: float, stop: threading.Event) -> Predict:
    """`espark predict --dicom` for this model.

    Args:
        model: folder of the trained model.
        most_seconds: a prediction that takes longer is ended.
        stop: ends the prediction that runs, when the node is asked to stop.
    """

    def predict(images: Path, out: Path, name: str) -> None:
        command = [sys.executable, "-m", "espark", "predict", str(model), "--out", str(out), "--dicom", "--quiet"]
        command += ["--patient-id", name]
        if (images / "CT").is_dir():
            command += ["--ct", str(images / "CT")]
        for series in sorted((images / "SM").glob("*")):
            command += ["--slide", str(min(series.glob("*.dcm")))]
        _run(command, most_seconds, stop)

    return predict


def _run(command: list[str], most_seconds: float, stop: threading.Event) -> None:
    """Run a command in a session of its own, so that a signal for the node does not reach it."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = start_group(command, stdout=subprocess.DEVNULL, stderr=said)
        try:
            while process.poll() is None:
                if stop.wait(_POLL_SECONDS):
                    raise Interrupted(signal.SIGTERM)
                if time.monotonic() - started > most_seconds:
                    raise DicomError(f"the prediction took more than {most_seconds / 3600:g} hours")
        finally:
            if process.poll() is None:
                kill_group(process)
        if process.returncode != 0:
            said.seek(0)
            words = " ".join(said.read().decode("utf-8", errors="replace").split())
            raise DicomError(f"the prediction failed: {words[-_LONGEST_MESSAGE:] or process.returncode}")
