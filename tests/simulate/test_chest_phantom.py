"""The chest: organs at their place with their attenuation, and the scanner's blur and noise."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from espark.simulate.chest.body import make_canvas, spine_x, spine_y
from espark.simulate.chest.canvas import Canvas, Ellipsoid, Tube
from espark.simulate.chest.mediastinum import trachea_distance
from espark.simulate.chest.phantom import Anatomy, Scan, draw_anatomy, paint_chest, simulate_ct
from espark.simulate.chest.reader import draw_masks
from espark.simulate.chest.scanner import acquire
from espark.simulate.people.biology import NAMES, to_units
from espark.simulate.people.centers import CENTERS, PHASES
from espark.simulate.people.clinical_columns import Person

MAN = Person(age=63, female=False, location="middle", body_mass_index=23.0)
PIXEL_MM = 1.6


def _tumor(**latents: float):
    z = np.zeros(len(NAMES))
    for name, value in latents.items():
        z[NAMES.index(name)] = value
    return to_units(z)


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return draw_anatomy(_tumor(), MAN, np.random.default_rng(11))


@pytest.fixture(scope="module")
def painted(anatomy: Anatomy) -> Canvas:
    """A noiseless chest in venous phase: coordinates are known, so organs can be found by their own shape."""
    half = np.arange(-100, 101, dtype=np.float32) * PIXEL_MM
    heights = np.arange(-180.0, 120.0, 5.0, dtype=np.float32)
    canvas = make_canvas(anatomy.body, half, half, heights, edge_mm=PIXEL_MM)
    paint_chest(canvas, anatomy, PHASES["venous"])
    return canvas


def _inside_tube(canvas: Canvas, tube: Tube, depth_mm: float) -> np.ndarray:
    values = [patch.hu[distance < -depth_mm] for patch, distance in tube.patches(canvas)]
    return np.concatenate(values)


def _inside_ellipsoid(canvas: Canvas, shape: Ellipsoid, depth_mm: float) -> np.ndarray:
    patch = shape.patch(canvas)
    assert patch is not None
    return patch.hu[shape.distance(patch) < -depth_mm]


def test_organs_have_their_attenuation(painted: Canvas, anatomy: Anatomy) -> None:
    phase = PHASES["venous"]
    assert np.median(_inside_tube(painted, anatomy.mediastinum.aorta, 5.0)) == pytest.approx(phase.aorta, abs=5)
    for vessel in anatomy.mediastinum.vessels[:2]:
        assert np.median(_inside_tube(painted, vessel.tube, 4.0)) == pytest.approx(phase.pulmonary, abs=8)
    liver = np.concatenate([_inside_ellipsoid(painted, part, 25.0) for part in anatomy.abdomen.liver[:1]])
    assert np.median(liver) == pytest.approx(phase.liver - anatomy.abdomen.liver_fat, abs=12)
    spleen = _inside_ellipsoid(painted, anatomy.abdomen.spleen, 8.0)
    assert np.median(spleen) == pytest.approx(phase.spleen, abs=15)
    ventricle = anatomy.mediastinum.heart[2][0]
    assert np.median(_inside_ellipsoid(painted, ventricle, 4.0)) == pytest.approx(phase.aorta, abs=10)


def test_air_fat_muscle_bone(painted: Canvas, anatomy: Anatomy) -> None:
    x, y, z = painted.x, painted.y, np.broadcast_to(painted.z, painted.x.shape)
    body = anatomy.body
    trachea = painted.hu[(trachea_distance(x, y, painted.z) < -3) & (z > 5)]
    assert np.percentile(trachea, 90) < -950
    lung = painted.hu[(np.abs(np.abs(x) - 85) < 15) & (np.abs(y) < 30) & (np.abs(z + 20) < 25)]
    assert -900 < np.median(lung) < -700
    from_spine = y - spine_y(body, painted.z)
    beside = np.abs(x - spine_x(body, painted.z))
    vertebra = painted.hu[(beside < 8) & (np.abs(from_spine) < 7) & (z < 60)]
    assert 70 < np.median(vertebra) < 400
    back = painted.hu[(np.abs(beside - 27) < 5) & (np.abs(from_spine - 44) < 3) & (np.abs(z + 60) < 40)]
    assert 35 < np.median(back) < 75
    assert (painted.hu > 300).mean() > 0.01
    fat = painted.hu[(painted.hu > -150) & (painted.hu < -50)]
    assert -120 < np.median(fat) < -80


def test_the_esophagus_runs_its_course(painted: Canvas, anatomy: Anatomy) -> None:
    """Behind the trachea, before the spine, and left of it low down."""
    for height, beyond_trachea in ((60.0, True), (20.0, True), (-40.0, False), (-120.0, False)):
        index = int(np.argmin(np.abs(painted.z[:, 0, 0] - height)))
        inside = painted.esophagus[index] > 0.5
        assert inside.any()
        x, y = painted.x[index][inside].mean(), painted.y[index][inside].mean()
        level = painted.z[index : index + 1]
        assert y < float(spine_y(anatomy.body, level).item()) - 8
        if beyond_trachea:
            trachea = trachea_distance(painted.x[index : index + 1], painted.y[index : index + 1], level)[0] < 0
            assert y > painted.y[index][trachea].mean() + 8
        if height < -100:
            assert x > 8


def test_the_esophagus_is_one_piece(painted: Canvas) -> None:
    _, pieces = ndimage.label(painted.esophagus > 0.3, np.ones((3, 3, 3)))
    assert pieces == 1


def test_the_tumor_lies_within_the_esophagus_and_spares_its_neighbors(painted: Canvas, anatomy: Anatomy) -> None:
    tumor = painted.tumor > 0.5
    assert tumor.sum() > 50
    assert (painted.esophagus[tumor] > 0.4).all()
    assert abs(np.median(painted.hu[tumor]) - PHASES["venous"].tumor) < 20
    assert not (tumor & (painted.hu > 250)).any()
    assert not (tumor & (painted.hu < -500)).any()


def _scan(tumor, seed: int = 0, center: int = 1, matrix: int = 128) -> Scan:
    anatomy_rng, scan_rng = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    return simulate_ct(tumor, MAN, CENTERS[center].ct, anatomy_rng, scan_rng, matrix=matrix)


def test_longer_and_thicker_tumors_are_larger_in_the_image() -> None:
    volumes = []
    for latents in ({}, {"tumor_length": 2.0}, {"wall_thickness": 2.0}):
        scan = _scan(_tumor(**latents), matrix=96)
        volumes.append((scan.regions == 2).sum() * np.prod(scan.geometry.spacing) / 1000)
    assert volumes[1] > 1.4 * volumes[0]
    assert volumes[2] > 1.6 * volumes[0]


def test_the_length_of_the_tumor_is_the_one_asked_for() -> None:
    tumor = _tumor(tumor_length=1.0)
    scan = _scan(tumor)
    slices = (scan.regions == 2).any(axis=(1, 2)).sum() * scan.geometry.spacing[2]
    assert slices == pytest.approx(tumor.tumor_length_mm, abs=2 * scan.geometry.spacing[2])


def test_heterogeneity_is_seen_in_the_tumor() -> None:
    """The same anatomy and noise, another texture."""
    spreads = []
    for value in (-1.5, 0.0, 1.5):
        scan = _scan(_tumor(heterogeneity=value, wall_thickness=1.0, necrosis=-2.0))
        core = ndimage.binary_erosion(scan.regions == 2, np.ones((1, 3, 3)))
        spreads.append(float(np.subtract(*np.percentile(scan.volume[core], [84, 16])) / 2))
    assert spreads[0] < 0.8 * spreads[1] < 0.6 * spreads[2]


def test_same_streams_same_scan_and_other_streams_another() -> None:
    first, again, other = _scan(_tumor(), 1, matrix=64), _scan(_tumor(), 1, matrix=64), _scan(_tumor(), 2, matrix=64)
    assert np.array_equal(first.volume, again.volume)
    assert np.array_equal(first.regions, again.regions)
    assert first.geometry != other.geometry


def test_centers_scan_differently() -> None:
    protocols = [center.ct for center in CENTERS]
    flat = np.full((12, 128, 128), 40.0, np.float32)
    noise = [acquire(flat, 1.5, protocol.slice_mm[0], protocol, np.random.default_rng(0)) for protocol in protocols]
    spread = [float(image[:, 40:90, 40:90].std()) for image in noise]
    assert spread[2] > 1.25 * spread[0] > 1.25 * spread[1]
    neighbors = [float(np.corrcoef(image[:, :, :-1].ravel(), image[:, :, 1:].ravel())[0, 1]) for image in noise]
    assert neighbors[0] > neighbors[1] > neighbors[2]
    assert all(abs(float(image.mean()) - 40.0) < 1.0 for image in noise)


def test_a_sharp_kernel_keeps_small_things() -> None:
    dot = np.full((1, 64, 64), -850.0, np.float32)
    dot[0, 32, 32] = 100.0
    peaks = []
    for center in CENTERS:
        quiet = dataclasses.replace(center.ct, noise_hu=0.0)
        peaks.append(float(acquire(dot, 1.0, 3.0, quiet, np.random.default_rng(0)).max()))
    assert peaks[0] < peaks[1] < peaks[2]


def test_peaks_of_the_histogram_agree_with_a_real_chest(data: Path) -> None:
    """Lung, fat and soft tissue are where they are in a real unenhanced CT."""
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(data / "ct" / "lung1-001" / "image"))
    real = sitk.GetArrayFromImage(sitk.ReadImage(files[::4])).astype(float)
    protocol = dataclasses.replace(CENTERS[0].ct, phases={"plain": 1.0})
    rngs = (np.random.default_rng([5, 1]), np.random.default_rng([5, 2]))
    simulated = simulate_ct(_tumor(), MAN, protocol, *rngs, matrix=128).volume.astype(float)
    for low, high, tolerance in ((-950, -700, 50), (-150, -60, 15), (0, 100, 20)):
        assert _mode(simulated, low, high) == pytest.approx(_mode(real, low, high), abs=tolerance)


def _mode(volume: np.ndarray, low: float, high: float) -> float:
    counts, edges = np.histogram(volume, np.arange(low, high + 1, 5.0))
    return float(edges[np.argmax(ndimage.gaussian_filter1d(counts.astype(float), 2.0))])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_readers_are_near_the_truth_but_not_on_it(seed: int) -> None:
    scan = _scan(_tumor(), seed, matrix=192)
    esophagus, tumor = draw_masks(scan.regions, scan.geometry, np.random.default_rng(seed))
    assert set(np.unique(tumor)) == {0, 1}
    assert (esophagus[tumor > 0] == 1).all()
    for drawn, exact in ((esophagus, scan.regions > 0), (tumor, scan.regions == 2)):
        overlap = 2 * (exact & (drawn > 0)).sum() / (exact.sum() + drawn.sum())
        assert 0.8 < overlap < 1.0
