"""Segmenters and CT models from outside: their contracts are checked, and what goes wrong names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from ct_phantoms import chest, volume
from espark import catalogue
from espark.ct.hounsfield import CtVolume
from espark.ct.models.catalogue import CT_MODELS, CtModelEntry
from espark.ct.models.look import look_at_image
from espark.ct.regions.regions import Regions, regions_from_masks
from espark.ct.segmentation.catalogue import SEGMENTERS, SegmenterEntry
from espark.ct.segmentation.load import load_segmenter
from espark.ct.segmentation.segmenter import FoundMasks
from espark.errors import ImageError, PluginError, SegmenterError

CT = volume(chest())


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(catalogue, "_registered", {})
    yield


class Found:
    """A segmenter that gives what it was made with, or raises it."""

    name = "found"
    finds_tumor = True

    def __init__(self, found: Any):
        self.found = found

    def segment(self, ct: CtVolume) -> FoundMasks:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found  # type: ignore[no-any-return]


def regions() -> Regions:
    tumor = np.zeros(CT.size[::-1], bool)
    tumor[4:6, 10:14, 10:14] = True
    return regions_from_masks(CT, tumor=tumor)


def test_a_segmenter_from_outside_is_used_as_espark_s_own() -> None:
    mask = sitk.GetArrayFromImage(regions().mask("tumor")) > 0
    SEGMENTERS.register(SegmenterEntry("found", lambda weights: Found(FoundMasks(None, mask))))
    segmenter = load_segmenter("found")
    assert segmenter is not None and segmenter.name == "found" and segmenter.finds_tumor
    tumor = segmenter.segment(CT).tumor
    assert tumor is not None and np.array_equal(tumor, mask)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (ValueError("index 3 is out of bounds\nmore"), r"it failed \(ValueError: index 3 is out of bounds\)"),
        (ImageError("there is no body"), "there is no body"),
        (None, r"it gives a NoneType\. Expected: espark\.plugins\.FoundMasks"),
        (
            FoundMasks(np.zeros((1, 2, 3), bool), None),
            r"it gives a mask of bool .* \(1, 2, 3\)\. Expected: bool \(12, 36, 40\)",
        ),
        (FoundMasks(None, np.zeros((12, 36, 40))), "it gives a mask of float64"),
    ],
)
def test_what_goes_wrong_in_a_segmenter_names_it(found: Any, reason: str) -> None:
    SEGMENTERS.register(SegmenterEntry("found", lambda weights: Found(found)))
    segmenter = load_segmenter("found")
    assert segmenter is not None
    with pytest.raises(PluginError, match=f"the segmenter 'found' of test_outside_ct: {reason}"):
        segmenter.segment(CT)


def test_a_segmenter_that_cannot_be_loaded_names_it() -> None:
    SEGMENTERS.register(SegmenterEntry("nothing", lambda weights: None))
    with pytest.raises(PluginError, match="the segmenter 'nothing' of test_outside_ct: it gives a NoneType"):
        load_segmenter("nothing")
    SEGMENTERS.register(SegmenterEntry("broken", lambda weights: 1 / 0))  # type: ignore[arg-type,return-value]
    with pytest.raises(PluginError, match="the segmenter 'broken' of test_outside_ct: it failed"):
        load_segmenter("broken")
    with pytest.raises(SegmenterError, match=r"there is no segmenter 'brokem'.*Did you mean broken"):
        load_segmenter("brokem")


def looking(found: Any) -> None:
    def look(ct: CtVolume, regions: Regions) -> Mapping[str, float]:
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    CT_MODELS.register(CtModelEntry("look", "Look", look=look, features=("a", "b", "c")))


def test_numbers_of_the_image_come_in_the_order_of_their_names_or_with_a_reason() -> None:
    looking({"c": np.float32(3), "a": 1})
    found = look_at_image("look", CT, regions())
    assert list(found.values) == ["a", "b", "c"]
    assert (found.values["a"], found.values["c"]) == (1.0, 3.0) and np.isnan(found.values["b"])
    assert found.failures == {"b": "Look gave no number"}
    looking({"a": np.inf, "b": np.nan})
    found = look_at_image("look", CT, regions())
    assert np.isnan(list(found.values.values())).all() and set(found.failures) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (KeyError("x"), r"it failed \(KeyError: 'x'\)"),
        ([1, 2, 3], "it gives a list. Expected: a mapping"),
        ({"d": 1.0}, "it gives a number 'd'. Expected: its features: a, b, c"),
        ({"a": "much"}, r"it failed \(ValueError"),
    ],
)
def test_what_goes_wrong_in_a_ct_model_names_it(found: Any, reason: str) -> None:
    looking(found)
    with pytest.raises(PluginError, match=f"the CT model 'look' of test_outside_ct: {reason}"):
        look_at_image("look", CT, regions())


def test_a_ct_model_names_what_it_computes() -> None:
    for entry in ({"look": lambda ct, regions: {}}, {"features": ("a",)}):
        with pytest.raises(PluginError, match="look and features together"):
            CtModelEntry("mine", "Mine", **entry)
    with pytest.raises(PluginError, match="every name once"):
        CtModelEntry("mine", "Mine", look=lambda ct, regions: {}, features=("a", "a"))
