"""The content of a patient's page, as plain data: the steps fill it in, the templates print it.

Every quantity comes with the number of patients on whom it was measured. This module does not know a study's folder, a
model or an image; pictures come as bytes or as SVG text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from espark.explain.robustness import Robustness
from espark.outcome import NEGATIVE, POSITIVE, Outcome
from espark.report import words
from espark.report.picture import Picture
from espark.types import Modality, Role, Scale, Voting
from espark.wording import UNNAMED


@dataclass(frozen=True)
class Position:
    """The patient's place among the development patients.

    Attributes:
        picture: distribution of the development patients' probabilities with the patient's mark.
        percentile: share of development patients with a lower probability, 0 to 100.
        n: development patients in the comparison.
        n_positive: how many of them had the outcome.

    Raises:
        ValueError: when there are no patients to compare with or the percentile is not in [0, 100].
    """

    picture: Picture
    percentile: float
    n: int
    n_positive: int

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.percentile <= 100:
            raise ValueError(f"a position needs patients and a percentile, found {self.n} and {self.percentile}")


@dataclass(frozen=True)
class RegionRow:
    """A region of the CT as the model saw it.

    Attributes:
        scale: ``tumor``, ``esophagus`` or ``peritumoral``.
        volume_ml: volume in ml; None when the region is not known.
        length_mm: extent from head to foot in mm; None when not known.
        note: anything a reader must know about it.
    """

    scale: Scale
    volume_ml: float | None
    length_mm: float | None
    note: str = ""


@dataclass(frozen=True)
class CtEffect:
    """What a group of CT features added to the answer.

    Attributes:
        name: the group, in words.
        meaning: what its features measure; empty when the name is enough.
        n_features: features in it.
        log_odds: their sum, compared with the mean development patient; above 0 is in favor of the outcome.
        agreeing: how many models give it the same sign.
        models: models that answered.
    """

    name: str
    meaning: str
    n_features: int
    log_odds: float
    agreeing: int
    models: int


@dataclass(frozen=True)
class CtPage:
    """The patient's CT.

    Attributes:
        planes: axial, coronal and sagittal slice with the region contours.
        regions: one row per region.
        n_features: radiomic features that the model used.
        attribution: what each group of features added to the answer.
        notes: sentences on this CT.
        effects: what each scale, and each feature class at it, added to the answer.
        voxel_maps: where the most influential texture features are high; None when it was not requested.
    """

    planes: Picture
    regions: tuple[RegionRow, ...]
    n_features: int
    attribution: Picture | None
    notes: tuple[str, ...]
    effects: tuple[CtEffect, ...] = ()
    voxel_maps: Picture | None = None


@dataclass(frozen=True)
class SlidePage:
    """One of the patient's slides.

    Attributes:
        name: the study's name of the slide; for a new patient its number, from 1.
        heatmap: the whole slide with the attention over it; None when the answer is withheld.
        gallery: the tiles that got the most attention.
        mpp: micrometers per pixel of the scanned slide.
        n_tiles: tiles with tissue.
        n_chosen: tiles that the cell-type selection kept; None when the answer is withheld.
        notes: sentences on this slide.
        attribution: what each tile added to the answer, and its cluster.
        regions: the regions that moved the answer most.
        overview: the whole slide without attention, when the answer is withheld.
    """

    name: str
    heatmap: Picture | None
    gallery: Picture | None
    mpp: float
    n_tiles: int
    n_chosen: int | None
    notes: tuple[str, ...]
    attribution: Picture | None = None
    regions: Picture | None = None
    overview: Picture | None = None


@dataclass(frozen=True)
class CellTypeRow:
    """What one cell type contributed.

    Attributes:
        group: ``major``, ``immune`` or ``tumor``; contributions add up to 1 within a group.
        name: name in running text.
        contribution: attention-weighted share of the group, 0 to 1.
        percentile: share of development patients with a lower contribution, 0 to 100; None when not known.
        n: development patients in the comparison; None when it is the same as for the patient's position.
    """

    group: str
    name: str
    contribution: float
    percentile: float | None
    n: int | None = None


@dataclass(frozen=True)
class SideRow:
    """Outcomes on the two sides of a biomarker's cut-off in one cohort, each as ``12 of 30: 40 % (25–58)``.

    Attributes:
        cohort: name of the cohort.
        low: patients with the outcome among those on the low side.
        high: patients with the outcome among those on the high side.
        odds_ratio: odds of the outcome on the side where it is expected, divided by the odds on the other side.
        differs: whether the interval of the odds ratio excludes 1.
    """

    cohort: str
    low: str
    high: str
    odds_ratio: str
    differs: bool = False


@dataclass(frozen=True)
class Biomarker:
    """A ready-made biomarker.

    Attributes:
        name: its name.
        definition: what is measured, in one sentence.
        value: the patient's value; None when it could not be measured.
        percentile: share of development patients with a lower value, 0 to 100; None when not known.
        n: development patients in the comparison.
        cutoff: the cut-off fitted on the development patients; None when there is none.
        favorable: side of the cut-off on which the outcome is expected, ``low`` or ``high``.
        side: side on which the patient lies; empty without a cut-off.
        picture: the patient's place among the development patients.
        sides: outcomes on each side, by cohort.
    """

    name: str
    definition: str
    value: float | None
    percentile: float | None
    n: int
    cutoff: float | None = None
    favorable: str = ""
    side: str = ""
    picture: Picture | None = None
    sides: tuple[SideRow, ...] = ()


@dataclass(frozen=True)
class ValidationRow:
    """Performance of the model in one cohort. Figures come formatted, with their intervals.

    Attributes:
        cohort: the cohort's name.
        n: labelled patients.
        n_positive: how many of them had the outcome.
        auc: area under the ROC curve.
        sensitivity: at the model's threshold.
        specificity: at the model's threshold.
        ppv: share of the patients called positive who had the outcome.
        npv: share of the patients called negative who did not have it.
    """

    cohort: str
    n: int
    n_positive: int
    auc: str
    sensitivity: str
    specificity: str
    ppv: str
    npv: str


AnswerKind = Literal["likely", "not-sure", "unlikely"]

ANSWER_KINDS: tuple[AnswerKind, ...] = ("likely", "not-sure", "unlikely")
"""The answers a model can give, in the order in which tables show them."""


def answer_kind(conformal_set: str) -> AnswerKind:
    """The answer that a conformal set means; an empty set (fits neither) is read as not sure."""
    return {POSITIVE: "likely", NEGATIVE: "unlikely"}.get(conformal_set, "not-sure")  # type: ignore[return-value]


@dataclass(frozen=True)
class AnswerRecord:
    """How often each answer of a model was right in one cohort, among patients with a known outcome.

    Attributes:
        cohort: the cohort's name.
        counts: by answer, how many patients got it and how many of these patients had the outcome.

    Raises:
        ValueError: when an answer is missing, or has more outcomes than patients.
    """

    cohort: str
    counts: dict[AnswerKind, tuple[int, int]]

    def __post_init__(self) -> None:
        if set(self.counts) != set(ANSWER_KINDS) or any(not 0 <= positive <= n for n, positive in self.counts.values()):
            raise ValueError(f"a record needs the patients and outcomes of each of {ANSWER_KINDS}, found {self.counts}")

    @property
    def n(self) -> int:
        """All patients of the cohort who got an answer."""
        return sum(n for n, _ in self.counts.values())

    @property
    def n_positive(self) -> int:
        """How many of them had the outcome."""
        return sum(n_positive for _, n_positive in self.counts.values())


@dataclass(frozen=True)
class ModalityRow:
    """Performance of the model without a modality, on the same patients. Figures come formatted.

    Attributes:
        modality: what the model was given.
        n: development patients with CT and slides.
        n_positive: how many of them had the outcome.
        auc: area under the ROC curve.
        change: change of the AUC compared with CT and slides together; None in the row of CT and slides.
    """

    modality: Modality
    n: int
    n_positive: int
    auc: str
    change: str | None


@dataclass(frozen=True)
class PatientReport:
    """The content of one patient's report.

    Attributes:
        patient_id: the study's own id.
        model_title: name of the model.
        disease: what the model is for, as it continues "a model for …".
        outcome: what it predicts.
        trained_on: sentence on the patients and centers on which the model was trained.
        simulated_model: the model was trained on simulated patients.
        simulated_patient: the patient is simulated.
        modality: what the model looked at.
        missing: sentences on what was missing.
        outside: reasons why the model does not apply to the patient, and what could not be checked; empty when it
            applies.
        unchecked: no reason against the model was found, but not everything could be checked; ``outside`` gives the
            missing checks.
        probability: calibrated probability of the outcome, 0 to 1; development patients: out-of-fold.
        probability_sd: standard deviation of the fold models' probabilities; 0 for a single model.
        n_models: fold models that answered.
        members: the probability of each fold model.
        threshold: probability from which the model calls a patient positive.
        prediction: 1 (positive) or 0.
        conformal_set: outcomes that cannot be ruled out: ``positive``, ``negative``, ``positive;negative`` or nothing.
        coverage: how often such a set should contain the true outcome, 0 to 1.
        position: the patient's place among the development patients.
        ct: the CT page, when there is a CT.
        slides: one page per slide.
        cell_types: contributions of the cell types; empty without a slide.
        cell_type_picture: the same, drawn.
        biomarkers: ready-made biomarkers.
        unreliable_cells: why cell types and biomarkers are not shown although the slides have them; mostly empty.
        validation: performance of the model, by cohort.
        role: the patient's role in the study; None for a new patient.
        center: the patient's center; None for a new patient.
        label: what happened, 1 or 0; None when not known.
        out_of_fold: the answer comes from models that did not see this patient in training.
        quality: sentences on the quality of the data.
        provenance: (what, value): model, version, hashes.
        withheld: no probability, prediction or answer is printed, anywhere.
        index_href: address of the study report, relative to this one; None for a new patient.
        voting: how the call is made from several models.
        clinical: (column, value with its unit) of the clinical values that the model looked at.
        slide_findings: sentences on where the model looked on the slides.
        slide_answer_findings: sentences on how the tiles changed the answer; not printed when it is withheld.
        record: how often each answer was right in validation, by cohort; only answers based on the same modality.
        modalities: performance when a modality is missing; empty for a model with a single modality.
        robustness: the answer after small changes of the contour and the slices; None when it was not asked.

    Raises:
        ValueError: when a probability that is to be printed is not in [0, 1].
    """

    patient_id: str
    model_title: str
    disease: str
    outcome: Outcome
    trained_on: str
    simulated_model: bool
    simulated_patient: bool
    modality: Modality
    missing: tuple[str, ...]
    outside: tuple[str, ...]
    probability: float
    probability_sd: float
    n_models: int
    members: tuple[float, ...]
    threshold: float
    prediction: int
    conformal_set: str
    coverage: float
    position: Position
    ct: CtPage | None
    slides: tuple[SlidePage, ...]
    cell_types: tuple[CellTypeRow, ...]
    cell_type_picture: Picture | None
    biomarkers: tuple[Biomarker, ...]
    validation: tuple[ValidationRow, ...]
    role: Role | None
    center: str | None
    label: int | None
    out_of_fold: bool
    quality: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]
    withheld: bool = False
    unchecked: bool = False
    index_href: str | None = None
    voting: Voting = "soft"
    clinical: tuple[tuple[str, str], ...] = ()
    slide_findings: tuple[str, ...] = ()
    slide_answer_findings: tuple[str, ...] = ()
    record: tuple[AnswerRecord, ...] = ()
    modalities: tuple[ModalityRow, ...] = ()
    unreliable_cells: tuple[str, ...] = ()
    robustness: Robustness | None = None

    @property
    def title(self) -> str:
        """What the page is called."""
        return words.NEW_PATIENT if self.patient_id == UNNAMED else f"Patient {self.patient_id}"

    @property
    def comparable(self) -> bool:
        """Whether the patient may be compared with the development patients: not a real patient with simulated ones."""
        return self.simulated_patient or not self.simulated_model

    @property
    def by_majority(self) -> bool:
        """Whether the call counts the votes of several models."""
        return self.voting == "majority" and self.n_models > 1

    @property
    def votes(self) -> int:
        """Number of models whose own probability reaches the threshold."""
        return sum(member >= self.threshold for member in self.members)

    def __post_init__(self) -> None:
        if not self.withheld and not 0 <= self.probability <= 1:
            raise ValueError(f"a probability must be from 0 to 1, found {self.probability}")
