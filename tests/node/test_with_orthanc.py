"""With a real PACS: images come from Orthanc, results go back to it, studies are fetched from it."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

pytest.importorskip("pynetdicom")
pytest.importorskip("highdicom")

import highdicom as hd
from orthanc import Orthanc, free_port, orthanc, why_not
from peers import SENDER, config, running, send, study, study_uid

from ct_phantoms import chest
from espark.ct.files.volume import read_ct
from espark.ct.regions.plausibility import describe_region
from espark.ct.regions.regions import read_regions, regions_from_masks
from espark.dicom_out.case_result import CaseResult, GivenAnswer, ModelIdentity
from espark.dicom_out.write_objects import CtToSend, write_objects
from espark.node.fetch import fetch
from espark.node.inbox import Inbox
from espark.node.node_config import Listener, Peer, Sender
from espark.node.status import status_lines
from espark.node.watcher import Watcher
from espark.outcome import Outcome
from espark.work.progress import Reporter

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"),
]

PROBABILITY = 0.6180339887498949
QUIET = Reporter("quiet")


@pytest.fixture
def node_port() -> int:
    return free_port()


def _node(port: int) -> dict[str, object]:
    """The node, as the configuration of Orthanc names it."""
    return {"AET": "ESPARK", "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": True}


@pytest.fixture
def pacs(tmp_path: Path, node_port: int) -> Iterator[Orthanc]:
    with orthanc(tmp_path / "orthanc", {"node": _node(node_port)}) as started:
        yield started


def peer(pacs: Orthanc, way: str) -> Peer:
    if way == "web":
        return Peer(name="pacs", results=True, url=pacs.web)
    return Peer(
        name="pacs", results=True, ae_title="ORTHANC", host="127.0.0.1", port=pacs.dicom,
        retrieve="get" if way == "get" else "move",
    )  # fmt: skip


def tumor() -> np.ndarray:
    mask = np.zeros(chest().shape, dtype=bool)
    mask[4:7, 15:21, 17:25] = True
    return mask


def real_objects(images: Path, out: Path, name: str) -> None:
    """Objects of a fixed answer and a fixed region, in place of minutes of prediction."""
    ct = read_ct(images / "CT")
    regions = regions_from_masks(ct, tumor=tumor())
    result = CaseResult(
        name, "a disease", Outcome(), ModelIdentity("espark", "eSPARK", "0", "ab" * 32, "On 10 patients."), "ct", True,
        (), GivenAnswer(PROBABILITY, 0.5, 1, "positive", 0.9), {"tumor": describe_region(ct, regions.mask("tumor"))},
    )  # fmt: skip
    write_objects(out / "dicom", result, ct=CtToSend(images / "CT", ct, regions), slides=(), pdf=b"%PDF-1.4")


@pytest.mark.parametrize("way", ["web", "dimse"])
def test_from_orthanc_to_the_node_and_back(tmp_path: Path, pacs: Orthanc, node_port: int, way: str) -> None:
    for file in study(tmp_path, 1):
        pacs.post("/instances", file.read_bytes())
    listener, sender = Listener(port=node_port), Sender(ae_title="ORTHANC", host="127.0.0.1")
    settings = config(tmp_path / "node", peer(pacs, way), listener=listener, senders=(sender,))
    with running(settings, real_objects):
        (found,) = pacs.get("/studies").json()
        pacs.post("/modalities/node/store", found)
        end = time.monotonic() + 60
        while not pacs.instances(study_uid(1), "SR"):
            assert time.monotonic() < end, "no result came back"
            time.sleep(0.3)
        while not pacs.instances(study_uid(1), "DOC"):
            time.sleep(0.3)
    kinds = {name: pacs.instances(study_uid(1), name) for name in ("CT", "SEG", "SR", "DOC", "OT")}
    assert {name: len(found) for name, found in kinds.items()} == {"CT": 12, "SEG": 1, "SR": 1, "DOC": 1, "OT": 1}
    (tmp_path / "seg.dcm").write_bytes(kinds["SEG"][0])
    regions = read_regions(read_ct(tmp_path / "study-1"), rtstruct=tmp_path / "seg.dcm", tumor_roi="tumor")
    assert np.array_equal(sitk.GetArrayFromImage(regions.mask("tumor")), tumor())
    report = hd.sr.srread(io.BytesIO(kinds["SR"][0])).content
    (answer,) = report.get_image_measurement_groups()
    assert {part.name.value: part.value for part in answer.get_measurements()}["PROBABILITY"] == PROBABILITY
    patients = {pydicom.dcmread(io.BytesIO(content)).PatientID for found in kinds.values() for content in found}
    assert patients == {"P1"}


def test_orthanc_confirms_that_it_keeps_the_results(tmp_path: Path, pacs: Orthanc, node_port: int) -> None:
    confirming = peer(pacs, "get").model_copy(update={"commitment": True})
    listener, sender = Listener(port=node_port), Sender(ae_title="ORTHANC", host="127.0.0.1")
    settings = config(tmp_path / "node", confirming, listener=listener, senders=(sender, SENDER))
    with running(settings, real_objects):
        assert send(node_port, study(tmp_path, 1)) == [0] * 12
        end = time.monotonic() + 60
        while not any(line == "cases: 1 delivered" for line in status_lines(settings)):
            assert time.monotonic() < end, list(status_lines(settings))
            time.sleep(0.3)
    assert len(pacs.instances(study_uid(1), "SEG")) == 1
    assert not list((tmp_path / "node" / "commitments").iterdir())
    log = (tmp_path / "orthanc" / "log").read_text(errors="replace")
    assert "torage commitment" in log


@pytest.mark.parametrize("way", ["web", "get", "move"])
def test_a_list_of_studies_is_fetched(tmp_path: Path, pacs: Orthanc, node_port: int, way: str) -> None:
    files = {number: study(tmp_path, number) for number in (1, 2)}
    for file in (*files[1], *files[2]):
        pacs.post("/instances", file.read_bytes())
    listing = tmp_path / "studies.csv"
    listing.write_text(f"patient_id,study_uid\na,{study_uid(1)}\nb,{study_uid(2)}\nc,1.2.3.4\n")
    listener, sender = Listener(port=node_port), Sender(ae_title="ORTHANC", host="127.0.0.1")
    settings = config(tmp_path / "node", peer(pacs, way), listener=listener, senders=(sender,))
    result = fetch(settings, "pacs", listing, tmp_path / "out", QUIET)
    assert result.fetched == 2 and [item.patient_id for item in result.failed] == ["c"]
    assert result.cohort is not None
    with result.cohort.open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["patient_id"] for row in rows] == ["a", "b"]
    for number, row in enumerate(rows, start=1):
        ct = read_ct(tmp_path / "out" / row["ct"])
        assert np.array_equal(
            sitk.GetArrayFromImage(ct.image), sitk.GetArrayFromImage(read_ct(tmp_path / f"study-{number}").image)
        )
    again = fetch(settings, "pacs", listing, tmp_path / "out", QUIET)
    assert again.fetched == 2 and again.cohort is None


@pytest.mark.parametrize("way", ["web", "move"])
def test_studies_are_fetched_without_names(tmp_path: Path, pacs: Orthanc, node_port: int, way: str) -> None:
    for file in study(tmp_path, 1, AccessionNumber="A-4711"):
        pacs.post("/instances", file.read_bytes())
    listing = tmp_path / "studies.csv"
    listing.write_text(f"patient_id,study_uid\na,{study_uid(1)}\n")
    listener, sender = Listener(port=node_port), Sender(ae_title="ORTHANC", host="127.0.0.1")
    settings = config(tmp_path / "node", peer(pacs, way), listener=listener, senders=(sender,))
    out, key = tmp_path / "out", tmp_path / "key" / "key.json"
    result = fetch(settings, "pacs", listing, out, QUIET, key=key)
    assert result.fetched == 1 and not result.failed and (out / "images" / "a").is_dir()
    content = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert not [one for one in (b"Secret", b"Name1", b"A-4711", study_uid(1).encode()) if one in content]
    assert b"P1" not in content and len(list(out.rglob("*.dcm"))) == 12
    assert [path.name for path in key.parent.iterdir()] == ["key.json"] and study_uid(1) in key.read_text()


def test_new_images_are_looked_for_by_dicomweb(tmp_path: Path, pacs: Orthanc) -> None:
    settings = config(tmp_path / "node", peer(pacs, "web").model_copy(update={"watch": True}))
    inbox = Inbox(settings.folder / "incoming", 1e9)
    watcher = Watcher(settings, inbox, today=lambda: date(2025, 1, 3))
    watcher.look()
    for number, day in ((1, "20250102"), (2, "20240102")):
        for file in study(tmp_path, number, StudyDate=day):
            pacs.post("/instances", file.read_bytes())
    watcher.look()
    assert list(inbox.studies()) == [study_uid(1)] and len(inbox.files(study_uid(1))) == 12
    inbox.remove(study_uid(1), dict.fromkeys(inbox.files(study_uid(1)), "hash"))
    Watcher(settings, inbox, today=lambda: date(2025, 1, 3)).look()  # as after a restart: it knows the series
    assert list(inbox.studies()) == []
