"""DICOM slides in many files, as another program writes them: wsidicomizer, from a slide of a scanner.

wsidicomizer needs older libraries than espark, so it runs as a program of its own environment. `.ci/run` makes one.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest

from espark.errors import SlideError
from espark.pathology.slide import Slide, open_slide

WSIDICOMIZER = shutil.which("wsidicomizer")
pytestmark = pytest.mark.skipif(
    WSIDICOMIZER is None, reason="wsidicomizer is not on the path (pip install wsidicomizer)"
)


@pytest.fixture(scope="module")
def pyramid(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five levels, a label, an overview and a thumbnail."""
    folder = tmp_path_factory.mktemp("wsi") / "slide"
    svs = data / "slides" / "cmu-1-small-region.svs"
    subprocess.run(
        [str(WSIDICOMIZER), "-i", svs, "-o", folder, "--add-missing-levels"], check=True, capture_output=True
    )
    return folder


def region(slide: Slide) -> np.ndarray:
    return np.asarray(slide.handle.read_region((500, 700), 0, (800, 800)))


def test_every_file_of_a_pyramid_opens_the_whole_of_it(data: Path, pyramid: Path) -> None:
    with open_slide(data / "slides" / "cmu-1-small-region.svs") as slide:
        expected, mpp, dimensions = region(slide), slide.mpp, slide.dimensions
    for path in (pyramid, *pyramid.glob("*.dcm")):
        with open_slide(path) as slide:
            assert (slide.mpp, slide.dimensions, slide.handle.level_count) == (pytest.approx(mpp), dimensions, 5)
            assert np.array_equal(region(slide), expected)


@pytest.mark.slow
def test_a_pyramid_of_a_whole_slide_is_its_scan(data: Path, tmp_path: Path) -> None:
    """Six levels of 13440 × 15072 pixels and less."""
    scan_path, folder = data / "slides" / "larynx-20x.tif", tmp_path / "slide"
    command = [str(WSIDICOMIZER), "-i", scan_path, "-o", folder, "-t", "256"]
    subprocess.run(command, check=True, capture_output=True)
    with open_slide(scan_path) as scan, open_slide(folder) as slide:
        levels = slide.handle.level_dimensions
        assert slide.mpp == pytest.approx(scan.mpp) and levels == scan.handle.level_dimensions and len(levels) == 6
        for level in range(2):  # wsidicomizer compresses this file again
            for corner in (0, 4000, 8000):
                box = (corner, corner), level, (600, 600)
                pixels = [np.asarray(each.handle.read_region(*box)).astype(float) for each in (scan, slide)]
                assert np.abs(pixels[0] - pixels[1]).mean() < 4
        one, other = (each.thumbnail(400)[0].astype(float) for each in (scan, slide))
        assert one.shape == other.shape and np.abs(one - other).max() < 30  # of 255


def test_a_pyramid_without_its_full_resolution_is_still_a_slide_and_one_of_labels_is_not(
    pyramid: Path, tmp_path: Path
) -> None:
    kinds: dict[str, list[Path]] = {}
    rows: dict[Path, int] = {}
    for path in pyramid.glob("*.dcm"):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        kinds.setdefault(header.ImageType[2], []).append(path)
        rows[path] = header.TotalPixelMatrixRows
    numbers = {kind: len(paths) for kind, paths in kinds.items()}
    assert numbers == {"VOLUME": 5, "LABEL": 1, "OVERVIEW": 1, "THUMBNAIL": 1}
    by_size = sorted(kinds["VOLUME"], key=rows.__getitem__)
    for name, paths in {"small": by_size[:-1], "labels": kinds["LABEL"] + kinds["OVERVIEW"]}.items():
        (tmp_path / name).mkdir()
        for path in paths:
            shutil.copy(path, tmp_path / name)
    with open_slide(tmp_path / "small") as slide:
        assert slide.mpp == pytest.approx(2 * 0.499, rel=0.01)
    with pytest.raises(SlideError):
        open_slide(tmp_path / "labels")
