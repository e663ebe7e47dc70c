"""Slides: Aperio, generic and OME-TIFF, DICOM, MRXS."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import numpy as np
import tifffile
from fuzz_harness import Family
from mutate import damage_file

from espark.pathology.slide import open_slide
from espark.pathology.tissue import find_tissue

DATA = Path(os.environ.get("ESPARK_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
_APERIO = "Aperio Image Library v12\r\n600x520 [0,0 600x520] (256x256) JPEG/RGB Q=70|AppMag = 20|MPP = 0.5"
_OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Instrument ID="I:0">'
    '<Objective ID="O:0" NominalMagnification="20"/></Instrument><Image ID="Image:0"><Pixels ID="P:0" SizeX="600" '
    'SizeY="520" SizeZ="1" SizeC="3" SizeT="1" PhysicalSizeX="0.5" PhysicalSizeY="0.5" Type="uint8" '
    'DimensionOrder="XYCZT"><TiffData/></Pixels></Image></OME>'
)
_DATA_INI = "[GENERAL]\nSLIDE_ID = x\nIMAGENUMBER_X = 2\nIMAGENUMBER_Y = 2\nCURRENT_SLIDE_VERSION = 01.02\n"


def _picture() -> np.ndarray:
    chance = np.random.default_rng(0)
    picture = np.full((520, 600, 3), 240, np.uint8)
    picture[100:400, 100:500] = (200, 120, 180)
    noise = chance.integers(-30, 30, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _write(path: Path, description: str, compression: str) -> None:
    options = {"tile": (256, 256), "photometric": "rgb", "metadata": None, "compression": compression}
    resolution = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as writer:
        writer.write(_picture(), description=description, **options, **resolution)
        writer.write(_picture()[::2, ::2].copy(), subfiletype=1, **options)


def _damage(folder: Path, chance: random.Random) -> str:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return damage_file(chance.choice(files), chance, header=chance.choice((64, 2000, 0)))


def _damage_tiff(folder: Path, chance: random.Random) -> str:
    """Half of the faults are in the tags, which lie behind the pixels."""
    (file,) = folder.iterdir()
    if chance.random() < 0.5:
        return damage_file(file, chance, header=16)
    content = bytearray(file.read_bytes())
    with tifffile.TiffFile(file) as slide:
        tag = chance.choice(list(chance.choice(list(slide.pages)).tags))
    place = tag.offset + chance.randrange(12)
    width = chance.choice((1, 2, 4))
    number = chance.choice((0, 1, 3, 255, 65535, 2**31 - 1, 2**32 - 1, chance.randrange(2**32)))
    content[place : place + width] = (number & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    file.write_bytes(bytes(content))
    return f"tag {tag.name}"


def _read(folder: Path) -> tuple[tuple[int, int], float, np.ndarray, np.ndarray]:
    path = next((file for file in folder.iterdir() if file.is_file()), folder)
    with open_slide(path) as slide:
        tissue = find_tissue(slide)
        tile = slide.read_tile(0, 0, 256, 64)
        return slide.dimensions, slide.mpp, tile, tissue.labels


def _wrong(value: tuple[tuple[int, int], float, np.ndarray, np.ndarray], folder: Path) -> str:
    del folder
    (width, height), mpp, tile, labels = value
    if tile.shape != (64, 64, 3) or tile.dtype != np.uint8:
        return f"a tile of shape {tile.shape}"
    if not (0.05 <= mpp <= 20 and width > 0 and height > 0):
        return f"{width} × {height} pixels of {mpp} µm"
    expected = (max(1, round(height * mpp / 8)), max(1, round(width * mpp / 8)))
    fits = np.abs(np.subtract(labels.shape, expected)).max() <= 1 or mpp > 8
    return "" if fits else f"an overview of {labels.shape} for {width} × {height} pixels of {mpp} µm"


def _write_mrxs(folder: Path) -> None:
    (folder / "a.mrxs").write_bytes(b"")
    (folder / "a").mkdir()
    (folder / "a" / "Slidedat.ini").write_text(_DATA_INI, encoding="utf-8")
    (folder / "a" / "Index.dat").write_bytes(b"01.02" + bytes(200))


def _make_dicom(folder: Path) -> None:
    shutil.copyfile(DATA / "slides" / "cptac-brca-dicom-sm.dcm", folder / "a.dcm")


FAMILIES = {
    "SVS": Family(lambda folder: _write(folder / "a.svs", _APERIO, "jpeg"), _damage_tiff, _read, _wrong),
    "TIFF": Family(lambda folder: _write(folder / "a.tif", "a slide", "jpeg"), _damage_tiff, _read, _wrong),
    "OME-TIFF": Family(lambda folder: _write(folder / "a.ome.tif", _OME, "deflate"), _damage_tiff, _read, _wrong),
    "DICOM slide": Family(_make_dicom, _damage, _read, _wrong),
    "MRXS": Family(_write_mrxs, _damage, _read, _wrong),
}
