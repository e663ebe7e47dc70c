"""Small pictures: outlines, scale and window are those of the image, whatever the shape of its voxels."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from espark.ct.hounsfield import CtVolume
from espark.ct.preview import three_planes
from espark.ct.regions.regions import Regions, regions_from_masks
from espark.plots.ct.plane_picture import plane_pictures
from espark.plots.slides.slide_picture import slide_picture
from espark.plots.small_picture import SmallPicture, outline, scale_bar

RADIUS_MM = 30.0


def ball(spacing: tuple[float, float, float], *, at_mm: tuple[float, float, float] = (0, 0, 0)) -> CtVolume:
    """A body of water, 240 mm wide, in air, with a ball of 40 HU as tumor."""
    size = [round(300 / mm) for mm in spacing]
    axes = [(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(size, spacing, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    hu = np.full(size, -1000, dtype=np.int16)
    hu[(np.abs(x) < 120) & (np.abs(y) < 120) & (np.abs(z) < 120)] = 0
    inside = (x - at_mm[0]) ** 2 + (y - at_mm[1]) ** 2 + (z - at_mm[2]) ** 2 < RADIUS_MM**2
    hu[inside] = 40
    image = sitk.GetImageFromArray(hu.transpose(2, 1, 0))
    image.SetSpacing(spacing)
    return CtVolume(image=image, source="nifti")


def tumor_of(ct: CtVolume) -> Regions:
    return regions_from_masks(ct, tumor=sitk.GetArrayFromImage(ct.image) == 40)


def corners(picture: SmallPicture) -> np.ndarray:
    (line,) = picture.outlines
    return np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", line.path), dtype=float)


def mm_per_px(picture: SmallPicture) -> float:
    number, unit = picture.bar_text.split()
    return float(number) * {"mm": 1, "cm": 10}[unit] / picture.bar_px


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 5.0), (2.0, 2.0, 3.0)])
def test_a_ball_is_round_and_has_its_size_in_every_plane(spacing: tuple[float, float, float]) -> None:
    ct = ball(spacing)
    pictures = plane_pictures(three_planes(ct, tumor_of(ct)))
    assert [picture.sides for picture in pictures] == [tuple("RLAP"), tuple("RLHF"), tuple("APHF")]
    for picture in pictures:
        width, height = np.ptp(corners(picture), axis=0) * mm_per_px(picture)
        assert width == pytest.approx(2 * RADIUS_MM, abs=2 * spacing[0] + 1)
        assert height == pytest.approx(2 * RADIUS_MM, abs=1.2 * max(spacing) + 1)
        assert picture.crossing == pytest.approx(corners(picture).mean(axis=0), abs=5)
    assert len({round(mm_per_px(picture), 6) for picture in pictures}) == 1


def test_shades_follow_the_soft_tissue_window() -> None:
    ct = ball((1.5, 1.5, 1.5))
    axial = plane_pictures(three_planes(ct, tumor_of(ct)))[0]
    pixels = np.asarray(Image.open(io.BytesIO(axial.webp)).convert("L")).astype(int)
    assert pixels.shape == (axial.height, axial.width)
    middle = pixels[axial.height // 2, axial.width // 2]
    assert middle == pytest.approx(255 * 200 / 400, abs=6)  # 40 HU is the level
    assert pixels[axial.height // 2, 12] == pytest.approx(255 * 160 / 400, abs=8)  # water
    assert pixels[1, 1] <= 6  # air


def test_only_body_and_regions_are_shown_and_a_region_outside_of_the_body_is_one_of_them() -> None:
    inside, outside = ball((2, 2, 2)), ball((2, 2, 2), at_mm=(110, -110, 0))
    shown = [plane_pictures(three_planes(ct, tumor_of(ct)))[0] for ct in (inside, outside)]
    width, height = ((p.width * mm_per_px(p), p.height * mm_per_px(p)) for p in shown)
    assert width == pytest.approx((252, 252), abs=5)
    assert height == pytest.approx((272, 272), abs=5)
    assert (corners(shown[1]) >= 0).all()


def test_the_pictures_of_a_ct_have_a_bounded_number_of_pixels() -> None:
    for spacing in ((0.7, 0.7, 1.0), (2.0, 2.0, 5.0)):
        ct = ball(spacing)
        pictures = plane_pictures(three_planes(ct, None))
        assert sum(picture.width * picture.height for picture in pictures) < 82_000
        assert not any(picture.outlines for picture in pictures)


def test_the_area_within_an_outline_is_that_of_its_mask() -> None:
    mask = np.zeros((40, 60), dtype=bool)
    mask[10:30, 0:25] = True  # up to the edge
    mask[5:8, 40:45] = True
    line = outline(mask, "esophagus", 2.0)
    areas = []
    for piece in line.path.split("M")[1:]:
        points = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", piece), dtype=float)
        following = np.roll(points, -1, axis=0)
        areas.append(abs((points[:, 0] * following[:, 1] - points[:, 1] * following[:, 0]).sum()) / 2)
    assert sorted(areas) == pytest.approx([15 * 4, 500 * 4], rel=0.05)
    assert len(outline(np.indices((200, 200)).sum(axis=0) % 2 == 0, "tumor", 1.0).path) < 20_000


def test_a_slide_shows_what_is_used_and_what_is_left_out() -> None:
    thumbnail = np.full((100, 200, 3), 240, dtype=np.uint8)
    thumbnail[20:80, 20:180] = (200, 120, 180)
    used, left_out = np.array([[40, 40, 40, 40]]), np.array([[120, 40, 40, 40]])
    drawn = slide_picture(thumbnail, used, left_out, ("pen",), um_per_px=100.0)
    pixels = np.asarray(Image.open(io.BytesIO(drawn.webp))).astype(int)
    assert pixels[60, 60] == pytest.approx([200, 120, 180], abs=12)
    assert pixels[60, 140] != pytest.approx([200, 120, 180], abs=30)  # vermillion
    assert pixels[60, 100].min() > 180  # tissue that no tile covers is pale
    assert (drawn.width, drawn.height, drawn.bar_text) == (200, 100, "5 mm")
    plain = slide_picture(thumbnail, np.zeros((0, 4)), np.zeros((0, 4)), (), um_per_px=100.0)
    assert np.asarray(Image.open(io.BytesIO(plain.webp))).astype(int)[60, 100] == pytest.approx([200, 120, 180], abs=12)


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("mm", [0.01, 0.8, 2.0])
def test_a_bar_is_a_round_length_within_a_quarter_of_the_picture(width: int, mm: float) -> None:
    pixels, text = scale_bar(width, mm)
    number, unit = text.split()
    assert float(number) * {"mm": 1, "cm": 10}[unit] == pytest.approx(pixels * mm)
    assert width / 10 - 1 <= pixels <= width / 4 + 1e-9
