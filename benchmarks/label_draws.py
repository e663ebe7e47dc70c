"""The models on the virtual trial, over fresh label draws of the same images, beside the oracle.

    espark simulate trial --patients 344 --seed 100
    espark prepare trial
    python benchmarks/label_draws.py trial --draws 10

Each draw is a study of its own in the work folder that shares what `prepare` wrote. All draws are shown. A model's
share is (AUC − ½) / (oracle's AUC − ½) on the external patients, pooled; the oracle sees what the model sees.
``--null`` draws labels that depend on nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from espark.simulate.trial import redraw_labels
from espark.statistics.auc import auc, paired_delong
from espark.steps.progress import Reporter
from espark.steps.train import train
from espark.steps.workspace import open_workspace

SEEN = {"mscalect": "ct", "cytopath": "slide", "espark": "both"}
WANTED = {"mscalect": 0.75, "cytopath": 0.80, "espark": 0.85}
PAIRS = (("espark", "cytopath"), ("espark", "mscalect"))
_FILES = ("ct", "slides", "esophagus_mask", "tumor_mask")


def study_of(trial: Path, labels: pd.DataFrame, draw: int, folder: Path) -> Path:
    """A study with the labels of one draw, beside the images and prepared artefacts of the trial."""
    folder.mkdir(parents=True, exist_ok=True)
    cohort = pd.read_csv(trial / "cohort.csv", dtype=str, keep_default_na=False)
    for column in cohort.columns.intersection(_FILES):
        cohort[column] = [str((trial / name).resolve()) if name else "" for name in cohort[column]]
    cohort["pcr"] = labels.set_index("patient_id")[f"pcr_{draw}"].reindex(cohort["patient_id"]).astype(str).tolist()
    cohort.to_csv(folder / "cohort.csv", index=False)
    (folder / "study.toml").write_text((trial / "study.toml").read_text(encoding="utf-8"), encoding="utf-8")
    if not (folder / "prepared").exists():
        (folder / "prepared").symlink_to((trial / "prepared").resolve())
    return folder


def external(folder: Path, models: list[str], truth: pd.DataFrame) -> pd.DataFrame:
    """External patients: label, each model's probability, and the oracle logits."""
    table = truth.set_index("patient_id")
    for model in models:
        predictions = pd.read_csv(folder / "predictions" / f"{model}.csv", dtype={"patient_id": str})
        predictions = predictions[predictions["role"] == "external"].set_index("patient_id")
        table = table.join(predictions["probability"].rename(model), how="inner")
    return table.join(predictions["pcr"].rename("label").astype(int))


def score(folder: Path, models: list[str], truth: pd.DataFrame) -> dict[str, float]:
    """AUCs of one draw, of models and oracles, and DeLong's p between models."""
    table = external(folder, models, truth)
    labels = table["label"].to_numpy()
    row: dict[str, float] = {"n": len(table), "n_pcr": int(labels.sum())}
    for model in models:
        row[model] = auc(labels, table[model].to_numpy()).value
        if model in SEEN:
            row[f"oracle_{SEEN[model]}"] = auc(labels, expit(table[f"logit_{SEEN[model]}"].to_numpy())).value
    for one, other in PAIRS:
        if {one, other} <= set(models):
            row[f"p_{one}_{other}"] = paired_delong(labels, table[one].to_numpy(), table[other].to_numpy()).p_value
    return row


def summarise(table: pd.DataFrame, models: list[str], null: bool) -> None:
    """Print every draw, then the share of the oracle that each model reaches."""
    print(table.round(3).to_string(index=False))
    for model in models:
        values = table[model]
        line = f"{model}: AUC {values.mean():.3f} (draws {values.min():.3f} to {values.max():.3f})"
        if null or model not in SEEN:
            print(line)
            continue
        oracle = table[f"oracle_{SEEN[model]}"]
        share = (values.mean() - 0.5) / (oracle.mean() - 0.5)
        each = (values - 0.5) / (oracle - 0.5)
        half = 2.262 * each.std(ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.nan
        verdict = "PASS" if share >= WANTED[model] else "FALLS SHORT"
        print(
            f"{line}; share of the oracle {share:.2f} (± {half:.2f} over draws; wanted {WANTED[model]:.2f}) {verdict}"
        )
    for one, other in PAIRS:
        if {one, other} <= set(models):
            print(f"{one} above {other} in {(table[one] > table[other]).sum()} of {len(table)} draws")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--null", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("label-draws"))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    truth = pd.read_csv(options.trial / "truth" / "patients.csv", dtype={"patient_id": str}).drop(columns="pcr")
    labels = redraw_labels(options.trial, options.draws, null=options.null)
    rows = []
    models: list[str] = []
    for draw in range(1, options.draws + 1):
        name = f"{'null' if options.null else 'draw'}-{draw:02d}"
        folder = study_of(options.trial, labels, draw, options.work / name)
        models = list(train(open_workspace(folder), workers=options.workers, reporter=Reporter("quiet")))
        rows.append({"draw": draw, **score(folder, models, truth)})
        print(rows[-1], flush=True)
    summarise(pd.DataFrame(rows), models, options.null)


if __name__ == "__main__":
    main()
