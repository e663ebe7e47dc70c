"""Features of one slide: made by an encoder, written, and read again."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from espark.errors import FeatureError, SlideError
from espark.files import atomic_path, canonical_json
from espark.notes import Note
from espark.pathology.cell_types import cell_type_similarity, text_embeddings
from espark.pathology.cells.cell_probe import CellProbe
from espark.pathology.cells.known_tissue import CellReliability, known_tissue
from espark.pathology.cytology import Cytology
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.hdf5 import open_hdf5, read_numbers
from espark.pathology.slide import Slide
from espark.pathology.stain.normalizer import SourceStain, StainNormalizer, profile_to_json
from espark.pathology.tile_quality import TileVerdict
from espark.pathology.tiles import Tiles, require_resolution, tile_grid
from espark.pathology.tissue import Tissue, find_tissue
from espark.pathology.usable_tiles import TileRun, slide_stain, usable_tiles
from espark.types import ByteArray, FloatArray

NO_STAIN = "none"
BY_A_PERSON = "person"
REJECT_REASONS: tuple[str, ...] = ("glass", "pen", "fold", "bubble", "blur", BY_A_PERSON)

_DATASETS = ("similarity", "expected_counts", "tissue_fraction")
_ATTRIBUTES = ("encoder", "tile_px", "mpp", "tile_px_level0", "slide_mpp", "stain", "espark_version", "source")
_DOUBTS = "doubts"
_DIMENSIONS = {"features": 2, "similarity": 2, "expected_counts": 2, "tissue_fraction": 1}
_OURS = "a file that `espark prepare` wrote"
_LATER_ATTRIBUTES = (
    "stain_target",
    "stain_note",
    "encoder_entry",
    "encoder_weights",
    "encoder_precision",
    "cell_probe",
)


@dataclass(frozen=True)
class SlideFeatures:
    """Everything that later steps know about a slide.

    Attributes:
        features: float32 (n, d), one row per tile, each of length 1 (features made elsewhere are unchanged).
        coords: int32 (n, 2), x and y of the tiles' top-left corners in level-0 pixels.
        similarity: float32 (n, c), similarity to each of ``cell_types``; None without a text side.
        expected_counts: float32 (n, k), expected number of each of `espark.cells.COUNTED_CELLS`; None if the
            encoder has no count calibration.
        tissue_fraction: float32 (n,), share of usable tissue, 0–1; None for features made elsewhere.
        rejected_coords: int32 (m, 2), tiles with some tissue that were left out.
        rejected_reasons: the reason for each, from `REJECT_REASONS`.
        encoder: name of the encoder.
        tile_px: side of a tile in pixels.
        mpp: µm per tile pixel; None if features made elsewhere do not give it.
        tile_px_level0: side of a tile in level-0 pixels.
        slide_mpp: µm per level-0 pixel; None if features made elsewhere do not give it.
        cell_types: keys of the columns of ``similarity``.
        stain: name of the stain normalization; ``none`` when there was none.
        espark_version: version that made the features.
        source: name of the slide in the study, such as ``slide-1``; of features made elsewhere, the file's name.
        stain_target: JSON of the target profile of the tiles; empty without normalization.
        stain_note: why the tiles of this slide were not normalized although this was requested; mostly empty.
        encoder_entry: the encoder's name in the catalogue of encoders; empty for features made elsewhere.
        encoder_weights: hash of the weights of the encoder (SHA-256); empty for features made elsewhere.
        encoder_precision: number format of the encoder, ``float32`` or ``bfloat16``; empty for features made
            elsewhere, or by older versions (float32).
        cell_probe: hash of the probe that read the cells; empty without a probe.
        doubts: doubts about the slide, or about features made elsewhere.
        made_by: for features made elsewhere, the encoder named in their file; otherwise empty.
    """

    features: FloatArray
    coords: npt.NDArray[np.int32]
    similarity: FloatArray | None
    expected_counts: FloatArray | None
    tissue_fraction: FloatArray | None
    rejected_coords: npt.NDArray[np.int32]
    rejected_reasons: tuple[str, ...]
    encoder: str
    tile_px: int
    mpp: float | None
    tile_px_level0: float
    slide_mpp: float | None
    cell_types: tuple[str, ...]
    stain: str
    espark_version: str
    source: str
    stain_target: str = ""
    stain_note: str = ""
    encoder_entry: str = ""
    encoder_weights: str = ""
    encoder_precision: str = ""
    cell_probe: str = ""
    made_by: str = ""
    doubts: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.features)

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return int(self.features.shape[1])

    @property
    def tile_um(self) -> float | None:
        """Side of a tile in µm; None when unknown."""
        return None if self.mpp is None else self.tile_px * self.mpp

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes for the reader about how the features were made, and on how far its cells can be relied on."""
        stain = (Note("N-SLIDE-002", self.stain_note),) if self.stain_note else ()
        return (*self.doubts, *stain, *(self.reliability.notes if self.reliability else ()))

    @functools.cached_property
    def reliability(self) -> CellReliability | None:
        """How far cell types and counts of the slide can be relied on; None when the encoder has no such check."""
        known = known_tissue(self.encoder_weights)
        if known is None or self.expected_counts is None or not len(self):
            return None
        return known.judge(self.features, self.expected_counts)

    @property
    def cells_reliable(self) -> bool:
        """Whether nothing speaks against the cell types and counts of the slide; also when there is no check."""
        return self.reliability is None or self.reliability.reliable


def encode_slide(
    slide: Slide,
    encoder: Encoder,
    *,
    name: str = "slide",
    min_tissue: float = 0.3,
    cytology: Cytology | None = None,
    stain: StainNormalizer | None = None,
    probe: CellProbe | None = None,
    batch: int = 64,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> SlideFeatures:
    """From an open slide to its features.

    Args:
        slide: an open slide.
        encoder: the encoder that turns tiles into vectors.
        name: what the features call the slide. Its file name may contain the name of a person.
        min_tissue: a tile with at most this share of usable tissue is left out (0–1).
        cytology: cell types and prompts; the defaults when None.
        stain: stain normalization of the tiles before they are encoded; None for none.
        probe: read-out of cells for an encoder without a text side; None for none.
        batch: tiles encoded at once.
        workers: reading threads.
        progress: called after each batch with the number of finished tiles and the number of all tiles.

    Raises:
        SlideError: when the slide cannot be read, is too coarse, or has no usable tissue.
    """
    asked = cytology or Cytology()
    require_resolution(slide, encoder.mpp)
    tissue = find_tissue(slide)
    tiles = tile_grid(slide, tissue, tile_px=encoder.tile_px, mpp=encoder.mpp, min_tissue=min_tissue)
    source = slide_stain(slide, tiles, tissue, stain, workers=workers) if stain else None
    runs = usable_tiles(slide, tiles, tissue, stain=stain, source=source, workers=workers)
    features, verdicts = _encode(runs, encoder, batch, lambda done: progress and progress(done, len(tiles)))
    if not len(features):
        raise _nothing_left(slide, tissue, tiles, verdicts)
    kept = np.array([verdict.keep for verdict in verdicts], dtype=bool)
    similarity, counts = _cells(encoder, probe, features, asked)
    return SlideFeatures(
        features=features,
        coords=tiles.coords[kept],
        similarity=similarity,
        expected_counts=counts,
        tissue_fraction=tiles.tissue_fraction[kept],
        rejected_coords=np.concatenate([tiles.rejected_coords, tiles.coords[~kept]]),
        rejected_reasons=(*tiles.rejected_reasons, *(verdict.reason for verdict in verdicts if not verdict.keep)),
        tile_px=tiles.tile_px,
        mpp=tiles.mpp,
        tile_px_level0=tiles.tile_px_level0,
        slide_mpp=tiles.slide_mpp,
        cell_types=asked.keys if similarity is not None else (),
        cell_probe=probe.identity if probe else "",
        espark_version=version("espark"),
        source=name,
        doubts=tissue.doubts,
        **_recipe(encoder, stain, source),
    )


def _recipe(encoder: Encoder, stain: StainNormalizer | None, source: SourceStain | None) -> dict[str, Any]:
    """The settings that made the features, for the record."""
    return {
        "encoder": encoder.name,
        "encoder_entry": encoder.entry,
        "encoder_weights": encoder.weights_hash,
        "encoder_precision": encoder.precision,
        "stain": stain.name if stain else NO_STAIN,
        "stain_target": canonical_json(profile_to_json(stain.target)) if stain else "",
        "stain_note": f"the stain was not normalized: {source.reason}" if source and source.reason else "",
    }


def _cells(
    encoder: Encoder, probe: CellProbe | None, features: FloatArray, cytology: Cytology
) -> tuple[FloatArray | None, FloatArray | None]:
    """Similarity to the cell types and expected counts, from the probe if there is one."""
    if probe is not None:
        counts = probe.counts(features)
        return probe.similarity(counts, cytology.keys), counts
    if not encoder.has_text:
        return None, encoder.expected_counts(features)
    embeddings = text_embeddings(encoder, names=cytology.names, templates=cytology.templates)
    return cell_type_similarity(features, embeddings), encoder.expected_counts(features)


def _encode(
    runs: Iterable[TileRun], encoder: Encoder, batch: int, advance: Callable[[int], object]
) -> tuple[FloatArray, list[TileVerdict]]:
    """Vectors (m, d) of the usable tiles, and the verdicts on all tiles."""
    features = [np.empty((0, encoder.dim), dtype=np.float32)]
    verdicts: list[TileVerdict] = []
    waiting: list[ByteArray] = []
    for run in runs:
        verdicts.extend(run.verdicts)
        waiting.extend(run.usable)
        while len(waiting) >= batch:
            features.append(encoder.encode_tiles(np.stack(waiting[:batch])))
            del waiting[:batch]
            advance(len(verdicts))
    if waiting:
        features.append(encoder.encode_tiles(np.stack(waiting)))
    advance(len(verdicts))
    return np.concatenate(features), verdicts


def _nothing_left(slide: Slide, tissue: Tissue, tiles: Tiles, verdicts: list[TileVerdict]) -> SlideError:
    if tissue.area_mm2 == 0.0:
        seen = "it looks like empty glass" if not tissue.doubts else tissue.doubts[0].text.rstrip(".")
        return SlideError(
            f"no tissue was found on the slide: {seen}",
            where=slide.path,
            expected="tissue stained with hematoxylin and eosin",
            action="Check that this is the right file.",
            code="E-SLIDE-005",
        )
    seen = f" {tissue.doubts[0].text}" if tissue.doubts else ""
    reasons = [*tiles.rejected_reasons, *(verdict.reason for verdict in verdicts)]
    counted = ", ".join(f"{reasons.count(reason)} {reason}" for reason in REJECT_REASONS if reason in reasons)
    return SlideError(
        f"{tissue.area_mm2:.2g} mm² of tissue were found, but no tile can be used.{seen}",
        where=slide.path,
        expected=f"at least one tile with enough clean, sharp tissue (tiles left out: {counted or 'none fits'})",
        action="Check the slide's focus and resolution, or lower min_tissue.",
        code="E-SLIDE-006",
    )


def write_slide_features(path: Path, slide_features: SlideFeatures) -> None:
    """Write features as HDF5, atomically; equal features give equal bytes.

    Args:
        path: ``prepared/slides/<patient>/<slide>.h5``.
        slide_features: features to write.
    """
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        _put(file, "features", slide_features.features.astype(np.float32))
        _put(file, "coords", slide_features.coords.astype(np.int32))
        for name in _DATASETS:
            value = getattr(slide_features, name)
            if value is not None:
                _put(file, name, value.astype(np.float32))
        _put(file, "rejected_coords", slide_features.rejected_coords.astype(np.int32))
        reasons = [REJECT_REASONS.index(reason) for reason in slide_features.rejected_reasons]
        _put(file, "rejected_reason", np.array(reasons, dtype=np.uint8))
        file.attrs["reject_reasons"] = list(REJECT_REASONS)
        file.attrs["dim"] = slide_features.dim
        for name in (*_ATTRIBUTES, *_LATER_ATTRIBUTES):
            file.attrs[name] = getattr(slide_features, name)
        file.attrs[_DOUBTS] = canonical_json([note.to_json() for note in slide_features.doubts])
        file.attrs["cell_types"] = np.array(slide_features.cell_types, dtype=h5py.string_dtype())


def read_slide_features(path: Path) -> SlideFeatures:
    """Read a file of `write_slide_features`.

    Raises:
        FeatureError: when the file is missing, damaged or of a different kind.
    """
    try:
        with open_hdf5(path, expected=_OURS) as file:
            return _from_file(file, path)
    except FeatureError as error:
        raise FeatureError(
            f"the tile features cannot be read ({error.found})",
            where=path,
            expected=_OURS,
            action="Delete it and run `espark prepare` again.",
            code=error.code,
        ) from error


def _put(file: h5py.File, name: str, value: npt.NDArray[np.generic]) -> None:
    file.create_dataset(name, data=value, track_times=False)


def _from_file(file: h5py.File, path: Path) -> SlideFeatures:
    def numbers(name: str, kinds: str) -> npt.NDArray[Any]:
        return read_numbers(file, name, path, kinds=kinds, expected=_OURS)

    reasons = [str(reason) for reason in file.attrs["reject_reasons"]]
    optional = {name: numbers(name, "f") if name in file else None for name in _DATASETS}
    doubts = tuple(Note.from_json(stored) for stored in json.loads(file.attrs.get(_DOUBTS, "[]")))
    later: dict[str, Any] = {name: str(file.attrs.get(name, "")) for name in _LATER_ATTRIBUTES}
    features, coords, rejected = numbers("features", "f"), numbers("coords", "i"), numbers("rejected_coords", "i")
    found = [(features, "features"), *((part, name) for name, part in optional.items() if part is not None)]
    for part, name in found:
        if part.ndim != _DIMENSIONS[name] or len(part) != len(coords) or not np.isfinite(part).all():
            raise FeatureError(f"{name!r} does not have one finite row for each tile", where=path, expected=_OURS)
    codes = numbers("rejected_reason", "u")
    if coords.shape != (len(coords), 2) or rejected.shape != (len(codes), 2) or (codes >= len(reasons)).any():
        raise FeatureError("the coordinates do not have two numbers for each tile", where=path, expected=_OURS)
    return SlideFeatures(
        features=features,
        coords=coords,
        similarity=optional["similarity"],
        expected_counts=optional["expected_counts"],
        tissue_fraction=optional["tissue_fraction"],
        rejected_coords=rejected,
        rejected_reasons=tuple(reasons[index] for index in codes),
        encoder=str(file.attrs["encoder"]),
        tile_px=int(file.attrs["tile_px"]),
        mpp=float(file.attrs["mpp"]),
        tile_px_level0=float(file.attrs["tile_px_level0"]),
        slide_mpp=float(file.attrs["slide_mpp"]),
        cell_types=tuple(str(key) for key in file.attrs["cell_types"]),
        stain=str(file.attrs["stain"]),
        espark_version=str(file.attrs["espark_version"]),
        source=str(file.attrs["source"]),
        doubts=doubts,
        **later,
    )
