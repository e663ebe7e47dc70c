"""Storage commitment (push model): a peer confirms that it keeps the results, before they may be removed here.

The peer answers with a report of its own, at once or hours later, on the same association or on a new one. So what was
asked is on disk, in ``commitments/<transaction>.json``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from espark.errors import DicomError
from espark.files import read_json
from espark.node.node_config import NodeConfig, Peer
from espark.node.peers.senders import associated
from espark.node.safe_files import keep_json

SUCCESS, UNKNOWN_TRANSACTION = 0x0000, 0x0112
_REQUEST = 1
_SECONDS = 30
_FOR_THE_SAME_ASSOCIATION = 1.0
_FAILED = "failed"


class Commitments:
    """What peers were asked to keep, and what they answered.

    Args:
        config: ``node.toml``.
    """

    def __init__(self, config: NodeConfig):
        self._folder = config.folder / "commitments"
        self._ae_title = config.listener.ae_title
        self._peers = {peer.name: peer for peer in config.peers if peer.commitment}

    def ask(self, name: str, files: Sequence[Path]) -> str | None:
        """Ask a peer to keep files that it has acknowledged.

        Args:
            name: the peer.
            files: the DICOM files.

        Returns:
            UID of the transaction; None when node.toml asks for no commitment of this peer.

        Raises:
            DicomError: when the peer is away or does not support storage commitment.
        """
        peer = self._peers.get(name)
        if peer is None:
            return None
        headers = {file: pydicom.dcmread(file, stop_before_pixels=True) for file in files}
        transaction = str(generate_uid())
        uids = {str(header.SOPInstanceUID): file.name for file, header in headers.items()}
        keep_json(self._path(transaction), {"peer": name, "uids": uids})
        try:
            self._send(peer, _request(transaction, list(headers.values())))
        except DicomError:
            self.forget(transaction)
            raise
        return transaction

    def failed(self, transaction: str) -> tuple[str, ...] | None:
        """Names of the files that the peer does not keep; None when it has not answered."""
        path = self._path(transaction)
        stored: dict[str, Any] = read_json(path) if path.exists() else {}
        return tuple(stored[_FAILED]) if _FAILED in stored else None

    def forget(self, transaction: str) -> None:
        """Remove a transaction."""
        self._path(transaction).unlink(missing_ok=True)

    def report(self, event: Any) -> tuple[int, Dataset | None]:
        """Handle an N-EVENT-REPORT of a peer: keep its answer on disk before it is acknowledged."""
        answer = event.event_information
        path = self._path(str(answer.get("TransactionUID", "")))
        if not path.exists():
            return UNKNOWN_TRANSACTION, None
        stored: dict[str, Any] = read_json(path)
        kept = {str(item.ReferencedSOPInstanceUID) for item in answer.get("ReferencedSOPSequence") or ()}
        refused = {str(item.ReferencedSOPInstanceUID) for item in answer.get("FailedSOPSequence") or ()}
        # What the report does not name is not kept.
        lost = [file for uid, file in stored["uids"].items() if uid in refused or uid not in kept]
        keep_json(path, stored | {_FAILED: lost})
        return SUCCESS, None

    def _send(self, peer: Peer, request: Dataset) -> None:
        entity = AE(ae_title=self._ae_title)
        entity.add_requested_context(StorageCommitmentPushModel)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = _SECONDS
        reports = [(evt.EVT_N_EVENT_REPORT, self.report)]
        association = associated(peer, entity, what="storage commitment", evt_handlers=reports)
        try:
            status, _ = association.send_n_action(
                request, _REQUEST, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
            )
            if status.get("Status") != SUCCESS:
                raise DicomError(f"{peer.name} refused the request for storage commitment")
            # Some peers answer on this association, as long as it is open.
            end = time.monotonic() + _FOR_THE_SAME_ASSOCIATION
            while time.monotonic() < end and self.failed(request.TransactionUID) is None:
                time.sleep(0.05)
        finally:
            association.release()

    def _path(self, transaction: str) -> Path:
        return self._folder / f"{Path(transaction).name or 'none'}.json"


def _request(transaction: str, headers: Sequence[Dataset]) -> Dataset:
    request = Dataset()
    request.TransactionUID = transaction
    items = []
    for header in headers:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
        items.append(item)
    request.ReferencedSOPSequence = items
    return request
