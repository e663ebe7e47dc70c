"""Write all results of a study as pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from espark._version import __version__
from espark.bundle.bundle import Bundle
from espark.bundle.folder import bundle_once
from espark.ct.regions.plausibility import describe_region
from espark.ct.regions.regions import load_regions
from espark.ct.regions.ring import with_ring
from espark.errors import EsparkError, MissingStepError, WorkerLostError, what_went_wrong
from espark.explain.robustness import Robustness
from espark.files import digest, fingerprint, write_bytes, write_text
from espark.notes import Note
from espark.report.pages import design_fingerprint
from espark.report.patient_content import AnswerRecord, SideRow, ValidationRow
from espark.report.patient_html import render_patient
from espark.report.pdf import check_pdf, render_pdf
from espark.steps.evaluate.evaluate import check_evaluated
from espark.steps.evaluate.validation import study_record, validation_rows
from espark.steps.explain.explain import check_explained, explained_model, patient_folds
from espark.steps.explain.explain_robustness import read_robustness
from espark.steps.explain.patient_explanation import explain_patient
from espark.steps.explain.slide_evidence import SlideEvidence, read_evidence
from espark.steps.explain.voxel_maps import voxel_map_picture
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.steps.prepare.prepared_inputs import load_inputs, load_slides
from espark.steps.prepare.slide_quality import quality_sentence
from espark.steps.report.applicability_in_words import applicability
from espark.steps.report.biomarker_cards import study_sides
from espark.steps.report.case import Case
from espark.steps.report.patient_page import patient_report
from espark.steps.report.report_inputs import report_inputs
from espark.steps.report.slide_notes import SlideReference, read_reference
from espark.steps.report.study_page import study_page
from espark.steps.train.predictions import read_predictions
from espark.steps.train.trained_model import trained_model
from espark.training.ensemble import Prediction
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.types import Unseen
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.cohort import Patient
from espark.workspace.layout import StudyLayout
from espark.workspace.manifest import changed, check_earlier_steps, last_entry, recorded, written
from espark.workspace.opened import Workspace
from espark.workspace.patient_files import slide_number
from espark.workspace.records import ItemStatus, is_done, read_record, read_status, write_record
from espark.workspace.stored import stored_table


@dataclass(frozen=True)
class ReportResult:
    """What `report` wrote.

    Attributes:
        index: the study report.
        pages: patient reports.
        failed: patient reports that could not be written.
    """

    index: Path
    pages: int
    failed: tuple[ItemStatus, ...]


@dataclass(frozen=True)
class PageJob:
    """One patient's page, with all that a worker process needs to know."""

    workspace: Workspace
    model: str
    model_hash: str
    patient: Patient
    inputs: Inputs
    prediction: Prediction
    fold: Unseen | None
    validation: tuple[ValidationRow, ...]
    biomarker_sides: Mapping[str, tuple[SideRow, ...]]
    quality: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]
    evidence: SlideEvidence | None
    reference: SlideReference
    record: tuple[AnswerRecord, ...]
    show_withheld: bool
    pdf: bool
    robustness: Robustness | None


def report(
    workspace: Workspace,
    *,
    patient_id: str | None = None,
    show_withheld: bool = False,
    pdf: bool = False,
    workers: int = 1,
    reporter: Reporter | None = None,
) -> ReportResult:
    """Write the study report and one page per patient.

    Args:
        workspace: the opened study.
        patient_id: write only the page of this patient.
        show_withheld: print the probability even where the model does not apply to the patient.
        pdf: write every page as PDF too.
        workers: processes that write pages side by side.
        reporter: reports the progress.

    Raises:
        MissingStepError: when the study was not evaluated, or evaluated or explained before it was trained again.
        ReportError: when PDFs are requested but cannot be made here.
    """
    reporter = reporter or Reporter()
    if pdf:
        check_pdf()
    if not workspace.layout.metrics.exists():
        raise MissingStepError(
            "the study is not evaluated", where=workspace.root, action=f"Run `espark evaluate {workspace.root}` first."
        )
    check_earlier_steps(workspace, "report")
    check_evaluated(workspace)
    check_explained(workspace)
    model = explained_model(workspace)
    before, inputs = last_entry(workspace, "report"), report_inputs(workspace, model)
    news = changed(before["inputs"], inputs) if "inputs" in before else []
    if news:
        reporter.say(f"changed since the last report: {', '.join(news)}")
    options = {"show_withheld": show_withheld, "pdf": pdf, "workers": workers, "patient": patient_id}
    with recorded(workspace, "report", **options, inputs=inputs, changed=news) as facts:
        every = page_jobs(workspace, model, show_withheld=show_withheld, pdf=pdf)
        jobs = [job for job in every if patient_id in (None, job.patient.patient_id)]
        if patient_id is not None and not jobs:
            workspace.cohort[patient_id]
            raise MissingStepError("the patient has no prediction", where=patient_id)
        failed = []
        with reporter.track("patient reports", len(jobs)) as advance:
            for job, error in zip(jobs, side_by_side(_write_page, jobs, workers=workers, lost=_lost), strict=True):
                if error:
                    failed.append(ItemStatus(job.patient.patient_id, "report", "failed", 1, 0.0, error))
                advance()
        index = workspace.layout.report
        if patient_id is None:
            page = study_page(workspace, model, failed)
            write_text(index, page)
            if pdf:
                write_bytes(index.with_suffix(".pdf"), render_pdf(page))
        facts.update(pages=len(jobs) - len(failed), failed=len(failed))
        facts["outputs"] = written(workspace, (path for path in index.parent.rglob("*") if path.is_file()))
    return ReportResult(index, len(jobs) - len(failed), tuple(failed))


def page_jobs(workspace: Workspace, model: str, *, show_withheld: bool, pdf: bool) -> Iterator[PageJob]:
    """One job for each patient with a prediction."""
    study = load_inputs(workspace)
    card, inputs = trained_model(workspace, model, study).card, study.inputs
    position = {patient_id: index for index, patient_id in enumerate(inputs.patient_ids)}
    predictions = read_predictions(workspace, model)
    members = stored_table(workspace.layout, workspace.layout.members(model), dtype={"patient_id": str})
    answers = {str(key): tuple(part["probability"].tolist()) for key, part in members.groupby("patient_id")}
    folds = patient_folds(workspace)
    validation, sides = validation_rows(workspace, model), study_sides(workspace)
    model_hash = fingerprint(workspace.layout.model(model))
    provenance = _provenance(workspace, model, model_hash)
    failures = _failures(workspace)
    evidence = read_evidence(
        workspace.layout,
        {patient.patient_id: load_slides(workspace, patient) for patient in workspace.cohort.used},
    )
    reference, robust = read_reference(workspace.layout), read_robustness(workspace)
    records = {name: study_record(workspace, model, card, name) for name in card.operating_points}
    for row in predictions.to_dict("records"):
        patient_id = str(row["patient_id"])
        sd = row["probability_sd"]
        prediction = Prediction(
            patient_id,
            row["modality"],
            float(row["probability"]),
            float(sd) if np.isfinite(sd) else 0.0,
            answers[patient_id],
            int(row["prediction"]),
            str(row["conformal_set"]),
        )
        yield PageJob(
            workspace,
            model,
            model_hash,
            workspace.cohort[patient_id],
            inputs.subset([position[patient_id]]),
            prediction,
            folds.get(patient_id),
            validation,
            sides,
            (
                *failures.get(patient_id, ()),
                *_region_notes(workspace.layout, patient_id),
                *_slide_quality(workspace, workspace.cohort[patient_id]),
            ),
            provenance,
            evidence.get(patient_id),
            reference,
            records[row["modality"]],
            show_withheld,
            pdf,
            robust.get(patient_id),
        )


def _region_notes(layout: StudyLayout, patient_id: str) -> tuple[str, ...]:
    """Notes on a patient's regions; empty when the user drew them."""
    record = read_record(layout, patient_id, "ct") or {}
    return tuple(str(Note.from_json(stored)) for stored in record.get("region_notes", ()))


def _failures(workspace: Workspace) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in read_status(workspace.layout):
        if row.state == "failed":
            sentence = f"{row.item} could not be used: {row.error}"
            found[row.patient_id] = (*found.get(row.patient_id, ()), sentence)
    return found


def _slide_quality(workspace: Workspace, patient: Patient) -> Iterator[str]:
    """What was left out of each prepared slide of the patient."""
    layout = workspace.layout
    for name in patient.files.named_slides:
        record = read_record(layout, patient.patient_id, name)
        if record is not None:
            picture = layout.slide_quality(patient.patient_id, name).relative_to(layout.root).as_posix()
            yield quality_sentence(slide_number(name), record["n_tiles"], record["left_out"], picture=picture)


def _provenance(workspace: Workspace, model: str, model_hash: str) -> tuple[tuple[str, str], ...]:
    title = MODELS[model].title
    return (
        ("Study", workspace.config.study.name),
        ("Model", f"{title}, {workspace.config.protocol.members} fold models, seed {workspace.config.study.seed}"),
        ("SHA-256 of the model", model_hash),
        ("SHA-256 of cohort.csv", fingerprint(workspace.layout.cohort)),
        ("SHA-256 of study.toml", fingerprint(workspace.layout.config)),
        ("espark", __version__),
    )


def _write_page(job: PageJob) -> str:
    """Write one patient's page, unless the existing page is up to date.

    Returns:
        Why it failed; empty when it did not fail.
    """
    layout, patient_id = job.workspace.layout, job.patient.patient_id
    page = layout.patient_report(patient_id)
    try:
        key = _page_key(job)
        if not is_done(layout, patient_id, "report", key):
            bundle = bundle_once(layout.model(job.model), job.model_hash)
            case = case_of(job, bundle)
            write_text(page, render_patient(patient_report(bundle, case)))
            write_record(layout, patient_id, "report", key, [page], withheld=case.withheld)
        if job.pdf:
            write_bytes(page.with_name(f"{page.stem}.pdf"), render_pdf(page.read_text(encoding="utf-8")))
    except (EsparkError, OSError) as error:
        return what_went_wrong(error)
    return ""


def _lost(_: PageJob, error: WorkerLostError) -> str:
    return str(error)


def _page_key(job: PageJob) -> str:
    """Hash of the content and the look of a page. Model, cohort and settings are part of its provenance."""
    layout, patient = job.workspace.layout, job.patient
    files = [layout.record(patient.patient_id, "ct"), layout.voxel_maps(patient.patient_id)]
    for name in patient.files.named_slides:
        files += [
            layout.record(patient.patient_id, name),
            layout.heatmap(patient.patient_id, name),
            layout.attribution_map(patient.patient_id, name),
            layout.focus_regions(patient.patient_id, name),
        ]
    shown = [
        design_fingerprint(), asdict(job.prediction), job.fold, [asdict(row) for row in job.validation],
        {key: [asdict(row) for row in rows] for key, rows in job.biomarker_sides.items()}, job.quality, job.provenance,
        [asdict(row) for row in job.record], job.show_withheld,
        patient.role, patient.center, patient.label, job.inputs.radiomics.tobytes().hex(), job.inputs.clinical,
        [fingerprint(path) for path in files if path.exists()],
        [digest(bag.features.tobytes().hex()) for bag in job.inputs.bags if bag is not None],
        None if job.evidence is None else job.evidence.fingerprint(), asdict(job.reference),
        None if job.robustness is None else asdict(job.robustness),
    ]  # fmt: skip
    return digest(shown)


def case_of(job: PageJob, bundle: Bundle) -> Case:
    """A patient of a study with everything that the page shows."""
    workspace, patient = job.workspace, job.patient
    layout = workspace.layout
    by_name = patient.files.named_slides
    features = [part for part in load_slides(workspace, patient) if part.source in by_name]
    slides = tuple(by_name[part.source] for part in features)
    heatmaps, maps, region_pictures = (
        tuple(path if (path := place(patient.patient_id, part.source)).exists() else None for part in features)
        for place in (layout.heatmap, layout.attribution_map, layout.focus_regions)
    )
    record = read_record(layout, patient.patient_id, "ct")
    ct = regions = tumor = None
    if patient.files.ct is not None and record is not None:
        ct = read_patient_ct(patient.files)
        outlined = load_regions(layout.regions(patient.patient_id), ct)
        regions, _ = with_ring(ct, outlined, workspace.config.ct.ring_mm)
        tumor = describe_region(ct, regions.mask("tumor")) if "tumor" in regions.scales else None
    simulated = workspace.config.study.simulated
    explanation = explain_patient(bundle, job.inputs, features, fold=job.fold)
    return Case(
        patient_id=patient.patient_id,
        inputs=job.inputs,
        prediction=job.prediction,
        explanation=explanation,
        applicable=applicability(bundle, job.inputs, tumor=tumor, simulated=simulated),
        simulated=simulated,
        ct=ct,
        regions=regions,
        slides=slides,
        features=tuple(features),
        slide_mpp=patient.files.slide_mpp,
        heatmaps=heatmaps,
        # The evidence covers all slides with features: it can be split by slide only when every slide has its file.
        evidence=job.evidence if job.evidence and len(job.evidence.attention) == sum(map(len, features)) else None,
        reference=job.reference,
        maps=maps,
        region_pictures=region_pictures,
        role=patient.role,
        center=patient.center,
        label=patient.label,
        fold=job.fold,
        validation=job.validation,
        biomarker_sides=job.biomarker_sides,
        quality=job.quality,
        provenance=job.provenance,
        record=job.record,
        show_withheld=job.show_withheld,
        voxel_maps=voxel_map_picture(layout, job.model, patient.patient_id),
        robustness=job.robustness,
    )
