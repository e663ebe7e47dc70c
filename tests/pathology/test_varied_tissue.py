"""The tissue beyond that of the virtual trial, and what the encoder learns from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from espark.models.vision_language import DualEncoder, DualEncoderShape
from espark.pathology.encoders.mini import SHIPPED, load_network
from espark.pretrain import encoder_pieces, varied_tissue
from espark.pretrain.encoder_fit import FitSettings, begin
from espark.pretrain.encoder_losses import SORTS, sort_loss
from espark.pretrain.encoder_pieces import AREAS, KIND_NAMES, PIECE_PX, draw_piece
from espark.pretrain.encoder_words import VOCABULARY
from espark.pretrain.varied_nuclei import VariedNuclei
from espark.simulate.histology.nuclei import stamps
from espark.simulate.histology.nuclei_kinds import KIND_INDEX

ALL_BLOCKS = dict(varied_tissue.BLOCKS)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(encoder_pieces, "VARIED_SHARE", 1.0)
    yield


def block(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(varied_tissue, "BLOCKS", {name: ALL_BLOCKS[name]})


def numbers(cells: np.ndarray) -> dict[str, int]:
    found = np.bincount(cells[:, 2].astype(int), minlength=len(KIND_NAMES))
    return dict(zip(KIND_NAMES, found.tolist(), strict=True))


def share(bits: np.ndarray, area: str) -> float:
    return float(((bits >> AREAS.index(area)) & 1).mean())


@pytest.mark.usefixtures("only")
def test_glands_of_a_tumor_are_tumor_and_those_of_the_wall_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    block("glandular_tumor", monkeypatch)
    _, bits, cells, varied = draw_piece(np.random.default_rng([920_000, 1]))
    found = numbers(cells)
    assert varied and found["well"] + found["poor"] > 20 and found["gland"] + found["gland_tall"] == 0
    assert share(bits, "tumor") > 0.05 and share(bits, "gland") == 0
    block("glands", monkeypatch)
    _, bits, cells, _ = draw_piece(np.random.default_rng([920_000, 2]))
    assert numbers(cells)["well"] == 0 and share(bits, "gland") > 0 and share(bits, "tumor") == 0


@pytest.mark.usefixtures("only")
def test_follicles_are_dense_and_their_nuclei_touch(monkeypatch: pytest.MonkeyPatch) -> None:
    block("follicle", monkeypatch)
    number = []
    for index in range(4):
        _, _, cells, _ = draw_piece(np.random.default_rng([920_001, index]))
        found = numbers(cells)
        number.append(found["lymphocyte"] + found["plasma"])
        assert found["well"] + found["poor"] == 0
    assert max(number) * (256 / PIECE_PX) ** 2 > 80  # in a tile


@pytest.mark.usefixtures("only")
def test_bare_tissue_has_stain_but_no_nuclei(monkeypatch: pytest.MonkeyPatch) -> None:
    block("bare", monkeypatch)
    drawn = [draw_piece(np.random.default_rng([920_002, index])) for index in range(6)]
    empty = [piece for piece in drawn if len(piece[2]) == 0]
    assert empty and all(piece[0][1].mean() > 5 for piece in empty)


def test_each_piece_has_nuclei_of_its_own_and_the_trial_keeps_its_own() -> None:
    kind = KIND_INDEX["lymphocyte"]
    banks = [VariedNuclei(np.random.default_rng(seed), {})(kind, 0.5) for seed in (1, 1, 2, 3, 4, 5)]
    one, again = banks[:2]
    assert len(one) == len(again) and all((a.added == b.added).all() for a, b in zip(one, again, strict=True))
    amounts = [np.mean([stamp.added[0].sum() for stamp in bank]) for bank in banks[1:]]
    assert np.std(amounts) > 0.05 * np.mean(amounts)
    assert len(stamps(kind, 0.5)) > len(one)


def test_a_nearly_empty_map_counts_nothing() -> None:
    shape = DualEncoderShape(local_counts=3, local_areas=1, counted=2, least_count=0.01)
    network = DualEncoder(shape).eval()
    network.parts.copy_(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    with torch.no_grad():
        network.image.log_counts.weight.zero_()
        network.image.log_counts.bias.copy_(torch.tensor([0.009, 0.005, 0.02]).log())
        seen = network.image(torch.rand(2, 3, 64, 64))
        counts = network.expected_counts(seen.vector)
    assert (counts[:, 0] == 0).all()
    assert counts[:, 1].tolist() == pytest.approx([2.56, 2.56], rel=1e-3)  # (0.02 − 0.01) × 256


def test_the_sort_of_a_nucleus_is_learned_where_there_is_one() -> None:
    true, right, wrong = (torch.full((1, len(KIND_NAMES), 1, 2), value) for value in (0.0, -9.0, -9.0))
    true[0, KIND_NAMES.index("lymphocyte"), 0, 0] = 2.0
    right[0, KIND_NAMES.index("plasma"), 0, 0] = 0.0  # another kind of the same sort
    wrong[0, KIND_NAMES.index("poor_dark"), 0, 0] = 0.0
    assert float(sort_loss(right, true)) < 0.01 < 5.0 < float(sort_loss(wrong, true))
    assert float(sort_loss(right + 3.0, true)) == pytest.approx(float(sort_loss(right, true)), abs=1e-4)
    assert float(sort_loss(right, torch.zeros_like(true))) == 0.0
    assert sorted(name for sort in SORTS for name in sort) == sorted(KIND_NAMES)


def test_a_fit_can_begin_with_weights(tmp_path: Path) -> None:
    weights, _ = load_network(SHIPPED)
    network = begin(VOCABULARY, FitSettings(start=str(SHIPPED)))
    assert network.shape.least_count == FitSettings().least_count
    for name, value in weights.state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name
