"""Reader studies: lists, readings, results and their export."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from espark.errors import InputError
from espark.serve import readers
from espark.serve.workbench import OpenStudy, Visitor, Workbench, as_response

router = APIRouter(prefix="/api/readings")

Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class NewList(BaseModel):
    """A reader study that is to begin."""

    reader: str = Field(min_length=1, max_length=80)
    cases: list[str] = Field(min_length=1, max_length=2000)
    seed: int = Field(default=1000, ge=0, lt=2**31)


class Given(BaseModel):
    """A reader's own probability for the case whose turn it is."""

    position: int = Field(ge=0)
    probability: Probability
    seconds: Seconds


def _truths(workbench: Workbench) -> dict[str, int | None]:
    return {patient.patient_id: patient.label for patient in workbench.workspace.cohort}


@router.get("")
def lists(workbench: OpenStudy) -> JSONResponse:
    """Every reader study with its results."""
    return JSONResponse(readers.results_json(workbench.accounts, _truths(workbench)))


@router.post("")
def begin(new: NewList, workbench: OpenStudy, visitor: Visitor) -> JSONResponse:
    """Draw the order of a new list, and begin to read it."""
    known = {case.patient_id for case in workbench.cases()}
    unknown = [patient_id for patient_id in new.cases if patient_id not in known]
    if unknown:
        raise HTTPException(422, "One of the cases does not exist.")
    try:
        drawn = readers.begin(workbench.accounts, " ".join(new.reader.split()), new.cases, new.seed)
    except InputError as error:
        raise as_response(error) from error
    visitor.reading = drawn.id
    workbench.accounts.log(visitor.person, "began a reader study", detail=f"list {drawn.id}")
    return JSONResponse({"id": drawn.id})


@router.get("/export.csv")
def export(workbench: OpenStudy, visitor: Visitor) -> Response:
    """Every reading as a table."""
    workbench.accounts.log(visitor.person, "exported readings")
    headers = {"content-disposition": 'attachment; filename="readings.csv"'}
    return Response(readers.as_csv(workbench.accounts, _truths(workbench)), media_type="text/csv", headers=headers)


@router.get("/{study_id}")
def state(study_id: int, workbench: OpenStudy, visitor: Visitor) -> JSONResponse:
    """Where a reader is. From here on the answers of the cases that follow are not shown to this browser."""
    try:
        found = readers.state_json(workbench.accounts, study_id)
    except InputError as error:
        raise as_response(error) from error
    visitor.reading = None if found["done"] else study_id
    return JSONResponse(found)


@router.post("/{study_id}/leave")
def leave(study_id: int, visitor: Visitor) -> JSONResponse:
    """Stop reading for now; the list stays where it is."""
    visitor.reading = None
    return JSONResponse({"id": study_id})


@router.post("/{study_id}/before")
def before(study_id: int, given: Given, workbench: OpenStudy) -> JSONResponse:
    """The probability before the model's answer is shown."""
    try:
        readers.read_before(workbench.accounts, study_id, given.position, given.probability, given.seconds)
        return JSONResponse(readers.state_json(workbench.accounts, study_id))
    except InputError as error:
        raise as_response(error) from error


@router.post("/{study_id}/after")
def after(study_id: int, given: Given, workbench: OpenStudy) -> JSONResponse:
    """The probability after the model's answer was shown."""
    try:
        readers.read_after(workbench.accounts, study_id, given.position, given.probability, given.seconds)
        return JSONResponse(readers.state_json(workbench.accounts, study_id))
    except InputError as error:
        raise as_response(error) from error
