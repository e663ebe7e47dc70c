"""A bundle is used only when every byte of it is what was saved."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from espark.bundle.card import BundleCard, EncoderCard
from espark.bundle.folder import _checked_files, _load_card, load_bundle, save_bundle
from espark.errors import BundleError
from espark.files import digest, save_tensors
from espark.pathology.cells.cell_probe import CellProbe
from espark.training.likeness.applicability import Applicability, View
from espark.training.members.state import MemberState, stored_key
from made_up_bundle import FOLDS, made_up_patients

SPOILT = "damaged or was changed"


def rewritten(folder: Path, change: Callable[[dict[str, Any]], object], *, own_hash: bool = True) -> None:
    """Change the card, and give it the hash that belongs to the change."""
    path = folder / "bundle.json"
    card = json.loads(path.read_text())
    change(card)
    if own_hash:
        card.pop("sha256")
        card["sha256"] = digest(card)
    path.write_text(json.dumps(card))


def refused(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    text = str(caught.value)
    assert text.count("\n") == 0 and caught.value.action
    return text


def test_what_was_saved_is_read_back(saved: Path) -> None:
    bundle = load_bundle(saved)
    inputs, labels = made_up_patients()
    answers = [answer.probability for answer in bundle.predict(inputs) if answer is not None]
    assert np.mean(np.array(answers)[labels == 1]) > np.mean(np.array(answers)[labels == 0])
    assert bundle.card.segmenter is not None and bundle.card.segmenter.name == "masks"
    assert set(bundle.likeness(inputs.subset([0]))) == {"ct"}


def test_the_card_names_every_file_with_its_sha256(saved: Path) -> None:
    there = {path.name for path in saved.iterdir()} - {"bundle.json"}
    named = json.loads((saved / "bundle.json").read_text())["files"]
    assert set(named) == there
    assert {"MODEL_CARD.md", "applicability-ct.safetensors", "fold-00.safetensors"} <= there
    for name, found in named.items():
        assert found == hashlib.sha256((saved / name).read_bytes()).hexdigest()


@pytest.mark.parametrize("place", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("name", ["fold-01.safetensors", "applicability-ct.safetensors", "MODEL_CARD.md"])
def test_one_flipped_bit_anywhere_is_noticed(folder: Path, name: str, place: float) -> None:
    content = bytearray((folder / name).read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    (folder / name).write_bytes(bytes(content))
    said = refused(folder)
    assert name in said and SPOILT in said


def test_a_cut_file_is_noticed(folder: Path) -> None:
    path = folder / "fold-02.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert SPOILT in refused(folder)


@pytest.mark.parametrize("name", ["fold-00.safetensors", "applicability-ct.safetensors", "MODEL_CARD.md"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"lacks {name}" in refused(folder)


def test_weights_that_the_card_does_not_name_are_refused(folder: Path) -> None:
    (folder / "fold-03.safetensors").write_bytes((folder / "fold-00.safetensors").read_bytes())
    assert "fold-03.safetensors is not part of this bundle" in refused(folder)


def test_a_file_beside_the_weights_does_not_matter(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "notes.txt").write_text("mine")
    assert len(load_bundle(folder).members) == FOLDS


def test_exchanged_weights_are_noticed(folder: Path) -> None:
    one, other = folder / "fold-00.safetensors", folder / "fold-01.safetensors"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second), other.write_bytes(first)
    assert SPOILT in refused(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.update(folds=1),
        lambda card: card["operating_points"]["ct"].update(threshold=0.999),
        lambda card: card["mscalect"].update(depth=10_000_000),
        lambda card: card["radiomics"].update(bin_width_hu=50.0),
        lambda card: card.update(decisions=["none"]),
        lambda card: card.pop("sha256"),
    ],
)
def test_an_edited_card_is_noticed(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    rewritten(folder, change, own_hash=False)
    assert "changed after training" in refused(folder)


def test_layout_of_the_text_does_not_matter(folder: Path) -> None:
    rewritten(folder, lambda card: None, own_hash=False)
    assert len(load_bundle(folder).members) == FOLDS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card.update(folds=0), "'folds'"),
        (lambda card: card.update(folds=1001), "'folds'"),
        (lambda card: card["mscalect"].update(depth=10_000_000), "'mscalect.depth'"),
        (lambda card: card["mscalect"].update(width=10**9), "'mscalect.width'"),
        (lambda card: card["mscalect"].update(learning_rate=-1.0), "'mscalect.learning_rate'"),
        (lambda card: card["operating_points"]["ct"].update(threshold=1.2), "'operating_points'"),
        (lambda card: card["operating_points"]["ct"].update(threshold="half"), "'operating_points'"),
        (lambda card: card["operating_points"]["ct"]["calibrator"].update(slope=0), "'operating_points'"),
        (lambda card: card["operating_points"]["ct"].pop("conformal"), "'operating_points'"),
        (lambda card: card.update(operating_points={}), "'operating_points'"),
        (lambda card: card["radiomics"].update(bin_width_hu=0), "'radiomics.bin_width_hu'"),
        (lambda card: card["radiomics"].update(scales=["tumor", "tumor"]), "'radiomics'"),
        (lambda card: card["reference"].update(probability=[0.5, 1.5]), "'reference.probability.1'"),
        (lambda card: card["reference"].update(labels=[0, 2]), "'reference.labels.1'"),
        (lambda card: card.update(model="oracle"), "'model'"),
        (lambda card: card.update(surprise=1), "'surprise'"),
        (lambda card: card["files"].update({"fold-00.safetensors": "abc"}), "'files.fold-00.safetensors'"),
    ],
)
def test_values_out_of_bounds_are_refused_even_with_the_right_hash(
    folder: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    rewritten(folder, change)
    assert said in refused(folder)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_finite_are_refused(folder: Path, number: str) -> None:
    path = folder / "bundle.json"
    text = path.read_text()
    assert '"bin_width_hu": 25.0' in text
    path.write_text(text.replace('"bin_width_hu": 25.0', f'"bin_width_hu": {number}'))
    assert "changed after training" in refused(folder)


def test_a_card_of_fewer_folds_than_it_names_files_is_refused(folder: Path) -> None:
    rewritten(folder, lambda card: card.update(folds=2))
    assert "other weights than those of 2 folds" in refused(folder)


def test_a_card_cannot_name_a_file_elsewhere(folder: Path) -> None:
    (folder.parent / "secret").write_text("x")
    rewritten(folder, lambda card: card["files"].update({"../secret": hashlib.sha256(b"x").hexdigest()}))
    assert "lacks ../secret" in refused(folder)


def test_an_earlier_format_says_what_to_do(folder: Path) -> None:
    rewritten(folder, lambda card: card.update(format=1))
    assert refused(folder).endswith(
        "this bundle was made by an earlier version of espark, which did not record how its regions were found. "
        "Run `espark train STUDY` again; prepared images stay."
    )


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format": 4}', '{"format": "2"}', "\xff"])
def test_a_card_that_is_none_is_refused(folder: Path, content: str) -> None:
    (folder / "bundle.json").write_text(content, encoding="latin-1")
    assert "bundle.json" in refused(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [("whole.held_out", float("nan")), ("whole.held_out", float("inf")), ("whole.held_out", -1.0),
     ("whole.residual", 0.0), ("rate", 0.0), ("rate", 1.0), ("rate", float("nan"))],
)  # fmt: skip
def test_a_limit_that_nothing_exceeds_is_refused(folder: Path, name: str, value: float) -> None:
    path = folder / "applicability-ct.safetensors"
    tensors = load_bundle(folder).applicability["ct"].tensors()
    tensors[name][-1] = value
    save_tensors(path, tensors)
    rewritten(folder, lambda card: card["files"].update({path.name: hashlib.sha256(path.read_bytes()).hexdigest()}))
    assert "applicability has the" in refused(folder)


def test_saving_again_with_fewer_folds_leaves_no_weights_behind(folder: Path) -> None:
    bundle = load_bundle(folder)
    card = bundle.card.model_copy(update={"folds": 2})
    save_bundle(folder, card, {}, "# MScaleCT\n")
    assert {path.name for path in folder.iterdir()} == {
        "bundle.json", "MODEL_CARD.md", "fold-00.safetensors", "fold-01.safetensors",
    }  # fmt: skip
    again = load_bundle(folder)
    assert len(again.members) == 2 and again.applicability == {}


def test_equal_bundles_have_equal_bytes(folder: Path, saved: Path) -> None:
    bundle = load_bundle(folder)
    card = BundleCard.model_validate(bundle.card.model_dump())
    save_bundle(folder, card, dict(bundle.applicability), (folder / "MODEL_CARD.md").read_text())
    for path in saved.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_applicability_survives_the_file(saved: Path) -> None:
    check = load_bundle(saved).applicability["ct"]
    again = Applicability.restore(check.tensors())
    view = View(None, np.array([[9.0, 0.0, 0.0, 0.0]], np.float32))
    assert again.compare(view) == check.compare(view)


def test_checking_a_bundle_of_usual_size_takes_under_a_fifth_of_a_second(folder: Path) -> None:
    """Thirty megabytes of weights, as ten folds of eSPARK have. Processor time: others may be using the machine."""
    big = folder / "fold-00.safetensors"
    big.write_bytes(bytes(30_000_000))
    rewritten(folder, lambda card: card["files"].update({big.name: hashlib.sha256(big.read_bytes()).hexdigest()}))
    start = time.process_time()
    _checked_files(folder, _load_card(folder))
    assert time.process_time() - start < 0.2


def test_a_fold_with_a_flipped_byte_is_trained_again(folder: Path) -> None:
    path = folder / "fold-00.safetensors"
    assert stored_key(path) == "key 0"
    whole = path.read_bytes()
    for place in (len(whole) - 1, len(whole) // 2, whole.index(b"key 0") + 4):
        content = bytearray(whole)
        content[place] ^= 1
        path.write_bytes(bytes(content))
        assert stored_key(path) is None
    path.write_bytes(whole[:100])
    assert stored_key(path) is None
    assert stored_key(folder / "fold-77.safetensors") is None


def test_the_hash_of_a_state_depends_on_every_part(folder: Path) -> None:
    state = MemberState.load(folder / "fold-00.safetensors")
    name = next(iter(state.tensors))
    others = [
        MemberState({**state.tensors, name: state.tensors[name] + 1}, state.notes),
        MemberState({**state.tensors, name: state.tensors[name][None]}, state.notes),
        MemberState({f"{name}x" if key == name else key: value for key, value in state.tensors.items()}, state.notes),
        MemberState(state.tensors, {**state.notes, "more": "text"}),
    ]
    assert len({part.content_hash() for part in (state, *others)}) == 5
    assert MemberState(dict(reversed(state.tensors.items())), state.notes).content_hash() == state.content_hash()


def with_probe(folder: Path, named: str | None) -> CellProbe:
    """Save a bundle with a cell probe whose encoder card names a hash; by default the right one."""
    bundle = load_bundle(folder)
    CellProbe("w" * 64, "espark-mini", np.ones((2, 7), np.float32), np.zeros(7, np.float32)).save(folder / "made")
    probe = CellProbe.load(folder / "made")
    (folder / "made").unlink()
    encoder = EncoderCard(
        name="uni", dim=2, tile_px=256, mpp=0.5, min_tissue=0.3, stain="none", cell_types=(), entry="timm",
        weights="w" * 64, cell_probe=probe.identity if named is None else named,
    )  # fmt: skip
    card = bundle.card.model_copy(update={"encoder": encoder})
    save_bundle(folder, card, dict(bundle.applicability), "# MScaleCT\n", probe)
    return probe


def test_a_cell_probe_is_part_of_the_bundle(folder: Path) -> None:
    probe = with_probe(folder, None)
    found = load_bundle(folder).probe
    assert found is not None and found.identity == probe.identity and np.array_equal(found.weights, probe.weights)
    save_bundle(folder, load_bundle(folder).card, {}, "# MScaleCT\n")
    assert "cell probe" in refused(folder)  # the card names one, and none is there


def test_another_cell_probe_than_the_card_names_is_refused(folder: Path) -> None:
    with_probe(folder, "0" * 64)
    assert "cell probe does not belong to this bundle" in refused(folder)
