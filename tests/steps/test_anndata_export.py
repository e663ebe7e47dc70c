"""The tiles of a study as AnnData: the numbers of the study, at the places of the tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from espark import Study
from espark.errors import ExportError
from espark.steps.export import anndata_tiles


def test_without_anndata_the_error_names_the_extra(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anndata_tiles.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ExportError, match=r"espark\[anndata\]"):
        Study(finished).anndata("A-0001")


def test_a_file_holds_the_tiles_of_the_study(finished: Path, tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    study = Study(finished)
    patient = study.cohort.index[0]
    result = anndata_tiles.export_anndata(study.workspace, tmp_path, patient_id=patient)
    assert result.files == (tmp_path / f"{patient}.h5ad",) and not result.failed
    read = anndata.read_h5ad(result.files[0])
    np.testing.assert_array_equal(read.X, study.tile_features(patient))
    tiles = study.tiles(patient)
    np.testing.assert_allclose(read.obsm["spatial"], (tiles[["x", "y"]].to_numpy() + 128) * 0.5)
    assert read.uns["spatial_unit"] == "µm" and read.obs_names.is_unique
    explained = study.table("explain/slide_attribution.parquet")
    own = explained[explained["patient_id"] == patient]
    assert read.obs["attention"].sum() == pytest.approx(own["attention"].sum())
    np.testing.assert_array_equal(read.obsm["similarity"], tiles[list(read.obsm["similarity"].columns)])
