"""The manifest is enough to make either report again, byte for byte, and tells what changed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from espark.bundle import folder as bundle_module
from espark.errors import InputError
from espark.files import fingerprint, read_json, write_json
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.steps.report import report as report_step
from espark.steps.report.report import report
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace, open_workspace

QUIET = Reporter("quiet")


def _entry(workspace: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = read_json(workspace.layout.manifest)["steps"]["report"]
    return found


def _pages(workspace: Workspace) -> dict[str, str]:
    folder = workspace.layout.report.parent
    return {
        path.relative_to(workspace.root).as_posix(): fingerprint(path) for path in folder.rglob("*") if path.is_file()
    }


def _remove_pages(workspace: Workspace, count: int) -> None:
    for patient in workspace.cohort.used[:count]:
        workspace.layout.patient_report(patient.patient_id).unlink()


def test_a_report_made_anew_has_the_same_bytes_and_the_manifest_says_which(study: Path) -> None:
    workspace = open_workspace(study)
    before, said = _pages(workspace), _entry(workspace)
    assert said["outputs"] == before
    assert {"study.toml", "cohort.csv", "evaluation/metrics.csv", "models/espark"} <= said["inputs"].keys()
    _remove_pages(workspace, 2)
    workspace.layout.report.unlink()
    report(workspace, reporter=QUIET)
    assert _pages(workspace) == before
    assert _entry(workspace)["inputs"] == said["inputs"]
    assert _entry(workspace)["changed"] == []


_DRAW_AGAIN = """
import sys
from pathlib import Path
from espark.steps.evaluate.evaluate import evaluate
from espark.steps.explain.explain import explain
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace
workspace = open_workspace(Path(sys.argv[1]))
evaluate(workspace, reporter=Reporter("quiet"))
explain(workspace, reporter=Reporter("quiet"))
"""


@pytest.mark.slow
def test_another_process_draws_every_figure_with_the_same_bytes(finished: Path, study: Path) -> None:
    manifest = read_json(study / "manifest.json")
    for step in ("evaluate", "explain"):
        del manifest["steps"][step]
    write_json(study / "manifest.json", manifest)
    figures = sorted((study / "figures").glob("*.svg"))
    for figure in figures:
        figure.unlink()
    subprocess.run(
        [sys.executable, "-c", _DRAW_AGAIN, str(study)], env=os.environ | {"PYTHONHASHSEED": "7"}, check=True
    )
    assert len(figures) > 20
    assert [fingerprint(path) for path in figures] == [
        fingerprint(finished / "figures" / path.name) for path in figures
    ]


def test_the_bundle_is_read_once_for_all_pages(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, read = open_workspace(study), []
    real = bundle_module.load_bundle

    def counted(folder: Path) -> Any:
        read.append(folder)
        return real(folder)

    _remove_pages(workspace, 2)
    bundle_module.bundle_once.cache_clear()
    monkeypatch.setattr(bundle_module, "load_bundle", counted)
    report(workspace, reporter=QUIET)
    assert len(read) == 1


def test_a_changed_input_is_told_by_name(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    workspace = open_workspace(study)
    config = workspace.layout.config
    config.write_text(config.read_text(encoding="utf-8") + "\n# a note\n", encoding="utf-8")
    heatmap = workspace.layout.heatmap_shapes(workspace.cohort.used[0].patient_id, "slide-1")
    heatmap.unlink()
    with caplog.at_level(logging.INFO, logger="espark"):
        report(workspace, reporter=Reporter())
    names = [heatmap.relative_to(study).as_posix(), "study.toml"]
    assert _entry(workspace)["changed"] == names
    assert f"changed since the last report: {', '.join(names)}" in caplog.text


@pytest.mark.parametrize("name", ["predictions/espark.csv", "evaluation/metrics.csv", "explain/tests.csv"])
def test_a_table_that_was_changed_after_its_step_is_not_reported(study: Path, name: str) -> None:
    table = study / name
    table.write_text(table.read_text(encoding="utf-8").replace("1", "2", 1), encoding="utf-8")
    before = _pages(open_workspace(study))
    with pytest.raises(InputError, match=rf"{name}: the file was changed .*Run `espark \w+ .*E-STUDY-008"):
        report(open_workspace(study), reporter=QUIET)
    assert _pages(open_workspace(study)) == before


def test_another_design_draws_a_page_anew(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_workspace(study)
    patient_id = workspace.cohort.used[0].patient_id
    record = workspace.layout.record(patient_id, "report")
    before = read_json(record)["key"]
    report(workspace, patient_id=patient_id, reporter=QUIET)
    assert read_json(record)["key"] == before
    monkeypatch.setattr(report_step, "design_fingerprint", lambda: "another")
    report(workspace, patient_id=patient_id, reporter=QUIET)
    assert read_json(record)["key"] != before


def test_photographs_of_a_page_are_jpeg(study: Path) -> None:
    workspace = open_workspace(study)
    for patient in workspace.cohort.used:
        withheld = workspace.layout.patient_report(patient.patient_id).read_text(encoding="utf-8")
        assert withheld.count("data:image/jpeg") == 2 and "data:image/png" not in withheld
    shown = workspace.cohort.used[-1].patient_id
    report(workspace, patient_id=shown, show_withheld=True, reporter=QUIET)
    page = workspace.layout.patient_report(shown).read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") >= 3
    assert "data:image/png" not in page.split('id="cells"')[0]


def test_a_new_patient_again_gives_the_same_bytes(
    finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, out = finished / "models" / "espark", tmp_path / "out"
    masks = finished / "masks"
    files = {"ct": finished / "ct" / "B-0001", "tumor_mask": masks / "B-0001_tumor.nii.gz"}
    predict(model, NewPatient(**files), out, reporter=QUIET)  # type: ignore[arg-type]
    first = read_json(out / "manifest.json")
    assert first["outputs"] == {name: fingerprint(out / name) for name in ("prediction.json", "report.html")}
    predict(model, NewPatient(**files), out, reporter=QUIET)  # type: ignore[arg-type]
    second = read_json(out / "manifest.json")
    assert (second["outputs"], second["inputs"], second["changed"]) == (first["outputs"], first["inputs"], [])
    files["tumor_mask"] = masks / "B-0001_esophagus.nii.gz"
    with caplog.at_level(logging.INFO, logger="espark"):
        predict(model, NewPatient(**files), out, reporter=Reporter())  # type: ignore[arg-type]
    assert read_json(out / "manifest.json")["changed"] == ["--tumor-mask"]
    assert "changed since the last report in this folder: --tumor-mask" in caplog.text
