"""The columns that several tables share: one name has one meaning everywhere."""

from __future__ import annotations

from espark.formats.artefact import OUTCOME, Column

SHARED: dict[str, Column] = {
    column.name: column
    for column in (
        Column("patient_id", "text", "Id of the patient in the study."),
        Column("center", "text", "Hospital or region of the patient; in summaries also `all`."),
        Column("role", "text", "`development`, `internal_test` or `external`."),
        Column(OUTCOME, "integer", "1 with the outcome, 0 without; empty if it is not known.", empty=True),
        Column("fold", "integer", "Fold of a development patient, from 0; empty for other patients.", empty=True),
        Column("model", "text", "Name of the model."),
        Column("model_a", "text", "The model that is compared."),
        Column("model_b", "text", "The model that it is compared with."),
        Column(
            "cohort", "text", "`development`, `internal_test`, the name of an external center, or all external centers."
        ),
        Column("n", "integer", "Patients."),
        Column(f"n_{OUTCOME}", "integer", "Patients with the outcome."),
        Column(f"n_no_{OUTCOME}", "integer", "Patients without the outcome."),
        Column("metric", "text", "Name of the metric."),
        Column("value", "number", "Value of the metric; empty if it is not available.", empty=True),
        Column("ci_low", "number", "Lower end of the 95 % interval.", empty=True),
        Column("ci_high", "number", "Upper end of the 95 % interval.", empty=True),
        Column("p_value", "number", "Two-sided p.", empty=True),
        Column("p_adjusted", "number", "p after adjustment for the number of tests.", empty=True),
        Column("method", "text", "How the interval was computed.", empty=True),
        Column("scale", "text", "`tumor`, `esophagus`, `peritumoral` or `image`."),
        Column("feature", "text", "Name of the feature, as in PyRadiomics."),
        Column("cell_type", "text", "Key of the cell type."),
        Column("cluster", "integer", "Number of the cluster of tiles, from 1; 0 if there are no clusters."),
        Column("quantity", "text", "A cell type or a biomarker."),
        Column("effect", "number", "Cliff's delta, −1 to 1; above 0: higher in patients with the outcome.", empty=True),
        Column(
            "probability", "number", "Calibrated probability of the outcome, 0 to 1; empty if withheld.", empty=True
        ),
        Column("slide", "text", "Name of the slide."),
        Column("auc", "number", "Area under the ROC curve, 0 to 1; empty if it is not available.", empty=True),
    )
}
"""By name."""


def shared(*names: str) -> tuple[Column, ...]:
    """Columns by name, in this order."""
    return tuple(SHARED[name] for name in names)
