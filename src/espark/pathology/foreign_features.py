"""Tile features that CLAM, TRIDENT or STAMP made."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from espark.errors import FeatureError
from espark.pathology.features import NO_STAIN, SlideFeatures
from espark.types import DoubleArray, FloatArray

_EXPECTED = "HDF5 with `features` and `coords` in level-0 pixels (CLAM, TRIDENT), or `feats` and `coords` in µm (STAMP)"


def read_foreign_features(
    path: Path,
    *,
    encoder: str,
    tile_px: int = 256,
    tile_px_level0: float | None = None,
    slide_mpp: float | None = None,
) -> SlideFeatures:
    """Read tile features made elsewhere. They come without a text side, so without similarity.

    CLAM and TRIDENT: ``features`` (n, d) or (1, n, d) and ``coords`` in level-0 pixels; TRIDENT says the tile's side
    in ``coords``' attribute ``patch_size_level0``. STAMP: ``feats`` (n, d), ``coords`` in µm, attributes
    ``tile_size_um`` and ``tile_size_px``. Where nothing says how large a level-0 pixel is, STAMP's own tile pixel
    is taken for it, and for the other two the resolution is unknown (NaN).

    Args:
        path: the HDF5 file.
        encoder: name of the encoder that made them, for the record.
        tile_px: side of a tile in its own pixels, where the file does not say it.
        tile_px_level0: side of a tile in level-0 pixels, where the file does not say it.
        slide_mpp: µm per level-0 pixel.

    Raises:
        FeatureError: when the file is missing or damaged, or holds something else.
    """
    try:
        with h5py.File(path, "r") as file:
            stamp = "feats" in file
            features, coords = _arrays(file, "feats" if stamp else "features", path)
            if stamp:
                tile_um, side = _stamp_tile(file, path)
                level0 = slide_mpp or tile_um / side
                return _assemble(features, coords / level0, path, encoder, side, tile_um / level0, level0)
            side_level0 = _side_level0(file, coords, tile_px_level0)
            own = float("nan") if slide_mpp is None else slide_mpp
            return _assemble(features, coords, path, encoder, tile_px, side_level0, own)
    except OSError as error:
        raise FeatureError(f"the tile features cannot be read ({error})", where=path, expected=_EXPECTED) from error


def _arrays(file: h5py.File, name: str, path: Path) -> tuple[FloatArray, DoubleArray]:
    for key in (name, "coords"):
        if key not in file:
            raise FeatureError(f"the file has no {key!r} (it has {', '.join(file) or 'nothing'})", where=path,
                               expected=_EXPECTED)  # fmt: skip
    features = np.asarray(file[name][()], dtype=np.float32)
    coords = np.asarray(file["coords"][()], dtype=np.float64)
    features = features[0] if features.ndim == 3 and len(features) == 1 else features
    coords = coords[0] if coords.ndim == 3 and len(coords) == 1 else coords
    if features.ndim != 2 or coords.shape != (len(features), 2) or len(features) == 0:
        raise FeatureError(f"features of shape {features.shape} with coords of shape {coords.shape}", where=path,
                           expected="(n, d) and (n, 2) with n ≥ 1")  # fmt: skip
    if not np.isfinite(features).all():
        raise FeatureError("some features are not finite", where=path, action="Make the features again.")
    return features, coords


def _stamp_tile(file: h5py.File, path: Path) -> tuple[float, int]:
    """Side of a tile in µm and in pixels."""
    unit = file.attrs.get("unit", "um")
    if unit != "um" or "tile_size_px" not in file.attrs or not {"tile_size_um", "tile_size"} & set(file.attrs):
        raise FeatureError("the STAMP file does not say how large its tiles are", where=path,
                           expected="attributes unit = um, tile_size_um and tile_size_px")  # fmt: skip
    size = file.attrs["tile_size_um"] if "tile_size_um" in file.attrs else file.attrs["tile_size"]
    return float(size), int(file.attrs["tile_size_px"])


def _side_level0(file: h5py.File, coords: DoubleArray, given: float | None) -> float:
    """Side of a tile in level-0 pixels: the file's, the given one, or the least step between tiles."""
    own = file["coords"].attrs.get("patch_size_level0")
    if own is not None:
        return float(own)
    if given is not None:
        return given
    steps = np.concatenate([np.diff(np.unique(coords[:, axis])) for axis in (0, 1)])
    return float(steps.min()) if len(steps) else float("nan")


def _assemble(
    features: FloatArray,
    coords: npt.NDArray[np.float64],
    path: Path,
    encoder: str,
    tile_px: int,
    tile_px_level0: float,
    slide_mpp: float,
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
        tile_px=tile_px,
        mpp=tile_px_level0 * slide_mpp / tile_px,
        tile_px_level0=tile_px_level0,
        slide_mpp=slide_mpp,
        cell_types=(),
        stain=NO_STAIN,
        espark_version=version("espark"),
        source=path.name,
    )
