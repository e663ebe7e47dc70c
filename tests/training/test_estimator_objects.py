"""Estimators take an aggregator, a fusion or a CT model itself where they take a name."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import Tensor, nn

from espark import CytoPath, ESpark, MScaleCT, catalogue
from espark.ct.models.catalogue import CtModelEntry
from espark.errors import EstimatorError, PluginError
from espark.models.aggregators.aggregator import Aggregator
from espark.models.aggregators.catalogue import AGGREGATORS, AggregatorEntry
from espark.models.aggregators.gated_attention import CytoPathNet
from espark.models.aggregators.plain_pooling import MeanNet
from espark.models.fusions.catalogue import FusionEntry
from espark.models.fusions.concatenation import Concatenation
from espark.models.fusions.fusion import Fusion
from espark.models.mscalect import CtNetwork, MScaleCTNet

QUICK: dict[str, Any] = {"epochs": 4, "learning_rate": 1e-2, "folds": 3}
SMALL: dict[str, Any] = {"hidden": 8, "attention": 4, **QUICK}
LABELS = np.arange(30) % 2
RADIOMICS = np.random.default_rng(0).normal(size=(30, 5)) + LABELS[:, None]
BAGS = [np.random.default_rng(number).normal(size=(6, 4)) + label for number, label in enumerate(LABELS)]
PAIRS = list(zip(RADIOMICS, BAGS, strict=True))


def mean(features: int, *, hidden: int, attention: int) -> Aggregator:
    return MeanNet(features, hidden=hidden)


def test_an_aggregator_itself_answers_as_its_name_does() -> None:
    named = CytoPath(aggregator="gated-attention", **SMALL).fit(BAGS, LABELS).predict_proba(BAGS)
    entry = AggregatorEntry("mine", "Mine", CytoPathNet)
    for given in (CytoPathNet, entry, AGGREGATORS["gated-attention"]):
        answers = CytoPath(aggregator=given, **SMALL).fit(BAGS, LABELS).predict_proba(BAGS)
        np.testing.assert_array_equal(answers, named)
    other = CytoPath(aggregator=mean, **SMALL).fit(BAGS, LABELS).predict_proba(BAGS)
    assert not np.allclose(other, named)
    np.testing.assert_array_equal(other, CytoPath(aggregator="mean", **SMALL).fit(BAGS, LABELS).predict_proba(BAGS))


def test_a_fusion_and_a_ct_model_themselves_answer_as_their_names_do() -> None:
    parts = {"mscalect": MScaleCT(width=8, **QUICK), "cytopath": CytoPath(**SMALL)}
    named = ESpark(**parts, projection=8, **QUICK).fit(PAIRS, LABELS).predict_proba(PAIRS)
    given: dict[str, Any] = {
        "mscalect": MScaleCT(model=MScaleCTNet, width=8, **QUICK),
        "cytopath": CytoPath(aggregator=CytoPathNet, **SMALL),
    }
    for fusion in (Concatenation, FusionEntry("mine", "Mine", Concatenation)):
        answers = ESpark(**given, fusion=fusion, projection=8, **QUICK).fit(PAIRS, LABELS).predict_proba(PAIRS)
        np.testing.assert_array_equal(answers, named)
    alone = MScaleCT(model=CtModelEntry("mine", "Mine", network=MScaleCTNet), width=8, **QUICK)
    expected = MScaleCT(width=8, **QUICK).fit(RADIOMICS, LABELS).predict_proba(RADIOMICS)
    np.testing.assert_array_equal(alone.fit(RADIOMICS, LABELS).predict_proba(RADIOMICS), expected)


def test_objects_are_parameters_as_scikit_learn_wants_them() -> None:
    model = CytoPath(aggregator=mean, **SMALL)
    assert model.get_params()["aggregator"] is mean and clone(model).get_params()["aggregator"] is mean
    entry = AggregatorEntry("mine", "Mine", mean)
    assert clone(CytoPath(aggregator=entry)).aggregator == entry
    fitted = pickle.loads(pickle.dumps(model.fit(BAGS, LABELS)))
    np.testing.assert_array_equal(fitted.predict_proba(BAGS[:3]), model.predict_proba(BAGS[:3]))
    assert catalogue.registrations() == {} and "mean-1" not in AGGREGATORS


def test_a_search_over_objects() -> None:
    found = GridSearchCV(CytoPath(**SMALL), {"aggregator": [mean, "gated-attention", CytoPathNet]}, cv=2)
    scores = found.fit(BAGS, LABELS).cv_results_["mean_test_score"]
    assert np.isfinite(scores).all() and scores[1] == scores[2]


@pytest.mark.parametrize("given", [3, None, ["mean"]])
def test_what_is_not_a_name_an_entry_or_a_function_is_refused(given: Any) -> None:
    with pytest.raises(EstimatorError, match=r"aggregator is .*Expected: a name, an entry \(AggregatorEntry\)"):
        CytoPath(aggregator=given, **SMALL).fit(BAGS, LABELS)


class Headless(Aggregator):
    def __init__(self, features: int, *, hidden: int, attention: int):
        super().__init__(features, hidden=hidden)

    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return instances.mean(dim=1), mask.float()


class Narrow(MeanNet):
    def __init__(self, features: int, *, hidden: int, attention: int):
        super().__init__(features, hidden=hidden)

    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        slide, attention = super().pool(instances, mask)
        return slide[:, :-1], attention


class Long(Fusion):
    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        return vectors.sum(dim=1)


class Wide(CtNetwork):
    def __init__(self, features: tuple[int, ...], *, width: int, depth: int, scale_dropout: float):
        super().__init__()
        self.layer = nn.Linear(sum(features), width + 1)

    def embed(self, radiomics: Tensor, known: Tensor) -> Tensor:
        vectors: Tensor = self.layer(radiomics)
        return vectors

    def forward(self, radiomics: Tensor, known: Tensor) -> Tensor:
        return self.embed(radiomics, known)[:, :2]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (CytoPath(aggregator=Headless, **SMALL), "an espark.plugins.Aggregator with a layer named head"),
        (CytoPath(aggregator=lambda features, hidden, attention: torch.nn.Identity(), **SMALL), "it gives a Identity"),
        (CytoPath(aggregator=Narrow, **SMALL), r"slide vectors \(2, 7\) .*Expected: \(2, 8\) and \(2, 3\)"),
        (CytoPath(aggregator=lambda features, hidden, attention: 1 / 0, **SMALL), "failed .ZeroDivisionError"),
    ],
)
def test_an_aggregator_that_breaks_the_contract_is_named(model: CytoPath, reason: str) -> None:
    with pytest.raises(PluginError, match=f"the aggregator '.*' of test_estimator_objects: .*{reason}"):
        model.fit(BAGS, LABELS)


def test_a_fusion_or_ct_model_that_breaks_the_contract_is_named() -> None:
    with pytest.raises(PluginError, match=r"fusion 'Long.*gives logits \(2, 8\)"):
        ESpark(mscalect=MScaleCT(width=8, **QUICK), cytopath=CytoPath(**SMALL), fusion=Long, projection=8, **QUICK).fit(
            PAIRS, LABELS
        )
    with pytest.raises(PluginError, match=r"CT model 'Wide.*CT vectors \(2, 9\) and logits \(2, 2\)"):
        MScaleCT(model=Wide, width=8, **QUICK).fit(RADIOMICS, LABELS)
    with pytest.raises(PluginError, match="looks at the image, and names 0 features"):
        CtModelEntry("mine", "Mine", look=lambda ct, regions: {})
