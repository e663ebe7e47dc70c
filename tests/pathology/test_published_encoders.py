"""The published encoders: facts, steps, and a download that only the user can ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from espark.errors import EncoderError
from espark.pathology.encoders.catalogue import ENCODERS
from espark.pathology.encoders.published import PUBLISHED, fetch_steps, find_published, terms
from espark.steps.fetch_encoder import fetch_encoder


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_names_its_license_and_how_it_is_used(name: str) -> None:
    entry = find_published(name)
    assert entry.license in terms(entry)
    assert f"hf download {entry.hub}" in fetch_steps(entry, "folder")
    assert ("Ask for access" in fetch_steps(entry, "folder")) == entry.gated
    if entry.entry:
        assert ENCODERS[entry.entry].text == (entry.cells == "words")
    else:
        assert "plug-in" in fetch_steps(entry, "folder")


def test_the_table_of_the_docs_names_all_of_them() -> None:
    text = (Path(__file__).parents[2] / "docs" / "encoders.md").read_text(encoding="utf-8")
    for entry in PUBLISHED.values():
        [row] = [line for line in text.splitlines() if line.startswith(f"| `{entry.name}` | [")]
        assert entry.hub in row and entry.license in row


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(EncoderError, match="Did you mean uni2"):
        find_published("uni")


def test_offline_nothing_is_tried_and_the_steps_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EncoderError, match="hf download owkin/phikon-v2"):
        fetch_encoder(PUBLISHED["phikon-v2"], tmp_path / "phikon")
    assert not (tmp_path / "phikon").exists()


def test_a_model_on_request_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")

    class Refused(OSError):
        pass

    def refuse(*_: object, **__: object) -> None:
        raise Refused("403")

    monkeypatch.setattr(hub, "snapshot_download", refuse)
    monkeypatch.setattr("huggingface_hub.errors.GatedRepoError", Refused)
    with pytest.raises(EncoderError, match=r"(?s)given on request.*Ask for access on"):
        fetch_encoder(PUBLISHED["uni2"], tmp_path)


def test_only_files_that_espark_reads_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    asked = {}
    monkeypatch.setattr(hub, "snapshot_download", lambda name, **options: asked.update(name=name, **options))
    fetch_encoder(PUBLISHED["quiltnet"], tmp_path)
    assert asked["name"] == "wisdomik/QuiltNet-B-32" and asked["local_dir"] == tmp_path
    assert "*.py" in asked["ignore_patterns"]
