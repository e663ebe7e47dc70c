"""Sending one file to a peer, by C-STORE or STOW-RS; it returns only when the peer has acknowledged the file."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pydicom
import requests
from dicomweb_client.api import DICOMwebClient
from pynetdicom import AE
from pynetdicom.association import Association

from espark.errors import DicomError
from espark.node.node_config import NodeConfig, Peer

_TIMEOUT = 30
_SECONDS = 120
_ALREADY_THERE = 0x0111


def sender_of(config: NodeConfig) -> Any:
    """A function that sends a file to the peer of a name, as `espark.node.outbox.Send`."""
    peers = {peer.name: peer for peer in config.peers}

    def send(name: str, path: Path) -> None:
        peer = peers.get(name)
        if peer is None:
            raise DicomError(f"node.toml no longer names the peer {name}")
        if peer.url is not None:
            stow(peer, path)
        else:
            c_store(peer, path, config.listener.ae_title)

    return send


def c_store(peer: Peer, path: Path, ae_title: str) -> None:
    """Send a file by C-STORE.

    Raises:
        DicomError: when the peer is away or does not acknowledge the file.
    """
    header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    entity = AE(ae_title=ae_title)
    entity.add_requested_context(header.SOPClassUID, header.file_meta.TransferSyntaxUID)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT
    entity.connection_timeout = _TIMEOUT
    association = associated(peer, entity, what=f"objects of the kind {header.SOPClassUID.name}")
    try:
        status = association.send_c_store(path)
    except (ValueError, RuntimeError) as error:
        raise DicomError(f"{peer.name} could not be sent a file ({type(error).__name__})") from error
    finally:
        association.release()
    code = status.get("Status") if status else None
    # Warnings (0xB...) mean that the object was stored.
    if code is None or not (code == 0 or code >> 12 == 0xB or code == _ALREADY_THERE):
        shown = "no status" if code is None else f"status 0x{code:04X}"
        raise DicomError(f"{peer.name} did not store the file ({shown})")


def associated(peer: Peer, entity: AE, *, what: str = "the service", **options: Any) -> Association:
    """An open association with a peer, over TLS where node.toml gives a certificate for it.

    Args:
        peer: the peer.
        entity: with what is wanted of the peer.
        what: what is wanted, in words.
        options: options of ``AE.associate``.

    Raises:
        DicomError: when the peer is away or refuses.
    """
    where = str(peer.host), int(peer.port or 0)
    tls = (_tls(peer), str(peer.host)) if peer.certificate is not None else None
    association = entity.associate(*where, ae_title=str(peer.ae_title), tls_args=tls, **options)
    if association.rejected_contexts and not association.accepted_contexts:
        raise DicomError(f"{peer.name} does not accept {what}")
    if not association.is_established:
        raise DicomError(f"{peer.name} did not accept an association", action="Check that it runs and knows this node.")
    return association


def _tls(peer: Peer) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(peer.authorities))
    context.load_cert_chain(str(peer.certificate), str(peer.key))
    return context


def stow(peer: Peer, path: Path) -> None:
    """Send a file by STOW-RS.

    Raises:
        DicomError: when the peer is away or does not acknowledge the file.
    """
    try:
        answer = client_of(peer).store_instances([pydicom.dcmread(path)])
    except (requests.RequestException, ValueError) as error:
        raise DicomError(f"{peer.name} did not take the file ({type(error).__name__})") from error
    if answer.get("FailedSOPSequence"):
        raise DicomError(f"{peer.name} refused the file")


def client_of(peer: Peer) -> DICOMwebClient:
    """A DICOMweb client for a peer."""
    session = requests.Session()
    if peer.user is not None:
        secret = peer.password_file.read_text(encoding="utf-8").strip() if peer.password_file else ""
        session.auth = (peer.user, secret)
    if peer.authorities is not None:
        session.verify = str(peer.authorities)
    if peer.certificate is not None:
        session.cert = (str(peer.certificate), str(peer.key))
    return DICOMwebClient(url=str(peer.url), session=session, timeout=_SECONDS)
