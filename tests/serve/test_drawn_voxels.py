"""A painted voxel lands on the same voxel of the saved mask, whatever the axes of the CT are."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from small_study import Browser, make_study, oblique_ct, open_browser, saved_labels, turned

AXES = {
    "straight": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "flipped": (-1, 0, 0, 0, -1, 0, 0, 0, -1),
    "coronal slices": (1, 0, 0, 0, 0, 1, 0, -1, 0),
    "sagittal slices": (0, 0, 1, 1, 0, 0, 0, 1, 0),
    "oblique and flipped": turned(12),
    "gantry turned": turned(-35),
}
HALF_VOXEL_MM = 0.05


def shown(browser: Browser) -> tuple[np.ndarray, tuple[int, ...]]:
    """Matrix from the voxel that the browser shows to mm, and the size."""
    geometry = browser.client.get("/api/cases/P-1/ct/geometry").json()
    return np.array(geometry["matrix"]).reshape(4, 4), tuple(geometry["size"])


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_a_painted_voxel_lands_where_it_was_painted(tmp_path: Path, axes: tuple[float, ...]) -> None:
    browser = open_browser(make_study(tmp_path / "study", oblique_ct(axes)))
    matrix, size = shown(browser)
    labels = np.zeros(size[::-1], np.uint8)
    tumor, esophagus = (3, 5, 7), tuple(n - 3 for n in size)
    labels[tumor[::-1]], labels[esophagus[::-1]] = 2, 1
    assert browser.save_regions(labels, based_on=0).status_code == 200
    saved = saved_labels(browser.folder, 1)
    for voxel, label in ((tumor, 2), (esophagus, 1)):
        point = (matrix @ [*voxel, 1])[:3]
        index = saved.TransformPhysicalPointToIndex(point.tolist())
        assert saved[index] == label
        assert np.linalg.norm(np.array(saved.TransformIndexToPhysicalPoint(index)) - point) < HALF_VOXEL_MM
    assert int((sitk.GetArrayFromImage(saved) > 0).sum()) == 2
    ct = sitk.ReadImage(str(browser.folder / "ct" / "a.nii.gz"))
    assert saved.GetSize() == ct.GetSize()
    assert np.allclose(saved.GetDirection(), ct.GetDirection(), atol=1e-5)


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_the_browser_shows_right_front_and_feet_first(tmp_path: Path, axes: tuple[float, ...]) -> None:
    """So R is on the left of an axial plane, A at its top, and H at the top of a coronal plane."""
    matrix, _ = shown(open_browser(make_study(tmp_path / "study", oblique_ct(axes))))
    assert (np.argmax(np.abs(matrix[:3, :3]), axis=0) == [0, 1, 2]).all()
    assert (np.diagonal(matrix)[:3] > 0).all()


def test_each_slice_holds_the_values_of_the_file(browser: Browser) -> None:
    matrix, (nx, ny, nz) = shown(browser)
    ct = sitk.ReadImage(str(browser.folder / "ct" / "a.nii.gz"))
    content = browser.client.get("/api/cases/P-1/ct/slices", params={"first": 4, "count": 2}).content
    voxels = np.frombuffer(content, "<i2").reshape(2, ny, nx)
    for i, j, k in itertools.product((0, 7, nx - 1), (0, 11, ny - 1), (0, 1)):
        index = ct.TransformPhysicalPointToIndex((matrix @ [i, j, 4 + k, 1])[:3].tolist())
        assert voxels[k, j, i] == ct[index]
    assert nz == 12


def test_the_prepared_regions_come_back_unchanged_when_they_are_saved(browser: Browser) -> None:
    response = browser.client.get("/api/cases/P-1/regions/0")
    first, size = (tuple(map(int, response.headers[name].split(","))) for name in ("x-first", "x-size"))
    labels = np.frombuffer(response.content, np.uint8).reshape(size[::-1])
    assert browser.save_regions(labels, based_on=0, first=first).status_code == 200
    prepared = sitk.ReadImage(str(browser.folder / "prepared" / "ct" / "P-1" / "regions.nii.gz"))
    assert (sitk.GetArrayFromImage(saved_labels(browser.folder, 1)) == sitk.GetArrayFromImage(prepared)).all()
