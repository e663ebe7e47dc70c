"""The working grid: 3 mm, around the body, the same whatever the order in which a CT is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from espark.ct.files.volume import read_ct
from espark.ct.segmentation.working_grid import SPACING_MM, network_input, working_ct
from espark.errors import ImageError


def body(spacing: tuple[float, float, float] = (1.5, 1.5, 2.0)) -> tuple[sitk.Image, sitk.Image]:
    """An elliptic body of 240 × 150 mm with a vertical rod (radius 12 mm) in it, and a thin table."""
    size = [round(mm / step) for mm, step in zip((330, 300, 160), spacing, strict=True)]
    z, y, x = np.meshgrid(*((np.arange(n) * s for n, s in zip(size[::-1], spacing[::-1], strict=True))), indexing="ij")
    hu = np.full(z.shape, -1000, np.int16)
    hu[((x - 165) / 120) ** 2 + ((y - 130) / 75) ** 2 < 1] = 40
    hu[(y > 270) & (y < 274)] = -100
    rod = np.hypot(x - 180, y - 140) < 12
    images = [sitk.GetImageFromArray(voxels) for voxels in (hu, rod.astype(np.uint8))]
    for image in images:
        image.SetSpacing(spacing)
        image.SetOrigin((-170.0, -120.0, 30.0))
    return images[0], images[1]


@pytest.mark.parametrize("spacing", [(1.5, 1.5, 2.0), (0.9, 0.9, 5.0), (3.0, 3.0, 1.25)])
def test_the_grid_is_the_body_at_3_mm_and_masks_come_back(spacing: tuple[float, float, float]) -> None:
    image, rod = body(spacing)
    grid = working_ct(image)
    assert grid.image.GetSpacing() == (SPACING_MM,) * 3
    depth, height, width = grid.hu.shape
    assert depth == pytest.approx(160 / 3, abs=1.5)
    assert height == pytest.approx(150 / 3 + 4, abs=2.5) and width == pytest.approx(240 / 3 + 4, abs=2.5)
    share = grid.cover(rod)
    truth = sitk.GetArrayFromImage(rod) > 0
    assert share.min() >= 0 and share.max() == pytest.approx(1)
    assert share.sum() * 27 == pytest.approx(truth.sum() * np.prod(spacing), rel=0.02)
    back, jagged = (grid.take_back(part, image) for part in (share, (share >= 0.5).astype(np.float32)))
    dice = [2 * (part & truth).sum() / (part.sum() + truth.sum()) for part in (back, jagged)]
    assert dice[0] > 0.93 and dice[0] >= dice[1] - 0.005, "shares keep the border better than whole voxels"


def test_storage_order_changes_nothing() -> None:
    image, rod = body()
    grid = working_ct(image)
    for code in ("RAI", "SPL"):
        turned = sitk.DICOMOrient(image, code)
        other = working_ct(turned)
        assert np.allclose(other.hu, grid.hu, atol=1e-2)
        assert np.allclose(other.cover(sitk.DICOMOrient(rod, code)), grid.cover(rod), atol=1e-5)
        back = other.take_back(grid.cover(rod), turned)
        assert back.shape == turned.GetSize()[::-1]


def test_air_alone_is_refused() -> None:
    with pytest.raises(ImageError, match="no body"):
        working_ct(sitk.GetImageFromArray(np.full((10, 20, 20), -1000, np.int16)))


def test_windows_lie_between_minus_one_and_one() -> None:
    seen = network_input(torch.tensor([-2000.0, -160.0, 40.0, 240.0, 3000.0]).reshape(1, 1, 1, 5))
    assert seen.shape == (1, 2, 1, 1, 5)
    assert seen[0, 0].ravel().tolist() == [-1, -1, 0, 1, 1]
    assert seen[0, 1].ravel().tolist() == pytest.approx([-1, -0.16, 0.04, 0.24, 1])


def test_a_real_mask_comes_back(data: Path) -> None:
    folder = data / "ct" / "openkbp"
    organs = sitk.ReadImage(str(folder / "train_pt_2_oar.nii.gz")) == 1
    ct = read_ct(folder / "train_pt_2_ct.nii.gz")
    grid = working_ct(ct.image)
    truth = sitk.GetArrayFromImage(organs) > 0
    back = grid.take_back(grid.cover(organs), ct.image)
    assert 2 * (back & truth).sum() / (back.sum() + truth.sum()) > 0.97
