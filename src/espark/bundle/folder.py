"""A bundle as files: saved last of all, checked to the last byte before anything in it is used."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from espark._version import __version__
from espark.bundle.bundle import Bundle
from espark.bundle.card import BundleCard
from espark.catalogue import Plugin
from espark.errors import BundleError, InputError
from espark.files import digest, read_json, save_tensors, tensors_and_notes, write_json, write_text
from espark.pathology.cells.cell_probe import CellProbe
from espark.training.likeness.applicability import Applicability
from espark.training.likeness.harmonisation import Harmonisation
from espark.training.members.build import restore_member
from espark.training.members.catalogue import MODELS
from espark.training.members.state import MemberState
from espark.training.plugins import check_plugins

logger = logging.getLogger("espark")

_FORMAT: int = BundleCard.model_fields["format"].default
_CARD = "bundle.json"
_MODEL_CARD = "MODEL_CARD.md"
_PROBE = "cell-probe.safetensors"
_HARMONISATION = "harmonisation-ct.safetensors"
_OWN_HASH = "sha256"
_AGAIN = "Copy the bundle again, or run `espark train STUDY` again."


class _Needs(BaseModel):
    """What a bundle must find installed before the rest of it can be read."""

    plugins: tuple[Plugin, ...] = ()


def member_path(folder: Path, fold: int) -> Path:
    """Where a bundle keeps the weights of a fold."""
    return folder / f"fold-{fold:02d}.safetensors"


def save_bundle(
    folder: Path,
    card: BundleCard,
    applicability: dict[str, Applicability],
    model_card: str,
    probe: CellProbe | None = None,
    harmonisation: Harmonisation | None = None,
) -> None:
    """Write everything but the members, which training has already put there. ``bundle.json`` comes last.

    Weights of an earlier training that do not belong to this bundle are removed.
    """
    for modality, check in sorted(applicability.items()):
        save_tensors(_applicability_path(folder, modality), check.tensors())
    if probe is not None:
        probe.save(folder / _PROBE)
    if harmonisation is not None:
        save_tensors(folder / _HARMONISATION, harmonisation.tensors())
    write_text(folder / _MODEL_CARD, model_card)
    named = [member_path(folder, fold).name for fold in range(card.folds)]
    named += [_applicability_path(folder, modality).name for modality in applicability]
    named += [_PROBE] if probe is not None else []
    named += [_HARMONISATION] if harmonisation is not None else []
    for name in _weights_in(folder) - set(named):
        (folder / name).unlink()
    files = {name: _sha256((folder / name).read_bytes()) for name in sorted([*named, _MODEL_CARD])}
    content = card.model_copy(update={"files": files}).model_dump(mode="json")
    write_json(folder / _CARD, content | {_OWN_HASH: digest(content)})


def load_bundle(folder: Path) -> Bundle:
    """Read a trained model; every file is checked against the hash in the card before it is used.

    Raises:
        BundleError: when the folder holds no bundle, one of another version, one that was damaged or changed, or one
            that needs a plug-in which is not installed.
    """
    card = _load_card(folder)
    contents = _checked_files(folder, card)
    template = card.empty_inputs()
    try:
        members = tuple(
            restore_member(card.model, template, card.model_settings, MemberState.read(contents[path.name], path))
            for path in (member_path(folder, fold) for fold in range(card.folds))
        )
        applicability: dict[str, Applicability] = {
            modality: Applicability.restore(tensors_and_notes(contents[path.name], path)[0])
            for modality in MODELS[card.model].modalities
            if (path := _applicability_path(folder, modality)).name in contents
        }
        probe = CellProbe.read(contents[_PROBE], folder / _PROBE) if _PROBE in contents else None
        harmonisation = _harmonisation(folder, contents, template.radiomics.shape[1])
    except (InputError, KeyError, RuntimeError, ValueError) as error:
        raise BundleError(f"the weights do not belong to this bundle ({error})", where=folder, action=_AGAIN) from error
    if (probe.identity if probe else "") != (card.encoder.cell_probe if card.encoder else ""):
        raise BundleError("the cell probe does not belong to this bundle", where=folder, action=_AGAIN)
    return Bundle(card, members, applicability, probe, harmonisation)


def _harmonisation(folder: Path, contents: dict[str, bytes], features: int) -> Harmonisation | None:
    if _HARMONISATION not in contents:
        return None
    tensors = tensors_and_notes(contents[_HARMONISATION], folder / _HARMONISATION)[0]
    return Harmonisation.restore(tensors, features)


@functools.lru_cache(maxsize=1)
def bundle_once(folder: Path, content_hash: str) -> Bundle:
    """A bundle, read once a process; the hash of its content distinguishes it from a later one in the same folder."""
    del content_hash
    return load_bundle(folder)


def _load_card(folder: Path) -> BundleCard:
    path = folder / _CARD
    content = _card_content(folder)
    own_hash = content.pop(_OWN_HASH, None)
    try:
        intact = own_hash == digest(content)
    except ValueError:  # NaN or infinity, which no card holds
        intact = False
    if not intact:
        raise BundleError("the file was changed after training", where=path, action=_AGAIN)
    try:
        # Before the rest is read, whose names only the plug-ins make known.
        for note in check_plugins(_Needs.model_validate(content).plugins, where=path):
            logger.warning(note)
        return BundleCard.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(
            f"this version ({__version__}) cannot read '{where}': {first['msg']}",
            where=path,
            action="Use the version that trained it, or train again.",
        ) from error


def _card_content(folder: Path) -> dict[str, Any]:
    """What the card's file holds, as soon as its format is one that this version reads."""
    path = folder / _CARD
    if not path.is_file():
        found = _bundles_below(folder)
        raise BundleError(
            "there is no trained model here",
            where=folder,
            expected="a folder with bundle.json, such as STUDY/models/espark",
            action=f"Did you mean {found[0]}?" if found else "Train one with `espark train STUDY`.",
        )
    try:
        content = read_json(path)
    except InputError as error:
        raise BundleError(error.found, where=path, action=_AGAIN) from error
    version = content.get("format") if isinstance(content, dict) else None
    if version == 1:
        raise BundleError(
            "this bundle was made by an earlier version of espark, which did not record how its regions were found",
            where=folder,
            action="Run `espark train STUDY` again; prepared images stay.",
        )
    if version != _FORMAT:
        raise BundleError(
            f"this version ({__version__}) does not know the format of this bundle",
            where=path,
            expected=f"format {_FORMAT}",
            action="Use the version that trained it, or train again.",
        )
    return dict(content)


def _checked_files(folder: Path, card: BundleCard) -> dict[str, bytes]:
    """Content of every file that the card names, after its hash was compared with the card.

    What is used later are these very bytes, so that nothing can be exchanged in between.
    """
    folds = {member_path(folder, fold).name for fold in range(card.folds)}
    if folds != {name for name in card.files if name.startswith("fold-")}:
        raise BundleError(f"the card names other weights than those of {card.folds} folds", where=folder, action=_AGAIN)
    there = {path.name for path in folder.iterdir() if path.is_file()}
    if missing := sorted(card.files.keys() - there):
        raise BundleError(f"the bundle lacks {', '.join(missing)}", where=folder, action=_AGAIN)
    if surplus := sorted(_weights_in(folder) - card.files.keys()):
        raise BundleError(
            f"{', '.join(surplus)} {'is' if len(surplus) == 1 else 'are'} not part of this bundle",
            where=folder,
            action="Remove what is not part of it, or copy the bundle again.",
        )
    contents = {name: (folder / name).read_bytes() for name in card.files}
    for name, content in contents.items():
        if _sha256(content) != card.files[name]:
            raise BundleError("the file is damaged or was changed after training", where=folder / name, action=_AGAIN)
    return contents


def _applicability_path(folder: Path, modality: str) -> Path:
    return folder / f"applicability-{modality}.safetensors"


def _weights_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.safetensors")}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _bundles_below(folder: Path) -> Sequence[Path]:
    candidates = [*folder.glob("*/bundle.json"), *folder.glob("models/*/bundle.json")]
    return sorted((path.parent for path in candidates), key=lambda path: (path.name != "espark", path))
