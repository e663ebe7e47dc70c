"""The C-STORE service. An instance is acknowledged only when it is safe on disk."""

from __future__ import annotations

import contextlib
import logging
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

from espark.errors import DicomError
from espark.intake.dicom_file import KINDS
from espark.node.inbox import Inbox, Kept
from espark.node.node_config import Listener, NodeConfig
from espark.node.peers.commitment import Commitments

log = logging.getLogger("espark.node")

SYNTAXES = [
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, JPEGLosslessSV1, RLELossless, JPEG2000Lossless,
    JPEGBaseline8Bit, JPEG2000,
]  # fmt: skip
"""Transfer syntaxes that are accepted. Deflated ones are not: a small file could fill the memory."""

_SUCCESS, _DUPLICATE, _FULL, _MISMATCH, _DAMAGED = 0x0000, 0x0111, 0xA700, 0xA900, 0xC000
_REFUSED, _BY_USER, _UNKNOWN_CALLER = 0x01, 0x01, 0x03


@contextlib.contextmanager
def receiving(config: NodeConfig, inbox: Inbox, commitments: Commitments | None = None) -> Iterator[int]:
    """Run the service while the block runs.

    Args:
        config: ``node.toml``.
        inbox: where images are kept.
        commitments: gets the reports of storage commitment; None when no peer sends any.

    Yields:
        The port on which it listens.
    """
    arriving = config.folder / "arriving"
    shutil.rmtree(arriving, ignore_errors=True)
    arriving.mkdir(parents=True)
    # Instances go to disk while they arrive, so that memory does not grow with their size; on the same disk as the
    # inbox, so that they are moved and not copied.
    before, tempfile.tempdir = tempfile.tempdir, str(arriving)
    _config.STORE_RECV_CHUNKED_DATASET = True
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    service = _Service(config, inbox, commitments)
    server = service.application_entity().start_server(
        (config.listener.host, config.listener.port),
        block=False,
        ssl_context=_tls(config.listener),
        evt_handlers=service.handlers(),
    )
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        tempfile.tempdir = before


class _Service:
    def __init__(self, config: NodeConfig, inbox: Inbox, commitments: Commitments | None):
        self._config = config
        self._commitments = commitments
        self._inbox = inbox
        self._most = config.limits.instance_mb * 1e6
        self._callers = {(sender.ae_title.strip(), sender.host) for sender in config.senders}

    def application_entity(self) -> Any:
        listener = self._config.listener
        entity = AE(ae_title=listener.ae_title)
        entity.require_called_aet = True
        entity.maximum_associations = listener.associations
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = listener.timeout_seconds
        for sop_class in KINDS:
            entity.add_supported_context(sop_class, SYNTAXES)
        entity.add_supported_context(Verification)
        if self._commitments is not None:
            # Here the peer that calls is the one that provides the service.
            entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        return entity

    def handlers(self) -> list[Any]:
        reports = [] if self._commitments is None else [(evt.EVT_N_EVENT_REPORT, self._commitments.report)]
        return [
            *reports,
            (evt.EVT_REQUESTED, self._check_caller),
            (evt.EVT_DATA_RECV, self._count),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_CONN_CLOSE, self._remove_half),
        ]

    def _check_caller(self, event: Any) -> None:
        association = event.assoc
        caller = association.requestor
        if (str(caller.primitive.calling_ae_title).strip(), caller.address) not in self._callers:
            log.warning("refused an association: its AE title and address are not in [[senders]]")
            association.acse.send_reject(_REFUSED, _BY_USER, _UNKNOWN_CALLER)
            association.kill()

    def _remove_half(self, event: Any) -> None:
        """Remove the part of an instance whose association ended; pynetdicom leaves it."""
        message = getattr(event.assoc.dimse, "message", None)
        part = getattr(message, "_data_set_path", None)
        if isinstance(part, Path):
            part.unlink(missing_ok=True)

    def _count(self, event: Any) -> None:
        """Abort an association that sends more for one instance than is allowed."""
        association = event.assoc
        received = getattr(association, "espark_bytes", 0) + len(event.data)
        association.espark_bytes = received
        if received > self._most:
            log.warning("aborted an association: the instance has more than %g MB", self._most / 1e6)
            association.abort()

    def _store(self, event: Any) -> int:
        event.assoc.espark_bytes = 0
        try:
            kept, instance = self._inbox.keep(event.dataset_path)
        except DicomError as error:
            log.warning("refused an instance: %s", error.found)
            return _DAMAGED
        except OSError as error:
            log.error("could not store an instance (%s)", error.strerror)
            return _FULL
        if kept is Kept.FULL:
            log.error("study %s: refused an instance, because the disk quota is used up", instance.study)
            return _FULL
        if kept is Kept.CONFLICT:
            log.warning("study %s: refused an instance whose UID came before with other content", instance.study)
            return _DUPLICATE
        return _SUCCESS


def _tls(listener: Listener) -> ssl.SSLContext | None:
    """TLS with client certificates (the AES profile of DICOM PS3.15), where node.toml asks for it."""
    if listener.certificate is None or listener.key is None or listener.authorities is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(listener.authorities))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(listener.certificate, listener.key)
    return context
