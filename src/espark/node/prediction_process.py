"""Predicts a case in a process of its own, so that a damaged image can end the prediction, but never the node."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from espark.errors import DicomError

Predict = Callable[[Path, Path, str], None]
"""From the folder of a study's images, the folder of the results, and the name of the patient on the page."""

_LONGEST_MESSAGE = 500


def prediction_by(model: Path, most_seconds: float) -> Predict:
    """`espark predict --dicom` for this model.

    Args:
        model: folder of the trained model.
        most_seconds: a prediction that takes longer is ended.
    """

    def predict(images: Path, out: Path, name: str) -> None:
        command = [sys.executable, "-m", "espark", "predict", str(model), "--out", str(out), "--dicom", "--quiet"]
        command += ["--patient-id", name]
        if (images / "CT").is_dir():
            command += ["--ct", str(images / "CT")]
        for series in sorted((images / "SM").glob("*")):
            command += ["--slide", str(min(series.glob("*.dcm")))]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=most_seconds, check=False)
        except subprocess.TimeoutExpired:
            raise DicomError(f"the prediction took more than {most_seconds / 3600:g} hours") from None
        if done.returncode != 0:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise DicomError(f"the prediction failed: {' '.join(lines)[-_LONGEST_MESSAGE:] or done.returncode}")

    return predict
