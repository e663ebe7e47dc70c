"""Folds and models: trains every fold, fits the operating points out of fold, saves bundles, predicts everybody."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from espark._version import __version__
from espark.bundle import (
    Bundle,
    BundleCard,
    ClinicalCard,
    EncoderCard,
    Reference,
    TrainingCard,
    applicability_rows,
    member_path,
    restore_member,
    save_bundle,
)
from espark.catalogue import Plugin
from espark.files import digest, save_tensors
from espark.steps.prepare.prepared_inputs import StudyInputs, load_inputs
from espark.steps.train.decisions import decisions
from espark.steps.train.model_card import model_card
from espark.steps.train.predictions import write_predictions
from espark.steps.train.reference import evidence_statistics, modality_references, reference_patients
from espark.steps.train.splits import read_or_draw_splits
from espark.training.applicability import Applicability
from espark.training.cross_validation import Development, operating_points, train_members
from espark.training.inputs import Inputs, PackedInputs
from espark.training.members.catalogue import MODELS
from espark.training.members.members import Member
from espark.training.operating_point import cross_fit
from espark.training.plugins import plugin_key, plugins_of, without_others
from espark.training.settings import ModelSettings
from espark.types import DoubleArray, IntArray
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.manifest import recorded
from espark.workspace.opened import Workspace

logger = logging.getLogger("espark")

_FEWEST_FOR_APPLICABILITY = 10
_WEIGHTS = "with the mean tile"  # what a fold's file holds: folds stored before it did are trained again


def train(workspace: Workspace, *, workers: int = 1, reporter: Reporter | None = None) -> tuple[str, ...]:
    """Train every model for which there are images.

    A fold that was trained on the same data with the same settings stays.

    Args:
        workspace: the opened study.
        workers: folds trained side by side; the result does not depend on it.
        reporter: says how far the work is.

    Returns:
        Names of the trained models.
    """
    reporter = reporter or Reporter()
    with recorded(workspace, "train", workers=workers) as facts:
        study = load_inputs(workspace)
        development = development_patients(workspace, study.inputs)
        models = _trainable(development.inputs, reporter)
        # Slides of test patients alone say nothing to a study that trains no model on slides.
        settings = model_settings(workspace, study.encoder if "cytopath" in models else None)
        _train_folds(workspace, development, settings, models, workers, reporter)
        with reporter.track("vote and calibrate", len(models)) as advance:
            for model in models:
                bundle, out_of_fold = _finish(workspace, study, development, settings, model)
                write_predictions(workspace, bundle, study.inputs, development.folds, out_of_fold)
                advance()
        facts.update(models=list(models), patients=len(development.labels))
    return models


def development_patients(workspace: Workspace, inputs: Inputs) -> Development:
    """The labelled development patients among ``inputs``, with their folds."""
    folds = read_or_draw_splits(workspace)
    position = {patient_id: index for index, patient_id in enumerate(inputs.patient_ids)}
    patients = workspace.cohort.development
    subset = inputs.subset([position[patient.patient_id] for patient in patients])
    return Development(subset, np.array([int(patient.pcr or 0) for patient in patients]), folds)


def _trainable(inputs: Inputs, reporter: Reporter) -> tuple[str, ...]:
    there = {
        "ct": bool(inputs.has_ct.any()),
        "slides": bool(inputs.has_slides.any()),
        "clinical": bool(inputs.has_clinical.any()),
    }
    models = tuple(name for name, entry in MODELS.items() if all(there[modality] for modality in entry.modalities))
    for name in MODELS:
        if name not in models:
            missing = [modality for modality in MODELS[name].modalities if not there[modality]]
            reporter.say(f"{MODELS[name].title} is not trained: no development patient has {' or '.join(missing)}.")
    return models


def model_settings(workspace: Workspace, encoder: EncoderCard | None) -> ModelSettings:
    """What the study says about its models, with the cut-offs that belong to its encoder."""
    config = workspace.config
    cutoffs = workspace.cytology.cutoffs_for(encoder.registered if encoder else None)
    return ModelSettings(config.mscalect, config.cytopath, config.espark, cutoffs)


@dataclass(frozen=True)
class _FoldJob:
    """A fold's training, with all that a worker process needs to know."""

    folders: dict[str, Path]
    fold: int
    development: PackedInputs
    seen: IntArray
    labels: IntArray
    settings: ModelSettings
    seed: int

    def inputs(self) -> Inputs:
        """The training part of the fold."""
        return self.development.unpack().subset(self.seen)

    def key(self, inputs: Inputs) -> str:
        """Hash of everything the fold's weights depend on; ``inputs`` are :meth:`inputs`."""
        return digest(
            [
                __version__,
                _WEIGHTS,
                self.fold,
                self.seed,
                inputs.content_hash(),
                self.labels.tolist(),
                self.settings.mscalect.model_dump(mode="json"),
                self.settings.cytopath.model_dump(mode="json"),
                self.settings.espark.model_dump(mode="json"),
                asdict(self.settings.cutoffs),
                *plugin_key(self.settings),
            ]
        )


def _train_folds(
    workspace: Workspace,
    development: Development,
    settings: ModelSettings,
    models: tuple[str, ...],
    workers: int,
    reporter: Reporter,
) -> None:
    folders = {model: workspace.layout.model(model) for model in models}
    packed = PackedInputs.pack(development.inputs)
    jobs = []
    for fold in range(workspace.config.protocol.folds):
        seen = np.flatnonzero(development.folds != fold)
        labels, seed = development.labels[seen], workspace.config.fold_seed(fold)
        jobs.append(_FoldJob(folders, fold, packed, seen, labels, settings, seed))
    with reporter.track("train folds", len(jobs)) as advance:
        for _ in side_by_side(_train_fold, jobs, workers=workers, ordered=False):
            advance()


def _train_fold(job: _FoldJob) -> None:
    """Train one fold of every model."""
    inputs = job.inputs()
    key = job.key(inputs)
    if all(stored_key(member_path(folder, job.fold)) == key for folder in job.folders.values()):
        return
    members = train_members(tuple(job.folders), inputs, job.labels, job.settings, job.seed)
    for model, member in members.items():
        save_tensors(member_path(job.folders[model], job.fold), member.tensors(), {"key": key})


def stored_key(path: Path) -> str | None:
    """Hash of all that the tensors in a file depend on; None when there is no such file."""
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as handle:
        metadata: dict[str, str] = handle.metadata() or {}
        return metadata.get("key")


def _finish(
    workspace: Workspace, study: StudyInputs, development: Development, settings: ModelSettings, model: str
) -> tuple[Bundle, DoubleArray]:
    """Fit the operating points out of fold and write the bundle.

    Returns:
        The bundle and the raw out-of-fold probability (patients,) of each development patient.
    """
    folder = workspace.layout.model(model)
    template = study.inputs.subset([])
    folds = range(workspace.config.protocol.folds)
    members = tuple(restore_member(template, settings, model, member_path(folder, fold)) for fold in folds)
    modalities = MODELS[model].modalities
    plugins, kept = _plugins(workspace, study, settings, model), without_others(model, settings)
    points, pooled = operating_points(model, members, development, workspace.config.protocol)
    encoder = _with_evidence(study.encoder, development.inputs) if "slides" in modalities else None
    card = BundleCard(
        model=model,
        seed=workspace.config.study.seed,
        folds=len(members),
        training=TrainingCard(
            study=workspace.config.study.name,
            simulated=workspace.config.study.simulated,
            n=len(development.labels),
            n_pcr=int(development.labels.sum()),
            centers=tuple(sorted({patient.center for patient in workspace.cohort.development})),
        ),
        radiomics=study.radiomics if "ct" in modalities else None,
        encoder=encoder,
        clinical=_clinical_cards(development.inputs) if _takes_clinical(model, settings) else (),
        mscalect=kept.mscalect,
        cytopath=kept.cytopath,
        espark=kept.espark,
        cytology=workspace.cytology if "slides" in modalities else None,
        protocol=workspace.config.protocol,
        operating_points={modality: point.to_dict() for modality, point in points.items()},
        reference=_reference(workspace, study, model, development, members, pooled, encoder),
        decisions=decisions(model, settings, workspace.config.protocol, workspace.config.study.seed, points, plugins),
        plugins=plugins,
    )
    applicability = _applicability(development.inputs, modalities)
    save_bundle(folder, card, applicability, model_card(card, development.labels, pooled, development.folds))
    return Bundle(card, members, applicability), pooled


def _plugins(workspace: Workspace, study: StudyInputs, settings: ModelSettings, model: str) -> tuple[Plugin, ...]:
    measured = study.radiomics is not None and study.radiomics.source == "espark"
    return plugins_of(
        model,
        settings,
        encoder=study.encoder.entry if study.encoder else "",
        segmenter=workspace.config.ct.segmenter if measured else "",
    )


def _takes_clinical(model: str, settings: ModelSettings) -> bool:
    return model == "clinical" or (model == "espark" and settings.espark.clinical)


def _clinical_cards(inputs: Inputs) -> tuple[ClinicalCard, ...]:
    cards = []
    for position, column in enumerate(inputs.clinical_columns):
        values = {str(row[position]) for row in inputs.clinical if row[position] is not None}
        levels = tuple(sorted(values)) if column.kind == "category" else ()
        cards.append(ClinicalCard(name=column.name, kind=column.kind, unit=column.unit, levels=levels))
    return tuple(cards)


def _with_evidence(encoder: EncoderCard | None, inputs: Inputs) -> EncoderCard | None:
    if encoder is None or not encoder.cell_types:
        return encoder
    mean, sd = evidence_statistics(inputs)
    return encoder.model_copy(update={"evidence_mean": mean, "evidence_sd": sd})


def _reference(
    workspace: Workspace,
    study: StudyInputs,
    model: str,
    development: Development,
    members: tuple[Member, ...],
    raw: DoubleArray,
    encoder: EncoderCard | None,
) -> Reference:
    usable = np.isfinite(raw)
    protocol = workspace.config.protocol
    fitted = cross_fit(development.labels[usable], raw[usable], development.folds[usable], protocol)
    by_modality = modality_references(model, members, development, protocol)
    return reference_patients(
        workspace, development, members, encoder, study.counts, fitted, development.labels[usable], by_modality
    )


def _applicability(inputs: Inputs, modalities: tuple[str, ...]) -> dict[str, Applicability]:
    known = {"ct": inputs.has_ct, "slides": inputs.has_slides, "clinical": np.zeros(len(inputs), bool)}
    return {
        modality: Applicability.fit(
            [applicability_rows(inputs, index)[modality] for index in np.flatnonzero(known[modality]).tolist()]
        )
        for modality in modalities
        if known[modality].sum() >= _FEWEST_FOR_APPLICABILITY
    }
