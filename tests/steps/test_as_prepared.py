"""Steps read what was prepared, or stop: no model claims settings that its features were not made with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from espark.ct.segmentation.weights_file import SHIPPED, WEIGHTS_FILE
from espark.ct.segmentation.weights_identity import weights_identity
from espark.errors import FeatureError
from espark.steps.prepare.as_prepared import check_as_prepared, is_prepared
from espark.steps.prepare.item import SEGMENTER_WEIGHTS, Item, study_items
from espark.steps.prepare.patient_ct import weights_here
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.records import read_record, rewrite_record, write_record
from espark.workspace.template import config_template

COHORT = """patient_id,center,role,pcr,ct,slides,tumor_mask,esophagus_mask
p1,A,development,1,p1.ct,p1.svs,p1.mask,p1.mask
p2,A,development,0,p2.ct,p2.svs,p2.mask,p2.mask
p3,B,external,0,p3.ct,,,
p4,B,external,0,p4.ct,,,p4.mask
"""
SEGMENTED = "p3"
OLDEST = "record of an earlier version"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study whose images are a few bytes each, and whose records say that all of them are prepared."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "study.toml").write_text(config_template(), encoding="utf-8")
    (folder / "cohort.csv").write_text(COHORT)
    for row in COHORT.splitlines()[1:]:
        for name in filter(None, row.split(",")[4:]):
            (folder / name).write_text(name)
    note_as_prepared(folder)
    return folder


def note_as_prepared(folder: Path, *, settings: bool = True) -> None:
    workspace = open_workspace(folder)
    for item in study_items(workspace):
        noted = {"settings": item.settings(here(workspace) if item.is_segmented else "")} if settings else {}
        write_record(workspace.layout, item.patient.patient_id, item.name, item.key(), [], **noted)


def here(workspace: Workspace) -> str:
    return weights_here(workspace.config.ct, workspace.root)


def changed(folder: Path, old: str, new: str) -> Workspace:
    path = folder / "study.toml"
    text = path.read_text(encoding="utf-8")
    assert text.count(f"\n{old}") == 1, old
    path.write_text(text.replace(f"\n{old}", f"\n{new}"), encoding="utf-8")
    return open_workspace(folder)


def differences(workspace: Workspace) -> str:
    with pytest.raises(FeatureError) as caught:
        check_as_prepared(workspace)
    assert f"Run `espark prepare {workspace.root}` again" in str(caught.value)
    return caught.value.found


def item_of(workspace: Workspace, patient_id: str, name: str = "ct") -> Item:
    return next(item for item in study_items(workspace) if (item.patient.patient_id, item.name) == (patient_id, name))


def test_an_unchanged_study_gives_its_segmenter(folder: Path) -> None:
    segmenter = check_as_prepared(open_workspace(folder))
    assert segmenter is not None
    assert (segmenter.name, segmenter.proposes_tumor) == ("espark-mini-seg", True)
    assert segmenter.weights == weights_identity("espark-mini-seg")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("bin_width_hu = 25.0", "bin_width_hu = 50.0", "bin_width_hu is 50.0 and was 25.0 (4 images, such as p1 ct)"),
        ("spacing_mm = [2.0, 2.0, 2.0]", 'spacing_mm = "native"', "spacing_mm is native and was 2.0, 2.0, 2.0 (4"),
        ("ring_mm = 0.0", "ring_mm = 10.0", "ring_mm is 10.0 and was not set (4 images"),
        ("min_tissue = 0.3", "min_tissue = 0.5", "min_tissue is 0.5 and was 0.3 (2 images, such as p1 slide-1)"),
        ('stain = "none"', 'stain = "macenko"', "stain is macenko and was none (2 images"),
        ('encoder = "espark-mini"', 'encoder = "conch"', "encoder is conch and was espark-mini"),
        ('segmenter = "espark-mini-seg"', 'segmenter = "totalsegmentator"', "segmenter is totalsegmentator and was"),
        ('segmenter = "espark-mini-seg"', 'segmenter = "masks"', "propose_tumor is False and was True (1 image"),
        ("stability_patients = 0", "stability_patients = 1", "stability_draws is 3 and was not set (1 image"),
    ],
)  # fmt: skip
def test_a_setting_that_changed_after_prepare_is_named(folder: Path, old: str, new: str, said: str) -> None:
    if "masks" in new:  # a study whose segmenter is `masks` has no CT without one
        (folder / "cohort.csv").write_text(COHORT.replace("p3.ct,,,", "p3.ct,,p4.mask,"))
        note_as_prepared(folder)
    assert said in differences(changed(folder, old, new))


def test_prompts_of_the_cell_types_count_too(folder: Path) -> None:
    from espark.pathology.cytology import cytology_template

    text = cytology_template()
    (folder / "cytology.toml").write_text(text, encoding="utf-8")
    check_as_prepared(open_workspace(folder))
    (folder / "cytology.toml").write_text(text.replace('    "a {}",\n', "", 1), encoding="utf-8")
    assert differences(open_workspace(folder)).count("the prompts of cytology.toml differ (2 images") == 1


def test_settings_of_training_do_not_matter(folder: Path) -> None:
    check_as_prepared(changed(folder, "folds = 10", "folds = 5"))


def test_patients_prepared_in_different_ways_are_told_apart(folder: Path) -> None:
    layout = open_workspace(folder).layout
    record = read_record(layout, "p2", "ct") or {}
    record["settings"]["bin_width_hu"] = 10.0
    rewrite_record(layout, "p2", "ct", record)
    assert "bin_width_hu is 25.0 and was 10.0 (1 image, such as p2 ct)" in differences(open_workspace(folder))


def test_another_resolution_of_the_same_slide_is_named(folder: Path) -> None:
    rows = COHORT.splitlines()
    rows = [f"{rows[0]},slide_mpp", f"{rows[1]},0.25", *(f"{row}," for row in rows[2:])]
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    assert "slide_mpp is 0.25 and was not set (1 image" in differences(open_workspace(folder))


def test_what_is_not_prepared_is_not_asked(folder: Path) -> None:
    workspace = open_workspace(folder)
    for item in study_items(workspace):
        workspace.layout.record(item.patient.patient_id, item.name).unlink()
    assert check_as_prepared(changed(folder, "bin_width_hu = 25.0", "bin_width_hu = 50.0")) is not None


# Records of earlier versions


def test_the_key_of_an_older_record_proves_its_settings(folder: Path) -> None:
    note_as_prepared(folder, settings=False)
    workspace = open_workspace(folder)
    before = {item.name: item.key() for item in study_items(workspace)}
    assert check_as_prepared(workspace) is not None
    for item in study_items(workspace):
        record = read_record(workspace.layout, item.patient.patient_id, item.name)
        assert record is not None
        assert record["settings"] == item.settings(here(workspace) if item.is_segmented else "")
        assert record["key"] == item.key()
    assert {item.name: item.key() for item in study_items(workspace)} == before
    # From now on they are known without reading the images.
    (folder / "p1.ct").unlink(), (folder / "p1.ct").mkdir()
    check_as_prepared(workspace)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: changed(folder, "bin_width_hu = 25.0", "bin_width_hu = 50.0"),
        lambda folder: changed(folder, "min_tissue = 0.3", "min_tissue = 0.5"),
        lambda folder: (folder / "p1.ct").write_text("another patient"),
        lambda folder: (folder / "p2.svs").write_text("another slide"),
    ],
)
def test_an_older_record_that_proves_nothing_stops_the_step(folder: Path, spoil: Callable[[Path], object]) -> None:
    note_as_prepared(folder, settings=False)
    spoil(folder)
    assert "nothing proves with which settings" in differences(open_workspace(folder))


def test_prepare_completes_older_records(folder: Path) -> None:
    note_as_prepared(folder, settings=False)
    workspace = open_workspace(folder)
    for item in study_items(workspace):
        assert is_prepared(item, item.key(), here(workspace))
        assert "settings" in (read_record(workspace.layout, item.patient.patient_id, item.name) or {})


# The weights of the segmenter


def own_weights(folder: Path) -> Path:
    weights = folder / "my-weights"
    weights.mkdir()
    shutil.copy(SHIPPED / WEIGHTS_FILE, weights)
    return weights


def test_the_same_weights_in_another_folder_are_the_same(folder: Path) -> None:
    own_weights(folder)
    assert weights_identity("espark-mini-seg", folder / "my-weights") == weights_identity("espark-mini-seg")


def test_weights_that_were_exchanged_after_prepare_are_noticed_and_prepared_again(folder: Path) -> None:
    weights = own_weights(folder)
    workspace = changed(folder, 'segmenter_weights = ""', 'segmenter_weights = "my-weights"')
    note_as_prepared(folder)
    check_as_prepared(workspace)
    with (weights / WEIGHTS_FILE).open("ab") as file:
        file.write(b"\0")
    assert "the weights of the segmenter differ (1 image, such as p3 ct)" in differences(workspace)
    item = item_of(workspace, SEGMENTED)
    assert not is_prepared(item, item.key(), here(workspace))


def test_whatever_stops_training_is_prepared_again(folder: Path) -> None:
    """Even where the key of the item is the same, as with TotalSegmentator's own folder of weights."""
    workspace = open_workspace(folder)
    item = item_of(workspace, SEGMENTED)
    settings = item.settings(here(workspace)) | {SEGMENTER_WEIGHTS: "of last year"}
    write_record(workspace.layout, SEGMENTED, "ct", item.key(), [], settings=settings)
    assert "the weights of the segmenter differ" in differences(workspace)
    assert not is_prepared(item, item.key(), here(workspace))


def test_weights_on_another_machine_are_known_from_the_records(folder: Path) -> None:
    weights = own_weights(folder)
    workspace = changed(folder, 'segmenter_weights = ""', 'segmenter_weights = "my-weights"')
    note_as_prepared(folder)
    expected = here(workspace)
    shutil.rmtree(weights)
    assert here(workspace) == ""
    segmenter = check_as_prepared(workspace)
    assert segmenter is not None and segmenter.weights == expected


def test_a_segmenter_that_found_nothing_and_is_not_here_is_not_known(folder: Path) -> None:
    (folder / "cohort.csv").write_text("\n".join(COHORT.splitlines()[:3]) + "\n")
    workspace = changed(folder, 'segmenter = "espark-mini-seg"', 'segmenter = "nnunet"')
    assert check_as_prepared(workspace) is None


def test_masks_are_a_segmenter_without_weights(folder: Path) -> None:
    (folder / "cohort.csv").write_text("\n".join(COHORT.splitlines()[:3]) + "\n")
    segmenter = check_as_prepared(changed(folder, 'segmenter = "espark-mini-seg"', 'segmenter = "masks"'))
    assert segmenter is not None and not segmenter.proposes_tumor
    assert (segmenter.name, segmenter.weights) == ("masks", "")


# In a whole study


def test_training_alone_stops_when_settings_changed_after_prepare(study: Path) -> None:
    before = {path: path.read_bytes() for path in (study / "models").rglob("*.json")}
    workspace = changed(study, "bin_width_hu = 25.0", "bin_width_hu = 50.0")
    with pytest.raises(FeatureError, match=r"bin_width_hu is 50.0 and was 25.0"):
        train(workspace, reporter=Reporter("quiet"))
    assert {path: path.read_bytes() for path in (study / "models").rglob("*.json")} == before
