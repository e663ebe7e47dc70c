"""What every fusion promises, and that each computes what was published."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from espark.models.aggregators.aggregator import pad_bags
from espark.models.aggregators.gated_attention import CytoPathNet
from espark.models.espark import ESparkNet
from espark.models.fusions.build import build_fusion
from espark.models.fusions.catalogue import FUSIONS
from espark.models.fusions.concatenation import Concatenation
from espark.models.fusions.cross_attention import CrossAttention
from espark.models.fusions.fusion import Fusion
from espark.models.fusions.gated import Gated
from espark.models.fusions.late import Late
from espark.models.fusions.tensor_product import TensorProduct

EVERY = pytest.mark.parametrize("name", FUSIONS)
WIDTH = 6


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def patients(count: int = 5, modalities: int = 2) -> tuple[Tensor, Tensor]:
    """Vectors and what is known, each pattern of known modalities in turn, unknown ones zero."""
    patterns = [[float(n >> bit & 1) for bit in range(modalities)] for n in range(1, 2**modalities)]
    known = torch.tensor([patterns[index % len(patterns)] for index in range(count)])
    return torch.randn(count, modalities, WIDTH) * known[..., None], known


def network(name: str, clinical: int | None = None, dropout: float = 0.0) -> ESparkNet:
    branch = CytoPathNet(6, hidden=4, attention=3)
    return ESparkNet(
        branch, hidden=4, ct_width=5, projection=WIDTH, fusion=name, clinical=clinical, modality_dropout=dropout
    )


def test_the_published_fusion_comes_first_and_others_are_unknown() -> None:
    assert next(iter(FUSIONS)) == "concatenation"
    with pytest.raises(KeyError):
        build_fusion("sum", 4, 2)


@EVERY
@pytest.mark.parametrize("modalities", [2, 3])
def test_a_patient_answers_alike_alone_and_in_a_batch(name: str, modalities: int) -> None:
    fusion = build_fusion(name, WIDTH, modalities).eval()
    vectors, known = patients(9, modalities)
    together = fusion.logits(vectors, known)
    assert together.shape == (9, 2)
    alone = torch.cat([fusion.logits(vectors[i : i + 1], known[i : i + 1]) for i in range(9)])
    torch.testing.assert_close(together, alone)
    assert torch.isfinite(together).all()


@EVERY
@pytest.mark.parametrize("modalities", [2, 3])
def test_every_weight_learns_and_no_gradient_is_lost(name: str, modalities: int) -> None:
    fusion = build_fusion(name, WIDTH, modalities).train()
    vectors, known = patients(14, modalities)
    loss = fusion.loss(vectors, known, torch.arange(14) % 2, 0.1)
    loss.backward()
    assert torch.isfinite(loss)
    silent = [key for key, p in fusion.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@EVERY
def test_the_fusion_sees_only_what_is_known(name: str) -> None:
    net = network(name, clinical=3).eval()
    ct, clinical, (tiles, mask) = torch.randn(2, 5), torch.randn(2, 3), pad_bags([torch.randn(3, 6), torch.randn(2, 6)])
    data = {"ct": ct, "tiles": tiles, "clinical": clinical}
    answers = []
    for pattern in ([1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]):
        known = torch.tensor([pattern, pattern], dtype=torch.float32)
        answers.append(net(**data, mask=mask, known=known))
        for key, there in zip(("ct", "tiles", "clinical"), pattern, strict=True):
            changed = net(**(data | {key: data[key] * -3 + 1}), mask=mask, known=known)
            assert torch.allclose(changed, answers[-1], atol=1e-6) == (there == 0), (pattern, key)
    for index, first in enumerate(answers):
        assert not any(torch.allclose(first, other, atol=1e-6) for other in answers[index + 1 :])


@EVERY
def test_modality_dropout_hides_at_most_one_image_and_the_clinical_values_apart(name: str) -> None:
    net = network(name, clinical=3, dropout=0.5).train()
    known = net._hide(torch.tensor([[1.0, 1.0, 1.0]] * 1000 + [[0.0, 1.0, 0.0]] * 10))
    assert (known[:, :2].sum(1) >= 1).all()
    assert 420 < (known[:1000, :2].sum(1) == 1).sum() < 580
    assert 420 < (known[:1000, 2] == 0).sum() < 580
    assert (known[1000:] == torch.tensor([0.0, 1.0, 0.0])).all()


@EVERY
def test_what_both_modalities_tell_together_is_learned(name: str) -> None:
    """Either vector carries half of the evidence; with both, the answer beats each alone."""
    labels = torch.arange(60) % 2
    vectors = torch.randn(60, 2, WIDTH)
    vectors[:, :, 0] += 2.0 * (2 * labels[:, None] - 1)
    known = torch.ones(60, 2)
    fusion = build_fusion(name, WIDTH, 2).train()
    optimizer = torch.optim.Adam(fusion.parameters(), lr=1e-2)
    for _ in range(60):
        loss = fusion.loss(vectors, known, labels, 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (fusion.eval().logits(vectors, known).argmax(1) == labels).float().mean() >= 0.95


# against the literature


def test_concatenation_is_the_published_head() -> None:
    fusion = Concatenation(WIDTH, 2)
    assert list(fusion.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    vectors, known = patients()
    hidden = torch.sigmoid(vectors.reshape(5, -1) @ fusion[0].weight.T + fusion[0].bias)
    torch.testing.assert_close(fusion.logits(vectors, known), hidden @ fusion[2].weight.T + fusion[2].bias)


def test_late_is_the_mean_of_the_logits_that_are_there() -> None:
    fusion = Late(WIDTH, 2)
    vectors, _ = patients()
    ct, slides = (head(part) for head, part in zip(fusion.heads, vectors.unbind(1), strict=True))
    torch.testing.assert_close(fusion.logits(vectors, torch.ones(5, 2)), (ct + slides) / 2)
    torch.testing.assert_close(fusion.logits(vectors, torch.tensor([[1.0, 0.0]] * 5)), ct)
    labels = torch.tensor([0, 1, 1, 0, 1])
    own = [nn.functional.cross_entropy(part, labels) for part in (ct, slides)]
    torch.testing.assert_close(fusion.loss(vectors, torch.ones(5, 2), labels, 0.0), (own[0] + own[1]) / 2)


def test_the_gate_between_two_is_the_sigmoid_of_the_paper() -> None:
    fusion = Gated(WIDTH, 2)
    vectors = torch.randn(4, 2, WIDTH)
    scores = fusion.gate(vectors.flatten(1))
    z = torch.sigmoid(scores[:, :WIDTH] - scores[:, WIDTH:])
    ct, slides = (torch.tanh(layer(part)) for layer, part in zip(fusion.content, vectors.unbind(1), strict=True))
    expected = fusion.head(z * ct + (1 - z) * slides)
    torch.testing.assert_close(fusion.logits(vectors, torch.ones(4, 2)), expected)
    shares = fusion.shares(*patients(7, 2))
    torch.testing.assert_close(shares.sum(1), torch.ones(7, WIDTH))


def test_the_tensor_product_holds_every_modality_alone_and_every_pair() -> None:
    fusion = TensorProduct(WIDTH, 2)
    vectors = torch.randn(3, 2, WIDTH)
    short = [torch.tanh(layer(part)) for layer, part in zip(fusion.shorten, vectors.unbind(1), strict=True)]
    ct, slides = (torch.cat([part, torch.ones(3, 1)], dim=1) for part in short)
    product = fusion.product(vectors, torch.ones(3, 2)).reshape(3, 17, 17)
    torch.testing.assert_close(product, torch.einsum("pi,pj->pij", ct, slides))
    alone = fusion.product(vectors, torch.tensor([[1.0, 0.0]] * 3)).reshape(3, 17, 17)
    torch.testing.assert_close(alone[:, :, 16], ct)
    assert (alone[:, :, :16] == 0).all()


def test_cross_attention_looks_at_the_known_others_or_at_itself() -> None:
    fusion = CrossAttention(WIDTH, 3)
    known = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    seen = fusion._visible(known, 0).reshape(3, 3, -1)
    assert seen.all(dim=2).tolist() == [[False, True, True], [False, False, True], [True, False, False]]
    assert (seen.all(dim=2) == seen.any(dim=2)).all()


@EVERY
def test_fusions_are_of_one_kind(name: str) -> None:
    fusion = build_fusion(name, 128, 3)
    assert isinstance(fusion, Fusion)
    assert sum(p.numel() for p in fusion.parameters()) < 1_000_000
