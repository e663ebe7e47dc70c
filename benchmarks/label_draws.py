"""The models on the virtual trial over fresh label draws of the same images, beside the oracle: one command, one table.

    espark simulate trial --patients 344 --seed 100
    espark prepare trial
    python benchmarks/label_draws.py trial                    # ten draws, the published settings
    python benchmarks/label_draws.py trial --recipe lean      # ten draws, another recipe
    python benchmarks/label_draws.py trial --null             # fifty draws of labels that depend on nothing

Every draw is a study of its own in the work folder (`draw-NN`, `null-NN`) that shares what `prepare` wrote, and is
trained by `espark train`: new folds, every model, operating points fitted out of fold. What is judged are the external
patients, pooled. Folds that are trained stay; a draw's answers lie in its folder as `external.csv`.

A model's share of the oracle is (AUC − ½) / (oracle's AUC − ½), both AUCs expected under the true probabilities: a pair
(i, j) weighs p_i (1 − p_j). The oracle sees what the model sees. Intervals are 95 % over draws (t); images and patients
are the same in all of them, so they hold for new labels, not for new patients.

The slope of the true logit on the predicted one is above 1 even for a model whose probabilities are right: what it does
not know pulls its probabilities to their mean, and so its logits more than the true ones. So the slope that perfect
calibration leaves is printed beside it, and the calibration slope under the true probabilities, 1 where they are right.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from trial_draws import Report, mean_and_half, null_bounds, study_of

from espark.bundle.folder import load_bundle
from espark.files import write_csv, write_json
from espark.outcome import NEGATIVE, POSITIVE
from espark.simulate.trial.trial import redraw_labels
from espark.statistics.auc import attained_share, auc, expected_auc, paired_delong
from espark.statistics.calibration import calibration_intercept, calibration_slope, to_logit
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.predictions import read_predictions
from espark.steps.train.train import train
from espark.training.members.catalogue import MODELS
from espark.types import Modality
from espark.work.progress import Reporter
from espark.workspace.config import read_config
from espark.workspace.opened import open_workspace
from espark.workspace.recipes import RECIPES

SEEN = {"mscalect": "ct", "cytopath": "slide", "espark": "both"}
WANTED_SHARE = {"espark": 0.85}
PAIRS = (("espark", "cytopath"), ("espark", "mscalect"))
ALONE: dict[str, tuple[Modality, str]] = {"espark_ct": ("ct", "mscalect"), "espark_slides": ("slides", "cytopath")}
"""eSPARK's answer from CT or slides alone, and the model with which it is compared."""
SLOPE = (0.8, 1.25)
NULL_BAND, COVERAGE_BAND, LOSS, WINS = 0.02, 0.03, 0.02, 0.9


def external_answers(folder: Path, workers: int) -> pd.DataFrame:
    """Train the study of a draw and write the answers of every model for the external patients to ``external.csv``."""
    workspace = open_workspace(folder)
    train(workspace, workers=workers, reporter=Reporter("quiet"))
    table = pd.DataFrame()
    for model in SEEN:
        found = read_predictions(workspace, model).query("role == 'external'").set_index("patient_id")
        if table.empty:
            table = found[["center"]].assign(label=found["label"].astype(int))
        table = table.assign(**{model: found["probability"], f"{model}_set": found["conformal_set"]})
    inputs = load_inputs(workspace).inputs
    places = [inputs.patient_ids.index(patient_id) for patient_id in table.index]
    bundle = load_bundle(workspace.layout.model("espark"))
    for name, (modality, _) in ALONE.items():
        answers = bundle.predict(inputs.subset(places).only(modality))
        table[name] = [np.nan if answer is None else answer.probability for answer in answers]
        table[f"{name}_set"] = ["" if answer is None else answer.conformal_set for answer in answers]
    table = table.reset_index()
    write_csv(folder / "external.csv", table)
    return table


def score(table: pd.DataFrame) -> dict[str, float]:
    """Every number of one draw. ``table`` holds answers, labels, ``p_pcr`` and the oracle logits of each patient."""
    labels, true = table["label"].to_numpy(), table["p_pcr"].to_numpy()
    row: dict[str, float] = {"n": len(table), "n_positive": int(labels.sum())}
    for name in (*SEEN, *ALONE):
        model = ALONE[name][1] if name in ALONE else name
        probability = table[name].to_numpy()
        oracle = table[f"logit_{SEEN[model]}"].to_numpy()
        row[f"auc_{name}"] = auc(labels, probability).value
        row[f"expected_{name}"] = expected_auc(true, probability)
        row[f"slope_{name}"] = calibration_slope(labels, probability).value
        row[f"intercept_{name}"] = calibration_intercept(labels, probability).value
        row[f"expected_slope_{name}"] = expected_slope(true, probability)
        row[f"true_slope_{name}"] = float(np.polyfit(to_logit(probability), oracle, 1)[0])
        if name in SEEN:
            row[f"oracle_{SEEN[name]}"] = expected_auc(true, oracle)
            row[f"drawn_oracle_{SEEN[name]}"] = auc(labels, 1 / (1 + np.exp(-oracle))).value
            row[f"share_{name}"] = attained_share(row[f"expected_{name}"], row[f"oracle_{SEEN[name]}"])
        row |= {f"{what}_{name}": value for what, value in sets(labels, table[f"{name}_set"]).items()}
    for one, other in PAIRS:
        found = paired_delong(labels, table[one].to_numpy(), table[other].to_numpy())
        row[f"gain_{other}"], row[f"p_{other}"] = found.difference, found.p_value
    return row


def expected_slope(true: np.ndarray, probability: np.ndarray) -> float:
    """Calibration slope over all labels that could have been drawn: logistic regression of the true probabilities."""
    model = sm.GLM(true, sm.add_constant(to_logit(probability)), sm.families.Binomial())
    return float(model.fit().params[1])


def sets(labels: np.ndarray, found: pd.Series) -> dict[str, float]:
    """How often the truth is in the set, and how often the set has one label, both, or none."""
    members = [set(str(labels_in_set).split(";")) - {""} for labels_in_set in found]
    truth = np.where(labels == 1, POSITIVE, NEGATIVE)
    sizes = np.array([len(part) for part in members])
    covered = np.mean([name in part for name, part in zip(truth, members, strict=True)])
    shares = {f"sets_of_{size}": float((sizes == size).mean()) for size in (0, 1, 2)}
    return {"coverage": float(covered), **shares}


def over_draws(values: pd.Series) -> str:
    mean, half = mean_and_half(values)
    return f"{mean:.3f} ± {half:.3f} ({values.min():.3f} to {values.max():.3f})"


def summarise(rows: pd.DataFrame, nominal: float, report: Report) -> None:
    """What ten draws must show."""
    draws = len(rows)
    for name, seen in SEEN.items():
        title = MODELS[name].title
        report.say(f"{title}: AUC, drawn labels", over_draws(rows[f"auc_{name}"]))
        report.say(f"{title}: AUC, expected under the true probabilities", over_draws(rows[f"expected_{name}"]))
        report.say(f"oracle that sees {seen}: expected AUC; with drawn labels",
                   f"{rows[f'oracle_{seen}'].mean():.3f}; {over_draws(rows[f'drawn_oracle_{seen}'])}")  # fmt: skip
        wanted = WANTED_SHARE.get(name)
        holds = None if wanted is None else bool(rows[f"share_{name}"].mean() >= wanted)
        report.say(f"{title}: share of the oracle{f' (wanted {wanted})' if wanted else ''}",
                   over_draws(rows[f"share_{name}"]), holds)  # fmt: skip
    for _, other in PAIRS:
        gain = rows[f"gain_{other}"]
        report.say(f"eSPARK above {MODELS[other].title}, draws; DeLong p < .05; mean gain (drawn labels)",
                   f"{(gain > 0).sum()}/{draws}; {(rows[f'p_{other}'] < 0.05).sum()}/{draws}; {gain.mean():+.3f}",
                   bool((gain > 0).mean() >= WINS))  # fmt: skip
    slope = rows["true_slope_espark"]
    report.say("eSPARK: slope of the true logit on the predicted logit", over_draws(slope), within(slope.mean(), SLOPE))
    report.say("eSPARK: the same slope, were its probabilities calibrated perfectly",
               over_draws(slope / rows["expected_slope_espark"]))  # fmt: skip
    report.say("eSPARK: calibration slope, under the true probabilities", over_draws(rows["expected_slope_espark"]))
    report.say("eSPARK: calibration slope, drawn labels", over_draws(rows["slope_espark"]))
    for name in SEEN:
        coverage = rows[f"coverage_{name}"]
        shares = " / ".join(f"{rows[f'sets_of_{size}_{name}'].mean():.0%}" for size in (1, 2, 0))
        holds = bool(abs(coverage.mean() - nominal) <= COVERAGE_BAND) if name == "espark" else None
        report.say(f"{MODELS[name].title}: conformal coverage (nominal {nominal:.0%}); sets of one / both / no label",
                   f"{over_draws(coverage)}; {shares}", holds)  # fmt: skip
    for name, (modality, model) in ALONE.items():
        gain = rows[f"auc_{name}"] - rows[f"auc_{model}"]
        expected = rows[f"expected_{name}"] - rows[f"expected_{model}"]
        what = f"eSPARK given {modality} alone"
        report.say(f"{what}: AUC minus {MODELS[model].title}'s, drawn labels", over_draws(gain), gain.mean() >= -LOSS)
        report.say(f"{what}: the same, expected AUC", over_draws(expected))
        report.say(f"{what}: calibration slope", over_draws(rows[f"slope_{name}"]),
                   within(rows[f"slope_{name}"].mean(), SLOPE))  # fmt: skip
        under_truth = rows[f"expected_slope_{name}"]
        report.say(f"{what}: the same under the true probabilities; median over draws",
                   f"{over_draws(under_truth)}; {under_truth.median():.3f}")  # fmt: skip
        report.say(f"{what}: calibration intercept", over_draws(rows[f"intercept_{name}"]))


def summarise_null(rows: pd.DataFrame, report: Report) -> None:
    """What draws of labels that depend on nothing must show."""
    for name in SEEN:
        values = rows[f"auc_{name}"]
        report.say(f"null, {MODELS[name].title}: AUC", over_draws(values), abs(values.mean() - 0.5) <= NULL_BAND)
    low, high = null_bounds(len(rows))
    for _, other in PAIRS:
        count = int((rows[f"p_{other}"] < 0.05).sum())
        what = f"null, eSPARK against {MODELS[other].title}: p < .05 (99 % of the binomial: {low} to {high} draws)"
        report.say(what, f"{count}/{len(rows)}", low <= count <= high)


def within(value: float, bounds: tuple[float, float]) -> bool:
    return bool(bounds[0] <= value <= bounds[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", type=Path)
    parser.add_argument("--draws", type=int, help="default: 10, or 50 with --null")
    parser.add_argument("--null", action="store_true")
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="published", help="settings of the models")
    parser.add_argument("--work", type=Path, default=Path("label-draws"))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    kind, count = ("null", options.draws or 50) if options.null else ("draw", options.draws or 10)
    labels = redraw_labels(options.trial, count, null=options.null)
    truth = pd.read_csv(options.trial / "truth" / "patients.csv", dtype={"patient_id": str})
    known = truth[["patient_id", "p_pcr", *(f"logit_{seen}" for seen in SEEN.values())]]
    rows = []
    for number in range(1, count + 1):
        folder = study_of(options.trial, labels, number, options.work / f"{kind}-{number:02d}", options.recipe)
        answers = external_answers(folder, options.workers)
        rows.append({"draw": number, **score(answers.merge(known, on="patient_id", validate="one_to_one"))})
        print(f"draw {number} of {count} is done", flush=True)
    table = pd.DataFrame(rows)
    shown = ["draw", "n", "n_positive", *(f"auc_{name}" for name in (*SEEN, *ALONE)), "drawn_oracle_both"]
    shown += [f"share_{name}" for name in SEEN] + [f"p_{other}" for _, other in PAIRS]
    shown += ["true_slope_espark", "slope_espark", "coverage_espark"]
    print(table[shown].round(3).to_string(index=False))
    report = Report()
    report.say("recipe of the models", options.recipe)
    if options.null:
        summarise_null(table, report)
    else:
        summarise(table, read_config(options.trial / "study.toml").protocol.coverage, report)
    draws = json.loads(table.to_json(orient="records"))
    write_json(options.work / f"{kind}s.json", {"draws": draws, "summary": report.lines})


if __name__ == "__main__":
    main()
