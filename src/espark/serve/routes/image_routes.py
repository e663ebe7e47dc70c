"""Planes of a CT, tiles and layers of a slide, and regions with their versions."""

from __future__ import annotations

import gzip
import zlib
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from espark.errors import InputError
from espark.pathology.left_out import Polygon
from espark.serve.case_answer import AnswerShelf
from espark.serve.case_view import kept_answer
from espark.serve.correct.corrections import (
    Drawing,
    VersionConflictError,
    accept,
    regions_of,
    save_drawing,
    versions_json,
)
from espark.serve.images.ct_planes import CtShelf, LabelBlock, ShownCt, shown_labels
from espark.serve.images.tile_layers import tile_layers
from espark.serve.readers import is_blinded
from espark.serve.workbench import CaseSource, OpenCase, OpenStudy, Visitor, Workbench, as_response
from espark.types import REGIONS, Region
from espark.workspace.accepted_regions import CorrectedRegions, reject_regions
from espark.workspace.slide_polygons import newest_polygons, save_polygons

router = APIRouter(prefix="/api/cases/{patient_id}")

_MOST_SLICES = 64
_IMAGE_CACHE = {"cache-control": "private, max-age=3600"}


def _opened(request: Request, case: CaseSource) -> ShownCt:
    cts: CtShelf = request.app.state.cts
    try:
        return cts.open(case.patient.files)
    except InputError as error:
        raise as_response(error) from error


@router.get("/ct/geometry")
def geometry(request: Request, case: OpenCase) -> JSONResponse:
    """Size, spacing and position of the CT."""
    return JSONResponse({key: value for key, value in _opened(request, case).geometry.items() if key != "series_uid"})


@router.get("/ct/slices")
def slices(
    request: Request,
    case: OpenCase,
    first: Annotated[int, Query(ge=0)],
    count: Annotated[int, Query(ge=1, le=_MOST_SLICES)],
) -> Response:
    """Axial slices as little-endian int16 HU, from the lowest up."""
    shown = _opened(request, case)
    if first + count > shown.voxels.shape[0]:
        raise HTTPException(404, "The CT has no such slice.")
    return Response(shown.slices(first, count), media_type="application/octet-stream", headers=_IMAGE_CACHE)


@router.get("/regions/{version}")
def regions(version: int, case: OpenCase) -> Response:
    """The labels of a version in their box: the first voxel and the size in headers, then one byte for each voxel."""
    try:
        found = regions_of(case, version)
    except InputError as error:
        raise as_response(error) from error
    block = shown_labels(found)
    headers = {
        "content-encoding": "gzip",
        "x-first": ",".join(map(str, block.first)),
        "x-size": ",".join(map(str, block.size)),
        "x-regions": ",".join(scale for scale in REGIONS if scale in found.scales),
    }
    content = gzip.compress(block.voxels.tobytes(), 1)
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.get("/versions")
def versions(case: OpenCase) -> JSONResponse:
    """Every version of the regions."""
    return JSONResponse(versions_json(case))


@router.post("/regions")
async def save_regions(
    request: Request,
    case: OpenCase,
    workbench: OpenStudy,
    visitor: Visitor,
    based_on: Annotated[int, Query(ge=0)],
    first: Annotated[str, Query(pattern=r"^\d{1,5},\d{1,5},\d{1,5}$")],
    size: Annotated[str, Query(pattern=r"^\d{1,5},\d{1,5},\d{1,5}$")],
    regions: Annotated[str, Query(pattern=r"^(tumor|esophagus)(,(tumor|esophagus))?$")],
    note: Annotated[str, Query(max_length=500)] = "",
) -> JSONResponse:
    """Save drawn labels as a new version; the body is the box, gzipped."""
    if not visitor.person:
        raise HTTPException(422, "Give your name or initials first: they are saved with the regions.")
    content = await request.body()
    known: tuple[Region, ...] = tuple(region for region in REGIONS if region in regions.split(","))
    box = (_three(first), _three(size))
    person = visitor.person

    def save() -> CorrectedRegions:
        shown = _opened(request, case)
        return save_drawing(case, shown, Drawing(_block(content, *box, shown), known, based_on, person, note))

    try:
        record = await run_in_threadpool(save)
    except VersionConflictError as error:
        raise HTTPException(409, as_response(error).detail) from error
    except InputError as error:
        raise as_response(error) from error
    workbench.accounts.log(person, "saved regions", case.patient_id, f"version {record.version}")
    return JSONResponse(record.model_dump(mode="json"))


def _three(text: str) -> tuple[int, int, int]:
    x, y, z = map(int, text.split(","))
    return x, y, z


def _block(content: bytes, first: tuple[int, int, int], size: tuple[int, int, int], shown: ShownCt) -> LabelBlock:
    """The drawn box. It is never unpacked to more than the CT has voxels."""
    wanted = size[0] * size[1] * size[2]
    if not 0 < wanted <= shown.voxels.size:
        raise InputError("the drawn regions are larger than the CT, or empty")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        voxels = unpacker.decompress(content, wanted + 1)
    except zlib.error as error:
        raise InputError("the drawn regions did not arrive whole", action="Save them again.") from error
    if len(voxels) != wanted:
        raise InputError("the drawn regions have another size than they give", action="Save them again.")
    return LabelBlock(first, np.frombuffer(voxels, np.uint8).reshape(size[::-1]))


class Acceptance(BaseModel):
    """The version that the study is to use."""

    version: int = Field(ge=0)


@router.put("/accepted")
def accept_regions(choice: Acceptance, case: OpenCase, workbench: OpenStudy, visitor: Visitor) -> JSONResponse:
    """Let the study use a version from the next `prepare` on."""
    if case.is_new:
        raise HTTPException(422, "A new patient belongs to no study, so there is nothing to accept.")
    try:
        accept(case, choice.version)
    except InputError as error:
        raise as_response(error) from error
    workbench.accounts.log(visitor.person, "accepted regions", case.patient_id, f"version {choice.version}")
    return JSONResponse(versions_json(case))


@router.put("/rejected")
def reject(case: OpenCase, workbench: OpenStudy, visitor: Visitor) -> JSONResponse:
    """Let the study use no regions of this CT from the next `prepare` on, until a version is accepted."""
    if case.is_new:
        raise HTTPException(422, "A new patient belongs to no study, so there is nothing to reject.")
    if not visitor.person:
        raise HTTPException(422, "Give your name or initials first: they are saved with the decision.")
    reject_regions(case.layout, case.patient_id, visitor.person)
    workbench.accounts.log(visitor.person, "rejected regions", case.patient_id, "as prepared")
    return JSONResponse(versions_json(case))


@router.get("/slides/{number}/{level}/{column}_{row}.jpg")
def tile(request: Request, case: OpenCase, number: int, level: int, column: int, row: int) -> Response:
    """One tile of a slide's pyramid."""
    files, index = case.patient.files, _slide_index(case, number)
    try:
        content = request.app.state.slides.tile(files.slides[index], files.slide_mpp, level, column, row)
    except InputError as error:
        raise as_response(error) from error
    if content is None:
        raise HTTPException(404, "The slide has no such tile.")
    return Response(content, media_type="image/jpeg", headers=_IMAGE_CACHE)


def _slide_index(case: CaseSource, number: int) -> int:
    if not 1 <= number <= len(case.patient.files.slides):
        raise HTTPException(404, "The case has no such slide.")
    return number - 1


@router.get("/slides/{number}/layers")
def layers(request: Request, case: OpenCase, number: int, workbench: OpenStudy, visitor: Visitor) -> JSONResponse:
    """One value for each tile and layer of a slide."""
    name = [*case.patient.files.named_slides][_slide_index(case, number)]
    features = next((part for part in workbench.slides(case) if part.source == name), None)
    if features is None:
        raise HTTPException(404, "This slide is not prepared.")
    withheld = is_blinded(workbench.accounts, visitor.reading, case.patient_id) or _is_withheld(
        request, case, workbench
    )
    found = tile_layers(case.layout, case.patient_id, features, workbench.bundle, withheld=withheld)
    return JSONResponse(found)


def _is_withheld(request: Request, case: CaseSource, workbench: Workbench) -> bool:
    answer: dict[str, Any] = kept_answer(workbench, AnswerShelf(workbench), case, request.app.state.cts, "answer")
    return bool(answer.get("withheld", True))


@router.get("/slides/{number}/polygons")
def polygons(case: OpenCase, number: int) -> JSONResponse:
    """The polygons of a slide that were saved last."""
    found = newest_polygons(
        case.layout, case.patient_id, [*case.patient.files.named_slides][_slide_index(case, number)]
    )
    return JSONResponse(found.model_dump(mode="json") if found else {"version": 0, "polygons": []})


@router.put("/slides/{number}/polygons")
def put_polygons(
    case: OpenCase,
    number: int,
    workbench: OpenStudy,
    visitor: Visitor,
    drawn: Annotated[list[Polygon], Body(max_length=200)],
) -> JSONResponse:
    """Save the polygons of a slide as a new version."""
    if not visitor.person:
        raise HTTPException(422, "Give your name or initials first: they are saved with the polygons.")
    slide = [*case.patient.files.named_slides][_slide_index(case, number)]
    saved = save_polygons(case.layout, case.patient_id, slide, tuple(drawn), visitor.person)
    workbench.accounts.log(
        visitor.person, "saved polygons", case.patient_id, f"slide {number}, version {saved.version}"
    )
    return JSONResponse(saved.model_dump(mode="json"))
