"""Artefacts: what they do to the picture, and that the truth says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from espark.simulate.slides.simulated_slide import SlideLatents, simulate_slide, slide_style
from espark.simulate.slides.slide_artefacts import ARTEFACTS, ArtefactKind, add_artefact, draw_kinds
from espark.types import ByteArray


def tissue_like(seed: int = 0) -> ByteArray:
    rng = np.random.default_rng(seed)
    plane = ndimage.gaussian_filter(rng.normal(size=(1400, 1600)), 1.5)
    return np.clip(190 + 120 * plane[..., None] + np.array([20, -50, 10]), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ARTEFACTS)
def test_an_artefact_changes_the_picture_where_its_mask_says(kind: ArtefactKind) -> None:
    before = tissue_like()
    canvas = before.copy()
    tissue = np.zeros((88, 100), bool)
    tissue[40, 50] = True
    artefact = add_artefact(canvas, tissue, kind, np.random.default_rng(4))
    changed = np.abs(canvas.astype(int) - before).max(2)
    height, width = artefact.mask.shape
    inside = np.zeros(changed.shape, bool)
    inside[artefact.top : artefact.top + height, artefact.left : artefact.left + width] = artefact.mask
    assert artefact.kind == kind
    assert 3_000 < inside.sum() < 700_000
    assert changed[inside].mean() > 10 * max(changed[~inside].mean(), 0.1)


def test_blur_takes_detail_away() -> None:
    before, canvas = tissue_like(), tissue_like()
    tissue = np.zeros((88, 100), bool)
    tissue[40, 50] = True
    artefact = add_artefact(canvas, tissue, "blur", np.random.default_rng(1))
    height, width = artefact.mask.shape
    part = np.s_[artefact.top : artefact.top + height, artefact.left : artefact.left + width, 1]
    sharp, soft = (ndimage.laplace(picture[part].astype(float))[artefact.mask].std() for picture in (before, canvas))
    assert soft < 0.4 * sharp


def test_kinds_come_at_the_given_rate() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_kinds(rng, 1.5) for _ in range(2000)]
    assert np.mean([len(kinds) for kinds in drawn]) == pytest.approx(1.5, abs=0.1)
    flat = [kind for kinds in drawn for kind in kinds]
    assert all(0.2 < flat.count(kind) / len(flat) < 0.3 for kind in ARTEFACTS)


def test_the_truth_names_artefacts(tmp_path: Path) -> None:
    latents = SlideLatents(0.5, 500.0, 100.0, 0.4, 30.0, 0.02)
    style = replace(slide_style(0), artefact_rate=5.0)
    table = simulate_slide(tmp_path / "s.tif", latents, style, np.random.default_rng(3), tiles=30)
    names = set(table["artefact"])
    assert names <= {"", *ARTEFACTS}
    assert len(names) >= 2
    clean = simulate_slide(
        tmp_path / "c.tif", latents, replace(style, artefact_rate=0.0), np.random.default_rng(3), tiles=30
    )
    assert set(clean["artefact"]) == {""}
    # Ink may hide nuclei; nothing may add any.
    hidden = clean.filter(like="n_").sum().sum() - table.filter(like="n_").sum().sum()
    assert hidden >= 0
