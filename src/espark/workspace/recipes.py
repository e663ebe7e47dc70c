"""Recipes: settings of the models that belong together, under a name of their own."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RecipeEntry:
    """Settings of the models that belong together, under a name of their own.

    Attributes:
        name: what ``espark init --recipe`` calls it.
        description: what it does and why, in one line.
        values: what differs from the published settings, by section and key of ``study.toml``.
    """

    name: str
    description: str
    values: dict[str, dict[str, object]] = field(default_factory=dict)


DEFAULT = "robust"
"""What `espark init` and simulated studies start from."""

RECIPES: dict[str, RecipeEntry] = {
    entry.name: entry
    for entry in (
        RecipeEntry("published", "the settings of the published study"),
        RecipeEntry(
            "lean",
            "for cohorts of a few hundred: ten CT features of the fold's choice, and tiles as profiles of cell types",
            {
                "mscalect": {"features": ("original_*",), "selected": 10},
                "cytopath": {
                    "tile_vector": "profile",
                    "aggregator": "mean",
                    "cell_type_selection": False,
                    "batch_size": 16,
                    "learning_rate": 3e-3,
                },
                "espark": {"slide_learning_rate_factor": 0.0},
            },
        ),
        RecipeEntry(
            "robust",
            "the default, for cohorts of 75 to a few hundred: linear models of CT and slides, and their weighted sum",
            {
                "mscalect": {
                    "features": ("original_*",),
                    "selected": 10,
                    "voices": ("ridge:tumor", "components:tumor", "components"),
                },
                "cytopath": {
                    "voices": ("biomarkers", "amounts"),
                    "aggregator": "mean",
                    "cell_type_selection": False,
                },
                "espark": {"weighted_sum": True},
                "protocol": {"repeats": 5, "calibration": "anchored"},
            },
        ),
    )
}
