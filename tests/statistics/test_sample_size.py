"""Minimum sample sizes against published worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from statsmodels.api import Logit, add_constant

from espark.statistics.sample_size import cox_snell_r2_of_auc, largest_cox_snell_r2, minimum_size


def test_the_example_of_the_documentation_of_pmsampsize() -> None:
    """`pmsampsize(type = "b", csrsquared = 0.288, parameters = 24, prevalence = 0.174)`: 623, 662 and 221 patients."""
    found = minimum_size(prevalence=0.174, parameters=24, cox_snell_r2=0.288)
    assert (found.shrinkage, found.optimism, found.overall_risk) == (623, 662, 221)
    assert found.required == found.mean_error == 801  # the package does not know the criterion of the mean error


def test_the_example_of_preeclampsia() -> None:
    """Riley et al. 2020: prevalence 0.05, 30 parameters, R² 0.05: 73, 544 and 5249 patients."""
    found = minimum_size(prevalence=0.05, parameters=30, cox_snell_r2=0.05)
    assert (found.overall_risk, found.mean_error, found.shrinkage) == (73, 544, 5249)
    assert found.required == 5249


def test_the_r2_of_an_auc_is_that_of_the_documentation_of_pmsampsize() -> None:
    """An AUC of 0.89 at a prevalence of 0.174 is an R² of 0.288 there, by simulation."""
    assert cox_snell_r2_of_auc(0.89, 0.174) == pytest.approx(0.288, abs=0.005)


@pytest.mark.parametrize(("auc", "prevalence"), [(0.6, 0.3), (0.8, 0.3), (0.9, 0.1)])
def test_the_r2_of_an_auc_is_that_of_a_logistic_regression(auc: float, prevalence: float) -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(200_000) < prevalence).astype(float)
    from scipy.stats import norm

    x = rng.normal(size=len(y)) + np.sqrt(2) * norm.ppf(auc) * y
    fit = Logit(y, add_constant(x)).fit(disp=False)
    r2 = 1 - np.exp(2 * (fit.llnull - fit.llf) / len(y))
    assert cox_snell_r2_of_auc(auc, prevalence) == pytest.approx(r2, abs=0.005)


def test_more_parameters_and_a_weaker_signal_need_more_patients() -> None:
    sizes = [minimum_size(prevalence=0.3, parameters=count, cox_snell_r2=0.1).required for count in (5, 10, 20, 40)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]
    weaker = [minimum_size(prevalence=0.3, parameters=10, cox_snell_r2=r2).required for r2 in (0.3, 0.2, 0.1, 0.05)]
    assert weaker == sorted(weaker) and weaker[0] < weaker[-1]


def test_the_largest_r2_is_that_of_a_model_that_is_always_right() -> None:
    y = expit(np.where(np.arange(1000) < 300, 40.0, -40.0))
    null = np.mean(y * np.log(0.3) + (1 - y) * np.log(0.7))
    assert largest_cox_snell_r2(0.3) == pytest.approx(1 - np.exp(2 * null))


@pytest.mark.parametrize(
    ("prevalence", "parameters", "r2"), [(0.0, 5, 0.1), (1.0, 5, 0.1), (0.3, 0, 0.1), (0.3, 5, 0.0), (0.3, 5, 0.8)]
)
def test_impossible_values_are_refused(prevalence: float, parameters: int, r2: float) -> None:
    with pytest.raises(ValueError, match=r"prevalence|R²"):
        minimum_size(prevalence=prevalence, parameters=parameters, cox_snell_r2=r2)
