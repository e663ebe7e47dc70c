"""Real H&E fields with typed nuclei, for measuring only: CoNSeP and CRCHistoPhenotypes, at 0.5 µm per pixel."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import loadmat

DATA = Path(os.environ.get("ESPARK_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "nuclei"
SETS = ("consep-train", "consep-test", "crchisto")
TYPES = ("untyped", "other", "inflammatory", "epithelial", "fibroblast")
UNTYPED, OTHER, INFLAMMATORY, EPITHELIAL, FIBROBLAST = range(5)

_CONSEP_TYPES = np.array([UNTYPED, OTHER, INFLAMMATORY, EPITHELIAL, FIBROBLAST])
_CRCHISTO_TYPES = {"others": OTHER, "inflammatory": INFLAMMATORY, "epithelial": EPITHELIAL, "fibroblast": FIBROBLAST}
_PATCHES, _PATCH_PX = 4, 256


@dataclass(frozen=True)
class NucleiField:
    """A field of tissue at 0.5 µm per pixel.

    Attributes:
        name: of the field, for the bootstrap.
        rgb: uint8 (h, w, 3).
        x: centre of each nucleus, in pixels.
        y: likewise.
        kind: index into `TYPES` of each nucleus.
    """

    name: str
    rgb: np.ndarray
    x: np.ndarray
    y: np.ndarray
    kind: np.ndarray


def read_fields(name: str) -> list[NucleiField]:
    """All fields of one of `SETS`."""
    return _crchisto() if name == "crchisto" else _consep(name.removeprefix("consep-"))


def _consep(split: str) -> list[NucleiField]:
    """Each image lies there as 4 × 4 patches of 256 px at 0.25 µm per pixel; they are put together again."""
    folder = DATA / "consep"
    names = sorted({path.stem.rsplit("_", 1)[0] for path in (folder / "images" / split).glob("*.jpg")})
    side = _PATCHES * _PATCH_PX
    fields = []
    for name in names:
        whole, nuclei = Image.new("RGB", (side, side)), []
        for index in range(_PATCHES**2):
            corner = np.array([index % _PATCHES, index // _PATCHES]) * _PATCH_PX
            with Image.open(folder / "images" / split / f"{name}_{index:03d}.jpg") as patch:
                whole.paste(patch.convert("RGB"), (int(corner[0]), int(corner[1])))
            truth = loadmat(folder / "type_mat" / split / f"{name}_{index:03d}.mat")
            kind = _CONSEP_TYPES[truth["inst_type"].ravel().astype(int)]
            nuclei.append(np.column_stack([truth["inst_centroid"].reshape(-1, 2) + corner, kind]))
        x, y, kind = np.concatenate(nuclei).T
        half = np.asarray(whole.resize((side // 2, side // 2), Image.Resampling.LANCZOS))
        fields.append(NucleiField(name, half, x / 2, y / 2, kind.astype(int)))
    return fields


def _crchisto() -> list[NucleiField]:
    folder = DATA / "crchisto-dev"
    with (folder / "centroids.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    fields = []
    for path in sorted(folder.glob("*.png")):
        here = [row for row in rows if row["field"] == path.stem]
        x, y = (np.array([float(row[axis]) for row in here]) for axis in ("x", "y"))
        kind = np.array([_CRCHISTO_TYPES.get(row["type"], UNTYPED) for row in here], dtype=int)
        fields.append(NucleiField(path.stem, np.asarray(Image.open(path).convert("RGB")), x, y, kind))
    return fields


@dataclass(frozen=True)
class Views:
    """Square parts of fields, all equally large, resampled by a zoom.

    Attributes:
        field: name of the field of each view.
        pictures: uint8 (n, px, px, 3).
        counts: (n, types) nuclei with their centre in the view.
        area: area of a view relative to a tile of 256 px at 0.5 µm per pixel.
    """

    field: np.ndarray
    pictures: np.ndarray
    counts: np.ndarray
    area: float


def cut(fields: list[NucleiField], parts: int, zoom: float) -> Views:
    """Cut each field into ``parts`` × ``parts`` views.

    Args:
        fields: equally large fields.
        parts: 2 gives tiles (about 256 px), 4 their quadrants.
        zoom: how many times larger than real the view is shown.
    """
    side = len(fields[0].rgb) // parts
    names, pictures, counts = [], [], []
    for field in fields:
        for top, left in _corners(side, parts):
            part = Image.fromarray(field.rgb[top : top + side, left : left + side])
            if zoom != 1.0:
                part = part.resize((round(side * zoom),) * 2, Image.Resampling.BICUBIC)
            within = (field.x >= left) & (field.x < left + side) & (field.y >= top) & (field.y < top + side)
            names.append(field.name)
            pictures.append(np.asarray(part))
            counts.append(np.bincount(field.kind[within], minlength=len(TYPES)))
    return Views(np.array(names), np.stack(pictures), np.array(counts), (side / 256.0) ** 2)


def _corners(side: int, parts: int) -> Iterator[tuple[int, int]]:
    return ((row * side, column * side) for row in range(parts) for column in range(parts))
