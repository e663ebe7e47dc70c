"""``explain/ablation.csv``: what the answers of a model lose without the tiles of a cell type."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from espark._version import __version__
from espark.bundle.bundle import Bundle
from espark.errors import InputError
from espark.explain.cell_ablation import MemberWithoutType, answers_without_types
from espark.files import digest, fingerprint, write_csv
from espark.statistics.stratified import stratified_auc_difference
from espark.steps.ablate.arms import Arm, train_arms
from espark.steps.evaluate.evaluate import trained_models
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.patients import development_patients
from espark.steps.train.predictions import read_predictions
from espark.steps.train.train import model_settings
from espark.steps.train.trained_model import trained_model
from espark.training.cross_validation import cross_validate_members
from espark.training.ensemble import modalities_of
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.member import LooksAtTiles, looking_at_tiles
from espark.types import BoolArray, DoubleArray, IntArray, Unseen
from espark.work.progress import Reporter
from espark.workspace.cohort import Patient
from espark.workspace.manifest import last_entry, note, noted, recorded
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_table

ALL = "all"
"""Name of all centers together."""

NOTHING = "none"
"""Cell type of the rows in which no type is taken away."""

_COLUMNS = ["center", "cell_type", "mode", "auc", "auc_change", "ci_low", "ci_high"]
_TILE_COLUMNS = ["center", "cell_type", "n", "n_positive", "tiles_left_out", "patients_without_slide"]
_TEXT: dict[str, Any] = {"dtype": str, "keep_default_na": False}
_STEP = "ablate-cell-types"
_ROWS = "rows of ablation.csv:"
"""Start of the name under which the manifest holds the hash of the rows of a mode."""

logger = logging.getLogger("espark")


@dataclass(frozen=True)
class AblatedPatients:
    """Answers for several patients, first as the slides are, then without each cell type.

    Attributes:
        probability: (1 + cell types, patients), calibrated and voted; NaN where nothing is left to look at.
        tiles: (1 + cell types, patients) tiles that enter, mean over the models that were asked.
    """

    probability: DoubleArray
    tiles: DoubleArray


def chooses_by_type(bundle: Bundle) -> bool:
    """Whether the model chooses its tiles by cell type, without which no tile is of a type."""
    member = bundle.members[0]
    return isinstance(member, LooksAtTiles) and member.selector.cutoffs is not None


def ablate_at_prediction(
    workspace: Workspace, bundle: Bundle, inputs: Inputs, folds: Mapping[str, Unseen], reporter: Reporter
) -> None:
    """Write the rows ``predict`` of ``explain/ablation.csv``, and ``explain/ablation_tiles.csv``.

    A model that does not choose tiles by cell type gives tables without rows.

    Args:
        workspace: the opened study.
        bundle: the model.
        inputs: every patient of the study.
        folds: by development patient, the members that did not see that patient.
        reporter: shows the progress.
    """
    places = _looked_at(workspace, inputs) if chooses_by_type(bundle) else np.zeros(0, np.int64)
    rows, tiles = [], []
    if len(places):
        with reporter.track("ablation", len(places)) as advance:
            found = ablated_answers(workspace, bundle, inputs, places, folds, advance)
        patients = [workspace.cohort[inputs.patient_ids[place]] for place in places]
        types = bundle.card.encoder.cell_types if bundle.card.encoder else ()
        rows = list(change_rows(patients, types, "predict", found.probability[0], found.probability[1:]))
        tiles = list(_tile_rows(patients, types, found))
    counted = workspace.outcome.named(pd.DataFrame(tiles, columns=_TILE_COLUMNS))
    write_csv(workspace.layout.explanation("ablation_tiles.csv"), counted)
    _write_mode(workspace, "predict", rows)


def _looked_at(workspace: Workspace, inputs: Inputs) -> IntArray:
    """Places of the labelled patients with slides."""
    patients = [workspace.cohort[patient_id] for patient_id in inputs.patient_ids]
    labelled = np.array([patient.label is not None for patient in patients], dtype=bool)
    return np.flatnonzero(labelled & inputs.has_slides)


def ablated_answers(
    workspace: Workspace,
    bundle: Bundle,
    inputs: Inputs,
    places: IntArray,
    folds: Mapping[str, Unseen],
    advance: Callable[[], None],
) -> AblatedPatients:
    """Ask the model about patients with and without each cell type.

    Every answer is calibrated as in ``predictions/``: that of a development patient by what the other folds give, the
    others by the calibrator of the bundle. Calibrators are those of the whole slides.

    Args:
        workspace: the opened study.
        bundle: the model.
        inputs: every patient of the study.
        places: the patients that are asked about, with slides.
        folds: by development patient, the members that did not see that patient.
        advance: called after each patient.
    """
    development, protocol = development_patients(workspace, inputs), workspace.config.protocol
    validated = cross_validate_members(bundle.card.model, bundle.members, development, inputs.subset([]), protocol)
    modalities = modalities_of(bundle.card.model, inputs)
    answers, tiles = [], []
    for place in places:
        one, modality = inputs.subset([int(place)]), modalities[place]
        assert modality is not None
        fold = folds.get(one.patient_ids[0])
        members = bundle.asked(fold)
        point = validated.points[modality] if fold is None else validated.cross_fitted.points[fold[0]]
        found = [answers_without_types(member, one) for member in looking_at_tiles(members)]
        raw = expit(np.stack([part.log_odds for part in found]))
        answers.append(np.stack([point.calibrator.apply(row) for row in raw]).mean(axis=0))
        tiles.append(np.mean([part.tiles for part in found], axis=0))
        advance()
    return AblatedPatients(np.stack(answers, axis=1), np.stack(tiles, axis=1))


def change_rows(
    patients: Sequence[Patient], types: Sequence[str], mode: str, whole: DoubleArray, without: DoubleArray
) -> Iterator[tuple[object, ...]]:
    """Rows of ``ablation.csv``: by center and over all, what is lost without each type, on the same patients.

    Only patients of one center and one role are compared with each other: answers for development patients are those
    of one model, the others those of the vote.

    Args:
        patients: labelled patients.
        types: cell types.
        mode: ``predict`` or ``retrain``.
        whole: (patients,) answers of the model.
        without: (cell types, patients) answers without each type; NaN where there is none.
    """
    labels = np.array([int(patient.label or 0) for patient in patients])
    centers = np.array([patient.center for patient in patients])
    strata = np.array([f"{patient.center}|{patient.role}" for patient in patients])
    for center in (*sorted(set(centers)), ALL):
        inside = np.isfinite(whole) if center == ALL else (centers == center) & np.isfinite(whole)
        area, _ = stratified_auc_difference(labels[inside], whole[inside], whole[inside], list(strata[inside]))
        yield (center, NOTHING, mode, area.value, 0.0 if area.available else np.nan, np.nan, np.nan)
        for key, answers in zip(types, without, strict=True):
            known = inside & np.isfinite(answers)
            data = labels[known], answers[known], whole[known], list(strata[known])
            area, change = stratified_auc_difference(*data)
            yield (center, key, mode, area.value, change.difference, change.ci_low, change.ci_high)


def _tile_rows(
    patients: Sequence[Patient], types: Sequence[str], found: AblatedPatients
) -> Iterator[tuple[object, ...]]:
    centers = np.array([patient.center for patient in patients])
    positive = np.array([patient.label == 1 for patient in patients], dtype=bool)
    shares = 1 - found.tiles[1:] / np.maximum(found.tiles[0], 1)
    for center in (*sorted(set(centers)), ALL):
        inside: BoolArray = np.ones(len(patients), bool) if center == ALL else centers == center
        for index, key in enumerate(types):
            emptied = int((found.tiles[index + 1, inside] == 0).sum())
            counts = int(inside.sum()), int((inside & positive).sum())
            yield (center, key, *counts, float(shares[index, inside].mean()), emptied)


def _write_mode(workspace: Workspace, mode: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Put the rows of one mode in the place of those before; rows of retraining that are out of date go."""
    path = workspace.layout.explanation("ablation.csv")
    table = _as_text(pd.DataFrame(rows, columns=_COLUMNS))
    note(workspace, f"{_ROWS} {mode}", _digest(table))
    other = "predict" if mode == "retrain" else "retrain"
    if path.exists() and (other == "predict" or _retrained_is_current(workspace)):
        before = _rows_before(workspace, path, other)
        parts = [part for part in (table, before) if len(part)]
        table = pd.concat(parts, ignore_index=True).sort_values("mode", kind="stable") if parts else table
    write_csv(path, table)


def _rows_before(workspace: Workspace, path: Path, mode: str) -> pd.DataFrame:
    """The rows of a mode as they were written; none where the table was damaged since."""
    drawn = noted(workspace, f"{_ROWS} {mode}")
    try:
        before = stored_table(workspace.layout, path, **_TEXT)
        rows = before[before["mode"] == mode] if list(before.columns) == _COLUMNS else None
    except InputError:
        rows = None
    if rows is not None and drawn in (None, _digest(rows)):
        return rows
    command = "explain" if mode == "predict" else "ablate --cell-types"
    logger.warning(
        f"{path} is damaged. To have the rows of the mode '{mode}', run `espark {command} {workspace.root}`."
    )
    return pd.DataFrame(columns=_COLUMNS)


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """The table as it will be read again: no number loses a digit, and a center may be called NA."""
    return pd.read_csv(io.StringIO(table.to_csv(index=False)), **_TEXT)


def _digest(rows: pd.DataFrame) -> str:
    return digest(rows.to_numpy().tolist())


def _retrained_is_current(workspace: Workspace) -> bool:
    entry = last_entry(workspace, _STEP)
    return bool(entry.get("state") == "done" and entry.get("key") == _retrain_key(workspace))


def _retrain_key(workspace: Workspace) -> str:
    """Hash of all that the rows of retraining rest on."""
    layout = workspace.layout
    files = [layout.config, layout.cohort, layout.predictions(trained_models(workspace)[-1])]
    return digest([__version__, [fingerprint(file) for file in files]])


def retrain_without_types(workspace: Workspace, *, workers: int = 1, reporter: Reporter | None = None) -> pd.DataFrame:
    """Train the model that `explain` explains without each cell type; write the rows ``retrain`` of ``ablation.csv``.

    MScaleCT, CytoPath and eSPARK are trained on the study's own folds, with the study's settings, on slides without
    the tiles of the type. A fold that was trained on the same data with the same settings stays.

    Args:
        workspace: the opened study, trained.
        workers: folds trained side by side; the result does not depend on it.
        reporter: shows the progress.

    Returns:
        The rows.

    Raises:
        MissingStepError: when no model was trained.
        InputError: when the model does not choose tiles by cell type.
    """
    model, study = trained_models(workspace)[-1], load_inputs(workspace)
    bundle = trained_model(workspace, model, study)
    if not chooses_by_type(bundle):
        raise InputError(f"{MODELS[model].title} does not choose tiles by cell type", where=workspace.root)
    with recorded(workspace, _STEP, workers=workers) as facts:
        inputs = study.inputs.only("slides") if model == "cytopath" else study.inputs
        types = workspace.cytology.keys
        settings = model_settings(workspace, study.encoder)
        arms = [
            Arm(f"{model}-without-{key}", model, partial(MemberWithoutType.train, model=model, column=column),
                settings, [key], inputs)
            for column, key in enumerate(types)
        ]  # fmt: skip
        answers = train_arms(workspace, arms, workers=workers, reporter=reporter or Reporter(), what=_STEP)
        places = _looked_at(workspace, inputs)
        patients = [workspace.cohort[inputs.patient_ids[place]] for place in places]
        whole = read_predictions(workspace, model).set_index("patient_id")["probability"]
        voted = whole.reindex([patient.patient_id for patient in patients]).to_numpy(float)
        without = np.stack([answer[places] for answer in answers])
        rows = list(change_rows(patients, types, "retrain", voted, without))
        _write_mode(workspace, "retrain", rows)
        facts.update(key=_retrain_key(workspace), model=model, arms=[arm.name for arm in arms])
    return pd.DataFrame(rows, columns=_COLUMNS)
