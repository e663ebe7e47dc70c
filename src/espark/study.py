"""The steps as methods in Python.

Example:
    >>> import espark                                    # doctest: +SKIP
    >>> study = espark.Study("my-study")                 # doctest: +SKIP
    >>> study.prepare(workers=4)                         # doctest: +SKIP
    >>> study.train()                                    # doctest: +SKIP
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from espark.work.progress import Reporter
from espark.workspace.layout import StudyLayout

if TYPE_CHECKING:
    import pandas as pd

    from espark.bundle.bundle import Bundle
    from espark.steps.ablate.ablate import AblationResult
    from espark.steps.ablate.ct_models import CtComparison
    from espark.steps.check.result import CheckResult
    from espark.steps.explain.explain import ExplainResult
    from espark.steps.prepare.prepare import Only, PrepareResult
    from espark.steps.report.report import ReportResult
    from espark.steps.run import RunResult
    from espark.steps.verify import Verification
    from espark.workspace.opened import Workspace


class Study:
    """A study folder: paired CT and slides with outcome, and everything that espark makes from them.

    Args:
        folder: the folder with study.toml and cohort.csv.
        reporter: how much progress is shown; by default counts and time left.
    """

    def __init__(self, folder: str | Path, *, reporter: Reporter | None = None):
        self.layout = StudyLayout(Path(folder))
        self.reporter = reporter or Reporter()

    @cached_property
    def workspace(self) -> Workspace:
        """Configuration and cohort, read once.

        Raises:
            InputProblems: with everything that is wrong in both files.
        """
        from espark.workspace.opened import open_workspace

        return open_workspace(self.layout.root)

    def check(self, *, pictures: bool = False, workers: int = 1) -> CheckResult:
        """Find everything that is wrong with the inputs, at once; with ``pictures``, also show every patient."""
        from espark.steps.check.check import check

        return check(self.layout.root, pictures=pictures, workers=workers, reporter=self.reporter)

    def prepare(self, *, only: Only | None = None, workers: int = 1) -> PrepareResult:
        """Turn images into regions, radiomics, tiles and features; also of a site's patients without labels."""
        from espark.steps.prepare.prepare import prepare
        from espark.workspace.opened import open_workspace

        return prepare(open_workspace(self.layout.root, trains=False), only=only, workers=workers, reporter=self.reporter)

    def train(self, *, workers: int = 1) -> tuple[str, ...]:
        """Divide the patients into folds and train the models."""
        from espark.steps.train.train import train

        return train(self.workspace, workers=workers, reporter=self.reporter)

    def evaluate(self) -> None:
        """Turn predictions into metrics, comparisons and figures."""
        from espark.steps.evaluate.evaluate import evaluate

        evaluate(self.workspace, reporter=self.reporter)

    def explain(self, *, workers: int = 1) -> ExplainResult:
        """Compute attributions, heatmaps, cell types and biomarkers."""
        from espark.steps.explain.explain import explain

        return explain(self.workspace, workers=workers, reporter=self.reporter)

    def explain_pair(self, first: str, second: str) -> ExplainResult:
        """Show two chosen patients side by side: the CT and the features with the largest attributions."""
        from espark.steps.explain.on_request import explain_pair

        return explain_pair(self.workspace, first, second)

    def explain_voxel_maps(self, patient_id: str, *, features: int = 3) -> ExplainResult:
        """Show on the CT where the most important texture features of a patient are high."""
        from espark.steps.explain.on_request import explain_voxel_maps

        return explain_voxel_maps(self.workspace, patient_id, features=features)

    def report(
        self, *, patient_id: str | None = None, show_withheld: bool = False, pdf: bool = False, workers: int = 1
    ) -> ReportResult:
        """Write the study report and one page per patient."""
        from espark.steps.report.report import report

        return report(
            self.workspace, patient_id=patient_id, show_withheld=show_withheld, pdf=pdf, workers=workers,
            reporter=self.reporter,
        )  # fmt: skip

    def ablate(self, *, workers: int = 1) -> AblationResult:
        """Compare all aggregators, with and without the selection of tiles by cell type."""
        from espark.steps.ablate.ablate import ablate

        return ablate(self.workspace, workers=workers, reporter=self.reporter)

    def compare_ct_models(self, *, workers: int = 1) -> CtComparison:
        """Compare MScaleCT with the same network on one scale and with logistic regressions."""
        from espark.steps.ablate.ct_models import compare_ct_models

        return compare_ct_models(self.workspace, workers=workers, reporter=self.reporter)

    def ablate_cell_types(self, *, workers: int = 1) -> pd.DataFrame:
        """Train the explained model again without each cell type."""
        from espark.steps.ablate.cell_ablation import retrain_without_types

        return retrain_without_types(self.workspace, workers=workers, reporter=self.reporter)

    def verify(self) -> Verification:
        """Compare every file of the study with the hashes that were noted when it was written."""
        from espark.steps.verify import verify

        return verify(self.layout.root)

    def run(self, *, workers: int = 1) -> RunResult:
        """Run every step; finished items are not repeated."""
        from espark.steps.run import run

        return run(self.layout.root, workers=workers, reporter=self.reporter)

    def bundle(self, model: str = "espark") -> Bundle:
        """A trained model of this study."""
        from espark.bundle.folder import load_bundle

        return load_bundle(self.layout.model(model))
