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


def test_overviews_of_the_pyramid_and_of_the_scan_agree(data: Path, pyramid: Path) -> None:
    with open_slide(data / "slides" / "cmu-1-small-region.svs") as scan, open_slide(pyramid) as slide:
        one, other = scan.thumbnail(300)[0].astype(float), slide.thumbnail(300)[0].astype(float)
        assert one.shape == other.shape and np.abs(one - other).mean() < 6  # of 255; the levels are JPEG


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
