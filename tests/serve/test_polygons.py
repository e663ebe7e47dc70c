"""A polygon in level-0 pixels chooses the tiles under it, on a slide whose scanned part begins elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from espark.errors import FeatureError, SlideError
from espark.files import read_json
from espark.pathology.features import SlideFeatures, read_slide_features
from espark.pathology.left_out import Polygon, kept_tiles, without_left_out
from espark.steps.prepare.as_prepared import check_as_prepared
from espark.steps.prepare.prepare import prepare
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace
from espark.workspace.slide_polygons import save_polygons

TILE = 256.0
OFFSET = (10_240, 5_120)
"""Level-0 pixel at which the scanned part begins; the grid of tiles begins at (0, 0) all the same."""


def features() -> SlideFeatures:
    columns, rows = np.meshgrid(np.arange(4), np.arange(3))
    coords = np.stack([columns.ravel(), rows.ravel()], axis=1) * TILE + OFFSET
    nothing = np.zeros((0, 2), np.int32)
    return SlideFeatures(
        features=np.zeros((12, 8), np.float32), coords=coords.astype(np.int32), similarity=None, expected_counts=None,
        tissue_fraction=None, rejected_coords=nothing, rejected_reasons=(), encoder="x", tile_px=256, mpp=0.5,
        tile_px_level0=TILE, slide_mpp=0.5, cell_types=(), stain="none", espark_version="0", source="s.tif",
    )  # fmt: skip


def square(kind: str, column: float, row: float, side: float = 1.0) -> Polygon:
    """A square in units of tiles, from the corner of the scanned part."""
    left, top = OFFSET[0] + column * TILE, OFFSET[1] + row * TILE
    right, bottom = left + side * TILE, top + side * TILE
    return Polygon(kind=kind, points=((left, top), (right, top), (right, bottom), (left, bottom)))


def test_the_tile_under_a_polygon_is_left_out_and_no_other() -> None:
    kept = kept_tiles(features(), (square("out", 2, 1),))
    assert np.flatnonzero(~kept).tolist() == [4 + 2]


def test_a_tile_belongs_to_the_polygon_that_holds_its_middle() -> None:
    kept = kept_tiles(features(), (square("out", 0.4, 0.4),))
    assert np.flatnonzero(~kept).tolist() == [0]
    assert kept_tiles(features(), (square("out", 0.6, 0.6),)).sum() == 11


def test_parts_that_are_taken_alone_leave_out_all_others() -> None:
    kept = kept_tiles(features(), (square("only", 0, 0), square("only", 3, 2)))
    assert np.flatnonzero(kept).tolist() == [0, 11]


def test_what_is_left_out_wins_over_what_is_taken_alone() -> None:
    kept = kept_tiles(features(), (square("only", 0, 0, side=2), square("out", 1, 1)))
    assert np.flatnonzero(kept).tolist() == [0, 1, 4]


def test_without_polygons_every_tile_stays() -> None:
    assert kept_tiles(features(), ()).all()


def test_tiles_that_a_person_left_out_are_listed_with_this_reason() -> None:
    kept = without_left_out(features(), (square("out", 0, 0, side=2),))
    assert len(kept) == 8
    assert kept.rejected_reasons == ("person",) * 4
    assert {tuple(corner) for corner in (kept.rejected_coords - OFFSET) / TILE} == {(0, 0), (1, 0), (0, 1), (1, 1)}


def test_a_slide_without_a_tile_left_is_an_error() -> None:
    with pytest.raises(SlideError, match="all 12 tiles"):
        without_left_out(features(), (square("out", 0, 0, side=9),))


def test_prepare_uses_the_polygons_that_were_saved_last(study: Path) -> None:
    workspace = open_workspace(study)
    patient = next(patient for patient in workspace.cohort.used if patient.files.slides)
    path = workspace.layout.slide_features(patient.patient_id, "slide-1")
    before = read_slide_features(path)
    middle = float(np.median(before.coords[:, 0])) + before.tile_px_level0 / 2
    left = Polygon(kind="out", points=((-1e6, -1e6), (middle, -1e6), (middle, 1e6), (-1e6, 1e6)))
    save_polygons(workspace.layout, patient.patient_id, "slide-1", (left,), "A. Reader")
    with pytest.raises(FeatureError, match="the polygons drawn on the slide differ"):
        check_as_prepared(workspace)
    assert not prepare(workspace, only="slides", reporter=Reporter("quiet")).failed
    after = read_slide_features(path)
    stays = before.coords[:, 0] + before.tile_px_level0 / 2 > middle
    assert 0 < len(after) < len(before)
    assert after.coords.tolist() == before.coords[stays].tolist()
    assert after.features == pytest.approx(before.features[stays])
    record = read_json(workspace.layout.record(patient.patient_id, "slide-1"))
    assert record["left_out"]["person"] == len(before) - len(after)
    save_polygons(workspace.layout, patient.patient_id, "slide-1", (), "A. Reader")
    prepare(workspace, only="slides", reporter=Reporter("quiet"))
    assert read_slide_features(path).coords.tolist() == before.coords.tolist()
