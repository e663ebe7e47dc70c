"""What is written for one patient, as plain data. A withheld answer is absent here, so that no object can hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from espark.ct.regions.plausibility import RegionDescription
from espark.files import digest
from espark.outcome import Outcome
from espark.types import Modality, Scale
from espark.wording import percent

RESEARCH_USE = "For research use only; not a medical device."


@dataclass(frozen=True)
class ModelIdentity:
    """Which model answered.

    Attributes:
        name: name in the catalogue.
        title: name for people.
        version: version of espark that trained it.
        sha256: hash of the bundle.
        trained_on: sentence on the patients on whom it was trained.
    """

    name: str
    title: str
    version: str
    sha256: str
    trained_on: str


@dataclass(frozen=True)
class GivenAnswer:
    """The answer, where it is not withheld.

    Attributes:
        probability: calibrated probability of the outcome, 0 to 1.
        threshold: the probability at and above which the call is 1.
        prediction: the call, 1 or 0.
        conformal_set: outcomes that cannot be ruled out, in neutral names.
        coverage: share of patients whose true outcome the set contains.
    """

    probability: float
    threshold: float
    prediction: int
    conformal_set: str
    coverage: float


@dataclass(frozen=True)
class CaseResult:
    """The result of one patient.

    Attributes:
        patient_id: the id that espark was given, for images without an id of their own.
        disease: the disease that the model is for.
        outcome: what it predicts.
        model: which model answered.
        modality: what the answer is based on.
        applies: whether the model applies to the patient; None when that was not checked.
        reasons: sentences on what speaks against it.
        answer: None when the answer is withheld.
        regions: the regions in numbers.
        segmenter: name of the segmenter that found the regions; None when a person gave them.
        simulated: whether the patient is simulated.
        missing: sentences on inputs that the model uses and the patient does not have.
    """

    patient_id: str
    disease: str
    outcome: Outcome
    model: ModelIdentity
    modality: Modality
    applies: bool | None
    reasons: tuple[str, ...]
    answer: GivenAnswer | None
    regions: Mapping[Scale, RegionDescription] = field(default_factory=dict)
    segmenter: str | None = None
    simulated: bool = False
    missing: tuple[str, ...] = ()

    def digest(self) -> str:
        """Hash of the result."""
        return digest(repr(asdict(self)))

    def sentences(self) -> tuple[str, ...]:
        """The result in sentences, for a person."""
        return (RESEARCH_USE, *self._about_the_answer(), *self.missing, self.model.trained_on, *self._simulated())

    def _about_the_answer(self) -> tuple[str, ...]:
        if self.answer is None:
            return ("The answer is withheld, because the model is not known to apply to this patient.", *self.reasons)
        outcome, answer = self.outcome, self.answer
        side = "reaches" if answer.prediction else "is below"
        return (
            f"The probability of {outcome.in_full} is {percent(answer.probability)}. It is calibrated on patients whom "
            "the model did not see in training.",
            f"The probability {side} the threshold of {percent(answer.threshold)}.",
            *self.reasons,
        )

    def _simulated(self) -> tuple[str, ...]:
        return ("All images of this patient are simulated.",) if self.simulated else ()
