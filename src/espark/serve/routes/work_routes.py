"""Jobs with their progress, new patients, and the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from sqlmodel import col, select
from starlette.concurrency import run_in_threadpool

from espark.errors import InputError, InputProblems
from espark.serve import uploads
from espark.serve.accounts import Job, LogLine
from espark.serve.correct.corrections import versions
from espark.serve.jobs import ask_for, job_json, recent_jobs
from espark.serve.readers import is_blinded
from espark.serve.workbench import OpenCase, OpenStudy, Visitor, as_response
from espark.workspace.cohort import read_clinical

router = APIRouter(prefix="/api")

_SECONDS_BETWEEN_LOOKS = 0.5
_LOG_LINES = 500


class Rerun(BaseModel):
    """With which version of the regions a case is run again."""

    version: int = Field(ge=0)


@router.post("/cases/{patient_id}/rerun")
def rerun(wanted: Rerun, case: OpenCase, workbench: OpenStudy, visitor: Visitor) -> JSONResponse:
    """Run a case again."""
    if wanted.version and wanted.version not in {one.version for one in versions(case)}:
        raise HTTPException(404, "There is no such version.")
    if is_blinded(workbench.accounts, visitor.reading, case.patient_id):
        raise HTTPException(403, "Give your own probability first.")
    job = Job(kind="rerun", patient_id=case.patient_id, asked_by=visitor.person, options={"version": wanted.version})
    job = ask_for(workbench.accounts, workbench.layout.workbench, job)
    workbench.accounts.log(visitor.person, "ran again", case.patient_id, f"version {wanted.version}")
    return JSONResponse(job_json(job))


@router.get("/jobs")
def jobs(workbench: OpenStudy, visitor: Visitor) -> JSONResponse:
    """The last jobs, the newest first."""
    return JSONResponse(_jobs_json(workbench, visitor))


def _jobs_json(workbench: OpenStudy, visitor: Visitor) -> list[dict[str, object]]:
    found = [job_json(job) for job in recent_jobs(workbench.accounts)]
    for job in found:
        if is_blinded(workbench.accounts, visitor.reading, str(job["patient_id"])):
            job["result"] = {}
    return found


@router.get("/jobs/events")
async def events(request: Request, workbench: OpenStudy, visitor: Visitor) -> StreamingResponse:
    """The list of jobs each time that it changes, as server-sent events."""

    async def news() -> AsyncIterator[str]:
        before = ""
        while not await request.is_disconnected():
            state = json.dumps(await run_in_threadpool(_jobs_json, workbench, visitor))
            # A comment, so that a connection that is gone is noticed.
            yield f"data: {state}\n\n" if state != before else ": still here\n\n"
            before = state
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    return StreamingResponse(news(), media_type="text/event-stream")


@router.post("/jobs/{job_id}/cancel")
def cancel(job_id: int, request: Request, workbench: OpenStudy, visitor: Visitor) -> JSONResponse:
    """Cancel a job."""
    if job_id not in {job.id for job in recent_jobs(workbench.accounts)}:
        raise HTTPException(404, "There is no such job.")
    job = request.app.state.worker.cancel(job_id)
    workbench.accounts.log(visitor.person, "cancelled a job", job.patient_id, f"job {job_id}")
    return JSONResponse(job_json(job))


@router.post("/uploads/begin")
def begin_upload(workbench: OpenStudy) -> JSONResponse:
    """Begin to give the files of a new patient."""
    number, _ = uploads.begin(workbench.layout.workbench / "uploads")
    return JSONResponse({"number": number})


@router.put("/uploads/{number}/files")
async def upload_file(
    number: str,
    request: Request,
    workbench: OpenStudy,
    kind: Literal["ct", "slide", "tumor_mask", "esophagus_mask"],
    name: Annotated[str, Query(max_length=300)],
) -> JSONResponse:
    """Give one file."""
    try:
        upload = uploads.find(workbench.layout.workbench / "uploads", number)
        size = await uploads.receive(upload, kind, name, request.stream())
    except InputError as error:
        raise as_response(error) from error
    return JSONResponse({"bytes": size})


class NewCase(BaseModel):
    """What is known of a new patient beside the files."""

    patient_id: str = Field(max_length=64)
    slide_mpp: float | None = Field(default=None, gt=0, lt=100)
    clinical: dict[str, str] = Field(default_factory=dict, max_length=100)


@router.post("/uploads/{number}/finish")
def finish_upload(number: str, new: NewCase, workbench: OpenStudy, visitor: Visitor) -> JSONResponse:
    """Make a case of the files, and prepare it."""
    place = workbench.layout.workbench
    taken = {case.patient_id for case in workbench.cases()}
    try:
        upload = uploads.find(place / "uploads", number)
        clinical = {name: value for name, value in new.clinical.items() if value.strip()}
        if workbench.bundle is not None:  # a value that cannot be read is named now, not after the images
            read_clinical([card.column() for card in workbench.bundle.card.clinical], clinical, where="clinical values")
        uploads.finish(upload, place / "patients", new.patient_id, taken, clinical, new.slide_mpp)
    except InputProblems as error:
        raise as_response(error.problems[0]) from error
    except InputError as error:
        raise as_response(error) from error
    job = Job(kind="new-patient", patient_id=new.patient_id, asked_by=visitor.person)
    job = ask_for(workbench.accounts, place, job)
    workbench.accounts.log(visitor.person, "added a patient", new.patient_id)
    return JSONResponse(job_json(job))


@router.get("/log")
def log(workbench: OpenStudy) -> JSONResponse:
    """The last lines of the log, the newest first."""
    with workbench.accounts.session() as session:
        lines = session.exec(select(LogLine).order_by(col(LogLine.id).desc()).limit(_LOG_LINES))
        return JSONResponse([line.model_dump() for line in lines])
