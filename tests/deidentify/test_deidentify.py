"""Nothing that names a patient is in any byte that is written; the key table alone leads back."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import openslide
import pydicom
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

pytest.importorskip("dicomanonymizer")

from planted_names import (
    NAME,
    NUMBER,
    ROOT,
    SECRETS,
    plant,
    planted_ct,
    planted_dicom_slide,
    planted_keywords,
    planted_svs,
)

from ct_phantoms import SeriesSpec, chest, write_series
from espark.cli.app import app
from espark.ct.files.volume import read_ct
from espark.deidentify.burnt_in import looks_like_text
from espark.deidentify.deidentify_folder import DeidentifiedFolder, deidentify_folder
from espark.deidentify.headers import moved
from espark.deidentify.key_table import KeyTable, open_key_table
from espark.deidentify.profile import capped_age, table
from espark.errors import DeidentifyError
from espark.pathology.slide import open_slide
from espark.work.progress import Reporter

QUIET = Reporter("quiet")
# pydicom warns about the values that are planted here.
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value:UserWarning", "ignore:The value length:UserWarning")


def run(source: Path, tmp_path: Path, name: str = "study", **options: bool) -> DeidentifiedFolder:
    chosen = {"characteristics": False, "keep_doubted": False} | options
    return deidentify_folder(source, tmp_path / name, tmp_path / "key.json", reporter=QUIET, **chosen)


def found_secrets(folder: Path) -> list[str]:
    """Every place in a folder that holds a secret: in a byte of a file, or in a name."""
    found = []
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for secret in SECRETS:
            if secret in content or secret.decode() in path.name:
                found.append(f"{path.name}: {secret.decode()}")
    return found


@pytest.fixture
def hospital(data: Path, tmp_path: Path) -> Path:
    """One patient with a CT, a DICOM slide and a slide of a scanner."""
    source = tmp_path / "hospital" / f"{NAME}, Anna"
    planted_ct(source)
    planted_dicom_slide(data / "slides" / "cptac-brca-dicom-sm.dcm", source / "slide")
    planted_svs(source / f"{NAME}-{NUMBER}.svs")
    return source.parent


def test_no_byte_of_the_study_holds_a_name(hospital: Path, tmp_path: Path) -> None:
    assert len(set(planted_keywords())) >= 60 and found_secrets(hospital)
    result = run(hospital, tmp_path)
    assert found_secrets(tmp_path / "study") == []
    assert (result.patients, result.written, result.held_back) == (1, 14, 1)  # all but the label
    # What is needed is still there.
    (patient,) = (tmp_path / "study" / "images").iterdir()
    before, after = read_ct(hospital / f"{NAME}, Anna" / NAME), read_ct(patient / "CT")
    assert np.array_equal(sitk.GetArrayFromImage(before.image), sitk.GetArrayFromImage(after.image))
    assert before.image.GetOrigin() == after.image.GetOrigin()


def test_the_key_table_alone_leads_back(hospital: Path, tmp_path: Path) -> None:
    run(hospital, tmp_path)
    key = tmp_path / "key.json"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    stored = json.loads(key.read_text())
    (patient,) = stored["patients"]
    (folder,) = (tmp_path / "study" / "images").iterdir()
    assert (patient["pseudonym"], patient["identity"]) == (folder.name, f"{NUMBER}@{NUMBER} {NAME}")
    for path in folder.rglob("CT/*/*.dcm"):
        image = pydicom.dcmread(path, stop_before_pixels=True)
        assert stored["originals"][image.StudyInstanceUID] == f"{ROOT}.1"
        original = pydicom.dcmread(stored["originals"][path.relative_to(tmp_path / "study").as_posix()])
        assert stored["originals"][image.SOPInstanceUID] == original.SOPInstanceUID
        assert original.ImagePositionPatient == image.ImagePositionPatient
    # Another secret gives other pseudonyms, UIDs and dates, so nothing can be calculated without the table.
    key.rename(tmp_path / "first.json")
    run(hospital, tmp_path, "again")
    again = json.loads(key.read_text())
    assert not set(stored["originals"]) & set(again["originals"]) - {"held back 1"}
    assert stored["patients"][0]["pseudonym"] != again["patients"][0]["pseudonym"]


def test_a_second_run_with_the_key_gives_the_same(tmp_path: Path) -> None:
    planted_ct(tmp_path / "in")
    for name in ("one", "two"):
        run(tmp_path / "in", tmp_path, name)
    one, two = (contents(tmp_path / name) for name in ("one", "two"))
    assert one == two and len(one) > 12


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_references_and_distances_in_time_stay(tmp_path: Path) -> None:
    """Two studies of one patient, 100 days apart, in one frame of reference."""
    for number, day in ((1, "20240131"), (2, "20240510")):
        tags = {"PatientID": NUMBER, "StudyDate": day, "StudyInstanceUID": f"{ROOT}.{number}", "StudyTime": "101112"}
        write_series(tmp_path / "in" / str(number), chest(), SeriesSpec(uid=f"{ROOT}.{number}.1", tags=tags))
    run(tmp_path / "in", tmp_path)
    (patient,) = (tmp_path / "study" / "images").iterdir()
    images = [pydicom.dcmread(path) for path in sorted(patient.rglob("*.dcm"))]
    days = sorted({image.StudyDate for image in images})
    first, second = (date(int(day[:4]), int(day[4:6]), int(day[6:])) for day in days)
    assert second - first == timedelta(100) and timedelta(365) <= date(2024, 1, 31) - first <= timedelta(3650)
    assert len({image.StudyInstanceUID for image in images}) == 2 and len({i.FrameOfReferenceUID for i in images}) == 1
    assert {image.StudyTime for image in images} == {"000000"}


def test_patients_are_kept_apart(tmp_path: Path) -> None:
    for number in range(3):
        spec = SeriesSpec(uid=f"{ROOT}.{number}", tags={"PatientID": f"{NUMBER}{number}"})
        write_series(tmp_path / "in" / str(number), chest(), spec)
    planted_svs(tmp_path / "in" / "1" / "slide.svs")
    planted_svs(tmp_path / "in" / "alone.svs")
    result = run(tmp_path / "in", tmp_path)
    assert result.patients == 4 and result.cohort is not None
    stored = {patient["identity"]: patient for patient in json.loads((tmp_path / "key.json").read_text())["patients"]}
    assert set(stored) == {f"{NUMBER}0", f"{NUMBER}1", f"{NUMBER}2", "folder alone.svs"}
    assert len({patient["days"] for patient in stored.values()}) == 4
    with_slide = tmp_path / "study" / "images" / stored[f"{NUMBER}1"]["pseudonym"]
    assert len(list((with_slide / "slides").iterdir())) == 1 and len(list(with_slide.rglob("*.dcm"))) == 12


def test_a_slide_keeps_its_tissue_and_loses_the_rest(tmp_path: Path) -> None:
    planted_svs(tmp_path / "in" / NAME / f"{NAME}.svs")
    run(tmp_path / "in", tmp_path)
    (made,) = (tmp_path / "study").rglob("*.svs")
    before, after = openslide.OpenSlide(tmp_path / "in" / NAME / f"{NAME}.svs"), openslide.OpenSlide(made)
    assert set(before.associated_images) == {"label", "macro"} and not after.associated_images
    assert before.level_dimensions == after.level_dimensions
    for level, size in enumerate(before.level_dimensions):
        pictures = [np.asarray(slide.read_region((0, 0), level, size)) for slide in (before, after)]
        assert np.array_equal(*pictures)
    with open_slide(made) as slide:
        assert slide.mpp == 0.5 and slide.handle.properties["openslide.objective-power"] == "20"
    assert found_secrets(tmp_path / "study") == []


@pytest.mark.parametrize("name", ["tcga-cr-7395-01a-01-ts1.svs", "cmu-1-small-region.svs", "larynx-20x.tif"])
def test_real_slides_keep_every_pixel(data: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(data / "slides" / name, tmp_path / "in" / name)
    run(tmp_path / "in", tmp_path)
    (made,) = (tmp_path / "study").rglob(f"*{Path(name).suffix}")
    before, after = openslide.OpenSlide(data / "slides" / name), openslide.OpenSlide(made)
    assert before.level_dimensions == after.level_dimensions and not after.associated_images
    assert before.properties["openslide.vendor"] == after.properties["openslide.vendor"]
    for key in ("openslide.mpp-x", "openslide.objective-power"):
        assert float(before.properties.get(key, 0)) == float(after.properties.get(key, 0))
    corner = (before.dimensions[0] // 3, before.dimensions[1] // 3)
    for level in range(before.level_count):
        size = tuple(min(700, side // 2) for side in before.level_dimensions[level])
        assert np.array_equal(*(np.asarray(slide.read_region(corner, level, size)) for slide in (before, after)))
    assert b"CPAPERIOCS" not in made.read_bytes() and b"Filename" not in made.read_bytes()


def test_a_real_dicom_slide_keeps_every_pixel_and_is_valid(data: Path, tmp_path: Path) -> None:
    original = data / "slides" / "cptac-brca-dicom-sm.dcm"
    (tmp_path / "in").mkdir()
    shutil.copy(original, tmp_path / "in" / "slide.dcm")
    run(tmp_path / "in", tmp_path)
    (made,) = (tmp_path / "study").rglob("*.dcm")
    with open_slide(original) as before, open_slide(made) as after:
        assert before.mpp == after.mpp
        assert np.array_equal(before.thumbnail(500)[0], after.thumbnail(500)[0])
    assert b"15BR001" not in made.read_bytes()
    program = shutil.which("dciodvfy")
    if program is not None:
        errors = [_errors(program, path) for path in (original, made)]
        assert set(errors[1]) <= set(errors[0])


def test_a_slide_in_many_files_stays_together_without_a_patient_id(data: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in (1, 2):
        level = pydicom.dcmread(data / "slides" / "cptac-brca-dicom-sm.dcm")
        level.PatientID = ""
        level.SOPInstanceUID = level.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.{number}"
        level.save_as(tmp_path / "in" / f"{number}.dcm")
    result = run(tmp_path / "in", tmp_path)
    assert (result.patients, result.written) == (1, 2)
    assert len({path.parent for path in (tmp_path / "study").rglob("*.dcm")}) == 1


def _errors(program: str, path: Path) -> list[str]:
    said = subprocess.run([program, "-new", str(path)], capture_output=True, text=True, check=False).stderr
    return [line for line in said.splitlines() if line.startswith("Error")]


def letters(picture: np.ndarray, text_px: int, value: int) -> np.ndarray:
    """A line of text of this height."""
    from PIL import Image, ImageDraw, ImageFont

    mask = Image.new("1", (picture.shape[1], picture.shape[0]))
    ImageDraw.Draw(mask).text((10, 8), f"{NAME} {NUMBER}", fill=1, font=ImageFont.load_default(text_px))
    return np.where(np.asarray(mask), value, picture).astype(picture.dtype)


@pytest.mark.parametrize("text_px", [10, 14, 20, 32])
def test_burnt_in_letters_are_found(text_px: int) -> None:
    ct = chest((256, 256, 4))[2]
    assert not looks_like_text(ct)
    assert looks_like_text(letters(ct, text_px, 3071))


def test_a_real_ct_is_not_taken_for_text(data: Path) -> None:
    voxels = sitk.GetArrayFromImage(read_ct(data / "ct" / "lung1-001" / "image").image)
    assert not [number for number, picture in enumerate(voxels) if looks_like_text(picture)]


def test_images_that_may_show_a_name_are_held_back(tmp_path: Path) -> None:
    """One reason for each series; the report names reasons, never files."""
    pictures = {"burnt": letters(chest((200, 200, 12))[0], 14, 3071)}
    for number, (name, tags) in enumerate({
        "said": {"BurnedInAnnotation": "YES"},
        "screen": {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
        "burnt": {},
        "capture": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        "kept": {},
    }.items()):  # fmt: skip
        voxels = chest((200, 200, 12))
        if name in pictures:
            voxels[5] = pictures[name]
        write_series(
            tmp_path / "in" / NAME / name, voxels, SeriesSpec(uid=f"{ROOT}.{number}", tags={"PatientID": NUMBER})
        )
        for path in (tmp_path / "in" / NAME / name).glob("*"):
            image = pydicom.dcmread(path)
            for keyword, value in tags.items():
                setattr(image, keyword, value)
            image.save_as(path, enforce_file_format=False)
    (tmp_path / "in" / NAME / f"{NAME}.txt").write_text("a letter")
    result = run(tmp_path / "in", tmp_path)
    assert (result.written, result.held_back) == (12, 49)
    text = result.report.read_text()
    for reason in (
        "says that text is burnt in",
        "picture of a screen",
        "letters seem",
        "neither a CT",
        "neither DICOM",
    ):
        assert reason in text
    assert found_secrets(tmp_path / "study") == []
    assert run(tmp_path / "in", tmp_path, "doubted", keep_doubted=True).written == 24


def test_what_a_kept_attribute_says_about_the_patient_holds_the_file_back(tmp_path: Path) -> None:
    (first, *_) = write_series(
        tmp_path / "in", chest(), SeriesSpec(tags={"PatientID": NUMBER, "PatientName": f"{NAME}^A"})
    )
    image = pydicom.dcmread(first)
    image.ConvolutionKernel = f"B30 {NAME}"[:16]
    image.save_as(first)
    result = run(tmp_path / "in", tmp_path)
    assert (result.written, result.held_back) == (11, 1) and "still in it" in result.report.read_text()
    assert found_secrets(tmp_path / "study") == []


def test_characteristics_are_kept_only_when_asked(tmp_path: Path) -> None:
    tags = {"PatientID": NUMBER, "PatientAge": "093Y", "PatientSex": "F", "PatientWeight": "71"}
    write_series(tmp_path / "in", chest(), SeriesSpec(tags=tags))
    for name, asked in (("without", False), ("with", True)):
        run(tmp_path / "in", tmp_path, name, characteristics=asked)
        image = pydicom.dcmread(next((tmp_path / name).rglob("*.dcm")))
        codes = {item.CodeValue for item in image.DeidentificationMethodCodeSequence}
        assert ("PatientWeight" in image, image.PatientSex == "F", "113108" in codes) == (asked,) * 3
        assert image.get("PatientAge") == ("090Y" if asked else None)


def test_every_entry_of_the_profile_has_an_action(tmp_path: Path) -> None:
    assert len(table()) > 600
    image = pydicom.dcmread(write_series(tmp_path / "ct", chest())[0])
    assert plant(image) >= 60


@pytest.mark.parametrize(
    ("value", "expected"),
    [("20240301", "20240229"), ("20240101120000.5+0100", "20231231"), ("", ""), ("unknown", ""), ("20249999", "")],
)
def test_dates_are_moved_or_emptied(value: str, expected: str) -> None:
    assert moved(value, -1) == expected


def test_ages_are_capped() -> None:
    assert [capped_age(age) for age in ("089Y", "090Y", "105Y", "011M", "old")] == ["089Y", "090Y", "090Y", "011M", ""]


def test_a_key_table_that_cannot_be_used(tmp_path: Path) -> None:
    study, key = tmp_path / "study", tmp_path / "key.json"
    with pytest.raises(DeidentifyError, match="E-STUDY-020"):
        open_key_table(study / "key.json", study)
    table = KeyTable(key)
    table.patient("hospital-1", "a")
    for identity, pseudonym in (("hospital-2", "a"), ("hospital-1", "b")):
        with pytest.raises(DeidentifyError, match="E-STUDY-023"):
            table.patient(identity, pseudonym)
    table.save()
    assert open_key_table(key, study).patient("hospital-1").pseudonym == "a"
    key.chmod(0o644)
    with pytest.raises(DeidentifyError, match="E-STUDY-021"):
        open_key_table(key, study)
    key.write_text("{}")
    key.chmod(0o600)
    with pytest.raises(DeidentifyError, match="E-STUDY-022"):
        open_key_table(key, study)


def test_the_command_says_what_was_held_back(tmp_path: Path) -> None:
    planted_ct(tmp_path / "in")
    given = ["deidentify", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--key", str(tmp_path / "key"), "-q"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0 and "1 patients, 12 files written, 0 held back" in done.stdout
    assert NAME not in done.output and NUMBER not in done.output
    inside = CliRunner().invoke(app, [*given[:3], str(tmp_path / "in" / "out"), *given[4:]]).exception
    assert isinstance(inside, DeidentifyError) and inside.code == "E-STUDY-024"
