from __future__ import annotations

import pytest
import torch

from espark.models.aggregators.aggregator import pad_bags
from espark.models.aggregators.attention import GatedAttention
from espark.models.aggregators.gated_attention import CytoPathNet
from espark.models.espark import ESparkNet
from espark.models.mscalect import MScaleCTNet


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_attention_sums_to_one_and_ignores_padding_and_order() -> None:
    pool = GatedAttention(8, 4).eval()
    tiles = torch.randn(1, 7, 8)
    pooled, attention = pool(tiles, torch.ones(1, 7, dtype=torch.bool))
    assert attention.sum().item() == pytest.approx(1.0, abs=1e-6)
    padded = torch.cat([tiles, torch.full((1, 3, 8), 50.0)], dim=1)
    mask = torch.arange(10)[None] < 7
    pooled_padded, attention_padded = pool(padded, mask)
    torch.testing.assert_close(pooled_padded, pooled)
    assert attention_padded[0, 7:].tolist() == [0.0, 0.0, 0.0]
    order = torch.randperm(7)
    pooled_shuffled, attention_shuffled = pool(tiles[:, order], mask[:, :7])
    torch.testing.assert_close(pooled_shuffled, pooled)
    torch.testing.assert_close(attention_shuffled, attention[:, order])


def test_attention_is_the_published_formula() -> None:
    pool = GatedAttention(5, 3)
    tiles = torch.randn(1, 4, 5)
    h = tiles[0]
    scores = torch.stack(
        [
            pool.score.weight[0]
            @ (
                torch.tanh(pool.signal.weight @ x + pool.signal.bias)
                * torch.sigmoid(pool.gate.weight @ x + pool.gate.bias)
            )
            for x in h
        ]
    )
    expected = torch.softmax(scores, 0)
    pooled, attention = pool(tiles, torch.ones(1, 4, dtype=torch.bool))
    torch.testing.assert_close(attention[0], expected)
    torch.testing.assert_close(pooled[0], expected @ h)


def test_mscalect_does_not_see_a_missing_scale() -> None:
    net = MScaleCTNet((3, 4), width=5, depth=2).eval()
    features = torch.randn(2, 7)
    known = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    changed = features.clone()
    changed[:, 3:] += 10
    torch.testing.assert_close(net(features, known), net(changed, known))
    assert not torch.allclose(net(features, torch.ones(2, 2)), net(features, known))


def test_scale_dropout_hides_one_of_two_scales_and_never_the_only_one() -> None:
    net = MScaleCTNet((2, 2), width=4, depth=1, scale_dropout=1.0).train()
    seen = []
    net.layers.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    known = torch.tensor([[1.0, 1.0]] * 200 + [[1.0, 0.0]] * 200)
    net(torch.ones(400, 4), known)
    flags = seen[0][:, -2:] + 1
    assert (flags[:200].sum(1) == 1).all()
    assert 60 < flags[:200, 0].sum() < 140
    assert (flags[200:] == torch.tensor([1.0, 0.0])).all()


def test_fusion_sees_only_what_is_known() -> None:
    net = ESparkNet(CytoPathNet(6, hidden=4, attention=3), hidden=4, ct_width=5, projection=3).eval()
    ct, (tiles, mask) = torch.randn(2, 5), pad_bags([torch.randn(3, 6), torch.randn(2, 6)])
    ct_only = torch.tensor([[1.0, 0.0]] * 2)
    slides_only = torch.tensor([[0.0, 1.0]] * 2)
    torch.testing.assert_close(net(ct, tiles, mask, ct_only), net(ct, tiles * 5, mask, ct_only))
    torch.testing.assert_close(net(ct, tiles, mask, slides_only), net(ct * 5, tiles, mask, slides_only))
    assert not torch.allclose(net(ct, tiles, mask, torch.ones(2, 2)), net(ct, tiles, mask, ct_only))


def test_modality_dropout_hides_at_most_one() -> None:
    net = ESparkNet(
        CytoPathNet(6, hidden=4, attention=3), hidden=4, ct_width=5, projection=3, modality_dropout=0.5
    ).train()
    known = net._hide(torch.tensor([[1.0, 1.0]] * 1000 + [[0.0, 1.0]] * 10))
    assert (known.sum(1) >= 1).all()
    assert 420 < (known[:1000].sum(1) == 1).sum() < 580
    assert (known[1000:] == torch.tensor([0.0, 1.0])).all()
