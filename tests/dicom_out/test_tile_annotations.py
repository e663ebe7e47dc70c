"""Attention and cell types of a DICOM slide as annotations of its full resolution."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from example import PDF, result

from espark.dicom_out.tile_annotations import slide_source
from espark.dicom_out.write_objects import SlideToSend, write_objects
from espark.pathology.features import SlideFeatures

hd = pytest.importorskip("highdicom")

_FALSE_ALARM = "CommonZCoordinateValue"
"""dciodvfy of 2022 reports this attribute in 2D annotations although it is not there."""

COORDS = np.array([[0, 0], [512, 0], [1024, 512], [512, 512]], dtype=np.int32)
ATTENTION = np.array([0.5, 0.0, 0.3, 0.2], dtype=np.float32)
ATTRIBUTION = np.array([0.1, 0.0, -0.2, 0.05])
SIMILARITY = np.linspace(-0.2, 0.4, 8, dtype=np.float32).reshape(4, 2)


def features(path: Path) -> SlideFeatures:
    empty = np.zeros((0, 2), dtype=np.int32)
    return SlideFeatures(
        features=np.zeros((4, 3), np.float32), coords=COORDS, similarity=SIMILARITY, expected_counts=None,
        tissue_fraction=None, rejected_coords=empty, rejected_reasons=(), encoder="e", tile_px=256, mpp=0.5,
        tile_px_level0=512.0, slide_mpp=0.25, cell_types=("tumor_cell", "a_long_name_of_a_cell"), stain="none",
        espark_version="0", source=path.name,
    )  # fmt: skip


@pytest.fixture
def slide(data: Path, tmp_path: Path) -> Path:
    """A real DICOM slide. A smaller level of the same series lies beside it."""
    folder = tmp_path / "slide"
    folder.mkdir()
    path = Path(shutil.copy(data / "slides" / "cptac-brca-dicom-sm.dcm", folder / "a.dcm"))
    level = pydicom.dcmread(path, stop_before_pixels=True)
    level.TotalPixelMatrixColumns //= 4
    level.SOPInstanceUID = level.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    level.save_as(folder / "b.dcm")
    return path


def test_tiles_keep_their_place_and_their_values(slide: Path, tmp_path: Path) -> None:
    sent = SlideToSend(slide, features(slide), ATTENTION, ATTRIBUTION)
    write_objects(tmp_path / "out", result(None, None), ct=None, slides=(sent,), pdf=PDF)
    made = hd.ann.annread(tmp_path / "out" / "tiles-1.dcm")
    full = pydicom.dcmread(slide, stop_before_pixels=True)
    assert made.StudyInstanceUID == full.StudyInstanceUID and made.PatientID == full.PatientID
    (reference,) = made.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert reference.ReferencedSOPInstanceUID == full.SOPInstanceUID
    (group,) = made.get_annotation_groups()
    squares = np.array(group.get_graphic_data("2D"))
    assert np.array_equal(squares[:, 0], COORDS[ATTENTION > 0]) and np.array_equal(
        squares[:, 2] - squares[:, 0], [[512, 512]] * 3
    )
    names, values, _ = group.get_measurements()
    found = [name.value for name in names]
    assert found == ["ATTENTION", "ATTRIBUTION", "S-TUMOR_CELL", "S-A_LONG_NAME_OF_A_CELL"]
    assert np.allclose(values[:, 0], [0.5, 0.3, 0.2]) and np.allclose(values[:, 3], SIMILARITY[ATTENTION > 0, 1])


def test_without_an_answer_there_are_no_tiles(slide: Path, tmp_path: Path) -> None:
    sent = SlideToSend(slide, features(slide), ATTENTION, ATTRIBUTION)
    made = write_objects(tmp_path / "out", result(None, None, None), ct=None, slides=(sent,), pdf=PDF)
    assert not (tmp_path / "out" / "tiles-1.dcm").exists()
    assert any("withheld" in note for note in made.notes)


def test_a_slide_that_is_not_dicom_has_no_source(tmp_path: Path) -> None:
    (tmp_path / "slide.svs").write_bytes(b"II*\0 not DICOM" * 20)
    assert slide_source(tmp_path / "slide.svs") is None


def test_an_independent_validator_finds_no_error(slide: Path, tmp_path: Path) -> None:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    sent = SlideToSend(slide, features(slide), ATTENTION, ATTRIBUTION)
    made = write_objects(tmp_path / "out", result(None, None), ct=None, slides=(sent,), pdf=PDF)
    for file in made.files:
        said = subprocess.run([program, "-new", str(file)], capture_output=True, text=True, check=False).stderr
        errors = [line for line in said.splitlines() if line.startswith("Error") and _FALSE_ALARM not in line]
        assert not errors, file.name
    group = pydicom.dcmread(tmp_path / "out" / "tiles-1.dcm").AnnotationGroupSequence[0]
    assert "CommonZCoordinateValue" not in group
