"""The relation of each radiomic feature to the outcome, one feature at a time, on the development patients alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from espark.files import write_csv
from espark.plots.ct.screening import manhattan_figure
from espark.plots.ct.venn import venn_figure
from espark.plots.style import save_figure
from espark.statistics.multiplicity import benjamini_hochberg
from espark.statistics.screening import univariate_logistic
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.training.stability import feature_icc
from espark.types import SCALES, Scale
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_table

LEVEL = 0.05
"""Share of false findings among the features that are called significant."""

_COLUMNS = [
    "scale", "feature", "n", "n_positive", "odds_ratio", "ci_low", "ci_high", "p_value", "p_adjusted", "separated",
]  # fmt: skip


def screen_features(workspace: Workspace) -> list[Path]:
    """Write ``evaluation/screening.csv`` and the figures ``screening`` and ``screening-venn``; nothing without CT.

    Odds ratios are per standard deviation; p is adjusted by Benjamini and Hochberg within a scale. The table
    describes the development patients; no model uses it.

    Returns:
        The files it wrote.
    """
    layout = workspace.layout
    if not layout.radiomics.exists():
        return []
    table = screening_table(workspace)
    if table.empty:
        return []
    write_csv(layout.screening, workspace.outcome.named(table))
    by_scale = {scale: table[table["scale"] == scale] for scale in SCALES if (table["scale"] == scale).any()}
    n, n_positive = int(table["n"].max()), int(table["n_positive"].max())
    files = [layout.screening]
    figure = manhattan_figure(by_scale, outcome=workspace.outcome, n=n, n_positive=n_positive, level=LEVEL)
    files += save_figure(figure, layout.figure("screening"))
    shared: dict[Scale, pd.DataFrame] = {scale: part for scale, part in by_scale.items() if scale != "image"}
    if len(shared) > 1:
        significant = {scale: set(part.loc[part["p_adjusted"] < LEVEL, "feature"]) for scale, part in shared.items()}
        tested = max(int(part["p_value"].notna().sum()) for part in shared.values())
        criterion = f"adjusted p < {LEVEL:g}"
        venn = venn_figure(significant, n_tested=tested, criterion=criterion)
        files += save_figure(venn, layout.figure("screening-venn"))
    return files


def write_stability(workspace: Workspace) -> list[Path]:
    """Write ``evaluation/stability.csv``: the intraclass correlation of every feature under perturbed contours, over
    the development patients with perturbed contours; nothing when there are none."""
    if not workspace.config.ct.stability_patients or not workspace.layout.radiomics.exists():
        return []
    inputs = load_inputs(workspace).inputs
    icc, n, contours = feature_icc(inputs)
    if not contours:
        return []
    names = [(scale, name) for scale, known in zip(inputs.scales, inputs.feature_names, strict=True) for name in known]
    table = pd.DataFrame(names, columns=["scale", "feature"])
    table = table.assign(n=n, contours=contours, icc=icc[0], ci_low=icc[1], ci_high=icc[2])
    write_csv(workspace.layout.stability, table)
    return [workspace.layout.stability]


def screening_table(workspace: Workspace) -> pd.DataFrame:
    """The rows of ``screening.csv``, scale after scale, features in the order of PyRadiomics."""
    patients = workspace.cohort.development
    features = stored_table(workspace.layout, workspace.layout.radiomics).set_index("patient_id")
    features = features.reindex([patient.patient_id for patient in patients])
    labels = np.array([int(patient.label or 0) for patient in patients])
    parts = []
    for scale in SCALES:
        columns = [name for name in features.columns if name.startswith(f"{scale}__")]
        values = features[columns].to_numpy(np.float64)
        if not columns or not np.isfinite(values).any():
            continue
        found = univariate_logistic(labels, values)
        parts.append(
            pd.DataFrame(
                {
                    "scale": scale,
                    "feature": [name.removeprefix(f"{scale}__") for name in columns],
                    "n": found.n,
                    "n_positive": (np.isfinite(values) & (labels == 1)[:, None]).sum(axis=0),
                    "odds_ratio": found.odds_ratio,
                    "ci_low": found.ci_low,
                    "ci_high": found.ci_high,
                    "p_value": found.p_value,
                    "p_adjusted": benjamini_hochberg(found.p_value),
                    "separated": found.separated,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)[_COLUMNS] if parts else pd.DataFrame(columns=_COLUMNS)
