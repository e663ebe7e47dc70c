"""The reporting checklist TRIPOD+AI, filled in as far as the software can know."""

from __future__ import annotations

from espark.bundle.card import BundleCard
from espark.report.study_content import ChecklistRow
from espark.wording import percent
from espark.workspace.opened import Workspace

_ASKED = (
    ("Title and abstract", "A title that names the model's kind, its outcome and its patients"),
    ("Title and abstract", "A structured abstract"),
    ("Introduction", "The clinical need, the intended patients and users, and known inequalities in care"),
    ("Introduction", "The aims: developing a model, validating it, or both"),
    ("Methods", "Where the data come from, for development and evaluation, and from when to when"),
    ("Methods", "Centers, who was eligible, and the treatment that was given"),
    ("Methods", "How the data were prepared and checked, alike for all groups of patients"),
    ("Methods", "The outcome: its definition, its time, who judged it and what they knew"),
    ("Methods", "The predictors: how they were chosen, defined and measured"),
    ("Methods", "How the number of patients was chosen, and whether it is enough"),
    ("Methods", "What was done about missing data"),
    ("Methods", "How the data were used, which model was built how, and how its performance was measured"),
    ("Methods", "Whether classes were balanced, and how probabilities were corrected afterwards"),
    ("Methods", "What was done for fairness, and why"),
    ("Methods", "What the model gives out, and how a threshold was chosen"),
    ("Methods", "How the patients of development and evaluation differ"),
    ("Methods", "Approval by an ethics committee, and consent"),
    ("Open science", "Funding, interests, protocol, registration, and where data and code are"),
    ("Patients and public", "How patients and the public took part"),
    ("Results", "The flow of the patients, with outcomes, and what they were like, by cohort"),
    ("Results", "Patients and outcomes in every analysis"),
    ("Results", "The model in full, so that others can use it"),
    ("Results", "Performance with intervals, also in subgroups and by center"),
    ("Results", "What updating the model changed, if it was updated"),
    ("Discussion", "What the results mean, fairness included"),
    ("Discussion", "Limitations, such as few or unrepresentative patients"),
    ("Discussion", "How the model is to be used: bad or missing inputs, the skill it takes, what comes next"),
)


def checklist(workspace: Workspace, card: BundleCard) -> tuple[ChecklistRow, ...]:
    """All 27 items; items that only the authors can answer are left to them.

    Source: Collins et al., TRIPOD+AI statement, BMJ 385:e078378 (2024); the items are put in our own words.
    """
    known = _known(workspace, card)
    return tuple(
        ChecklistRow(number, part, asked, *known.get(number, ("", "")))
        for number, (part, asked) in enumerate(_ASKED, start=1)
    )


def _known(workspace: Workspace, card: BundleCard) -> dict[int, tuple[str, str]]:
    """By item, what the software knows and the place in the report."""
    return _known_of_methods(workspace, card) | _known_of_results(workspace, card)


def _known_of_methods(workspace: Workspace, card: BundleCard) -> dict[int, tuple[str, str]]:
    cohort = workspace.cohort
    centers = sorted({patient.center for patient in cohort.used})
    external = len({patient.cohort_name for patient in cohort.used if patient.role == "external"})
    origin = "All patients are simulated. " if workspace.config.study.simulated else ""
    cohorts = "cohort was" if external == 1 else "cohorts were"
    return {
        4: (f"Models were developed here and {external} external {cohorts} used to validate them", "Summary"),
        5: (f"{origin}One table of {len(cohort.used) + len(cohort.set_aside)} patients; sources and dates are not "
            "known", "Provenance"),
        6: (f"Centers: {', '.join(centers)}; the authors must state eligibility and treatment", "Patients"),
        7: ("All images went through the same steps with the same settings in every center; what failed is "
            "listed", "Methods; Patients"),
        8: (f"The outcome is {card.outcome.in_full}, as given in the cohort table; images were read without it",
            "Words"),
        9: (_predictors(card), "Methods"),
        10: (f"{card.training.n} development patients, {card.training.n_positive} with the outcome; the difference in "
             "AUC that each cohort could show is given. How the number was chosen is not known", "Results"),
        11: ("Missing modalities and regions enter as unknown; no outcome is imputed", "Methods"),
        12: (f"{card.folds} folds, models, calibration, comparisons and their corrections; every choice with its basis",
             "Methods"),
        13: ("No resampling or class weights; probabilities were calibrated on out-of-fold answers", "Methods"),
        15: (f"A calibrated probability, a call at a threshold ({card.protocol.operating_point.replace('_', ' ')}) and "
             f"a set with {percent(card.protocol.coverage)} coverage", "Methods"),
        16: ("Patients, outcomes and images by cohort; clinical columns by patient", "Patients; The cohort"),
        18: ("Versions, seed and hashes of all inputs are recorded; the authors must state the rest", "Provenance"),
    }  # fmt: skip


def _known_of_results(workspace: Workspace, card: BundleCard) -> dict[int, tuple[str, str]]:
    subgroups = "by center and clinical column" if workspace.layout.subgroups.exists() else "by cohort"
    return {
        20: ("Flow of the patients, cohorts with outcomes, clinical columns", "Patients; The cohort"),
        21: ("Every table gives patients and outcomes", "Results"),
        22: (f"The model folder holds weights and settings of all {card.folds} models and is enough to predict",
             "Provenance"),
        23: (f"AUC, accuracy, sensitivity, specificity, PPV, NPV and Brier score with 95 % intervals, {subgroups}; "
             "calibration and decision curves", "Results"),
        24: ("The models were not updated on any evaluation cohort", "Methods"),
        27: ("Unusable images are named and left out, patients outside what the model knows get no answer, and each "
             "patient's page gives the reason; research use only", "Patients; patient pages"),
    }  # fmt: skip


def _predictors(card: BundleCard) -> str:
    parts = []
    if card.radiomics is not None:
        parts.append(f"{sum(map(len, card.radiomics.feature_names))} CT features")
    if card.encoder is not None:
        parts.append(f"slide tiles as vectors of {card.encoder.dim} numbers ({card.encoder.name})")
    if card.clinical:
        parts.append(f"{len(card.clinical)} clinical columns")
    return f"{' and '.join(parts)}; how each was made is stated" if parts else "Stated with the settings"
