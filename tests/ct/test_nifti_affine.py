"""A NIfTI header gives place and size of the voxels up to three times; contradictions are refused or noted."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from ct_phantoms import chest, volume
from espark.ct.files.nifti import read_image_file
from espark.ct.files.volume import read_ct
from espark.errors import ImageError, RegionError

_QFORM, _SFORM, _QUATERNION, _SROW = 252, 254, 256, 280


@pytest.fixture
def header(tmp_path: Path) -> bytearray:
    """A NIfTI-1 file whose qform and sform agree."""
    sitk.WriteImage(volume(chest()).image, str(tmp_path / "ct.nii"))
    return bytearray((tmp_path / "ct.nii").read_bytes())


def sform(content: bytes) -> np.ndarray:
    return np.array(struct.unpack_from("<12f", content, _SROW)).reshape(3, 4)


def written(folder: Path, content: bytearray, affine: np.ndarray, *, qform: int, name: str = "changed.nii.gz") -> Path:
    struct.pack_into("<h", content, _QFORM, qform)
    struct.pack_into("<h", content, _SFORM, 1)
    struct.pack_into("<12f", content, _SROW, *affine.ravel())
    (folder / name).write_bytes(gzip.compress(bytes(content)) if name.endswith(".gz") else bytes(content))
    return folder / name


def test_forms_that_agree_need_no_word(tmp_path: Path, header: bytearray) -> None:
    assert read_ct(written(tmp_path, header, sform(header), qform=1)).notes == ()


@pytest.mark.parametrize("qform", [0, 1], ids=["sform alone", "beside an upright qform"])
@pytest.mark.parametrize("shear", [0.02, 1.0])
def test_a_sheared_affine_is_refused_with_the_way_out(
    tmp_path: Path, header: bytearray, shear: float, qform: int
) -> None:
    affine = sform(header)
    affine[1, 2] += shear
    with pytest.raises(ImageError, match=r"not at right angles.*3D Slicer: Resample.*dcm2niix") as caught:
        read_ct(written(tmp_path, header, affine, qform=qform))
    assert caught.value.code == "E-CT-031"


@pytest.mark.parametrize("qform", [0, 1])
def test_two_sizes_of_a_voxel_are_refused(tmp_path: Path, header: bytearray, qform: int) -> None:
    affine = sform(header) * 2
    path = written(tmp_path, header, affine, qform=qform)
    with pytest.raises(ImageError, match=r"1\.5 × 1\.5 × 3 mm \(pixdim\) and 3 × 3 × 6 mm \(sform\)"):
        read_ct(path)
    with pytest.raises(RegionError, match="two sizes of a voxel"):
        read_image_file(path, RegionError)


@pytest.mark.parametrize("change", ["shifted", "flipped", "turned"])
def test_forms_that_differ_are_noted_with_the_one_that_was_used(tmp_path: Path, header: bytearray, change: str) -> None:
    affine, apart = sform(header), 20.0
    if change == "shifted":
        affine[0, 3] += 20
    elif change == "flipped":
        apart = float(np.abs(2 * (affine[0, 0] * np.array([0, 39]) + affine[0, 3])).max())
        affine[0] *= -1
    else:
        affine[:, :3] = Rotation.from_euler("x", 5, degrees=True).as_matrix() @ affine[:, :3]
        apart = 0.0
    ct = read_ct(written(tmp_path, header, affine, qform=1))
    (note,) = ct.notes
    assert note.code == "D-CT-007" and "the sform was used" in note.text
    placed = np.array([-1, -1, 1]) * (affine @ [3, 5, 7, 1])
    assert np.allclose(ct.image.TransformIndexToPhysicalPoint((3, 5, 7)), placed, atol=1e-3)
    if apart:
        assert f"{apart:.1f} mm apart" in note.text


def test_a_big_endian_header_is_understood(tmp_path: Path) -> None:
    image = volume(chest()).image
    sitk.WriteImage(image, str(tmp_path / "ct.nii"))
    content = (tmp_path / "ct.nii").read_bytes()
    swapped = _swapped(content)
    (tmp_path / "big.nii").write_bytes(swapped)
    ct = read_ct(tmp_path / "big.nii")
    assert np.array_equal(sitk.GetArrayFromImage(ct.image), chest()) and ct.notes == ()


def _swapped(content: bytes) -> bytes:
    """A NIfTI-1 file of int16 voxels with its bytes in the other order."""
    fields = "i10s18sihcB8h3fhhhh8f4fhbB4f2i80s24shh6f12f16s4s4s"
    values = struct.unpack("<" + fields, content[:348].ljust(struct.calcsize("<" + fields), b"\0"))
    head = struct.pack(">" + fields, *values)
    voxels = np.frombuffer(content[352:], "<i2").astype(">i2").tobytes()
    return head[:348] + content[348:352] + voxels


@pytest.mark.slow
def test_real_files_need_no_word(data: Path) -> None:
    for path in (
        *sorted((data / "ct/openkbp").glob("*_ct.nii.gz"))[::10],
        *(data / "ct/segthor-dev").glob("*_ct.nii.gz"),
    ):
        assert read_ct(path).notes == (), path
