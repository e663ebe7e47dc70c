"""Names, birth dates and hospital numbers in the images' headers appear in nothing that espark writes or says."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from planting import plant_in_study

from espark.errors import InputProblems
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.steps.run import run
from espark.work.progress import Reporter
from identity import BIRTH_DATE, IDENTITY, NAME, found_identity

_IMAGES = ("ct", "slides")


def _leaks(folder: Path, *, but: tuple[str, ...] = ()) -> dict[str, set[str]]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] not in but]
    assert files
    return {str(path.relative_to(folder)): words for path in files if (words := found_identity(path))}


def test_the_person_is_in_the_images(finished: Path) -> None:
    for path in (next((finished / "ct" / "B-0001").iterdir()), finished / "slides" / "B-0001.tif"):
        assert {"quillfeather", "ottoline", "mrn-77120431"} <= found_identity(path)


def test_the_search_looks_into_pictures_and_pages(tmp_path: Path) -> None:
    import base64

    content, info = io.BytesIO(), PngInfo()
    info.add_text("Comment", "scan of Quillfeather", zip=True)
    Image.new("L", (2, 2)).save(content, "PNG", pnginfo=info)
    page = tmp_path / "page.html"
    page.write_text(f'<img src="data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}">')
    assert found_identity(page) == {"quillfeather"}


def test_a_study_holds_no_identity(finished: Path) -> None:
    assert _leaks(finished, but=_IMAGES) == {}


def test_a_new_patient_is_not_named_by_headers_or_files(
    finished: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    files, out = tmp_path / "Quillfeather^Ottoline", tmp_path / "out"
    ct = shutil.copytree(finished / "ct" / "B-0001", files / "ct-MRN-77120431")
    slides = [
        Path(shutil.copy(finished / "slides" / f"{name}.tif", files / f"Quillfeather 19430217 {name}.tif"))
        for name in ("B-0001", "B-0002")
    ]
    mask = Path(shutil.copy(finished / "masks" / "B-0001_tumor.nii.gz", files / "Ottoline.nii.gz"))
    patient = NewPatient(ct=ct, tumor_mask=mask, slides=tuple(slides), slide_mpp=0.5)
    predict(finished / "models" / "espark", patient, out, show_withheld=True, reporter=Reporter("verbose"))
    said = capfd.readouterr()
    spoken = (said.out + said.err + caplog.text).lower()
    assert not [word for word in IDENTITY if word in spoken]
    assert _leaks(out) == {}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Slide 1 of 2<" in page and "Slide 2 of 2<" in page


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_names_planted_everywhere_are_in_nothing_that_may_be_shared(
    trial: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Headers, tags, label images, file names and folders of a whole study, two images of which cannot be read."""
    folder = Path(shutil.copytree(trial, tmp_path / "study"))
    plant_in_study(folder)
    cohort = pd.read_csv(folder / "cohort.csv", dtype=str, keep_default_na=False)
    first, second = cohort.index[cohort["role"] == "external"][:2]
    (folder / cohort.loc[first, "slides"]).write_bytes(b"not a slide")
    for path in sorted((folder / cohort.loc[second, "ct"]).iterdir())[5:9]:
        path.unlink()
    caplog.set_level("INFO")
    result = run(folder, reporter=Reporter("verbose"))
    assert len(result.failed) == 2
    local = folder / "local.log"
    assert "quillfeather" in local.read_text(encoding="utf-8").lower()
    assert local.read_text(encoding="utf-8").startswith("# This file is for this computer only. Do not share it.")
    assert _leaks(folder, but=(f"{NAME} ({BIRTH_DATE})", "cohort.csv", "local.log")) == {}
    said = capfd.readouterr()
    spoken = (said.out + said.err + caplog.text).lower()
    assert not [word for word in IDENTITY if word in spoken]
    pages = [folder / "report" / "patients" / f"{cohort.loc[row, 'patient_id']}.html" for row in (first, second)]
    for page, item in zip(pages, ("slide-1", "ct"), strict=True):
        assert f"{item} could not be used" in page.read_text(encoding="utf-8")


def test_an_unreadable_ct_is_told_by_its_place_alone(finished: Path, tmp_path: Path) -> None:
    ct = shutil.copytree(finished / "ct" / "B-0001", tmp_path / "ct")
    for path in list(ct.iterdir())[::2]:
        path.unlink()
    mask = finished / "masks" / "B-0001_tumor.nii.gz"
    with pytest.raises(InputProblems) as told:
        predict(
            finished / "models" / "espark", NewPatient(ct=ct, tumor_mask=mask), tmp_path, reporter=Reporter("quiet")
        )
    assert not [word for word in IDENTITY if word in str(told.value).lower()]
