"""Cell types and biomarkers on the virtual trial: do they point the planted way, and only where something was planted?

    espark simulate trial --patients 344 --seed 100
    espark prepare trial
    python benchmarks/biology_draws.py trial --scores            # biomarkers alone: minutes, no model
    python benchmarks/biology_draws.py trial --work draws        # ten draws with models, and their ablation
    python benchmarks/biology_draws.py trial --work draws --null # fifty draws of labels that depend on nothing

Biomarkers need slides alone and no labels: they are measured once. With models, each draw of the labels is a study of
its own in the work folder (`draw-NN`, `null-NN`) that shares what `prepare` wrote; one that is trained is taken as it
is, so name the folder of `label_draws.py` and its recipe to judge the same models. What is planted: patients who
respond have fewer neutrophils per lymphocyte and better differentiated tumors. In the ablation the four types that
carry this are compared with the three that carry next to nothing (stroma, squamous, endothelium); immune cell, tumor
cell and squamous cell carcinoma contain the four and are shown by themselves.

Intervals: Spearman by bootstrap over patients; Cliff's delta by DeLong; over draws by Student's t (the same images and
patients, fresh labels). Each criterion ends with PASS or FALLS SHORT.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from encoder_figures import rank_correlation
from trial_draws import Report, labelled, mean_and_half, null_bounds, study_of

from espark.bundle.folder import load_bundle
from espark.cells import BIOMARKERS
from espark.explain.cell_types import biomarkers
from espark.files import write_csv, write_text
from espark.simulate.trial.trial import redraw_labels
from espark.steps.ablate.cell_ablation import ablate_at_prediction
from espark.steps.explain.biomarker_tests import ALL, test_rows
from espark.steps.explain.explain import explained_model, patient_folds
from espark.steps.explain.explain_cells import biomarker_table, contribution_table
from espark.steps.explain.patient_explanation import explain_patient
from espark.steps.prepare.prepared_inputs import counts_of, load_inputs, load_slides
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.recipes import RECIPES

WELL, POOR = "well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell"
PLANTED = {"neutrophil": -1, POOR: -1, "nlr": -1, "lymphocyte": 1, WELL: 1, "differentiation": 1}
"""By quantity, −1 where patients who respond have less and 1 where they have more."""
CARRIERS, OTHERS = ("neutrophil", "lymphocyte", WELL, POOR), ("stromal_cell", "squamous_cell", "endothelial_cell")
WANTED_SPEARMAN, WANTED_DRAWS, ALPHA = 0.7, 0.9, 0.05


def measured_scores(trial: Path) -> pd.DataFrame:
    """NLR and differentiation of every patient from expected counts: ``patient_id, center, nlr, differentiation``."""
    workspace = open_workspace(trial)
    rows = []
    for patient in workspace.cohort.used:
        counts = counts_of(load_slides(workspace, patient))
        if counts is not None:
            found = biomarkers(np.zeros((len(counts), 0)), (), counts)
            rows.append((patient.patient_id, patient.center, *(found[key] for key in BIOMARKERS)))
    return pd.DataFrame(rows, columns=["patient_id", "center", *BIOMARKERS])


def against_truth(trial: Path, scores: pd.DataFrame, report: Report) -> None:
    """Spearman's correlation of each score with the true one, by center."""
    truth = pd.read_csv(trial / "truth" / "patients.csv", dtype={"patient_id": str}).set_index("patient_id")
    generator = np.random.default_rng(0)
    for key in BIOMARKERS:
        for center, part in scores.groupby("center"):
            found, true = part[key].to_numpy(), truth.loc[part["patient_id"], key].to_numpy()
            value = rank_correlation(found, true)
            drawn = [rank_correlation(found[i], true[i]) for i in generator.integers(0, len(part), (1000, len(part)))]
            low, high = np.quantile(drawn, (0.025, 0.975))
            words = f"{value:.3f} ({low:.3f} to {high:.3f}), n = {len(part)}"
            report.say(f"{key}, center {center}: Spearman with the truth", words, bool(value >= WANTED_SPEARMAN))


def explain_draw(folder: Path, *, workers: int, ablate: bool) -> pd.DataFrame:
    """Train what is not trained yet, and the tests of one draw, written to ``explain/``."""
    quiet = Reporter("quiet")
    workspace = open_workspace(folder)
    train(workspace, workers=workers, reporter=quiet)
    bundle = load_bundle(workspace.layout.model(explained_model(workspace)))
    inputs, folds = load_inputs(workspace).inputs, patient_folds(workspace)
    # The attributions of the CT are not used here.
    slides = inputs.only("slides")
    patients = [
        (patient, explain_patient(bundle, slides.subset([index]), load_slides(workspace, patient),
                                  fold=folds.get(patient.patient_id)))
        for index, patient in enumerate(workspace.cohort.used)
    ]  # fmt: skip
    tests = test_rows(contribution_table(patients), biomarker_table(patients))
    write_csv(workspace.layout.explanation("tests.csv"), tests)
    if ablate:
        ablate_at_prediction(workspace, bundle, inputs, folds, quiet)
    return tests


def ablation_of(workspace: Workspace) -> pd.Series:
    """Pooled change of AUC by cell type."""
    table = pd.read_csv(workspace.layout.explanation("ablation.csv"))
    pooled = table[(table["center"] == ALL) & (table["mode"] == "predict")]
    return pooled.set_index("cell_type")["auc_change"]


def planted_way(tests: list[pd.DataFrame], quantities: dict[str, int], report: Report) -> None:
    """Pooled direction and adjusted p of every draw, and the effects within each center."""
    for key, sign in quantities.items():
        rows = pd.concat([part[part["quantity"] == key].assign(draw=i) for i, part in enumerate(tests)])
        pooled = rows[rows["center"] == ALL]
        right = (np.sign(pooled["effect"]) == sign) & (pooled["p_adjusted"] < ALPHA)
        words = f"{int(right.sum())} of {len(right)}; delta {over_draws(pooled['effect'])}"
        report.say(f"{key}: planted direction with adjusted p < {ALPHA:g}, pooled", words,
                   bool(right.mean() >= WANTED_DRAWS))  # fmt: skip
        for center, part in rows[rows["center"] != ALL].groupby("center"):
            first = part.iloc[0]
            words = f"{int((np.sign(part['effect']) == sign).sum())} of {len(part)}; delta {over_draws(part['effect'])}"
            example = f"; draw 1: {first['effect']:+.2f} ({first['ci_low']:+.2f} to {first['ci_high']:+.2f})"
            report.say(f"    center {center} (n = {first['n']}): planted direction", words + example)


def over_draws(values: pd.Series) -> str:
    mean, half = mean_and_half(values.to_numpy(float))
    return f"{mean:+.3f} ± {half:.3f}"


def costs(changes: pd.DataFrame, report: Report) -> None:
    """What the AUC loses without each type, one row of ``changes`` a draw."""
    if changes.empty:
        report.say("change of AUC without a cell type", "not defined: the recipe chooses no tile by cell type")
        return
    for key in changes.columns.drop("none", errors="ignore"):
        report.say(f"change of AUC without {key}, pooled", over_draws(changes[key]))
    carrying, other = (changes[list(keys)].mean(axis=1) for keys in (CARRIERS, OTHERS))
    mean, half = mean_and_half((carrying - other).to_numpy())
    words = f"{mean:+.3f} ± {half:.3f}; lower in {int((carrying < other).sum())} of {len(changes)} draws"
    report.say("types that carry the effect minus the others", words, bool(mean + half < 0))
    worst = max(OTHERS, key=lambda key: -changes[key].mean())
    cheaper = [key for key in CARRIERS if changes[key].mean() >= changes[worst].mean()]
    report.say("carriers that cost less than the costliest of the others", ", ".join(cheaper) or "none", not cheaper)


def null_findings(tests: list[pd.DataFrame], report: Report) -> None:
    """How often something is found where there is nothing, against the 99 % binomial bounds of 5 %."""
    draws = len(tests)
    low, high = null_bounds(draws, ALPHA)
    pooled = pd.concat([part[part["center"] == ALL].assign(draw=i) for i, part in enumerate(tests)])
    for key, part in pooled.groupby("quantity", sort=False):
        count = int((part["p_value"] < ALPHA).sum())
        report.say(f"null, {key}: p < {ALPHA:g}, pooled (99 % bounds {low} to {high})", f"{count} of {draws}",
                   low <= count <= high)  # fmt: skip
    found = int((pooled.groupby("draw")["p_adjusted"].min() < ALPHA).sum())
    report.say(f"null, anything with adjusted p < {ALPHA:g} (at most {high})", f"{found} of {draws}", found <= high)


def no_cells() -> pd.DataFrame:
    """An empty table of contributions."""
    return pd.DataFrame(columns=["center", "label", "cell_type", "contribution"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", type=Path)
    parser.add_argument("--work", type=Path, default=Path("biology-draws"))
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="published", help="settings of the models")
    parser.add_argument("--draws", type=int, default=None, help="default: 10, with --null 50")
    parser.add_argument("--scores", action="store_true", help="biomarkers alone, without models")
    parser.add_argument("--null", action="store_true", help="labels that depend on nothing")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")
    options = parser.parse_args()
    report = Report()
    if options.scores:
        scores = measured_scores(options.trial)
        against_truth(options.trial, scores, report)
        for null, draws in ((False, options.draws or 10), (True, options.draws or 50)):
            labels = redraw_labels(options.trial, draws, null=null)
            drawn = (labelled(scores, labels, draw) for draw in range(1, draws + 1))
            tables = [table.rename(columns={"pcr": "label"}) for table in drawn]
            tests = [test_rows(no_cells(), table) for table in tables]
            if null:
                null_findings(tests, report)
            else:
                planted_way(tests, {key: PLANTED[key] for key in BIOMARKERS}, report)
    else:
        draws = options.draws or (50 if options.null else 10)
        labels = redraw_labels(options.trial, draws, null=options.null)
        tests, changes = [], []
        for draw in range(1, draws + 1):
            folder = options.work / f"{'null' if options.null else 'draw'}-{draw:02d}"
            study_of(options.trial, labels, draw, folder, options.recipe)
            tests.append(explain_draw(folder, workers=options.workers, ablate=not options.null))
            if not options.null:
                changes.append(ablation_of(open_workspace(folder)))
            print(f"draw {draw} of {draws} done", flush=True)
        if options.null:
            null_findings(tests, report)
        else:
            planted_way(tests, PLANTED, report)
            costs(pd.DataFrame(changes).reset_index(drop=True), report)
    if options.json is not None:
        write_text(options.json, json.dumps(report.lines, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
