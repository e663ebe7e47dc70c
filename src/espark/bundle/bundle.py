"""A trained model that predicts without its study: vote, calibrate, predict."""

from __future__ import annotations

from dataclasses import dataclass, replace

from espark.bundle.card import BundleCard
from espark.pathology.cells.cell_probe import CellProbe
from espark.training.ensemble import Ensemble, Prediction
from espark.training.inputs import Inputs
from espark.training.likeness.applicability import Applicability, Likeness
from espark.training.likeness.harmonisation import Harmonisation
from espark.training.likeness.views import applicability_views
from espark.training.members.member import Member, features_at_clip
from espark.training.operating_point import OperatingPoint
from espark.types import DoubleArray, Modality, Unseen


@dataclass(frozen=True)
class Bundle:
    """A trained model.

    Attributes:
        card: what ``bundle.json`` holds.
        members: one trained fold each.
        applicability: what compares a patient with the development patients, by modality (``ct``, ``slides``).
        probe: reads the cells from the tile vectors; None without a probe.
        harmonisation: brings the CT features of the site that the model was adapted to, to those of the development
            patients; None for a model as it was trained.
    """

    card: BundleCard
    members: tuple[Member, ...]
    applicability: dict[str, Applicability]
    probe: CellProbe | None = None
    harmonisation: Harmonisation | None = None

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

        Whether the model applies to a patient is another question (:meth:`likeness`), which `espark.predict` asks.
        """
        return self.ensemble.predict(inputs)

    def modality(self, inputs: Inputs, index: int) -> Modality | None:
        """What the model looks at in a patient; None when there is nothing for it."""
        return self.ensemble.modality(inputs, index)

    def harmonised(self, inputs: Inputs) -> Inputs:
        """Measured patients of the site that the model was adapted to, as the model knows its own patients."""
        if self.harmonisation is None:
            return inputs
        return replace(inputs, radiomics=self.harmonisation.apply(inputs.radiomics))

    def likeness(self, inputs: Inputs) -> dict[str, Likeness]:
        """How alike the one patient in ``inputs`` is to the development patients, by modality that is there."""
        views = applicability_views(inputs, 0)
        found = {"ct": inputs.has_ct[0], "slides": inputs.has_slides[0]}
        return {
            modality: check.compare(views[modality])
            for modality, check in self.applicability.items()
            if found[modality]
        }

    def clipped(self, inputs: Inputs) -> tuple[int, int]:
        """How many of the radiomic features that can change the answer for the one patient lie at the clip.

        Returns:
            Their number, and the number of all known features that can change the answer.
        """
        at_clip, used = features_at_clip(self.members, inputs.radiomics[0])
        return int(at_clip.sum()), int(used.sum())
