"""Every table of a study folder, with its columns."""

from __future__ import annotations

from espark.formats.artefact import OUTCOME, Artefact, Column
from espark.formats.columns import shared

_N, _LABEL = f"n_{OUTCOME}", OUTCOME

_INPUTS_AND_PREPARED = (
    Artefact(
        "cohort.csv", "you",
        "One row for each patient. The README lists the columns; every clinical column is declared in study.toml.",
        (
            *shared("patient_id", "center", "role"),
            Column(_LABEL, "integer", "1, 0, or empty if the outcome is not known.", empty=True),
            Column("ct", "text", "DICOM folder, NIfTI or NRRD, relative to this file.", empty=True),
            Column("slides", "text", "Slides, separated by `;`, relative to this file.", empty=True),
            Column("*", "text", "Optional columns for regions and resolution, and clinical columns.", empty=True,
                   optional=True),
        ),
    ),
    Artefact(
        "prepared/status.csv", "prepare", "The state of each item: one CT or one slide of a patient.",
        (
            *shared("patient_id"),
            Column("item", "text", "`ct`, or the name of the slide in the study, such as `slide-1`."),
            Column("state", "text", "`done`, `failed` or `skipped`."),
            Column("attempts", "integer", "How often it was tried."),
            Column("seconds", "number", "Time of the last try, in seconds.", empty=True),
            Column("error", "text", "Why it failed.", empty=True),
            Column("codes", "text", "Codes of its messages, with a space between.", empty=True, optional=True),
        ),
    ),
    Artefact(
        "prepared/radiomics.parquet", "prepare",
        "Radiomic features: one row for each patient. The name of a column is `<scale>__<feature>`.",
        (
            *shared("patient_id"),
            Column("*__*", "number", "A feature of a scale, in the units of PyRadiomics.", empty=True, optional=True),
        ),
    ),
    Artefact(
        "splits.csv", "train", "The fold of each development patient. It is written once and used again.",
        (
            *shared("patient_id", "role", "fold"),
            Column("fold_*", "integer", "Fold in a further split, with [protocol] repeats.", empty=True, optional=True),
        ),
    ),
)  # fmt: skip

_PREDICTIONS = (
    Artefact(
        "predictions/<model>-members.csv", "train", "The answer of each member that did not see the patient.",
        shared("patient_id", "fold", "probability"),
    ),
    Artefact(
        "predictions/<model>.csv", "train",
        "One row for each patient: out of fold for development patients, the mean of all members for the others.",
        (
            *shared("patient_id", "center", "role", "fold", _LABEL),
            Column("modality", "text", "`both`, `ct` or `slides`: the data behind the answer.", empty=True),
            *shared("probability"),
            Column("probability_sd", "number", "Standard deviation over the members; empty for one.", empty=True),
            Column("n_models", "integer", "Members that answered."),
            Column("prediction", "integer", "1 or 0: the decision at the threshold of the model.", empty=True),
            Column("conformal_set", "text", f"`{_LABEL}`, `no_{_LABEL}`, or both separated by `;`.", empty=True),
        ),
    ),
)  # fmt: skip

_EVALUATION = (
    Artefact(
        "evaluation/metrics.csv", "evaluate", "Each metric of each model in each cohort.",
        shared("model", "cohort", "n", _N, "metric", "value", "ci_low", "ci_high", "method"),
    ),
    Artefact(
        "evaluation/comparisons.csv", "evaluate", "Differences between two models on the same patients.",
        (
            *shared("model_a", "model_b", "cohort", "metric"),
            Column("difference", "number", "Model A minus model B.", empty=True),
            *shared("ci_low", "ci_high", "p_value"),
            Column("test", "text", "Name of the test.", empty=True),
            *shared("p_adjusted"),
            Column("detectable", "number", "The difference that so many patients show with a power of 80 %.",
                   empty=True),
        ),
    ),
    Artefact(
        "evaluation/reclassification.csv", "evaluate", "Decisions of model B that model A corrects or worsens.",
        (
            *shared("model_a", "model_b", "cohort", _N, f"n_no_{OUTCOME}"),
            Column(f"{_LABEL}_corrected", "integer", "Patients with the outcome whom only model A calls right."),
            Column(f"{_LABEL}_worsened", "integer", "Patients with the outcome whom only model B calls right."),
            Column(f"no_{_LABEL}_corrected", "integer", "Patients without the outcome whom only model A calls right."),
            Column(f"no_{_LABEL}_worsened", "integer", "Patients without the outcome whom only model B calls right."),
            Column("nri", "number", "Net reclassification improvement, −2 to 2.", empty=True),
            *shared("ci_low", "ci_high", "p_value"),
        ),
    ),
    Artefact(
        "evaluation/decision_curves.csv", "evaluate", "Net benefit over thresholds.",
        (
            *shared("model", "cohort"),
            Column("threshold", "number", "Probability from which a patient counts as positive, 0 to 1."),
            Column("net_benefit", "number", "Net benefit of the model.", empty=True),
            *shared("ci_low", "ci_high"),
            Column("treat_all", "number", "Net benefit if every patient counts as positive.", empty=True),
        ),
    ),
    Artefact(
        "evaluation/subgroups.csv", "evaluate", "AUC by center and by each clinical column.",
        (
            *shared("model", "cohort"),
            Column("subgroup", "text", "`center` or the name of a clinical column."),
            Column("level", "text", "A value or a range of values."),
            *shared("n", _N, "auc", "ci_low", "ci_high", "method"),
        ),
    ),
    Artefact(
        "evaluation/screening.csv", "evaluate", "Each radiomic feature against the outcome, development patients only.",
        (
            *shared("scale", "feature", "n", _N),
            Column("odds_ratio", "number", "Odds ratio for one standard deviation.", empty=True),
            *shared("ci_low", "ci_high", "p_value", "p_adjusted"),
            Column("separated", "boolean", "Whether the feature separates the classes, so that no odds ratio exists."),
        ),
    ),
    Artefact(
        "evaluation/stability.csv",
        "evaluate",
        "How well each feature agrees with itself on changed contours.",
        (
            *shared("scale", "feature", "n"),
            Column("contours", "integer", "Contours of each patient, with the one as given."),
            Column("icc", "number", "Intraclass correlation (absolute agreement), at most 1.", empty=True),
            *shared("ci_low", "ci_high"),
        ),
    ),
    Artefact(
        "evaluation/ablation_aggregators.csv",
        "ablate",
        "AUC of each aggregator, with and without the selection of tiles by cell type.",
        (
            Column("aggregator", "text", "Name of the aggregator."),
            Column("selection", "text", "Whether tiles were selected by cell type."),
            *shared("cohort", "n", _N, "auc", "ci_low", "ci_high", "method"),
        ),
    ),
    Artefact(
        "evaluation/ablation_selection.csv",
        "ablate",
        "What the selection of tiles adds to the AUC of each aggregator.",
        (
            Column("aggregator", "text", "Name of the aggregator."),
            *shared("cohort", "n"),
            Column("auc_gain", "number", "AUC with selection minus AUC without.", empty=True),
            *shared("ci_low", "ci_high", "p_value"),
            Column("test", "text", "Name of the test.", empty=True),
        ),
    ),
    Artefact(
        "evaluation/ablation_ct.csv",
        "ablate --ct",
        "AUC of MScaleCT, of the same network on one scale, and of simpler models.",
        (
            *shared("model"),
            Column("scales", "text", "The scales that the model looks at."),
            *shared("cohort", "n", _N, "auc", "ci_low", "ci_high", "method"),
        ),
    ),
    Artefact(
        "evaluation/ablation_ct-gains.csv",
        "ablate --ct",
        "What MScaleCT adds to the AUC of each of these models.",
        (
            *shared("model"),
            Column("scales", "text", "The scales that the model looks at."),
            *shared("cohort", "n"),
            Column("auc_gain_of_mscalect", "number", "AUC of MScaleCT minus AUC of the model.", empty=True),
            *shared("ci_low", "ci_high", "p_value", "p_adjusted"),
            Column("test", "text", "Name of the test.", empty=True),
        ),
    ),
)  # fmt: skip

_CT_EXPLAINED = (
    Artefact(
        "explain/ct_attribution.parquet", "explain", "What each radiomic feature adds to the answer.",
        (
            *shared("patient_id", "scale", "feature"),
            Column("attribution", "number", "In log-odds; positive: towards the outcome.", empty=True),
        ),
    ),
    Artefact(
        "explain/ct_groups.csv", "explain", "CT attributions summed over groups of features.",
        (
            *shared("cohort", "scale"),
            Column("image_type", "text", "Image type of PyRadiomics, or `all`."),
            Column("feature_class", "text", "Class of features, or `all`."),
            *shared("n"),
            Column("n_features", "integer", "Features of the group."),
            Column("signed", "number", "Mean over patients of the sum of attributions, in log-odds.", empty=True),
            Column("signed_ci_low", "number", "Lower end of its 95 % interval.", empty=True),
            Column("signed_ci_high", "number", "Upper end of its 95 % interval.", empty=True),
            Column("absolute", "number", "Mean over patients of the sum of absolute attributions.", empty=True),
            Column("absolute_ci_low", "number", "Lower end of its 95 % interval.", empty=True),
            Column("absolute_ci_high", "number", "Upper end of its 95 % interval.", empty=True),
            Column("share", "number", "Share of the group in all absolute attributions, 0 to 1.", empty=True),
        ),
    ),
    Artefact(
        "explain/ct_deletion.csv", "explain", "How far the answer moves when features are removed or kept.",
        (
            Column("curve", "text", "Which features are removed or kept first."),
            Column("share", "number", "Share of the features that are removed or kept, 0 to 1."),
            *shared("n"),
            Column("movement", "number", "Mean movement of the answer, in log-odds.", empty=True),
            *shared("ci_low", "ci_high"),
        ),
    ),
    Artefact(
        "explain/ct_robustness.csv", "explain", "The answer for each patient after small changes of the contour.",
        (
            *shared("patient_id", _LABEL),
            Column("change", "text", "The change; `none` for the contour as it was given or found."),
            *shared("probability"),
            Column("conformal_set", "text", f"`{_LABEL}`, `no_{_LABEL}`, or both separated by `;`.", empty=True),
        ),
    ),
)  # fmt: skip

_SLIDES_EXPLAINED = (
    Artefact(
        "explain/slide_attribution.parquet", "explain", "Attention and attribution of each tile.",
        (
            *shared("patient_id", "slide"),
            Column("x", "integer", "Left edge of the tile, in pixels of the full resolution."),
            Column("y", "integer", "Top edge of the tile, in pixels of the full resolution."),
            Column("attention", "number", "Share of the attention; the tiles of a patient sum to 1."),
            Column("attribution", "number", "In log-odds; positive: towards the outcome.", empty=True),
            *shared("cluster"),
        ),
    ),
    Artefact(
        "explain/slide_patients.csv", "explain", "Checks of the slide explanations of each patient.",
        (
            *shared("patient_id", "center", "role", _LABEL),
            Column("n_tiles", "integer", "Tiles of the patient."),
            Column("n_in_bag", "integer", "Tiles with attention in any of the models that answered."),
            Column("attention_top_tenth", "number", "Share of the attention on the tenth with most, 0 to 1.",
                   empty=True),
            Column("attribution", "number", "Sum over the tiles, in log-odds.", empty=True),
            Column("totals", "text", "What each model had to explain, in log-odds, separated by `;`.", empty=True),
            Column("completeness", "number", "Relative error of the sum, 0 is best.", empty=True),
            Column("attention_agreement", "number", "Rank correlation between models, −1 to 1.", empty=True),
            Column("attribution_agreement", "number", "Rank correlation between models, −1 to 1.", empty=True),
        ),
    ),
    Artefact(
        "explain/clusters.csv", "explain", "The clusters of tiles, fitted on the development patients.",
        (
            *shared("cluster"),
            Column("name", "text", "The cell type that it resembles; empty if none.", empty=True),
            Column("development_tiles", "integer", "Tiles of development patients in it."),
            Column("evidence_*", "number", "Mean evidence for a cell type, in standard deviations.", optional=True),
        ),
    ),
    Artefact(
        "explain/cluster_shares.csv", "explain", "Share of each cluster in each patient.",
        (
            *shared("patient_id", "center", _LABEL, "cluster"),
            Column("share", "number", "Share of the tiles, 0 to 1."),
            Column("attention_share", "number", "Share of the attention, 0 to 1.", empty=True),
            Column("attribution", "number", "Sum over its tiles, in log-odds.", empty=True),
        ),
    ),
    Artefact(
        "explain/cluster_differences.csv", "explain", "Shares of clusters in patients with and without the outcome.",
        (
            *shared("center", "cluster"),
            Column("name", "text", "The cell type that it resembles; empty if none.", empty=True),
            *shared("n", _N),
            Column(f"mean_{_LABEL}", "number", "Mean share in patients with the outcome.", empty=True),
            Column(f"mean_no_{_LABEL}", "number", "Mean share in patients without the outcome.", empty=True),
            *shared("effect", "ci_low", "ci_high"),
        ),
    ),
)  # fmt: skip

_CELLS_AND_BIOMARKERS = (
    Artefact(
        "explain/cell_types.csv", "explain", "Contribution of each cell type in each patient.",
        (
            *shared("patient_id", "center", _LABEL, "cell_type"),
            Column("contribution", "number", "Share in its group of types; a group sums to 1.", empty=True),
        ),
    ),
    Artefact(
        "explain/biomarkers.csv", "explain", "Biomarkers of each patient whose cells are reliable.",
        (
            *shared("patient_id", "center", _LABEL),
            Column("nlr", "number", "Neutrophils over lymphocytes in the tissue.", empty=True),
            Column("differentiation", "number", "Well over poorly differentiated tumor cells.", empty=True),
        ),
    ),
    Artefact(
        "explain/biomarker_cutoffs.csv", "explain", "The cut-off of each biomarker and how it does in each cohort.",
        (
            Column("biomarker", "text", "`nlr` or `differentiation`."),
            *shared("cohort"),
            Column("cutoff", "number", "Fitted on all development patients."),
            Column("favorable", "text", "The side that goes with the better outcome: `low` or `high`."),
            *shared("metric", "n", "value", "ci_low", "ci_high", "method"),
        ),
    ),
    Artefact(
        "explain/tests.csv", "explain", "Patients with the outcome against patients without, in each center.",
        shared("center", "quantity", "n", "effect", "ci_low", "ci_high", "p_value", "p_adjusted"),
    ),
    Artefact(
        "explain/meta.csv", "explain", "Random-effects summary of these tests over the centers.",
        (
            *shared("quantity"),
            Column("centers", "integer", "Centers in the summary."),
            *shared("n", "effect", "ci_low", "ci_high", "p_value"),
            Column("tau2", "number", "Variance between centers, on the logit of the AUC.", empty=True),
            Column("i2", "number", "Share of the variance that is between centers, 0 to 1.", empty=True),
            Column("p_heterogeneity", "number", "p of Cochran's Q.", empty=True),
            *shared("method"),
        ),
    ),
    Artefact(
        "explain/ablation.csv", "explain", "AUC when the tiles of a cell type are left out.",
        (
            *shared("center", "cell_type"),
            Column("mode", "text", "`predict`: the same models; `retrain`: models that were trained again."),
            *shared("auc"),
            Column("auc_change", "number", "AUC minus the AUC with all tiles.", empty=True),
            *shared("ci_low", "ci_high"),
        ),
    ),
    Artefact(
        "explain/ablation_tiles.csv", "explain", "How many tiles the ablation leaves out.",
        (
            *shared("center", "cell_type", "n", _N),
            Column("tiles_left_out", "number", "Mean share of the tiles of a patient, 0 to 1.", empty=True),
            Column("patients_without_slide", "integer", "Patients of whom no tile is left."),
        ),
    ),
)  # fmt: skip

TABLES: tuple[Artefact, ...] = (
    *_INPUTS_AND_PREPARED, *_PREDICTIONS, *_EVALUATION, *_CT_EXPLAINED, *_SLIDES_EXPLAINED, *_CELLS_AND_BIOMARKERS,
)  # fmt: skip
"""Every table, in the order of the steps."""
