"""The embedded encoder: what must hold of it whatever its weights, and what the shipped weights must know."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from espark.cells import CELL_TYPES, COUNTED_CELLS, PROMPT_TEMPLATES
from espark.errors import EncoderError, InputError
from espark.models.precision import computes_bfloat16
from espark.models.vision_language import DualEncoder, DualEncoderShape
from espark.pathology.cell_types import cell_type_similarity, text_embeddings
from espark.pathology.encoders import mini
from espark.pathology.encoders.catalogue import ENCODERS
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.encoders.load import load_encoder
from espark.pathology.encoders.mini import SHIPPED, VOCABULARY_FILE, WEIGHTS_FILE, MiniEncoder, save_encoder
from espark.pathology.encoders.vocabulary import Vocabulary
from espark.simulate.histology.tile import TileTruth, simulate_tile
from espark.types import Precision

CELL_TYPE_KEYS = tuple(entry.key for entry in CELL_TYPES)

SMALL = DualEncoderShape(
    dim=24, local_counts=4, local_areas=2, stem=4, widths=(8, 8, 8, 8), depths=(1, 1, 1, 1), words=6, text_width=16
)
WORDS = Vocabulary(("a", "cell", "h&e", "lymphocyte", "tumor"), {"tumour": "tumor"}, max_words=6)


def untrained() -> DualEncoder:
    torch.manual_seed(0)
    network = DualEncoder(SMALL)
    for module in network.modules():  # batch norms that do something
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    return network


@pytest.fixture(scope="module")
def tiles() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (37, 256, 256, 3), np.uint8)


@pytest.fixture(scope="module")
def shipped() -> Encoder:
    return load_encoder("espark-mini", device="cpu")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_vectors_have_length_one_and_do_not_depend_on_company(tiles: np.ndarray, precision: Precision) -> None:
    encoder = MiniEncoder(untrained(), WORDS, precision=precision)
    together = encoder.encode_tiles(tiles)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(together, encoder.encode_tiles(tiles))
    assert np.array_equal(together[5:6], encoder.encode_tiles(tiles[5:6]))
    assert np.array_equal(together[::-1], encoder.encode_tiles(tiles[::-1].copy()))


def test_counts_are_read_back_from_the_vectors_as_the_map_had_them(tiles: np.ndarray) -> None:
    network = untrained().eval()
    network.parts[[0, 1, 2, 3], [6, 0, 0, 3]] = 1.0
    with torch.inference_mode():
        seen = network.image(torch.from_numpy(tiles[:4]).permute(0, 3, 1, 2).float() / 255)
    totals = seen.log_counts.exp().sum(dim=(2, 3)).numpy()
    encoder = MiniEncoder(network, WORDS)
    found = encoder.expected_counts(encoder.encode_tiles(tiles[:4]))
    assert found.shape == (4, len(COUNTED_CELLS))
    assert found[:, 6] == pytest.approx(totals[:, 0], rel=1e-3, abs=1e-3)
    assert found[:, 0] == pytest.approx(totals[:, 1] + totals[:, 2], rel=1e-3, abs=1e-3)
    assert found[:, 3] == pytest.approx(totals[:, 3], rel=1e-3, abs=1e-3)
    assert (found[:, [1, 2, 4, 5]] == 0).all()


def test_auto_takes_bfloat16_only_where_it_is_computed_and_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mini, "computes_bfloat16", lambda device: False)
    assert MiniEncoder(untrained(), WORDS, precision="auto").precision == "float32"
    monkeypatch.setattr(mini, "computes_bfloat16", lambda device: True)
    agreeing = MiniEncoder(untrained(), WORDS, precision="auto")
    assert agreeing.precision == "bfloat16"
    assert {parameter.dtype for parameter in agreeing._network.image.stages.parameters()} == {torch.bfloat16}
    monkeypatch.setattr(mini, "_AGREEMENT", 1.1)  # whatever bfloat16 gives is too far away
    disagreeing = MiniEncoder(untrained(), WORDS, precision="auto")
    assert disagreeing.precision == "float32"
    assert {parameter.dtype for parameter in disagreeing._network.image.parameters()} == {torch.float32}


def test_other_processors_compute_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    assert not computes_bfloat16(cpu)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert not computes_bfloat16(cpu)
    assert not computes_bfloat16(torch.device("meta"))


def test_shipped_weights_say_the_same_in_bfloat16(shipped: Encoder) -> None:
    drawn = np.stack([simulate_tile(np.random.default_rng([920_000, index]))[0] for index in range(16)])
    exact, rounded = (
        load_encoder("espark-mini", device="cpu", precision=precision) for precision in ("float32", "bfloat16")
    )
    assert (exact.precision, rounded.precision) == ("float32", "bfloat16")
    one, other = exact.encode_tiles(drawn), rounded.encode_tiles(drawn)
    assert not np.array_equal(one, other)
    assert (one * other).sum(axis=1).min() > 0.9999
    counts, again = exact.expected_counts(one), rounded.expected_counts(other)
    assert counts is not None and again is not None
    assert again == pytest.approx(counts, rel=0.02, abs=0.5)


def test_bfloat16_is_for_the_embedded_encoder_alone(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="clip: it does not compute in bfloat16"):
        load_encoder("clip", weights=tmp_path, precision="bfloat16")


def test_folding_batch_norms_changes_nothing(tiles: np.ndarray) -> None:
    network = untrained().eval()
    batch = torch.from_numpy(tiles[:4]).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        plain = network.image(batch).vector.numpy()
    assert MiniEncoder(network, WORDS).encode_tiles(tiles[:4]) == pytest.approx(plain, abs=1e-4)


def test_saved_and_loaded_encoders_agree(tmp_path: Path, tiles: np.ndarray) -> None:
    network = untrained()
    save_encoder(tmp_path, network, WORDS, {})
    halved = untrained()
    halved.load_state_dict(
        {k: v.half().float() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    )
    loaded = MiniEncoder.from_folder(tmp_path)
    assert np.array_equal(loaded.encode_tiles(tiles[:3]), MiniEncoder(halved, WORDS).encode_tiles(tiles[:3]))
    assert np.array_equal(
        loaded.encode_text(["a tumor cell"]), MiniEncoder(halved, WORDS).encode_text(["a tumor cell"])
    )
    before = (tmp_path / WEIGHTS_FILE).read_bytes()
    save_encoder(tmp_path, network, WORDS, {})
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == before


def test_wrong_weights_are_explained(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(InputError, match="cannot be read"):
        MiniEncoder.from_folder(tmp_path)
    save_file({"x": torch.zeros(2)}, tmp_path / WEIGHTS_FILE)
    with pytest.raises(EncoderError, match="not weights of espark-mini"):
        MiniEncoder.from_folder(tmp_path)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((2, 256, 256), np.uint8),
        np.zeros((2, 3, 256, 256), np.uint8),
        np.zeros((2, 256, 256, 3), np.float32),
        np.zeros((2, 16, 16, 3), np.uint8),
    ],
)
def test_other_arrays_than_tiles_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(EncoderError, match="shape"):
        MiniEncoder(untrained(), WORDS).encode_tiles(bad)


def test_nothing_in_nothing_out() -> None:
    encoder = MiniEncoder(untrained(), WORDS)
    assert encoder.encode_tiles(np.empty((0, 256, 256, 3), np.uint8)).shape == (0, 24)
    assert encoder.encode_text([]).shape == (0, 24)


def test_case_plural_spelling_and_hyphens_do_not_matter() -> None:
    plain = WORDS.tokens("a tumor cell")
    for phrase in ("A Tumor Cell", "a tumour cell.", "a tumor-cell", "a tumors cells", "a tumours cells"):
        assert WORDS.tokens(phrase) == plain, phrase
    assert WORDS.tokens("H&E") == [3]


def test_unknown_words_are_named_with_the_nearest_and_all_known() -> None:
    with pytest.raises(EncoderError) as caught:
        WORDS.tokens("a lymphocite near a kidney")
    message = str(caught.value)
    assert "lymphocite (nearest: lymphocyte)" in message
    assert "near" in message and "kidney" in message
    assert "a, cell, h&e, lymphocyte, tumor" in message


@pytest.mark.parametrize(
    ("phrase", "message"), [("", "contains no word"), ("?!", "contains no word"), ("a " * 7, "at most 6")]
)
def test_phrases_that_cannot_be_read(phrase: str, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        WORDS.tokens(phrase)


def test_unknown_encoder_names_the_nearest() -> None:
    with pytest.raises(EncoderError, match="Did you mean espark-mini"):
        load_encoder("espark-mni")
    with pytest.raises(EncoderError, match="missing"):
        load_encoder("espark-mini", weights=Path("/nowhere/at/all"))


def test_shipped_encoder_is_small_and_as_registered(shipped: Encoder) -> None:
    entry = ENCODERS["espark-mini"]
    assert isinstance(shipped, Encoder)
    assert (shipped.name, shipped.dim, shipped.has_text) == (entry.name, entry.dim, entry.text)
    assert (shipped.tile_px, shipped.mpp) == (256, 0.5)
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 10e6


def test_the_model_card_belongs_to_the_shipped_weights() -> None:
    card = (SHIPPED / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert hashlib.sha256((SHIPPED / WEIGHTS_FILE).read_bytes()).hexdigest() in card
    real = ("encoder_real.py --set consep-test", "encoder_real.py --set crchisto")
    for benchmark in (*real, "encoder_trial.py", "encoder_simulated.py", "encoder_speed.py"):
        assert f"benchmarks/{benchmark}" in card
    first = card.split("\n## ")[1]
    assert first.startswith("What it cannot do") and '"immune cell" against "tumor cell"' in first


def test_words_tell_real_lymphocytes_from_real_epithelium(shipped: Encoder, data: Path) -> None:
    """One image of each from CoNSeP's train split: 16 patches of lymphocytes, 16 of glandular epithelium."""
    folder = data / "nuclei" / "consep" / "images" / "train"
    pictures = [Image.open(path) for name in ("train_18", "train_17") for path in sorted(folder.glob(f"{name}_*.jpg"))]
    assert len(pictures) == 32
    halved = np.stack([np.asarray(picture.convert("RGB").resize((128, 128))) for picture in pictures])
    words = text_embeddings(shipped, names=("inflammatory cell", "epithelial cell"))
    difference = np.diff(cell_type_similarity(shipped.encode_tiles(halved), words), axis=1)[:, 0]
    assert difference[:16].max() < difference[16:].min()


def test_shipped_vocabulary_covers_every_prompt(shipped: Encoder) -> None:
    phrases = [template.format(kind.name) for template in PROMPT_TEMPLATES for kind in CELL_TYPES]
    phrases += [template.format(kind.name + "s") for template in PROMPT_TEMPLATES for kind in CELL_TYPES]
    vectors = shipped.encode_text(phrases)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    words = json.loads((SHIPPED / VOCABULARY_FILE).read_text())["words"]
    assert {"necrosis", "stroma", "keratin", "gland", "erythrocyte", "mitosis", "muscle"} <= set(words)


@pytest.fixture(scope="module")
def simulated(shipped: Encoder) -> tuple[np.ndarray, list[TileTruth]]:
    drawn = [simulate_tile(np.random.default_rng([910_000, index])) for index in range(160)]
    return shipped.encode_tiles(np.stack([picture for picture, _ in drawn])), [truth for _, truth in drawn]


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


@pytest.mark.parametrize("key", ["lymphocyte", "neutrophil", "stromal_cell", "squamous_cell", "endothelial_cell"])
def test_words_order_tiles_by_what_they_show(
    shipped: Encoder, simulated: tuple[np.ndarray, list[TileTruth]], key: str
) -> None:
    features, truths = simulated
    similarity = cell_type_similarity(features, text_embeddings(shipped))[:, CELL_TYPE_KEYS.index(key)]
    assert rank_correlation(similarity, np.array([truth.counts[key] for truth in truths])) > 0.45


def test_expected_counts_follow_the_true_ones(shipped: Encoder, simulated: tuple[np.ndarray, list[TileTruth]]) -> None:
    features, truths = simulated
    expected = shipped.expected_counts(features)
    assert expected is not None and expected.min() >= 0
    for column, key in enumerate(COUNTED_CELLS):
        true = np.array([truth.counts[key] for truth in truths])
        assert rank_correlation(expected[:, column], true) > 0.5, key


def test_grades_and_leukocytes_are_told_apart(shipped: Encoder, simulated: tuple[np.ndarray, list[TileTruth]]) -> None:
    features, truths = simulated
    similarity = cell_type_similarity(features, text_embeddings(shipped))
    for one, other in (
        ("well_differentiated_tumor_cell", "poorly_differentiated_tumor_cell"),
        ("neutrophil", "lymphocyte"),
    ):
        difference = similarity[:, CELL_TYPE_KEYS.index(one)] - similarity[:, CELL_TYPE_KEYS.index(other)]
        counts = np.array([truth.counts[one] - truth.counts[other] for truth in truths])
        assert difference[counts >= 8].mean() > difference[counts <= -8].mean() + 0.1, one
