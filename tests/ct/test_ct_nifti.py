"""CTs from NIfTI and NRRD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ct_phantoms import chest, volume
from espark.ct.files.volume import read_ct
from espark.errors import ImageError


def test_float_and_integer_files_hold_the_same_volume(tmp_path: Path) -> None:
    ct = volume(chest())
    for kind in (sitk.sitkInt16, sitk.sitkInt32, sitk.sitkFloat32, sitk.sitkFloat64):
        sitk.WriteImage(sitk.Cast(ct.image, kind), str(tmp_path / "ct.nii.gz"))
        read = read_ct(tmp_path / "ct.nii.gz")
        assert read.image.GetPixelID() == sitk.sitkInt16
        assert np.array_equal(sitk.GetArrayFromImage(read.image), chest())
        assert np.allclose(read.spacing_mm, (1.5, 1.5, 3.0))
    assert (read.source, read.notes, read.simulated) == ("nifti", (), False)


def test_fractions_stay(tmp_path: Path) -> None:
    hu = chest().astype(np.float32) + 0.25
    sitk.WriteImage(volume(hu).image, str(tmp_path / "ct.nrrd"))
    read = read_ct(tmp_path / "ct.nrrd")
    assert read.source == "nrrd"
    assert np.array_equal(sitk.GetArrayFromImage(read.image), hu)


def test_simulated_file_says_so(tmp_path: Path) -> None:
    image = volume(chest()).image
    image.SetMetaData("ITK_FileNotes", "ESPARK SIMULATED seed 7")
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    assert read_ct(tmp_path / "ct.nii.gz").simulated


def test_unknown_orientation_is_noted(tmp_path: Path) -> None:
    sitk.WriteImage(volume(chest()).image, str(tmp_path / "ct.nii"))
    content = bytearray((tmp_path / "ct.nii").read_bytes())
    content[252:256] = b"\0\0\0\0"  # qform_code, sform_code
    (tmp_path / "ct.nii").write_bytes(content)
    assert "does not give the orientation of the patient" in read_ct(tmp_path / "ct.nii").notes[0].text


@pytest.mark.parametrize(
    ("hu", "message"),
    [
        (chest() + 1024, "look like Hounsfield units plus 1024"),
        (np.clip(chest() // 8 + 128, 0, 255), "windowed 8-bit picture"),
        (np.where(chest() > 0, np.nan, chest()), "do not hold a number"),
        (np.stack([chest().astype(np.float32)] * 2), "4-dimensional"),
        (chest()[:1], "only one slice"),
        (chest() * 30.0, "not Hounsfield units"),
    ],
)
def test_refuses_what_is_no_ct(tmp_path: Path, hu: np.ndarray, message: str) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(hu.astype(np.float32), isVector=False), str(tmp_path / "ct.nii.gz"))
    with pytest.raises(ImageError, match=message):
        read_ct(tmp_path / "ct.nii.gz")


def test_refuses_damaged_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sitk.WriteImage(volume(chest()).image, str(tmp_path / "ct.nii.gz"))
    content = (tmp_path / "ct.nii.gz").read_bytes()
    for name, damaged in (
        ("cut.nii.gz", content[: len(content) // 2]),
        ("empty.nii.gz", b""),
        ("x.nrrd", b"NRRD0005\n"),
    ):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(ImageError, match="cannot be read"):
            read_ct(tmp_path / name)
    with pytest.raises(ImageError, match="series was named"):
        read_ct(tmp_path / "ct.nii.gz", series_uid="1.2")
    assert "itk" not in capfd.readouterr().err.lower()
