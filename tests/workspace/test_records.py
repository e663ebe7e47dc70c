"""An item counts as done only while its inputs, its settings and what it wrote are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from espark.errors import InputError
from espark.files import write_json, write_text
from espark.workspace.layout import StudyLayout
from espark.workspace.records import ItemStatus, StatusTable, is_done, read_record, read_status, write_record


@pytest.fixture
def layout(tmp_path: Path) -> StudyLayout:
    """A study in which the CT of one patient is prepared."""
    found = StudyLayout(tmp_path)
    artefacts = [found.regions("A-1"), found.patient_radiomics("A-1")]
    for path in artefacts:
        write_text(path, path.name)
    write_record(found, "A-1", "ct", "key", artefacts, volume_ml=12.5)
    return found


def done(layout: StudyLayout, key: str = "key") -> bool:
    return is_done(layout, "A-1", "ct", key)


def test_an_item_is_done_until_its_key_or_an_artefact_changes(layout: StudyLayout) -> None:
    assert done(layout)
    assert not done(layout, "another key")
    write_text(layout.regions("A-1"), "spoilt")
    assert not done(layout)
    write_text(layout.regions("A-1"), "regions.nii.gz")
    assert done(layout), "the content counts, not the time"


def test_a_missing_artefact_or_record_is_not_done(layout: StudyLayout) -> None:
    assert not is_done(layout, "A-1", "slide:a", "key")
    assert not is_done(layout, "A-2", "ct", "key")
    layout.patient_radiomics("A-1").unlink()
    assert not done(layout)
    layout.record("A-1", "ct").write_text("{", encoding="utf-8")
    assert not done(layout)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"key": "key"}', "\xe9\x00"])
def test_a_damaged_record_is_not_done_and_who_needs_it_is_told_what_to_do(layout: StudyLayout, content: str) -> None:
    layout.record("A-1", "ct").write_text(content, encoding="latin-1")
    assert not done(layout)
    with pytest.raises(InputError, match=r"records/A-1/ct\.json: .*Run `espark prepare .*E-STUDY-008"):
        read_record(layout, "A-1", "ct")


def test_a_record_that_was_changed_is_not_believed(layout: StudyLayout) -> None:
    path = layout.record("A-1", "ct")
    path.write_text(path.read_text(encoding="utf-8").replace("12.5", "92.5"), encoding="utf-8")
    assert not done(layout)
    with pytest.raises(InputError, match="changed"):
        read_record(layout, "A-1", "ct")


def test_a_record_of_an_earlier_version_has_no_hash_of_itself(layout: StudyLayout) -> None:
    record = read_record(layout, "A-1", "ct")
    write_json(layout.record("A-1", "ct"), record)
    assert done(layout) and read_record(layout, "A-1", "ct") == record


@pytest.mark.parametrize("spoil", ["", "cut", "columns", "state", "number", "binary"])
def test_a_damaged_status_table_is_written_again_by_prepare_and_named_to_others(tmp_path: Path, spoil: str) -> None:
    layout = StudyLayout(tmp_path)
    StatusTable(layout, [("A-1", "ct")]).put(ItemStatus("A-1", "ct", "done", 1, 0.5))
    text = layout.status.read_text(encoding="utf-8")
    spoilt = {
        "": "", "cut": text[:30], "columns": text.replace("codes", "c0des"), "state": text.replace("done", "dome"),
        "number": text.replace(",1,", ",one,"), "binary": "\x00\xff" * 40,
    }[spoil]  # fmt: skip
    layout.status.write_text(spoilt, encoding="latin-1")
    with pytest.raises(InputError, match=r"status\.csv: .*Run `espark prepare .*E-STUDY-008"):
        read_status(layout)
    again = StatusTable(layout, [("A-1", "ct")])
    again.put(ItemStatus("A-1", "ct", "done", 1, 0.5))
    assert layout.status.read_text(encoding="utf-8") == text


def test_a_study_that_moves_stays_done(layout: StudyLayout, tmp_path: Path) -> None:
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    assert done(StudyLayout(moved))
    record = read_record(StudyLayout(moved), "A-1", "ct")
    assert record is not None and record["volume_ml"] == 12.5


def test_the_table_keeps_what_it_knows_of_items_that_still_exist(tmp_path: Path) -> None:
    layout = StudyLayout(tmp_path)
    items = [("A-1", "ct"), ("A-1", "slide:a"), ("A-2", "ct")]
    table = StatusTable(layout, items)
    table.put(ItemStatus("A-2", "ct", "failed", 2, 3.14159, "the mask is empty"))
    table.put(ItemStatus("A-1", "ct", "done", 1, 0.5))
    again = StatusTable(layout, [("A-2", "ct"), ("A-3", "ct")])
    earlier = again.earlier("A-2", "ct")
    assert earlier is not None and (earlier.state, earlier.attempts) == ("failed", 2)
    assert again.state("A-3", "ct") is None and again.earlier("A-3", "ct") is None
    assert again.state("A-1", "ct") is None
    assert [row.patient_id for row in again.failed] == ["A-2"]
    assert [(row.patient_id, row.item, row.seconds) for row in read_status(layout)] == [
        ("A-1", "ct", 0.5), ("A-2", "ct", 3.14),
    ]  # fmt: skip
    again.write()
    [row] = read_status(layout)
    assert (row.patient_id, row.error) == ("A-2", "the mask is empty")
