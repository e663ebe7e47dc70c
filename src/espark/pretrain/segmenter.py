"""Fits the embedded segmenter: ``python -m espark.pretrain.segmenter --real OPENKBP_FOLDER``.

Real CTs teach the esophagus of neck and upper chest; simulated chests (seeds from 1000 up, never those of the virtual
trial) teach its whole length and the tumor. Simulated scans and the state of the fit are kept in the work folder:
killed at any moment, the command continues where it was.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from espark.ct.segmentation.weights_file import SHIPPED, save_network
from espark.pretrain.segmenter_scans import FOLDS, fold_names, load_real, load_simulated, real_names
from espark.training.segmentation_fit import SegmenterFit, fit_segmenter

_log = logging.getLogger("espark.pretrain.segmenter")


def main(arguments: list[str] | None = None) -> None:
    """Draw chests, fit, and write the weights."""
    defaults = SegmenterFit()
    parser = argparse.ArgumentParser(prog="python -m espark.pretrain.segmenter", description=__doc__)
    parser.add_argument("--real", type=Path, required=True, help="folder of OpenKBP: <name>_ct.nii.gz, _oar.nii.gz")
    parser.add_argument("--work", type=Path, default=Path("segmenter-work"), help="folder for chests and checkpoints")
    parser.add_argument("--out", type=Path, default=None, help="folder for the weights (default: the package)")
    parser.add_argument("--chests", type=int, default=80, help="simulated chests to draw (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=defaults.steps, help="optimizer steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="at least 1000 (default: %(default)s)")
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="leave out this fold of the cross-validation")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(options.threads)
    left_out = [] if options.fold is None else fold_names(options.real, options.fold)
    names = [name for name in real_names(options.real) if name not in left_out]
    real = [scan for name in names if (scan := load_real(options.real, name)) is not None]
    _log.info("%d real scans, %d of them without a usable contour", len(names), len(names) - len(real))
    simulated = load_simulated(options.work, options.chests, report=_log.info)
    part = "all" if options.fold is None else f"fold-{options.fold}"
    settings = SegmenterFit(seed=options.seed, steps=options.steps)
    network = fit_segmenter(real, simulated, settings, options.work / f"fit-{part}-{options.seed}.pt", _log.info)
    out = options.out or (SHIPPED if options.fold is None else options.work / part)
    facts = {"seed": options.seed, "steps": options.steps, "real": len(real), "simulated": len(simulated), "part": part}
    save_network(out, network, {name: str(value) for name, value in facts.items()})
    _log.info("wrote %s", out)


if __name__ == "__main__":
    main()
