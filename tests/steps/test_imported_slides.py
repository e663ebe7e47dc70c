"""Tile features from elsewhere in a study: found, compared, or refused by name."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from espark.errors import FeatureError, InputProblems
from espark.files import read_json
from espark.steps.check.check import check, examine
from espark.steps.check.result import CheckResult
from espark.steps.prepare.prepared_inputs import load_inputs, load_slides
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")
IDS = [f"{number:03d}" for number in range(90, 102)]
STUDY = """
[protocol]
folds = 2
[cytopath]
epochs = 1
[[slide_features]]
folder = "trident"
encoder = "uni"
"""
AT_20 = {"patch_size": 256, "patch_size_level0": 512, "level0_magnification": 40, "target_magnification": 20}
AT_10 = {"patch_size": 256, "patch_size_level0": 1024, "level0_magnification": 40, "target_magnification": 10}


def write_features(path: Path, seed: int, attributes: Mapping[str, Any] = AT_20, dim: int = 16) -> None:
    path.parent.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        file["features"] = rng.normal(size=(20, dim)).astype(np.float32)
        file["coords"] = np.stack([np.arange(20) * 512, np.zeros(20)], axis=1).astype(np.int64)
        file["coords"].attrs.update(attributes)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    rows = [f"{name},A,development,{number % 2}," for number, name in enumerate(IDS)]
    write_cohort(tmp_path, rows)
    (tmp_path / "study.toml").write_text(STUDY)
    for seed, name in enumerate(IDS):
        write_features(tmp_path / "trident" / f"{name}.h5", seed)
    return tmp_path


def write_cohort(study: Path, rows: list[str], columns: str = "patient_id,center,role,pcr,slides") -> None:
    (study / "cohort.csv").write_text("\n".join([columns, *rows]) + "\n")


def codes(result: CheckResult) -> list[str]:
    return sorted(problem.code for problem in result.problems)


def refused(study: Path, code: str, message: str) -> None:
    """`check` prints it, and training stops with it."""
    result = examine(study, reporter=QUIET)
    assert codes(result) == [code]
    with pytest.raises(InputProblems, match=message):
        check(study, reporter=QUIET)
    with pytest.raises(FeatureError, match=message):
        load_inputs(open_workspace(study))


def test_a_clean_folder_passes_without_a_word(study: Path) -> None:
    result = check(study, reporter=QUIET)
    assert not result.doubted and not result.notes
    assert "slide features: 12 files, 12 of 12 patients have one, 240 tiles of 128 µm" in result.account


@pytest.mark.parametrize("attributes", [AT_20, {}])
def test_training_ends_whether_the_scale_is_known_or_not(study: Path, attributes: dict[str, int]) -> None:
    for seed, name in enumerate(IDS):
        write_features(study / "trident" / f"{name}.h5", seed, attributes)
    train(open_workspace(study), reporter=QUIET)
    card = read_json(study / "models" / "cytopath" / "bundle.json")["encoder"]
    assert card["mpp"] == (0.5 if attributes else None) and card["tile_px"] == 256
    doubts = [note.code for note in check(study, reporter=QUIET).notes]
    assert doubts == ([] if attributes else ["D-FEATURE-001"])


def test_half_at_20_and_half_at_10_stops_with_who_differs(study: Path) -> None:
    for seed, name in enumerate(IDS[7:]):
        write_features(study / "trident" / f"{name}.h5", seed + 50, AT_10)
    refused(
        study, "E-FEATURE-007",
        r"tiles of 5 slides are 256 µm wide, those of the other 7 128 µm: 097 \(097\.h5\), 098 \(098\.h5\)",
    )  # fmt: skip


def test_scanners_of_one_magnification_agree(study: Path) -> None:
    mpps = [0.2325, 0.2523, 0.25, 0.22] * 3
    rows = [f"{name},A,development,{number % 2},{mpps[number]}" for number, name in enumerate(IDS)]
    write_cohort(study, rows, "patient_id,center,role,pcr,slide_mpp")
    assert check(study, reporter=QUIET).doubted == ()


def test_clam_tiles_of_20_and_40_times_differ_once_their_scale_is_given(study: Path) -> None:
    """CLAM cuts 256 px of level 0, whatever that is."""
    for seed, name in enumerate(IDS):
        write_features(study / "trident" / f"{name}.h5", seed, {})
    assert [note.code for note in check(study, reporter=QUIET).notes] == ["D-FEATURE-001"]
    rows = [f"{name},A,development,{n % 2},{0.25 if n < 6 else 0.5}" for n, name in enumerate(IDS)]
    write_cohort(study, rows, "patient_id,center,role,pcr,slide_mpp")
    refused(study, "E-FEATURE-007", "tiles of 6 slides are 256 µm wide, those of the other 6 128 µm: 096")


def test_a_resolution_that_contradicts_the_magnification_is_doubted(study: Path) -> None:
    rows = [f"{name},A,development,{number % 2},1.0" for number, name in enumerate(IDS)]
    write_cohort(study, rows, "patient_id,center,role,pcr,slide_mpp")
    assert check(study, reporter=QUIET).doubted == tuple(IDS)


def test_different_encoders_are_refused_by_length_and_by_name(study: Path) -> None:
    write_features(study / "trident" / "095.h5", 99, dim=32)
    refused(study, "E-FEATURE-012", r"uni \(16 numbers a tile\) and uni \(32 numbers a tile\); not by .*: 095")
    write_features(study / "trident" / "095.h5", 99)
    for name in IDS:
        with h5py.File(study / "trident" / f"{name}.h5", "a") as file:
            file["features"].attrs["savetodir"] = f"x/features_{'resnet50' if name == '095' else 'uni_v1'}"
    refused(study, "E-FEATURE-012", r"uni_v1 and resnet50; not by uni_v1: 095")


@pytest.mark.parametrize("name", ["095.svs.h5", "095.ndpi.h5", "095.hdf5", "095.SVS.h5"])
def test_names_of_slides_are_found(study: Path, name: str) -> None:
    (study / "trident" / "095.h5").rename(study / "trident" / name)
    result = check(study, reporter=QUIET)
    assert "12 of 12 patients have one" in result.account[-1]
    workspace = open_workspace(study)
    assert [part.source for part in load_slides(workspace, workspace.cohort["095"])] == [name]


@pytest.mark.parametrize("name", ["95.h5", "095_features.h5", "095-DX1.h5", "0095.h5", "95.0.svs.h5"])
def test_near_misses_are_named(study: Path, name: str) -> None:
    (study / "trident" / "095.h5").rename(study / "trident" / name)
    refused(study, "E-FEATURE-008", "features of 1 patients or slides are not found .*: 095 is called")


def test_patients_without_features_and_files_of_nobody_are_listed(study: Path) -> None:
    (study / "trident" / "095.h5").rename(study / "trident" / "other.h5")
    notes = {note.code: note.text for note in check(study, reporter=QUIET).notes}
    assert notes == {
        "N-FEATURE-001": "Patients without tile features: 095.",
        "N-FEATURE-002": "Files of tile features that belong to no patient in cohort.csv: other.",
    }


def test_several_slides_of_a_patient_are_named_in_cohort_csv(study: Path) -> None:
    for seed, name in enumerate(("a.svs", "b")):
        write_features(study / "trident" / f"{name}.h5", 200 + seed)
    (study / "trident" / "090.h5").unlink()
    rows = [f"{name},A,development,{n % 2},{'a.svs; b.h5' if n == 0 else ''}" for n, name in enumerate(IDS)]
    write_cohort(study, rows)
    result = check(study, reporter=QUIET)
    assert "slide features: 13 files, 12 of 12 patients" in result.account[-1]
    workspace = open_workspace(study)
    assert [part.source for part in load_slides(workspace, workspace.cohort["090"])] == ["a.svs.h5", "b.h5"]
    bag = load_inputs(workspace).inputs.bags[0]
    assert bag is not None and len(bag) == 40


def test_a_named_slide_without_features_is_an_error(study: Path) -> None:
    rows = [f"{name},A,development,{n % 2},{'090;gone.svs' if n == 0 else ''}" for n, name in enumerate(IDS)]
    write_cohort(study, rows)
    refused(study, "E-FEATURE-011", "patient 090, .*: there are no features of gone")


def test_two_files_of_one_slide(study: Path) -> None:
    write_features(study / "trident" / "095.svs.h5", 300)
    refused(study, "E-FEATURE-010", r"2 files hold features of '095': 095\.h5, 095\.svs\.h5")


def test_one_slide_under_two_patients(study: Path) -> None:
    shutil.copy(study / "trident" / "095.h5", study / "trident" / "096.h5")
    result = examine(study, reporter=QUIET)
    assert codes(result) == ["E-FEATURE-013"] and "095 (095.h5), 096 (096.h5)" in str(result.problems[0])


def test_folders_that_hold_nothing_say_where_to_look(study: Path) -> None:
    (study / "trident").rename(study / "files")
    refused(study, "E-FEATURE-009", "the folder of slide features is missing")
    (study / "trident").mkdir()
    refused(study, "E-FEATURE-009", "holds no .h5 file")
    (study / "trident" / "090.pt").touch()
    refused(study, "E-FEATURE-009", "name the folder h5_files")
    (study / "files").rename(study / "trident" / "h5_files")
    refused(study, "E-FEATURE-009", "There are some in h5_files")


def test_a_folder_of_other_patients(study: Path) -> None:
    for number, path in enumerate(sorted((study / "trident").iterdir())):
        path.rename(path.with_name(f"case{number}.h5"))
    refused(study, "E-FEATURE-009", "no file belongs to a patient")


def test_every_broken_file_is_named_with_its_patient(study: Path) -> None:
    (study / "trident" / "090.h5").write_bytes(b"")
    with h5py.File(study / "trident" / "091.h5", "a") as file:
        file["features"][3, 3] = np.nan
    with h5py.File(study / "trident" / "092.h5", "a") as file:
        del file["features"]
        file["features"] = h5py.ExternalLink("093.h5", "/features")
    result = examine(study, reporter=QUIET)
    assert codes(result) == ["E-FEATURE-001", "E-FEATURE-002", "E-FEATURE-005"]
    states = {verdict.patient_id: verdict.state for verdict in result.verdicts}
    assert [states[name] for name in IDS[:4]] == ["refused", "refused", "refused", "ok"]
    assert all(f"patient {name}" in str(problem) for name, problem in zip(IDS, result.problems, strict=False))


@pytest.mark.parametrize("name", ["study-trident-no-mpp", "study-trident-svs-names"])
def test_cases_of_trident(data: Path, name: str) -> None:
    result = check(data / "cases" / name, reporter=QUIET)
    assert "slide features: 12 files, 12 of 12 patients have one, 240 tiles of 128 µm" in result.account
    study = load_inputs(open_workspace(data / "cases" / name))
    assert study.encoder is not None and study.encoder.mpp == 0.5
    assert all(bag is not None and len(bag) == 20 for bag in study.inputs.bags)
