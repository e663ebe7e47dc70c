"""Folds and models: trains every fold, fits the operating points out of fold, saves bundles, predicts everybody."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espark.bundle.card import BundleCard, ClinicalCard, EncoderCard, TrainingCard
from espark.bundle.folder import member_path, save_bundle
from espark.catalogue import Plugin
from espark.steps.prepare.prepared_inputs import StudyInputs, load_inputs
from espark.steps.prepare.slide_tools import study_probe
from espark.steps.prepare.unchanged import left_behind
from espark.steps.train.decisions import decisions
from espark.steps.train.model_card import model_card
from espark.steps.train.patients import development_patients, other_places
from espark.steps.train.predictions import write_predictions
from espark.steps.train.reference import evidence_statistics, reference_patients
from espark.steps.train.trained_data import trained_facts
from espark.steps.train.trained_folds import fold_key, train_folds
from espark.tables.table import listed
from espark.training.cross_validation import CrossValidated, Development, cross_validate_members
from espark.training.folds import too_few, too_few_with
from espark.training.inputs import Inputs, PackedInputs
from espark.training.likeness.applicability import FEWEST_PATIENTS, WITHHELD_RATE, Applicability
from espark.training.likeness.views import applicability_views
from espark.training.members.build import restore_member, train_members
from espark.training.members.catalogue import MODELS
from espark.training.members.member import Member
from espark.training.members.state import MemberState
from espark.training.plugins import plugins_of, without_others
from espark.training.settings import ModelSettings
from espark.training.settings_in_words import TrainingInWords
from espark.types import IntArray, Modality
from espark.work.progress import Reporter
from espark.workspace.manifest import recorded
from espark.workspace.opened import Workspace

logger = logging.getLogger("espark")


def train(workspace: Workspace, *, workers: int = 1, reporter: Reporter | None = None) -> tuple[str, ...]:
    """Train every model for which there are images.

    A fold that was trained on the same data with the same settings stays.

    Args:
        workspace: the opened study.
        workers: folds trained side by side; the result does not depend on it.
        reporter: shows the progress.

    Returns:
        Names of the trained models.

    Raises:
        InputError: when there are too few patients, or too few of a class with CT or slides.
    """
    reporter = reporter or Reporter()
    _check_count(workspace)
    study = load_inputs(workspace)  # before the manifest forgets the last training, which stays when this is refused
    with recorded(workspace, "train", workers=workers) as facts:
        if gone := left_behind(workspace):
            reporter.say(f"Not in cohort.csv any more, so not used: {listed(gone)}.")
        development = development_patients(workspace, study.inputs)
        models = _trainable(development.inputs, reporter)
        _check_classes(workspace, development)
        # Slides of test patients alone say nothing to a study that trains no model on slides.
        settings = model_settings(workspace, study.encoder if "cytopath" in models else None)
        jobs = _fold_jobs(workspace, development, settings, models)
        train_folds(jobs, workers=workers, reporter=reporter, what="train folds")
        others = study.inputs.subset(other_places(workspace, study.inputs))
        with reporter.track("vote and calibrate", len(models)) as advance:
            for model in models:
                members = _members(workspace, study.inputs, settings, model)
                validated = cross_validate_members(model, members, development, others, workspace.config.protocol)
                _write_bundle(workspace, study, settings, validated, members)
                write_predictions(workspace, validated, others)
                advance()
        facts.update(models=list(models), patients=len(development.labels), **trained_facts(workspace, models))
    return models


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


def _check_count(workspace: Workspace) -> None:
    """Refuse too few patients before anything is read."""
    labels = [int(patient.label or 0) for patient in workspace.cohort.development]
    if few := too_few(labels, workspace.config.protocol.folds, workspace.outcome.name):
        raise few.at(workspace.layout.cohort)


def _check_classes(workspace: Workspace, development: Development) -> None:
    """Refuse too few patients of a class before the first fold is trained: some images may have failed."""
    inputs = development.inputs
    kinds = {"CT": inputs.has_ct, "slides": inputs.has_slides, "clinical values": inputs.has_clinical}
    for what, known in kinds.items():
        for folds in development.splits:
            if few := too_few_with(development.labels, folds, known, what, workspace.outcome.name):
                raise few.at(workspace.layout.cohort)


def model_settings(workspace: Workspace, encoder: EncoderCard | None) -> ModelSettings:
    """The study's settings of its models, with the cut-offs that belong to its encoder."""
    config = workspace.config
    cutoffs = workspace.cytology.cutoffs_for(encoder.registered if encoder else None)
    return ModelSettings(config.mscalect, config.cytopath, config.espark, cutoffs)


def _members(workspace: Workspace, inputs: Inputs, settings: ModelSettings, model: str) -> list[Member]:
    """The trained folds of a model."""
    template, folder = inputs.subset([]), workspace.layout.model(model)
    paths = [member_path(folder, fold) for fold in range(workspace.config.protocol.members)]
    return [restore_member(model, template, settings, MemberState.load(path)) for path in paths]


@dataclass(frozen=True)
class _StudyFold:
    """A fold of every model of a study, with all that a worker process needs to know."""

    folders: dict[str, Path]
    fold: int
    development: PackedInputs
    seen: IntArray
    labels: IntArray
    settings: ModelSettings
    seed: int

    @property
    def targets(self) -> tuple[Path, ...]:
        """The weights, a file for each model."""
        return tuple(member_path(folder, self.fold) for folder in self.folders.values())

    def key(self) -> str:
        """Hash of everything the fold's weights depend on."""
        data = [self._inputs().content_hash(), self.labels.tolist()]
        settings = self.settings.identity(tuple(self.folders))
        return fold_key([train_members.__module__], [self.fold, self.seed, *data, *settings])

    def train(self) -> dict[Path, MemberState]:
        """Train every model on the training part of the fold."""
        members = train_members(tuple(self.folders), self._inputs(), self.labels, self.settings, self.seed)
        return {member_path(self.folders[model], self.fold): member.state() for model, member in members.items()}

    def _inputs(self) -> Inputs:
        """The training part of the fold."""
        return self.development.unpack().subset(self.seen)


def _fold_jobs(
    workspace: Workspace, development: Development, settings: ModelSettings, models: tuple[str, ...]
) -> list[_StudyFold]:
    folders = {model: workspace.layout.model(model) for model in models}
    packed = PackedInputs.pack(development.inputs)
    jobs = []
    for fold in range(workspace.config.protocol.members):
        seen = development.seen(fold)
        seed = workspace.config.fold_seed(fold)
        jobs.append(_StudyFold(folders, fold, packed, seen, development.labels[seen], settings, seed))
    return jobs


def _write_bundle(
    workspace: Workspace,
    study: StudyInputs,
    settings: ModelSettings,
    validated: CrossValidated,
    members: Sequence[Member],
) -> None:
    """Write everything about a trained model but its weights, which are there already."""
    model, development = validated.model, validated.development
    modalities = MODELS[model].modalities
    plugins, kept = _plugins(workspace, study, settings, model), without_others(model, settings)
    encoder = _with_evidence(study.encoder, development.inputs) if "slides" in modalities else None
    cell_types = len(encoder.cell_types) if encoder else 0
    told = TrainingInWords(model, settings, workspace.config.protocol, workspace.config.study.seed, cell_types)
    card = BundleCard(
        model=model,
        disease=workspace.config.study.disease,
        outcome=workspace.outcome,
        seed=workspace.config.study.seed,
        folds=len(members),
        training=_training_card(workspace),
        segmenter=study.segmenter if "ct" in modalities else None,
        radiomics=study.radiomics if "ct" in modalities else None,
        encoder=encoder,
        clinical=_clinical_cards(development.inputs) if _takes_clinical(model, settings) else (),
        mscalect=kept.mscalect,
        cytopath=kept.cytopath,
        espark=kept.espark,
        cytology=workspace.cytology if "slides" in modalities else None,
        protocol=workspace.config.protocol,
        operating_points={modality: point.to_dict() for modality, point in validated.points.items()},
        reference=reference_patients(workspace, validated, members, encoder, study.counts),
        decisions=decisions(told, validated.points, plugins, members),
        plugins=plugins,
    )
    applicability = _applicability(development.inputs, modalities)
    read = encoder is not None and bool(encoder.cell_probe)
    probe = study_probe(workspace.root, workspace.config.slides) if read else None
    save_bundle(workspace.layout.model(model), card, applicability, model_card(card, validated), probe)


def _plugins(workspace: Workspace, study: StudyInputs, settings: ModelSettings, model: str) -> tuple[Plugin, ...]:
    measured = study.radiomics is not None and study.radiomics.source == "espark"
    return plugins_of(
        model,
        settings,
        encoder=study.encoder.entry if study.encoder else "",
        segmenter=workspace.config.ct.segmenter if measured else "",
    )


def _training_card(workspace: Workspace) -> TrainingCard:
    patients = workspace.cohort.development
    return TrainingCard(
        study=workspace.config.study.name,
        simulated=workspace.config.study.simulated,
        n=len(patients),
        n_positive=sum(int(patient.label or 0) for patient in patients),
        centers=tuple(sorted({patient.center for patient in patients})),
    )


def _takes_clinical(model: str, settings: ModelSettings) -> bool:
    return model == "clinical" or (model == "espark" and settings.espark.clinical)


def _clinical_cards(inputs: Inputs) -> tuple[ClinicalCard, ...]:
    cards = []
    for position, column in enumerate(inputs.clinical_columns):
        values = {str(row[position]) for row in inputs.clinical if row[position] is not None}
        levels = tuple(sorted(values)) if column.kind == "category" else ()
        cards.append(
            ClinicalCard(name=column.name, kind=column.kind, unit=column.unit, levels=levels, missing=column.missing)
        )
    return tuple(cards)


def _with_evidence(encoder: EncoderCard | None, inputs: Inputs) -> EncoderCard | None:
    if encoder is None or not encoder.cell_types:
        return encoder
    mean, sd = evidence_statistics(inputs)
    return encoder.model_copy(update={"evidence_mean": mean, "evidence_sd": sd})


def _applicability(inputs: Inputs, modalities: tuple[Modality, ...]) -> dict[str, Applicability]:
    known = {"ct": inputs.has_ct, "slides": inputs.has_slides, "clinical": np.zeros(len(inputs), bool)}
    seen = [modality for modality in modalities if known[modality].sum() >= FEWEST_PATIENTS]
    return {
        modality: Applicability.fit(
            [applicability_views(inputs, index)[modality] for index in np.flatnonzero(known[modality]).tolist()],
            rate=WITHHELD_RATE / len(seen),
        )
        for modality in seen
    }
