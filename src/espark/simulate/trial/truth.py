"""Words that go with the truth: the marker of a simulated folder and the page that explains the graph."""

from __future__ import annotations

import pandas as pd

from espark.simulate.people import biology
from espark.simulate.people.oracle import ORACLE_AUCS
from espark.statistics.auc import expected_auc
from espark.wording import percent

MARKER = """ESPARK SIMULATED

Everything in this folder was made by `espark simulate`. No file comes from a patient.
It is for testing methods whose truth is known, and for learning. No figure found on it
shows how well a method does on real patients.
"""


def truth_readme(effect: float, null: bool, table: pd.DataFrame) -> str:
    """Text of ``truth/README.md``.

    Args:
        effect: scale of the effects.
        null: whether labels depend on nothing.
        table: ``truth/patients.csv``.
    """
    return "\n".join(
        [
            "# What is true of these simulated patients",
            "",
            *_introduction(effect, null),
            "",
            "## The causal graph",
            "",
            *_graph_lines(),
            "",
            "## What the oracle reaches",
            "",
            *_oracle_lines(table),
            "",
            "## Files",
            "",
            "- `patients.csv`: the label, the true probability `p_pcr`, the oracle logits, the biology in physical",
            "  units, and the standardized latents `z_…`. `nlr` and `differentiation` are the true ratio of",
            "  neutrophils to lymphocytes and the well-differentiated share of tumor cells.",
            "- `tiles/<slide>.parquet`: true cell counts of every tile of 256 px at 0.5 µm/px.",
            "- `masks/<patient>.nii.gz`: 1 = esophagus, 2 = tumor, exact, in the CT's grid.",
            "- `done/<patient>.json`: the plan of each finished patient.",
            "- `labels.csv`, when asked for with `espark simulate DIR --redraw N`: other labels `pcr_1` … `pcr_N` that",
            "  the same patients could have had (`null_labels.csv` with `--null`: labels that depend on nothing). Put",
            "  one of the columns into `cohort.csv` as the outcome, in a copy of the study, to train on it.",
            "",
        ]
    )


def _introduction(effect: float, null: bool) -> list[str]:
    if null:
        return [f"A null trial: every label is drawn with probability {biology.BASE_RATE:.2f}, for all images."]
    return [
        "Latents are standard normal: a node is the weighted sum of its causes plus independent noise that makes its",
        "variance one, cut off at ±3. A patient responds (pCR = 1) with probability",
        "",
        f"    logit p = {biology.intercept(effect):.4f} + {effect:g} × Σ coefficient × latent",
        "",
        f"so that {percent(biology.BASE_RATE)} are expected to respond. Response depends on the ratio of neutrophils",
        "to lymphocytes, not on how many immune cells there are.",
    ]


def _graph_lines() -> list[str]:
    lines = ["| latent z | shown by | causes (weight) | coefficient of pCR | shown as |", "|---|---|---|---|---|"]
    for node in biology.GRAPH:
        causes = ", ".join(f"{name} ({weight:+.2f})" for name, weight in node.parents.items()) or "–"
        shown = biology.QUANTITIES.get(node.name, "–")
        lines.append(f"| {node.name} | {node.modality} | {causes} | {node.coefficient:+.2f} | {shown} |")
    return lines


def _oracle_lines(table: pd.DataFrame) -> list[str]:
    lines = [
        "AUC expected under the true probabilities (a pair of patients counts p_i (1 − p_j)):",
        "",
        "| seen | unlimited patients, effect 1 | these patients |",
        "|---|---|---|",
    ]
    probability = table["p_pcr"].to_numpy()
    for seen, value in ORACLE_AUCS.items():
        here = "–" if len(table) < 2 else f"{expected_auc(probability, table[f'logit_{seen}'].to_numpy()):.3f}"
        lines.append(f"| {seen} | {value:.3f} | {here} |")
    return lines
