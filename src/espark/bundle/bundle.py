"""A trained model that predicts without its study: vote, calibrate, predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from espark.bundle.card import BundleCard
from espark.training.applicability import Applicability
from espark.training.ensemble import Ensemble, Prediction
from espark.training.inputs import Inputs
from espark.training.members.member import Member, entering_features
from espark.training.operating_point import OperatingPoint
from espark.training.preprocessing import CLIP_SD
from espark.types import DoubleArray, FloatArray, Modality, Unseen

_APPLICABILITY_TILES = 300


@dataclass(frozen=True)
class Bundle:
    """A trained model.

    Attributes:
        card: what ``bundle.json`` holds.
        members: one trained fold each.
        applicability: distance to the development patients by modality (``ct``, ``slides``).
    """

    card: BundleCard
    members: tuple[Member, ...]
    applicability: dict[str, Applicability]

    @property
    def ensemble(self) -> Ensemble:
        """The members, and how their answers become one."""
        points = {modality: OperatingPoint.from_dict(values) for modality, values in self.card.operating_points.items()}
        return Ensemble(self.card.model, self.members, points, self.card.protocol.voting)

    def raw(self, inputs: Inputs) -> DoubleArray:
        """(folds, patients) each member's probability before calibration; NaN where it has nothing to look at."""
        return self.ensemble.raw(inputs)

    def asked(self, unseen: Unseen | None) -> tuple[Member, ...]:
        """The members that are asked about a patient: those that did not see a development patient, all for others."""
        return self.members if unseen is None else tuple(self.members[number] for number in unseen)

    def predict(self, inputs: Inputs) -> list[Prediction | None]:
        """The answer for each patient; None for a patient without anything that this model can look at.

        Whether the model applies to a patient is another question (:meth:`distances`), which `espark.predict` asks.
        """
        return self.ensemble.predict(inputs)

    def modality(self, inputs: Inputs, index: int) -> Modality | None:
        """What the model looks at in a patient; None when there is nothing for it."""
        return self.ensemble.modality(inputs, index)

    def distances(self, inputs: Inputs) -> dict[str, tuple[float, float]]:
        """Distance of the one patient in ``inputs`` and its limit, by modality that is there."""
        rows = applicability_rows(inputs, 0)
        found = {"ct": inputs.has_ct[0], "slides": inputs.has_slides[0]}
        return {
            modality: (check.distance(rows[modality]), check.limit)
            for modality, check in self.applicability.items()
            if found[modality]
        }

    def clipped(self, inputs: Inputs) -> tuple[int, int]:
        """How many of the radiomic features that can change the answer for the one patient lie at the clip.

        Returns:
            Their number, and the number of all known features that can change it. Both are 0 where the development
            patients were too few to compare with.
        """
        check = self.applicability.get("ct")
        if check is None or not inputs.has_ct[0]:
            return 0, 0
        row = inputs.radiomics[0]
        used = entering_features(self.members, len(row)) & np.isfinite(check.sd) & ~np.isnan(row)
        away = np.abs(row[used].astype(np.float64) - check.mean[used]) / check.sd[used]
        return int((away >= CLIP_SD).sum()), int(used.sum())


def applicability_rows(inputs: Inputs, index: int) -> dict[str, FloatArray]:
    """By modality, the (rows, features) of a patient in which distance to the development patients is measured.

    Of a CT it is the one row of radiomics, of slides at most 300 evenly spaced tiles.
    """
    bag = inputs.bags[index]
    tiles = np.zeros((0, inputs.tile_dim), np.float32) if bag is None else bag.features
    step = max(1, len(tiles) // _APPLICABILITY_TILES)
    return {"ct": inputs.radiomics[index : index + 1], "slides": tiles[::step][:_APPLICABILITY_TILES]}
