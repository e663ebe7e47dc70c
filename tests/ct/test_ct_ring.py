"""The ring around the tumor: its thickness in mm whatever the grid, what it leaves out, and when there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from ct_phantoms import volume
from espark.ct.regions.regions import load_regions, regions_from_masks, write_regions
from espark.ct.regions.ring import TISSUE_HU, peritumoral_ring, with_ring
from espark.errors import RegionError
from espark.notes import Note

SHAPE = (9, 14, 15)
GENTLE = settings(max_examples=25, deadline=None)


def tissue(hu: int = 40) -> np.ndarray:
    return np.full(SHAPE, hu, dtype=np.int16)


def blob(low: tuple[int, int, int], size: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))] = True
    return mask


def ring_of(hu: np.ndarray, tumor: np.ndarray, spacing: tuple[float, float, float], mm: float) -> np.ndarray:
    ct = volume(hu, spacing)
    mask = regions_from_masks(ct, tumor=tumor).mask("tumor")
    return sitk.GetArrayFromImage(peritumoral_ring(ct, mask, mm)) > 0


def distances(tumor: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Distance in mm of every voxel to the nearest of the tumor, by trying them all."""
    millimetres = np.array(spacing)[::-1]
    grid = np.argwhere(np.ones(SHAPE, dtype=bool)) * millimetres
    inside = np.argwhere(tumor) * millimetres
    return np.min([np.linalg.norm(grid - place, axis=1) for place in inside], axis=0).reshape(SHAPE)


@GENTLE
@given(
    spacing=st.tuples(*[st.sampled_from([0.7, 1.0, 1.5, 2.5, 5.0])] * 3),
    mm=st.sampled_from([1.0, 2.5, 5.0, 7.3]),
    low=st.tuples(st.integers(0, 6), st.integers(0, 11), st.integers(0, 12)),
    size=st.tuples(*[st.integers(1, 3)] * 3),
)
def test_thickness_is_in_mm_on_any_grid_and_at_any_border(spacing, mm, low, size) -> None:
    tumor = blob(low, size)
    away = distances(tumor, spacing)
    assert np.array_equal(ring_of(tissue(), tumor, spacing, mm), (away > 0) & (away <= mm + 1e-6))


@GENTLE
@given(seed=st.integers(0, 1000))
def test_ring_is_soft_tissue_outside_the_tumor_and_grows_with_its_thickness(seed: int) -> None:
    generator = np.random.default_rng(seed)
    hu = generator.integers(-1000, 900, SHAPE).astype(np.int16)
    tumor = generator.random(SHAPE) < 0.02
    tumor[4, 7, 7] = True
    thin, thick = (ring_of(hu, tumor, (1.2, 1.2, 2.5), mm) for mm in (3.0, 6.0))
    assert not (thick & tumor).any()
    assert ((hu[thick] >= TISSUE_HU[0]) & (hu[thick] <= TISSUE_HU[1])).all()
    assert (thick | ~thin).all(), "a thicker ring holds the thinner one"


def test_lung_air_and_bone_are_left_out_and_fat_is_not() -> None:
    hu = tissue()
    hu[:, 10:], hu[:, :, :6], hu[:, :, 10:], hu[:, :4] = -100, -850, 700, -1000
    ring = ring_of(hu, blob((4, 6, 6), (1, 2, 2)), (1, 1, 1), 5.0)
    assert not ring[:, :, :6].any()
    assert not ring[:, :, 10:].any()
    assert not ring[:, :4].any()
    assert ring[4, 10, 6]


def test_what_does_not_hang_together_with_the_tumor_is_left_out() -> None:
    hu = tissue(-850)
    hu[3:6, 6:9, 6:9] = 40
    hu[4, 7, 12] = 40  # a vessel of the lung
    ring = ring_of(hu, blob((4, 7, 7), (1, 1, 1)), (1, 1, 1), 6.0)
    assert ring.sum() == 26
    assert not ring[4, 7, 12]


def test_ring_is_a_scale_beside_the_outlined_ones() -> None:
    ct = volume(tissue())
    tumor, esophagus = blob((4, 6, 6), (2, 2, 2)), blob((1, 5, 5), (7, 4, 4))
    regions, notes = with_ring(ct, regions_from_masks(ct, tumor=tumor, esophagus=esophagus), 5.0)
    assert regions.scales == ("tumor", "esophagus", "peritumoral")
    assert notes == ()
    ring = sitk.GetArrayFromImage(regions.mask("peritumoral")) > 0
    assert regions.volume_ml("peritumoral") == pytest.approx(ring.sum() * 1.5 * 1.5 * 3 / 1000)
    assert (ring & esophagus).any(), "the wall above and below the tumor is around it"
    assert np.array_equal(sitk.GetArrayFromImage(regions.mask("tumor")) > 0, tumor)


def test_why_there_is_no_ring_is_said() -> None:
    ct = volume(tissue(-900))
    tumor = regions_from_masks(ct, tumor=blob((4, 6, 6), (2, 2, 2)))
    regions, notes = with_ring(ct, tumor, 5.0)
    assert regions.scales == ("tumor",)
    reason = "There is no ring around the tumor: within 5 mm there is no tissue between -200 and 300 HU."
    assert notes == (Note("N-REGION-007", reason),)
    with pytest.raises(RegionError, match="peritumoral is not known"):
        regions.mask("peritumoral")
    _, notes = with_ring(ct, regions_from_masks(ct, esophagus=blob((1, 5, 5), (7, 4, 4))), 5.0)
    assert notes == (Note("N-REGION-007", "There is no ring around the tumor: the tumor is not known."),)
    assert with_ring(ct, tumor, 0.0) == (tumor, ())


@pytest.mark.parametrize(("slice_", "cut"), [(0, True), (1, False), (7, False), (8, True)])
def test_a_ring_that_the_ct_cuts_off_says_so(slice_: int, cut: bool) -> None:
    ct = volume(tissue(), (1, 1, 3))
    _, notes = with_ring(ct, regions_from_masks(ct, tumor=blob((slice_, 6, 6), (1, 2, 2))), 3.0)
    assert bool(notes) == cut


def test_the_ring_stays_out_of_the_file_of_the_regions(tmp_path: Path) -> None:
    ct = volume(tissue())
    regions, _ = with_ring(ct, regions_from_masks(ct, tumor=blob((4, 6, 6), (2, 2, 2))), 5.0)
    write_regions(tmp_path / "regions.nii.gz", regions)
    loaded = load_regions(tmp_path / "regions.nii.gz", ct)
    assert loaded.scales == ("tumor",)
    again, _ = with_ring(ct, loaded, 5.0)
    assert np.array_equal(
        sitk.GetArrayFromImage(again.mask("peritumoral")), sitk.GetArrayFromImage(regions.mask("peritumoral"))
    )
