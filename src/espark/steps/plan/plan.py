"""`espark plan`: how many patients are enough, as a page and a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from espark.errors import InputError
from espark.files import write_csv, write_text
from espark.report.plan_page import PlanPage, render_plan
from espark.statistics.sample_size import MinimumSize, cox_snell_r2_of_auc, minimum_size
from espark.steps.plan.curves import CURVES, SIZES, expected, summarised
from espark.work.progress import Reporter

_FEWEST, _MOST = 20, 100_000
_LOWEST_AUC = 0.51


@dataclass(frozen=True)
class Plan:
    """What was asked, and the answer.

    Attributes:
        patients: the number that was asked for.
        table: one row for each number of patients, as `espark.steps.plan.curves.expected` gives them.
        curves: what was measured.
        minimum: minimum sample size after Riley et al.
        page: the page that was written.
    """

    patients: int
    table: pd.DataFrame
    curves: pd.DataFrame
    minimum: MinimumSize
    page: Path

    @property
    def asked(self) -> pd.Series:
        """The row of the number that was asked for."""
        return self.table.set_index("n").loc[self.patients]


def plan(
    patients: int,
    out: Path,
    *,
    prevalence: float = 0.3,
    parameters: int = 10,
    study: Path | None = None,
    repeats: int = 5,
    reporter: Reporter | None = None,
) -> Plan:
    """Write ``plan.html`` and ``plan.csv``.

    Args:
        patients: number of development patients that is asked for.
        out: folder of the two files; made when missing.
        prevalence: share of patients with the outcome that is expected.
        parameters: number of candidate parameters, for the minimum sample size.
        study: a prepared study whose own learning curves are computed; None for the shipped ones.
        repeats: samples of each size, with ``study``.
        reporter: shows the progress.

    Raises:
        InputError: when a number is out of its range, or the study has too few patients.
    """
    _check(patients, prevalence, parameters)
    curves = own_curves(study, repeats, reporter or Reporter()) if study else pd.read_csv(CURVES)
    sizes = np.array(sorted({*SIZES, patients}), float)
    table = expected(curves, sizes)
    model = next(name for name in ("espark", "cytopath", "mscalect") if f"auc_{name}" in table)
    asked = table.set_index("n").loc[patients]
    r2 = cox_snell_r2_of_auc(max(float(asked[f"auc_{model}"]), _LOWEST_AUC), prevalence)
    minimum = minimum_size(prevalence=prevalence, parameters=parameters, cox_snell_r2=r2)
    content = PlanPage(
        patients=patients, table=table, curves=curves, minimum=minimum, prevalence=prevalence, parameters=parameters,
        r2=r2, model=model, own=study is not None,
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    page = out / "plan.html"
    write_text(page, render_plan(content))
    write_csv(out / "plan.csv", table.round(4))
    return Plan(patients, table, curves, minimum, page)


def own_curves(study: Path, repeats: int, reporter: Reporter) -> pd.DataFrame:
    """Learning curves of a prepared study: its recipe on samples of its development patients."""
    # Training needs PyTorch, which the shipped curves do without: the answer comes at once.
    from espark.steps.plan.study_curves import study_draws

    return summarised(study_draws(study, repeats, reporter))


def _check(patients: int, prevalence: float, parameters: int) -> None:
    if not _FEWEST <= patients <= _MOST:
        raise InputError(f"{patients} patients", where="--patients", expected=f"{_FEWEST} to {_MOST}")
    if not 0 < prevalence < 1:
        raise InputError(f"a prevalence of {prevalence:g}", where="--prevalence", expected="between 0 and 1, as 0.3")
    if parameters < 1:
        raise InputError(f"{parameters} parameters", where="--parameters", expected="at least 1")
