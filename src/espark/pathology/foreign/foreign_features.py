"""Tile features that CLAM, TRIDENT or STAMP made."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from espark.errors import FeatureError
from espark.notes import Note
from espark.pathology.features import NO_STAIN, SlideFeatures
from espark.pathology.hdf5 import open_hdf5, read_numbers, scalars
from espark.pathology.resolution.power import contradicts, nominal_mpp
from espark.types import DoubleArray, FloatArray

_EXPECTED = "HDF5 with `features` and `coords` in level-0 pixels (CLAM, TRIDENT), or `feats` and `coords` in µm (STAMP)"
_SIZES = ("patch_size", "patch_size_level0", "level0_magnification", "target_magnification", "downsample")
_LARGEST_COORDINATE = 2**31
_REPEATED = 0.01


@dataclass(frozen=True)
class _Grid:
    """The size of the tiles of a file; None if it is unknown.

    Attributes:
        tile_px: side of a tile in its own pixels.
        tile_px_level0: side of a tile in level-0 pixels; NaN if it is unknown.
        mpp: µm per tile pixel.
        slide_mpp: µm per level-0 pixel.
        notes: doubts.
    """

    tile_px: int
    tile_px_level0: float
    mpp: float | None
    slide_mpp: float | None
    notes: tuple[Note, ...] = ()


def read_foreign_features(
    path: Path,
    *,
    encoder: str,
    tile_px: int = 256,
    tile_px_level0: float | None = None,
    slide_mpp: float | None = None,
) -> SlideFeatures:
    """Read tile features made elsewhere. They have no text side, so they have no similarity.

    CLAM and TRIDENT: ``features`` (n, d) or (1, n, d) and ``coords`` in level-0 pixels. TRIDENT gives the sizes of a
    tile as attributes of ``coords`` (``patch_size``, ``patch_size_level0``) and the magnifications
    (``level0_magnification``, ``target_magnification``), which give µm per pixel if ``slide_mpp`` is not given.
    The attributes of CLAM are ``patch_size`` and ``downsample``. STAMP: ``feats`` (n, d), ``coords`` in µm,
    attributes ``tile_size_um`` and ``tile_size_px``. If the size of a level-0 pixel is unknown, the tile pixel of
    STAMP is used instead; for the other two the resolution is unknown (None).

    Args:
        path: the HDF5 file.
        encoder: name of the encoder that made them, for the record.
        tile_px: side of a tile in its own pixels, if the file does not give it.
        tile_px_level0: side of a tile in level-0 pixels, if the file does not give it.
        slide_mpp: µm per level-0 pixel.

    Raises:
        FeatureError: when the file is missing or damaged, links to another file, or holds something else.
    """
    with open_hdf5(path, expected=_EXPECTED) as file:
        name = "feats" if "feats" in file else "features"
        features, coords = _arrays(file, name, path)
        if name == "feats":
            grid = _stamp_grid(file, path, tile_px, slide_mpp)
            coords = coords / (grid.slide_mpp or 1.0)
        else:
            grid = _grid(file, coords, tile_px, tile_px_level0, slide_mpp)
        made_by = _made_by(file, name)
    if not (np.abs(coords) < _LARGEST_COORDINATE).all():
        raise _unusable("the coordinates are not numbers of pixels", path, "coordinates of tiles")
    return _assembled(features, coords, grid, encoder=encoder, source=path.name, made_by=made_by)


def _assembled(
    features: FloatArray, coords: DoubleArray, grid: _Grid, *, encoder: str, source: str, made_by: str
) -> SlideFeatures:
    return SlideFeatures(
        features=features,
        coords=np.rint(coords).astype(np.int32),
        similarity=None,
        expected_counts=None,
        tissue_fraction=None,
        rejected_coords=np.empty((0, 2), dtype=np.int32),
        rejected_reasons=(),
        encoder=encoder,
        tile_px=grid.tile_px,
        mpp=grid.mpp,
        tile_px_level0=grid.tile_px_level0,
        slide_mpp=grid.slide_mpp,
        cell_types=(),
        stain=NO_STAIN,
        espark_version=version("espark"),
        source=source,
        made_by=made_by,
        doubts=(*grid.notes, *_doubts(features, coords)),
    )


def _arrays(file: h5py.File, name: str, path: Path) -> tuple[FloatArray, DoubleArray]:
    if "coords" not in file and name in file:
        raise _unusable("the file has no 'coords', like features of a whole slide", path, "one vector for each tile")
    coords = read_numbers(file, "coords", path, kinds="iuf", expected=_EXPECTED).astype(np.float64)
    raw = read_numbers(file, name, path, kinds="f", expected=_EXPECTED)
    with np.errstate(over="ignore"):
        features = raw.astype(np.float32)
    features = features[0] if features.ndim == 3 and len(features) == 1 else features
    coords = coords[0] if coords.ndim == 3 and len(coords) == 1 else coords
    if features.ndim != 2 or coords.shape != (len(features), 2) or 0 in features.shape:
        found = f"features of shape {features.shape} with coords of shape {coords.shape}"
        raise _unusable(found, path, "(n, d) and (n, 2) with at least one tile")
    if not np.isfinite(features).all():
        count = int((~np.isfinite(features)).any(axis=1).sum())
        raise FeatureError(
            f"the features of {count} of {len(features)} tiles are not finite (NaN or infinite)", where=path,
            action="Make the features again; half precision may have overflowed.", code="E-FEATURE-005",
        )  # fmt: skip
    if not features.any():
        raise FeatureError("every feature is 0", where=path, action="Make the features again.", code="E-FEATURE-005")
    return features, coords


def _unusable(found: str, path: Path, expected: str) -> FeatureError:
    return FeatureError(found, where=path, expected=expected, code="E-FEATURE-004")


def _stamp_grid(file: h5py.File, path: Path, tile_px: int, slide_mpp: float | None) -> _Grid:
    known = scalars(file.attrs, ("tile_size_um", "tile_size", "tile_size_px"))
    tile_um = known.get("tile_size_um", known.get("tile_size"))
    if _text(file.attrs.get("unit", "um")) != "um" or tile_um is None:
        raise FeatureError(
            "the STAMP file does not give the size of its tiles", where=path,
            expected="attributes unit = um and tile_size_um (tile_size before STAMP 2.1)", code="E-FEATURE-006",
        )  # fmt: skip
    side = int(known.get("tile_size_px", tile_px))  # STAMP before 2.1 does not say it
    level0 = slide_mpp or tile_um / side
    return _Grid(side, tile_um / level0, tile_um / side, level0)


def _grid(
    file: h5py.File, coords: DoubleArray, tile_px: int, tile_px_level0: float | None, slide_mpp: float | None
) -> _Grid:
    """Sizes of the tiles of CLAM and TRIDENT: from the file, from the arguments, or from the coordinates."""
    known = scalars(file["coords"].attrs, _SIZES)
    power, target = known.get("level0_magnification"), known.get("target_magnification")
    side = int(known.get("patch_size", tile_px))
    level0 = known.get("patch_size_level0")
    if level0 is None and "patch_size" in known and power and target:
        level0 = side * power / target
    if level0 is None and "patch_size" in known and "downsample" in known:
        level0 = side * known["downsample"]
    level0 = level0 or tile_px_level0 or _least_step(coords)
    mpp = level0 * slide_mpp / side if slide_mpp else nominal_mpp(target) if target else None
    own = slide_mpp or (nominal_mpp(power) if power else None)
    notes: tuple[Note, ...] = ()
    if slide_mpp and power and contradicts(power, slide_mpp):
        text = f"slide_mpp is {slide_mpp:g}, but the file gives a magnification of {power:g} for the slide."
        notes = (Note("D-FEATURE-002", text),)
    return _Grid(side, level0, mpp if mpp and np.isfinite(mpp) else None, own, notes)


def _least_step(coords: DoubleArray) -> float:
    """The least step between tiles; NaN for a single tile."""
    steps = np.concatenate([np.diff(np.unique(coords[:, axis])) for axis in (0, 1)])
    return float(steps.min()) if len(steps) else float("nan")


def _made_by(file: h5py.File, name: str) -> str:
    """The encoder named in the file: the extractor of STAMP, or the output folder of TRIDENT."""
    for attributes in (file.attrs, file[name].attrs):
        for key in ("extractor", "encoder", "patch_encoder"):
            if key in attributes:
                return _text(attributes[key])
    folder = Path(_text(file[name].attrs.get("savetodir", ""))).name
    return folder.removeprefix("features_") if folder.startswith("features_") else ""


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _doubts(features: FloatArray, coords: DoubleArray) -> tuple[Note, ...]:
    """Doubts about tiles that appear twice, and vectors without information."""
    found = []
    repeated = len(coords) - len(np.unique(coords, axis=0))
    if repeated > _REPEATED * len(coords):
        found.append(Note("D-FEATURE-003", f"{repeated} of {len(coords)} tiles have the position of another tile."))
    empty = int((~features.any(axis=1)).sum())
    if empty:
        found.append(Note("D-FEATURE-004", f"All features of {empty} of {len(features)} tiles are 0."))
    elif len(features) > 1 and (features == features[0]).all():
        found.append(Note("D-FEATURE-004", f"All {len(features)} tiles have the same features."))
    return tuple(found)
