"""The node on its folder, with peers in this process: nothing lost, nothing twice, nobody let in who may not."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

pytest.importorskip("pynetdicom")

from peers import Archive, archive_peer, config, copy_as_result, running, send, study, study_uid

from espark.errors import DicomError, InputProblems
from espark.node.case_queue import CaseQueue, QueuedCase
from espark.node.inbox import Inbox, Kept
from espark.node.node_config import Limits, Listener, Peer, Rules, Sender, read_node_config
from espark.node.peers.senders import c_store
from espark.node.running import Node
from espark.node.status import retry, status_lines

# The garbage collector may also run within a test; see conftest.py.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"
)


def wait_for(what: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def states(folder: Path) -> Counter[str]:
    return Counter(case.state for case in CaseQueue(folder / "cases"))


def test_a_study_comes_in_and_its_result_goes_out_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "espark.node")
    files, archive = study(tmp_path, 1), Archive()
    with archive.listening() as port:
        settings = config(tmp_path / "node", archive_peer(port))
        with running(settings) as (_, own):
            assert send(own, files) == [0] * 12
            wait_for(lambda: states(settings.folder)["delivered"])
            assert send(own, files) == [0] * 12  # a duplicate is acknowledged, but not worked
            time.sleep(1.5)
    assert len(archive.got) == 1 and states(settings.folder) == {"delivered": 1}
    # The log names studies, and nobody.
    assert study_uid(1) in caplog.text and "Secret" not in caplog.text and "P1" not in caplog.text


def test_a_peer_that_is_away_gets_everything_later(tmp_path: Path) -> None:
    archive = Archive()
    with archive.listening() as port:
        pass  # a port that is free
    settings = config(tmp_path / "node", archive_peer(port))
    with running(settings) as (_, own):
        send(own, study(tmp_path, 1))
        wait_for(lambda: any("waiting" in line for line in status_lines(settings) if "archive" in line))
        with archive.listening(port):
            wait_for(lambda: states(settings.folder)["delivered"])
    assert len(archive.got) == 1


def test_an_archive_that_refuses_is_not_taken_for_one_that_stored(tmp_path: Path) -> None:
    archive = Archive()
    archive.status = 0xA700
    with archive.listening() as port:
        settings = config(tmp_path / "node", archive_peer(port))
        with running(settings) as (_, own):
            send(own, study(tmp_path, 1))
            wait_for(lambda: any("0xA700" in line for line in status_lines(settings)))
            assert states(settings.folder) == {"predicted": 1}
            archive.status = 0
            wait_for(lambda: states(settings.folder)["delivered"])
    assert len(archive.got) == 1


def test_only_known_callers_from_known_addresses_may_send(tmp_path: Path) -> None:
    files = study(tmp_path, 1)
    elsewhere = Sender(ae_title="ELSEWHERE", host="10.1.2.3")
    settings = config(tmp_path / "node", senders=(Sender(ae_title="PACS", host="127.0.0.1"), elsewhere))
    with running(settings) as (_, port):
        assert send(port, files[:1], caller="STRANGER") == []
        assert send(port, files[:1], called="OTHER") == []
        assert send(port, files[:1], caller="ELSEWHERE") == []
        assert not list(settings.folder.rglob("*.dcm"))
        assert send(port, files[:1]) == [0]


def test_an_instance_that_is_too_large_ends_the_association(tmp_path: Path) -> None:
    (file, *_) = study(tmp_path, 1)
    large = pydicom.dcmread(file)
    large.Rows, large.Columns, large.PixelData = 1000, 1000, b"\0" * 2_000_000
    large.save_as(tmp_path / "large.dcm")
    settings = config(tmp_path / "node", limits=Limits(instance_mb=1))
    with running(settings) as (_, port):
        assert send(port, [tmp_path / "large.dcm"]) == [None]
        wait_for(lambda: not list(settings.folder.rglob("*.dcm")))
        assert send(port, [file]) == [0]


def test_a_half_sent_instance_leaves_nothing(tmp_path: Path) -> None:
    (file, *_) = study(tmp_path, 1)
    settings = config(tmp_path / "node")
    with running(settings) as (_, port):
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"\x01\x00\x00\x00\xff\xff")  # an association request that never ends
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(os.urandom(4096))
        _send_half(port, file)
        wait_for(lambda: not list((settings.folder / "arriving").iterdir()))
        assert not list(settings.folder.rglob("*.dcm"))
        assert send(port, [file]) == [0]


def _send_half(port: int, file: Path) -> None:
    """The connection breaks after the first half of the data set."""
    from pynetdicom import AE, evt

    entity = AE(ae_title="PACS")
    dataset = pydicom.dcmread(file)
    dataset.Rows, dataset.Columns, dataset.PixelData = 500, 500, b"\0" * 500_000
    entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    entity.dimse_timeout = 5
    sent = []

    def cut(event: Any) -> None:
        sent.append(len(event.data))
        if sum(sent) > 250_000:
            event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)

    association = entity.associate(
        "127.0.0.1", port, ae_title="ESPARK", evt_handlers=[(evt.EVT_DATA_SENT, cut)], max_pdu=16382
    )
    assert association.is_established
    association.send_c_store(dataset)
    association.abort()
    assert sum(sent) > 250_000


def test_more_associations_than_allowed_are_refused_and_handles_do_not_grow(tmp_path: Path) -> None:
    from pynetdicom import AE

    settings = config(tmp_path / "node", listener=Listener(port=0, associations=2, timeout_seconds=5))
    with running(settings) as (_, port):
        entity = AE(ae_title="PACS")
        entity.add_requested_context("1.2.840.10008.1.1")
        held = [entity.associate("127.0.0.1", port, ae_title="ESPARK") for _ in range(4)]
        assert [association.is_established for association in held] == [True, True, False, False]
        for association in held[:2]:
            association.release()
        time.sleep(0.3)
        handles = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
        for _ in range(40):
            association = entity.associate("127.0.0.1", port, ae_title="ESPARK")
            if association.is_established:
                association.release()
        time.sleep(0.3)
        now = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
        assert now <= handles + 4


def test_deflated_files_are_not_accepted(tmp_path: Path) -> None:
    from pydicom.uid import DeflatedExplicitVRLittleEndian
    from pynetdicom import AE
    from pynetdicom.sop_class import CTImageStorage

    with running(config(tmp_path / "node")) as (_, port):
        entity = AE(ae_title="PACS")
        entity.add_requested_context(CTImageStorage, DeflatedExplicitVRLittleEndian)
        association = entity.associate("127.0.0.1", port, ae_title="ESPARK")
        assert association.accepted_contexts == []
        if association.is_established:
            association.release()


def test_a_case_that_fails_is_listed_and_can_be_tried_again(tmp_path: Path) -> None:
    settings = config(tmp_path / "node")

    def fails(*_: object) -> None:
        raise DicomError("no esophagus was found")

    with running(settings, fails) as (_, port):
        send(port, study(tmp_path, 1))
        wait_for(lambda: states(settings.folder)["failed"])
    assert f"failed: study {study_uid(1)}: no esophagus was found" in list(status_lines(settings))
    assert retry(settings) == 1
    with running(settings):
        wait_for(lambda: states(settings.folder)["delivered"])


def test_a_failed_case_is_tried_again_while_the_node_runs(tmp_path: Path) -> None:
    settings, broken = config(tmp_path / "node"), [True]

    def fails_at_first(*given: Any) -> None:
        if broken:
            raise DicomError("no esophagus was found")
        copy_as_result(*given)

    with running(settings, fails_at_first) as (_, port):
        send(port, study(tmp_path, 1))
        wait_for(lambda: states(settings.folder)["failed"])
        broken.clear()
        assert retry(settings) == 1
        wait_for(lambda: states(settings.folder)["delivered"])


def test_a_peer_without_storage_commitment_is_named(tmp_path: Path) -> None:
    archive = Archive()
    with archive.listening() as port:
        settings = config(tmp_path / "node", archive_peer(port).model_copy(update={"commitment": True}))
        with running(settings) as (_, own):
            send(own, study(tmp_path, 1))
            wait_for(lambda: any("does not accept storage commitment" in line for line in status_lines(settings)))
    assert len(archive.got) == 1 and states(settings.folder) == {"predicted": 1}


def test_two_nodes_do_not_share_a_folder(tmp_path: Path) -> None:
    settings = config(tmp_path / "node")
    code = (
        "import sys; from pathlib import Path; from espark.work.lock import held\n"
        f"with held(Path({str(settings.folder)!r}), 'a node', 'now'): pass"
    )
    with running(settings):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "StudyBusyError" in done.stderr and "espark node" in done.stderr


def test_a_case_that_kills_the_node_is_given_up(tmp_path: Path) -> None:
    queue = CaseQueue(tmp_path)
    queue.add(QueuedCase("1.2", {"1.2.3": "hash"}))
    for _ in range(3):
        assert queue.start() is not None
        queue.recover()
    assert queue.start() is None
    (case,) = queue
    assert case.state == "failed" and "3 times" in case.reason


def dicom_files(folder: Path) -> list[str]:
    """Names of the DICOM files below a folder, whose parts the node may remove in the meantime."""
    return [name for _, _, names in os.walk(folder) for name in names if name.endswith(".dcm")]


def test_images_are_removed_when_they_are_no_longer_needed(tmp_path: Path) -> None:
    settings = config(tmp_path / "node", limits=Limits(keep_hours=0))
    files = study(tmp_path, 1)
    with running(settings) as (_, port):
        send(port, files)
        wait_for(lambda: "cases: 1 delivered" in status_lines(settings))
        wait_for(lambda: not dicom_files(settings.folder))
        assert send(port, files) == [0] * 12
        assert not dicom_files(settings.folder)
    # Also after a restart, a copy counts as a duplicate.
    with running(settings) as (_, port):
        assert send(port, files[:1]) == [0]
        assert not dicom_files(settings.folder)
    assert not list((settings.folder / "results").iterdir()) and list(status_lines(settings)) == [
        "cases: 1 delivered", "parcels: none",
    ]  # fmt: skip


def test_images_of_a_study_that_never_is_complete_do_not_stay_for_ever(tmp_path: Path) -> None:
    hour, now = 3600.0, [0.0]
    rules = Rules(slides="required", quiet_seconds=0, wait_hours=2)
    settings = config(tmp_path / "node", complete=rules, limits=Limits(keep_hours=5))
    node = Node(settings, copy_as_result, lambda *_: None, clock=lambda: now[0])
    files = study(tmp_path, 1)
    for file in files:
        node.inbox.keep(file)
    arrived = max(path.stat().st_mtime for path in node.inbox.files(study_uid(1)).values())
    for hours, there in ((1, True), (3, True), (5.1, False)):
        now[0] = arrived + hours * hour
        node.decide()
        assert bool(node.inbox.files(study_uid(1))) is there
    assert states(settings.folder) == {}
    # When the study is sent again, for instance with its slide, nothing counts as a duplicate.
    assert node.inbox.keep(files[0])[0] is Kept.NEW


def test_an_image_that_comes_while_old_ones_are_removed_is_not_lost(tmp_path: Path) -> None:
    inbox, files = Inbox(tmp_path / "in", 1e9), study(tmp_path, 1)
    for file in files:
        inbox.keep(file)
    worked = dict.fromkeys(list(inbox.files(study_uid(1)))[:-1], "hash")
    assert not inbox.remove(study_uid(1), worked)
    assert len(inbox.files(study_uid(1))) == 12


def test_what_the_inbox_refuses(tmp_path: Path) -> None:
    (file, other, *_) = study(tmp_path, 1)
    inbox = Inbox(tmp_path / "in", file.stat().st_size * 1.5)
    assert inbox.keep(file)[0] is Kept.NEW and inbox.keep(file)[0] is Kept.DUPLICATE
    assert inbox.keep(other)[0] is Kept.FULL
    changed = pydicom.dcmread(file)
    changed.PatientID = "another"
    changed.save_as(tmp_path / "changed.dcm")
    assert inbox.keep(tmp_path / "changed.dcm")[0] is Kept.CONFLICT
    for name, tags in {
        "another kind": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"},
        "a path": {"StudyInstanceUID": "../../etc"},
        "too long": {"SeriesInstanceUID": "1." + "2" * 70},
    }.items():
        spoiled = pydicom.dcmread(file)
        for tag, value in tags.items():
            spoiled[tag] = pydicom.DataElement(tag, "UI", value, validation_mode=0)
        spoiled.save_as(tmp_path / "spoiled.dcm")
        with pytest.raises(DicomError):
            inbox.keep(tmp_path / "spoiled.dcm")
        assert name and len(list((tmp_path / "in").rglob("*.dcm"))) == 1
    (tmp_path / "noise.dcm").write_bytes(os.urandom(2000))
    with pytest.raises(DicomError, match="damaged"):
        inbox.keep(tmp_path / "noise.dcm")


def test_node_toml_is_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    start = 'folder = "state"\nmodel = "m"\n'
    path.write_text(f'{start}[[peers]]\nname = "a"\nurl = "http://x"\nport = 3\n[limits]\nx = 1\n')
    with pytest.raises(InputProblems, match=r"either url, or ae_title(.|\n)*unknown key 'limits.x'"):
        read_node_config(path)
    path.write_text(start)
    assert read_node_config(path).folder == tmp_path / "state"


def test_labels_of_slides_are_not_kept(tmp_path: Path) -> None:
    (file, *_) = study(tmp_path, 1, SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6")
    inbox = Inbox(tmp_path / "in", 1e9)
    for name, kept in (("LABEL", Kept.DROPPED), ("OVERVIEW", Kept.DROPPED), ("VOLUME", Kept.NEW)):
        slide = pydicom.dcmread(file)
        slide.ImageType = ["ORIGINAL", "PRIMARY", name, "NONE"]
        slide.save_as(tmp_path / "slide.dcm")
        assert inbox.keep(tmp_path / "slide.dcm")[0] is kept
    assert len(list((tmp_path / "in").rglob("*.dcm"))) == 1


def _certificate(folder: Path, name: str) -> dict[str, Path]:
    """A certificate that is its own authority, for 127.0.0.1."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return {"key": key, "certificate": certificate}


def test_tls_lets_in_only_those_with_a_certificate(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    own, others, strangers = (_certificate(tmp_path, name) for name in ("node", "pacs", "stranger"))
    listener = Listener(port=0, timeout_seconds=5, authorities=others["certificate"], **own)
    (file, *_) = study(tmp_path, 1)
    with running(config(tmp_path / "node", listener=listener)) as (node, port):
        peer = {"name": "node", "ae_title": "ESPARK", "host": "127.0.0.1", "port": port}
        for refused in (Peer(**peer), Peer(**peer, authorities=own["certificate"], **strangers)):
            with pytest.raises(DicomError):
                c_store(refused, file, "PACS")
        assert not list(node.inbox.studies())
        c_store(Peer(**peer, authorities=own["certificate"], **others), file, "PACS")
        assert list(node.inbox.studies()) == [study_uid(1)]


_NODE = """
import sys, threading, time
from pathlib import Path
sys.path[:0] = {paths!r}
from peers import archive_peer, config, copy_as_result
from espark.node.running import Node
from espark.node.peers.senders import sender_of
def slowly(images, out, name):
    time.sleep(0.15)
    copy_as_result(images, out, name)
settings = config(Path({folder!r}), archive_peer({archive}))
settings = settings.model_copy(update=dict(listener=settings.listener.model_copy(update=dict(port={port}))))
Node(settings, slowly, sender_of(settings)).run(threading.Event(), lambda port: print("ready", flush=True))
"""


@pytest.mark.slow
def test_a_node_that_is_killed_twice_loses_nothing_and_works_nothing_twice(tmp_path: Path) -> None:
    """Six studies; the archive is away at first; the node is killed while it predicts and while it sends."""
    archive, number = Archive(), 6
    with archive.listening() as archive_port:
        pass
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    code = _NODE.format(paths=paths, folder=str(tmp_path / "node"), archive=archive_port, port=port)

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process

    def kill(process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGKILL)
        process.communicate()

    process = start()
    try:
        for index in range(number):
            assert send(port, study(tmp_path, index)) == [0] * 12
        wait_for(lambda: states(tmp_path / "node")["predicted"])
        kill(process)
        process = start()
        with archive.listening(archive_port):
            wait_for(lambda: states(tmp_path / "node")["delivered"])
            kill(process)
            process = start()
            wait_for(lambda: states(tmp_path / "node")["delivered"] == number, 60)
    finally:
        kill(process)
    counts = Counter(archive.got)
    assert len(counts) == number and sum(counts.values()) <= number + 1  # one may have been on its way
    cases = [json.loads(path.read_text()) for path in (tmp_path / "node" / "cases").glob("*.json")]
    assert len({case["study"] for case in cases}) == len(cases) == number
