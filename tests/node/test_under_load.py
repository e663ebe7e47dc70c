"""What many, large or hostile callers can do to the node: nothing that lasts. Figures are in docs/dicom.md."""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest

pytest.importorskip("pynetdicom")

from peers import config, running, send, study
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from test_node import _send_half, wait_for

from espark.errors import DicomError
from espark.node.inbox import Inbox
from espark.node.node_config import Limits, Listener

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"
)
MB = 1e6
log = logging.getLogger("figures")


class Resources:
    """Memory and open files of this process, in which the node runs; the highest values while a block runs."""

    def __init__(self) -> None:
        if not Path("/proc/self/statm").exists():
            pytest.skip("memory and handles are read from /proc")
        self.handles = self.handles_now()
        self.threads = threading.active_count()
        self.memory = self.peak = self._memory()
        self._stop = threading.Event()

    def handles_now(self) -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def _memory(self) -> int:
        """Resident bytes."""
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def __enter__(self) -> Resources:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self.peak = max(self.peak, self._memory())

    @property
    def grown_mb(self) -> float:
        return (self.peak - self.memory) / MB


def echo(port: int, count: int) -> int:
    """Associations one after the other; returns how many were accepted."""
    entity = AE(ae_title="PACS")
    entity.add_requested_context("1.2.840.10008.1.1")
    accepted = 0
    for _ in range(count):
        association = entity.associate("127.0.0.1", port, ae_title="ESPARK")
        if association.is_established:
            accepted += association.send_c_echo().Status == 0
            association.release()
    return accepted


def associate_request(called: bytes = b"ESPARK", calling: bytes = b"PACS") -> bytes:
    """An A-ASSOCIATE-RQ for C-ECHO, by hand (PS3.8, 9.3.2)."""

    def item(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(content)) + content

    syntax = item(0x30, b"1.2.840.10008.1.1") + item(0x40, b"1.2.840.10008.1.2")
    context = item(0x20, b"\x01\0\0\0" + syntax)
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3"))
    body = struct.pack(">HH", 1, 0) + called.ljust(16) + calling.ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    return struct.pack(">BBI", 1, 0, len(body)) + body


def test_a_flood_of_500_associations_is_refused_and_the_node_goes_on(tmp_path: Path) -> None:
    """500 connections at once: half ask for an association and hold it, half say nothing."""
    (file, *_) = study(tmp_path, 1)
    settings = config(tmp_path / "node", listener=Listener(port=0, associations=10, timeout_seconds=2))
    with running(settings) as (_, port), Resources() as used:
        flood = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(500)]
        for connection in flood[::2]:
            connection.sendall(associate_request())
        answers = [connection.recv(1) for connection in flood[::2]]
        accepted, refused = answers.count(b"\x02"), answers.count(b"\x03")
        log.info(f"accepted {accepted}, refused {refused}, closed {250 - accepted - refused}, {used.grown_mb:.0f} MB")
        assert accepted <= 10 and set(answers) <= {b"\x02", b"\x03", b"\x07", b""}
        for connection in flood:
            connection.close()
        wait_for(lambda: send(port, [file]) == [0])
        wait_for(lambda: threading.active_count() <= used.threads + 8)
        wait_for(lambda: used.handles_now() <= used.handles + 8)
        assert used.grown_mb < 300


def test_a_wrong_title_is_refused(tmp_path: Path) -> None:
    with running(config(tmp_path / "node")) as (_, port):
        for request in (associate_request(called=b"OTHER"), associate_request(calling=b"STRANGER")):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(request)
                assert connection.recv(1) == b"\x03"  # A-ASSOCIATE-RJ
        assert echo(port, 1) == 1


@pytest.mark.slow
def test_half_sent_instances_leave_nothing(tmp_path: Path) -> None:
    (file, *_) = study(tmp_path, 1)
    settings = config(tmp_path / "node")
    with running(settings) as (_, port):
        echo(port, 1)
        with Resources() as used:
            for _ in range(30):
                _send_half(port, file)
            wait_for(lambda: not list((settings.folder / "arriving").iterdir()))
            wait_for(lambda: used.handles_now() <= used.handles + 4)
        assert not list(settings.folder.rglob("*.dcm"))


@pytest.mark.slow
def test_handles_do_not_grow_over_a_thousand_associations(tmp_path: Path) -> None:
    (file, *_) = study(tmp_path, 1)
    with running(config(tmp_path / "node")) as (_, port):
        echo(port, 5)
        with Resources() as used:
            assert echo(port, 900) == 900
            assert all(send(port, [file]) == [0] for _ in range(100))
            wait_for(lambda: used.handles_now() <= used.handles + 4)
            wait_for(lambda: threading.active_count() <= used.threads + 4)
        log.info(f"1000 associations: {used.handles_now() - used.handles} handles, {used.grown_mb:.0f} MB")
        assert used.grown_mb < 200


def large_ct(path: Path, size_mb: int) -> Path:
    """One multi-frame CT of this size, written without holding it in memory."""
    header = pydicom.Dataset()
    header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, generate_uid()
    header.StudyInstanceUID, header.SeriesInstanceUID = generate_uid(), generate_uid()
    header.PatientID, header.Modality = "P1", "CT"
    header.Rows = header.Columns = 1000
    header.NumberOfFrames = size_mb // 2
    header.BitsAllocated, header.SamplesPerPixel = 16, 1
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = CTImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.save_as(path, enforce_file_format=True)
    frame = np.random.default_rng(0).integers(0, 2000, 1_000_000).astype("<u2").tobytes()
    with path.open("ab") as file:
        file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, len(frame) * (size_mb // 2)))
        for _ in range(size_mb // 2):
            file.write(frame)
    return path


_SENDER = """
import sys
from pynetdicom import AE, _config
_config.STORE_SEND_CHUNKED_DATASET = True
entity = AE(ae_title="PACS")
entity.add_requested_context("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1")
entity.dimse_timeout = entity.network_timeout = 300
association = entity.associate("127.0.0.1", int(sys.argv[1]), ae_title="ESPARK")
print(association.send_c_store(sys.argv[2]).get("Status"))
"""


def send_from_elsewhere(port: int, file: Path) -> str:
    """Send a file from a process of its own, so that only the memory of the node is seen here."""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", _SENDER, str(port), str(file)], capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.slow
def test_an_instance_of_600_mb_does_not_fill_the_memory(tmp_path: Path) -> None:
    large = large_ct(tmp_path / "large.dcm", 600)
    settings = config(tmp_path / "node", limits=Limits(instance_mb=1024))
    with running(settings) as (node, port):
        echo(port, 1)
        started = time.monotonic()
        with Resources() as used:
            assert send_from_elsewhere(port, large) == "0"
        log.info(f"600 MB in {time.monotonic() - started:.0f} s, {used.grown_mb:.0f} MB of memory")
        assert used.grown_mb < 150
        (kept,) = (path for uid in node.inbox.studies() for path in node.inbox.files(uid).values())
        assert kept.stat().st_size == pytest.approx(large.stat().st_size, abs=1000)
    too_large = config(tmp_path / "small", limits=Limits(instance_mb=300))
    with running(too_large) as (_, port):
        echo(port, 1)
        with Resources() as used:
            assert send_from_elsewhere(port, large) == "None"
            wait_for(lambda: not list((too_large.folder / "arriving").iterdir()))
        assert used.grown_mb < 150 and not list(too_large.folder.rglob("*.dcm"))


def test_a_deflate_bomb_does_no_harm(tmp_path: Path) -> None:
    """Half a MB that unpacks to half a GB: the listener accepts no deflated file, and the inbox does not unpack it."""
    header = pydicom.dcmread(study(tmp_path, 1)[0])
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    bomb = tmp_path / "bomb.dcm"
    header.save_as(bomb, enforce_file_format=True)
    length = 132 + 12 + int(pydicom.dcmread(bomb, stop_before_pixels=True).file_meta.FileMetaInformationGroupLength)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(500)) + packer.flush()
    bomb.write_bytes(bomb.read_bytes()[:length] + packed)
    with Resources() as used, pytest.raises(DicomError):
        Inbox(tmp_path / "in", 1e12).keep(bomb)
    log.info(f"{bomb.stat().st_size / MB:.1f} MB, {used.grown_mb:.0f} MB of memory")
    assert used.grown_mb < 100 and not list((tmp_path / "in").rglob("*.dcm"))


def test_noise_on_the_port_does_no_harm(tmp_path: Path) -> None:
    settings = config(tmp_path / "node", listener=Listener(port=0, timeout_seconds=2))
    with running(settings) as (_, port):
        for length in (1, 6, 200, 100_000):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(os.urandom(length))
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"\x01\0\xff\xff\xff\xff")  # a request that declares 4 GB
            with Resources() as used:
                time.sleep(0.5)
            assert used.grown_mb < 50
        assert echo(port, 1) == 1
