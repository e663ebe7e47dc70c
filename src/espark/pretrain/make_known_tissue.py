"""Describes the tissue that the embedded encoder knows: ``python -m espark.pretrain.make_known_tissue TRIAL``.

Known tissue is drawn with seeds from 1000 up, and joined by the slides of every other patient of a simulated trial (a
seed below 100), because a slide has passed a scanner. The limits of a slide come from a quarter of the patients; the
share of false alarms is measured on the last quarter. Run it again after each fit of the encoder, with ``--varied`` if
the fit has seen varied tissue. Slides of real tissue (``--look``) are only looked at: no limit depends on them.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.covariance import LedoitWolf

from espark.pathology.cells.known_tissue import STATISTICS, KnownTissue, fewer_of_both
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.encoders.load import EMBEDDED, load_encoder
from espark.pathology.features import SlideFeatures, encode_slide, read_slide_features
from espark.pathology.slide import open_slide
from espark.pretrain.encoder_pieces import draw_piece
from espark.pretrain.encoder_views import developed
from espark.simulate.histology.tile import simulate_tile
from espark.types import ByteArray, FloatArray

FIRST_SEED = 1000
_FALSE_ALARMS = 0.05
_CHECKS = 2
_RARE = 0.99
"""A tile is contradictory when it shows more lymphocytes together with tumor cells than this share of known tiles."""
_BATCH = 50
_TILE_PX = 256
_log = logging.getLogger("espark.pretrain.make_known_tissue")


def main(arguments: list[str] | None = None) -> None:
    """Compute the statistics, print how slides pass, and write them beside the weights."""
    parser = argparse.ArgumentParser(prog="python -m espark.pretrain.make_known_tissue", description=__doc__)
    parser.add_argument("trial", type=Path, help="folder of a simulated trial; prepared features are used if they fit")
    parser.add_argument("--slides", type=int, default=344, help="slides of the trial to use (default: %(default)s)")
    parser.add_argument("--tiles", type=int, default=1500, help="tiles to draw (default: %(default)s)")
    parser.add_argument("--varied", action="store_true", help="draw varied tissue too, as the fit does")
    parser.add_argument("--out", type=Path, default=STATISTICS, help="file to write (default: in the package)")
    parser.add_argument("--look", type=Path, nargs="*", default=[], help="files of features, of real slides")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    encoder = load_encoder(EMBEDDED)
    drawn, counts = drawn_tissue(encoder, options.tiles, draw_fit_tile if options.varied else draw_trial_tile)
    slides = list(trial_slides(options.trial, encoder, options.slides))
    known, alarms = fit_known_tissue(encoder.weights_hash, drawn, counts, slides)
    known.save(options.out, {"tiles": str(len(drawn)), "slides": str(len(slides)), "false_alarms": f"{alarms:.3f}"})
    _log.info("limits: distance %.3f, contradictory %.3f", known.distance_limit, known.contradictory_limit)
    _log.info("false alarms on slides that set no limit: %.1f %%", 100 * alarms)
    for path in options.look:
        features = read_slide_features(path)
        assert features.expected_counts is not None
        _log.info("%s: %s", path.name, known.judge(features.features, features.expected_counts))


def draw_trial_tile(rng: np.random.Generator) -> ByteArray:
    """A tile of the tissue of the virtual trial, uint8 (256, 256, 3)."""
    return simulate_tile(rng)[0]


def draw_fit_tile(rng: np.random.Generator) -> ByteArray:
    """A tile as the fit of the encoder draws its pieces, with varied tissue, uint8 (256, 256, 3)."""

    return developed(draw_piece(rng)[0], rng)[:_TILE_PX, :_TILE_PX]


def drawn_tissue(
    encoder: Encoder, count: int, draw: Callable[[np.random.Generator], ByteArray]
) -> tuple[FloatArray, FloatArray]:
    """Vectors and expected counts of drawn tiles."""
    vectors = []
    for start in range(0, count, _BATCH):
        seeds = range(FIRST_SEED + start, FIRST_SEED + min(start + _BATCH, count))
        tiles = np.stack([draw(np.random.default_rng([seed, 7])) for seed in seeds])
        vectors.append(encoder.encode_tiles(tiles))
        _log.info("drew %d of %d tiles", min(start + _BATCH, count), count)
    features = np.concatenate(vectors)
    counts = encoder.expected_counts(features)
    assert counts is not None
    return features, counts


def trial_slides(trial: Path, encoder: Encoder, count: int) -> Iterator[SlideFeatures]:
    """Features of evenly spaced slides of a trial: prepared ones if they belong to these weights, else encoded now."""
    paths = sorted((trial / "slides").glob("*.tif"))
    for index in np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)):
        path = paths[index]
        prepared = sorted((trial / "prepared" / "slides" / path.stem).glob("*.h5"))
        features = read_slide_features(prepared[0]) if prepared else None
        if features is None or features.encoder_weights != encoder.weights_hash:
            with open_slide(path) as slide:
                features = encode_slide(slide, encoder, name=path.stem)
        yield features


def fit_known_tissue(
    encoder_weights: str, drawn: FloatArray, drawn_counts: FloatArray, slides: Sequence[SlideFeatures]
) -> tuple[KnownTissue, float]:
    """The statistics with their limits, and the share of false alarms on slides that set neither.

    Args:
        encoder_weights: hash of the weights of the encoder.
        drawn: (n, dim) vectors of drawn tiles.
        drawn_counts: (n, counted cells) their expected counts.
        slides: at least four slides of a trial.
    """
    vectors = np.concatenate([drawn, *(slide.features for slide in slides[::2])]).astype(np.float64)
    counts = np.concatenate([drawn_counts, *(_counts(slide) for slide in slides[::2])])
    fitted = LedoitWolf().fit(vectors)
    whitening = np.linalg.cholesky(fitted.precision_)
    both = float(np.quantile(fewer_of_both(counts), _RARE))
    known = KnownTissue(encoder_weights, fitted.location_.astype(np.float32), whitening.astype(np.float32), both)
    found = [known.judge(slide.features, _counts(slide)) for slide in slides[1::4]]
    level = 1 - _FALSE_ALARMS / _CHECKS
    limited = replace(
        known,
        distance_limit=float(np.quantile([one.distance for one in found], level)),
        contradictory_limit=float(np.quantile([one.contradictory for one in found], level)),
    )
    others = [limited.judge(slide.features, _counts(slide)) for slide in slides[3::4]]
    return limited, float(np.mean([not one.reliable for one in others]))


def _counts(slide: SlideFeatures) -> FloatArray:
    assert slide.expected_counts is not None
    return slide.expected_counts


if __name__ == "__main__":
    main()
