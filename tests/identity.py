"""A made-up person: planted in the headers of images, and looked for in all that is written about them."""

from __future__ import annotations

import base64
import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pydicom
import tifffile
from PIL import Image

IDENTITY = ("quillfeather", "ottoline", "19430217", "1943-02-17", "mrn-77120431")

NAME, BIRTH_DATE, NUMBER = "Quillfeather^Ottoline", "19430217", "MRN-77120431"
_EMBEDDED = re.compile(rb"data:[a-z/+]+;base64,([A-Za-z0-9+/=]+)")


def plant_identity(folder: Path) -> None:
    """Give every DICOM file and every slide below ``folder`` the person's name, birth date and hospital number."""
    for path in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientName = dataset.OtherPatientNames = dataset.ReferringPhysicianName = NAME
        dataset.PatientBirthDate = BIRTH_DATE
        dataset.PatientID = dataset.AccessionNumber = NUMBER
        dataset.PatientComments = f"{NAME} {BIRTH_DATE}"
        dataset.save_as(path)
    for path in folder.rglob("*.tif"):
        description = tifffile.tiffcomment(path)
        tifffile.tiffcomment(path, comment=f"{description} | Patient = {NAME}; Born = 1943-02-17; Id = {NUMBER}")


def found_identity(path: Path) -> set[str]:
    """Which parts of the person stand in a file: its name, its bytes, what is packed in it, the texts of pictures."""
    texts = [path.name.encode(), *_contents(path.suffix, path.read_bytes())]
    return {word for word in IDENTITY for text in texts if word.encode() in text.lower()}


def _contents(suffix: str, content: bytes) -> Iterator[bytes]:
    yield content
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    if suffix == ".parquet":
        yield pd.read_parquet(io.BytesIO(content)).to_csv().encode()
    if content[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1"):
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            yield repr((picture.info, dict(picture.getexif()))).encode()
    for embedded in _EMBEDDED.findall(content):
        yield from _contents("", base64.b64decode(embedded))
