"""The learning curves of one study, from what `prepare` wrote."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from espark.steps.plan.subsamples import Recipe, draws_of, sizes_of, table_of
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.patients import development_places
from espark.steps.train.train import model_settings
from espark.types import IntArray
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace


def study_draws(folder: Path, repeats: int, reporter: Reporter) -> pd.DataFrame:
    """One row for each sample of the development patients; see `espark.steps.plan.subsamples.draws_of`.

    Raises:
        InputError: when the study has too few patients, or is not prepared.
    """
    workspace = open_workspace(folder)
    study = load_inputs(workspace)
    inputs = study.inputs.subset(development_places(workspace, study.inputs))
    patients = workspace.cohort.development
    labels: IntArray = pd.Series([int(patient.label or 0) for patient in patients]).to_numpy()
    centers = [patient.center for patient in patients]
    ct, slides = bool(inputs.has_ct.any()), bool(inputs.has_slides.any())
    there = {"mscalect": ct, "cytopath": slides, "espark": ct and slides}
    models = tuple(name for name, known in there.items() if known)
    settings = model_settings(workspace, study.encoder if slides else None)
    recipe = Recipe(models, settings, workspace.config.protocol, workspace.config.study.seed).of_curves()
    rows = []
    with reporter.track("learning curves", len(sizes_of(len(labels))) * repeats) as advance:
        for row in draws_of(recipe, inputs, labels, centers, repeats):
            rows.append(row)
            advance()
    return table_of(rows)
