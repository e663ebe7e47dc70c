"""The commands of the network, as far as they need no network."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("pynetdicom")

from espark.cli.app import app
from espark.errors import DicomError
from espark.node.fetch import read_wanted
from espark.node.node_config import Delivery
from espark.node.outbox import Outbox, Parcel


@pytest.fixture
def node_toml(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text('folder = "state"\nmodel = "m"\n[[peers]]\nname = "pacs"\nurl = "http://127.0.0.1:9"\n')
    return path


def test_status_lists_what_is_dead_and_retry_revives_it(node_toml: Path) -> None:
    outbox = Outbox(node_toml.parent / "state", Delivery())
    outbox.put(Parcel("case", "1.2.3", "pacs", ("a", "b"), ("b",), "dead", 100, 0.0, "pacs did not answer"))
    said = CliRunner().invoke(app, ["node", "--config", str(node_toml), "--status"]).stdout
    assert "parcels: 1 dead" in said
    assert "dead: study 1.2.3 for pacs: 100 attempts, 1 of 2 objects left: pacs did not answer" in said
    said = CliRunner().invoke(app, ["node", "--config", str(node_toml), "--status", "--retry"]).stdout
    assert "queued again: 1" in said and "parcels: 1 waiting" in said


def test_fetch_needs_a_peer_that_node_toml_names(node_toml: Path, tmp_path: Path) -> None:
    listing = tmp_path / "studies.csv"
    listing.write_text("patient_id,study_uid\na,1.2\n")
    given = ["fetch", "other", "--config", str(node_toml), "--studies", str(listing), "--out", str(tmp_path / "out")]
    error = CliRunner().invoke(app, given).exception
    assert isinstance(error, DicomError) and "one of: pacs" in str(error)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("a,1.2,\na,1.3,\n", "appears twice"),
        ("a,1.2,77\n", "line 2"),
        ("a,,\n", "line 2"),
        ("a,1.2,\n../b,1.3,\n", "line 3"),
        ("", "empty"),
    ],
)
def test_a_list_that_cannot_be_used(tmp_path: Path, rows: str, found: str) -> None:
    path = tmp_path / "studies.csv"
    path.write_text("patient_id,study_uid,accession_number\n" + rows)
    with pytest.raises(DicomError, match=found):
        read_wanted(path)
