"""Fits the embedded segmenter: ``python -m espark.pretrain.make_segmenter --real OPENKBP_FOLDER``.

Two parts, one after the other. Simulated chests (seeds from 1000 up, never those of the virtual trial) teach where the
esophagus runs, its whole length and the tumor; then real CTs of neck and upper chest join them. The first part sees no
real CT, so that the folds of the cross-validation share it. Simulated scans and the state of the fit are kept in the
work folder: killed at any moment, the command continues where it was.
"""

from __future__ import annotations

import argparse
import logging
from functools import partial
from pathlib import Path

import torch

from espark.ct.segmentation.fit.network_fit import SegmenterFit, fit_segmenter
from espark.ct.segmentation.weights_file import SHIPPED, save_network
from espark.models.devices import choose_device
from espark.models.unet import UNetShape
from espark.pretrain.segmenter_scans import FOLDS, fold_names, load_real, load_simulated, real_names

CHESTS = 240
FIRST_STEPS = 5000
STEPS = 3500
WIDTHS = (32, 64, 128, 256)

_FIRST_RATE = 2e-3
_RATE = 1e-3
_BATCH = 8
_AVERAGE = 0.998

_log = logging.getLogger("espark.pretrain.make_segmenter")


def main(arguments: list[str] | None = None) -> None:
    """Draw chests, fit, and write the weights."""
    parser = argparse.ArgumentParser(prog="python -m espark.pretrain.make_segmenter", description=__doc__)
    parser.add_argument("--real", type=Path, required=True, help="folder of OpenKBP: <name>_ct.nii.gz, _oar.nii.gz")
    parser.add_argument("--work", type=Path, default=Path("segmenter-work"), help="folder for chests and checkpoints")
    parser.add_argument("--out", type=Path, default=None, help="folder for the weights (default: the package)")
    parser.add_argument("--chests", type=int, default=CHESTS, help="simulated chests to draw (default: %(default)s)")
    parser.add_argument(
        "--first-steps", type=int, default=FIRST_STEPS, help="on simulated chests (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help="on real CTs and chests (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1000, help="at least 1000 (default: %(default)s)")
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="leave out this fold of the cross-validation")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<number> (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(options.threads)
    simulated = load_simulated(options.work, options.chests, report=_log.info)
    first = SegmenterFit(
        seed=options.seed, steps=options.first_steps, batch=_BATCH, learning_rate=_FIRST_RATE, average=_AVERAGE
    )
    fit = partial(fit_segmenter, report=_log.info, device=choose_device(options.device))
    network = fit([], simulated, first, options.work / f"first-{options.seed}.pt", shape=UNetShape(WIDTHS))
    left_out = [] if options.fold is None else fold_names(options.real, options.fold)
    names = [name for name in real_names(options.real) if name not in left_out]
    real = [scan for name in names if (scan := load_real(options.real, name)) is not None]
    _log.info("%d real scans, %d of them without a usable contour", len(names), len(names) - len(real))
    part = "all" if options.fold is None else f"fold-{options.fold}"
    second = SegmenterFit(
        seed=options.seed + 1, steps=options.steps, batch=_BATCH, learning_rate=_RATE, average=_AVERAGE
    )
    checkpoint = options.work / f"fit-{part}-{options.seed}.pt"
    network = fit(real, simulated, second, checkpoint, start=network)
    out = options.out or (SHIPPED if options.fold is None else options.work / part)
    facts = {
        "seed": options.seed, "first_steps": options.first_steps, "steps": options.steps, "batch": _BATCH,
        "real": len(real), "simulated": len(simulated), "part": part,
    }  # fmt: skip
    save_network(out, network, {name: str(value) for name, value in facts.items()})
    _log.info("wrote %s", out)


if __name__ == "__main__":
    main()
