"""Corrections are versions: nothing is overwritten, two people cannot lose each other's work, the study uses one."""

from __future__ import annotations

import numpy as np
import pytest
from small_study import SIZE, Browser

from espark.errors import RegionError
from espark.steps.prepare.item import study_items
from espark.steps.prepare.patient_ct import read_ct_and_regions
from espark.workspace.opened import open_workspace


def labels(k: int) -> np.ndarray:
    """Tumor in one slice, esophagus around it."""
    found = np.zeros(SIZE[::-1], np.uint8)
    found[k - 2 : k + 3, 12:20, 14:22] = 1
    found[k - 1 : k + 2, 13:19, 15:21] = 2
    return found


def test_a_new_version_never_replaces_an_older_one(browser: Browser) -> None:
    first = browser.save_regions(labels(4), based_on=0).json()
    before = (browser.folder / "corrections" / "P-1" / "v0001.nii.gz").read_bytes()
    second = browser.save_regions(labels(6), based_on=1).json()
    assert (first["version"], second["version"], second["based_on"]) == (1, 2, 1)
    assert second["person"] == "Dr. A"
    assert (browser.folder / "corrections" / "P-1" / "v0001.nii.gz").read_bytes() == before
    assert [one["version"] for one in browser.client.get("/api/cases/P-1/versions").json()] == [0, 1, 2]


def test_the_second_of_two_people_sees_a_conflict(browser: Browser) -> None:
    other = browser.another()
    assert browser.save_regions(labels(4), based_on=0).status_code == 200
    refused = other.save_regions(labels(6), based_on=0)
    assert refused.status_code == 409
    assert "Dr. A saved version 1" in refused.json()["detail"]
    assert not (browser.folder / "corrections" / "P-1" / "v0002.nii.gz").exists()


def test_a_version_from_the_future_is_refused(browser: Browser) -> None:
    assert browser.save_regions(labels(4), based_on=7).status_code == 409


def test_without_a_name_nothing_is_saved(browser: Browser) -> None:
    browser.put("/api/session", {"person": "  "})
    assert browser.save_regions(labels(4), based_on=0).status_code == 422


def test_the_study_uses_the_accepted_version_and_only_then(browser: Browser) -> None:
    def key() -> str:
        return next(item.key() for item in study_items(open_workspace(browser.folder)) if item.name == "ct")

    original = key()
    browser.save_regions(labels(4), based_on=0)
    assert key() == original
    assert browser.put("/api/cases/P-1/accepted", {"version": 1}).status_code == 200
    assert key() != original
    patient = open_workspace(browser.folder).cohort["P-1"]
    regions = read_ct_and_regions(patient.files).regions
    voxel_ml = np.prod(regions.labels.GetSpacing()) / 1000
    assert np.isclose(regions.volume_ml("tumor"), 108 * voxel_ml)
    assert np.isclose(regions.volume_ml("esophagus"), 320 * voxel_ml)
    browser.put("/api/cases/P-1/accepted", {"version": 0})
    assert key() == original


def test_rejected_regions_are_not_used_until_a_version_is_accepted(browser: Browser) -> None:
    browser.put("/api/session", {"person": "A. Reader"})
    first, *_ = browser.put("/api/cases/P-1/rejected", {}).json()
    assert (first["accepted"], first["rejected_by"]) == (False, "A. Reader")
    with pytest.raises(RegionError, match=r"A\. Reader rejected the regions"):
        read_ct_and_regions(open_workspace(browser.folder).cohort["P-1"].files)
    first, *_ = browser.put("/api/cases/P-1/accepted", {"version": 0}).json()
    assert (first["accepted"], first["rejected_by"]) == (True, "")
    assert not open_workspace(browser.folder).cohort["P-1"].files.rejected_by


def test_a_version_that_does_not_exist_cannot_be_accepted(browser: Browser) -> None:
    assert browser.put("/api/cases/P-1/accepted", {"version": 3}).status_code == 422


def test_polygons_on_a_slide_are_versions_too(browser: Browser) -> None:
    corners = [[0, 0], [100, 0], [100, 100]]
    for version in (1, 2):
        saved = browser.put("/api/cases/P-1/slides/1/polygons", [{"kind": "out", "points": corners}]).json()
        assert saved["version"] == version
    assert len(list((browser.folder / "corrections" / "P-1").glob("slide-1-v*.json"))) == 2
