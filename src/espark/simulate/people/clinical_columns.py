"""Clinical columns of the virtual trial: plausible, linked to the tumor's biology, and sometimes missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from espark.simulate.people.biology import NAMES, TumorBiology
from espark.types import ClinicalColumn, DoubleArray

CLINICAL_COLUMNS: tuple[ClinicalColumn, ...] = (
    ClinicalColumn("age", "number", "years"),
    ClinicalColumn("sex", "category"),
    ClinicalColumn("clinical_t", "category"),
    ClinicalColumn("clinical_n", "category"),
    ClinicalColumn("stage", "category"),
    ClinicalColumn("location", "category"),
    ClinicalColumn("smoking", "category"),
    ClinicalColumn("regimen", "category"),
    ClinicalColumn("cycles", "number"),
    ClinicalColumn("blood_nlr", "number"),
    ClinicalColumn("albumin", "number", "g/L"),
)

_LOCATIONS = ("upper", "middle", "lower")
_LOCATION_SHARES = (0.14, 0.50, 0.36)
_REGIMENS = (
    "anti-PD-1 + paclitaxel + carboplatin",
    "anti-PD-1 + nab-paclitaxel + cisplatin",
    "anti-PD-1 + 5-FU + cisplatin",
)
_REGIMEN_SHARES = (0.55, 0.35, 0.10)
_MISSING = {"smoking": 0.03, "blood_nlr": 0.06, "albumin": 0.05}


@dataclass(frozen=True)
class Person:
    """Whom the tumor grows in.

    Attributes:
        age: years.
        female: sex.
        location: third of the thoracic esophagus in which the tumor's middle lies.
        body_mass_index: kg/m².
    """

    age: int
    female: bool
    location: str
    body_mass_index: float


def draw_person(rng: np.random.Generator) -> Person:
    """One patient with esophageal squamous cell carcinoma: mostly men in their sixties, lean."""
    return Person(
        age=int(np.clip(np.rint(rng.normal(62.5, 7.5)), 38, 80)),
        female=bool(rng.random() < 0.20),
        location=str(rng.choice(_LOCATIONS, p=_LOCATION_SHARES)),
        body_mass_index=float(np.clip(rng.normal(22.3, 2.9), 16.0, 33.0)),
    )


def clinical_row(
    person: Person, tumor: TumorBiology, latents: DoubleArray, rng: np.random.Generator
) -> dict[str, str | float | int | None]:
    """Values of ``CLINICAL_COLUMNS`` for one patient; a missing value is None."""
    z = dict(zip(NAMES, latents.tolist(), strict=True))
    clinical_t = _clinical_t(tumor.wall_thickness_mm + rng.normal(0.0, 2.0))
    # Readers count one node too many or too few now and then.
    miscounted = int(rng.integers(-1, 2)) if rng.random() < 0.3 else 0
    clinical_n = _clinical_n(max(0, tumor.nodes + miscounted))
    smoked = rng.random() < (0.12 if person.female else 0.70)
    row: dict[str, str | float | int | None] = {
        "age": person.age,
        "sex": "female" if person.female else "male",
        "clinical_t": clinical_t,
        "clinical_n": clinical_n,
        "stage": _stage(clinical_t, clinical_n),
        "location": person.location,
        "smoking": str(rng.choice(("former", "current"))) if smoked else "never",
        "regimen": str(rng.choice(_REGIMENS, p=_REGIMEN_SHARES)),
        "cycles": int(rng.choice((2, 3, 4), p=(0.72, 0.16, 0.12))),
        # The ratio in blood is a different quantity from the ratio in the tumor; they are weakly linked.
        "blood_nlr": round(float(2.6 * np.exp(rng.normal(0.12 * z["nlr"] + 0.10 * z["aggressiveness"], 0.40))), 2),
        "albumin": round(float(rng.normal(41.0 - 0.9 * z["tumor_length"] - 0.05 * (person.age - 62), 3.2)), 1),
    }
    for name, share in _MISSING.items():
        if rng.random() < share:
            row[name] = None
    return row


def _clinical_t(thickness_mm: float) -> str:
    if thickness_mm < 8.5:
        return "T2"
    return "T3" if thickness_mm < 19.0 else "T4a"


def _clinical_n(nodes: int) -> str:
    if nodes == 0:
        return "N0"
    if nodes <= 2:
        return "N1"
    return "N2" if nodes <= 6 else "N3"


def _stage(clinical_t: str, clinical_n: str) -> str:
    """Clinical stage group of squamous cell carcinoma (AJCC, 8th edition), without distant metastases."""
    if clinical_t == "T4a" or clinical_n == "N3":
        return "IVA"
    if clinical_n == "N2" or (clinical_t == "T3" and clinical_n == "N1"):
        return "III"
    return "II"
