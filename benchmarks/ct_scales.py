"""MScaleCT on the virtual trial over fresh label draws: beside single scales and logistic regressions, and screening.

    espark simulate trial --patients 344 --seed 100
    espark prepare trial --only ct
    python benchmarks/ct_scales.py trial --draws 10

Each draw is a study of its own in the work folder that shares what `prepare` wrote. All draws are shown. AUCs are of
the external patients, pooled, expected under the true probabilities: a pair (i, j) weighs p_i (1 − p_j). The share of
the oracle that sees the CT is (AUC − ½) / (oracle's AUC − ½), with a 95 % interval over draws by Student's t.

Screening: of the 20 features with the smallest p (development patients), how many have |Spearman's ρ| ≥ 0.5 with a
planted property (tumor length, wall thickness, heterogeneity, nodes) in the external patients, whom the screening has
not seen; and how many of all features do.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from trial_draws import mean_and_half, study_of

from espark.simulate.trial.trial import redraw_labels
from espark.statistics.auc import attained_share, expected_auc
from espark.steps.ablate.ct_models import ct_answers
from espark.steps.evaluate.screening import screening_table
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.recipes import RECIPES

PLANTED = ("z_tumor_length", "z_wall_thickness", "z_heterogeneity", "z_nodes")
LEADING, RELATED, WANTED_SHARE, WANTED_LEADING = 20, 0.5, 0.75, 0.5


def score(workspace: Workspace, truth: pd.DataFrame, workers: int) -> dict[str, float]:
    """Expected external AUC of every arm and of the oracle in one draw."""
    inputs = load_inputs(workspace).inputs
    external = np.array([workspace.cohort[patient_id].role == "external" for patient_id in inputs.patient_ids])
    known = truth.set_index("patient_id").reindex(list(inputs.patient_ids))[external]
    probability = known["p_pcr"].to_numpy(float)
    row = {"n": float(external.sum()), "oracle": expected_auc(probability, known["logit_ct"])}
    for arm, answers in ct_answers(workspace, workers=workers, reporter=Reporter("quiet")).items():
        there = np.isfinite(answers[external])
        row[arm.name] = expected_auc(probability[there], answers[external][there])
    return row


def planted_among_the_first(workspace: Workspace, truth: pd.DataFrame) -> tuple[float, float]:
    """Share of features related to something planted: among the leading ones of the screening, and among all."""
    features = pd.read_parquet(workspace.layout.radiomics).set_index("patient_id")
    external = [patient.patient_id for patient in workspace.cohort if patient.role == "external"]
    ranks = features.reindex(external).rank()
    properties = truth.set_index("patient_id").reindex(external)[list(PLANTED)].rank()
    strongest = pd.concat([ranks.corrwith(properties[name]).abs() for name in PLANTED], axis=1).max(axis=1)
    table = screening_table(workspace)
    names = table["scale"] + "__" + table["feature"]
    first = names[table["p_value"].nsmallest(LEADING).index]
    return float((strongest[first] >= RELATED).mean()), float((strongest >= RELATED).mean())


def summarise(table: pd.DataFrame, leading: list[tuple[float, float]]) -> None:
    """Every draw, then means, intervals and verdicts."""
    print(table.round(3).to_string(index=False))
    arms = [name for name in table.columns if name.startswith("ct-")]
    mscalect, oracle = arms[0], table["oracle"].mean()
    for name in arms:
        share, half = mean_and_half([attained_share(value, oracle) for value in table[name]])
        gain = (table[mscalect] - table[name]).mean()
        print(f"{name}: AUC {table[name].mean():.3f}, share {share:.2f} ± {half:.2f}, MScaleCT − it {gain:+.3f}")
    share = attained_share(table[mscalect].mean(), oracle)
    verdict(f"MScaleCT's share of the oracle: {share:.2f} (wanted: at least {WANTED_SHARE})", share >= WANTED_SHARE)
    single = [name for name in arms if name.startswith("ct-network-") and name != mscalect]
    above = all(table[mscalect].mean() > table[name].mean() for name in single)
    verdict(f"MScaleCT above each of {len(single)} single-scale networks on average", above)
    found, of_all = np.mean(leading, axis=0)
    text = f"{found:.0%} of the {LEADING} leading features are related to something planted ({of_all:.0%} of all)"
    verdict(f"{text} (wanted: at least {WANTED_LEADING:.0%})", found >= WANTED_LEADING)


def verdict(text: str, good: bool) -> None:
    """One criterion."""
    print(f"{text} {'PASS' if good else 'FALLS SHORT'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--work", type=Path, default=Path("ct-scales"))
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="published", help="settings of the models")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    truth = pd.read_csv(options.trial / "truth" / "patients.csv", dtype={"patient_id": str})
    labels = redraw_labels(options.trial, options.draws)
    rows, leading = [], []
    for draw in range(1, options.draws + 1):
        folder = study_of(options.trial, labels, draw, options.work / f"draw-{draw:02d}", options.recipe)
        workspace = open_workspace(folder)
        rows.append({"draw": draw, **score(workspace, truth, options.workers)})
        leading.append(planted_among_the_first(workspace, truth))
        print(rows[-1], leading[-1], flush=True)
    summarise(pd.DataFrame(rows), leading)


if __name__ == "__main__":
    main()
