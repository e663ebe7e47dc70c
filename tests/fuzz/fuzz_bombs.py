"""Small files that declare terabytes, unpack to gigabytes, or point elsewhere; each with its reader."""

from __future__ import annotations

import gzip
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import tifffile
from fuzz_harness import Family
from fuzz_regions import FAMILIES as REGIONS
from fuzz_slides import _APERIO, _write
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from ct_phantoms import SeriesSpec, slice_dataset, torso, write_multiframe, write_rtstruct, write_series
from espark.bundle.folder import load_bundle
from espark.ct.files.volume import read_ct
from espark.files import load_tensors
from espark.pathology.features import read_slide_features
from espark.pathology.foreign.foreign_features import read_foreign_features
from espark.pathology.slide import open_slide
from espark.pathology.stain.normalizer import StainNormalizer
from espark.pathology.tissue import find_tissue
from espark.strict_toml import read_section
from espark.tables.read import read_table
from espark.workspace.config import StudyConfig

Reader = Callable[[Path], Any]


def _nifti(side: int, magic: bytes = b"n+1\0") -> bytes:
    """A header of NIfTI-1 for side³ voxels of int16."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, side, side, side, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    struct.pack_into("<2h", header, 252, 1, 1)
    header[344:348] = magic
    return bytes(header)


def _tiny_nifti(path: Path) -> None:
    path.write_bytes(gzip.compress(_nifti(1320)))
    assert path.stat().st_size < 150


def _sparse_nifti(path: Path) -> None:
    """3 TB that are truly in the file, as holes."""
    with path.open("wb") as file:
        file.write(_nifti(12_000))
        file.truncate(352 + 2 * 12_000**3)


def _nifti_that_goes_on(path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(_nifti(20)), *(packer.compress(bytes(1 << 20)) for _ in range(40)), packer.flush()]
    path.write_bytes(b"".join(parts))


def _nrrd(path: Path, *lines: str) -> None:
    head = ["NRRD0004", "type: short", "dimension: 3", "sizes: 1300 1300 1300", "endian: little", *lines]
    path.write_bytes("\n".join([*head, "", ""]).encode() + bytes(100))


def _dicom(path: Path, **tags: Any) -> None:
    dataset = slice_dataset(torso().hu[0], 0, SeriesSpec())
    for name, value in tags.items():
        setattr(dataset, name, value)
    write_series(path, torso().hu[1:4])
    dataset.save_as(path / "bomb.dcm", enforce_file_format=True)


def _dicom_frames(path: Path) -> None:
    path.mkdir()
    write_multiframe(path / "a.dcm", torso().hu, range(24))
    dataset = pydicom.dcmread(path / "a.dcm")
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(path / "a.dcm")


def _dicom_coded(path: Path, syntax: str, frame: bytes) -> None:
    """A series whose every slice has a small compressed frame for 65,535 × 65,535 pixels."""
    write_series(path, torso().hu[:3])
    for file in path.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.Rows = dataset.Columns = 65535
        dataset.PixelData = encapsulate([frame])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(file)


def _jpeg2000_of_other_size(path: Path) -> None:
    _dicom_coded(path, JPEG2000Lossless, _siz(60_000))
    for file in path.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.Rows = dataset.Columns = 64
        dataset.save_as(file)


def _siz(side: int) -> bytes:
    """The start of a JPEG 2000 codestream for side² pixels."""
    sizes = struct.pack(">8I", side, side, 0, 0, side, side, 0, 0)
    return b"\xff\x4f\xff\x51" + struct.pack(">HH", 41, 0) + sizes + struct.pack(">H3B", 1, 15, 1, 1) + bytes(100)


def _dicom_deflated(path: Path) -> None:
    path.mkdir()
    dataset = slice_dataset(torso().hu[0], 0, SeriesSpec())
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path / "a.dcm", enforce_file_format=True)
    meta = (path / "a.dcm").read_bytes()
    end = 144 + int(pydicom.dcmread(path / "a.dcm").file_meta.FileMetaInformationGroupLength)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(150)]
    (path / "a.dcm").write_bytes(meta[:end] + b"".join([*parts, packer.flush()]))


def _seg(path: Path) -> None:
    path.mkdir()
    REGIONS["SEG"].make(path)
    dataset = pydicom.dcmread(path / "a.dcm")
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(path / "a.dcm")


def _rtstruct(path: Path) -> None:
    """15,000 small contours in one slice, each of which would be compared with all others."""
    path.mkdir()
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=np.float64)
    places = [np.add(corners, (x / 2 - 75, y - 50, 0.0)) for x in range(300) for y in range(50)]
    write_rtstruct(path / "a.dcm", {"GTV": places})


def _label_map_seg(path: Path) -> None:
    """A label map of 65,535 labels in one frame of 1000² pixels."""
    path.mkdir()
    REGIONS["SEG"].make(path)
    dataset = pydicom.dcmread(path / "a.dcm")
    dataset.SegmentationType, dataset.NumberOfFrames = "LABELMAP", 1
    dataset.Rows = dataset.Columns = 1000
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelData = np.arange(1_000_000, dtype=np.uint32).astype("<u2").tobytes()
    dataset.PerFrameFunctionalGroupsSequence = [dataset.PerFrameFunctionalGroupsSequence[0]]
    dataset.save_as(path / "a.dcm")


def _tiff(path: Path, tags: dict[int, int], description: str = _APERIO) -> None:
    """A slide whose tags declare other sizes than it has."""
    _write(path, description, "jpeg")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as slide:
        for code, value in tags.items():
            tag = slide.pages[0].tags[code]
            content[tag.offset + 2 : tag.offset + 4] = (4).to_bytes(2, "little")
            content[tag.offset + 8 : tag.offset + 12] = value.to_bytes(4, "little")
    path.write_bytes(bytes(content))


def _laughs(path: Path) -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    text = f'<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY l0 "lol">{entities}]><OME>&l11;</OME>'
    picture = np.zeros((512, 512, 3), np.uint8)
    tifffile.imwrite(path, picture, tile=(256, 256), photometric="rgb", description=text, metadata=None)


def _hdf5(path: Path, **options: Any) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("features", (2**30, 1024), np.float32, **options)
        file.create_dataset("coords", (2**30, 2), np.int32, **options)
        file.attrs["reject_reasons"] = ["pen"]


def _hdf5_of_many_ways(path: Path) -> None:
    """Forty groups, each twice in the one before: 2^40 ways through the file."""
    with h5py.File(path, "w") as file:
        group = file.create_group("g")
        for _ in range(40):
            below = group.create_group("a")
            group["b"] = below
            group = below


def _many_columns(path: Path) -> None:
    names = ",".join(f"c{n}" for n in range(200_000))
    path.write_text(f"patient_id,{names}\n" + "p" + ",1" * 200_000 + "\n", encoding="utf-8")


def _many_rows(path: Path) -> None:
    path.write_text("patient_id,a\n" + "p,1\n" * 1_500_000, encoding="utf-8")


def _xlsx(path: Path, sheet: Callable[[zipfile.ZipFile, str], None]) -> None:
    """A workbook of which one part is another one."""
    book = openpyxl.Workbook()
    book.active.append(["patient_id"])
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            if name.endswith("sheet1.xml"):
                sheet(archive, name)
            else:
                archive.writestr(name, content)


def _blank_sheet(archive: zipfile.ZipFile, name: str) -> None:
    archive.writestr(name, b" " * 1000)
    archive.getinfo(name).file_size = 2_000_000_000  # written into the directory at the end


def _wide_sheet(archive: zipfile.ZipFile, name: str) -> None:
    rows = "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(1, 100_000))
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    archive.writestr(name, f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>')


def _laughing_sheet(archive: zipfile.ZipFile, name: str) -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    archive.writestr(name, f'<!DOCTYPE x [<!ENTITY l0 "lol">{entities}]><x>&l11;</x>')


def _long_parquet(path: Path) -> None:
    array = pa.DictionaryArray.from_arrays(pa.array(np.zeros(900_000, np.int8)), ["p"])
    table = pa.table({"patient_id": array, **{f"c{n}": array for n in range(300)}})
    pq.write_table(table, path, compression="zstd", write_statistics=False)


def _long_toml(path: Path) -> None:
    path.write_text("".join(f"k{n} = 1\n" for n in range(200_000)), encoding="utf-8")


def _many_keys(path: Path) -> None:
    path.write_text("".join(f"k{n} = 1\n" for n in range(70_000)), encoding="utf-8")


def _deep_toml(path: Path) -> None:
    path.write_text("x = " + "[" * 400_000, encoding="utf-8")


def _png(path: Path) -> None:
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(bytes(1000))
    chunks = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (head, body)]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def _safetensors(path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(100))


def _safetensors_header(path: Path) -> None:
    path.write_bytes((2**62).to_bytes(8, "little") + bytes(100))


def _deep_bundle(path: Path) -> None:
    path.mkdir()
    (path / "bundle.json").write_text("[" * 1_000_000, encoding="utf-8")


def _tissue(path: Path) -> None:
    with open_slide(path) as slide:
        find_tissue(slide)


def _table(path: Path) -> None:
    read_table(path, key="patient_id")


_NIFTI, _NRRD = "a.nii.gz", "a.nrrd"
BOMBS: dict[str, tuple[str, Callable[[Path], None], Reader, str]] = {
    "110 bytes for 4.6 GB": (_NIFTI, _tiny_nifti, read_ct, "E-FILE-001"),
    "352 bytes for 4.6 GB": ("a.nii", lambda path: path.write_bytes(_nifti(1320)), read_ct, "E-FILE-001"),
    "a file of 3 TB": ("a.nii", _sparse_nifti, read_ct, "E-FILE-002"),
    "voxels, then zeros without end": (_NIFTI, _nifti_that_goes_on, read_ct, "E-CT-024"),
    "NIfTI with its voxels elsewhere": (
        "a.nii", lambda path: path.write_bytes(_nifti(20, b"ni1\0")), read_ct, "E-FILE-003",
    ),
    "NRRD that declares 4.4 GB": (_NRRD, lambda path: _nrrd(path, "encoding: raw"), read_ct, "E-FILE-001"),
    "packed NRRD that declares 4.4 GB": (_NRRD, lambda path: _nrrd(path, "encoding: gzip"), read_ct, "E-FILE-001"),
    "NRRD that points to a file": (
        _NRRD, lambda path: _nrrd(path, "encoding: raw", "data file: /dev/zero"), read_ct, "E-FILE-003",
    ),
    "NHDR that points to a list": ("a.nhdr", lambda path: _nrrd(path, "datafile: LIST"), read_ct, "E-FILE-003"),
    "MHA": ("a.mha", lambda path: path.write_text("ElementDataFile = /dev/zero"), read_ct, "E-CT-012"),
    "HDF5 under the name of NIfTI": ("a.nii", _hdf5, read_ct, "E-CT-024"),
    "DICOM of 65,535² pixels": ("ct", lambda path: _dicom(path, Rows=65535, Columns=65535), read_ct, "E-CT-019"),
    "DICOM of many frames": ("ct", _dicom_frames, read_ct, "E-FILE-002"),
    "JPEG 2000 of 65,535² pixels": (
        "ct", lambda path: _dicom_coded(path, JPEG2000Lossless, _siz(65535)), read_ct, "E-FILE-002",
    ),
    "RLE of 65,535² pixels": (
        "ct", lambda path: _dicom_coded(path, RLELossless, bytes(64)), read_ct, "E-FILE-002",
    ),
    "a frame larger than its header says": ("ct", _jpeg2000_of_other_size, read_ct, "E-CT-013"),
    "deflated DICOM": ("ct", _dicom_deflated, read_ct, "E-FILE-001"),
    "SEG of 65,535² pixels": ("seg", _seg, REGIONS["SEG"].read, "E-FILE-002"),
    "SEG of 65,535 labels": ("seg", _label_map_seg, REGIONS["SEG"].read, "E-FILE-002"),
    "15,000 contours in a slice": ("rtstruct", _rtstruct, REGIONS["RTSTRUCT"].read, "E-FILE-002"),
    "slide of 2³¹ pixels a side": (
        "a.svs", lambda path: _tiff(path, {256: 2**31 - 1, 257: 2**31 - 1}), _tissue, "E-",
    ),
    "slide of 10⁶ pixels a side": ("a.svs", lambda path: _tiff(path, {256: 10**6, 257: 10**6}), _tissue, "E-"),
    "slide of one tile of 10⁵ pixels a side": (
        "a.tif", lambda path: _tiff(path, {322: 99_840, 323: 99_840}, "a slide"), _tissue, "E-",
    ),
    "entities in OME-XML": ("a.ome.tif", _laughs, _tissue, "E-SLIDE-002"),
    "HDF5 of 4 TB, of espark": ("a.h5", _hdf5, read_slide_features, "E-FEATURE-003"),
    "chunked HDF5 of 4 TB, of espark": (
        "a.h5", lambda path: _hdf5(path, chunks=(1024, 2), compression="gzip"), read_slide_features, "E-FEATURE-003",
    ),
    "HDF5 of 4 TB from elsewhere": (
        "a.h5", _hdf5, lambda path: read_foreign_features(path, encoder="uni"), "E-FEATURE-003",
    ),
    "HDF5 of 2⁴⁰ ways": (
        "a.h5", _hdf5_of_many_ways, lambda path: read_foreign_features(path, encoder="uni"), "E-FEATURE-004",
    ),
    "200,000 columns": ("a.csv", _many_columns, _table, "E-FILE-002"),
    "1,500,000 rows": ("a.csv", _many_rows, _table, "E-FILE-002"),
    "workbook that unpacks to 2 GB": ("a.xlsx", lambda path: _xlsx(path, _blank_sheet), _table, "E-FILE-00"),
    "workbook with cells in the last column": ("a.xlsx", lambda path: _xlsx(path, _wide_sheet), _table, "E-FILE-002"),
    "entities in a workbook": ("a.xlsx", lambda path: _xlsx(path, _laughing_sheet), _table, "E-TABLE-002"),
    "Parquet of 270 million cells": ("a.parquet", _long_parquet, _table, "E-FILE-002"),
    "TOML of 2 MB": ("study.toml", _long_toml, lambda path: read_section(path, StudyConfig), "E-FILE-002"),
    "TOML of 70,000 unknown keys": ("study.toml", _many_keys, lambda path: read_section(path, StudyConfig), ""),
    "TOML of 400,000 levels": ("study.toml", _deep_toml, lambda path: read_section(path, StudyConfig), ""),
    "picture of 60,000² pixels": ("a.png", _png, lambda path: StainNormalizer.towards_image("reinhard", path), ""),
    "weights that declare 4 TB": ("a.safetensors", _safetensors, load_tensors, ""),
    "weights with a header of 2⁶² bytes": ("a.safetensors", _safetensors_header, load_tensors, ""),
    "bundle of 1,000,000 levels": ("bundle", _deep_bundle, load_bundle, ""),
}  # fmt: skip
"""By what it is: name of the file, its writer, its reader, and the code with which it is refused."""


def bomb(name: str) -> Family:
    """The family of one bomb, which has one case."""
    file, write, read, _ = BOMBS[name]

    def light(folder: Path, chance: random.Random) -> str:
        del chance
        write(folder / file)
        return name

    return Family(lambda folder: None, light, lambda folder: read(folder / file), lambda value, folder: "it was read")


FAMILIES = {name: bomb(name) for name in BOMBS}
