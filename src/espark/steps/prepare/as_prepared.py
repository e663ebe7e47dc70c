"""With which settings the images of a study were prepared: no model may claim others than those it was made with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espark.bundle.card import SegmenterCard
from espark.errors import FeatureError
from espark.steps.prepare.item import SEGMENTER_WEIGHTS, Item, study_items
from espark.steps.prepare.patient_ct import weights_here
from espark.workspace.opened import Workspace
from espark.workspace.records import is_done, read_record, rewrite_record

_SETTINGS = "settings"

_MODEL = "image_model"
"""Name of the setting that identifies the CT model which looks at the image: its name first, then its package."""

_HASHED = {
    "prompts": "the prompts of cytology.toml differ",
    "cell_probe": "the cell probe differs",
    "stain_target": "the stain target differs",
    SEGMENTER_WEIGHTS: "the weights of the segmenter differ",
    "polygons": "the polygons drawn on the slide differ",
    "masks": "the masks that are given differ",
}
"""Settings whose values say nothing to a reader."""


def is_prepared(item: Item, key: str, segmenter_weights: str, inputs: Mapping[str, str] | None = None) -> bool:
    """Whether an item is done with its files and settings of today.

    A record of an earlier version holds no settings, or no hash of each file. Its key, a hash of inputs and settings,
    proves those of today, and they are written into it.

    Args:
        item: the image.
        key: the item's key; its files are hashed for it, so it is made once.
        segmenter_weights: what identifies the weights of the study's segmenter; empty when they are not here.
        inputs: hash of each of its files, from which the key was made; None to leave the record without them.
    """
    patient_id = item.patient.patient_id
    if not is_done(item.layout, patient_id, item.name, key):
        return False
    record = read_record(item.layout, patient_id, item.name) or {}
    if inputs is not None and "inputs" not in record:
        record |= {"inputs": dict(inputs)}
        rewrite_record(item.layout, patient_id, item.name, record)
    then = record.get(_SETTINGS)
    if then is not None:
        return bool(then == item.settings(segmenter_weights or then.get(SEGMENTER_WEIGHTS, "")))
    if segmenter_weights or not item.is_segmented:
        noted = record | {_SETTINGS: item.settings(segmenter_weights)}
        rewrite_record(item.layout, patient_id, item.name, noted)
    return True


def settings_as_prepared(item: Item, segmenter_weights: str) -> dict[str, Any] | None:
    """The settings with which an item was prepared; None when it is not prepared.

    Args:
        item: the image.
        segmenter_weights: what identifies the weights of the study's segmenter; empty when they are not here.

    Raises:
        FeatureError: when nothing proves the settings.
    """
    record = read_record(item.layout, item.patient.patient_id, item.name)
    if record is None:
        return None
    if _SETTINGS not in record:
        inputs = item.fingerprints()
        is_prepared(item, item.key(inputs), segmenter_weights, inputs)
        record = read_record(item.layout, item.patient.patient_id, item.name) or {}
    if _SETTINGS in record:
        return dict(record[_SETTINGS])
    name = f"{item.patient.patient_id} {item.name}"
    raise FeatureError(
        f"an earlier version of espark prepared {name}, and nothing proves with which settings",
        where=item.layout.root,
        action=f"Run `espark prepare {item.layout.root}` again.",
    )


def check_as_prepared(workspace: Workspace) -> SegmenterCard | None:
    """Compare the settings in the records of `prepare` with those of study.toml, cytology.toml and cohort.csv.

    Returns:
        What finds the regions of a new patient; None when nothing identifies it: its weights are not on this machine,
        and it found no region of this study.

    Raises:
        FeatureError: when an image was prepared with other settings, or nothing proves with which.
    """
    here = weights_here(workspace.config.ct, workspace.root)
    prepared = [
        (item, then) for item in study_items(workspace) if (then := settings_as_prepared(item, here)) is not None
    ]
    recorded = [then[SEGMENTER_WEIGHTS] for _, then in prepared if SEGMENTER_WEIGHTS in then]
    weights = here or next(iter(recorded), "")
    different: dict[str, list[tuple[Item, Any, Any]]] = {}
    for item, then in prepared:
        now = item.settings(weights)
        for name in then.keys() | now.keys():
            if then.get(name) != now.get(name):
                different.setdefault(name, []).append((item, then.get(name), now.get(name)))
    if different:
        raise FeatureError(
            "the images were prepared with other settings than the study has now: "
            + "; ".join(_in_words(name, different[name]) for name in sorted(different)),
            where=workspace.root,
            action=f"Run `espark prepare {workspace.root}` again, or put the settings back.",
        )
    name = workspace.config.ct.segmenter
    known = bool(weights) or name == "masks"
    return SegmenterCard(name=name, weights=weights, proposes_tumor=name != "masks") if known else None


def _in_words(name: str, differing: list[tuple[Item, Any, Any]]) -> str:
    (item, then, now), *_ = differing
    values = [_shown(value[0] if name == _MODEL and value else value) for value in (now, then)]
    what = _HASHED.get(name) or f"{name} is {values[0]} and was {values[1]}"
    if values[0] == values[1]:  # the same plug-in in another version
        what = f"{name} {values[0]} has changed"
    noun = "image" if len(differing) == 1 else "images"
    return f"{what} ({len(differing)} {noun}, such as {item.patient.patient_id} {item.name})"


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
