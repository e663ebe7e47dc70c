"""The command that a manifest records says what was done, not where on the machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from espark.files import read_json
from espark.workspace.manifest import command_line, recorded
from espark.workspace.opened import open_workspace


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "{root}"], "espark run ."),
        (["run", "{root}/", "--workers", "2"], "espark run . --workers 2"),
        (["prepare", "{root}", "--only", "ct", "--quiet"], "espark prepare . --only ct --quiet"),
        (["check", "{root}/study.toml"], "espark check study.toml"),
        (["check", "{root}/models/espark"], "espark check models/espark"),
        (
            ["run", "{root}", "--encoder-path", "/home/user/weights of mine"],
            "espark run . --encoder-path 'weights of mine'",
        ),
        (["run", "{root}", "--encoder-path=/home/user/conch"], "espark run . --encoder-path=conch"),
        (["run", "{root}", "--out=../Ada Byron/out"], "espark run . --out=out"),
        (["report", "{root}", "--patient", "A-0001"], "espark report . --patient A-0001"),
        (["run", "{root}", "~/conch"], "espark run . conch"),
    ],
)
def test_a_command_is_recorded_without_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    root = tmp_path / "my study"
    root.mkdir()
    (root / "study.toml").touch()
    (root / "models" / "espark").mkdir(parents=True)
    given = [argument.format(root=root) for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["/home/user/.venv/bin/espark", *given])
    assert command_line(root) == said


@pytest.mark.parametrize(("folder", "given"), [("..", "my-study"), (".", "."), ("models", "..")])
def test_a_study_is_known_from_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, given: str
) -> None:
    root = tmp_path / "my-study"
    (root / "models").mkdir(parents=True)
    monkeypatch.chdir(root / folder)
    monkeypatch.setattr(sys, "argv", ["espark", "run", given])
    assert command_line(root) == "espark run ."


def test_a_module_that_is_run_has_the_name_of_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/lib/espark/__main__.py", "doctor"])
    assert command_line(tmp_path) == "espark doctor"


def test_a_manifest_holds_no_folder_of_this_machine(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(Path.home() / "bin" / "espark"), "check", str(study)])
    workspace = open_workspace(study)
    with recorded(workspace, "check"):
        pass
    entry = read_json(workspace.layout.manifest)["steps"]["check"]
    assert entry["command"] == "espark check ."
    text = workspace.layout.manifest.read_text(encoding="utf-8")
    assert not [folder for folder in (study, study.parent, Path.home()) if f"{folder}/" in text]
