"""A patient of no study: the files, and what else a model must know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from espark.bundle.card import BundleCard
from espark.errors import BundleError, InputError, InputProblems
from espark.tables.names import name_problem
from espark.wording import UNNAMED
from espark.workspace.patient_files import PatientFiles, contradictions, unusable_files


@dataclass(frozen=True, kw_only=True)
class NewPatient(PatientFiles):
    """A new patient: CT, slides and regions as `PatientFiles` has them, and what no cohort gives.

    Attributes:
        patient_id: what the report calls the patient.
        clinical: clinical values as text, by name of the column, for a model that looks at them.
        segmenter: the segmenter that the model is expected to name; None to take whichever it names.
        segmenter_weights: folder of the segmenter's weights; None for the default weights.
        encoder_path: folder of the tile encoder, where the model uses another than the embedded one.
    """

    patient_id: str = UNNAMED
    clinical: Mapping[str, str] = field(default_factory=dict)
    segmenter: str | None = None
    segmenter_weights: Path | None = None
    encoder_path: Path | None = None

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Every file or folder that is given, with the name of its field; several slides share one."""
        yield from super().paths()
        if self.segmenter_weights is not None:
            yield "segmenter_weights", self.segmenter_weights

    def by_option(self) -> dict[str, Path]:
        """Every file or folder that is given, by the option of ``espark predict``; several slides are numbered."""
        found = {option(field): path for field, path in self.paths() if field != "slides"}
        numbers = [""] if len(self.slides) == 1 else [f" ({number})" for number in range(1, len(self.slides) + 1)]
        return found | {f"{option('slides')}{number}": path for number, path in zip(numbers, self.slides, strict=True)}


def option(field: str) -> str:
    """The option of ``espark predict`` that fills a field of `NewPatient`."""
    return "--slide" if field == "slides" else f"--{field.replace('_', '-')}"


def check_given(patient: NewPatient) -> None:
    """Look at what is given, before the model or any image is read.

    Raises:
        InputProblems: when nothing is given, or with every file that is missing or does not fit the others.
    """
    problems: list[InputError] = []
    if patient.ct is None and not patient.slides and not patient.clinical:
        problems.append(InputError("nothing to look at", expected="--ct, --slide or both"))
    if why := name_problem(patient.patient_id):
        problems.append(InputError(f"the name {patient.patient_id[:80]!r} {why}", where="--patient-id"))
    problems += unusable_files(patient, name=option)
    problems += contradictions(patient, masks_required=False, name=option)
    if problems:
        raise InputProblems(problems)


def check_for_model(patient: NewPatient, card: BundleCard) -> None:
    """Whether the regions of a new CT come about as those of the model's own patients did.

    Raises:
        InputProblems: when another segmenter is asked for, or a model whose segmenter is ``masks`` gets no region.
    """
    own = card.segmenter.name if card.segmenter else "masks"
    problems: list[InputError] = []
    if card.radiomics is not None and patient.segmenter not in (None, own):
        problems.append(
            BundleError(
                f"the model was trained on regions of {own}, not of {patient.segmenter}",
                where=option("segmenter"),
                action="Leave the option out: the model names its segmenter. For another one, train another model.",
            )
        )
    if card.radiomics is not None:
        problems += contradictions(patient, masks_required=own == "masks", name=option)
    if problems:
        raise InputProblems(problems)
