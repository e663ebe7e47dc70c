"""Volumes from NIfTI and NRRD files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from espark.ct.files.image_header import check_nifti_voxels, header_of
from espark.ct.files.nifti_affine import SHEARED, affine_doubts, check_affine
from espark.ct.grid import image_like
from espark.ct.hounsfield import SIMULATED_MARK, CtVolume, Source, as_hu, check_hu
from espark.errors import ImageError, InputError
from espark.files import check_compressed
from espark.notes import Note

_SUFFIXES: dict[str, Source] = {".nii": "nifti", ".nii.gz": "nifti", ".nrrd": "nrrd", ".nhdr": "nrrd"}


def image_file_kind(path: Path) -> Source | None:
    """The kind of file by the name of ``path``: NIfTI or NRRD; None for other names."""
    name = path.name.lower()
    return next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)


def read_image_file(path: Path, error: type[InputError], *, layered: bool = False) -> sitk.Image:
    """Read a 3-D volume from a NIfTI or NRRD file, as stored.

    Args:
        path: the file.
        error: kind of error to raise.
        layered: whether a voxel may hold several values, one for each layer of a mask.

    Raises:
        InputError: of kind ``error`` when the file is missing, damaged, or not a 3-D volume with one value in each
            voxel.
    """
    if not path.is_file():
        raise error("the file is missing", where=path, action="Check the path.", code="E-CT-011")
    kind = image_file_kind(path)
    if kind is None:
        raise error(
            "the file is neither NIfTI nor NRRD",
            where=path,
            expected="a name that ends in .nii, .nii.gz or .nrrd",
            action="Export the volume in one of these formats.",
            code="E-CT-024",
        )
    try:
        with _quiet():
            reader = header_of(path, kind, error)
            if kind == "nifti":
                check_affine(path, check_nifti_voxels(path, reader), error)
            image: sitk.Image = reader.Execute()
    except (RuntimeError, EOFError, OSError, ValueError, OverflowError, zlib.error) as failure:
        if "orthonormal" in str(failure):
            raise error(
                "the axes of the voxels are not at right angles (sheared affine)",
                where=path,
                expected="upright voxels",
                action=SHEARED,
                code="E-CT-031",
            ) from failure
        raise error(
            f"the file cannot be read ({_reason(failure)})",
            where=path,
            action="Copy or export it again.",
            code="E-CT-024",
        ) from failure
    if not layered and image.GetNumberOfComponentsPerPixel() != 1:
        raise error(
            "the file holds a color or vector image", where=path, expected="one value in each voxel", code="E-CT-025"
        )
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = _first_volume(image)
    if image.GetDimension() != 3 or min(image.GetSize()) < 1:
        size = " × ".join(str(n) for n in image.GetSize())
        raise error(
            f"the image is {image.GetDimension()}-dimensional ({size})",
            where=path,
            expected="one 3-D volume",
            action="Save the volume you mean in a separate file.",
            code="E-CT-025",
        )
    return image


def read_ct_file(path: Path) -> CtVolume:
    """Read a CT in Hounsfield units from a NIfTI or NRRD file.

    Raises:
        ImageError: when the file cannot be read or does not hold Hounsfield units.
    """
    image = read_image_file(path, ImageError)
    if image.GetSize()[2] < 2:
        raise ImageError(
            "the file holds only one slice", where=path, expected="a volume of at least two slices", code="E-CT-016"
        )
    voxels = as_hu(sitk.GetArrayFromImage(image))
    notes = check_hu(voxels, path)
    kind = image_file_kind(path)
    assert kind is not None, "read_image_file has checked the name"
    notes = (*notes, *affine_doubts(path, image)) if kind == "nifti" else notes
    if not _says_where_left_is(image):
        text = "The file does not give the orientation of the patient: left, right, head and feet are read as stored."
        notes = (*notes, Note("D-CT-001", text))
    return CtVolume(
        image=image_like(voxels, image),
        source=kind,
        simulated=any(SIMULATED_MARK in text.upper() for text in header_texts(image)),
        notes=notes,
    )


def header_texts(image: sitk.Image) -> Iterator[str]:
    """All free text of the header of an image read by SimpleITK."""
    return (image.GetMetaData(key) for key in image.GetMetaDataKeys())


def _says_where_left_is(image: sitk.Image) -> bool:
    """Whether the orientation is known. If not, NIfTI has both form codes 0, and NRRD does not name the space."""
    keys = image.GetMetaDataKeys()
    if "sform_code" in keys or "qform_code" in keys:
        return any(image.GetMetaData(key) != "0" for key in ("sform_code", "qform_code") if key in keys)
    return any(key.startswith("NRRD_space") for key in keys)


def _first_volume(image: sitk.Image) -> sitk.Image:
    x, y, z, _ = image.GetSize()
    volume: sitk.Image = sitk.Extract(image, (x, y, z, 0), (0, 0, 0, 0))
    return volume


def _reason(failure: Exception) -> str:
    """The last sentence of an ITK error, without its source lines and object addresses."""
    line = (str(failure).strip().splitlines() or [""])[-1]
    return line.split("): ")[-1].split("ERROR: ")[-1].strip() or "unknown reason"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ITK's readers from writing to the terminal; real problems are raised as errors."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def write_image_file(path: Path, image: sitk.Image, *, note: str = "") -> None:
    """Write ``image`` as NIfTI or NRRD, compressed, with ``note`` (at most 79 characters) in the header.

    The same image and note give the same bytes.
    """
    bare = image_like(sitk.GetArrayFromImage(image), image)
    if note:
        bare.SetMetaData("ITK_FileNotes", note[:79])
    sitk.WriteImage(bare, str(path), useCompression=True)
    if path.suffix == ".gz":
        check_compressed(path)
