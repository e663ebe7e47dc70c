"""Learning curves of a recipe on prepared virtual trials: what `espark plan` answers from.

    espark simulate seed-21 --patients 344 --seed 21      # likewise 22 and 23
    espark prepare seed-21
    python benchmarks/plan_curves.py seed-21 seed-22 seed-23          # writes src/espark/steps/plan/curves.csv

Each draw redraws the labels of all patients and takes a new sample of the patients of the development center, of all
trials together; the models are trained on it and judged on the external patients of the first trial. Every draw is a
file in the work folder, so that the command resumes. Sizes beyond the patients at hand are left out and printed.
"""

from __future__ import annotations

import argparse
import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from label_draws import expected_slope
from recipes import ALL_MODELS, Trial, drawn_labels, read_trial

from espark.code_hash import code_hash
from espark.files import digest, read_json, write_csv, write_json
from espark.statistics.auc import expected_auc
from espark.steps.plan.curves import CURVES, summarised
from espark.steps.plan.subsamples import Recipe, answers_of, gains
from espark.training.inputs import Inputs
from espark.training.members.build import train_members
from espark.workspace.config import StudyConfig
from espark.workspace.recipes import RECIPES

SIZES = (60, 120, 220, 240, 480)


@dataclass(frozen=True)
class Pool:
    """Patients of the development center of all trials, and the external patients of the first.

    Attributes:
        inputs: of everybody who may be drawn.
        labels: (patients, draws) fresh labels.
        external: whom the models are judged on.
        external_labels: (patients, draws).
        truth: true probabilities of the external patients.
        oracle: AUC of the best possible answer from CT and slides.
    """

    inputs: Inputs
    labels: np.ndarray
    external: Inputs
    external_labels: np.ndarray
    truth: np.ndarray
    oracle: float


def joined(parts: list[Inputs]) -> Inputs:
    """The patients of several trials as one table."""
    first = parts[0]
    return replace(
        first,
        patient_ids=tuple(f"{number}-{one}" for number, part in enumerate(parts) for one in part.patient_ids),
        radiomics=np.concatenate([part.radiomics for part in parts]),
        bags=tuple(bag for part in parts for bag in part.bags),
        clinical=tuple(row for part in parts for row in part.clinical),
        repeats=(),
    )


@functools.lru_cache(maxsize=1)
def read_pool(folders: tuple[Path, ...], draws: int) -> tuple[Pool, Trial]:
    """Read what `prepare` wrote, once."""
    trials = [read_trial(folder) for folder in folders]
    ours = [np.setdiff1d(np.arange(len(trial.inputs)), trial.external) for trial in trials]
    labels = [
        drawn_labels(folder, draws, False).reindex(list(trial.inputs.patient_ids)).to_numpy(float)[:, -draws:]
        for folder, trial in zip(folders, trials, strict=True)
    ]
    first = trials[0]
    truth = first.truth.iloc[first.external]
    pool = Pool(
        joined([trial.inputs.subset(places) for trial, places in zip(trials, ours, strict=True)]),
        np.concatenate([own[places] for own, places in zip(labels, ours, strict=True)]),
        first.inputs.subset(first.external),
        labels[0][first.external],
        truth["p_pcr"].to_numpy(),
        expected_auc(truth["p_pcr"].to_numpy(), truth["logit_both"].to_numpy()),
    )
    return pool, first


def one_draw(pool: Pool, trial: Trial, recipe: str, n: int, draw: int) -> dict[str, float]:
    """Train on a sample of n patients with fresh labels, and judge on the external patients."""
    rng = np.random.default_rng([n, draw])
    chosen = np.sort(rng.choice(len(pool.inputs), n, replace=False))
    labels = pool.labels[chosen, draw - 1].astype(np.int64)
    values = RECIPES[recipe].values
    parts = {name: getattr(StudyConfig(), name).model_copy(update=values.get(name, {}))
             for name in ("mscalect", "cytopath", "espark")}  # fmt: skip
    protocol = trial.config.protocol.model_copy(update=values.get("protocol", {}))
    how = Recipe(ALL_MODELS, replace(trial.settings, **parts), protocol, draw).of_curves()
    answers = answers_of(how, pool.inputs.subset(chosen), labels, ("A",) * n, pool.external)
    row: dict[str, float] = {"n": n, "draw": draw, "positive": float(labels.sum()), "oracle": pool.oracle}
    for model, found in answers.items():
        row[f"auc_{model}"] = expected_auc(pool.truth, found)
        row[f"slope_{model}"] = expected_slope(pool.truth, found)
    return row | gains(answers, pool.external_labels[:, draw - 1].astype(np.int64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=Path, nargs="+")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="robust")
    parser.add_argument("--work", type=Path, default=Path("plan-curves"))
    parser.add_argument("--out", type=Path, default=CURVES)
    options = parser.parse_args()
    folders = tuple(folder.resolve() for folder in options.trials)
    pool, trial = read_pool(folders, options.draws)
    sizes = [n for n in options.sizes if n <= len(pool.inputs)]
    print(f"{len(pool.inputs)} patients may be drawn; left out: {sorted(set(options.sizes) - set(sizes)) or 'no size'}")
    code = code_hash([train_members.__module__], within=("espark.training", "espark.models", "espark.statistics"))
    key = digest([code, [folder.name for folder in folders], options.recipe, 5])
    rows = []
    for draw in range(1, options.draws + 1):
        for n in sizes:
            target = options.work / f"n-{n}-draw-{draw:02d}.json"
            if not target.exists() or read_json(target)["key"] != key:
                write_json(target, {"key": key, "row": one_draw(pool, trial, options.recipe, n, draw)})
            rows.append(read_json(target)["row"])
            print(f"draw {draw}, n = {n}: eSPARK {rows[-1]['auc_espark']:.3f}", flush=True)
        write_csv(options.out, summarised(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
