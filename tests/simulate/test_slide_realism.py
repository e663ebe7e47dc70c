"""Virtual tissue against real slides: optical densities, nuclear sizes, stain styles."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import openslide
import pytest
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops

from espark.simulate.histology.nuclei import stamps
from espark.simulate.histology.nuclei_kinds import KIND_INDEX, KINDS
from espark.simulate.histology.stain_style import develop, random_style, vary
from espark.simulate.histology.tile import simulate_tile
from espark.simulate.slides.simulated_slide import slide_style
from espark.types import ByteArray

MPP = 0.5
REAL = {"tcga-cr-7395-01a-01-ts1.svs": 0.5, "cmu-1-small-region.svs": 0.499, "larynx-20x.tif": 0.586}
_HEMATOXYLIN, _EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])
_RESIDUAL = np.cross(_HEMATOXYLIN, _EOSIN)
UNMIX = np.linalg.inv(np.stack([v / np.linalg.norm(v) for v in (_HEMATOXYLIN, _EOSIN, _RESIDUAL)]))


def measure(picture: ByteArray) -> dict[str, float] | None:
    """Optical densities and nuclear area of a tile; the nuclei are what Otsu's threshold finds in red light."""
    density = np.maximum(-np.log10((picture.astype(float) + 1) / 244), 0)
    tissue = density.mean(2) > 0.06
    if tissue.mean() < 0.5:
        return None
    red = ndimage.gaussian_filter(density[..., 0], 0.7)
    nuclei = ndimage.binary_opening(red > threshold_otsu(red[tissue]))
    ground = tissue & ~ndimage.binary_dilation(nuclei, iterations=2)
    areas = [region.area for region in regionprops(label(nuclei)) if region.area > 25]
    if not areas or not ground.any():
        return None
    stain = density @ UNMIX
    return {
        "nuclear hematoxylin": float(stain[nuclei][:, 0].mean()),
        "nuclear eosin": float(stain[nuclei][:, 1].mean()),
        "ground hematoxylin": float(stain[ground][:, 0].mean()),
        "ground eosin": float(stain[ground][:, 1].mean()),
        "nuclear area": float(np.median(areas)) * MPP**2,
        "nuclei per mm2": len(areas) / (tissue.sum() * (MPP * 1e-3) ** 2),
    }


def medians(pictures: list[ByteArray]) -> dict[str, float]:
    found = [values for values in map(measure, pictures) if values is not None]
    return {name: float(np.median([values[name] for values in found])) for name in found[0]}


@pytest.fixture(scope="module")
def real(data: Path) -> dict[str, dict[str, float]]:
    slides = {}
    for name, mpp in REAL.items():
        rng, side = np.random.default_rng(0), round(256 * MPP / mpp)
        with openslide.OpenSlide(data / "slides" / name) as opened:
            width, height = opened.dimensions
            corners = [(int(rng.integers(width - side)), int(rng.integers(height - side))) for _ in range(40)]
            tiles = [opened.read_region(corner, 0, (side, side)).convert("RGB") for corner in corners]
        slides[name] = medians([np.asarray(tile.resize((256, 256), Image.Resampling.LANCZOS)) for tile in tiles])
    return slides


@pytest.fixture(scope="module")
def virtual() -> dict[str, float]:
    return medians([simulate_tile(np.random.default_rng(seed))[0] for seed in range(60)])


@pytest.mark.parametrize(
    "quantity",
    ["nuclear hematoxylin", "nuclear eosin", "ground hematoxylin", "ground eosin", "nuclear area", "nuclei per mm2"],
)
def test_tissue_lies_in_the_range_of_real_slides(
    real: dict[str, dict[str, float]], virtual: dict[str, float], quantity: str
) -> None:
    values = [slide[quantity] for slide in real.values()]
    assert 0.75 * min(values) <= virtual[quantity] <= 1.25 * max(values), (virtual[quantity], values)


def area(kind: str) -> float:
    """Median area of a kind's nuclei in µm², from its stamps."""
    dark = 0.35 * KINDS[KIND_INDEX[kind]].density
    return float(np.median([(stamp.added[0] > dark).sum() for stamp in stamps(KIND_INDEX[kind], MPP)])) * MPP**2


def test_nuclei_are_ordered_by_size() -> None:
    sizes = [area(kind) for kind in ("lymphocyte", "well", "poor")]
    assert sizes == sorted(sizes)
    assert 10 < sizes[0] < 17 < sizes[1] < 32 < sizes[2] < 60


def test_poorly_differentiated_nuclei_vary_most() -> None:
    def spread(kind: str) -> float:
        sizes = np.array([(stamp.added[0] > 0.15).sum() for stamp in stamps(KIND_INDEX[kind], MPP)])
        return float(sizes.std() / sizes.mean())

    assert spread("poor") > 1.5 * spread("well") > spread("lymphocyte")


def test_spindle_nuclei_are_long_and_lymphocytes_round() -> None:
    def elongation(kind: str) -> float:
        ratios = []
        for stamp in stamps(KIND_INDEX[kind], 0.25)[::7]:
            regions = regionprops((stamp.added[0] > 0.2).astype(int))
            ratios.append(regions[0].axis_major_length / regions[0].axis_minor_length)
        return float(np.median(ratios))

    assert elongation("lymphocyte") < 1.35
    for kind in ("fibroblast", "endothelium", "muscle"):
        assert elongation(kind) > 3


def test_neutrophils_have_lobes() -> None:
    lobes = [
        label(ndimage.binary_opening(stamp.added[0] > 0.55)).max() for stamp in stamps(KIND_INDEX["neutrophil"], 0.25)
    ]
    assert np.mean(np.array(lobes) >= 2) > 0.5


def test_light_is_absorbed_as_beer_and_lambert_say() -> None:
    style = slide_style(0)
    densities = np.zeros((3, 64, 64), np.float32)
    densities[0, :, :32] = 0.4
    densities[1, :, 32:] = 0.3
    picture = develop(densities, style, 0.5, (0, 0)).astype(float)
    for columns, vector, amount in (
        (np.s_[4:24], style.hematoxylin, 0.4 * style.hematoxylin_gain),
        (np.s_[40:60], style.eosin, 0.3 * style.eosin_gain),
    ):
        expected = np.array(style.background) * 10 ** (-amount * style.thickness * np.array(vector))
        assert picture[:, columns].mean((0, 1)) == pytest.approx(expected, abs=1.0)


def test_centers_differ_and_stay_the_same() -> None:
    assert slide_style(0) == slide_style(0)
    assert slide_style(7) == slide_style(7)
    hematoxylin = np.array([slide_style(index).hematoxylin for index in range(3)])
    assert np.abs(hematoxylin[:, None] - hematoxylin[None]).max(2)[np.triu_indices(3, 1)].min() > 0.05
    with pytest.raises(ValueError, match="center_index"):
        slide_style(-1)


def test_slides_of_a_center_vary_around_it() -> None:
    rng = np.random.default_rng(0)
    styles = [vary(slide_style(1), rng) for _ in range(400)]
    for name in ("hematoxylin", "eosin"):
        vectors = np.array([asdict(style)[name] for style in styles])
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0)
        assert vectors.mean(0) == pytest.approx(asdict(slide_style(1))[name], abs=0.01)
    gains = np.array([style.eosin_gain for style in styles])
    assert 0.1 < np.log(gains).std() < 0.4


def test_random_styles_span_real_laboratories() -> None:
    rng = np.random.default_rng(1)
    styles = [random_style(rng) for _ in range(300)]
    ratio = [style.hematoxylin[0] / style.hematoxylin[1] for style in styles]
    assert min(ratio) < 0.65
    assert max(ratio) > 1.05
