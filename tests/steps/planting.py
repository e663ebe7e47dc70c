"""A made-up person planted wherever a file can name one: every text of DICOM, TIFF, NIfTI and HDF5, and file names."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import tifffile
from PIL import Image, ImageDraw
from pydicom.datadict import DicomDictionary

from identity import BIRTH_DATE, NAME, NUMBER

TEXT = ("PN", "LO", "SH", "ST", "LT", "UT", "UC")
READ = ("PatientID", "PatientBirthDate", "PatientSex", "SeriesDescription", "ManufacturerModelName", "RescaleType")
"""Texts that espark reads for a purpose. `plant_identity` has planted the first of them."""
_NIFTI_TEXTS = {14: 18, 148: 80, 228: 24, 328: 16}
"""Start and length of db_name, descrip, aux_file and intent_name."""
_TIFF_TEXTS = {269: NAME, 271: NAME, 272: NAME, 285: NAME, 315: NAME, 316: NUMBER, 33432: NAME, 65000: BIRTH_DATE}
"""DocumentName, Make, Model, PageName, Artist, HostComputer, Copyright, and a tag of nobody's."""


def plant_in_dicom(path: Path) -> None:
    """Fill every text of the DICOM dictionary, a private one, and the study's and equipment's dates."""
    dataset = pydicom.dcmread(path)
    for tag, (kind, _, _, retired, keyword) in DicomDictionary.items():
        if kind in TEXT and keyword and not retired and keyword not in READ and tag >> 16 > 2:
            dataset.add_new(tag, kind, NAME[: 16 if kind == "SH" else 64])
    for keyword in ("SeriesDescription", "ManufacturerModelName"):  # they may hold the mark of a simulation
        setattr(dataset, keyword, f"{dataset.get(keyword) or ''} {NAME.split('^')[0]}".strip())
    dataset.private_block(0x000B, "QUILLFEATHER", create=True).add_new(1, "LO", NUMBER)
    dataset.save_as(path)


def plant_in_nifti(path: Path) -> None:
    """Fill every text of a header of NIfTI-1."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    for start, length in _NIFTI_TEXTS.items():
        content[start : start + length] = NAME.encode()[: length - 1].ljust(length, b"\0")
    path.write_bytes(gzip.compress(bytes(content), mtime=0))


def write_planted_svs(path: Path, picture: np.ndarray) -> None:
    """Write a slide as Aperio does, with the person in every tag and on the label."""
    said = f"ESPARK SIMULATED|Patient = {NAME}|Date = {BIRTH_DATE}|AppMag = 20|MPP = 0.5|User = {NAME}"
    tags = [(code, "s", 0, text, True) for code, text in _TIFF_TEXTS.items()]
    label = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(label).text((10, 90), f"{NAME} {NUMBER}", fill="black")
    head, size = "Aperio Image Library v12", f"{picture.shape[1]}x{picture.shape[0]}"
    with tifffile.TiffWriter(path) as writer:
        options = {"photometric": "rgb", "metadata": None, "extratags": tags}
        writer.write(
            picture, tile=(256, 256), compression="jpeg", software=NAME, datetime="1943:02:17 00:00:00",
            description=f"{head}\r\n{size} [0,0 {size}] (256x256) JPEG/RGB Q=70|{said}", **options,
        )  # fmt: skip
        writer.write(picture[::8, ::8].copy(), description=f"{head} thumbnail {NAME}", **options)
        writer.write(
            np.asarray(label), compression="lzw", subfiletype=1, description=f"{head}\r\nlabel {NAME}",
            **options,
        )  # fmt: skip


def plant_in_study(folder: Path) -> None:
    """Rename every image and folder after the person, and fill the headers of one slice, one mask and one slide."""
    cohort = pd.read_csv(folder / "cohort.csv", dtype=str, keep_default_na=False)
    home = folder / f"{NAME} ({BIRTH_DATE})"
    for column in ("ct", "slides", "esophagus_mask", "tumor_mask"):
        cohort[column] = [_moved(folder, home, column, name) for name in cohort[column]]
    for name in cohort["ct"].iloc[:3]:
        plant_in_dicom(min((folder / name).iterdir()))
    for name in cohort["tumor_mask"]:
        plant_in_nifti(folder / name)
    old = cohort["slides"].iloc[0]
    cohort.loc[cohort.index[0], "slides"] = old.replace(".tif", ".svs")
    write_planted_svs(folder / old.replace(".tif", ".svs"), tifffile.imread(folder / old, key=0))
    cohort.to_csv(folder / "cohort.csv", index=False)


def _moved(folder: Path, home: Path, column: str, name: str) -> str:
    if not name:
        return ""
    target = home / column / f"{NAME} {NUMBER} {Path(name).name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    (folder / name).rename(target)
    for number, file in enumerate(sorted(target.iterdir()) if target.is_dir() else []):
        file.rename(target / f"{NAME} {number:03d}.dcm")
    return target.relative_to(folder).as_posix()
