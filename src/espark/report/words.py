"""The sentences that reports share, and the terms they use, in plain words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from espark.outcome import Outcome

RESEARCH_USE = "Research use only – not a medical device"
RESEARCH_USE_LONG = (
    "Research use only. This report is not a medical device and must not decide on the treatment of a patient. "
    "It holds only for {disease}, and it does not compare treatments."
)
SIMULATED_PATIENT = "Simulated patient"
SIMULATED_MODEL = "Model trained on simulated patients"
SIMULATED = "Simulated patients"
SIMULATED_PATIENT_LONG = "This patient is simulated: a computer made the images. They do not come from a real person."
SIMULATED_MODEL_LONG = (
    "The model was trained on simulated patients. Its answer means nothing for a real patient; it only shows that the "
    "software works."
)
SIMULATED_STUDY_LONG = (
    "All patients of this study are simulated: a computer made their images and drew their outcomes. "
    "The results show how the software behaves. They mean nothing for real patients."
)
NEW_PATIENT = "New patient"
NOT_APPLICABLE = "Not applicable"
NOT_CHECKED = "Not checked"
WITHHELD = {
    False: "No probability is given: the patient lies outside what the model knows, so any number would be a guess. "
    "The rest of the report describes the images and does not depend on the model.",
    True: "No probability is given: it could not be checked whether the model applies to this patient. "
    "The rest of the report describes the images and does not depend on the model.",
}
"""The key is True when espark could not check whether the model applies."""
NO_ANSWER = {
    False: "How likely {outcome} is in this patient: the model does not apply.",
    True: "How likely {outcome} is in this patient: whether the model applies was not checked.",
}
"""The key is True when espark could not check whether the model applies."""
NO_DIAGNOSIS = "What disease the images show: a region is measured as it was outlined."
NO_DIAGNOSIS_OF_CELLS = "What a tile shows: cell types are named by resemblance, and a resemblance is not a diagnosis."
NO_RELIABLE_CELLS = "Which cells the slides show: cell types and biomarkers are not reliable on these slides."
NO_TREATMENT = "Which treatment is right: the report does not compare treatments."
BY_THE_AUTHORS = "To be completed by the authors"
WITHHELD_MARK = "withheld"
OUTSIDE = {
    False: "The patient lies outside what the model knows. The number shown here is only what the model computed: do "
    "not rely on it. Figures measured on earlier patients do not hold for this one.",
    True: "It could not be checked whether the model applies to this patient. The number shown here is only what the "
    "model computed: do not rely on it.",
}
"""The key is True when espark could not check whether the model applies."""
ANSWER_WORDS = {"likely": "{heading} likely", "not-sure": "Not sure", "unlikely": "{heading} unlikely"}
ANSWER_MARKS = {"likely": "▲", "not-sure": "◆", "unlikely": "▼"}
ANSWER_MEANS = {"likely": "had {outcome} (PPV)", "not-sure": "had {outcome}", "unlikely": "had {negation} (NPV)"}
RECORD_SCOPE = (
    "The table does not compare treatments, and it holds only where {outcome} is about as common as in these cohorts."
)
CELLS_UNRELIABLE = "Cell types and biomarkers are not shown: they are not reliable on these slides."
UNSEEN_ATTRIBUTION = "What each feature added to the answer is not shown, because the answer itself is withheld."
ATTENTION_IS_NOT_PROOF = (
    "Attention shows where the model looked, not what is there: a highlighted region is not a diagnosis."
)
WRITTEN_BY_RULE = (
    "These sentences are written by fixed rules from the numbers in this report; what the numbers do not support is "
    "left out. They describe the model and are not a pathologist's reading."
)
FLATTERED = (
    "The model saw this patient in training, so its answer looks better than it would for a new patient. "
    "Do not count it as evidence."
)
RULES_DISAGREE = (
    "The two ways of reading the number disagree: the answer above is “{answer}”, the plain yes/no call is "
    "“{call}”. Read this as not sure."
)

DEPENDS_ON_CONTOUR = (
    "The answer depends on the exact contour or on the thickness of the slices: {counts}. Read this as not sure."
)


def about(text: str, outcome: Outcome) -> str:
    """A sentence of this module with the words of a study's outcome in place of ``{outcome}`` and similar fields."""
    return text.format(outcome=outcome.name, negation=outcome.negation, heading=outcome.heading)


@dataclass(frozen=True)
class Term:
    """A term and what it means here.

    Attributes:
        key: short name under which a report asks for it; also the anchor in the page.
        name: the term.
        meaning: one or two plain sentences; ``{outcome}`` is replaced by the name of a study's outcome.
    """

    key: str
    name: str
    meaning: str

    def about(self, outcome: Outcome) -> Term:
        """The term in the words of a study's outcome."""
        return replace(self, meaning=about(self.meaning, outcome))


def outcome_term(outcome: Outcome) -> Term:
    """What the outcome of a study is."""
    return Term("outcome", outcome.term, outcome.definition or "What the models predict, as the study defines it.")


TERMS: dict[str, Term] = {
    term.key: term
    for term in (
        Term(
            "probability",
            "Probability",
            "A probability of 30 % means: about 30 of 100 such patients should have {outcome}, if they resemble the "
            "development patients. The probability is the mean over several models.",
        ),
        Term(
            "sd",
            "± SD, standard deviation",
            "How much the probabilities of the models differ. A large value means that the models disagree. "
            "It is not a confidence interval.",
        ),
        Term(
            "log_odds",
            "Log-odds",
            "A probability on a scale on which contributions add up: the logarithm of the odds, that is, of the "
            "probability of {outcome} divided by that of {negation}. 0 means 50 %, a value above 0 is in favor of "
            "{outcome}. "
            "Adding 0.69 doubles the odds (from 50 % to 67 %), taking 0.69 away halves them (from 50 % to 33 %).",
        ),
        Term(
            "vote",
            "Vote of the models",
            "The same model is trained several times, each time without one part of the development patients. "
            "A new patient is shown to all of them, and their probabilities are averaged. The yes/no call comes "
            "from the average or, if the study chose this, from the majority of the models.",
        ),
        Term(
            "threshold",
            "Threshold",
            "Probability from which the plain yes/no call is “{outcome}”. It was chosen on development patients only.",
        ),
        Term(
            "conformal",
            "Likely, not sure, unlikely (conformal set)",
            "The outcomes that cannot be ruled out, chosen so that the true outcome is among them as often as stated. "
            "One left: {outcome} is likely or unlikely. Both left: not sure. None left: the number is unusual for "
            "either outcome, which is read as not sure. This holds only for patients like the development patients.",
        ),
        Term(
            "development",
            "Development patients",
            "The patients on whom the model was trained and its threshold was set.",
        ),
        Term(
            "out_of_fold",
            "Out-of-fold",
            "The answer for a development patient comes from the model that did not see this patient in training, "
            "so it is as honest as for a new patient.",
        ),
        Term(
            "interval",
            "Interval",
            "The range in brackets is a 95 % confidence interval: how far the figure may move by chance, with that "
            "number of patients. Few patients make it wide.",
        ),
        Term(
            "auc",
            "AUC, area under the ROC curve",
            "How often a patient with {outcome} gets a higher probability than a patient without, when one of each is "
            "drawn at random. 0.5 is a coin toss, 1 is perfect.",
        ),
        Term(
            "sensitivity",
            "Sensitivity and specificity",
            "Sensitivity: the share of patients with {outcome} that the model calls “{outcome}”. "
            "Specificity: the share of patients without {outcome} that it calls “{negation}”.",
        ),
        Term(
            "ppv",
            "PPV and NPV, predictive values",
            "PPV: the share of patients called “{outcome}” who had it. NPV: the share of patients called "
            "“{negation}” who did not have it. Both depend on how common {outcome} is in the cohort.",
        ),
        Term(
            "brier",
            "Brier score",
            "Mean squared distance between probability and outcome (1 = {outcome}, 0 = {negation}). 0 is perfect; "
            "always answering 50 % gives 0.25.",
        ),
        Term(
            "percentile",
            "Percentile",
            "The share of development patients with a lower value. 50 is the middle.",
        ),
        Term(
            "radiomics",
            "Radiomic features",
            "Numbers that describe size, shape, density and texture of a region of the CT.",
        ),
        Term(
            "scales",
            "Tumor scale and esophagus scale",
            "The same features, measured once in the tumor and once in the whole esophagus including the tumor. Where "
            "a study asks for it, a third time in the peritumoral ring: the soft tissue around the tumor.",
        ),
        Term(
            "tile",
            "Tile",
            "A small square of the slide. The model reads a slide tile by tile.",
        ),
        Term(
            "attention",
            "Attention",
            "The weight that a tile has in the model's answer. " + ATTENTION_IS_NOT_PROOF,
        ),
        Term(
            "tile_attribution",
            "Attribution of a tile",
            "What a tile adds to the log-odds of {outcome}, compared with the mean tile of the training patients. The "
            "attributions of all tiles add up to the effect of the slides on the answer.",
        ),
        Term(
            "cluster",
            "Cluster of tiles",
            "Tiles that look alike to the encoder. The clusters were found on development tiles alone; each is named "
            "after the cell type that it resembles most. This is a resemblance, not a diagnosis.",
        ),
        Term(
            "contribution",
            "Contribution of a cell type",
            "How much the tiles, weighted by the attention of the model, resemble this cell type rather than the "
            "others of its group. The shares within a group add up to 100 %. It is a resemblance, not a cell count.",
        ),
        Term(
            "nlr",
            "NLR in the tissue",
            "Neutrophils relative to lymphocytes in the tissue of the slide, as the model estimates them. "
            "The blood NLR, known from the blood count, is a different quantity; do not use one for the other.",
        ),
        Term(
            "differentiation",
            "Differentiation",
            "Well-differentiated relative to poorly differentiated tumor cells in the slide, as the model estimates "
            "them. It is not the pathologist's grade.",
        ),
    )
}

PATIENT_TERMS: tuple[str, ...] = (
    *("probability", "sd", "log_odds", "vote", "threshold", "conformal", "development", "out_of_fold"),
    *("interval", "auc", "sensitivity", "ppv", "percentile"),
)
CELL_TERMS: tuple[str, ...] = ("contribution", "nlr", "differentiation")
ANSWER_TERMS = frozenset({
    *("probability", "sd", "log_odds", "conformal", "radiomics", "attention", "tile_attribution", "cluster"),
    *CELL_TERMS,
})  # fmt: skip
"""Terms that only an answer uses; a page with a withheld answer does not explain them."""

CT_TERMS: tuple[str, ...] = ("radiomics", "scales")
SLIDE_TERMS: tuple[str, ...] = (
    "tile",
    "attention",
    "tile_attribution",
    "cluster",
    *CELL_TERMS,
)
STUDY_TERMS: tuple[str, ...] = tuple(key for key in TERMS if key not in ("sd", "percentile"))

GROUP_TITLES: dict[str, str] = {
    "major": "Major cell types",
    "immune": "Immune cells",
    "tumor": "Tumor cells",
}
MODALITY_WORDS: dict[str, str] = {
    "both": "CT and slides",
    "ct": "CT only",
    "slides": "slides only",
    "clinical": "clinical columns only",
}
ROLE_WORDS: dict[str, str] = {
    "development": "development patient",
    "internal_test": "internal test patient",
    "external": "external test patient",
}
COHORT_WORDS: dict[str, str] = {
    "development": "development",
    "internal_test": "internal test",
    "external": "external test",
}
SCALE_WORDS: dict[str, str] = {
    "tumor": "Tumor",
    "esophagus": "Esophagus with tumor",
    "peritumoral": "Ring around the tumor",
    "image": "Whole image",
}
