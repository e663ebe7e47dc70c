"""The code in docs/plugins.md works, and the page names what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

import espark.plugins
from espark import catalogue
from espark.ct.hounsfield import CtVolume
from espark.ct.models.look import look_at_image
from espark.ct.regions.regions import regions_from_masks
from espark.ct.segmentation.load import load_segmenter
from espark.models.aggregators.build import build_aggregator
from espark.models.fusions.build import build_fusion
from espark.pathology.encoders.load import load_encoder
from espark.training.plugins import CATALOGUES

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")


def test_every_piece_of_code_runs_and_what_it_registers_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue, "_registered", {})
    names: dict[str, Any] = {"__name__": "plugins_page"}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/plugins.md", "exec"), names)
    assert len(capsys.readouterr().out.splitlines()) == 2  # the probabilities of two patients
    added = {kind: [plugin.name for plugin, _ in CATALOGUES[kind].plugins()] for kind in CATALOGUES}
    assert added == {
        "aggregator": ["plain-attention"], "fusion": ["mean-of-known"], "encoder": ["colors"],
        "segmenter": ["dense-tissue"], "CT model": ["air"],
    }  # fmt: skip
    assert build_aggregator("plain-attention", 6, hidden=4, attention=2).hidden == 4
    assert build_fusion("mean-of-known", 4, 3).modalities == 3
    assert load_encoder("colors").encode_tiles(np.zeros((2, 256, 256, 3), np.uint8)).shape == (2, 3)
    ct = CtVolume(sitk.GetImageFromArray(np.full((4, 6, 8), 50, np.int16)), "nifti")
    segmenter = load_segmenter("dense-tissue")
    assert segmenter is not None
    esophagus = segmenter.segment(ct).esophagus
    assert esophagus is not None and esophagus.all()
    found = look_at_image("air", ct, regions_from_masks(ct, esophagus=esophagus))
    assert found.values["air_share"] == 0 and list(found.failures) == ["tumor_hu"]


def test_the_page_names_every_group_and_nothing_that_is_not_there() -> None:
    groups = {part.group for part in CATALOGUES.values()}
    assert set(re.findall(r"`(espark\.(?:aggregators|fusions|encoders|segmenters|ct_models))`", PAGE)) == groups
    imported = ",".join(re.findall(r"from espark\.plugins import (.+)", PAGE))
    assert {name.strip() for name in imported.split(",")} <= set(espark.plugins.__all__)
    assert all(getattr(espark.plugins, name) is not None for name in espark.plugins.__all__)
