"""Orthanc, a real PACS, on free ports of this machine; spoken to by REST, DICOM and DICOMweb only."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

_PLUGINS = (Path("/usr/share/orthanc/plugins"), Path("/usr/lib/orthanc/plugins"))
_SECONDS = 30


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc."""

    http: int
    dicom: int

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"

    def get(self, path: str) -> Any:
        answer = requests.get(f"http://127.0.0.1:{self.http}{path}", timeout=_SECONDS)
        answer.raise_for_status()
        return answer

    def post(self, path: str, content: Any) -> Any:
        answer = requests.post(f"http://127.0.0.1:{self.http}{path}", data=content, timeout=_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def instances(self, study: str, modality: str) -> list[bytes]:
        """Files of one modality of a study."""
        query = {"Level": "Instance", "Query": {"StudyInstanceUID": study, "Modality": modality}}
        found = self.post("/tools/find", json.dumps(query))
        return [self.get(f"/instances/{one}/file").content for one in found]


def free_port() -> int:
    """A port that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def why_not() -> str:
    """Why Orthanc cannot be started here; empty when it can."""
    if shutil.which("Orthanc") is None:
        return "Orthanc is not installed (Debian packages orthanc and orthanc-dicomweb)"
    return "" if _plugin() else "the DICOMweb plug-in of Orthanc is not installed (Debian package orthanc-dicomweb)"


def _plugin() -> str:
    found = [path for folder in _PLUGINS for path in folder.glob("libOrthancDicomWeb.so*")]
    return str(found[0]) if found else ""


@contextlib.contextmanager
def orthanc(folder: Path, modalities: dict[str, Any] | None = None) -> Iterator[Orthanc]:
    """Start Orthanc with its files in a folder, and stop it afterwards.

    Args:
        folder: for its storage and its configuration.
        modalities: the DICOM nodes that it knows, as in its configuration.
    """
    started = Orthanc(free_port(), free_port())
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "Name": "test", "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
        "HttpPort": started.http, "DicomPort": started.dicom, "DicomAet": "ORTHANC", "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False, "DicomModalities": modalities or {}, "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowFind": True, "DicomAlwaysAllowMove": True, "Plugins": [_plugin()],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}, "DicomThreadsCount": 2,
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", "--verbose", str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            _wait(started, process, folder / "log")
            yield started
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(started: Orthanc, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _SECONDS
    while True:
        try:
            requests.get(f"{started.web}/studies", timeout=2).raise_for_status()
            return
        except requests.RequestException:
            assert process.poll() is None and time.monotonic() < end, log.read_text(errors="replace")[-2000:]
            time.sleep(0.2)
