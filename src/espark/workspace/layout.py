"""The study folder: where every artefact lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MADE_BY = {
    "prepared": "prepare",
    "models": "train",
    "predictions": "train",
    "evaluation": "evaluate",
    "explain": "explain",
    "figures": "evaluate",
    "report": "report",
}
"""The step that writes into each folder."""


@dataclass(frozen=True)
class StudyLayout:
    """Paths of a study.

    Args:
        root: the study folder.
    """

    root: Path

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.root / "study.toml"

    @property
    def cohort(self) -> Path:
        """One row per patient."""
        return self.root / "cohort.csv"

    @property
    def cytology(self) -> Path:
        """Cell types, prompts and cut-offs; the defaults hold where it is missing."""
        return self.root / "cytology.toml"

    @property
    def manifest(self) -> Path:
        """Versions, seeds, input hashes, the command, start and end of every step."""
        return self.root / "manifest.json"

    @property
    def splits(self) -> Path:
        """Role and fold of every patient, written once."""
        return self.root / "splits.csv"

    @property
    def step_folders(self) -> tuple[Path, ...]:
        """The folders that the steps write."""
        return tuple(self.root / name for name in _MADE_BY)

    def made_by(self, path: Path) -> str | None:
        """The command that writes a file of the study; None for what the user wrote, and for what every step writes."""
        inside = path.relative_to(self.root).parts[0]
        return "ablate" if path.name.startswith("ablation_") else _MADE_BY.get(inside)

    @property
    def contact_sheet(self) -> Path:
        """Every patient in pictures, for a person to look over."""
        return self.root / "check.html"

    # prepared

    @property
    def status(self) -> Path:
        """State of every item that was prepared."""
        return self.root / "prepared" / "status.csv"

    @property
    def local_log(self) -> Path:
        """What failed, with the names of files; the only file that has them, so it must not be shared."""
        return self.root / "local.log"

    @property
    def stamps(self) -> Path:
        """Size and time of every file whose hash is in a record; it may be deleted, then the files are hashed again."""
        return self.root / "prepared" / "stamps.json"

    @property
    def radiomics(self) -> Path:
        """Radiomic features, one row per patient."""
        return self.root / "prepared" / "radiomics.parquet"

    def regions(self, patient_id: str) -> Path:
        """Label map of a patient's regions in the CT's own grid."""
        return self.root / "prepared" / "ct" / patient_id / "regions.nii.gz"

    def ring(self, patient_id: str) -> Path:
        """Mask of the ring around a patient's tumor, where study.toml asks for one."""
        return self.root / "prepared" / "ct" / patient_id / "ring.nii.gz"

    def patient_radiomics(self, patient_id: str) -> Path:
        """One patient's radiomic features, with the reason for each that failed."""
        return self.root / "prepared" / "ct" / patient_id / "radiomics.json"

    def patient_repeats(self, patient_id: str) -> Path:
        """One patient's radiomic features on perturbed contours."""
        return self.root / "prepared" / "ct" / patient_id / "repeats.json"

    def slide_features(self, patient_id: str, slide: str) -> Path:
        """Tile features of a slide."""
        return self.root / "prepared" / "slides" / patient_id / f"{slide}.h5"

    def slide_quality(self, patient_id: str, slide: str) -> Path:
        """Picture of what was left out of a slide, and why."""
        return self.root / "prepared" / "slides" / patient_id / f"{slide}-qc.png"

    def record(self, patient_id: str, item: str) -> Path:
        """What an item was made of: it is done when this record holds the hash of its inputs and settings."""
        return self.root / "prepared" / "records" / patient_id / f"{item.replace(':', '-')}.json"

    # corrections and the workbench

    def corrections(self, patient_id: str) -> Path:
        """Folder of the versions of a patient's regions that a person corrected; see `espark serve`."""
        return self.root / "corrections" / patient_id

    @property
    def workbench(self) -> Path:
        """Folder of `espark serve`: jobs, log, new patients, readings, and pictures that it can make again."""
        return self.root / "serve"

    # models and predictions

    def model(self, name: str) -> Path:
        """Folder of a trained model's bundle."""
        return self.root / "models" / name

    def predictions(self, name: str) -> Path:
        """Predictions of a model for every patient."""
        return self.root / "predictions" / f"{name}.csv"

    def members(self, name: str) -> Path:
        """Every single model's own answer."""
        return self.root / "predictions" / f"{name}-members.csv"

    # evaluation, explanations, pictures

    @property
    def metrics(self) -> Path:
        """Metrics per model and cohort."""
        return self.root / "evaluation" / "metrics.csv"

    @property
    def comparisons(self) -> Path:
        """Differences in AUC between models on the same patients."""
        return self.root / "evaluation" / "comparisons.csv"

    @property
    def reclassification(self) -> Path:
        """Decisions that one model corrects and worsens against another."""
        return self.root / "evaluation" / "reclassification.csv"

    @property
    def decision_curves(self) -> Path:
        """Net benefit of every model over thresholds."""
        return self.root / "evaluation" / "decision_curves.csv"

    @property
    def subgroups(self) -> Path:
        """AUC by center and clinical column."""
        return self.root / "evaluation" / "subgroups.csv"

    @property
    def screening(self) -> Path:
        """Every radiomic feature against the outcome, on the development patients."""
        return self.root / "evaluation" / "screening.csv"

    @property
    def stability(self) -> Path:
        """How far each radiomic feature agrees with itself on perturbed contours."""
        return self.root / "evaluation" / "stability.csv"

    def ablation(self, what: str) -> Path:
        """A table of the ablation: ``aggregators``, ``selection``, ``ct`` or ``ct-gains``."""
        return self.root / "evaluation" / f"ablation_{what}.csv"

    def ablation_fold(self, arm: str, fold: int) -> Path:
        """What one fold of an arm of the ablation answered."""
        return self.root / "evaluation" / "ablation" / arm / f"fold-{fold:02d}.safetensors"

    def explanation(self, name: str) -> Path:
        """A table or file of the explain step, such as ``cell_types.csv``."""
        return self.root / "explain" / name

    def heatmap(self, patient_id: str, slide: str) -> Path:
        """Attention heatmap of a slide."""
        return self.root / "explain" / "heatmaps" / patient_id / f"{slide}.png"

    def heatmap_shapes(self, patient_id: str, slide: str) -> Path:
        """The same as shapes, for QuPath."""
        return self.heatmap(patient_id, slide).with_suffix(".geojson")

    def attribution_map(self, patient_id: str, slide: str) -> Path:
        """Attributions and clusters of the tiles of a slide."""
        return self.heatmap(patient_id, f"{slide}-attribution")

    def focus_regions(self, patient_id: str, slide: str) -> Path:
        """The high-focus regions of a slide beside each other."""
        return self.root / "explain" / "regions" / patient_id / f"{slide}.png"

    def focus_region(self, patient_id: str, slide: str, number: int) -> Path:
        """One of them, from 1, at full resolution."""
        return self.root / "explain" / "regions" / patient_id / f"{slide}-{number}.jpg"

    def voxel_maps(self, patient_id: str) -> Path:
        """Folder of a patient's voxel maps: where in a region a texture feature is high."""
        return self.root / "explain" / "voxel-maps" / patient_id

    def redrawn(self, patient_id: str) -> Path:
        """A patient's radiomic features after small changes of the contour and the slices."""
        return self.root / "explain" / "redrawn" / f"{patient_id}.json"

    def figure(self, name: str) -> Path:
        """A figure, without suffix: each is written as SVG and PNG."""
        return self.root / "figures" / name

    @property
    def report(self) -> Path:
        """The study report."""
        return self.root / "report" / "index.html"

    def patient_report(self, patient_id: str) -> Path:
        """The report of one patient."""
        return self.root / "report" / "patients" / f"{patient_id}.html"
