"""One simulated patient: drawn from its own random streams, written to files, recorded when done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from threadpoolctl import threadpool_limits

from espark.errors import InputError
from espark.files import atomic_path, read_json, write_json, write_parquet
from espark.outcome import Outcome
from espark.simulate.chest.dicom_writer import Geometry, SeriesHeader, write_series
from espark.simulate.chest.phantom import simulate_ct
from espark.simulate.chest.reader import draw_masks
from espark.simulate.people import biology
from espark.simulate.people.centers import CENTERS, patient_name, role_of
from espark.simulate.people.clinical_columns import Person, clinical_row, draw_person
from espark.simulate.people.oracle import oracle_logits
from espark.simulate.slides.simulated_slide import SlideLatents, simulate_slide, slide_style
from espark.types import AnyArray, DoubleArray

SIMULATOR = 1
"""Edition of the simulator: grows by one when the same seed no longer gives the same bytes."""

_STREAMS = ("biology", "label", "clinical", "anatomy", "scan", "slide", "reader", "redraw")
"""Independent random streams of a patient. New ones go to the end, so that the others stay what they are."""


@dataclass(frozen=True)
class PatientPlan:
    """What makes a patient; equal plans give equal bytes.

    Attributes:
        seed: seed of the trial.
        center_index: position in ``CENTERS``.
        patient_index: number within the center, from 0.
        null: labels depend on nothing.
        effect: scale of the effects.
        masks: whether a reader's masks are written.
        tiles: tissue tiles per slide; None leaves the slide's default.
        ct_matrix: rows and columns of the CT.
        simulator: edition of the simulator that draws the patient.
    """

    seed: int
    center_index: int
    patient_index: int
    null: bool
    effect: float
    masks: bool
    tiles: int | None
    ct_matrix: int
    simulator: int = SIMULATOR

    @property
    def patient_id(self) -> str:
        """The study's id of the patient."""
        return patient_name(self.center_index, self.patient_index)

    def stream(self, name: str) -> np.random.Generator:
        """One of the patient's independent random streams."""
        root = np.random.SeedSequence([self.seed, self.center_index, self.patient_index])
        return np.random.default_rng(root.spawn(len(_STREAMS))[_STREAMS.index(name)])


@dataclass(frozen=True)
class PatientTruth:
    """What is true of a patient before any image is made.

    Attributes:
        latents: shape (nodes of the graph,), standard normal.
        tumor: the same in physical units.
        person: whom the tumor grows in.
        probability: true probability of a response, 0–1.
        label: whether the patient responded, 1 or 0.
        clinical: clinical columns.
        logits: oracle logits by what is seen (``slide``, ``ct``, ``both``).
    """

    latents: DoubleArray
    tumor: biology.TumorBiology
    person: Person
    probability: float
    label: int
    clinical: dict[str, str | float | int | None]
    logits: dict[str, float]


def draw_truth(plan: PatientPlan) -> PatientTruth:
    """Draw a patient's biology, label and clinical columns; takes about a millisecond."""
    latents = biology.draw_latents(plan.stream("biology"))
    oracle = oracle_logits(latents[None], plan.effect)
    probability = biology.BASE_RATE if plan.null else float(oracle.probability[0])
    clinical_stream = plan.stream("clinical")
    person = draw_person(clinical_stream)
    tumor = biology.to_units(latents)
    return PatientTruth(
        latents=latents,
        tumor=tumor,
        person=person,
        probability=probability,
        label=int(plan.stream("label").random() < probability),
        clinical=clinical_row(person, tumor, latents, clinical_stream),
        logits={"slide": float(oracle.slide[0]), "ct": float(oracle.ct[0]), "both": float(oracle.both[0])},
    )


def cohort_row(plan: PatientPlan, truth: PatientTruth, outcome: Outcome) -> dict[str, Any]:
    """The patient's row of ``cohort.csv``; paths are relative to the trial's folder, ``outcome`` names the label."""
    name = plan.patient_id
    row: dict[str, Any] = {
        "patient_id": name,
        "center": CENTERS[plan.center_index].name,
        "role": role_of(plan.center_index, plan.patient_index),
        outcome.column: truth.label,
        "ct": f"ct/{name}",
        "slides": f"slides/{name}.tif",
    }
    if plan.masks:
        row["esophagus_mask"] = f"masks/{name}_esophagus.nii.gz"
        row["tumor_mask"] = f"masks/{name}_tumor.nii.gz"
    return row | truth.clinical


def truth_row(plan: PatientPlan, truth: PatientTruth) -> dict[str, Any]:
    """The patient's row of ``truth/patients.csv``."""
    return {
        "patient_id": plan.patient_id,
        "center": CENTERS[plan.center_index].name,
        "pcr": truth.label,
        "p_pcr": truth.probability,
        **{f"logit_{seen}": value for seen, value in truth.logits.items()},
        "nlr": truth.tumor.nlr,
        "differentiation": truth.tumor.well_fraction,
        **asdict(truth.tumor),
        **{f"z_{name}": float(value) for name, value in zip(biology.NAMES, truth.latents, strict=True)},
    }


def record_path(folder: Path, patient_id: str) -> Path:
    """Where a patient's record of being done lies."""
    return folder / "truth" / "done" / f"{patient_id}.json"


def is_done(folder: Path, plan: PatientPlan) -> bool:
    """Whether the patient's record shows that all files of this plan were written."""
    path = record_path(folder, plan.patient_id)
    if not path.is_file():
        return False
    try:
        return bool(read_json(path) == asdict(plan))
    except InputError:
        return False


def simulate_patient(folder: Path, plan: PatientPlan) -> None:
    """Write everything of one patient; the record that it is done comes last."""
    truth = draw_truth(plan)
    # Patients are the unit of parallel work; threads within one only wait for each other.
    with threadpool_limits(limits=1):
        _write_ct(folder, plan, truth)
        _write_slide(folder, plan, truth)
    write_json(record_path(folder, plan.patient_id), asdict(plan))


def _write_ct(folder: Path, plan: PatientPlan, truth: PatientTruth) -> None:
    center, name = CENTERS[plan.center_index], plan.patient_id
    scan = simulate_ct(
        truth.tumor, truth.person, center.ct, plan.stream("anatomy"), plan.stream("scan"), matrix=plan.ct_matrix
    )
    header = SeriesHeader(
        patient_id=name,
        entropy=f"{plan.seed}/{plan.ct_matrix}",
        sex="F" if truth.person.female else "M",
        age=truth.person.age,
        kernel=center.ct.kernel,
        kilovolt=center.ct.kilovolt,
        slice_mm=scan.geometry.spacing[2],
        center=center.name,
        contrast="" if scan.phase == "plain" else scan.phase,
    )
    write_series(folder / "ct" / name, scan.volume, scan.geometry, header)
    _write_mask(folder / "truth" / "masks" / f"{name}.nii.gz", scan.regions, scan.geometry)
    if plan.masks:
        esophagus, tumor = draw_masks(scan.regions, scan.geometry, plan.stream("reader"))
        _write_mask(folder / "masks" / f"{name}_esophagus.nii.gz", esophagus, scan.geometry)
        _write_mask(folder / "masks" / f"{name}_tumor.nii.gz", tumor, scan.geometry)


def _write_slide(folder: Path, plan: PatientPlan, truth: PatientTruth) -> None:
    tumor = truth.tumor
    latents = SlideLatents(
        well_fraction=tumor.well_fraction,
        lymphocytes_per_mm2=tumor.lymphocytes_per_mm2,
        neutrophils_per_mm2=tumor.neutrophils_per_mm2,
        stroma_fraction=tumor.stroma_fraction,
        vessels_per_mm2=tumor.vessels_per_mm2,
        necrosis_fraction=tumor.necrosis_fraction,
    )
    style, rng = slide_style(plan.center_index), plan.stream("slide")
    path = folder / "slides" / f"{plan.patient_id}.tif"
    size = {} if plan.tiles is None else {"tiles": plan.tiles}
    tiles = simulate_slide(path, latents, style, rng, **size)
    write_parquet(folder / "truth" / "tiles" / f"{plan.patient_id}.parquet", tiles)


def _write_mask(target: Path, mask: AnyArray, geometry: Geometry) -> None:
    image = sitk.GetImageFromArray(np.ascontiguousarray(mask, dtype=np.uint8))
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    with atomic_path(target) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=True)
