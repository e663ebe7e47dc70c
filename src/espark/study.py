"""A study in Python: the steps as methods, and the results as pandas frames, arrays and figures."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from espark.work.progress import Reporter
from espark.workspace.layout import StudyLayout

if TYPE_CHECKING:
    import pandas as pd
    import SimpleITK as sitk
    from anndata import AnnData
    from matplotlib.figure import Figure

    from espark.bundle.bundle import Bundle
    from espark.steps.ablate.ablate import AblationResult
    from espark.steps.ablate.ct_models import CtComparison
    from espark.steps.check.result import CheckResult
    from espark.steps.explain.explain import ExplainResult
    from espark.steps.prepare.prepare import Only, PrepareResult
    from espark.steps.report.report import ReportResult
    from espark.steps.run import RunResult
    from espark.steps.verify import Verification
    from espark.types import ByteArray, FloatArray
    from espark.workspace.opened import Workspace


class Study:
    """A study folder: paired CT and slides with outcome, and everything that espark makes from them.

    Args:
        folder: the folder with study.toml and cohort.csv.
        reporter: how much progress is shown; by default counts and time left.

    Example:
        The steps are methods, in the order of `espark run`. Here the study is already complete:

        >>> study = Study(finished)
        >>> study.cohort["role"].value_counts().to_dict()
        {'development': 6, 'external': 5, 'internal_test': 1}
        >>> metrics = study.metrics
        >>> sorted(set(metrics["model"]))
        ['clinical', 'cytopath', 'espark', 'mscalect']
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

        return prepare(
            open_workspace(self.layout.root, trains=False), only=only, workers=workers, reporter=self.reporter
        )

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

    @property
    def cohort(self) -> pd.DataFrame:
        """The patients: center, role, cohort, outcome and clinical columns, indexed by ``patient_id``.

        Example:
            >>> list(Study(finished).cohort.columns[:6])
            ['center', 'role', 'cohort', 'pcr', 'ct', 'slides']
        """
        from espark.steps.study_data import cohort_frame

        return cohort_frame(self.workspace)

    @property
    def radiomics(self) -> pd.DataFrame:
        """The radiomic features: one row per patient, columns ``<scale>__<feature>``.

        Raises:
            MissingStepError: when `prepare` did not run.

        Example:
            >>> float(Study(finished).radiomics["tumor__original_shape_Sphericity"].max()) <= 1
            True
        """
        return self.table("prepared/radiomics.parquet").set_index("patient_id")

    def predictions(self, model: str = "espark") -> pd.DataFrame:
        """The predictions of a model, indexed by ``patient_id``; of development patients out of fold.

        Args:
            model: name of the model.

        Raises:
            MissingStepError: when the model was not trained.

        Example:
            >>> answers = Study(finished).predictions("espark")
            >>> answers["probability"].between(0, 1).all().item()
            True
        """
        from espark.steps.study_data import predictions_frame

        return predictions_frame(self.workspace, model)

    @property
    def metrics(self) -> pd.DataFrame:
        """Each metric of each model in each cohort, with its interval.

        Raises:
            MissingStepError: when `evaluate` did not run.

        Example:
            >>> metrics = Study(finished).metrics
            >>> list(metrics.columns)
            ['model', 'cohort', 'n', 'n_pcr', 'metric', 'value', 'ci_low', 'ci_high', 'method']
        """
        return self.table("evaluation/metrics.csv")

    @property
    def cell_types(self) -> pd.DataFrame:
        """The contribution of each cell type in each patient.

        Raises:
            MissingStepError: when `explain` did not run.

        Example:
            >>> Study(finished).cell_types.groupby("patient_id").size().unique().tolist()
            [9]
        """
        return self.table("explain/cell_types.csv")

    def table(self, name: str) -> pd.DataFrame:
        """Any table of the study, by its path in the folder.

        Args:
            name: with forward slashes, such as ``evaluation/subgroups.csv``.

        Raises:
            InputError: when espark writes no such table.
            MissingStepError: when it is not there yet; the message names the command.

        Example:
            >>> list(Study(finished).table("explain/biomarkers.csv").columns)
            ['patient_id', 'center', 'pcr', 'nlr', 'differentiation']
        """
        from espark.steps.study_data import table

        return table(self.workspace, name)

    def figure(self, kind: str = "roc", model: str = "espark") -> Figure:
        """A figure of a model as an object of matplotlib, to change or to save.

        Args:
            kind: ``roc``, ``distribution`` or ``calibration``.
            model: name of the model.

        Raises:
            InputError: when there is no such kind of figure.
            MissingStepError: when the model was not trained.

        Example:
            >>> figure = Study(finished).figure("roc", "espark")
            >>> figure.axes[0].get_xlabel()
            '1 − specificity'
        """
        from espark.steps.study_data import model_figure

        return model_figure(self.workspace, model, kind)

    def ct(self, patient_id: str) -> sitk.Image:
        """The CT of a patient in Hounsfield units, with its geometry (spacing, origin and directions in mm, LPS).

        Args:
            patient_id: the patient.

        Raises:
            CohortError: when there is no such patient.
            InputError: when the patient has no CT, or it cannot be read.

        Example:
            >>> study = Study(finished)
            >>> patient = study.cohort.index[0]
            >>> study.ct(patient).GetSize() == study.regions(patient).GetSize()
            True
        """
        from espark.steps.study_data import ct_volume

        return ct_volume(self.workspace, patient_id).image

    def regions(self, patient_id: str) -> sitk.Image:
        """The regions that `prepare` used, on the grid of the CT: 1 = esophagus, 2 = tumor.

        Args:
            patient_id: the patient.

        Raises:
            CohortError: when there is no such patient.
            MissingStepError: when they were not prepared.

        Example:
            >>> import SimpleITK as sitk
            >>> study = Study(finished)
            >>> sorted(set(sitk.GetArrayFromImage(study.regions(study.cohort.index[0])).ravel().tolist()))
            [0, 1, 2]
        """
        from espark.steps.study_data import regions_of

        return regions_of(self.workspace, patient_id).labels

    def tiles(self, patient_id: str) -> pd.DataFrame:
        """The tiles of a patient: slide, place and side in pixels of the full resolution and in µm, cell types.

        Args:
            patient_id: the patient.

        Raises:
            CohortError: when there is no such patient.
            MissingStepError: when no slide of the patient is prepared.

        Example:
            >>> study = Study(finished)
            >>> tiles = study.tiles(study.cohort.index[0])
            >>> list(tiles.columns[:7])
            ['slide', 'x', 'y', 'side', 'x_um', 'y_um', 'side_um']
        """
        from espark.steps.study_data import tiles_frame

        return tiles_frame(self.workspace, patient_id)

    def tile_features(self, patient_id: str) -> FloatArray:
        """The vectors of the tiles of a patient, float32 (tiles, dim), in the order of `tiles`.

        Args:
            patient_id: the patient.

        Raises:
            CohortError: when there is no such patient.
            MissingStepError: when no slide of the patient is prepared.

        Example:
            >>> study = Study(finished)
            >>> patient = study.cohort.index[0]
            >>> study.tile_features(patient).shape == (len(study.tiles(patient)), 256)
            True
        """
        from espark.steps.study_data import tile_features

        return tile_features(self.workspace, patient_id)

    def tile_pictures(self, patient_id: str, tiles: pd.DataFrame, *, tile_px: int = 256) -> ByteArray:
        """The pictures of some tiles, read from the slides.

        Args:
            patient_id: the patient.
            tiles: rows of `tiles`.
            tile_px: side of a picture, in pixels.

        Returns:
            uint8 (tiles, tile_px, tile_px, 3).

        Raises:
            CohortError: when there is no such patient.
            SlideError: when a slide cannot be read.

        Example:
            >>> study = Study(finished)
            >>> patient = study.cohort.index[0]
            >>> study.tile_pictures(patient, study.tiles(patient).head(2), tile_px=64).shape
            (2, 64, 64, 3)
        """
        from espark.steps.study_data import tile_pictures

        return tile_pictures(self.workspace, patient_id, tiles, tile_px)

    def anndata(self, patient_id: str) -> AnnData:
        """The tiles of a patient as AnnData, for scanpy, squidpy and LazySlide; needs the extra ``anndata``.

        Args:
            patient_id: the patient.

        Raises:
            CohortError: when there is no such patient.
            ExportError: when anndata is not installed.
            MissingStepError: when no slide of the patient is prepared.

        Example:
            >>> study = Study(finished)
            >>> study.anndata(study.cohort.index[0]).obsm["spatial"].shape[1]  # doctest: +SKIP
            2
        """
        from espark.steps.export.anndata_tiles import tile_anndata

        return tile_anndata(self.workspace, patient_id)
