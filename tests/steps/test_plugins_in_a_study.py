"""The example package: installed, named in a study, trained, asked for a new patient, and missed once it is gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

from espark.bundle.card import BundleCard
from espark.bundle.folder import load_bundle
from espark.errors import BundleError, InputProblems
from espark.files import digest, read_json, write_json
from espark.steps.doctor import doctor
from espark.steps.train.train import train
from espark.training.plugins import CATALOGUES
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

EXAMPLE = Path(__file__).parents[2] / "examples" / "espark-plugin-example"
PACKAGE = "espark-plugin-example"
NAMES = {
    "segmenter": "example-tube", "encoder": "example-colors", "model": "example-chest",
    "aggregator": "example-attention", "fusion": "example-mean",
}  # fmt: skip
QUIET = Reporter("quiet")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed the example package, without the network."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if shared.name.startswith("popen-") else shared
    folder = shared / "site"
    with FileLock(shared / "site.lock"):
        if not folder.exists():
            source = shutil.copytree(EXAMPLE, shared / PACKAGE)  # building leaves files beside the source
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
            subprocess.run([*command, "--no-index", "--target", str(folder), str(source)], check=True)
    return folder


@pytest.fixture
def installed(site: Path) -> Iterator[pytest.MonkeyPatch]:
    """The example package on this process's path; undone before the end of a test, it is uninstalled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        yield patch
    for name in [name for name in sys.modules if name.partition(".")[0] == "espark_plugin_example"]:
        del sys.modules[name]


def use(study: Path, *keys: str) -> None:
    """Name entries of the example package in study.toml, and train shortly."""
    config = study / "study.toml"
    lines = config.read_text().splitlines()
    for number, line in enumerate(lines):
        key = line.partition(" = ")[0]
        if key in keys:
            lines[number] = f'{key} = "{NAMES[key]}"'
        elif key == "epochs":
            lines[number] = "epochs = 2"
    config.write_text("\n".join(lines) + "\n")


def test_doctor_lists_what_the_package_adds(installed: pytest.MonkeyPatch) -> None:
    found = {finding.what: finding for finding in doctor()}
    for kind, name in zip(("segmenter", "encoder", "CT model", "aggregator", "fusion"), NAMES.values(), strict=True):
        finding = found[f"plug-in {kind} {name}"]
        assert finding.good and finding.state == f"of {PACKAGE} 0.1.0"
        assert name in CATALOGUES[kind]


def test_reading_the_configuration_imports_no_torch(site: Path, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(
        '[ct]\nsegmenter = "example-tube"\n[slides]\nencoder = "example-colors"\n[mscalect]\nmodel = "example-chest"\n'
        '[cytopath]\naggregator = "example-attention"\n[espark]\nfusion = "example-mean"\n'
    )
    code = (
        "import sys; from pathlib import Path; from espark.workspace.config import read_config;"
        f"print(read_config(Path({str(tmp_path / 'study.toml')!r})).mscalect.image_model, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=path(site))
    assert result.stdout == "example-chest False\n"


def test_train_with_the_package_and_load_without_it(study: Path, installed: pytest.MonkeyPatch) -> None:
    """The fast part of the way: an aggregator and a fusion, on what is prepared."""
    use(study, "aggregator", "fusion")
    workspace = open_workspace(study)
    train(workspace, reporter=QUIET)
    bundle = load_bundle(study / "models" / "espark")
    assert type(bundle.members[0].net.slide_branch).__name__ == "PlainAttention"  # type: ignore[attr-defined]
    assert [(plugin.kind, plugin.name, plugin.package, plugin.version) for plugin in bundle.card.plugins] == [
        ("aggregator", "example-attention", PACKAGE, "0.1.0"), ("fusion", "example-mean", PACKAGE, "0.1.0"),
    ]  # fmt: skip
    assert load_bundle(study / "models" / "mscalect").card.plugins == ()
    folds = sorted((study / "models").rglob("fold-*.safetensors"))
    before = [path.stat().st_mtime_ns for path in folds]
    train(workspace, reporter=QUIET)
    assert [path.stat().st_mtime_ns for path in folds] == before
    installed.undo()
    for model in ("cytopath", "espark"):
        with pytest.raises(BundleError, match="needs the aggregator 'example-attention'") as caught:
            load_bundle(study / "models" / model)
        assert f"of the package {PACKAGE} 0.1.0, which is not installed here" in str(caught.value)
        assert f"Install it with `pip install {PACKAGE}==0.1.0`." in str(caught.value)
    assert load_bundle(study / "models" / "mscalect").card.cytopath.aggregator == "gated-attention"
    with pytest.raises(InputProblems, match="unknown aggregator 'example-attention'"):
        open_workspace(study)


def rewrite(path: Path, content: dict[str, Any]) -> None:
    """Write a card with the hash that belongs to it."""
    content.pop("sha256")
    write_json(path, content | {"sha256": digest(content)})


def test_another_version_makes_a_note_and_another_fold(
    study: Path, installed: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use(study, "aggregator")
    train(open_workspace(study), reporter=QUIET)
    path = study / "models" / "cytopath" / "bundle.json"
    content = read_json(path)
    load_bundle(path.parent)
    assert caplog.messages == []
    content["plugins"][0]["version"] = "0.0.9"
    rewrite(path, content)
    load_bundle(path.parent)
    assert caplog.messages == [
        f"The model was trained with the aggregator 'example-attention' of {PACKAGE} 0.0.9; version 0.1.0 is "
        "installed here."
    ]
    folds = sorted((study / "models" / "cytopath").glob("fold-*.safetensors"))
    before = [fold.stat().st_mtime_ns for fold in folds]
    installed.setattr("espark.catalogue._code_of_module", lambda module: "other code")
    train(open_workspace(study), reporter=QUIET)
    assert all(fold.stat().st_mtime_ns != then for fold, then in zip(folds, before, strict=True))


def test_an_older_bundle_needs_no_plug_in(study: Path) -> None:
    path = study / "models" / "espark" / "bundle.json"
    content = read_json(path)
    assert content.pop("plugins") == []
    del content["mscalect"]["model"], content["radiomics"]["image_model"]
    rewrite(path, content)
    card = load_bundle(path.parent).card
    assert isinstance(card, BundleCard) and card.plugins == () and card.mscalect.model == "network"


def path(site: Path | None) -> dict[str, str]:
    """The environment of a command, with or without the example package."""
    parts = [str(site)] if site else []
    return os.environ | {"PYTHONPATH": os.pathsep.join([*parts, os.environ.get("PYTHONPATH", "")])}


def espark(*arguments: str | Path, site: Path | None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "espark", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=path(site))


@pytest.mark.slow
def test_the_whole_way_through_the_command_line(trial: Path, site: Path, tmp_path: Path) -> None:
    study = Path(shutil.copytree(trial, tmp_path / "study"))
    use(study, *NAMES)
    cohort = pd.read_csv(study / "cohort.csv", dtype=str, keep_default_na=False)
    alone = cohort.index[cohort["patient_id"] == "B-0002"]
    cohort.loc[alone, ["tumor_mask", "esophagus_mask"]] = ""
    cohort.to_csv(study / "cohort.csv", index=False)
    for command in ("check", "prepare", "train", "evaluate", "explain", "report"):
        result = espark(command, study, "--quiet", site=site)
        assert result.returncode == 0, result.stderr
    card = read_json(study / "models" / "espark" / "bundle.json")
    assert sorted(plugin["name"] for plugin in card["plugins"]) == sorted(NAMES.values())
    assert card["radiomics"]["scales"][-1] == "image" and card["encoder"]["name"] == "example-colors"
    assert "example-tube" in read_json(study / "prepared" / "records" / "B-0002" / "ct.json")["segmenter"]
    new = ("--ct", study / "ct" / "B-0002", "--slide", study / "slides" / "B-0002.tif", "--segmenter", "example-tube")
    out = tmp_path / "new"
    result = espark("predict", study / "models" / "espark", *new, "--out", out, "--show-withheld", "-q", site=site)
    assert result.returncode == 0, result.stderr
    answers = pd.read_csv(study / "predictions" / "espark.csv").set_index("patient_id")["probability"]
    assert read_json(out / "prediction.json")["probability"] == pytest.approx(answers["B-0002"], abs=1e-5)
    result = espark("predict", study / "models" / "espark", *new, "--out", out, site=None)
    assert result.returncode == 2 and f"pip install {PACKAGE}==0.1.0" in result.stderr
    assert "Traceback" not in result.stderr
    result = espark("train", study, site=None)
    assert result.returncode == 2 and all(name in result.stderr for name in NAMES.values())
