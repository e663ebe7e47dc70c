"""What was done in a training, in sentences: for the bundle, its card and the methods of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from espark.ct.models.catalogue import CT_MODELS
from espark.models.aggregators.catalogue import AGGREGATORS
from espark.models.fusions.catalogue import FUSIONS
from espark.training.likeness.applicability import WITHHELD_RATE
from espark.training.members.catalogue import MODELS
from espark.training.operating_point import OperatingPoint
from espark.training.settings import ModelSettings
from espark.types import Calibration, Modality, Voting
from espark.wording import percent
from espark.workspace.config import MScaleCTSettings, OptimizerSettings, ProtocolSettings

_SCALED = "Radiomic features were scaled by the mean and SD of the training patients of each fold."

_WEIGHTED = (
    "Penalties and weights were chosen by the likelihood in inner folds of the training patients of each fold; no "
    "patient counted more than another."
)

_IN_ADVANCE = "This was fixed in advance in study.toml."

_CALLS: dict[Voting, str] = {
    "soft": "the mean of the calibrated probabilities of all folds is compared with the threshold",
    "majority": "the calibrated probability of each fold is compared with the threshold and the majority decides; the "
    "mean breaks a tie",
}

_SLOPES: dict[Calibration, str] = {
    "platt": "",
    "anchored": ", with a normal prior on its slope (mean 1, SD 0.15)",
}

_LOOKS: dict[Modality, str] = {
    "both": "CT and slides",
    "ct": "CT alone",
    "slides": "slides alone",
    "clinical": "clinical columns",
}


@dataclass(frozen=True)
class TrainingInWords:
    """A training and its settings; each method gives the sentences on one topic.

    Attributes:
        model: name in the catalogue.
        settings: settings of all models; the sentences leave out models that are not in the bundle.
        protocol: folds, threshold, vote and coverage.
        seed: seed of the folds.
        cell_types: number of cell types that the tiles are compared with; 0 for an encoder without a text side.
    """

    model: str
    settings: ModelSettings
    protocol: ProtocolSettings
    seed: int
    cell_types: int

    def folds(self) -> Iterator[str]:
        """The folds, and the patients on which each model was trained."""
        often = f" {self.protocol.repeats} times, each time" if self.protocol.repeats > 1 else ""
        yield (
            f"The development patients were split{often} into {self.protocol.folds} folds, stratified by outcome and, "
            f"where there were enough patients, by center (seed {self.seed}; the folds are in splits.csv)."
        )
        unseen = "the model that did not see that patient"
        if self.protocol.repeats > 1:
            unseen = f"the {self.protocol.repeats} models that did not see that patient, at their mean log-odds"
        yield (
            f"Each model was trained on all folds but one; {self._fitted()} were fitted on its training patients alone."
        )
        yield (
            f"A development patient's answer comes from {unseen}. Test and external "
            f"patients were not used for any choice; all {self.protocol.members} models answer for them."
        )

    def _fitted(self) -> str:
        """What is fitted on the training patients of a fold."""
        chosen, cutoffs = self.settings.mscalect, self.settings.cutoffs.fixed
        parts = {
            "scaling": True,
            "the choice of features": self._looks_at("ct") and (chosen.selected or chosen.min_icc),
            "the cut-offs of the cell types": self._chooses_tiles() and (not cutoffs or None in cutoffs),
            "the penalties": self._voiced(),
        }
        return f"{', '.join(part for part, there in parts.items() if there)} and weights"

    def ct(self) -> Iterator[str]:
        """MScaleCT, and which radiomic features it looks at."""
        if not self._looks_at("ct"):
            return
        chosen = self.settings.mscalect
        yield from self._ct_voices() if chosen.voices else (self._ct_network(), _SCALED)
        if chosen.min_icc:
            yield (
                "In each fold, features were left out when their intraclass correlation under perturbed contours was "
                f"below {chosen.min_icc:g} among the training patients."
            )
        if chosen.features != ("*",):
            yield f"Only features called {' or '.join(chosen.features)} entered MScaleCT. {_IN_ADVANCE}"
        if chosen.voices:
            yield from self._leading_voice()
            return
        if not chosen.selected:
            yield "The outcome was not used to choose features of MScaleCT."
            return
        yield (
            f"Each fold kept the {chosen.selected} features that differ most between patients with and without the "
            "outcome (absolute correlation with it, all scales together) among its training patients, so the folds "
            f"may look at different features; all other features were set to the training mean. {_IN_ADVANCE}"
        )
        if chosen.max_correlation < 1:
            yield (
                "A feature was skipped when its absolute correlation with a stronger feature was above "
                f"{chosen.max_correlation:g}."
            )

    def _ct_voices(self) -> Iterator[str]:
        voices = self.settings.mscalect.voices
        yield (
            f"MScaleCT is a weighted mean of {len(voices)} linear models (voices): {', '.join(voices)}. Each is a "
            f"logistic regression with a ridge penalty. {_WEIGHTED}"
        )
        yield "Radiomic features entered as normal scores, by their rank among the training patients of each fold."

    def _leading_voice(self) -> Iterator[str]:
        chosen = self.settings.mscalect
        if any(voice.startswith("leading") for voice in chosen.voices):
            yield (
                f"The voice leading keeps the {chosen.selected or 10} features that differ most between patients with "
                "and without the outcome, chosen anew in each inner fold. The outcome was not used to choose features "
                "of the other voices."
            )
        else:
            yield "The outcome was not used to choose features of MScaleCT."

    def _ct_network(self) -> str:
        chosen = self.settings.mscalect
        if chosen.model == MScaleCTSettings().model:
            return (
                f"MScaleCT is a multi-layer perceptron of {chosen.depth} layers of {chosen.width} units with batch "
                "norm and identity activation."
            )
        entry = CT_MODELS[chosen.model]
        source = f" ({entry.source})" if entry.source else ""
        numbers = f" It computed {len(entry.features)} numbers from the image itself." if entry.look else ""
        return f"MScaleCT is {entry.title}{source}, a model that was added to espark.{numbers}"

    def slides(self) -> Iterator[str]:
        """CytoPath, and what it looks at in a slide."""
        if not self._looks_at("slides"):
            return
        chosen = self.settings.cytopath
        if chosen.voices:
            yield (
                f"CytoPath is a weighted mean of linear models (voices) on the whole bag of a patient: "
                f"{', '.join(chosen.voices)}. A voice is left out when the encoder does not give what it reads. Each "
                f"is a logistic regression with a ridge penalty. {_WEIGHTED}"
            )
            yield "All tiles entered and count alike."
            return
        entry = AGGREGATORS[chosen.aggregator]
        yield f"CytoPath pooled the tiles of a patient into one answer (aggregator: {entry.title})."
        if self._chooses_tiles():
            yield f"A tile entered when it passed the cut-off of any of {self.cell_types} cell types. {self._cutoffs()}"
        else:
            yield "All tiles entered, without selection by cell type."
        if chosen.tile_vector == "profile":
            yield (
                "A tile was described by its similarity to each cell type, standardized by mean and SD over the "
                "training patients of each fold, instead of by its vector."
            )

    def _cutoffs(self) -> str:
        cutoffs = self.settings.cutoffs
        share = percent(cutoffs.share)
        fixed = [value is not None for value in cutoffs.fixed]
        if not any(fixed):
            return f"Each cut-off was fitted so that the top {share} of the training tiles of a fold pass it."
        if all(fixed):
            return "The cut-offs were fixed in advance."
        return (
            "Some cut-offs were fixed in advance; the others were fitted so that the top "
            f"{share} of the training tiles of a fold pass them."
        )

    def fusion(self) -> Iterator[str]:
        """How eSPARK joins the modalities."""
        if not MODELS[self.model].fuses:
            return
        chosen = self.settings.espark
        if chosen.weighted_sum:
            columns = ", CytoPath and the clinical columns" if chosen.clinical else " and CytoPath"
            yield (
                f"eSPARK is a weighted sum of the log-odds of MScaleCT{columns}. The weights were fitted on answers "
                "for training patients whom the parts did not see. They are never negative, and a part that a patient "
                "lacks adds nothing."
            )
            return
        entry = FUSIONS[chosen.fusion]
        joined = "the CT vector and the slide vector"
        if chosen.clinical:
            joined = "the CT vector, the slide vector and the declared clinical columns"
        yield f"eSPARK joined {joined} of a patient (fusion: {entry.title}, {entry.description})."
        if chosen.clinical:
            yield "The clinical columns were encoded with the training patients of each fold."
        yield (
            "The CT vector came from the MScaleCT of the same fold, which was kept unchanged; the layers after it were "
            f"trained at {chosen.ct_learning_rate_factor:g} times the learning rate."
        )
        if chosen.slide_learning_rate_factor == 0:
            yield (
                "The slide vector came from the CytoPath of the same fold, which was kept unchanged; only the "
                f"layers above the two were trained. {_IN_ADVANCE}"
            )
        else:
            yield (
                "The slide vector came from a branch that started as the CytoPath of the same fold and was trained "
                f"further with the fusion, at {chosen.slide_learning_rate_factor:g} times the learning rate."
            )
        if chosen.modality_dropout:
            yield (
                "In training, the CT or the slides of a patient who has both were hidden with probability "
                f"{chosen.modality_dropout:g} (modality dropout), so that the model can answer from either alone. "
                f"{_IN_ADVANCE}"
            )

    def clinical(self) -> Iterator[str]:
        """How the comparator sees the clinical columns."""
        if self.model == "clinical":
            yield (
                "The clinical columns are those that study.toml declares. The training patients of each fold gave the "
                "scale of the numbers and the known categories."
            )

    def epochs(self) -> Iterator[str]:
        """How long each network was trained; nothing for voices."""
        parts = self._networks()
        if not parts:
            return
        fixed = [MODELS[name].title for name, part in parts.items() if not part.inner_share]
        if fixed:
            names = "" if len(fixed) == len(parts) else f" of {' and '.join(fixed)}"
            yield f"The epochs{names} were fixed in advance in study.toml; no patients were used to choose them."
        for name, part in parts.items():
            if part.inner_share:
                yield (
                    f"For {MODELS[name].title}, the epoch with the lowest loss on {percent(part.inner_share)} of the "
                    "training patients of each fold was chosen. These patients were set aside and not trained on. The "
                    f"number of epochs was at most {part.epochs}."
                )

    def precision(self) -> Iterator[str]:
        """Which networks were not trained in float32 throughout."""
        parts = self._networks()
        rounded = [MODELS[name].title for name, part in parts.items() if part.precision != "float32"]
        if rounded:
            yield (
                f"The layers of {' and '.join(rounded)} were multiplied in bfloat16 in training; weights and answers "
                f"are float32. {_IN_ADVANCE}"
            )

    def calibration(self) -> Iterator[str]:
        """From the answers of the folds to a probability and a call."""
        yield (
            "Platt scaling, a logistic function of the logit, was fitted on the out-of-fold predictions of the "
            f"development patients{_SLOPES[self.protocol.calibration]}."
        )
        goal = "the highest Youden index"
        if self.protocol.operating_point == "sensitivity_floor":
            goal = f"{goal} at a sensitivity of at least {percent(self.protocol.min_sensitivity)}"
        yield f"The threshold has {goal} on the same predictions after calibration."
        yield (
            "The probability is the mean of the calibrated probabilities of all folds. For the call, "
            f"{_CALLS[self.protocol.voting]}."
        )
        if MODELS[self.model].fuses:
            yield "CT and slides, CT alone and slides alone each have their own calibrator, threshold and sets."

    def thresholds(self, points: Mapping[Modality, OperatingPoint]) -> Iterator[str]:
        """The threshold for each modality.

        Args:
            points: by modality, the operating point fitted out of fold; the first is for all modalities of the model.
        """
        own = next(iter(points))
        for modality, point in points.items():
            start = "Threshold" if len(points) == 1 else f"Threshold for {_LOOKS[modality]}"
            if modality != own and point == points[own]:
                yield (
                    f"{start}: too few patients have it, so the calibrator, threshold and sets for {_LOOKS[own]} are "
                    "used."
                )
            else:
                yield f"{start}: {point.threshold:.3f}, fitted on {point.calibrator.n} patients."

    def conformal(self) -> Iterator[str]:
        """The conformal sets."""
        yield (
            f"Split-conformal sets with a coverage of {percent(self.protocol.coverage)} were fitted on the same "
            "predictions."
        )

    def development_figures(self) -> Iterator[str]:
        """How the figures for development patients were computed."""
        yield (
            "Development figures are cross-fitted: for the patients of a fold, calibrator, threshold and sets were "
            "fitted on the other folds."
        )

    def applicability(self) -> Iterator[str]:
        """When a patient is too far from the development patients."""
        if self.model != "clinical":
            yield (
                "Applicability compares a patient with the development patients, for each modality that at least ten "
                "of them have. One distance is measured in what a scanner or a stain hardly moves: the shape features "
                "of the regions, and the mean similarity of the tiles to the cell types with the mean numbers of "
                f"cells. Its limit withholds {percent(WITHHELD_RATE)} of patients like the development patients, over "
                "all modalities of the model. It is a quantile of the distances of development patients that the fit "
                "did not see. A second distance is measured in all unfiltered CT features and in all tiles. Beyond "
                f"its {percent(1 - WITHHELD_RATE)} quantile, the page notes that the scanner or stain looks new. "
                "Beyond twice this value, the answer is withheld. Without shape features or cell types, only the "
                "second distance is known, and the answer is withheld beyond its quantile. Where fewer patients have "
                "a modality, this cannot be checked, and the answer is withheld."
            )

    def _looks_at(self, modality: Modality) -> bool:
        return modality in MODELS[self.model].modalities

    def _chooses_tiles(self) -> bool:
        chosen = self.settings.cytopath
        return self._looks_at("slides") and bool(self.cell_types) and chosen.cell_type_selection and not chosen.voices

    def _networks(self) -> dict[str, OptimizerSettings]:
        """The networks in the bundle, by name, in the order in which they are trained."""
        parts: dict[str, OptimizerSettings] = {
            "mscalect": self.settings.mscalect, "cytopath": self.settings.cytopath, "espark": self.settings.espark
        }  # fmt: skip
        names = (*MODELS[self.model].starts_from, self.model)
        return {name: parts[name] for name in names if name in parts and not self.settings.voiced(name)}

    def _voiced(self) -> bool:
        return any(self.settings.voiced(name) for name in (*MODELS[self.model].starts_from, self.model))
