"""Gated attention on MUSK1 and MUSK2, as in Ilse, Tomczak and Welling (ICML 2018, table 1).

    python benchmarks/musk.py                  # both, 10 folds, 5 times: about ten minutes on one core
    python benchmarks/musk.py --repeats 1

A molecule is a bag of conformations with 166 features; it smells of musk when any of them does. Fixed in advance, as
published: 10-fold cross-validation run 5 times, one bag a step, 100 epochs, learning rate 5e-4, weight decay 5e-3.
Here it is the project's own network and training loop: one layer of 256 before the attention of width 128 (the
published network has three, of 256, 128 and 64), AdamW with a cosine schedule, and the last epoch counts (published:
the epoch with the lowest validation error). Features are standardized on the training folds.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold

from espark.models.aggregators.aggregator import pad_bags
from espark.models.aggregators.build import build_aggregator
from espark.training.fitting import fit, seeded
from espark.workspace.config import CytoPathSettings

DATA = Path(os.environ.get("ESPARK_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "mil"
PUBLISHED = {"Musk1": (0.900, 0.050), "Musk2": (0.863, 0.042)}
FOLDS = 10
SETTINGS = CytoPathSettings(
    epochs=100, learning_rate=5e-4, weight_decay=5e-3, warmup_epochs=0, label_smoothing=0.0, batch_size=1
)


def accuracy(
    instances: np.ndarray, bag: np.ndarray, labels: np.ndarray, held_out: np.ndarray, seed: int, epochs: int
) -> float:
    """Share of the held-out bags whose label is predicted, after training on the others."""
    in_training = ~held_out[bag]
    mean, sd = instances[in_training].mean(axis=0), instances[in_training].std(axis=0)
    scaled = ((instances - mean) / np.where(sd > 0, sd, 1.0)).astype(np.float32)
    bags = [torch.from_numpy(scaled[bag == index]) for index in range(len(labels))]
    settings = SETTINGS.model_copy(update={"epochs": epochs})
    seen = np.flatnonzero(~held_out)
    targets = torch.from_numpy(labels[seen])
    with seeded(seed):
        net = build_aggregator("gated-attention", instances.shape[1], hidden=256, attention=128)

        def loss_of(batch: torch.Tensor) -> torch.Tensor:
            return net.loss(*pad_bags([bags[seen[index]] for index in batch.tolist()]), targets[batch], 0.0)

        fit(net, [f"bag {index}" for index in seen], targets, loss_of, settings)
        with torch.no_grad():
            answers = [int(net(*pad_bags([bags[index]]))[0].argmax()) for index in np.flatnonzero(held_out)]
    return float(np.mean(np.array(answers) == labels[held_out]))


def masks(labels: np.ndarray, stored: np.ndarray | None, repeats: int) -> np.ndarray:
    """(repeats, folds, bags) which bags each fold holds out: the published folds where there are any."""
    if stored is not None:
        return stored[:repeats]
    found = np.zeros((repeats, FOLDS, len(labels)), dtype=bool)
    for repeat in range(repeats):
        splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=repeat)
        for fold, (_, validation) in enumerate(splitter.split(labels, labels)):
            found[repeat, fold, validation] = True
    return found


def evaluate(name: str, repeats: int, *, folds: int = FOLDS, epochs: int = SETTINGS.epochs) -> np.ndarray:
    """(repeats, folds) accuracies, in the first so many folds of each run."""
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as file:
        content = {key: file[key] for key in file}
    labels = content["y"].astype(np.int64)
    found = np.zeros((repeats, folds))
    for repeat, held_out_of in enumerate(masks(labels, content.get("test_mask"), repeats)):
        for fold, held_out in enumerate(held_out_of[:folds]):
            seed = 100 * repeat + fold
            found[repeat, fold] = accuracy(content["X"], content["bag"], labels, held_out, seed, epochs)
        print(f"  {name}, run {repeat + 1} of {repeats}: {found[repeat].mean():.3f}", file=sys.stderr, flush=True)
    return found


def spread_of(values: np.ndarray) -> str:
    return f"{values.std(ddof=1):.3f}" if values.size > 1 else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folds", type=int, default=FOLDS, help="how many of the ten folds are trained")
    parser.add_argument("--epochs", type=int, default=SETTINGS.epochs)
    parser.add_argument("--data", choices=list(PUBLISHED), default=None, help="one of the two; both by default")
    options = parser.parse_args()
    print("data   folds  accuracy  SD over folds  SD over runs  published        criterion")
    for name in [options.data] if options.data else list(PUBLISHED):
        found = evaluate(name, options.repeats, folds=options.folds, epochs=options.epochs)
        published, spread = PUBLISHED[name]
        verdict = "PASS" if found.mean() >= published - spread else "FALLS SHORT"
        runs = spread_of(found.mean(axis=1))
        print(
            f"{name}  {found.size:5d}  {found.mean():8.3f}  {spread_of(found):>13}  "
            f"{runs:>12}  {published:.3f} ± {spread:.3f}    ≥ {published - spread:.3f}: {verdict}",
            flush=True,
        )


if __name__ == "__main__":
    main()
