"""A cell probe for a study whose encoder understands no words: taught by espark-mini, or by a person who counted tiles.

Only development patients teach, and no outcome is looked at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import spearmanr
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from espark.cells import COUNTED_CELLS
from espark.errors import EncoderError, InputError, TableError
from espark.pathology.cells.cell_probe import CellProbe
from espark.pathology.encoders.load import EMBEDDED, load_encoder
from espark.pathology.slide import Slide, open_slide
from espark.pathology.tiles import tile_grid
from espark.pathology.tissue import find_tissue
from espark.pathology.usable_tiles import slide_stain, usable_tiles
from espark.steps.prepare.slide_tools import SlideTools, study_tools
from espark.tables.read import read_table
from espark.types import AnyArray, ByteArray, DoubleArray, FloatArray
from espark.work.progress import Reporter
from espark.workspace.manifest import recorded
from espark.workspace.opened import Workspace

PROBE_FILE = "cell-probe.safetensors"
TILES = 4000
"""Tiles that teach, spread over all development slides."""

_FOLDS = 5
_FEWEST, _FEWEST_GROUPS = 50, 3
_AGREES = 0.5
"""Spearman correlation with the teacher below which a probe is called not reliable."""
_ALPHAS = np.logspace(-1, 5, 13)
_NEUTROPHIL, _LYMPHOCYTE = COUNTED_CELLS.index("neutrophil"), COUNTED_CELLS.index("lymphocyte")


@dataclass(frozen=True)
class Lesson:
    """The tiles that teach a probe.

    Attributes:
        features: (n, dim) vectors of the study's encoder.
        counts: (n, counted cells) counts of the teacher.
        groups: (n,) number of the patient, or of the tile where a person counted.
        teacher: who counted.
    """

    features: FloatArray
    counts: DoubleArray
    groups: AnyArray
    teacher: str


@dataclass(frozen=True)
class Taught:
    """A probe that was taught, and how well it agrees with its teacher on patients that did not teach it.

    Attributes:
        path: its file.
        tiles: tiles that taught it.
        groups: patients (or tiles counted by a person).
        agreement: by cell, Spearman correlation over the tiles; NaN where the teacher's counts are all equal.
        nlr: Spearman correlation of the tissue NLR over the patients; NaN for tiles counted by a person.
    """

    path: Path
    tiles: int
    groups: int
    agreement: dict[str, float]
    nlr: float

    @property
    def agrees(self) -> bool:
        """Whether neutrophils, lymphocytes and, where it is known, the NLR correlate with those of the teacher."""
        found = [self.agreement["neutrophil"], self.agreement["lymphocyte"]]
        found += [self.nlr] if np.isfinite(self.nlr) else []
        return all(value >= _AGREES for value in found)


def teach(
    workspace: Workspace, *, labels: Path | None = None, tiles: int = TILES, reporter: Reporter | None = None
) -> Taught:
    """Teach the probe of a study and write it.

    Args:
        workspace: the opened study.
        labels: table of tiles counted by a person: column ``tile`` (pictures, relative to the table), and one column
            for each counted cell; None to let espark-mini count the study's own tiles.
        tiles: how many tiles of the study teach.
        reporter: shows the progress.

    Raises:
        EncoderError: when the encoder understands words, or cannot be loaded.
        InputError: when slides or labelled tiles cannot be used, or there are too few tiles.
    """
    reporter = reporter or Reporter()
    settings = workspace.config.slides
    without = settings.model_copy(update={"cell_probe": ""})
    tools = study_tools(workspace.root, without, workspace.cytology)
    if tools.encoder.has_text:
        raise EncoderError(
            f"{tools.encoder.name} understands words, so it needs no cell probe", where="study.toml, [slides] encoder"
        )
    with recorded(workspace, "teach", tiles=tiles) as facts:
        lesson = _from_table(labels, tools) if labels else _from_slides(workspace, tools, tiles, reporter)
        if len(lesson.features) < _FEWEST or len(np.unique(lesson.groups)) < _FEWEST_GROUPS:
            raise InputError(
                f"only {len(lesson.features)} tiles of {len(np.unique(lesson.groups))} patients can teach the probe",
                expected=f"{_FEWEST} tiles of {_FEWEST_GROUPS} patients, or more",
            )
        reporter.say("fitting the cell probe")
        path = workspace.root / (settings.cell_probe or PROBE_FILE)
        fit_probe(lesson, tools.encoder.weights_hash).save(path)
        study_tools.cache_clear()
        agreement, nlr = agreement_with_teacher(lesson)
        known = {name: _known(value) for name, value in agreement.items()}
        facts.update(teacher=lesson.teacher, taught_tiles=len(lesson.features), agreement=known, nlr=_known(nlr))
    return Taught(path, len(lesson.features), len(np.unique(lesson.groups)), agreement, nlr)


def fit_probe(lesson: Lesson, encoder_weights: str) -> CellProbe:
    """Ridge regression of the counts on the standardized vectors; the error on left-out groups chooses the penalty."""
    scaler = StandardScaler().fit(lesson.features.astype(np.float64))
    standardized = scaler.transform(lesson.features)
    splits = list(_left_out(lesson).split(standardized, groups=lesson.groups))
    ridge = RidgeCV(_ALPHAS, cv=splits).fit(standardized, lesson.counts)
    weights = ridge.coef_.T / scaler.scale_[:, None]  # (dim, counted cells)
    offset = ridge.intercept_ - scaler.mean_ @ weights
    return CellProbe(encoder_weights, lesson.teacher, weights.astype(np.float32), offset.astype(np.float32))


def agreement_with_teacher(lesson: Lesson) -> tuple[dict[str, float], float]:
    """Spearman correlations with the teacher: by cell over the tiles, and of the NLR over the patients.

    The patients are divided into five parts. Each part is read by a probe that the others taught.
    """
    found = np.zeros_like(lesson.counts)
    for seen, unseen in _left_out(lesson).split(lesson.features, groups=lesson.groups):
        part = Lesson(lesson.features[seen], lesson.counts[seen], lesson.groups[seen], lesson.teacher)
        found[unseen] = fit_probe(part, "").counts(lesson.features[unseen])
    agreement = {
        cell: _rank_correlation(found[:, index], lesson.counts[:, index]) for index, cell in enumerate(COUNTED_CELLS)
    }
    if len(np.unique(lesson.groups)) == len(lesson.groups):
        return agreement, float("nan")
    return agreement, _rank_correlation(_ratios(found, lesson.groups), _ratios(lesson.counts, lesson.groups))


def _left_out(lesson: Lesson) -> GroupKFold:
    """Folds that leave out whole patients."""
    return GroupKFold(min(_FOLDS, len(np.unique(lesson.groups))))


def _ratios(counts: DoubleArray, groups: AnyArray) -> DoubleArray:
    """Neutrophils over lymphocytes in each group."""
    sums = np.stack([counts[groups == group].sum(axis=0) for group in np.unique(groups)])
    return np.asarray(sums[:, _NEUTROPHIL] / np.maximum(sums[:, _LYMPHOCYTE], 1e-6))


def _rank_correlation(first: DoubleArray, second: DoubleArray) -> float:
    if len(set(first.tolist())) < 2 or len(set(second.tolist())) < 2:
        return float("nan")
    return float(spearmanr(first, second).statistic)


def _known(value: float) -> float | None:
    """For JSON, which has no NaN."""
    return value if np.isfinite(value) else None


def _from_slides(workspace: Workspace, tools: SlideTools, count: int, reporter: Reporter) -> Lesson:
    """Tiles of the development patients, counted by espark-mini."""
    teacher = load_encoder(EMBEDDED)
    patients = [patient for patient in workspace.cohort.development if patient.files.slides]
    slides = [(number, patient, path) for number, patient in enumerate(patients) for path in patient.files.slides]
    features, counts, groups = [], [], []
    with reporter.track("tiles that teach", len(slides)) as advance:
        for number, patient, path in slides:
            with open_slide(path, mpp=patient.files.slide_mpp) as slide:
                tiles = _spread_tiles(slide, tools, max(1, count // len(slides)))
            counted = teacher.expected_counts(teacher.encode_tiles(tiles))
            assert counted is not None
            features.append(tools.encoder.encode_tiles(tiles))
            counts.append(counted.astype(np.float64))
            groups.append(np.full(len(tiles), number))
            advance()
    if not slides:
        raise InputError("no development patient has a slide", where=workspace.layout.cohort)
    return Lesson(np.concatenate(features), np.concatenate(counts), np.concatenate(groups), teacher.name)


def _spread_tiles(slide: Slide, tools: SlideTools, count: int) -> ByteArray:
    """Usable tiles spread evenly over the tissue of a slide, at most ``count``, in the study's stain."""
    encoder, tissue = tools.encoder, find_tissue(slide)
    grid = tile_grid(slide, tissue, tile_px=encoder.tile_px, mpp=encoder.mpp, min_tissue=tools.min_tissue)
    source = slide_stain(slide, grid, tissue, tools.stain) if tools.stain else None
    chosen = np.unique(np.linspace(0, max(0, len(grid) - 1), min(count, len(grid))).round().astype(int))
    sample = dataclasses.replace(grid, coords=grid.coords[chosen], tissue_fraction=grid.tissue_fraction[chosen])
    runs = [run.usable for run in usable_tiles(slide, sample, tissue, stain=tools.stain, source=source)]
    nothing = np.zeros((0, encoder.tile_px, encoder.tile_px, 3), np.uint8)
    return np.concatenate([nothing, *runs])


def _from_table(path: Path, tools: SlideTools) -> Lesson:
    """Tiles counted by a person."""
    table = read_table(path, key="tile")
    names = table.column("tile")
    counts = np.stack([table.number_column(cell) for cell in COUNTED_CELLS], axis=1)
    if len(wrong := np.flatnonzero(~(counts >= 0).all(axis=1))):
        raise TableError(
            "a count is missing or negative",
            where=table.where(int(wrong[0])),
            expected="a number of cells, 0 or more, in each column",
        )
    tiles = np.stack(list(_pictures([path.parent / name for name in names], tools.encoder.tile_px)))
    return Lesson(tools.encoder.encode_tiles(tiles), counts, np.arange(len(tiles)), "a person")


def _pictures(paths: list[Path], side: int) -> Iterator[ByteArray]:
    for path in paths:
        try:
            with Image.open(path) as picture:
                tile = np.asarray(picture.convert("RGB"))
        except OSError as error:
            raise InputError("the tile cannot be read", where=path, expected="a picture (PNG, JPEG)") from error
        if tile.shape[:2] != (side, side):
            raise InputError(
                f"the tile has {tile.shape[1]} × {tile.shape[0]} pixels", where=path, expected=f"{side} × {side}"
            )
        yield tile
