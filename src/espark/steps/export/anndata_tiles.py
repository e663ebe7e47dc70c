"""``espark export anndata``: the tiles of each patient as AnnData, for scanpy, squidpy and LazySlide."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from espark.errors import EsparkError, ExportError
from espark.files import atomic_path
from espark.steps.prepare.prepared_inputs import load_slides
from espark.steps.study_data import tile_features, tiles_frame
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace
from espark.workspace.records import ItemStatus
from espark.workspace.stored import stored_table

if TYPE_CHECKING:
    from anndata import AnnData

_PLACES = ["slide", "x", "y"]
_EXPLAINED = ["attention", "attribution", "cluster"]


@dataclass(frozen=True)
class AnndataResult:
    """What was exported.

    Attributes:
        files: one for each patient with prepared slides.
        failed: patients whose file could not be written.
    """

    files: tuple[Path, ...]
    failed: tuple[ItemStatus, ...]


def check_anndata() -> None:
    """Check that anndata is installed.

    Raises:
        ExportError: when it is not.
    """
    if importlib.util.find_spec("anndata") is None:
        raise ExportError("anndata is not installed", action='Install it with `pip install "espark[anndata]"`.')


def tile_anndata(workspace: Workspace, patient_id: str) -> AnnData:
    """The tiles of a patient.

    ``X`` has the tile vectors; ``obs`` slide, place, side and, if the study is explained, attention, attribution and
    cluster; ``obsm["spatial"]`` the centers of the tiles, (tiles, 2), in the unit ``uns["spatial_unit"]``: µm, or
    pixels of the full resolution if it is not known; ``obsm["similarity"]`` the similarity to each cell type.

    Args:
        workspace: the opened study.
        patient_id: the patient.

    Raises:
        ExportError: when anndata is not installed.
        MissingStepError: when no slide of the patient is prepared.
    """
    check_anndata()
    from anndata import AnnData

    tiles, first = tiles_frame(workspace, patient_id), load_slides(workspace, workspace.cohort[patient_id])[0]
    places = tiles[[*_PLACES, "side", "x_um", "y_um", "side_um"]].merge(
        _explained(workspace, patient_id), how="left", on=_PLACES, validate="one_to_one"
    )
    micrometres = bool(tiles["x_um"].notna().all())
    columns = ("x_um", "y_um", "side_um") if micrometres else ("x", "y", "side")
    left, top, side = (tiles[column].to_numpy(float) for column in columns)
    names = places["slide"] + "_" + places["x"].astype(str) + "_" + places["y"].astype(str)
    found = AnnData(X=tile_features(workspace, patient_id), obs=places.assign(tile=names).set_index("tile"))
    found.obsm["spatial"] = pd.DataFrame({"x": left + side / 2, "y": top + side / 2}).to_numpy()
    if first.cell_types:
        similarity = tiles[list(first.cell_types)]
        found.obsm["similarity"] = similarity.set_axis(found.obs_names, axis=0)
    found.uns = {
        "patient_id": patient_id, "encoder": first.encoder, "stain": first.stain, "made_by": first.espark_version,
        "spatial_unit": "µm" if micrometres else "px",
    }  # fmt: skip
    return found


def export_anndata(
    workspace: Workspace, out: Path, *, patient_id: str | None = None, reporter: Reporter | None = None
) -> AnndataResult:
    """Write ``<patient>.h5ad`` for each patient with slides, or for one patient.

    Args:
        workspace: the opened study.
        out: folder of the files; made when missing.
        patient_id: only this patient.
        reporter: reports the progress.

    Raises:
        ExportError: when anndata is not installed.
        CohortError: when there is no such patient.
    """
    check_anndata()
    patients = [workspace.cohort[patient_id]] if patient_id else list(workspace.cohort)
    out.mkdir(parents=True, exist_ok=True)
    files, failed = [], []
    with (reporter or Reporter()).track("export", len(patients)) as advance:
        for patient in patients:
            try:
                if load_slides(workspace, patient):
                    found = tile_anndata(workspace, patient.patient_id)
                    with atomic_path(out / f"{patient.patient_id}.h5ad") as path:
                        found.write_h5ad(path)
                    files.append(out / f"{patient.patient_id}.h5ad")
            except EsparkError as error:
                failed.append(ItemStatus(patient.patient_id, "anndata", "failed", 1, 0.0, str(error)))
            advance()
    return AnndataResult(tuple(files), tuple(failed))


def _explained(workspace: Workspace, patient_id: str) -> pd.DataFrame:
    """Attention, attribution and cluster of the tiles; no rows if the study is not explained."""
    path = workspace.layout.explanation("slide_attribution.parquet")
    if not path.exists():
        return pd.DataFrame(columns=[*_PLACES, *_EXPLAINED]).astype({"x": int, "y": int})
    table = stored_table(workspace.layout, path)
    return table.loc[table["patient_id"] == patient_id, [*_PLACES, *_EXPLAINED]]
