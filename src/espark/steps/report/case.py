"""One patient, of a study or new, with everything that a report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import Regions
from espark.explain.robustness import Robustness
from espark.pathology.features import SlideFeatures
from espark.report.patient_content import AnswerRecord, SideRow, ValidationRow
from espark.report.picture import Picture
from espark.steps.explain.patient_explanation import PatientExplanation
from espark.steps.explain.slide_evidence import SlideEvidence
from espark.steps.report.applicability_in_words import Applicable
from espark.steps.report.slide_notes import SlideReference
from espark.training.ensemble import Prediction
from espark.training.inputs import Inputs
from espark.types import Role, Unseen
from espark.workspace.patient_files import slide_number


@dataclass(frozen=True)
class Case:
    """One patient, with everything a page shows.

    Attributes:
        patient_id: the study's own id.
        inputs: what the model looked at.
        prediction: what it answered.
        explanation: why.
        applicable: whether the model applies to the patient.
        simulated: whether the images are simulated.
        ct: the CT; None when there is none, or when it could not be read.
        regions: its regions.
        slides: files of the slides, in the order of ``features``. The page numbers the slides, because file
            names may contain the patient's name.
        features: tile features of each slide.
        slide_mpp: resolution given by the user.
        heatmaps: existing pictures, by slide; missing ones are drawn.
        role: role in the study; None for a new patient.
        center: center; None for a new patient.
        label: what happened, 1 or 0, where known.
        fold: the fold that did not see a development patient.
        validation: performance of the model, by cohort.
        biomarker_sides: by biomarker, the outcomes on each side of its cut-off in the cohorts of the study.
        quality: sentences on the quality of the data.
        provenance: model, versions, hashes.
        evidence: effect of the tiles on the answer; None when it is not known.
        reference: development patients with whom the slides are compared.
        maps: existing pictures of the attributions, by slide; missing ones are drawn.
        region_pictures: existing pictures of the high-focus regions, by slide; missing ones are drawn.
        record: how often each answer was right in validation.
        show_withheld: print the answer even when the model does not apply.
        voxel_maps: existing picture of where the most influential texture features are high; None when not requested.
        robustness: the answer after small changes of the contour; None without a region that espark measured.
    """

    patient_id: str
    inputs: Inputs
    prediction: Prediction
    explanation: PatientExplanation
    applicable: Applicable
    simulated: bool
    ct: CtVolume | None = None
    regions: Regions | None = None
    slides: tuple[Path, ...] = ()
    features: tuple[SlideFeatures, ...] = ()
    slide_mpp: float | None = None
    heatmaps: tuple[Path | None, ...] = ()
    role: Role | None = None
    center: str | None = None
    label: int | None = None
    fold: Unseen | None = None
    validation: tuple[ValidationRow, ...] = ()
    biomarker_sides: Mapping[str, tuple[SideRow, ...]] = field(default_factory=dict)
    quality: tuple[str, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    evidence: SlideEvidence | None = None
    reference: SlideReference = field(default_factory=SlideReference)
    maps: tuple[Path | None, ...] = ()
    region_pictures: tuple[Path | None, ...] = ()
    record: tuple[AnswerRecord, ...] = ()
    show_withheld: bool = False
    voxel_maps: Picture | None = None
    robustness: Robustness | None = None

    @property
    def withheld(self) -> bool:
        """Whether the answer is withheld: the model is not known to apply, and the user did not ask to show it."""
        return self.applicable.applies is not True and not self.show_withheld

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on the quality of the data and, unless the answer is withheld, on how the model used them."""
        quality = (*self.quality, *self.applicable.notes)
        return quality if self.withheld else (*quality, *self.explanation.notes)

    def slide_name(self, index: int) -> str:
        """What the page calls a slide: its number among the slides of the patient."""
        return slide_number(self.features[index].source)
