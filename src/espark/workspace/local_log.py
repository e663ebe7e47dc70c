"""The local log: what failed, with the names of files and folders, which may be names of patients.

Everything else that espark writes is meant to be shared and has the ids of the study alone.
"""

from __future__ import annotations

import datetime
from pathlib import Path

_HEAD = """\
# This file is for this computer only. Do not share it.
# It names files and folders, and quotes their headers. They may contain the names of patients.
"""


def log_locally(path: Path, patient_id: str, item: str, text: str) -> None:
    """Add a line to the local log.

    Args:
        path: the log, which is made if it is missing.
        patient_id: the patient.
        item: the item that failed.
        text: the whole message.
    """
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with path.open("a", encoding="utf-8") as log:
        if not log.tell():
            log.write(_HEAD)
        log.write(f"{when} {patient_id} {item}: {' '.join(text.split())}\n")
