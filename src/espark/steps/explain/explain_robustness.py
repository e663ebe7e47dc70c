"""What small changes of contours and slices do to the answers of a study: ``explain/ct_robustness.csv``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from espark.bundle.bundle import Bundle
from espark.code_hash import code_hash
from espark.ct.regions.regions import load_regions
from espark.ct.regions.ring import with_ring
from espark.errors import EsparkError, WorkerLostError, what_went_wrong
from espark.explain.attribution import CtAttributor
from espark.explain.robustness import ChangedAnswer, Robustness, robustness
from espark.files import digest, fingerprint, read_json, write_csv, write_json
from espark.statistics.classification import proportion
from espark.steps.explain.redrawn_features import RedrawnFeatures, Used, redrawn_features, rows_of, used_features
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.steps.prepare.prepare import radiomics_settings
from espark.steps.train.patients import development_patients
from espark.training.cross_validation import cross_validate_members
from espark.training.ensemble import modalities_of
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.types import Unseen
from espark.wording import percent
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.cohort import Patient
from espark.workspace.opened import Workspace
from espark.workspace.records import ItemStatus, is_done, write_record
from espark.workspace.stored import stored_table

_ITEM = "redrawn"
_TABLE = "ct_robustness.csv"
_COLUMNS = ["patient_id", "label", "change", "probability", "conformal_set"]
_AS_GIVEN = "none"
_MODULES = (__name__, "espark.steps.explain.redrawn_features", "espark.steps.prepare.measure")
_CODE = ("espark.ct.regions", "espark.ct.features", "espark.ct.resample", "espark.ct.grid")


@dataclass(frozen=True)
class _Job:
    """One patient, with all that a worker process needs to know."""

    workspace: Workspace
    patient: Patient
    used: Used


def explain_robustness(
    workspace: Workspace,
    bundle: Bundle,
    inputs: Inputs,
    folds: Mapping[str, Unseen],
    *,
    workers: int = 1,
    reporter: Reporter,
) -> tuple[dict[str, Any], list[ItemStatus]]:
    """Ask the model again about every patient whose regions are known, after each small change.

    The features of a patient are measured again only when the image, the settings or the features in use have changed.

    Args:
        workspace: the opened study.
        bundle: the model.
        inputs: every used patient.
        folds: by development patient, the members that did not see that patient.
        workers: patients side by side.
        reporter: reports the progress.

    Returns:
        An entry for ``checks.json``; empty when there is nothing to ask about. And the patients who failed.
    """
    failed: list[ItemStatus] = []
    found: dict[str, Robustness] = {}
    places = _with_regions(workspace, bundle, inputs)
    if places:
        used = used_features(bundle, inputs)
        jobs = [_Job(workspace, workspace.cohort[inputs.patient_ids[place]], used) for place in places]
        answer = _asking(workspace, bundle, inputs, folds)
        with reporter.track("small changes of contours", len(jobs)) as advance:
            measured = side_by_side(_redraw, jobs, workers=workers, uses_torch=False, lost=_lost)
            for place, job, features in zip(places, jobs, measured, strict=True):
                if isinstance(features, str):
                    failed.append(ItemStatus(job.patient.patient_id, _ITEM, "failed", 1, 0.0, features))
                else:
                    found[job.patient.patient_id] = answer(place, features)
                advance()
    rows = [row for patient_id, part in found.items() for row in _rows(workspace.cohort[patient_id], part)]
    table = workspace.outcome.named(pd.DataFrame(rows, columns=_COLUMNS).astype({"label": "Int64"}))
    write_csv(workspace.layout.explanation(_TABLE), table)
    return _entry(found), failed


def read_robustness(workspace: Workspace) -> dict[str, Robustness]:
    """What `explain_robustness` found, by patient; empty for a study that was explained before it existed."""
    path = workspace.layout.explanation(_TABLE)
    if not path.exists():
        return {}
    kinds = {"patient_id": str, "conformal_set": str, workspace.outcome.column: "Int64"}
    table = workspace.outcome.neutral(stored_table(workspace.layout, path, dtype=kinds), path)
    table["conformal_set"] = table["conformal_set"].fillna("")  # an empty set is an answer, not a gap
    found = {}
    for patient_id, part in table.groupby("patient_id", sort=False):
        answers = [
            ChangedAnswer(str(change), float(probability), str(conformal_set))
            for change, probability, conformal_set in part[_COLUMNS[2:]].itertuples(index=False)
        ]
        found[str(patient_id)] = Robustness(answers[0].probability, answers[0].conformal_set, tuple(answers[1:]))
    return found


def _with_regions(workspace: Workspace, bundle: Bundle, inputs: Inputs) -> list[int]:
    """Places of the patients whose CT espark measured, where the model looks at CT."""
    card = bundle.card.radiomics
    if card is None or card.source == "imported" or "ct" not in MODELS[bundle.card.model].modalities:
        return []
    layout = workspace.layout
    return [
        place
        for place in np.flatnonzero(inputs.has_ct).tolist()
        for patient in [workspace.cohort[inputs.patient_ids[place]]]
        if patient.files.ct is not None and layout.record(patient.patient_id, "ct").exists()
    ]


def _redraw(job: _Job) -> list[RedrawnFeatures] | str:
    """Features after each change, kept from an earlier run or measured now; or why there are none."""
    layout, patient = job.workspace.layout, job.patient
    path, key = layout.redrawn(patient.patient_id), _key(job)
    try:
        if not is_done(layout, patient.patient_id, _ITEM, key):
            write_json(path, [{"change": part.name, "values": _known(part.values)} for part in _measure(job)])
            write_record(layout, patient.patient_id, _ITEM, key, [path])
    except (EsparkError, OSError, MemoryError) as error:
        return patient.files.without_paths(what_went_wrong(error))
    return [
        RedrawnFeatures(
            part["change"], {name: np.nan if value is None else value for name, value in part["values"].items()}
        )
        for part in read_json(path)
    ]


def _measure(job: _Job) -> list[RedrawnFeatures]:
    config, patient = job.workspace.config, job.patient
    ct = read_patient_ct(patient.files)
    outlined = load_regions(job.workspace.layout.regions(patient.patient_id), ct)
    regions, _ = with_ring(ct, outlined, config.ct.ring_mm)
    settings = radiomics_settings(config.ct)
    model = config.mscalect.image_model
    return redrawn_features(ct, regions, settings, job.used, ring_mm=config.ct.ring_mm, image_model=model)


def _key(job: _Job) -> str:
    """Hash of everything that the features depend on."""
    layout, config = job.workspace.layout, job.workspace.config
    record = fingerprint(layout.record(job.patient.patient_id, "ct"))
    used = {scale: sorted(names) for scale, names in job.used.items()}
    code = code_hash(_MODULES, within=_CODE)
    settings = asdict(radiomics_settings(config.ct))
    return digest([record, used, settings, config.ct.ring_mm, config.mscalect.image_model, code])


def _known(values: Mapping[str, float]) -> dict[str, float | None]:
    """For JSON, which has no NaN."""
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def _lost(_: _Job, error: WorkerLostError) -> list[RedrawnFeatures] | str:
    return str(error)


def _asking(workspace: Workspace, bundle: Bundle, inputs: Inputs, folds: Mapping[str, Unseen]) -> Any:
    """From the place of a patient and the features after each change to the answers.

    An answer is calibrated as in ``predictions/``: that of a development patient by what the other folds give.
    """
    development, protocol = development_patients(workspace, inputs), workspace.config.protocol
    validated = cross_validate_members(bundle.card.model, bundle.members, development, inputs.subset([]), protocol)
    attributors = [CtAttributor(member) for member in bundle.members]
    modalities = modalities_of(bundle.card.model, inputs)

    def answer(place: int, features: list[RedrawnFeatures]) -> Robustness:
        one, modality = inputs.subset([place]), modalities[place]
        assert modality is not None
        fold = folds.get(one.patient_ids[0])
        asked = attributors if fold is None else [attributors[number] for number in fold]
        point = validated.points[modality] if fold is None else validated.cross_fitted.points[fold[0]]
        names = [part.name for part in features]
        return robustness(asked, one, names, rows_of(one, features), point, pooled=fold is not None)

    return answer


def _rows(patient: Patient, found: Robustness) -> Iterator[tuple[object, ...]]:
    whose = patient.patient_id, patient.label
    yield *whose, _AS_GIVEN, found.probability, found.conformal_set
    for part in found.changed:
        yield *whose, part.change, part.probability, part.conformal_set


def _entry(found: Mapping[str, Robustness]) -> dict[str, Any]:
    if not found:
        return {}
    holds = proportion(sum(part.holds for part in found.values()), len(found))
    widths = [part.high - part.low for part in found.values()]
    sentence = (
        f"In {percent(holds.value)} of {holds.n} patients the answer stays the same when the contour is moved by 1 mm "
        "(or one voxel, where voxels are larger), drawn again, or seen on thicker slices. The probability moves over "
        f"{percent(float(np.median(widths)))} (median) and at most {percent(max(widths))}."
    )
    title = "The answer stays the same after small changes of the contour"
    numbers = {"n": holds.n, "value": holds.value, "ci_low": holds.ci_low, "ci_high": holds.ci_high}
    return {
        "ct_robustness": {"title": title, **numbers, "sentence": sentence, "median_width": float(np.median(widths))}
    }
