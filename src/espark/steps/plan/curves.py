"""Learning curves: what a recipe reached with n patients, and what may be expected between and beyond these n."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import curve_fit
from scipy.stats import t

from espark.types import DoubleArray

CURVES = Path(__file__).parent / "curves.csv"
"""Shipped curves of the recipe ``robust`` on virtual trials; ``benchmarks/plan_curves.py`` makes them."""

SIZES = (60, 80, 100, 120, 150, 180, 240, 300, 360, 480, 600, 800, 1000)
"""Numbers of patients of the answer, beside the one that is asked for."""

_FEWEST_FOR_EXPONENT = 4
_SMALLEST_SD = 1e-4
_SMALLEST_SLOPE = 0.05


def models_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The models of a table of draws or of curves."""
    return tuple(name for name in ("mscalect", "cytopath", "espark") if f"auc_{name}" in table)


def summarised(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each n, from one row for each draw (``n``, and for each model ``auc_`` and ``slope_``).

    Returns:
        ``n``, ``draws``, for each model the mean and SD of the AUC over draws and the 2.5, 50 and 97.5 % quantiles of
        the calibration slope; with eSPARK and both parts, the share of draws with eSPARK above both (``above``), and
        above both with DeLong p < 0.05 (``power``).
    """
    found = []
    for n, part in rows.groupby("n"):
        row: dict[str, float] = {"n": float(str(n)), "draws": len(part)}
        for model in models_of(rows):
            row |= {f"auc_{model}": part[f"auc_{model}"].mean(), f"sd_{model}": part[f"auc_{model}"].std(ddof=1)}
            low, middle, high = np.quantile(part[f"slope_{model}"], [0.025, 0.5, 0.975])
            row |= {f"slope_low_{model}": low, f"slope_{model}": middle, f"slope_high_{model}": high}
        if "p_mscalect" in part and "p_cytopath" in part:
            gains = part[["gain_mscalect", "gain_cytopath"]].to_numpy() > 0
            sure = part[["p_mscalect", "p_cytopath"]].to_numpy() < 0.05
            row |= {"above": gains.all(axis=1).mean(), "power": (gains & sure).all(axis=1).mean()}
        found.append(row)
    return pd.DataFrame(found).round(4)


@dataclass(frozen=True)
class PowerLaw:
    """Value with n patients: ``ceiling + slope · n ** -exponent``.

    Attributes:
        ceiling: value for endless patients.
        slope: negative where the value grows with n.
        exponent: above 0.
    """

    ceiling: float
    slope: float
    exponent: float

    @classmethod
    def fit(cls, n: DoubleArray, values: DoubleArray) -> PowerLaw:
        """Least squares; with fewer than four n the exponent is 0.5, and with one the value is constant."""
        if len(n) == 1:
            return cls(float(values[0]), 0.0, 0.5)
        slope, ceiling = (float(number) for number in np.polyfit(n**-0.5, values, 1))
        if len(n) < _FEWEST_FOR_EXPONENT:
            return cls(ceiling, slope, 0.5)
        bounds = ([-np.inf, -np.inf, 0.25], [np.inf, np.inf, 1.0])
        best, _ = curve_fit(
            lambda size, a, b, c: a + b * size**-c, n, values, p0=(ceiling, slope, 0.5), bounds=bounds, max_nfev=20_000
        )
        return cls(*(float(number) for number in best))

    def __call__(self, n: DoubleArray) -> DoubleArray:
        """Values with n patients."""
        found: DoubleArray = self.ceiling + self.slope * n**-self.exponent
        return found


def expected(curves: pd.DataFrame, sizes: DoubleArray) -> pd.DataFrame:
    """What may be expected with any number of patients.

    AUC, the logarithm of its SD and those of the slope's quantiles follow an inverse power of n that is fitted to the
    measured n; shares are interpolated in log n and end at the last measured share. The interval of the AUC says where
    one study is expected: mean ± t · SD over draws.

    Args:
        curves: as :func:`summarised` gives them.
        sizes: (sizes,) numbers of patients.

    Returns:
        One row for each size. ``basis`` is ``measured``, ``between`` or ``beyond`` the measured n.
    """
    n = curves["n"].to_numpy(float)
    basis = ["measured" if size in n else "between" if n.min() < size < n.max() else "beyond" for size in sizes]
    table = pd.DataFrame({"n": sizes.astype(int), "basis": basis})
    factor = float(t.ppf(0.975, max(int(curves["draws"].min()) - 1, 1)))
    for model in models_of(curves):
        auc = PowerLaw.fit(n, curves[f"auc_{model}"].to_numpy())(sizes)
        spread = factor * _positive(n, curves[f"sd_{model}"], sizes, least=_SMALLEST_SD)
        table[f"auc_{model}"] = auc
        table[f"auc_low_{model}"], table[f"auc_high_{model}"] = np.clip(auc - spread, 0, 1), np.clip(auc + spread, 0, 1)
        for name in (f"slope_low_{model}", f"slope_{model}", f"slope_high_{model}"):
            table[name] = _positive(n, curves[name], sizes, least=_SMALLEST_SLOPE)
        # Fitted one by one, the quantiles of a narrow interval may cross far beyond what was measured.
        middle = table[f"slope_{model}"]
        table[f"slope_low_{model}"] = np.minimum(table[f"slope_low_{model}"], middle)
        table[f"slope_high_{model}"] = np.maximum(table[f"slope_high_{model}"], middle)
    for name in ("above", "power"):
        if name in curves:
            table[name] = np.interp(np.log(sizes), np.log(n), curves[name].to_numpy())
    return table


def _positive(n: DoubleArray, values: pd.Series, sizes: DoubleArray, *, least: float) -> DoubleArray:
    """A quantity above 0 with other numbers of patients."""
    found: DoubleArray = np.exp(PowerLaw.fit(n, np.log(np.maximum(values.to_numpy(), least)))(sizes))
    return found
