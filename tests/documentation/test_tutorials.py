"""Every tutorial runs as it is printed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tutorial_runner import Tutorial, read_tutorials, run_tutorial

from espark import catalogue
from simulated_study import finished_study, simulated_trial

TUTORIALS = {tutorial.name: tutorial for tutorial in read_tutorials()}
FAST = [name for name, tutorial in TUTORIALS.items() if "fast" in tutorial.needs]
SLOW = [name for name, tutorial in TUTORIALS.items() if "slow" in tutorial.needs]


def test_every_tutorial_with_code_is_run() -> None:
    assert {*FAST, *SLOW} == set(TUTORIALS)
    assert len(TUTORIALS) >= 5
    assert all(len(tutorial.blocks) > tutorial.left_out for tutorial in TUTORIALS.values())


@pytest.mark.parametrize("name", FAST)
def test_fast_tutorial(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    _lay_out(TUTORIALS[name], tmp_path, request)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalogue, "_registered", {})
    run_tutorial(TUTORIALS[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_slow_tutorial(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_tutorial(TUTORIALS[name], tmp_path)


def _lay_out(tutorial: Tutorial, folder: Path, request: pytest.FixtureRequest) -> None:
    """Put the files into the folder that the page expects."""
    if "study" in tutorial.needs:
        factory = request.getfixturevalue("tmp_path_factory")
        (folder / "study").symlink_to(finished_study(simulated_trial(factory)), target_is_directory=True)
    if "images" in tutorial.needs:
        data: Path = request.getfixturevalue("data")
        images = folder / "images"
        shutil.copytree(
            data / "ct" / "lung1-001", images / "ct-dicom", ignore=shutil.ignore_patterns("rtstruct", "*.csv")
        )
        first = sorted((data / "ct" / "openkbp").glob("*_ct.nii.gz"))[0]
        shutil.copy(first, images / "ct.nii.gz")
        shutil.copy(str(first).replace("_ct.", "_oar."), images / "organs.nii.gz")
        shutil.copy(data / "slides" / "cmu-1-small-region.svs", images / "slide-1.svs")
        shutil.copy(data / "slides" / "tcga-cr-7395-01a-01-ts1.svs", images / "slide-2.svs")
