"""`check --pictures`: every patient in pictures before `prepare` and after it, whatever is wrong with one of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from commands import edit, espark
from test_check import change_mask, ids, images

from espark.ct.regions.regions import read_regions, write_regions
from espark.errors import InputProblems
from espark.files import read_json
from espark.steps.check.check import check, examine, update_contact_sheet
from espark.steps.prepare.item import Item, study_items
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace
from espark.workspace.records import write_record
from identity import found_identity
from page_reader import Element, PageReader
from page_rules import RULES

QUIET = Reporter("quiet")
__all__ = ["images"]


def rows(folder: Path) -> dict[str, Element]:
    page = PageReader((folder / "check.html").read_text(encoding="utf-8"))
    return {article.attributes["data-id"] or "": article for article in page.all("article")}


def within(row: Element, tag: str) -> list[Element]:
    found = [row]
    for element in found:
        found += element.children
    return [element for element in found if element.tag == tag]


def outlined(row: Element) -> list[str]:
    return [
        image.attributes["alt"] or "" for image in within(row, "img") if "CT plane" in (image.attributes["alt"] or "")
    ]


def without_masks(folder: Path, patient: str) -> Item:
    """Leave the regions of a patient to the segmenter; returns the CT as an item of `prepare`."""
    edit(folder, patient, tumor_mask="", esophagus_mask="")
    items = study_items(open_workspace(folder))
    return next(item for item in items if (item.patient.patient_id, item.name) == (patient, "ct"))


def test_every_patient_is_shown_with_regions_and_without_paths(images: Path) -> None:
    check(images, pictures=True, reporter=QUIET)
    page = (images / "check.html").read_text(encoding="utf-8")
    for name, rule in RULES.items():
        if name != "numbers and names as a person writes them":  # a note names a column as the user wrote it
            rule(page)
    found = rows(images)
    assert sorted(found) == sorted(ids(images))
    for patient, row in found.items():
        assert outlined(row) == [f"{name} CT plane through the tumor, outlined: tumor, esophagus" for name in
                                 ("axial", "coronal", "sagittal")]  # fmt: skip
        assert len(within(row, "figure")) == 4
        assert re.search(r"\d+ tiles?, before their focus is judged; left out: ", row.text())
        assert f"{patient}.tif" not in page
    assert str(images) not in page and ".dcm" not in page and ".nii" not in page
    assert found_identity(images / "check.html") == set()
    assert len(page) < 25_000 * len(found) + 40_000


def test_the_page_and_the_command_say_the_same_and_another_process_writes_the_same_page(images: Path) -> None:
    first, second, *_ = ids(images)
    change_mask(images, first, "tumor", lambda mask: mask & 0)
    without_masks(images, second)
    said = espark("check", images, "--pictures", "--quiet", "--workers", "1")
    first_page = (images / "check.html").read_bytes()
    result = examine(images, pictures=True, reporter=QUIET)
    assert (images / "check.html").read_bytes() == first_page
    assert said.returncode == 2 and str(images / "check.html") in said.stdout
    for verdict in result.verdicts:
        row = rows(images)[verdict.patient_id]
        assert row.attributes["data-state"] == verdict.state
        for found in (*verdict.problems, *verdict.notes):
            assert found.code in row.text()


def test_a_bad_item_has_a_row_that_says_what_happened(images: Path) -> None:
    broken, inverted, no_mask, shifted, *_ = ids(images)
    for path in (images / "ct" / broken).iterdir():
        path.write_bytes(b"not DICOM")
    (images / "slides" / f"{broken}.tif").write_bytes(b"not a slide")
    change_mask(images, inverted, "tumor", lambda mask: 1 - mask)
    without_masks(images, no_mask)
    edit(images, shifted, tumor_mask="")
    with pytest.raises(InputProblems):
        check(images, pictures=True, reporter=QUIET)
    found = rows(images)
    assert "There is no picture of the CT, because it cannot be used." in found[broken].text()
    assert "there is no picture, because the slide cannot be used" in found[broken].text()
    assert within(found[broken], "img") == []
    assert len(outlined(found[inverted])) == 3 and "given, but refused" in found[inverted].text()
    assert "outlined: tumor" in outlined(found[inverted])[0]
    assert "E-REGION-019" in found[inverted].text()
    assert all(alt.endswith("no region outlined") for alt in outlined(found[no_mask]))
    assert "the segmenter will find the regions" in found[no_mask].text()
    assert "espark prepare will propose it" in found[shifted].text()


def test_regions_that_prepare_found_are_shown_until_the_ct_changes(images: Path) -> None:
    """The record is written by hand: segmenting takes longer than this test may."""
    patient, another, *_ = ids(images)
    files = open_workspace(images).cohort[patient].files
    regions = read_regions(read_patient_ct(files), tumor_mask=files.tumor_mask, esophagus_mask=files.esophagus_mask)
    item = without_masks(images, patient)
    path = item.layout.regions(patient)
    write_regions(path, regions)
    notes = [{"code": "D-REGION-003", "text": "The tumor was found, not drawn."}]
    write_record(item.layout, patient, "ct", item.key(), [path], segmenter="espark-mini-seg", region_notes=notes)
    examine(images, pictures=True, reporter=QUIET)
    row = rows(images)[patient]
    assert "outlined: tumor, esophagus" in outlined(row)[0]
    assert "found by espark-mini-seg, as prepared" in row.text() and "D-REGION-003" in row.text()
    assert row.attributes["data-state"] == "doubted" and "N-REGION-009" not in row.text()
    shutil.rmtree(images / "ct" / patient)
    shutil.copytree(images / "ct" / another, images / "ct" / patient)
    examine(images, pictures=True, reporter=QUIET)
    assert all(alt.endswith("no region outlined") for alt in outlined(rows(images)[patient]))


def test_a_run_writes_the_page_once_and_shows_what_was_used(study: Path) -> None:
    page = study / "check.html"
    before = page.stat().st_mtime_ns
    assert "as prepared" in page.read_text(encoding="utf-8") and "tiles used" in page.read_text(encoding="utf-8")
    workspace = open_workspace(study)
    update_contact_sheet(workspace, reporter=QUIET)
    assert page.stat().st_mtime_ns == before
    assert read_json(study / "manifest.json")["steps"]["pictures"]["state"] == "done"
    page.write_text("changed", encoding="utf-8")
    update_contact_sheet(workspace, reporter=QUIET)
    assert len(rows(study)) == len(workspace.cohort.used)
