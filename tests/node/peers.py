"""Peers in this process, small series, and nodes that predict nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.presentation import StoragePresentationContexts

from ct_phantoms import SeriesSpec, chest, write_series
from espark.node.node_config import Delivery, Limits, Listener, NodeConfig, Peer, Rules, Sender
from espark.node.peers.senders import sender_of
from espark.node.running import Node

QUICK = Delivery(first_wait_seconds=0.2, longest_wait_seconds=0.4, attempts=200)
SENDER = Sender(ae_title="PACS", host="127.0.0.1")


def config(folder: Path, *peers: Peer, **changes: Any) -> NodeConfig:
    settings: dict[str, Any] = {
        "folder": folder, "model": folder, "listener": Listener(port=0, timeout_seconds=5), "senders": (SENDER,),
        "peers": peers, "complete": Rules(quiet_seconds=0, slides="ignored", min_images=12), "delivery": QUICK,
        "limits": Limits(),
    }  # fmt: skip
    return NodeConfig(**settings | changes)


def study(folder: Path, number: int, **tags: str) -> list[Path]:
    """A small CT study of its own patient."""
    spec = SeriesSpec(
        uid=generate_uid(entropy_srcs=["series", str(number)]),
        tags={"StudyInstanceUID": study_uid(number), "PatientID": f"P{number}", "PatientName": f"Name{number}^Secret"}
        | tags,
    )
    return write_series(folder / f"study-{number}", chest(), spec)


def study_uid(number: int) -> str:
    return str(generate_uid(entropy_srcs=["study", str(number)]))


def copy_as_result(images: Path, out: Path, name: str) -> None:
    """In place of a prediction: one object that belongs to the study, the same at each start."""
    made = pydicom.dcmread(min(images.rglob("*.dcm")))
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["result", name])
    (out / "dicom").mkdir(parents=True)
    made.save_as(out / "dicom" / "result.dcm")


def send(port: int, files: list[Path], *, caller: str = "PACS", called: str = "ESPARK") -> list[int]:
    """Send files by C-STORE; returns the status of each, empty when the association is refused."""
    entity = AE(ae_title=caller)
    entity.requested_contexts = StoragePresentationContexts[:120]
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
    association = entity.associate("127.0.0.1", port, ae_title=called)
    if not association.is_established:
        return []
    found = [association.send_c_store(pydicom.dcmread(file)).get("Status") for file in files]
    association.release()
    return found


class Archive:
    """A PACS that remembers how often it got each object."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.status = 0x0000

    @contextlib.contextmanager
    def listening(self, port: int = 0) -> Iterator[int]:
        def store(event: Any) -> int:
            if self.status == 0:
                self.got.append(str(event.dataset.SOPInstanceUID))
            return self.status

        entity = AE(ae_title="ARCHIVE")
        entity.supported_contexts = StoragePresentationContexts
        server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def archive_peer(port: int) -> Peer:
    return Peer(name="archive", results=True, ae_title="ARCHIVE", host="127.0.0.1", port=port)


@contextlib.contextmanager
def running(settings: NodeConfig, predict: Any = copy_as_result) -> Iterator[tuple[Node, int]]:
    """A node in a thread of this process, and its port."""
    node, stop, port = Node(settings, predict, sender_of(settings)), threading.Event(), []
    ready = threading.Event()

    def is_ready(number: int) -> None:
        port.append(number)
        ready.set()

    thread = threading.Thread(target=node.run, args=(stop, is_ready))
    thread.start()
    try:
        assert ready.wait(20)
        yield node, port[0]
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
