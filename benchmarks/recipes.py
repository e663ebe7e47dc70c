"""Candidates for a recipe of the models, side by side on several prepared trials over fresh label draws.

    espark simulate trial seed-21 --patients 344 --seed 21       # likewise 22 and 23
    espark prepare seed-21
    python benchmarks/recipes.py seed-21 seed-22 seed-23         # ten draws each, candidates that train in seconds
    python benchmarks/recipes.py seed-21 seed-22 seed-23 --candidates lean published
    python benchmarks/recipes.py seed-21 --null 50 --candidates robust
    python benchmarks/recipes.py seed-21 seed-22 --once          # a quick look: one fit instead of fifty

With `--once`, each candidate is fitted once on all development patients and answers without calibration.

The protocol of the choice is in docs/decisions/models.md. Prepared images are read once and used in every draw. Each
candidate of each draw is a file in the work folder, so that the command resumes. What is judged are the external
patients, pooled, by the share of the oracle: (AUC − ½) / (oracle's AUC − ½), both expected under the true
probabilities. In a trial the interval is 95 % over draws (t), which share patients and images; over the trials it is
that of the means of the trials. The last column is the difference to the reference in the same draws.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from label_draws import SEEN, expected_slope
from scipy.special import expit
from trial_draws import mean_and_half

from espark.code_hash import code_hash
from espark.files import digest, read_json, write_json
from espark.simulate.trial.trial import redraw_labels
from espark.statistics.auc import attained_share, expected_auc, paired_delong
from espark.statistics.calibration import to_logit
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.train import model_settings
from espark.training.cross_validation import Development, cross_validate_members
from espark.training.folds import draw_splits
from espark.training.inputs import Inputs
from espark.training.members.build import train_members
from espark.training.settings import ModelSettings
from espark.types import DoubleArray, IntArray
from espark.work.workers import side_by_side
from espark.workspace.config import StudyConfig
from espark.workspace.opened import open_workspace
from espark.workspace.recipes import RECIPES

ALL_MODELS = ("mscalect", "cytopath", "espark")
ROBUST = RECIPES["robust"].values
TUMOR = ("leading:tumor", "ridge:tumor", "components:tumor")
BOTH = ("ridge:tumor", "components:tumor", "ridge:esophagus", "components:esophagus")
FIRST_CT = ("leading", "ridge", "components", "ridge:tumor", "components:tumor")
FIRST_SLIDES = ("amounts", "profile", "highest", "vectors")
"""The voices of `robust` before any trial was looked at."""

LATER = ("ct two voices, tumor", "slides biomarkers", "slides biomarkers, amounts",
         "slides biomarkers, amounts, profile", "robust")  # fmt: skip
"""Candidates that were added after seed 21 had been looked at."""
REFERENCE = "robust"
TITLES = {"mscalect": "MScaleCT", "cytopath": "CytoPath", "espark": "eSPARK"}


@dataclass(frozen=True)
class Candidate:
    """Settings to be compared.

    Attributes:
        models: the models that they concern.
        values: what differs from the published settings, by section and key of study.toml.
        quick: whether it trains in seconds.
    """

    models: tuple[str, ...]
    values: dict[str, dict[str, Any]]
    quick: bool = True


def ct(*voices: str, **more: Any) -> Candidate:
    """MScaleCT alone, with other voices than the recipe's."""
    return Candidate(("mscalect",), ROBUST | {"mscalect": ROBUST["mscalect"] | {"voices": voices} | more})


def slides(*voices: str) -> Candidate:
    """CytoPath alone, with other voices than the recipe's."""
    return Candidate(("cytopath",), ROBUST | {"cytopath": ROBUST["cytopath"] | {"voices": voices}})


def candidates() -> dict[str, Candidate]:
    """By name, everything that is compared."""
    single_ct = ("leading", "ridge", "components", *TUMOR, "ridge:esophagus", "components:esophagus")
    return {
        **{f"ct {name}": ct(name) for name in single_ct},
        "ct leading unlike": ct("leading", max_correlation=0.9),
        "ct all image types, ridge": ct("ridge", features=("*",)),
        "ct all image types, components": ct("components", features=("*",)),
        "ct three voices": ct("leading", "ridge", "components"),
        "ct three voices, tumor": ct(*TUMOR),
        "ct three voices, and tumor": ct(*FIRST_CT),
        "ct two voices, tumor": ct("ridge:tumor", "components:tumor"),
        "ct three voices, and each scale": ct("leading", "ridge", "components", *BOTH),
        **{f"slides {name}": slides(name) for name in (*FIRST_SLIDES, "biomarkers")},
        "slides amounts, profile": slides("amounts", "profile"),
        "slides amounts, profile, highest": slides("amounts", "profile", "highest"),
        "slides all voices": slides(*FIRST_SLIDES),
        "slides biomarkers, amounts": slides("biomarkers", "amounts"),
        "slides biomarkers, amounts, profile": slides("biomarkers", "amounts", "profile"),
        "robust, first voices": Candidate(
            ALL_MODELS,
            ROBUST
            | {"mscalect": ROBUST["mscalect"] | {"voices": FIRST_CT}}
            | {"cytopath": ROBUST["cytopath"] | {"voices": FIRST_SLIDES}},
        ),
        REFERENCE: Candidate(ALL_MODELS, ROBUST),
        "robust, one split": Candidate(ALL_MODELS, ROBUST | {"protocol": ROBUST["protocol"] | {"repeats": 1}}),
        "lean": Candidate(ALL_MODELS, RECIPES["lean"].values, quick=False),
        "published": Candidate(ALL_MODELS, RECIPES["published"].values, quick=False),
    }


@dataclass(frozen=True)
class Trial:
    """A prepared trial, with everything that does not change between draws.

    Attributes:
        inputs: all patients.
        development: places of the development patients.
        external: places of the external patients.
        centers: of the development patients.
        truth: one row a patient, in the order of ``inputs``.
        settings: those of the trial's study.toml.
        config: the study.
    """

    inputs: Inputs
    development: IntArray
    external: IntArray
    centers: tuple[str, ...]
    truth: pd.DataFrame
    settings: ModelSettings
    config: StudyConfig


@functools.lru_cache(maxsize=1)
def read_trial(folder: Path) -> Trial:
    """Read what `prepare` wrote, once a process."""
    workspace = open_workspace(folder)
    study = load_inputs(workspace)
    ids = study.inputs.patient_ids
    roles = np.array([workspace.cohort[patient_id].role for patient_id in ids])
    development = np.flatnonzero(roles == "development")
    truth = pd.read_csv(folder / "truth" / "patients.csv", dtype={"patient_id": str}).set_index("patient_id")
    return Trial(
        study.inputs,
        development,
        np.flatnonzero(roles == "external"),
        tuple(workspace.cohort[ids[place]].center for place in development),
        truth.loc[list(ids)],
        model_settings(workspace, study.encoder),
        workspace.config,
    )


@functools.lru_cache(maxsize=1)
def drawn_labels(folder: Path, draws: int, null: bool) -> pd.DataFrame:
    """(patients, draws) fresh labels, one row a patient id."""
    return redraw_labels(folder, draws, null=null).set_index("patient_id")


@dataclass(frozen=True)
class Job:
    """One candidate in one draw of one trial."""

    folder: Path
    draw: int
    draws: int
    null: bool
    name: str
    target: Path
    once: bool = False

    def key(self) -> str:
        """Hash of the settings, the code and the question."""
        code = code_hash([train_members.__module__], within=("espark.training", "espark.models", "espark.statistics"))
        return digest([code, repr(candidates()[self.name]), self.draw, self.null, self.once])


def run(job: Job) -> None:
    """Train the candidate on every fold and write how it answers for the external patients."""
    if job.target.exists() and read_json(job.target).get("key") == job.key():
        return
    trial, candidate = read_trial(job.folder), candidates()[job.name]
    labels = drawn_labels(job.folder, job.draws, job.null)[f"pcr_{job.draw}"]
    of = labels.reindex(list(trial.inputs.patient_ids)).to_numpy()
    started = time.perf_counter()
    answer = answers_of_one_fit if job.once else answers_of
    answers = answer(trial, candidate, of[trial.development].astype(np.int64))
    seconds = time.perf_counter() - started
    rows = {model: scores(trial, model, found, of[trial.external]) for model, found in answers.items()}
    if "espark" in answers:
        for part in ("mscalect", "cytopath"):
            found = paired_delong(of[trial.external], answers["espark"], answers[part])
            rows["espark"] |= {f"gain_{part}": found.difference, f"p_{part}": found.p_value}
    write_json(job.target, {"key": job.key(), "seconds": seconds, "models": rows})


def settings_of(trial: Trial, candidate: Candidate) -> ModelSettings:
    """Those of the trial, with the models of the candidate."""
    parts = {
        name: getattr(StudyConfig(), name).model_copy(update=candidate.values.get(name, {}))
        for name in ("mscalect", "cytopath", "espark")
    }
    return replace(trial.settings, **parts)


def answers_of_one_fit(trial: Trial, candidate: Candidate, labels: IntArray) -> dict[str, DoubleArray]:
    """By model, (external patients,) what one fit on all development patients answers, not calibrated."""
    part, others = trial.inputs.subset(trial.development), trial.inputs.subset(trial.external)
    found = train_members(candidate.models, part, labels, settings_of(trial, candidate), trial.config.fold_seed(0))
    return {model: expit(found[model].logits(others)) for model in candidate.models}


def answers_of(trial: Trial, candidate: Candidate, labels: IntArray) -> dict[str, DoubleArray]:
    """By model, (external patients,) the vote of all folds."""
    config, protocol = trial.config, trial.config.protocol
    settings = settings_of(trial, candidate)
    protocol = protocol.model_copy(update=candidate.values.get("protocol", {}))
    splits = draw_splits(labels.tolist(), trial.centers, protocol, config.study.seed)
    development = Development(trial.inputs.subset(trial.development), labels, splits)
    members = []
    for fold in range(protocol.members):
        seen = development.seen(fold)
        part = development.inputs.subset(seen)
        members.append(train_members(candidate.models, part, labels[seen], settings, config.fold_seed(fold)))
    others = trial.inputs.subset(trial.external)
    found = {}
    for model in candidate.models:
        trained = [member[model] for member in members]
        voted = cross_validate_members(model, trained, development, others, protocol).answers(others)
        found[model] = np.array([np.nan if answer is None else answer.probability for answer in voted])
    return found


def scores(trial: Trial, model: str, probability: DoubleArray, labels: IntArray) -> dict[str, float]:
    """Figures of one model in one draw."""
    truth = trial.truth.iloc[trial.external]
    true, oracle = truth["p_pcr"].to_numpy(), truth[f"logit_{SEEN[model]}"].to_numpy()
    area = expected_auc(true, probability)
    return {
        "auc": area,
        "drawn_auc": expected_auc(labels.astype(float), probability),
        "share": attained_share(area, expected_auc(true, oracle)),
        "slope": expected_slope(true, probability),
        "true_slope": float(np.polyfit(to_logit(probability), oracle, 1)[0]),
    }


def summarise(rows: pd.DataFrame, null: bool) -> None:
    """Every candidate with its interval, by model: in each trial, over the trials, and against the reference."""
    what = "drawn_auc" if null else "share"
    for model, of_model in rows.groupby("model", sort=False):
        print(f"\n{TITLES[str(model)]}: {'AUC with labels that depend on nothing' if null else 'share of the oracle'}")
        table = of_model.pivot_table(index=["trial", "draw"], columns="candidate", values=what, sort=False)
        for name in table.columns:
            by_trial = [mean_and_half(part) for _, part in table[name].groupby("trial", sort=False)]
            told = "  ".join(f"{mean:.3f} ± {half:.3f}" for mean, half in by_trial)
            over, half = mean_and_half([mean for mean, _ in by_trial])
            versus = ""
            if REFERENCE in table and name != REFERENCE:
                difference, width = mean_and_half((table[name] - table[REFERENCE]).dropna())
                versus = f"  against {REFERENCE} {difference:+.3f} ± {width:.3f}"
            part = of_model[of_model["candidate"] == name]
            slopes = f"  slope {part['slope'].mean():.2f} (true {part['true_slope'].mean():.2f})"
            marked = f"{name} (added later)" if name in LATER else name
            print(f"{marked:<50} {told}  all {over:.3f} ± {half:.3f}{slopes}{versus}")
        if model == "espark" and not null:
            for name, part in of_model.groupby("candidate", sort=False):
                best = part[["gain_mscalect", "gain_cytopath"]].min(axis=1)
                below = ((part["gain_cytopath"] < 0) & (part["p_cytopath"] < 0.05)).sum()
                print(f"{name:<36} above both parts in {(best > 0).sum()} of {len(part)} draws; "
                      f"significantly below CytoPath in {below}")  # fmt: skip


def gather(jobs: Sequence[Job]) -> pd.DataFrame:
    """One row a candidate, draw and model."""
    found = []
    for job in jobs:
        content = read_json(job.target)
        for model, row in content["models"].items():
            common = {"trial": job.folder.name, "draw": job.draw, "candidate": job.name, "model": model}
            found.append(common | {"seconds": content["seconds"]} | row)
    return pd.DataFrame(found)


def main() -> None:
    known = candidates()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=Path, nargs="+")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--null", type=int, default=0, metavar="DRAWS", help="draws of labels that depend on nothing")
    parser.add_argument("--once", action="store_true", help="one fit on all development patients, not calibrated")
    parser.add_argument("--candidates", nargs="+", choices=tuple(known), metavar="NAME", help="default: all quick ones")
    parser.add_argument("--work", type=Path, default=Path("recipes"))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    names = options.candidates or [name for name, candidate in known.items() if candidate.quick]
    draws, kind = options.null or options.draws, "null" if options.null else "draw"
    kind = f"once-{kind}" if options.once else kind
    jobs = [
        Job(folder.resolve(), draw, draws, bool(options.null), name,
            options.work / folder.name / f"{kind}-{draw:02d}" / f"{name.replace(' ', '-').replace(':', '-')}.json",
            options.once)
        for folder in options.trials for draw in range(1, draws + 1) for name in names
    ]  # fmt: skip
    for done, _ in enumerate(side_by_side(run, jobs, workers=options.workers, ordered=False), start=1):
        print(f"\r{done} of {len(jobs)}", end="", flush=True)
    table = gather(jobs)
    table.to_csv(options.work / f"{kind}s.csv", index=False)
    print("\nseconds a draw:", table.groupby("candidate", sort=False)["seconds"].median().round(1).to_dict())
    summarise(table, bool(options.null))


if __name__ == "__main__":
    main()
