"""Simulated tissue beside real tissue: size, stain and distance of nuclei, measured in the same way in both.

    python benchmarks/tissue_look.py

Nuclei are found without any encoder: hematoxylin above Otsu's threshold, divided by a watershed. So dense tissue is
measured as badly in both. Nothing is fitted here, and no picture is kept: the table shows where the simulator differs.
Only `cmu-1-small-region.svs` has a free licence among the real tissue; the ranges of the simulator were set on it, on
textbook sizes and by eye. CoNSeP and CRCHistoPhenotypes are for research only: they are shown and never fitted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
import tifffile
from PIL import Image
from real_nuclei import DATA, read_fields
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.color import rgb2hed
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.measure import regionprops_table
from skimage.segmentation import watershed

from espark.pretrain.encoder_pieces import PIECE_MPP, draw_piece
from espark.pretrain.encoder_views import developed
from espark.simulate.histology.tile import simulate_tile

TILE_PX, MPP = 256, 0.5
_SEED = 940_000
_LEAST_UM2 = 6.0
_COLUMNS = ("nuclei a tile", "area µm²", "length / width", "hematoxylin", "texture", "neighbour µm", "dark share")


def measure(tile: np.ndarray) -> list[np.ndarray]:
    """What `_COLUMNS` name, for the nuclei of a tile; a number for the tile is one value."""
    hematoxylin = np.clip(rgb2hed(tile)[..., 0], 0, None)
    smooth = ndimage.gaussian_filter(hematoxylin, 1.0)
    dark = smooth > threshold_otsu(smooth)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(dark), 1.0)
    seeds = np.zeros(dark.shape, int)
    places = peak_local_max(distance, min_distance=4, labels=dark.astype(int))
    seeds[tuple(places.T)] = np.arange(1, len(places) + 1)
    labels = watershed(-distance, seeds, mask=dark)
    names = ("area", "axis_major_length", "axis_minor_length", "mean_intensity", "centroid", "intensity_std")
    found = regionprops_table(labels, hematoxylin, properties=names)
    kept = found["area"] * MPP**2 >= _LEAST_UM2
    centre = np.column_stack([found["centroid-0"], found["centroid-1"]])[kept]
    near = cKDTree(centre).query(centre, k=2)[0][:, 1] * MPP if len(centre) > 1 else np.zeros(0)
    return [
        np.array([float(kept.sum())]),
        found["area"][kept] * MPP**2,
        found["axis_major_length"][kept] / np.maximum(found["axis_minor_length"][kept], 1.0),
        found["mean_intensity"][kept] * 100,
        found["intensity_std"][kept] / np.maximum(found["mean_intensity"][kept], 1e-6),
        near,
        np.array([float(dark.mean())]),
    ]


def trial_tiles(count: int) -> Iterator[np.ndarray]:
    return (simulate_tile(np.random.default_rng([_SEED, index]))[0] for index in range(count))


def varied_tiles(count: int) -> Iterator[np.ndarray]:
    """Varied pieces as the encoder sees them at their true scale."""
    index = 0
    while count:
        rng = np.random.default_rng([_SEED + 1, index])
        densities, _, _, varied = draw_piece(rng)
        index += 1
        if varied:
            count -= 1
            yield developed(densities[:, :TILE_PX, :TILE_PX], rng)


def field_tiles(name: str, count: int) -> Iterator[np.ndarray]:
    return (field.rgb[:TILE_PX, :TILE_PX] for field in read_fields(name)[:count])


def region_tiles(count: int) -> Iterator[np.ndarray]:
    """Tiles of the open slide that hold tissue."""
    picture = tifffile.imread(DATA.parent / "slides" / "cmu-1-small-region.svs")
    for top in range(0, picture.shape[0] - TILE_PX, TILE_PX):
        for left in range(0, picture.shape[1] - TILE_PX, TILE_PX):
            tile = picture[top : top + TILE_PX, left : left + TILE_PX]
            if count and np.mean(np.asarray(Image.fromarray(tile).convert("L")) < 200) > 0.7:
                count -= 1
                yield tile


SOURCES: dict[str, Callable[[int], Iterator[np.ndarray]]] = {
    "simulated, virtual trial": trial_tiles,
    "simulated, varied": varied_tiles,
    "real, cmu-1-small-region": region_tiles,
    "real, CoNSeP train": lambda count: field_tiles("consep-train", count),
    "real, CRCHistoPhenotypes": lambda count: field_tiles("crchisto", count),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=40, help="tiles of each source (default: %(default)s)")
    options = parser.parse_args()
    assert PIECE_MPP == MPP
    print(f"{'10 %, median, 90 %':<28}" + "".join(f"{name:>22}" for name in _COLUMNS))
    for source, tiles in SOURCES.items():
        parts = [
            np.concatenate(column) for column in zip(*(measure(tile) for tile in tiles(options.tiles)), strict=True)
        ]
        cells = (" ".join(f"{value:.3g}" for value in np.percentile(part, [10, 50, 90])) for part in parts)
        print(f"{source:<28}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
