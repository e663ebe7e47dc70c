"""Checks of the slide explanations, from evidence made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from espark.explain.deletion import SHARES, TileCurves
from espark.files import read_json
from espark.steps.explain.slide_checks import write_slide_checks
from espark.steps.explain.slide_evidence import SlideEvidence
from espark.workspace.layout import StudyLayout


def checks_of(folder: Path, *attentions: list[float]) -> dict[str, Any]:
    """Patients whose answer falls with every tile taken away, fastest in the order of the attributions."""
    falls = {"attribution": 3.0, "attention": 2.0, "random": 1.0}
    curves = TileCurves(
        4, *({name: 1 - fall * np.array(SHARES) for name, fall in falls.items()} for _ in range(2)), 0.2
    )
    evidence = {
        f"p{number}": SlideEvidence(np.array(attention, np.float32), np.ones(4), curves=curves)
        for number, attention in enumerate(attentions)
    }
    layout = StudyLayout(folder)
    write_slide_checks(layout, evidence, dict.fromkeys(evidence, 1), {})
    found: dict[str, Any] = read_json(layout.explanation("checks.json"))
    return found


def test_attention_is_checked_only_where_it_ranks_the_tiles(tmp_path: Path) -> None:
    found = checks_of(tmp_path, [0.4, 0.3, 0.2, 0.1], [0.25] * 4)
    assert (found["slide_deletion"]["n"], found["slide_deletion"]["value"]) == (2, 1.0)
    assert (found["slide_deletion_attention"]["n"], found["slide_deletion_attention"]["value"]) == (1, 1.0)


def test_a_model_without_attention_has_no_curve_of_it(tmp_path: Path) -> None:
    found = checks_of(tmp_path, [0.25] * 4)
    assert found["slide_deletion"]["n"] == 1
    assert (found["slide_deletion_attention"]["n"], found["slide_deletion_attention"]["value"]) == (0, None)
    drawing = (tmp_path / "figures" / "slide-curves.svg").read_text()
    assert "attribution" in drawing and "attention" not in drawing
