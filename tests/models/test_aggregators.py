"""What every aggregator promises, and that each computes what was published."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from espark.models.aggregators.aggregator import Aggregator, pad_bags
from espark.models.aggregators.attention import GatedAttention
from espark.models.aggregators.build import build_aggregator
from espark.models.aggregators.catalogue import AGGREGATORS
from espark.models.aggregators.clam import ClamSBNet
from espark.models.aggregators.dsmil import DsmilNet
from espark.models.aggregators.nystrom import NystromAttention, pseudo_inverse
from espark.models.aggregators.plain_pooling import MaxNet, MeanNet
from espark.models.aggregators.transformer import TransformerNet
from espark.models.aggregators.transmil import TransMilNet
from espark.models.espark import ESparkNet
from espark.workspace.config import CytoPathSettings

EVERY = pytest.mark.parametrize("name", AGGREGATORS)
UNORDERED = pytest.mark.parametrize("name", [name for name, entry in AGGREGATORS.items() if not entry.ordered])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def build(name: str) -> Aggregator:
    return build_aggregator(name, 6, hidden=16, attention=5)


def bags_of(*sizes: int) -> list[Tensor]:
    return [torch.randn(size, 6) for size in sizes]


def test_an_aggregator_that_nobody_brings_is_unknown() -> None:
    with pytest.raises(KeyError):
        build("median")


@EVERY
@pytest.mark.parametrize("training", [False, True])
def test_attention_is_a_distribution_over_the_real_tiles(name: str, training: bool) -> None:
    net = build(name).train(training)
    sizes = (7, 1, 0, 40)
    tiles, mask = pad_bags(bags_of(*sizes))
    logits, attention = net(tiles, mask)
    assert logits.shape == (4, 2)
    assert attention.shape == mask.shape
    assert (attention >= 0).all()
    assert (attention[~mask] == 0).all()
    torch.testing.assert_close(attention.sum(1), torch.tensor([1.0, 1.0, 0.0, 1.0]))


@EVERY
def test_padding_changes_nothing_whatever_it_holds(name: str) -> None:
    net = build(name).eval()
    tiles = torch.randn(1, 23, 6)
    slide, attention = net.embed(tiles, torch.ones(1, 23, dtype=torch.bool))
    padded = torch.cat([tiles, torch.full((1, 9, 6), 50.0)], dim=1)
    slide_padded, attention_padded = net.embed(padded, torch.arange(32)[None] < 23)
    torch.testing.assert_close(slide_padded, slide)
    torch.testing.assert_close(attention_padded[:, :23], attention)


@EVERY
def test_a_bag_answers_alike_alone_and_in_a_batch(name: str) -> None:
    net = build(name).eval()
    bags = bags_of(3, 90, 1, 17)
    together, _ = net(*pad_bags(bags))
    alone = torch.cat([net(*pad_bags([bag]))[0] for bag in bags])
    torch.testing.assert_close(together, alone)


@UNORDERED
def test_the_order_of_the_tiles_does_not_matter(name: str) -> None:
    net = build(name).eval()
    tiles, mask = pad_bags(bags_of(31))
    order = torch.randperm(31)
    slide, attention = net.embed(tiles, mask)
    shuffled, attention_shuffled = net.embed(tiles[:, order], mask)
    torch.testing.assert_close(shuffled, slide)
    torch.testing.assert_close(attention_shuffled, attention[:, order])


def test_to_transmil_the_order_of_the_tiles_is_their_place() -> None:
    """Its convolutions over the square stand for the position: shuffled tiles are another slide."""
    net = build("transmil").eval()
    tiles, mask = pad_bags(bags_of(31))
    slide, _ = net.embed(tiles, mask)
    shuffled, _ = net.embed(tiles[:, torch.randperm(31)], mask)
    assert not torch.allclose(shuffled, slide, atol=1e-4)


@EVERY
@pytest.mark.parametrize("sizes", [(0,), (1,), (2,), (0, 1, 5)])
def test_empty_and_small_bags_have_finite_answers_and_gradients(name: str, sizes: tuple[int, ...]) -> None:
    net = build(name).train()
    tiles, mask = pad_bags(bags_of(*sizes))
    loss = net.loss(tiles, mask, torch.tensor([index % 2 for index in range(len(sizes))]), 0.1)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
    slide, _ = net.eval().embed(tiles, mask)
    for size, vector in zip(sizes, slide, strict=True):
        assert (vector.abs().sum() == 0).item() == (size == 0)


@EVERY
def test_every_weight_learns(name: str) -> None:
    net = build(name).train()
    tiles, mask = pad_bags(bags_of(40, 12, 30, 25))
    net.loss(tiles, mask, torch.tensor([0, 1, 1, 0]), 0.1).backward()
    silent = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@EVERY
def test_batches_of_very_different_bags_are_learned(name: str) -> None:
    """The outcome is a rare tile: 3 tiles of each positive bag are shifted in one feature."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.tensor([0, 1] * 5)
    bags = [torch.randn(size, 6, generator=generator) for size in (4, 40, 9, 20, 6, 12, 30, 5, 8, 15)]
    for bag, label in zip(bags, labels.tolist(), strict=True):
        bag[:3, 2] += 4.0 * label
    net = build(name).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(40):
        loss = net.loss(*pad_bags(bags), labels, 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    logits, _ = net.eval()(*pad_bags(bags))
    assert (logits.argmax(1) == labels).float().mean() >= 0.9


@EVERY
def test_the_fusion_takes_the_slide_vector_of_any_aggregator(name: str) -> None:
    net = ESparkNet(build(name), hidden=16, ct_width=5, projection=3, modality_dropout=0.0).train()
    tiles, mask = pad_bags(bags_of(9, 0))
    logits = net(torch.randn(2, 5), tiles, mask, torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    first = net.slide_branch.project[0].weight
    assert first.grad is not None
    assert first.grad.abs().sum() > 0


# against the literature


def test_mean_and_max_are_what_they_say() -> None:
    tiles, mask = pad_bags(bags_of(5, 3))
    mean = MeanNet(6, hidden=4)
    slide, attention = mean.embed(tiles, mask)
    torch.testing.assert_close(slide[1], mean.project(tiles[1, :3]).mean(0))
    torch.testing.assert_close(attention[1], torch.tensor([1 / 3, 1 / 3, 1 / 3, 0, 0]))
    most = MaxNet(6, hidden=4)
    slide, attention = most.embed(tiles, mask)
    odds = most.head(most.project(tiles[1, :3])).diff(dim=1)[:, 0]
    torch.testing.assert_close(slide[1], most.project(tiles[1, odds.argmax()]))
    assert attention[1].tolist() == [float(index == int(odds.argmax())) for index in range(5)]


def test_clams_instance_loss_is_the_published_one() -> None:
    """Cross-entropy of the classifier of the bag's label: most attended tiles are 1, least attended ones 0."""
    net = ClamSBNet(6, hidden=4, attention=3)
    (large, small), labels = bags_of(30, 5), torch.tensor([1, 0])
    tiles, mask = pad_bags([large, small])
    expected = torch.zeros(())
    for bag, label, count in ((large, 1, 8), (small, 0, 2)):
        instances = net.project(bag)
        _, attention = net.attention(instances[None], torch.ones(1, len(bag), dtype=torch.bool))
        ranked = attention[0].argsort()
        log_p = torch.log_softmax(net.instance_heads[label](instances), dim=1)
        expected -= (log_p[ranked[-count:], 1].sum() + log_p[ranked[:count], 0].sum()) / (2 * count) / 2
    instances = net.project(tiles)
    slide, attention = net.pool(instances, mask)
    torch.testing.assert_close(net.instance_loss(instances, attention, mask, labels), expected)
    bag_loss = nn.functional.cross_entropy(net.head(slide), labels)
    torch.testing.assert_close(net.loss(tiles, mask, labels, 0.0), 0.7 * bag_loss + 0.3 * expected)


def test_gated_attention_is_that_of_torchmil() -> None:
    oracle = pytest.importorskip("torchmil.nn").AttentionPool(in_dim=6, att_dim=5, gated=True)
    pool = GatedAttention(6, 5)
    pool.load_state_dict(
        {
            "signal.weight": oracle.fc1.module.weight, "signal.bias": oracle.fc1.module.bias,
            "gate.weight": oracle.fc_gated.module.weight, "gate.bias": oracle.fc_gated.module.bias,
            "score.weight": oracle.fc2.weight, "score.bias": torch.zeros(1),
        }
    )  # fmt: skip
    tiles, mask = pad_bags(bags_of(9, 4))
    expected, scores = oracle(tiles, mask.float(), return_att=True)
    pooled, attention = pool(tiles, mask)
    torch.testing.assert_close(pooled, expected)
    torch.testing.assert_close(attention[0], torch.softmax(scores[0], 0))


def test_dsmil_is_that_of_torchmil() -> None:
    oracle = pytest.importorskip("torchmil.models").DSMIL(in_shape=(4,), att_dim=3, nonlinear_q=True).eval()
    net = DsmilNet(6, hidden=4, attention=3).eval()
    net.query.load_state_dict(oracle.q_nn.state_dict())
    for mine, theirs in ((net.instance_head, oracle.inst_classifier), (net.head, oracle.bag_classifier)):
        half = theirs.weight.detach() / 2
        mine.load_state_dict(
            {"weight": torch.cat([-half, half]), "bias": theirs.bias.detach() / 2 * torch.tensor([-1, 1])}
        )
    tiles, mask = pad_bags(bags_of(12))
    with torch.no_grad():
        expected = oracle.predict(net.project(tiles))
        _, expected_attention = oracle(net.project(tiles), return_att=True)
    logits, attention = net(tiles, mask)
    torch.testing.assert_close(logits.diff(dim=1)[:, 0], expected)
    torch.testing.assert_close(attention[0], expected_attention[0, :, 0])


def without_residual(attention: NystromAttention) -> None:
    """torchmil leaves out the convolution over the values and the output layer."""
    nn.init.zeros_(attention.residual.weight)
    attention.out = nn.Sequential(nn.Identity())


def test_transmil_is_that_of_torchmil() -> None:
    """On a bag of 45 tiles: 49 places and the class token are ten stretches of five, so that nobody pads."""
    models = pytest.importorskip("torchmil.models")
    oracle = models.TransMIL(in_shape=(16,), att_dim=16, n_heads=4, n_landmarks=10).eval()
    net = TransMilNet(6, hidden=16, heads=4, landmarks=10, exact=0).eval()
    net.token = nn.Parameter(oracle.cls_token.detach())
    net.norm = copy.deepcopy(oracle.norm)
    for index, layer in enumerate(oracle.layers):
        net.norms[index] = copy.deepcopy(layer.norm1)
        without_residual(net.layers[index])
        net.layers[index].qkv = copy.deepcopy(layer.att_module.qkv_nn)
    for index, name in enumerate(("proj", "proj1", "proj2")):
        net.position[index] = copy.deepcopy(getattr(oracle.pos_layer, name))
    half = oracle.classifier.weight.detach() / 2
    net.head.load_state_dict(
        {"weight": torch.cat([-half, half]), "bias": oracle.classifier.bias.detach() / 2 * torch.tensor([-1, 1])}
    )
    tiles, mask = pad_bags(bags_of(45))
    with torch.no_grad():
        expected = oracle(net.project(tiles))
        logits, _ = net(tiles, mask)
    torch.testing.assert_close(logits.diff(dim=1)[:, 0], expected, atol=1e-4, rtol=1e-4)


def test_the_residual_convolution_of_the_first_token_is_that_of_the_whole_sequence() -> None:
    attention = NystromAttention(16, heads=4, landmarks=8).eval()
    tokens = torch.randn(1, 100, 16)
    first, _ = attention.of_first(tokens)
    torch.testing.assert_close(first, attention(tokens)[:, :1])


def test_nystrom_attention_of_a_short_sequence_is_exact() -> None:
    attention = NystromAttention(16, heads=4, landmarks=64).eval()
    without_residual(attention)
    tokens = torch.randn(1, 30, 16)
    query, key, value = (part.unflatten(-1, (4, 4)).transpose(1, 2) for part in attention.qkv(tokens).chunk(3, dim=-1))
    table = torch.softmax(query @ key.mT / 2, dim=-1)
    torch.testing.assert_close(attention(tokens), (table @ value).transpose(1, 2).flatten(2))
    _, weights = attention.of_first(tokens)
    torch.testing.assert_close(weights, table.mean(1)[0, 0])


def test_nystrom_attention_of_a_long_sequence_comes_near_the_exact_one() -> None:
    attention = NystromAttention(16, heads=4, landmarks=32).eval()
    without_residual(attention)
    tokens = torch.randn(1, 16, 16).repeat_interleave(20, dim=1) + 0.01 * torch.randn(1, 320, 16)
    few = attention(tokens)
    attention.exact = 1000
    torch.testing.assert_close(few, attention(tokens), atol=0.02, rtol=0)


def test_the_pseudo_inverse_inverts() -> None:
    matrix = torch.softmax(3 * torch.eye(8) + 0.1 * torch.randn(1, 2, 8, 8), dim=-1)
    torch.testing.assert_close(pseudo_inverse(matrix, 12) @ matrix, torch.eye(8).expand(1, 2, 8, 8), atol=1e-4, rtol=0)


def test_the_set_transformer_is_that_of_its_equations() -> None:
    """MAB(X, Y) = LN(H + rFF(H)), H = LN(X + multi-head attention of X to Y); written out for one head."""
    net = TransformerNet(6, hidden=4, heads=1, points=3).eval()

    def mab(block: nn.Module, asking: Tensor, asked: Tensor) -> Tensor:
        key, value = block.key_value(asked).chunk(2, dim=-1)  # type: ignore[operator]
        table = torch.softmax(block.query(asking) @ key.T / 2, dim=-1)  # type: ignore[operator]
        middle = block.norm_attention(asking + block.out(table @ value))  # type: ignore[operator]
        return block.norm_layer(middle + block.layer(middle))  # type: ignore[operator, no-any-return]

    tiles = torch.randn(7, 6)
    instances = net.project(tiles)
    seen = mab(net.spread, instances, mab(net.gather, net.points, instances))
    weights = torch.softmax(net.key(seen) @ net.token / 2, dim=0)
    slide, attention = net.embed(*pad_bags([tiles]))
    torch.testing.assert_close(attention[0], weights)
    torch.testing.assert_close(slide[0], net.norm(net.token + weights @ net.value(seen)))


def test_bags_are_padded_to_a_multiple_where_one_is_asked_for() -> None:
    bags = [torch.ones(3, 2), torch.ones(5, 2)]
    tiles, mask = pad_bags(bags, multiple=4)
    assert tiles.shape == (2, 8, 2) and mask.sum(dim=1).tolist() == [3, 5]
    assert torch.equal(tiles[mask], torch.ones(8, 2)) and not tiles[~mask].any()
    assert pad_bags(bags[:1], multiple=3)[0].shape == (1, 3, 2)
    assert pad_bags([torch.ones(0, 2)], multiple=4)[0].shape == (1, 1, 2)


def test_settings_that_suit_an_aggregator_are_settings_of_cytopath() -> None:
    for entry in AGGREGATORS.values():
        settings = CytoPathSettings(aggregator=entry.name, **entry.training)
        assert settings.model_dump().items() >= entry.training.items()
    assert AGGREGATORS["transmil"].training["batch_size"] > CytoPathSettings().batch_size
