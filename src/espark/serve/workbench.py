"""An open study in the workbench: its cases, its model, and what is kept in memory between requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated

import pandas as pd
from fastapi import Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict

from espark.bundle.bundle import Bundle
from espark.bundle.folder import bundle_once
from espark.errors import CohortError, InputError, MissingStepError
from espark.files import fingerprint, read_json
from espark.pathology.features import SlideFeatures, read_slide_features
from espark.serve.accounts import Accounts
from espark.serve.security import Session
from espark.steps.evaluate.evaluate import trained_models
from espark.steps.explain.explain import explained_model, patient_folds
from espark.steps.prepare.prepared_inputs import load_slides
from espark.types import Unseen
from espark.workspace.cohort import Patient
from espark.workspace.layout import StudyLayout
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.patient_files import PatientFiles

NEW = "new"
"""The center that the workbench gives a new patient."""


class NewPatientFiles(BaseModel):
    """The files of a new patient, relative to the patient's folder in ``serve/patients/``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ct: str | None = None
    slides: tuple[str, ...] = ()
    esophagus_mask: str | None = None
    tumor_mask: str | None = None
    slide_mpp: float | None = None
    clinical: dict[str, str] = {}


@dataclass(frozen=True)
class CaseSource:
    """One case: a patient of the study, or a new one.

    Attributes:
        patient: who, and with which files.
        layout: the folder that holds what was prepared of this patient; for a new patient one of its own.
        is_new: whether the patient belongs to no cohort.
    """

    patient: Patient
    layout: StudyLayout
    is_new: bool = False

    @property
    def patient_id(self) -> str:
        """The study's own id."""
        return self.patient.patient_id


@dataclass
class Workbench:
    """An open study.

    Args:
        folder: the study folder.
        model: folder of the model that answers; None for the study's own.
        accounts: jobs, readings and log.
    """

    folder: Path
    model: Path | None
    accounts: Accounts
    loading: threading.RLock = field(default_factory=threading.RLock)
    """Held while what is kept between requests is read or replaced."""
    answering: threading.RLock = field(default_factory=threading.RLock)
    """Held while a model answers: one case at a time. Two would compute the same answer, and write the same file."""
    _opened: tuple[str, Workspace] | None = None
    _table: tuple[float, pd.DataFrame] | None = None

    @property
    def layout(self) -> StudyLayout:
        """Where everything lies."""
        return StudyLayout(self.folder)

    @property
    def workspace(self) -> Workspace:
        """The study as it is now: it is read again when its configuration, cohort or corrections change."""
        files = [self.layout.config, self.layout.cohort, self.layout.cytology]
        files += sorted((self.folder / "corrections").glob("*/accepted.json"))
        state = repr([(path.name, path.parent.name, path.stat().st_mtime_ns) for path in files if path.exists()])
        with self.loading:
            if self._opened is None or self._opened[0] != state:
                self._opened = (state, open_workspace(self.folder))
            return self._opened[1]

    @property
    def model_folder(self) -> Path | None:
        """The model that answers; None when the study has none yet."""
        if self.model is not None:
            return self.model
        try:
            return self.layout.model(explained_model(self.workspace)) if trained_models(self.workspace) else None
        except MissingStepError:
            return None

    @property
    def bundle(self) -> Bundle | None:
        """The model that answers, read once until its files change."""
        folder = self.model_folder
        if folder is None:
            return None
        with self.loading:
            return bundle_once(folder, self.model_hash)

    @property
    def model_hash(self) -> str:
        """Identifies the model by its card, which holds the hash of every other file; empty without a model."""
        folder = self.model_folder
        return fingerprint(folder / "bundle.json") if folder is not None else ""

    @cached_property
    def folds(self) -> dict[str, Unseen]:
        """By development patient, the members that did not see that patient."""
        return patient_folds(self.workspace)

    def unseen(self, case: CaseSource) -> Unseen | None:
        """The members that answer for a development patient; None for the mean of all members.

        A model from elsewhere saw none of the patients of this study.
        """
        return None if self.model is not None or case.is_new else self.folds.get(case.patient_id)

    def cases(self) -> Iterator[CaseSource]:
        """Every case: new patients, the last first, then the patients of the study."""
        folders = (self.layout.workbench / "patients").glob("*/patient.json")
        for path in sorted(folders, key=lambda path: -path.stat().st_mtime):
            yield _new_case(path.parent)
        yield from (CaseSource(patient, self.layout) for patient in self.workspace.cohort)

    def case(self, patient_id: str) -> CaseSource:
        """A case by its id. An id that is not known never becomes a path.

        Raises:
            CohortError: when there is no such case.
        """
        for case in self.cases():
            if case.patient_id == patient_id:
                return case
        raise CohortError("there is no such case")

    def slides(self, case: CaseSource) -> list[SlideFeatures]:
        """Tile features of each slide of a case that was prepared."""
        if not case.is_new:
            return load_slides(self.workspace, case.patient)
        paths = (case.layout.slide_features(case.patient_id, name) for name in case.patient.files.named_slides)
        return [read_slide_features(path) for path in paths if path.exists()]

    def radiomics(self, case: CaseSource) -> dict[str, float]:
        """CT features of a case by ``scale__feature``; empty when there are none."""
        path = case.layout.patient_radiomics(case.patient_id)
        if case.is_new:
            content = read_json(path) if path.exists() else {}
            return {key: value for key, value in content.items() if value is not None}
        table = self._radiomics_table()
        if case.patient_id not in table.index:
            return {}
        return {str(key): float(value) for key, value in table.loc[case.patient_id].dropna().items()}

    def _radiomics_table(self) -> pd.DataFrame:
        path = self.layout.radiomics
        if not path.exists():
            return pd.DataFrame()
        changed = path.stat().st_mtime
        with self.loading:
            if self._table is None or self._table[0] != changed:
                self._table = (changed, pd.read_parquet(path).set_index("patient_id"))
            return self._table[1]


def _new_case(folder: Path) -> CaseSource:
    stored = NewPatientFiles.model_validate(read_json(folder / "patient.json"))
    files = PatientFiles(
        ct=folder / stored.ct if stored.ct else None,
        slides=tuple(folder / name for name in stored.slides),
        esophagus_mask=folder / stored.esophagus_mask if stored.esophagus_mask else None,
        tumor_mask=folder / stored.tumor_mask if stored.tumor_mask else None,
        slide_mpp=stored.slide_mpp,
    )
    patient = Patient(folder.name, NEW, "external", None, files, dict(stored.clinical))
    return CaseSource(patient, StudyLayout(folder), is_new=True)


def workbench_of(request: Request) -> Workbench:
    """The open study that answers a request."""
    workbench: Workbench = request.app.state.workbench
    return workbench


def session_of(request: Request) -> Session:
    """The browser's session; the gate lets no other request through."""
    session: Session = request.state.session
    return session


def case_of(patient_id: str, workbench: Annotated[Workbench, Depends(workbench_of)]) -> CaseSource:
    """The case that the address names.

    Raises:
        HTTPException: 404 when there is no such case.
    """
    try:
        return workbench.case(patient_id)
    except CohortError:
        raise HTTPException(404, "There is no such case.") from None


OpenStudy = Annotated[Workbench, Depends(workbench_of)]
Visitor = Annotated[Session, Depends(session_of)]
OpenCase = Annotated[CaseSource, Depends(case_of)]


def as_response(error: InputError) -> HTTPException:
    """An error of espark for the browser: the sentence without the place, which may be a path."""
    parts = [error.found.rstrip(".") + "."]
    if error.expected:
        parts.append(f"Expected: {error.expected.rstrip('.')}.")
    if error.action:
        parts.append(error.action)
    sentence = " ".join(parts)
    return HTTPException(422, sentence[:1].upper() + sentence[1:])
