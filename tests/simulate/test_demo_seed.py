"""The demonstration has patients of both outcomes, however few patients are asked for."""

from __future__ import annotations

import pytest

from espark.simulate.people.centers import role_of
from espark.simulate.trial.trial import TrialSettings, trial_truth
from espark.steps.trial.demo import DEMO_SEED, demo_seed


@pytest.mark.parametrize("patients", [12, 20, 40])
def test_the_development_patients_have_both_outcomes(patients: int) -> None:
    settings = TrialSettings(patients=patients, tiles=60, seed=demo_seed(patients))
    developed = [role_of(plan.center_index, plan.patient_index) == "development" for plan in settings.plans()]
    assert trial_truth(settings).loc[developed, "pcr"].value_counts().min() >= 3


def test_the_default_demonstration_keeps_its_seed() -> None:
    assert demo_seed(40) == DEMO_SEED
