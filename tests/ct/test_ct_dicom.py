"""DICOM series: the right volume, or an error that says why not."""

from __future__ import annotations

import copy
import random
import shutil
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom import uid
from pydicom.encaps import encapsulate

from ct_phantoms import FRAME, PATIENT, SeriesSpec, chest, slice_dataset, write_multiframe, write_series
from espark.ct.files.volume import CtVolume, read_ct
from espark.errors import ImageError
from espark.notes import Note


def same(first: CtVolume, second: CtVolume) -> bool:
    return (
        first.image.GetPixelID() == second.image.GetPixelID()
        and np.array_equal(sitk.GetArrayFromImage(first.image), sitk.GetArrayFromImage(second.image))
        and np.allclose(first.image.GetOrigin(), second.image.GetOrigin(), atol=1e-4)
        and np.allclose(first.image.GetSpacing(), second.image.GetSpacing(), atol=1e-6)
        and np.allclose(first.image.GetDirection(), second.image.GetDirection(), atol=1e-6)
    )


@pytest.fixture
def series(tmp_path: Path) -> Path:
    write_series(tmp_path / "ct", chest())
    return tmp_path / "ct"


def test_values_and_geometry_of_a_series(series: Path) -> None:
    ct = read_ct(series)
    assert np.array_equal(sitk.GetArrayFromImage(ct.image), chest())
    assert ct.image.GetPixelID() == sitk.sitkInt16
    assert ct.spacing_mm == (1.25, 1.5, 3.0), "PixelSpacing is (between rows, between columns)"
    assert ct.image.GetOrigin() == (-30.0, -27.0, -18.0)
    assert (ct.source, ct.frame_of_reference, ct.simulated, ct.notes) == ("dicom", FRAME, False, ())


def test_names_order_folders_and_foreign_files_do_not_matter(series: Path, tmp_path: Path) -> None:
    expected = read_ct(series)
    files = sorted(series.iterdir())
    random.Random(1).shuffle(files)
    other = tmp_path / "other"
    for number, file in enumerate(files):
        folder = other / f"part {number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / f"{number * 7919 % 1000}")
    (other / "readme.txt").write_text("not DICOM")
    ct = read_ct(other)
    assert same(ct, expected)
    assert [note.text for note in ct.notes] == ["Ignored: 1 × not DICOM."]


@pytest.mark.parametrize(
    "orientation",
    [
        (1, 0, 0, 0, 1, 0),
        (-1, 0, 0, 0, -1, 0),  # prone
        (-1, 0, 0, 0, 1, 0),  # feet first: the slice axis points down
        (1, 0, 0, 0, 0, -1),  # coronal
        (0.998630, 0, -0.052336, 0, 1, 0),  # oblique
    ],
)
def test_geometry_agrees_with_an_independent_reader(tmp_path: Path, orientation: tuple[float, ...]) -> None:
    write_series(tmp_path, chest(), SeriesSpec(orientation=orientation))
    ct = read_ct(tmp_path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    expected = reader.Execute()
    for corner in ((0, 0, 0), (39, 0, 11), (5, 30, 7)):
        point = ct.image.TransformIndexToPhysicalPoint(corner)
        index = expected.TransformPhysicalPointToIndex(point)
        assert np.allclose(expected.TransformIndexToPhysicalPoint(index), point, atol=1e-3)
        assert ct.image[corner] == expected[index]


def test_lung_ct_is_the_same_from_dicom_and_nifti(data: Path, tmp_path: Path) -> None:
    ct = read_ct(data / "ct/lung1-001/image")
    sitk.WriteImage(ct.image, str(tmp_path / "ct.nii.gz"))
    sitk.WriteImage(ct.image, str(tmp_path / "ct.nrrd"))
    assert same(read_ct(tmp_path / "ct.nii.gz"), ct)
    assert same(read_ct(tmp_path / "ct.nrrd"), ct)
    hu = sitk.GetArrayViewFromImage(ct.image)
    assert (hu.shape, hu.min(), hu.max()) == ((134, 512, 512), -1024, 3034)


def test_multiframe_agrees_with_single_slices(series: Path, tmp_path: Path) -> None:
    order = [3, 0, 11, 1, 2, 5, 4, 10, 6, 9, 8, 7]
    write_multiframe(tmp_path / "frames" / "one.dcm", chest(), order)
    assert same(read_ct(tmp_path / "frames"), read_ct(series))
    assert same(read_ct(tmp_path / "frames" / "one.dcm"), read_ct(series))
    dataset = pydicom.dcmread(tmp_path / "frames" / "one.dcm")
    dataset.compress(uid.RLELossless)
    dataset.save_as(tmp_path / "compressed.dcm")
    assert same(read_ct(tmp_path / "compressed.dcm"), read_ct(series))


def test_enhanced_frames_that_form_no_volume_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    write_multiframe(path, chest(), range(12))
    whole = pydicom.dcmread(path)
    for change, message in (
        ((0, 1.0), "gantry tilt"),
        ((2, 1.0), "slice distance changes"),
        ((2, -3.0), "same position"),
    ):
        dataset = copy.deepcopy(whole)
        axis, by = change
        position = dataset.PerFrameFunctionalGroupsSequence[5].PlanePositionSequence[0].ImagePositionPatient
        position[axis] = float(position[axis]) + by
        dataset.save_as(path)
        with pytest.raises(ImageError, match=message):
            read_ct(path)


@pytest.mark.parametrize("syntax", ["RLE", "JPEG-LS", "JPEG 2000", "HTJ2K", "JPEG lossless"])
def test_compressed_pixels(series: Path, tmp_path: Path, syntax: str) -> None:
    expected = read_ct(series)
    encoders = {
        "JPEG-LS": (uid.JPEGLSLossless, imagecodecs.jpegls_encode),
        "JPEG 2000": (
            uid.JPEG2000Lossless,
            lambda a: imagecodecs.jpeg2k_encode(a, reversible=True, level=0, codecformat="j2k"),
        ),
        "HTJ2K": (uid.HTJ2KLossless, lambda a: imagecodecs.htj2k_encode(a, reversible=True)),
        "JPEG lossless": (uid.JPEGLosslessSV1, lambda a: imagecodecs.ljpeg_encode(a, bitspersample=16)),
    }
    for file in series.iterdir():
        dataset = pydicom.dcmread(file)
        if syntax == "RLE":
            dataset.compress(uid.RLELossless)
        else:
            transfer, encode = encoders[syntax]
            dataset.PixelData = encapsulate([encode(np.ascontiguousarray(dataset.pixel_array))])
            dataset.file_meta.TransferSyntaxUID = transfer
        dataset.save_as(file, enforce_file_format=True)
    assert same(read_ct(series), expected)


def test_rescale_is_applied_exactly(tmp_path: Path) -> None:
    write_series(tmp_path, chest(), SeriesSpec(slope=0.5, intercept=-1000.25))
    ct = read_ct(tmp_path)
    stored = np.rint((chest() + 1000.25) / 0.5)
    assert ct.image.GetPixelID() == sitk.sitkFloat32
    assert np.array_equal(sitk.GetArrayFromImage(ct.image), (stored * 0.5 - 1000.25).astype(np.float32))


def test_simulated_series_says_so(tmp_path: Path) -> None:
    write_series(tmp_path / "a", chest(), SeriesSpec(tags={"ManufacturerModelName": "espark simulated"}))
    write_series(tmp_path / "b", chest(), SeriesSpec(image_type=("DERIVED", "SECONDARY", "ESPARK SIMULATED")))
    assert read_ct(tmp_path / "a").simulated
    assert read_ct(tmp_path / "b").simulated


def test_chooses_a_series_and_says_why(tmp_path: Path) -> None:
    long = SeriesSpec(uid="1.2.1", number=1)
    short = SeriesSpec(uid="1.2.2", number=2)
    derived = SeriesSpec(uid="1.2.3", number=3, image_type=("DERIVED", "SECONDARY", "MPR"), gap=3.5)
    coronal = SeriesSpec(uid="1.2.4", number=4, orientation=(1, 0, 0, 0, 0, -1), gap=4.0)
    scout = SeriesSpec(uid="1.2.5", number=5, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    write_series(tmp_path, chest(), long)
    write_series(tmp_path, chest()[:6], short)
    write_series(tmp_path, chest(), derived)
    write_series(tmp_path, chest(), coronal)
    write_series(tmp_path, chest()[:2], scout)
    ct = read_ct(tmp_path)
    assert ct.series_uid == "1.2.1"
    assert len(ct.notes) == 1
    assert ct.notes[0].text.startswith("Of 5 CT series, series 1 was read (12 slices); original comes before derived")
    assert "1 without a usable volume" in ct.notes[0].text
    assert read_ct(tmp_path, series_uid="1.2.3").size == (40, 36, 12)
    with pytest.raises(ImageError, match=r"no CT series 9\.9.*one of: series 1 \(1\.2\.1\); series 2"):
        read_ct(tmp_path, series_uid="9.9")


def test_a_broken_large_series_is_not_replaced_by_a_small_one(tmp_path: Path) -> None:
    paths = write_series(tmp_path, chest(), SeriesSpec(uid="1.2.1", number=1))
    write_series(tmp_path, chest()[:3], SeriesSpec(uid="1.2.2", number=2))
    paths[6].unlink()
    with pytest.raises(ImageError, match=r"largest series cannot be used: .*missing.*1\.2\.2"):
        read_ct(tmp_path)
    assert read_ct(tmp_path, series_uid="1.2.2").size[2] == 3


def test_missing_slices_are_refused(series: Path) -> None:
    files = sorted(series.iterdir())
    files[4].unlink()
    files[5].unlink()
    with pytest.raises(ImageError, match="about 2 slices are missing") as caught:
        read_ct(series)
    assert "Export the whole series again" in str(caught.value)


def test_doubled_slices(series: Path, tmp_path: Path) -> None:
    expected = read_ct(series)
    files = sorted(series.iterdir())
    shutil.copy(files[3], series / "again")
    ct = read_ct(series)
    assert same(ct, expected)
    assert "twice with equal pixels" in ct.notes[0].text
    slice_dataset(chest(seed=5)[3], 3, SeriesSpec()).save_as(series / "phase 2", enforce_file_format=True)
    with pytest.raises(ImageError, match="different slices with the same position"):
        read_ct(series)


def _change(file: Path, **tags: object) -> None:
    dataset = pydicom.dcmread(file)
    for tag, value in tags.items():
        if value is None:
            delattr(dataset, tag)
        else:
            setattr(dataset, tag, value)
    dataset.save_as(file, enforce_file_format=True)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"RescaleSlope": None}, "RescaleSlope or RescaleIntercept is missing"),
        ({"RescaleIntercept": -1000}, "different rescale"),
        ({"RescaleType": "OD"}, "not in Hounsfield units.*not OD"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient is missing"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "different orientations"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "not perpendicular"),
        ({"PixelSpacing": [2, 2]}, "different pixel spacings"),
        ({"PixelSpacing": [0, 0]}, "0 × 0 mm"),
        ({"ImagePositionPatient": [-30, -27, -16]}, "slice distance changes"),
        ({"ImagePositionPatient": [-30, -24, -15]}, "gantry tilt"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME1"),
        ({"PixelData": b"\0\0"}, "damaged or unusual"),
        ({"FrameOfReferenceUID": "1.2.3"}, "2 frames of reference"),
    ],
)
def test_unusable_series_are_refused_with_the_reason(series: Path, tags: dict[str, object], message: str) -> None:
    _change(sorted(series.iterdir())[-2], **tags)  # the second slice from below
    with pytest.raises(ImageError, match=message) as caught:
        read_ct(series)
    assert PATIENT not in str(caught.value)
    assert "4711" not in str(caught.value)


def test_uneven_and_tilted_series(tmp_path: Path) -> None:
    for index, plane in enumerate(chest()):
        place = index if index < 6 else 6 + (index - 6) * 1.3
        slice_dataset(plane, place, SeriesSpec()).save_as(tmp_path / str(index), enforce_file_format=True)
    with pytest.raises(ImageError, match=r"slice distance changes \(3\.00 to 3\.90 mm\)"):
        read_ct(tmp_path)
    for index, plane in enumerate(chest()):
        spec = SeriesSpec(origin=(-30.0, -27.0 + 0.8 * index, -18.0))
        slice_dataset(plane, index, spec).save_as(tmp_path / str(index), enforce_file_format=True)
    with pytest.raises(ImageError, match=r"shifted sideways by up to 8\.8 mm \(gantry tilt\)"):
        read_ct(tmp_path)


def test_rounded_positions_are_even(tmp_path: Path) -> None:
    for index, plane in enumerate(chest()):
        spec = SeriesSpec(
            gap=0.7, tags={"ImagePositionPatient": [-30, -27, round(index * 0.7 + 0.004 * (-1) ** index, 2)]}
        )
        slice_dataset(plane, index, spec).save_as(tmp_path / str(index), enforce_file_format=True)
    assert read_ct(tmp_path).spacing_mm[2] == pytest.approx(0.7, abs=0.002)


def test_values_that_are_no_hounsfield_units(tmp_path: Path) -> None:
    write_series(tmp_path / "shifted", chest() + 1024, SeriesSpec(intercept=0.0))
    with pytest.raises(ImageError, match=r"intercept is missing"):
        read_ct(tmp_path / "shifted")
    write_series(tmp_path / "scaled", chest(), SeriesSpec(tags={"RescaleSlope": 9}))
    with pytest.raises(ImageError, match="not Hounsfield units"):
        read_ct(tmp_path / "scaled")


def test_places_without_a_ct(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="folder is empty"):
        read_ct(tmp_path)
    with pytest.raises(ImageError, match="no such file"):
        read_ct(tmp_path / "nowhere")
    with pytest.raises(ImageError, match=r"no CT image \(1 × RT Structure Set\)"):
        read_ct(data / "ct/lung1-001/rtstruct")
    with pytest.raises(ImageError, match=r"only one slice.*Give the folder that holds all slices"):
        read_ct(data / "ct/lung1-001/image/1-001.dcm")
    (tmp_path / "x.dcm").write_text("hello" * 100)
    with pytest.raises(ImageError, match="has a DICOM name but is not DICOM"):
        read_ct(tmp_path)


def _fuzzed(content: bytes, generator: random.Random) -> bytes:
    """Flip, cut, insert or repeat bytes of the header."""
    header = len(content) - 40 * 36 * 2 - 28  # the pixels follow; what is changed there cannot be noticed
    place = generator.randrange(header)
    kind = generator.randrange(4)
    if kind == 0:
        return content[:place] + bytes([generator.randrange(256)]) + content[place + 1 :]
    if kind == 1:
        return content[: generator.randrange(len(content))]
    if kind == 2:
        return content[:place] + generator.randbytes(8) + content[place:]
    return content[:place] + generator.randbytes(16) + content[place + 16 :]


@pytest.mark.parametrize("seed", range(4))
def test_fuzzed_files_give_an_error_or_the_right_volume(series: Path, seed: int) -> None:
    expected = read_ct(series)
    generator = random.Random(seed)
    file = sorted(series.iterdir())[5]
    content = file.read_bytes()
    refused = 0
    for _ in range(40):
        file.write_bytes(_fuzzed(content, generator))
        try:
            ct = read_ct(series)
        except ImageError as error:
            refused += 1
            assert error.action or error.expected
        else:
            assert same(ct, expected)
    assert refused


def test_a_series_by_its_uid_number_or_description(tmp_path: Path) -> None:
    first, second = (
        SeriesSpec(uid=f"1.2.{number}", number=number, tags={"SeriesDescription": text})
        for number, text in ((3, "Thorax 3.0 B31f"), (4, "Thorax 3.0 B70f"))
    )
    write_series(tmp_path / "a", chest(seed=1), first)
    write_series(tmp_path / "b", chest(seed=2), second)
    for name in ("1.2.4", "4", "thorax 3.0 b70F"):
        ct = read_ct(tmp_path, series_uid=name)
        assert np.array_equal(sitk.GetArrayFromImage(ct.image), chest(seed=2))
        assert ct.notes[-1].text == "Of 2 CT series, series 4 was read, as requested."
    with pytest.raises(ImageError, match=r"no CT series 5.*series 3 \(1\.2\.3\); series 4 \(1\.2\.4\)"):
        read_ct(tmp_path, series_uid="5")
    # Where there is one series only, naming it chose nothing.
    assert read_ct(tmp_path / "a", series_uid="3").notes == ()
    write_series(tmp_path / "c", chest(seed=3), SeriesSpec(uid="1.2.5", number=4))
    with pytest.raises(ImageError, match="2 CT series have the name 4"):
        read_ct(tmp_path, series_uid="4")
    (note,) = read_ct(tmp_path, series_uid="1.2.5").notes
    assert note == Note("N-CT-002", "Of 3 CT series, series 1.2.5 was read, as requested.")
