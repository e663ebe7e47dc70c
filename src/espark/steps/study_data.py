"""The contents of a study as pandas frames, arrays with their geometry, and matplotlib figures.

Nothing here computes results: it reads what the steps wrote. Columns have the names of the files; see
``espark.formats``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from espark.ct.regions.regions import Regions, load_regions
from espark.errors import InputError, MissingStepError, nearest
from espark.formats import ARTEFACTS
from espark.pathology.features import SlideFeatures
from espark.pathology.slide import open_slide
from espark.steps.evaluate.evaluation_figures import model_figures
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.steps.prepare.prepared_inputs import load_slides
from espark.steps.train.predictions import read_predictions
from espark.types import ByteArray, FloatArray
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from espark.ct.hounsfield import CtVolume

MODEL_FIGURES = ("roc", "distribution", "calibration")
"""The figures of a model that can be had as objects."""


def cohort_frame(workspace: Workspace) -> pd.DataFrame:
    """The patients: one row each, with center, role, cohort, outcome and clinical columns; index ``patient_id``."""
    outcome = workspace.outcome.column
    rows = [
        {
            "patient_id": patient.patient_id, "center": patient.center, "role": patient.role,
            "cohort": patient.cohort_name, outcome: patient.label, "ct": patient.files.ct is not None,
            "slides": len(patient.files.slides), **patient.clinical,
        }
        for patient in workspace.cohort
    ]  # fmt: skip
    return pd.DataFrame(rows).astype({outcome: "Int64"}).set_index("patient_id")


def table(workspace: Workspace, name: str) -> pd.DataFrame:
    """A table of the study by its path, such as ``evaluation/metrics.csv``.

    Args:
        workspace: the opened study.
        name: path relative to the study folder, with forward slashes.

    Raises:
        InputError: when espark writes no such table, or when it cannot be read.
        MissingStepError: when it is not there yet.
    """
    known = {entry.pattern: entry for entry in ARTEFACTS if entry.columns}
    entry = next((entry for entry in known.values() if entry.matches(name)), None)
    if entry is None:
        guess = nearest(name, known)
        raise InputError(
            f"espark writes no table '{name}'", where=workspace.root,
            action=f"Did you mean '{guess}'?" if guess else f"The tables are: {', '.join(known)}.",
        )  # fmt: skip
    path = workspace.root / name
    if not path.exists():
        raise MissingStepError(
            "the table is not there yet", where=path, action=f"Run `espark {entry.made_by} {workspace.root}` first."
        )
    texts = {column.name: str for column in entry.columns if column.kind == "text" and "*" not in column.name}
    return stored_table(workspace.layout, path, **({} if path.suffix == ".parquet" else {"dtype": texts}))


def predictions_frame(workspace: Workspace, model: str) -> pd.DataFrame:
    """The predictions of a model, with the cohort of each patient; index ``patient_id``.

    Raises:
        MissingStepError: when the model was not trained.
    """
    return workspace.outcome.named(read_predictions(workspace, model)).set_index("patient_id")


def model_figure(workspace: Workspace, model: str, kind: str) -> Figure:
    """A figure of a model, as ``evaluate`` draws it.

    Args:
        workspace: the opened study.
        model: name of the model.
        kind: one of ``MODEL_FIGURES``.

    Raises:
        InputError: when there is no such kind of figure.
        MissingStepError: when the model was not trained.
    """
    if kind not in MODEL_FIGURES:
        raise InputError(f"there is no figure '{kind}'", expected=" or ".join(MODEL_FIGURES))
    return model_figures(workspace, model, read_predictions(workspace, model))[f"{kind}-{model}"]


def ct_volume(workspace: Workspace, patient_id: str) -> CtVolume:
    """The CT of a patient.

    Raises:
        CohortError: when there is no such patient.
        InputError: when the patient has no CT, or it cannot be read.
    """
    files = workspace.cohort[patient_id].files
    if files.ct is None:
        raise InputError(f"patient '{patient_id}' has no CT", where=workspace.layout.cohort)
    return read_patient_ct(files)


def regions_of(workspace: Workspace, patient_id: str) -> Regions:
    """The regions that ``prepare`` used for a patient, on the grid of the CT.

    Raises:
        CohortError: when there is no such patient.
        MissingStepError: when they were not prepared.
    """
    path = workspace.layout.regions(workspace.cohort[patient_id].patient_id)
    _require(path, workspace)
    return load_regions(path)


def tiles_frame(workspace: Workspace, patient_id: str) -> pd.DataFrame:
    """The tiles of a patient, slide after slide, in the order of the rows of `tile_features`.

    Returns:
        Columns ``slide``; ``x``, ``y``: top left corner in pixels of the full resolution; ``side``: side in the same
        pixels; ``x_um``, ``y_um``, ``side_um``: the same in µm, NaN where the resolution is not known; and one column
        for the similarity to each cell type, if the encoder gives it.
    """
    return pd.concat(
        [_tiles_of(name, part) for name, part in _slides(workspace, patient_id).items()], ignore_index=True
    )


def tile_features(workspace: Workspace, patient_id: str) -> FloatArray:
    """The vectors of the tiles of a patient, float32 (tiles, dim)."""
    return np.concatenate([part.features for part in _slides(workspace, patient_id).values()])


def tile_pictures(workspace: Workspace, patient_id: str, tiles: pd.DataFrame, tile_px: int = 256) -> ByteArray:
    """The pictures of some tiles, read from the slides.

    Args:
        workspace: the opened study.
        patient_id: whose.
        tiles: rows of `tiles_frame`.
        tile_px: side of a picture, in pixels.

    Returns:
        uint8 (tiles, tile_px, tile_px, 3), in the order of the rows.
    """
    files = workspace.cohort[patient_id].files
    pictures = np.zeros((len(tiles), tile_px, tile_px, 3), np.uint8)
    for name, path in files.named_slides.items():
        rows = np.flatnonzero(tiles["slide"] == name)
        if len(rows):
            part = tiles.iloc[rows]
            corners = list(part[["x", "y"]].itertuples(index=False, name=None))
            with open_slide(path, mpp=files.slide_mpp) as slide:
                pictures[rows] = slide.read_tiles(corners, float(part["side"].iloc[0]), tile_px)
    return pictures


def _tiles_of(name: str, features: SlideFeatures) -> pd.DataFrame:
    mpp = np.nan if features.slide_mpp is None else features.slide_mpp
    found = pd.DataFrame({"slide": name, "x": features.coords[:, 0], "y": features.coords[:, 1]})
    found["side"] = features.tile_px_level0
    found["x_um"], found["y_um"] = found["x"] * mpp, found["y"] * mpp
    found["side_um"] = features.tile_px_level0 * mpp
    if features.similarity is not None:
        found[list(features.cell_types)] = features.similarity
    return found


def _slides(workspace: Workspace, patient_id: str) -> dict[str, SlideFeatures]:
    """Tile features of a patient, by the name of the slide in the study."""
    found = load_slides(workspace, workspace.cohort[patient_id])
    if not found:
        raise MissingStepError(
            f"no slide of patient '{patient_id}' is prepared", where=workspace.root,
            action=f"Run `espark prepare {workspace.root}` first, or look at prepared/status.csv.",
        )  # fmt: skip
    return {part.source if part.encoder_entry else f"slide-{number}": part for number, part in enumerate(found, 1)}


def _require(path: Path, workspace: Workspace) -> None:
    if not path.exists():
        raise MissingStepError("the regions are missing", where=path, action=f"Run `espark prepare {workspace.root}`.")
