"""How the embedded encoder is fitted: labels are exact, draws are repeatable, and a killed fit continues."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from espark.cells import COUNTED_CELLS
from espark.pretrain import encoder_fit
from espark.pretrain import encoder_phrases as phrases
from espark.pretrain.encoder_fit import FitSettings, fit
from espark.pretrain.encoder_phrases import COUNT_PARTS, THINGS, amounts, ask, graded
from espark.pretrain.encoder_pieces import AREAS, KIND_NAMES, Pieces, draw_piece, load_pieces
from espark.pretrain.encoder_views import LOCAL_STRIDE, TILE_PX, draw_views
from espark.pretrain.encoder_words import VOCABULARY
from interruption import killed_at


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    drawn = [draw_piece(np.random.default_rng([920_000, index])) for index in range(6)]
    lengths = [len(cells) for _, _, cells, _ in drawn]
    return Pieces(
        densities=np.stack([density for density, _, _, _ in drawn]),
        areas=np.stack([areas for _, areas, _, _ in drawn]),
        cells=np.concatenate([cells for _, _, cells, _ in drawn]),
        first_cell=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        varied=np.array([varied for _, _, _, varied in drawn]),
    )


def test_every_phrase_can_be_read_and_every_known_word_is_fitted() -> None:
    templates = (*phrases._SAID, *phrases._MANY, *phrases._FEW, *phrases._NONE, "more than")
    said = [
        *(template.replace("{}", "") for template in templates),
        *(name for thing in THINGS for name in thing.names),
    ]
    used = {token for word in set(" ".join(said).lower().split()) for token in VOCABULARY.tokens(word)}
    assert used == set(range(1, len(VOCABULARY.words) + 1))
    assert all(word in VOCABULARY.words for word in VOCABULARY.synonyms.values())


def test_seeds_of_the_virtual_trial_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="belong to the virtual trial"):
        load_pieces(tmp_path, 1, seed=199, report=lambda line: None)


def test_views_repeat_and_their_labels_agree(pieces: Pieces) -> None:
    chosen = np.array([0, 1, 2, 3, 4, 5])
    one = draw_views(pieces, chosen, np.random.default_rng(1000))
    again = draw_views(pieces, chosen, np.random.default_rng(1000))
    assert torch.equal(one.tiles, again.tiles) and torch.equal(one.local_counts, again.local_counts)
    size = one.tiles.shape[-1]
    assert one.tiles.min() >= 0 and one.tiles.max() <= 1
    assert one.local_counts.shape[1:] == (len(KIND_NAMES), size // LOCAL_STRIDE, size // LOCAL_STRIDE)
    assert one.local_areas.shape[1:] == (len(AREAS), size // LOCAL_STRIDE, size // LOCAL_STRIDE)
    assert one.local_counts.sum(dim=(2, 3)) * (TILE_PX / size) ** 2 == pytest.approx(one.counts, abs=1e-3)
    assert one.areas == pytest.approx(one.local_areas.mean(dim=(2, 3)), abs=1e-6)
    tissue, parts = one.areas[:, AREAS.index("tissue")], one.areas[:, [AREAS.index("tumor"), AREAS.index("stroma")]]
    assert (parts.sum(dim=1) <= tissue + 1e-6).all()


def test_rare_kinds_are_visited_more_often(pieces: Pieces) -> None:
    shares = pieces.shares()
    assert shares.sum() == pytest.approx(1.0) and shares.min() >= 0.5 / len(pieces)
    shown = np.zeros((len(pieces), len(KIND_NAMES)))
    for index in range(len(pieces)):
        np.add.at(shown[index], pieces.cells_of(index)[:, 2].astype(int), 1.0)
    rarest = np.flatnonzero((shown > 0).sum(axis=0) == 1)
    only_there = shown[:, rarest].any(axis=1)
    assert shares[only_there].mean() > shares[~only_there].mean()


def test_nuclei_lie_where_the_labels_say(pieces: Pieces) -> None:
    """Hematoxylin is denser where the local map has cells than where it has none."""
    dark, light = [], []
    for index in range(len(pieces)):
        hematoxylin = pieces.density(index, np.s_[0:320, 0:320])[0].reshape(20, 16, 20, 16).mean(axis=(1, 3))
        cells = pieces.cells_of(index)
        named = np.isin(cells[:, 2], [KIND_NAMES.index(name) for name in ("lymphocyte", "poor", "poor_dark", "well")])
        y, x = (cells[named, :2] // 16).astype(int).T
        here = np.zeros((20, 20), bool)
        here[y, x] = True
        dark.append(hematoxylin[here].mean() if here.any() else np.nan)
        light.append(hematoxylin[~here].mean() if (~here).any() else np.nan)
    assert np.nanmean(dark) > 1.3 * np.nanmean(light)


def counts_of(**cells: float) -> torch.Tensor:
    counts = torch.zeros(1, len(KIND_NAMES))
    for name, number in cells.items():
        counts[0, KIND_NAMES.index(name)] = number
    return counts


def areas_of(**shares: float) -> torch.Tensor:
    areas = torch.zeros(1, len(AREAS))
    for name, share in {"tissue": 1.0, **shares}.items():
        areas[0, AREAS.index(name)] = share
    return areas


def test_amounts_count_what_is_meant() -> None:
    found, _ = amounts(counts_of(lymphocyte=6, plasma=2, neutrophil=5), areas_of(stroma=0.7))
    by_name = dict(
        zip(
            (thing.names[0] for thing in THINGS),
            (found[0] * torch.tensor([t.usual for t in THINGS])).tolist(),
            strict=True,
        )
    )
    assert by_name["lymphocyte"] == pytest.approx(8)
    assert by_name["neutrophil"] == pytest.approx(5)
    assert by_name["immune cell"] == pytest.approx(13)
    assert by_name["stroma"] == pytest.approx(0.7)
    assert by_name["tumor cell"] == by_name["empty glass"] == 0
    numbers = (counts_of(lymphocyte=6, plasma=2, poor=3, mitosis=1) @ COUNT_PARTS)[0].tolist()
    assert dict(zip(COUNTED_CELLS, numbers, strict=True)) == {
        "lymphocyte": 8, "neutrophil": 0, "well_differentiated_tumor_cell": 0, "poorly_differentiated_tumor_cell": 4,
        "stromal_cell": 0, "endothelial_cell": 0, "squamous_cell": 0,
    }  # fmt: skip


def test_graded_truth_grows_with_the_amount() -> None:
    amount = torch.tensor([0.0, 0.1, 0.5, 1.0, 2.0, 10.0, 1e4])
    truth = graded(amount)
    assert truth[3] == pytest.approx(0.5)
    assert (truth.diff() >= 0).all()
    assert truth[0] == pytest.approx(0.02) and truth[-1] == pytest.approx(0.98)


@pytest.mark.parametrize(
    ("number", "many", "few", "none"),
    [(0.0, 0.0, 0.0, 1.0), (2.0, 0.0, 1.0, None), (4.0, 0.0, 1.0, 0.0), (9.0, None, None, 0.0), (40.0, 1.0, 0.0, 0.0)],
)
def test_quantifiers(number: float, many: float | None, few: float | None, none: float | None) -> None:
    """8 lymphocytes are usual: what is many, few or none of them, and what is undecided."""
    counts, areas = counts_of(lymphocyte=number), areas_of()
    rng = np.random.default_rng(1000)
    answers: dict[str, set[float | None]] = {"many lymphocyte": set(), "few lymphocyte": set(), "no lymphocyte": set()}
    for _ in range(900):
        asked = ask(counts, areas, rng)
        for column, phrase in enumerate(asked.phrases):
            if phrase in answers:
                answers[phrase].add(float(asked.truth[0, column]) if asked.known[0, column] else None)
    assert answers == {"many lymphocyte": {many}, "few lymphocyte": {few}, "no lymphocyte": {none}}


def test_every_kind_of_cell_can_be_named_or_is_left_alone() -> None:
    named = {kind for thing in THINGS for kind in thing.kinds}
    assert set(KIND_NAMES) - named == {"dust", "crushed"}
    assert {area for thing in THINGS for area in thing.areas} <= {*AREAS, "-tissue"}


def test_a_killed_fit_ends_like_an_undisturbed_one(
    pieces: Pieces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FitSettings(steps=4, batch=4, settling=1)
    whole = fit(pieces, VOCABULARY, settings, tmp_path / "whole", lambda line: None)
    monkeypatch.setattr(encoder_fit, "_CHECKPOINT_STEPS", 2)
    step = encoder_fit.step_losses
    monkeypatch.setattr(encoder_fit, "step_losses", killed_at(4, step))
    with pytest.raises(KeyboardInterrupt):
        fit(pieces, VOCABULARY, settings, tmp_path / "killed", lambda line: None)
    monkeypatch.setattr(encoder_fit, "step_losses", step)
    resumed = fit(pieces, VOCABULARY, settings, tmp_path / "killed", lambda line: None)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_the_command_explains_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "espark.pretrain.make_encoder", "--help"], capture_output=True, text=True, check=True
    )
    assert "--pieces" in done.stdout and "--seed" in done.stdout
