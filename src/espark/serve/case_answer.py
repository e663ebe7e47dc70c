"""The answer for a case and what carried it, in the words of the reports and without their pictures.

An answer takes seconds and is kept in ``serve/cache/answers`` until the case or the model changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from espark._version import __version__
from espark.bundle.bundle import Bundle
from espark.cells import BIOMARKERS
from espark.ct.features.feature_words import CLASS_TITLES, CLASS_WORDS
from espark.ct.regions.plausibility import RegionDescription
from espark.explain.ct_groups import feature_table
from espark.files import digest, read_json, write_json
from espark.pathology.features import SlideFeatures
from espark.report import words
from espark.report.answer import Answer, answer_of
from espark.report.patient_content import Biomarker, CtPage, PatientReport, Position, RegionRow
from espark.report.picture import Picture
from espark.report.summary import limits, summary
from espark.serve.workbench import CaseSource, Workbench
from espark.steps.evaluate.validation import development_record, study_record
from espark.steps.explain.patient_explanation import PatientExplanation, explain_patient
from espark.steps.predict.patient_images import inputs_of
from espark.steps.report.applicability_in_words import Applicable, applicability
from espark.steps.report.patient_page import cell_type_rows, ct_effects, missing_sentences, trained_on
from espark.steps.train.predictions import read_predictions
from espark.training.ensemble import Ensemble, Prediction
from espark.training.inputs import ClinicalValue, Inputs
from espark.training.operating_point import OperatingPoint
from espark.types import Scale
from espark.workspace.cohort import read_clinical
from espark.workspace.records import read_record

_NOT_DRAWN = Picture(png=b"", svg=None, alt="The workbench draws its own pictures.", caption="")
_FEATURES_SHOWN = 12


@dataclass(frozen=True)
class CaseFacts:
    """What a model is asked about in one case.

    Attributes:
        case: whose.
        inputs: what the model looks at.
        slides: tile features of each slide.
        regions: each region in numbers.
        simulated: whether the images are simulated.
    """

    case: CaseSource
    inputs: Inputs
    slides: tuple[SlideFeatures, ...]
    regions: Mapping[Scale, RegionDescription]
    simulated: bool


def case_facts(
    workbench: Workbench,
    bundle: Bundle,
    case: CaseSource,
    *,
    radiomics: Mapping[str, float],
    regions: Mapping[Scale, RegionDescription],
    slides: tuple[SlideFeatures, ...] | None = None,
) -> CaseFacts:
    """What the model looks at in a case.

    Args:
        workbench: the open study.
        bundle: the model.
        case: whose.
        radiomics: value by ``scale__feature``.
        regions: each region in numbers.
        slides: tile features; None for those that were prepared.
    """
    features = tuple(workbench.slides(case)) if slides is None else slides
    inputs = inputs_of(bundle, case.patient_id, radiomics, features, _clinical(bundle, case))
    return CaseFacts(case, inputs, features, regions, _is_simulated(workbench, case))


def _is_simulated(workbench: Workbench, case: CaseSource) -> bool:
    """Whether the images are simulated: a study says it of all patients, the images of a new patient each of itself."""
    if not case.is_new:
        return workbench.workspace.config.study.simulated
    items = [*case.patient.files.named_slides]
    items += ["ct"] if case.patient.files.ct is not None else []
    records = [read_record(case.layout, case.patient_id, item) for item in items]
    return all(record is not None and record.get("simulated") is True for record in records)


def _clinical(bundle: Bundle, case: CaseSource) -> tuple[ClinicalValue, ...]:
    if not case.is_new:
        return tuple(case.patient.clinical.get(card.name) for card in bundle.card.clinical)
    given = {name: str(value) for name, value in case.patient.clinical.items()}
    return read_clinical([card.column() for card in bundle.card.clinical], given, where="clinical values")


def computed(workbench: Workbench, bundle: Bundle, facts: CaseFacts) -> Prediction | None:
    """What the model answers now: for a development patient only the members that did not see this patient."""
    unseen = workbench.unseen(facts.case)
    members = bundle.members if unseen is None else tuple(bundle.members[number] for number in unseen)
    whole = bundle.ensemble
    with workbench.answering:
        return Ensemble(whole.model, members, whole.points, whole.voting).predict(facts.inputs)[0]


def stored(workbench: Workbench, bundle: Bundle, case: CaseSource) -> Prediction | None:
    """The answer of the study, as `train` wrote it; None for a new patient, or a model from elsewhere."""
    model, layout = bundle.card.model, workbench.layout
    if case.is_new or workbench.model is not None or not layout.predictions(model).exists():
        return None
    table = read_predictions(workbench.workspace, model).set_index("patient_id")
    if case.patient_id not in table.index:
        return None
    row = table.loc[case.patient_id]
    members = pd.read_csv(layout.members(model), dtype={"patient_id": str})
    own = members.loc[members["patient_id"] == case.patient_id, "probability"]
    return Prediction(
        case.patient_id,
        row["modality"],
        float(row["probability"]),
        float(row["probability_sd"]) if np.isfinite(row["probability_sd"]) else 0.0,
        tuple(map(float, own)),
        int(row["prediction"]),
        str(row["conformal_set"]),
    )


@dataclass(frozen=True)
class AnsweredCase:
    """An answer with everything that its words depend on.

    Attributes:
        facts: what the model looked at.
        prediction: what it answered.
        applicable: whether it applies.
        report: the content of the patient's page, without pictures.
    """

    facts: CaseFacts
    prediction: Prediction
    applicable: Applicable
    report: PatientReport

    @property
    def answer(self) -> Answer:
        """The answer in words."""
        return answer_of(self.report)


def answered(workbench: Workbench, bundle: Bundle, facts: CaseFacts, prediction: Prediction) -> AnsweredCase:
    """Put an answer into words; it is withheld where the model does not apply."""
    tumor = facts.regions.get("tumor")
    applicable = applicability(bundle, facts.inputs, tumor=tumor, simulated=facts.simulated)
    report = _report(workbench, bundle, facts, prediction, applicable)
    return AnsweredCase(facts, prediction, applicable, report)


def _report(
    workbench: Workbench, bundle: Bundle, facts: CaseFacts, prediction: Prediction, applicable: Applicable
) -> PatientReport:
    card, case, modality = bundle.card, facts.case, prediction.modality
    point = OperatingPoint.from_dict(card.operating_points[modality])
    patient = None if case.is_new or workbench.model is not None else case.patient
    record = development_record(card, modality)
    if patient is not None:
        record = study_record(workbench.workspace, card.model, card, modality)
    lower = [value < prediction.probability for value in card.reference.probability]
    labels = card.reference.labels
    return PatientReport(
        patient_id=case.patient_id,
        model_title=card.title,
        disease=card.disease,
        outcome=card.outcome,
        trained_on=trained_on(bundle),
        simulated_model=card.training.simulated,
        simulated_patient=facts.simulated,
        modality=modality,
        missing=missing_sentences(bundle, facts.inputs),
        outside=applicable.doubts,
        unchecked=applicable.applies is None,
        probability=prediction.probability,
        probability_sd=prediction.probability_sd,
        n_models=len(prediction.members),
        members=prediction.members,
        threshold=point.threshold,
        prediction=prediction.prediction,
        conformal_set=prediction.conformal_set,
        coverage=point.sets.coverage,
        position=Position(_NOT_DRAWN, 100 * float(np.mean(lower)) if lower else 0.0, len(labels), sum(labels)),
        ct=_ct_page(facts),
        slides=(),
        cell_types=(),
        cell_type_picture=None,
        biomarkers=(),
        validation=(),
        role=patient.role if patient else None,
        center=patient.center if patient else None,
        label=patient.label if patient else None,
        out_of_fold=workbench.unseen(case) is not None,
        quality=(),
        provenance=(),
        withheld=applicable.applies is not True,
        voting=card.protocol.voting,
        record=record,
    )


def _ct_page(facts: CaseFacts) -> CtPage | None:
    if not facts.regions:
        return None
    rows = tuple(RegionRow(scale, one.volume_ml, one.length_mm) for scale, one in facts.regions.items())
    return CtPage(_NOT_DRAWN, rows, int(np.isfinite(facts.inputs.radiomics[0]).sum()), None, ())


def answer_json(found: AnsweredCase) -> dict[str, Any]:
    """The answer for the browser. Of a withheld answer no number leaves the server."""
    report, answer = found.report, found.answer
    shown: dict[str, Any] = {
        "kind": answer.kind,
        "mark": answer.mark,
        "headline": answer.headline,
        "sentence": answer.sentence,
        "call": answer.call,
        "caveat": answer.caveat,
        "withheld": report.withheld,
        "reasons": list(found.applicable.doubts),
        "outcome": report.outcome.name,
        "model": report.model_title,
        "modality": words.MODALITY_WORDS[report.modality],
        "missing": list(report.missing),
        "trained_on": report.trained_on,
        "out_of_fold": report.out_of_fold,
        "summary": summary(report, answer),
        "limits": limits(report),
    }
    if not report.withheld:
        shown |= {
            "probability": report.probability,
            "sd": report.probability_sd,
            "members": list(report.members),
            "threshold": report.threshold,
        }
    return shown


def reasons_json(workbench: Workbench, bundle: Bundle, found: AnsweredCase) -> dict[str, Any]:
    """What carried the answer; nothing where it is withheld."""
    if found.report.withheld:
        return {"withheld": True}
    facts = found.facts
    unseen = workbench.unseen(facts.case)
    with workbench.answering:
        explanation = explain_patient(bundle, facts.inputs, facts.slides, fold=unseen)
    rows = cell_type_rows(bundle, explanation)
    markers, unreliable = tuple(_biomarkers(bundle, explanation)), explanation.unreliable
    report = replace(found.report, cell_types=rows, biomarkers=markers, unreliable_cells=unreliable)
    effects = () if explanation.ct_attribution is None else ct_effects(facts.inputs, explanation.ct_attribution)
    return {
        "withheld": False,
        "summary": summary(report, found.answer),
        "ct_effects": [
            {"name": row.name, "meaning": row.meaning, "n": row.n_features, "log_odds": row.log_odds,
             "agreeing": row.agreeing, "models": row.models}
            for row in effects
        ],
        "features": list(_features(facts.inputs, explanation)),
        "cell_types": [
            {"group": words.GROUP_TITLES[row.group], "name": row.name, "share": row.contribution,
             "percentile": row.percentile}
            for row in rows
        ],
        "unreliable_cells": list(unreliable),
        "biomarkers": [
            {"name": marker.name, "definition": marker.definition, "value": marker.value,
             "percentile": marker.percentile, "n": marker.n}
            for marker in report.biomarkers
        ],
        "notes": list(explanation.notes),
    }  # fmt: skip


def _features(inputs: Inputs, explanation: PatientExplanation) -> Iterator[dict[str, Any]]:
    """The CT features that added most to the answer, in either direction."""
    if explanation.ct_attribution is None or explanation.ct_standardized is None:
        return
    table = feature_table(inputs.scales, inputs.feature_names)
    values = explanation.ct_attribution.mean(axis=0)
    for index in np.argsort(-np.abs(values))[:_FEATURES_SHOWN]:
        row = table.iloc[int(index)]
        yield {
            "scale": words.SCALE_WORDS[row["scale"]],
            "feature": row["feature"],
            "class": CLASS_TITLES.get(row["feature_class"], ""),
            "meaning": CLASS_WORDS.get(row["feature_class"], ""),
            "log_odds": float(values[index]),
            "sd": _finite(explanation.ct_standardized[index]),
        }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _biomarkers(bundle: Bundle, explanation: PatientExplanation) -> Iterator[Biomarker]:
    for key, entry in BIOMARKERS.items():
        value = explanation.biomarkers.get(key)
        if value is None:
            continue
        known = np.array(bundle.card.reference.biomarkers.get(key, ()), dtype=np.float64)
        lower = 100 * float(np.mean(known < value)) if known.size else None
        yield Biomarker(entry.title, entry.definition, value, lower, known.size)


class AnswerShelf:
    """Answers that were computed before, by case.

    Args:
        workbench: the open study; the answers lie in its ``serve/cache/answers``.
    """

    def __init__(self, workbench: Workbench):
        self.workbench = workbench
        self.folder = workbench.layout.workbench / "cache" / "answers"

    def get(self, case: CaseSource, part: str) -> dict[str, Any] | None:
        """The stored part (``answer`` or ``reasons``) of a case; None when the case or the model changed since."""
        path = self.folder / f"{case.patient_id}-{part}.json"
        if not path.exists():
            return None
        content = read_json(path)
        value: dict[str, Any] = content["value"]
        return value if content["key"] == self._key(case) else None

    def put(self, case: CaseSource, part: str, value: dict[str, Any]) -> None:
        """Keep a part."""
        write_json(self.folder / f"{case.patient_id}-{part}.json", {"key": self._key(case), "value": value})

    def _key(self, case: CaseSource) -> str:
        patient_id, layout = case.patient_id, case.layout
        records = [layout.record(patient_id, name) for name in case.patient.files.named_slides]
        files = [layout.record(patient_id, "ct"), *records, layout.patient_radiomics(patient_id)]
        bundle = self.workbench.bundle
        model = bundle.card.model if bundle else ""
        files += [self.workbench.layout.predictions(model), self.workbench.layout.config, layout.radiomics]
        clinical = sorted((name, str(value)) for name, value in case.patient.clinical.items())
        known = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()]
        return digest([__version__, self.workbench.model_hash, str(self.workbench.model), known, clinical])
