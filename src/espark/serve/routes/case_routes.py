"""The study, its cases and their answers."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from espark.report.pages import asset, script_hash
from espark.serve.case_answer import AnswerShelf
from espark.serve.case_view import case_json, kept_answer
from espark.serve.readers import is_being_read, is_blinded
from espark.serve.study_view import result_figure, results_json, study_json
from espark.serve.workbench import OpenCase, OpenStudy, Visitor

router = APIRouter(prefix="/api")

_BLINDED = {"blinded": True}
# The sheet is a page of its own with one script. In a sandbox it has no access to the session.
_OF_THE_SHEET = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts"
)


@router.get("/study")
def study(request: Request, workbench: OpenStudy, visitor: Visitor) -> JSONResponse:
    """The study and a row for each case."""
    found = study_json(workbench, AnswerShelf(workbench), request.app.state.thumbnails)
    for row in found["cases"]:
        if is_being_read(workbench.accounts, visitor.reading, row["id"]):
            row |= {"answer": None, "pending": False, "known": None}
    return JSONResponse(found)


@router.get("/contact-sheet")
def contact_sheet(workbench: OpenStudy, visitor: Visitor) -> Response:
    """The page of ``espark check --pictures``; closed while a reader study is open in this browser."""
    if visitor.reading is not None:
        raise HTTPException(403, "The contact sheet is closed during a reading, because the cases are blinded.")
    if not workbench.layout.contact_sheet.is_file():
        raise HTTPException(404, "There is no contact sheet yet. Run `espark check --pictures`.")
    policy = _OF_THE_SHEET.format(script_hash(asset("contact_sheet.js")))
    return FileResponse(workbench.layout.contact_sheet, headers={"content-security-policy": policy})


@router.get("/results")
def results(workbench: OpenStudy) -> JSONResponse:
    """The figures of the study and the table behind them."""
    return JSONResponse(results_json(workbench))


@router.get("/results/{section}/{number}.svg")
def figure(section: int, number: int, workbench: OpenStudy) -> Response:
    """One figure."""
    svg = result_figure(workbench, section, number)
    if svg is None:
        raise HTTPException(404, "There is no such figure.")
    return Response(svg, media_type="image/svg+xml", headers={"cache-control": "private, max-age=60"})


@router.get("/cases/{patient_id}")
def case(request: Request, case: OpenCase, workbench: OpenStudy, visitor: Visitor) -> JSONResponse:
    """A case without its images."""
    workbench.accounts.log(visitor.person, "looked at", case.patient_id)
    found = case_json(workbench, case, request.app.state.slides)
    if is_being_read(workbench.accounts, visitor.reading, case.patient_id):
        found["known"] = None
    return JSONResponse(found)


@router.get("/cases/{patient_id}/{part}")
def answer(
    request: Request, part: Literal["answer", "reasons"], case: OpenCase, workbench: OpenStudy, visitor: Visitor
) -> JSONResponse:
    """The answer for a case, or what carried it; neither before a reader has given an own probability."""
    if is_blinded(workbench.accounts, visitor.reading, case.patient_id):
        return JSONResponse(_BLINDED)
    shelf = AnswerShelf(workbench)
    found: dict[str, Any] = kept_answer(workbench, shelf, case, request.app.state.cts, part)
    return JSONResponse(found)


@router.get("/cases/{patient_id}/thumbnails/{kind}")
def thumbnail(request: Request, kind: Literal["ct", "slide"], case: OpenCase) -> Response:
    """A small picture, once it is drawn."""
    path = request.app.state.thumbnails.path(case, kind)
    if not path.exists():
        raise HTTPException(404, "The picture is not drawn yet.")
    return FileResponse(path, media_type="image/jpeg", headers={"cache-control": "private, max-age=300"})
