"""All landmarks of a CT."""

from __future__ import annotations

from dataclasses import dataclass

from espark.ct.landmarks.airway import Airway, find_airway
from espark.ct.landmarks.aorta import Aorta, find_aorta
from espark.ct.landmarks.lungs import body_mask, lung_top
from espark.ct.landmarks.spine import Spine, find_spine
from espark.types import FloatArray

_ARCH = 2  # slices above the carina in which the aorta still descends


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Landmarks on a grid of cubic voxels, z upwards, y to the back, x to the left.

    Attributes:
        spacing_mm: side of a voxel.
        spine: the spine.
        lung_top: highest slice with lung; None when no lung is seen.
        airway: the windpipe; None when it is not found.
        aorta: the descending aorta below the carina; None when the CT ends above the carina.
    """

    spacing_mm: float
    spine: Spine
    lung_top: int | None
    airway: Airway | None
    aorta: Aorta | None

    @property
    def carina(self) -> int | None:
        """Slice in which the windpipe divides; None when it is not in the CT."""
        return self.airway.carina if self.airway else None


def find_landmarks(hu: FloatArray, spacing_mm: float) -> Landmarks:
    """Find the landmarks in the CT itself.

    Args:
        hu: (z, y, x) Hounsfield units, cubic voxels of about 3 mm, z upwards, y to the back, x to the left.
        spacing_mm: side of a voxel.
    """
    body = body_mask(hu)
    spine = find_spine(hu, body, spacing_mm)
    top = lung_top(hu, body, spine, spacing_mm)
    airway = find_airway(hu, body, spine, top, spacing_mm) if top is not None else None
    carina = airway.carina if airway else None
    aorta = find_aorta(hu, spine, carina + _ARCH, spacing_mm) if carina is not None else None
    return Landmarks(spacing_mm, spine, top, airway, aorta)
