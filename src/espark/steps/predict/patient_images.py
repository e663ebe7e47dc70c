"""The images of a new patient, read and measured as a bundle's model was trained on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from espark.bundle.bundle import Bundle
from espark.ct.features.radiomics import RadiomicsResult, RadiomicsSettings
from espark.ct.hounsfield import CtVolume
from espark.ct.models.look import look_at_image
from espark.ct.regions.plausibility import RegionDescription, describe_region
from espark.ct.regions.regions import Regions
from espark.errors import BundleError, InputError, InputProblems
from espark.pathology.cytology import Cytology
from espark.pathology.features import SlideFeatures
from espark.pathology.slide import open_slide
from espark.steps.predict.new_patient import NewPatient
from espark.steps.prepare.measure import measure_regions
from espark.steps.prepare.patient_ct import PatientCt, bundle_segmenter, read_ct_and_regions
from espark.steps.prepare.prepared_inputs import bag_of
from espark.steps.prepare.slide_tools import bundle_tools
from espark.training.inputs import ClinicalValue, Inputs
from espark.training.plugins import check_plugins
from espark.types import FloatArray, Scale
from espark.work.progress import Reporter
from espark.workspace.patient_files import slide_number


@dataclass(frozen=True, kw_only=True)
class MeasuredCt:
    """A new patient's CT with what was measured on it.

    Attributes:
        ct: the CT.
        regions: its regions.
        descriptions: each region in numbers.
        radiomics: value by ``scale__feature``; empty for a model that does not look at the CT.
        failures: reason by ``scale__feature``, where a feature could not be computed.
        segmenter: name of the segmenter that found the regions; None when the user gave them.
        notes: what a reader must know of the regions.
    """

    ct: CtVolume
    regions: Regions
    descriptions: dict[Scale, RegionDescription]
    radiomics: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    segmenter: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EncodedSlides:
    """A new patient's slides as tile features.

    Attributes:
        features: of each slide, in the order in which they were given.
        simulated: whether every slide is marked as simulated.
        notes: what a reader must know of them.
    """

    features: tuple[SlideFeatures, ...] = ()
    simulated: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PatientImages:
    """What was read from the files of a new patient.

    Attributes:
        ct: None where no CT is given, or the model does not look at it and no region of it is given.
        slides: empty where no slide is given.
    """

    ct: MeasuredCt | None
    slides: EncodedSlides

    @property
    def simulated(self) -> bool:
        """Whether every image is marked as simulated."""
        return (self.ct is None or self.ct.ct.simulated) and self.slides.simulated

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of CT and slides."""
        return (*(self.ct.notes if self.ct else ()), *self.slides.notes)


def read_images(bundle: Bundle, patient: NewPatient, workers: int, reporter: Reporter) -> PatientImages:
    """Read both modalities.

    Raises:
        InputProblems: with what is wrong with either of them, at once.
    """
    problems: list[InputError] = []
    ct, slides = None, EncodedSlides()
    with _collected(problems):
        ct = measured_ct(bundle, patient, workers, reporter)
    with _collected(problems):
        slides = encoded_slides(bundle, patient, reporter)
    if problems:
        raise InputProblems(problems)
    return PatientImages(ct=ct, slides=slides)


@contextlib.contextmanager
def _collected(problems: list[InputError]) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        problems.append(error)


def patient_inputs(
    bundle: Bundle, patient: NewPatient, images: PatientImages, clinical: tuple[ClinicalValue, ...]
) -> Inputs:
    """What the model looks at, in the order of features that it was trained with."""
    known = images.ct.radiomics if images.ct else {}
    return inputs_of(bundle, patient.patient_id, known, images.slides.features, clinical)


def inputs_of(
    bundle: Bundle,
    patient_id: str,
    radiomics: Mapping[str, float],
    slides: Sequence[SlideFeatures],
    clinical: tuple[ClinicalValue, ...],
) -> Inputs:
    """What the model looks at in one patient, in the order of features that it was trained with.

    Args:
        bundle: the trained model.
        patient_id: whose.
        radiomics: value by ``scale__feature``; a feature that is not there is unknown.
        slides: tile features of each slide.
        clinical: one value for each clinical column of the model.
    """
    card = bundle.card.radiomics
    scales: tuple[Scale, ...] = card.scales if card else ()
    names = card.feature_names if card else ()
    row = [
        radiomics.get(f"{scale}__{name}", np.nan) for scale, part in zip(scales, names, strict=True) for name in part
    ]
    values: FloatArray = np.array([row], dtype=np.float32)
    columns = tuple(card.column() for card in bundle.card.clinical)
    measured = Inputs((patient_id,), scales, names, values, (bag_of(list(slides)),), columns, (clinical,))
    return bundle.harmonised(measured)


def measured_ct(bundle: Bundle, patient: NewPatient, workers: int, reporter: Reporter) -> MeasuredCt | None:
    """The CT with its regions and radiomics; None where none is given, or the model has no use for it.

    Raises:
        InputError: when the CT or its regions cannot be used.
    """
    if not _looks_at_ct(bundle, patient):
        return None
    read = _ct_and_regions(bundle, patient, reporter)
    masks = {scale: read.regions.mask(scale) for scale in read.regions.scales}
    card = bundle.card.radiomics
    values: dict[str, float] = {}
    failures: dict[str, str] = {}
    if card is not None and card.source == "imported":
        raise BundleError(
            "the model was trained on radiomic features made elsewhere, which espark cannot make from a CT",
            where=patient.ct,
            action="Add the patient to the study's feature table as external, and run the study again.",
        )
    if card is not None:
        settings = RadiomicsSettings(card.image_types, card.spacing_mm, card.bin_width_hu)
        results = measure_regions(read.ct, list(masks.values()), settings, workers=workers, reporter=reporter)
        measured: dict[Scale, RadiomicsResult] = dict(zip(masks, results, strict=True))
        if card.image_model:
            measured["image"] = look_at_image(card.image_model, read.ct, read.regions)
        for scale, result in measured.items():
            values |= {f"{scale}__{name}": value for name, value in result.values.items()}
            failures |= {f"{scale}__{name}": reason for name, reason in result.failures.items()}
    return MeasuredCt(
        ct=read.ct,
        regions=read.regions,
        descriptions={scale: describe_region(read.ct, mask) for scale, mask in masks.items()},
        radiomics=values,
        failures=failures,
        segmenter=read.segmenter,
        notes=tuple(map(str, read.region_notes)),
    )


def _looks_at_ct(bundle: Bundle, patient: NewPatient) -> bool:
    """Whether the CT is read: for a model that does not look at it, only to describe the regions that are given."""
    return patient.ct is not None and (bundle.card.radiomics is not None or patient.has_regions)


def _ct_and_regions(bundle: Bundle, patient: NewPatient, reporter: Reporter) -> PatientCt:
    reporter.say("reading the CT")
    found_by, radiomics = bundle.card.segmenter, bundle.card.radiomics
    segmenter = None
    if found_by is not None and not patient.has_regions:
        reporter.say(f"segmenting the CT ({found_by.name})")
        check_plugins(bundle.card.plugins, where=bundle.card.title, segmenter=found_by.name)
        segmenter = bundle_segmenter(found_by, patient.segmenter_weights)
    return read_ct_and_regions(
        patient,
        segmenter,
        propose_tumor=found_by is not None and found_by.proposes_tumor,
        ring_mm=radiomics.ring_mm if radiomics else 0.0,
        outline=radiomics.outline if radiomics else "polygon",
    )


def encoded_slides(bundle: Bundle, patient: NewPatient, reporter: Reporter) -> EncodedSlides:
    """The slides as tile features; none where the model does not look at slides.

    Raises:
        SlideError: when a slide cannot be used.
    """
    card = bundle.card.encoder
    if not patient.slides or card is None:
        return EncodedSlides()
    tools = bundle_tools(card, bundle.card.cytology or Cytology(), patient.encoder_path, bundle.probe)
    features: list[SlideFeatures] = []
    simulated, notes = True, []
    with reporter.track("slides", len(patient.slides)) as advance:
        for name, path in patient.named_slides.items():
            with open_slide(path, mpp=patient.slide_mpp) as slide:
                features.append(tools.encode(slide, name))
                simulated = simulated and slide.simulated
                notes += [f"Slide {slide_number(name)}: {note}" for note in (*slide.notes, *features[-1].notes)]
            advance()
    return EncodedSlides(features=tuple(features), simulated=simulated, notes=tuple(notes))
