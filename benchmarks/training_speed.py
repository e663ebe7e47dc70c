"""Training the fusion of eSPARK beside the published fusion stage: same tiles, folds, epochs and machine, in one run.

    python benchmarks/training_speed.py            # the paper's shapes: 180 patients, 800 tiles of 512 numbers
    python benchmarks/training_speed.py --folds 2 --epochs 2    # a quick look at the ratio

The yardstick follows the published recipe: batch 1, AdamW, 25 epochs, one fold after the other with all threads of the
machine, and every cohort (validation fold, internal test, two external) scored after each epoch, patient by patient.
Ours is `ESparkMember.train` as `espark train` calls it, folds in parallel processes. Both start from fresh weights and
are given the same CT vectors. Patients are random, with a label that tiles and radiomics tell in part.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from espark.statistics.auc import auc, paired_delong
from espark.training.fitting import learning_rate_factor, seeded
from espark.training.folds import draw_folds
from espark.training.inputs import Bag, Inputs, PackedInputs
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.mscalect import MScaleCTMember
from espark.training.preprocessing import TileSelector
from espark.training.settings import ModelSettings
from espark.work.workers import side_by_side
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings


def patients(count: int, tiles: int, dim: int, seed: int = 0) -> tuple[Inputs, np.ndarray]:
    """Random patients whose radiomics and tiles each tell the label in part."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.3).astype(np.int64)
    radiomics = rng.normal(size=(count, 200)).astype(np.float32)
    radiomics[:, :20] += 0.5 * labels[:, None]
    direction = rng.normal(size=dim) / np.sqrt(dim)
    bags = []
    for label in labels:
        number = round(tiles * rng.uniform(0.75, 1.25))
        telling = rng.random(number) < 0.15
        shift = telling * (2.0 * label - 1.0 + rng.normal())
        features = rng.normal(size=(number, dim)) / np.sqrt(dim) + shift[:, None] * direction / 2
        bags.append(Bag(features.astype(np.float32), None))
    names = tuple(tuple(f"f{index}" for index in range(100)) for _ in range(2))
    ids = tuple(f"p{index}" for index in range(count))
    return Inputs(ids, ("tumor", "esophagus"), names, radiomics, tuple(bags)), labels


class Published(nn.Module):
    """The published fusion network: gated attention over the tiles, a CT branch, a hidden layer over both."""

    def __init__(self, dim: int):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(dim, 256), nn.ReLU())
        self.signal = nn.Sequential(nn.Linear(256, 128), nn.Tanh())
        self.gate = nn.Sequential(nn.Linear(256, 128), nn.Sigmoid())
        self.score = nn.Linear(128, 1)
        self.slide = nn.Linear(256, 128)
        self.ct = nn.Sequential(nn.Linear(192, 192), nn.Sigmoid(), nn.Linear(192, 128))
        self.fusion = nn.Sequential(nn.Linear(256, 128), nn.Sigmoid(), nn.Linear(128, 2))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, tiles: torch.Tensor, ct: torch.Tensor) -> torch.Tensor:
        """Logits (1, 2) of one patient from tiles (n, dim) and CT vector (1, 192)."""
        hidden = self.first(tiles)
        attention = torch.softmax(self.score(self.signal(hidden) * self.gate(hidden)).t(), dim=1)
        logits: torch.Tensor = self.fusion(torch.cat([self.slide(attention @ hidden), self.ct(ct)], dim=1))
        return logits


@dataclass(frozen=True)
class Fold:
    """One fold: all patients, who is trained on, and what for."""

    packed: PackedInputs
    labels: np.ndarray
    seen: np.ndarray
    asked: np.ndarray
    others: np.ndarray
    ct: MScaleCTMember
    settings: ModelSettings
    seed: int


def published(fold: Fold) -> np.ndarray:
    """Train as published; log-odds of the validation fold after the last epoch."""
    inputs = fold.packed.unpack()
    vectors, chosen = fold.ct.embed(inputs), fold.settings.espark
    torch.manual_seed(fold.seed)
    net = Published(inputs.tile_dim)
    tiles = [torch.from_numpy(bag.features) for bag in inputs.bags if bag is not None]
    slow = list(net.ct.parameters())
    fast = [parameter for name, parameter in net.named_parameters() if not name.startswith("ct.")]
    groups: list[dict[str, Any]] = [
        {"params": fast},
        {"params": slow, "lr": chosen.learning_rate * chosen.ct_learning_rate_factor},
    ]
    optimizer = torch.optim.AdamW(groups, lr=chosen.learning_rate, weight_decay=chosen.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda epoch: learning_rate_factor(epoch, epochs=chosen.epochs, warmup=chosen.warmup_epochs)
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=chosen.label_smoothing)
    answers = np.zeros(len(fold.asked))
    for _ in range(chosen.epochs):
        net.train()
        for index in fold.seen[torch.randperm(len(fold.seen)).numpy()]:
            optimizer.zero_grad()
            label = torch.tensor([int(fold.labels[index])])
            criterion(net(tiles[index], vectors[index][None]), label).backward()
            optimizer.step()
        schedule.step()
        net.eval()
        with torch.no_grad():
            scores = [net(tiles[index], vectors[index][None])[0] for index in (*fold.asked, *fold.others)]
        answers = np.array([float(score[1] - score[0]) for score in scores[: len(fold.asked)]])
    return answers


def ours(fold: Fold) -> np.ndarray:
    """Train as `espark train` does; log-odds of the validation fold."""
    inputs = fold.packed.unpack()
    with seeded(fold.seed):
        fresh = CytoPathMember(TileSelector(None), CytoPathMember._network(inputs.tile_dim, fold.settings))
    part = inputs.subset(fold.seen)
    member = ESparkMember.train(part, fold.labels[fold.seen], fold.settings, fold.seed, fold.ct, fresh)
    return member.logits(inputs.subset(fold.asked))


def timed(name: str, answers: list[np.ndarray], folds: list[Fold], seconds: float, base: float | None) -> np.ndarray:
    """Say how long it took; the out-of-fold answers of the patients asked about."""
    found = np.concatenate(answers)
    labels = np.concatenate([fold.labels[fold.asked] for fold in folds])
    area = auc(labels, 1 / (1 + np.exp(-found)))
    times = "" if base is None else f"{base / seconds:5.2f} × as fast"
    interval = f"{area.value:.3f} ({area.ci_low:.3f} to {area.ci_high:.3f}, n = {len(labels)})"
    print(f"{name:<52} {seconds:8.1f} s  {times:<16} out-of-fold AUC {interval}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=180)
    parser.add_argument("--others", type=int, default=164, help="patients of the cohorts that the yardstick scores")
    parser.add_argument("--tiles", type=int, default=800)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--folds", type=int, default=10, help="how many of the ten folds are trained")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--fewer", type=int, default=200, help="tiles drawn per step in the arm with fewer tiles")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    inputs, labels = patients(options.patients + options.others, options.tiles, options.dim)
    fusion = ESparkSettings(epochs=options.epochs)
    slides = CytoPathSettings(cell_type_selection=False, max_tiles=10_000)
    settings = ModelSettings(MScaleCTSettings(), slides, fusion)
    development, others = np.arange(options.patients), np.arange(options.patients, len(labels))
    fold_of = draw_folds(labels[development].tolist(), ["A"] * options.patients, folds=10, seed=0)
    packed = PackedInputs.pack(inputs)
    folds = []
    for number in range(options.folds):
        seen, asked = np.flatnonzero(fold_of != number), np.flatnonzero(fold_of == number)
        ct = MScaleCTMember.train(inputs.subset(seen), labels[seen], settings, number)
        folds.append(Fold(packed, labels, seen, asked, others, ct, settings, number))
    shapes = f"{options.patients} patients, about {options.tiles} tiles of {options.dim}"
    threads = f"{options.workers} processes, {torch.get_num_threads()} threads for the yardstick"
    print(f"{options.folds} folds, {options.epochs} epochs, {shapes}; {threads}")
    start = time.perf_counter()
    answers = [published(fold) for fold in folds]
    base = time.perf_counter() - start
    reference = timed("published fusion stage", answers, folds, base, None)
    early = fusion.model_copy(update={"inner_share": 0.2, "patience": 5})
    fewer = slides.model_copy(update={"max_tiles": options.fewer})
    rounded = {"precision": "bfloat16"}
    bfloat16 = dataclasses.replace(
        settings, cytopath=slides.model_copy(update=rounded), espark=fusion.model_copy(update=rounded)
    )
    arms = {
        "eSPARK": settings,
        "eSPARK in bfloat16": bfloat16,
        "eSPARK, epoch by an inner split, patience 5": dataclasses.replace(settings, espark=early),
        f"eSPARK, {options.fewer} tiles a step": dataclasses.replace(settings, cytopath=fewer),
    }
    told = np.concatenate([labels[fold.asked] for fold in folds])
    for name, arm in arms.items():
        start = time.perf_counter()
        jobs = [dataclasses.replace(fold, settings=arm) for fold in folds]
        answers = list(side_by_side(ours, jobs, workers=options.workers))
        found = timed(name, answers, folds, time.perf_counter() - start, base)
        gain = paired_delong(told, 1 / (1 + np.exp(-found)), 1 / (1 + np.exp(-reference)))
        print(f"{'':<52} AUC minus the yardstick's {gain.difference:+.3f} "
              f"({gain.ci_low:+.3f} to {gain.ci_high:+.3f})")  # fmt: skip


if __name__ == "__main__":
    main()
