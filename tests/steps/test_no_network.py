"""No step of a study, and no prediction, opens a socket: images and answers stay on the machine."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.work.progress import Reporter
from sockets import watched


def test_the_watch_sees_a_socket() -> None:
    with watched() as seen:
        socket.gethostname()
        assert seen == []
        socket.socket().close()
    assert len(seen) == 1 and seen[0].startswith("socket.__new__")
    socket.socket().close()
    assert len(seen) == 1, "after the block nothing is watched"


def test_no_step_of_a_run_opens_a_socket(finished: Path) -> None:
    """The fixture watched check, prepare, train, evaluate, explain and report."""
    assert json.loads((finished.parent / "sockets.json").read_text(encoding="utf-8")) == []


def test_no_prediction_opens_a_socket(finished: Path, tmp_path: Path) -> None:
    patient = NewPatient(
        ct=finished / "ct" / "B-0001",
        tumor_mask=finished / "masks" / "B-0001_tumor.nii.gz",
        slides=(finished / "slides" / "B-0001.tif",),
    )
    with watched() as seen:
        predict(finished / "models" / "espark", patient, tmp_path / "out", reporter=Reporter("quiet"))
    assert seen == []
