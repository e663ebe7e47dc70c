"""Does an aggregator learn the rule or its patients? One fold model on artificial bags, in training and on new bags.

    espark demo demo
    python benchmarks/memorizing.py demo
    python benchmarks/memorizing.py demo --aggregators transmil --batch-size 16 --learning-rate 1e-4

A bag holds 60 tiles of the study's patients, drawn with a preference for tiles with many neutrophils for their
lymphocytes. The preference of a bag is normal, and the log-odds of its label are 1.5 times the preference − 0.7. So the
AUC of the preference itself is the ceiling. All tiles enter.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.special import expit

from espark.cells import COUNTED_CELLS
from espark.models.aggregators.catalogue import AGGREGATORS
from espark.statistics.auc import auc
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.training.inputs import Bag, Inputs
from espark.training.members.cytopath import CytoPathMember
from espark.training.settings import ModelSettings
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings
from espark.workspace.opened import open_workspace

TILES, SLOPE, INTERCEPT, PREFERENCE = 60, 1.5, -0.7, 0.6


def drawn_patients(tiles: Bag, count: int, seed: int) -> tuple[Inputs, np.ndarray, np.ndarray]:
    """Bags, labels and preferences of new patients."""
    assert tiles.counts is not None
    lymphocytes, neutrophils = (tiles.counts[:, COUNTED_CELLS.index(name)] for name in ("lymphocyte", "neutrophil"))
    ratio = np.log(neutrophils + 0.1) - np.log(lymphocytes + 0.1)
    ratio = (ratio - ratio.mean()) / ratio.std()
    rng = np.random.default_rng(seed)
    preference = rng.normal(size=count)
    labels = (rng.random(count) < expit(SLOPE * preference + INTERCEPT)).astype(np.int64)
    bags = []
    for own in preference:
        weight = np.exp(PREFERENCE * own * ratio)
        chosen = rng.choice(len(tiles), TILES, p=weight / weight.sum())
        bags.append(Bag(tiles.features[chosen], None))
    ids = tuple(map(str, range(count)))
    return Inputs(ids, (), (), np.zeros((count, 0), np.float32), tuple(bags)), labels, preference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="a prepared study whose encoder counts cells")
    parser.add_argument("--aggregators", nargs="+", choices=tuple(AGGREGATORS), default=list(AGGREGATORS))
    parser.add_argument("--patients", type=int, default=158)
    parser.add_argument("--others", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=CytoPathSettings().epochs)
    parser.add_argument("--batch-size", type=int, default=CytoPathSettings().batch_size)
    parser.add_argument("--learning-rate", type=float, default=CytoPathSettings().learning_rate)
    options = parser.parse_args()
    bags = [bag for bag in load_inputs(open_workspace(options.study)).inputs.bags if bag is not None]
    counts = [bag.counts for bag in bags if bag.counts is not None]
    tiles = Bag(np.concatenate([bag.features for bag in bags]), None, np.concatenate(counts))
    seen, labels, _ = drawn_patients(tiles, options.patients, 0)
    others, other_labels, preference = drawn_patients(tiles, options.others, 1)
    print(f"ceiling on {options.others} new bags: AUC {auc(other_labels, preference).value:.3f}")
    for name in options.aggregators:
        chosen = CytoPathSettings(
            aggregator=name,
            cell_type_selection=False,
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
        )
        member = CytoPathMember.train(seen, labels, ModelSettings(MScaleCTSettings(), chosen, ESparkSettings()), 1)
        known, new = auc(labels, member.logits(seen)), auc(other_labels, member.logits(others))
        told = f"{new.value:.3f} ({new.ci_low:.3f} to {new.ci_high:.3f})"
        print(f"{name:<16} AUC in training {known.value:.3f}, on new bags {told}", flush=True)


if __name__ == "__main__":
    main()
