"""Fits the embedded encoder on simulated tissue: ``python -m espark.pretrain.make_encoder``.

Tissue is drawn once (seeds from 1000 up, never those of the virtual trial) and kept in the work folder; each step of
the fit cuts, turns, zooms and stains it differently each time. Killed at any moment, the command continues where
it was. On a CPU with one thread the defaults give the shipped weights; a GPU is faster and gives weights
like them, not the same bytes.
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

import torch

from espark.models.devices import choose_device
from espark.pathology.encoders.mini import SHIPPED, save_encoder
from espark.pretrain.encoder_fit import FitSettings, fit
from espark.pretrain.encoder_pieces import load_pieces
from espark.pretrain.encoder_words import VOCABULARY

FIT = 2
"""Which fit this is; 1 knew the tissue of the virtual trial alone."""

_log = logging.getLogger("espark.pretrain.make_encoder")


def main(arguments: list[str] | None = None) -> None:
    """Draw tissue, fit, and write weights and vocabulary."""
    defaults = FitSettings()
    parser = argparse.ArgumentParser(prog="python -m espark.pretrain.make_encoder", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("encoder-work"), help="folder for tissue and checkpoints")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder for the weights (default: the package)")
    parser.add_argument("--pieces", type=int, default=8_000, help="pieces of tissue to draw (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=defaults.steps, help="optimizer steps (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=defaults.batch, help="views per step (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="at least 1000 (default: %(default)s)")
    parser.add_argument("--start", default="", help="folder with weights to begin with (default: random weights)")
    parser.add_argument(
        "--learning-rate", type=float, default=defaults.learning_rate, help="at its peak (default: %(default)s)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes that draw tissue (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    pieces = load_pieces(options.work, options.pieces, workers=options.workers, report=_log.info)
    settings = FitSettings(
        seed=options.seed,
        steps=options.steps,
        batch=options.batch,
        learning_rate=options.learning_rate,
        start=options.start,
    )
    network = fit(pieces, VOCABULARY, settings, options.work, _log.info, device=device)
    notes = {"fit": FIT, "seed": options.seed, "pieces": len(pieces), "steps": options.steps, "batch": options.batch}
    save_encoder(options.out, network, VOCABULARY, {name: str(value) for name, value in notes.items()})
    _log.info("wrote %s", options.out)


if __name__ == "__main__":
    main()
