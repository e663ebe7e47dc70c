"""The centers of the virtual trial: who is recruited where, and how each center scans.

Patients are numbered within their center. A larger trial continues the same sequences, so no patient ever changes
its center, its role or its images because more patients were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from espark.types import Role


@dataclass(frozen=True)
class ContrastPhase:
    """Mean attenuation in HU of what contrast medium changes.

    Attributes:
        aorta: arterial blood (aorta, left heart, arteries).
        veins: systemic veins and right heart.
        pulmonary: pulmonary arteries and veins.
        myocardium: heart muscle.
        liver: liver tissue.
        hepatic_vessels: veins within the liver.
        spleen: spleen.
        kidney: renal cortex.
        muscle: skeletal muscle.
        esophagus: wall of the normal esophagus.
        tumor: viable tumor.
    """

    aorta: float
    veins: float
    pulmonary: float
    myocardium: float
    liver: float
    hepatic_vessels: float
    spleen: float
    kidney: float
    muscle: float
    esophagus: float
    tumor: float


PHASES: dict[str, ContrastPhase] = {
    "plain": ContrastPhase(42, 40, 41, 40, 58, 44, 48, 32, 52, 36, 40),
    "arterial": ContrastPhase(270, 130, 230, 95, 72, 80, 110, 150, 58, 58, 70),
    "venous": ContrastPhase(155, 145, 150, 100, 108, 150, 118, 175, 63, 68, 84),
}


@dataclass(frozen=True)
class CtProtocol:
    """How a center scans.

    Attributes:
        slice_mm: the slice thicknesses in use, equally often.
        fov_mm: smallest and largest reconstructed field of view.
        phases: share of patients scanned in each contrast phase.
        kernel: convolution kernel as the header names it.
        blur_mm: standard deviation of the kernel's point spread in plane.
        edge_gain: overshoot of a sharp kernel at edges; 0 for a soft one.
        noise_hu: noise in the middle of a chest of average size.
        noise_peak: frequency at which the noise is strongest, cycles per mm.
        kilovolt: tube voltage.
    """

    slice_mm: tuple[float, ...]
    fov_mm: tuple[float, float]
    phases: Mapping[str, float]
    kernel: str
    blur_mm: float
    edge_gain: float
    noise_hu: float
    noise_peak: float
    kilovolt: int


@dataclass(frozen=True)
class Center:
    """A hospital of the virtual trial.

    Attributes:
        name: value of the ``center`` column.
        weight: its share of the patients, as their number in the full trial of 344.
        development: whether models are developed here; other centers are external cohorts.
        ct: how it scans.
    """

    name: str
    weight: int
    development: bool
    ct: CtProtocol


CENTERS: tuple[Center, ...] = (
    Center(
        "A",
        220,
        True,
        CtProtocol(
            slice_mm=(2.5, 3.0),
            fov_mm=(370.0, 420.0),
            phases={"venous": 0.85, "arterial": 0.15},
            kernel="SOFT-30",
            blur_mm=0.75,
            edge_gain=0.0,
            noise_hu=13.0,
            noise_peak=0.12,
            kilovolt=120,
        ),
    ),
    Center(
        "B",
        76,
        False,
        CtProtocol(
            slice_mm=(5.0,),
            fov_mm=(380.0, 440.0),
            phases={"arterial": 0.80, "venous": 0.20},
            kernel="STANDARD",
            blur_mm=0.65,
            edge_gain=0.15,
            noise_hu=11.0,
            noise_peak=0.18,
            kilovolt=120,
        ),
    ),
    Center(
        "C",
        48,
        False,
        CtProtocol(
            slice_mm=(1.25, 1.5),
            fov_mm=(350.0, 400.0),
            phases={"venous": 0.60, "plain": 0.40},
            kernel="SHARP-60",
            blur_mm=0.50,
            edge_gain=0.45,
            noise_hu=16.0,
            noise_peak=0.25,
            kilovolt=100,
        ),
    ),
)

MAX_CENTERS = len(CENTERS)

_INTERNAL_TEST_EVERY = 5
_INTERNAL_TEST_REMAINDER = 2


def center_sizes(patients: int, centers: int) -> list[int]:
    """Number of patients of each center, by highest averages (Webster), so that none shrinks as the trial grows.

    Example:
        >>> center_sizes(344, 3)
        [220, 76, 48]
    """
    sizes = [0] * centers
    for _ in range(patients):
        averages = [CENTERS[index].weight / (2 * sizes[index] + 1) for index in range(centers)]
        sizes[averages.index(max(averages))] += 1
    return sizes


def role_of(center_index: int, patient_index: int) -> Role:
    """Role of a patient: every fifth of a development center is held out as internal test."""
    if not CENTERS[center_index].development:
        return "external"
    held_out = patient_index % _INTERNAL_TEST_EVERY == _INTERNAL_TEST_REMAINDER
    return "internal_test" if held_out else "development"


def patient_name(center_index: int, patient_index: int) -> str:
    """The study's id of a patient.

    Example:
        >>> patient_name(0, 0)
        'A-0001'
    """
    return f"{CENTERS[center_index].name}-{patient_index + 1:04d}"
