"""The polygons that a person drew on a slide, as versions: ``corrections/<patient>/slide-1-v0002.json``.

The version that was saved last counts: when a case is run again, and at the next `prepare`.
"""

from __future__ import annotations

import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from espark.errors import InputError
from espark.files import read_json, write_json
from espark.pathology.left_out import Polygon
from espark.workspace.layout import StudyLayout


class SlidePolygons(BaseModel):
    """The polygons of one slide, as one version.

    Attributes:
        version: number of the version, from 1.
        person: who drew them.
        made_at: when, in ISO 8601.
        polygons: the polygons.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    person: str
    made_at: str
    polygons: tuple[Polygon, ...]


def newest_polygons(layout: StudyLayout, patient_id: str, slide: str) -> SlidePolygons | None:
    """The polygons that were saved last of a slide, such as ``slide-1``; None when there are none.

    Raises:
        InputError: when their file cannot be read.
    """
    paths = sorted(layout.corrections(patient_id).glob(f"{slide}-v*.json"))
    if not paths:
        return None
    try:
        return SlidePolygons.model_validate(read_json(paths[-1]))
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise InputError(f"these are not the polygons of a slide ({reason})", where=paths[-1]) from error


def polygons_of(layout: StudyLayout, patient_id: str, slide: str) -> tuple[Polygon, ...]:
    """The polygons that count for a slide."""
    newest = newest_polygons(layout, patient_id, slide)
    return newest.polygons if newest else ()


def save_polygons(
    layout: StudyLayout, patient_id: str, slide: str, polygons: tuple[Polygon, ...], person: str
) -> SlidePolygons:
    """Save the polygons of a slide as a new version."""
    before = newest_polygons(layout, patient_id, slide)
    version = 1 if before is None else before.version + 1
    moment = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    saved = SlidePolygons(version=version, person=person, made_at=moment, polygons=polygons)
    write_json(layout.corrections(patient_id) / f"{slide}-v{version:04d}.json", saved.model_dump(mode="json"))
    return saved
