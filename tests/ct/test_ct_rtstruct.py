"""Contours to voxels."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ct_phantoms import FRAME, SeriesSpec, chest, volume, write_rtstruct, write_series
from espark.ct.files.volume import CtVolume, read_ct
from espark.ct.regions.polygons import draw_lines, fill_even_odd
from espark.ct.regions.rtstruct import read_rtstruct_roi, rtstruct_roi_names, rtstruct_series_uid
from espark.errors import RegionError


def circle(x: float, y: float, radius: float, points: int = 200) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack((x + radius * np.cos(angle), y + radius * np.sin(angle)), axis=1)


def at(points: np.ndarray, z: float) -> np.ndarray:
    return np.column_stack((points, np.full(len(points), z)))


def filled(mask: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(mask) > 0


def test_gtv_of_a_real_patient(data: Path) -> None:
    ct = read_ct(data / "ct/lung1-001/image")
    path = data / "ct/lung1-001/rtstruct/1-1.dcm"
    assert rtstruct_roi_names(path) == ["GTV-1", "Spinal-Cord", "Lung-Left", "Lung-Right"]
    assert rtstruct_series_uid(path) == ct.series_uid
    voxel_ml = np.prod(ct.spacing_mm) / 1000
    mask = read_rtstruct_roi(path, "GTV-1", ct).mask
    assert mask.GetPixelID() == sitk.sitkUInt8
    # the area of the polygons themselves, by the shoelace formula, times the slice distance
    assert filled(mask).sum() * voxel_ml == pytest.approx(156.346, rel=0.002)
    with_line = filled(read_rtstruct_roi(path, "GTV-1", ct, outline="line").mask).sum() * voxel_ml
    assert with_line == pytest.approx(162.15, rel=0.002)
    lungs = filled(read_rtstruct_roi(path, "Lung-Right", ct).mask)
    assert np.median(sitk.GetArrayViewFromImage(ct.image)[lungs]) < -700


def test_area_of_a_ring_with_a_hole() -> None:
    outer, inner = circle(60.3, 50.7, 40), circle(66.1, 48.2, 15)
    area = fill_even_odd([outer, inner], (110, 120)).sum()
    assert area == pytest.approx(np.pi * (40**2 - 15**2), rel=0.005)


def test_two_ways_to_draw_a_hole_agree() -> None:
    outer, inner = circle(30.3, 30.7, 20), circle(31, 29, 8)
    keyhole = np.concatenate((outer, outer[:1], inner[::-1][-1:], inner[::-1], outer[:1]))
    apart, joined = fill_even_odd([outer, inner], (60, 60)), fill_even_odd([keyhole], (60, 60))
    assert (apart != joined).sum() == 0


def test_neighbors_share_no_pixel_and_leave_none_out() -> None:
    generator = np.random.default_rng(3)
    apex, corners = generator.uniform(10, 40, 2), np.array([[0, 0], [50, 0], [50, 50], [0, 50]])
    parts = [fill_even_odd([np.array([apex, corners[i], corners[(i + 1) % 4]])], (50, 50)) for i in range(4)]
    assert np.array_equal(np.sum(parts, axis=0), np.ones((50, 50)))


def test_polygons_may_reach_over_the_border() -> None:
    assert fill_even_odd([circle(5, 5, 200)], (20, 30)).all()
    assert not fill_even_odd([circle(-50, 5, 20)], (20, 30)).any()
    assert not draw_lines([circle(5, 5, 200)], (20, 30)).any()


def test_lines_against_a_fine_walk_along_them() -> None:
    polygon = circle(14.2, 11.9, 9.3, points=17)
    closed = np.concatenate((polygon, polygon[:1]))
    walk = np.concatenate([np.linspace(a, b, 5000) for a, b in itertools.pairwise(closed)])
    passed = np.zeros((24, 30), dtype=bool)
    deep = np.abs(walk - np.rint(walk)).max(axis=1) < 0.25
    passed[tuple(np.rint(walk[deep]).astype(int).T[::-1])] = True
    drawn = draw_lines([polygon], (24, 30))
    assert not (passed & ~drawn).any()
    assert drawn.sum() < 1.5 * passed.sum()


@pytest.mark.parametrize("through", ["borders", "centers"])
def test_a_mask_survives_the_way_through_contours(tmp_path: Path, through: str) -> None:
    """Outlines traced along the borders of voxels, or through the centers of the outermost ones, come back exactly."""
    ct = volume(chest(), spacing=(1.5, 1.25, 3.0))
    mask = np.zeros(ct.size[::-1], dtype=bool)
    mask[3:8, 10:20, 12:27] = True
    mask[3:8, 20:24, 15:18] = True
    corners = np.array([(12, 10), (26, 10), (26, 19), (17, 19), (17, 23), (15, 23), (15, 19), (12, 19)], dtype=float)
    if through == "borders":
        corners += np.array([(-1, -1), (1, -1), (1, 1), (1, 1), (1, 1), (-1, 1), (-1, 1), (-1, 1)]) / 2
    polygons = [at(corners, z) * ct.spacing_mm + ct.image.GetOrigin() for z in range(3, 8)]
    path = write_rtstruct(tmp_path / "rt.dcm", {"tumor": polygons})
    assert np.array_equal(filled(read_rtstruct_roi(path, "tumor", ct).mask), mask)


def test_contours_follow_an_oblique_ct(tmp_path: Path) -> None:
    """A sphere's contours, written in patient coordinates, enclose the same voxels as its formula."""
    tilt = np.deg2rad(20)
    orientation = (1, 0, 0, 0, float(np.cos(tilt)), float(np.sin(tilt)))
    write_series(tmp_path / "ct", chest(), SeriesSpec(orientation=orientation))
    ct = read_ct(tmp_path / "ct")
    center = np.array(ct.image.TransformContinuousIndexToPhysicalPoint((20.3, 17.6, 6.0)))
    polygons = []
    for k in range(12):
        radius = np.sqrt(max(12.0**2 - ((k - 6) * 3.0) ** 2, 0))
        flat = circle(20.3 * 1.25, 17.6 * 1.5, radius) / (1.25, 1.5)
        if radius:
            polygons.append(
                np.array([ct.image.TransformContinuousIndexToPhysicalPoint((x, y, k)) for x, y in flat.tolist()])
            )
    path = write_rtstruct(tmp_path / "rt.dcm", {"ball": polygons})
    found = filled(read_rtstruct_roi(path, "ball", ct).mask)
    index = np.argwhere(np.ones_like(found))[:, ::-1]
    points = np.array([ct.image.TransformIndexToPhysicalPoint(i) for i in index.tolist()])
    expected = (np.linalg.norm(points - center, axis=1) < 12).reshape(found.shape)
    assert (found != expected).sum() <= 3


def _discs(planes: list[float]) -> dict[str, list[np.ndarray]]:
    return {"tumor": [at(circle(0, 0, 12), z) for z in planes]}


@pytest.mark.parametrize(
    ("planes", "slices", "codes"),
    [
        ([-9, -6, -3], [3, 4, 5], []),
        ([-9.02, -5.99, -3.01], [3, 4, 5], []),  # rounded
        ([-10.5, -7.5, -4.5], [2, 3, 4], []),  # between the slices
        ([-12, -6, 0], [1, 2, 3, 4, 5, 6], ["N-REGION-013"]),  # on every second slice
        ([-9, -8, -7, -6, -5, -4, -3], [3, 4, 5], ["N-REGION-014"]),  # finer than the CT
        ([-9, -6, 3, 6], [3, 4, 5, 6, 7, 8], ["N-REGION-012"]),  # two planes are missing
        ([-9, -6, 6, 9], [3, 4, 8, 9], ["D-REGION-003"]),  # a wide gap stays a gap
        ([-9, -6.4, -6, -3], [3, 4, 5], ["N-REGION-016", "N-REGION-010"]),  # one of them is stored twice, 0.4 mm apart
        ([-24, -21, -18, -15], [0, 1], ["D-REGION-002"]),  # half outside
    ],
)
def test_planes_of_contours_find_their_slices(
    tmp_path: Path, planes: list[float], slices: list[int], codes: list[str]
) -> None:
    ct = volume(chest())  # slices at -18, -15, …, 15 mm
    path = write_rtstruct(tmp_path / "rt.dcm", _discs(planes))
    found = read_rtstruct_roi(path, "tumor", ct)
    assert np.flatnonzero(filled(found.mask).any(axis=(1, 2))).tolist() == slices
    assert [note.code for note in found.notes] == codes


def _ct(frame: str | None = FRAME) -> CtVolume:
    return CtVolume(image=volume(chest()).image, source="dicom", frame_of_reference=frame)


@pytest.mark.parametrize(
    ("name", "contours", "frame", "message"),
    [
        (
            "Tumour",
            _discs([0]),
            FRAME,
            r"no region Tumour\. Expected: one of: 1 tumor \(1\.\d+ ml\)\. Did you mean tumor\?",
        ),
        ("xyz", _discs([0]), FRAME, r"no region xyz\. Expected: one of: 1 tumor \(1\.\d+ ml\)"),
        ("tumor", _discs([0]), "1.2.3", "a different frame of reference"),
        ("tumor", _discs([300]), FRAME, "enclose no voxel of the CT"),
        ("tumor", {"tumor": []}, FRAME, "no closed contours"),
        ("tumor", {"tumor": [circle(0, 0, 12)[:, [0, 0, 1]]]}, FRAME, "does not lie in the plane"),
    ],
)
def test_regions_that_do_not_fit(
    tmp_path: Path, name: str, contours: dict[str, list[np.ndarray]], frame: str, message: str
) -> None:
    path = write_rtstruct(tmp_path / "rt.dcm", contours, frame=frame)
    with pytest.raises(RegionError, match=message):
        read_rtstruct_roi(path, name, _ct())


def test_files_that_are_no_contours(tmp_path: Path) -> None:
    paths = write_series(tmp_path, chest())
    with pytest.raises(RegionError, match="no contours"):
        rtstruct_roi_names(paths[0])
    (tmp_path / "x").write_text("x")
    with pytest.raises(RegionError, match="damaged or unusual"):
        rtstruct_roi_names(tmp_path / "x")
    with pytest.raises(RegionError, match="missing"):
        rtstruct_roi_names(tmp_path / "nowhere")


def test_without_a_frame_of_reference_the_place_decides(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rt.dcm", _discs([0]))
    assert filled(read_rtstruct_roi(path, "tumor", _ct(frame=None)).mask).any()
