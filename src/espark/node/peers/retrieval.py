"""Getting the CT series and slides of a study from a PACS: by WADO-RS, or by C-MOVE or C-GET."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import requests
from pydicom.dataset import Dataset
from pynetdicom import AE, _config, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from espark.errors import DicomError
from espark.intake.dicom_file import KINDS
from espark.node.inbox import Inbox, Kept
from espark.node.node_config import Peer
from espark.node.peers.senders import associated, client_of
from espark.node.receiver import SYNTAXES

_MODALITIES = ("CT", "SM")
_PENDING = (0xFF00, 0xFF01)
_STUDY, _SERIES, _MODALITY, _COUNT = "0020000D", "0020000E", "00080060", "00201209"
_NOT_STORED = 0xC000
_MINUTES = 10 * 60


def find_study(peer: Peer, accession_number: str, ae_title: str) -> str:
    """StudyInstanceUID of the one study with this accession number.

    Raises:
        DicomError: when there is none, or several, or the peer does not answer.
    """
    if peer.url is not None:
        with _answered(peer):
            found = client_of(peer).search_for_studies(search_filters={"AccessionNumber": accession_number})
        studies = [_value(study, _STUDY) for study in found]
    else:
        query = _query("STUDY", AccessionNumber=accession_number, StudyInstanceUID="")
        studies = [str(study.StudyInstanceUID) for study in _c_find(peer, query, ae_title)]
    if len(studies) != 1:
        raise DicomError(f"{peer.name} has {len(studies)} studies with the accession number", expected="one study")
    return studies[0]


def retrieve(peer: Peer, study: str, inbox: Inbox, ae_title: str) -> int:
    """Get every CT series and slide of a study into an inbox.

    A C-MOVE sends the images to the service of `espark.node.receiver`, which must run on the same inbox.

    Args:
        peer: the PACS.
        study: StudyInstanceUID.
        inbox: where the images are kept.
        ae_title: title of this node, to which a C-MOVE sends.

    Returns:
        Number of series.

    Raises:
        DicomError: when the study has neither, or a part could not be got.
    """
    if peer.url is not None:
        series = list(series_of(peer, study))
        for uid in series:
            get_series(peer, study, uid, inbox)
    else:
        query = _query("SERIES", StudyInstanceUID=study, SeriesInstanceUID="", Modality="")
        found = _c_find(peer, query, ae_title)
        series = [str(one.SeriesInstanceUID) for one in found if one.get("Modality") in _MODALITIES]
        for uid in series:
            wanted = _query("SERIES", StudyInstanceUID=study, SeriesInstanceUID=uid)
            _move_or_get(peer, wanted, inbox, ae_title)
    if not series:
        raise DicomError(f"{peer.name} has neither a CT nor a slide in this study", where=study)
    return len(series)


class _answered:
    """Turns the errors of HTTP into errors of espark."""

    def __init__(self, peer: Peer):
        self._peer = peer

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, requests.RequestException):
            raise DicomError(f"{self._peer.name} did not answer ({type(error).__name__})") from error


def recent_studies(peer: Peer, first_day: date) -> list[str]:
    """StudyInstanceUIDs of the studies of a day and after, by QIDO-RS.

    Raises:
        DicomError: when the peer does not answer.
    """
    with _answered(peer):
        found = client_of(peer).search_for_studies(search_filters={"StudyDate": f"{first_day:%Y%m%d}-"})
    return [_value(study, _STUDY) for study in found]


def series_of(peer: Peer, study: str) -> dict[str, int]:
    """CT and slide series of a study with their number of instances, by QIDO-RS.

    Raises:
        DicomError: when the peer does not answer.
    """
    with _answered(peer):
        found = client_of(peer).search_for_series(study, fields=["NumberOfSeriesRelatedInstances"])
    return {
        _value(one, _SERIES): int(_value(one, _COUNT) or 0) for one in found if _value(one, _MODALITY) in _MODALITIES
    }


def _value(found: dict[str, Any], tag: str) -> str:
    """The first value of a tag in DICOM JSON."""
    return str((found.get(tag, {}).get("Value") or [""])[0])


def get_series(peer: Peer, study: str, series: str, inbox: Inbox) -> None:
    """Get a series by WADO-RS into an inbox.

    Raises:
        DicomError: when the peer does not answer, or an instance cannot be kept.
    """
    with _answered(peer), tempfile.TemporaryDirectory(dir=inbox.folder.parent) as folder:
        for dataset in client_of(peer).iter_series(study, series):
            path = Path(folder) / "instance.dcm"
            dataset.save_as(path, enforce_file_format=True)
            _keep(inbox, path)
            path.unlink()


def _keep(inbox: Inbox, path: Path) -> None:
    kept, instance = inbox.keep(path)
    if kept in (Kept.CONFLICT, Kept.FULL):
        what = "came before with other content" if kept is Kept.CONFLICT else "does not fit into the disk quota"
        raise DicomError(f"the instance {instance.uid} {what}", where=instance.study)


def _query(level: str, **values: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for name, value in values.items():
        setattr(query, name, value)
    return query


def _c_find(peer: Peer, query: Dataset, ae_title: str) -> list[Dataset]:
    entity = AE(ae_title=ae_title)
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    return list(_responses(peer, entity, "send_c_find", query, StudyRootQueryRetrieveInformationModelFind))


def _move_or_get(peer: Peer, query: Dataset, inbox: Inbox, ae_title: str) -> None:
    entity = AE(ae_title=ae_title)
    if peer.retrieve == "move":
        entity.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
        model, arguments = StudyRootQueryRetrieveInformationModelMove, {"move_aet": ae_title}
        list(_responses(peer, entity, "send_c_move", query, model, **arguments))
        return
    model = StudyRootQueryRetrieveInformationModelGet
    entity.add_requested_context(model)
    for sop_class in KINDS:
        for syntax in SYNTAXES[:2]:
            entity.add_requested_context(sop_class, syntax)

    # Images go to disk while they arrive, so that memory does not grow with their size.
    _config.STORE_RECV_CHUNKED_DATASET = True

    def store(event: Any) -> int:
        try:
            _keep(inbox, event.dataset_path)
        except DicomError:
            return _NOT_STORED
        finally:
            event.dataset_path.unlink(missing_ok=True)
        return 0

    roles = [build_role(sop_class, scp_role=True) for sop_class in KINDS]
    options = {"ext_neg": roles, "evt_handlers": [(evt.EVT_C_STORE, store)]}
    list(_responses(peer, entity, "send_c_get", query, model, associate=options))


def _responses(
    peer: Peer, entity: AE, method: str, query: Dataset, model: Any, associate: Any = None, **arguments: Any
) -> Iterator[Dataset]:
    """The datasets with which a peer answers a C-FIND, C-MOVE or C-GET.

    Raises:
        DicomError: when the peer is away, or reports a failure.
    """
    entity.acse_timeout, entity.dimse_timeout, entity.network_timeout = 30, _MINUTES, _MINUTES
    association = associated(peer, entity, **(associate or {}))
    try:
        for status, dataset in getattr(association, method)(query, query_model=model, **arguments):
            code = status.get("Status") if status else None
            if code in _PENDING and dataset is not None:
                yield dataset
            elif code not in (0, *_PENDING):
                shown = "no status" if code is None else f"status 0x{code:04X}"
                raise DicomError(f"{peer.name} could not answer completely ({shown})")
    finally:
        association.release()
