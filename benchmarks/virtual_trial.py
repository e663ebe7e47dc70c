"""Checks a virtual trial: every file reads, the oracle holds, color says little, true counts say what was planted.

    espark simulate trial --patients 344 --seed 100
    python benchmarks/virtual_trial.py trial

A DICOM validator (``dciodvfy`` of dicom3tools) is asked as well where it is installed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import pydicom
import SimpleITK as sitk
import statsmodels.api as sm
from joblib import Parallel, delayed
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from espark.simulate.people.oracle import ORACLE_AUCS
from espark.simulate.trial.trial import TrialSettings, redraw_labels, trial_truth
from espark.statistics.auc import expected_auc

DRAWS = 10


def read_files(folder: Path, patient_id: str) -> list[str]:
    """Read a patient's files with the usual readers; every warning counts."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        series = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder / "ct" / patient_id))
        for name in series:
            pydicom.dcmread(name).pixel_array  # noqa: B018
        sitk.ReadImage(series)
        with openslide.OpenSlide(str(folder / "slides" / f"{patient_id}.tif")) as slide:
            if slide.level_count != 4 or abs(float(slide.properties["openslide.mpp-x"]) - 0.5) > 1e-6:
                found.append(f"{patient_id}: {slide.level_count} levels")
            for level, size in enumerate(slide.level_dimensions):
                slide.read_region((0, 0), level, (min(512, size[0]), min(512, size[1])))
    found += [f"{patient_id}: {entry.message}" for entry in caught]
    if shutil.which("dciodvfy"):
        said = subprocess.run(["dciodvfy", series[0]], capture_output=True, text=True, check=False).stderr
        found += [f"{patient_id}: {line}" for line in said.splitlines() if line.startswith("Error")]
    return found


def color_histogram(folder: Path, patient_id: str) -> np.ndarray:
    """Joint RGB histogram (6 × 6 × 6) of the tissue at level 2, with the mean and spread of each channel."""
    with openslide.OpenSlide(str(folder / "slides" / f"{patient_id}.tif")) as slide:
        picture = np.asarray(slide.read_region((0, 0), 2, slide.level_dimensions[2]).convert("RGB"))
    tissue = picture[np.ptp(picture, axis=2) > 15]
    histogram = np.histogramdd(tissue, bins=6, range=[(0, 256)] * 3)[0].ravel() / len(tissue)
    return np.concatenate([np.sqrt(histogram), tissue.mean(axis=0) / 255, tissue.std(axis=0) / 255])


def true_counts(folder: Path, patient_id: str) -> tuple[float, float]:
    """Neutrophils per lymphocyte, and the well-differentiated share of tumor cells, from the truth's cell counts."""
    counts = pd.read_parquet(folder / "truth" / "tiles" / f"{patient_id}.parquet").sum(numeric_only=True)
    well, poor = counts["n_well_differentiated_tumor_cell"], counts["n_poorly_differentiated_tumor_cell"]
    return counts["n_neutrophil"] / max(1.0, counts["n_lymphocyte"]), well / max(1.0, well + poor)


def out_of_fold_auc(features: np.ndarray, labels: np.ndarray, kind: str) -> float:
    """AUC of ten-fold out-of-fold predictions."""
    if kind == "logistic":
        model = make_pipeline(
            StandardScaler(),
            GridSearchCV(LogisticRegression(max_iter=2000), {"C": np.logspace(-4, 1, 6)}, scoring="roc_auc"),
        )
    else:
        model = RandomForestClassifier(300, min_samples_leaf=3, random_state=0)
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    return float(
        roc_auc_score(labels, cross_val_predict(model, features, labels, cv=folds, method="predict_proba")[:, 1])
    )


def say(what: str, value: str, holds: bool) -> None:
    print(f"{what:<78} {value:<34} {'PASS' if holds else 'FALLS SHORT'}", flush=True)


def check_oracle() -> None:
    truth = trial_truth(TrialSettings(patients=2000, seed=100))
    null = trial_truth(TrialSettings(patients=2000, seed=100, null=True))
    for seen, documented in ORACLE_AUCS.items():
        drawn = roc_auc_score(truth["pcr"], truth[f"logit_{seen}"])
        say(f"oracle, {seen}: AUC over 2,000 patients", f"{drawn:.3f} (documented {documented:.3f})",
            abs(drawn - documented) <= 0.02)  # fmt: skip
        nothing = roc_auc_score(null["pcr"], null[f"logit_{seen}"])
        say(f"null trial, {seen}: AUC over 2,000 patients", f"{nothing:.3f}", abs(nothing - 0.5) <= 0.03)


def check_colors(folder: Path, ids: list[str], labels: pd.DataFrame, workers: int) -> None:
    features = np.array(Parallel(workers)(delayed(color_histogram)(folder, name) for name in ids))
    for kind in ("logistic", "forest"):
        aucs = Parallel(workers)(delayed(out_of_fold_auc)(features, labels[column], kind) for column in labels)
        low, high = np.percentile(aucs, [0, 100])
        say(f"color histogram of the slide, {kind}: out-of-fold AUC, {len(aucs)} label draws, n = {len(ids)}",
            f"{np.mean(aucs):.3f} ({low:.2f} to {high:.2f})", float(np.mean(aucs)) <= 0.60)  # fmt: skip


def check_counts(folder: Path, ids: list[str], labels: pd.DataFrame, truth: pd.DataFrame) -> None:
    nlr, well = np.array([true_counts(folder, name) for name in ids]).T
    measured = {"nlr": np.log(np.maximum(nlr, 1e-3)), "differentiation": well}
    for name, values in measured.items():
        rho = spearmanr(values, truth[f"z_{name}"]).statistic
        say(f"true counts, {name}: Spearman with the latent, n = {len(ids)}", f"{rho:.3f}", rho >= 0.8)
    design = StandardScaler().fit_transform(np.column_stack(list(measured.values())))
    latent = StandardScaler().fit_transform(truth[[f"z_{name}" for name in measured]])
    fits = [sm.Logit(labels[column], sm.add_constant(design)).fit(disp=0) for column in labels]
    wanted = [sm.Logit(labels[column], sm.add_constant(latent)).fit(disp=0) for column in labels]
    for index, name in enumerate(measured, start=1):
        beta = np.mean([fit.params.iloc[index] for fit in fits])
        best = np.mean([fit.params.iloc[index] for fit in wanted])
        significant = sum(fit.pvalues.iloc[index] < 0.05 for fit in fits)
        say(f"logistic regression on true counts, {name}: coefficient per sd, {len(fits)} draws",
            f"{beta:+.2f} (latents {best:+.2f}), p < .05: {significant}/{len(fits)}",
            abs(beta / best - 1) < 0.25 and significant >= 9)  # fmt: skip
    score = np.mean([fit.predict(sm.add_constant(design)) for fit in fits], axis=0)
    reached, oracle = (expected_auc(truth["p_pcr"].to_numpy(), values) for values in (score, truth["logit_slide"]))
    say("the same, share of the slide oracle's AUC above one half", f"{(reached - 0.5) / (oracle - 0.5):.2f}",
        (reached - 0.5) / (oracle - 0.5) >= 0.8)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    folder: Path = options.trial
    truth = pd.read_csv(folder / "truth" / "patients.csv", dtype={"patient_id": str})
    ids = truth["patient_id"].tolist()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9
    say(f"disk, {len(ids)} patients", f"{size:.2f} GB", size < 10 * len(ids) / 344)
    by_patient = Parallel(options.workers)(delayed(read_files)(folder, name) for name in ids)
    problems = [problem for found in by_patient for problem in found]
    validator = "with" if shutil.which("dciodvfy") else "WITHOUT"
    say(f"pydicom, SimpleITK, OpenSlide, {validator} dciodvfy: warnings and errors", str(len(problems)), not problems)
    for problem in problems[:10]:
        print("   ", problem)
    check_oracle()
    labels = redraw_labels(folder, DRAWS).drop(columns="patient_id")
    check_colors(folder, ids, labels, options.workers)
    check_counts(folder, ids, labels, truth)


if __name__ == "__main__":
    main()
