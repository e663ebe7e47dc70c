"""The card of a trained model: metadata that the Hugging Face hub reads, and figures that agree with the study."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from simulated_study import finished_study, simulated_trial


@pytest.mark.parametrize("model", ["mscalect", "espark"])
def test_the_metadata_are_yaml_and_agree_with_the_study(model: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    study = finished_study(simulated_trial(tmp_path_factory))
    _, front, text = (study / "models" / model / "MODEL_CARD.md").read_text(encoding="utf-8").split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["library_name"] == "espark" and "simulated" in card["tags"]
    found = {entry["type"]: entry["value"] for entry in card["model-index"][0]["results"][0]["metrics"]}
    metrics = pd.read_csv(study / "evaluation" / "metrics.csv")
    rows = metrics[(metrics["model"] == model) & (metrics["cohort"] == "development")].set_index("metric")["value"]
    assert found["auc"] == pytest.approx(rows["auc"], abs=1e-4)
    assert "not meant for decisions" in text
