"""Bundles: any byte that counts is protected by a hash, so a damaged bundle must never be read."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
from fuzz_harness import Family
from mutate import EXTREMES, damage_file

from espark.bundle.bundle import Bundle
from espark.bundle.folder import load_bundle, member_path, save_bundle
from espark.files import digest
from espark.training.likeness.applicability import Applicability
from espark.training.likeness.views import applicability_views
from espark.training.members.mscalect import MScaleCTMember
from made_up_bundle import FOLDS, SETTINGS, made_up_card, made_up_patients


def _make(folder: Path) -> None:
    inputs, labels = made_up_patients()
    members = [MScaleCTMember.train(inputs, labels, SETTINGS, seed) for seed in range(FOLDS)]
    for fold, member in enumerate(members):
        member.state().save(member_path(folder, fold), f"key {fold}")
    views = [applicability_views(inputs, index)["ct"] for index in range(len(labels))]
    raw = 1 / (1 + np.exp(-members[0].logits(inputs)))
    save_bundle(folder, made_up_card(labels, raw), {"ct": Applicability.fit(views)}, "# MScaleCT\n")
    (folder / "bundle.json").chmod(0o644)
    (folder / "..undamaged").write_bytes((folder / "bundle.json").read_bytes())


def _damage(folder: Path, chance: random.Random) -> str:
    """Damage a file, leave one out, or write a card of other values with the right hash of its own."""
    kind = chance.random()
    files = sorted(file for file in folder.iterdir() if file.name != "..undamaged")
    if kind < 0.5:
        file = chance.choice(files)
        return f"{file.name}: {damage_file(file, chance)}"
    if kind < 0.6:
        file = chance.choice(files)
        file.unlink()
        return f"{file.name} gone"
    return _another_value(folder / "bundle.json", chance)


def _another_value(path: Path, chance: random.Random) -> str:
    card = json.loads(path.read_text(encoding="utf-8"))
    card.pop("sha256")
    holder, keys = card, []
    while isinstance(holder, dict | list) and holder:
        key = chance.choice(sorted(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
        keys.append(str(key))
        if not isinstance(holder[key], dict | list) or chance.random() < 0.15:
            break
        holder = holder[key]
    if not isinstance(holder, dict | list) or not holder:
        holder, key = card, "folds"
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    values = (None, -1, 0, 1e300, "", "x" * 10_000, [], {}, deep, *EXTREMES[5:])
    holder[key] = chance.choice(values)
    path.write_text(json.dumps(card | {"sha256": digest(card)}), encoding="utf-8")
    return f"card {'.'.join(keys)} = {str(holder[key])[:20]}"


def _read(folder: Path) -> tuple[Bundle, np.ndarray]:
    bundle = load_bundle(folder)
    inputs, _ = made_up_patients(3)
    return bundle, np.array([answer.probability for answer in bundle.predict(inputs) if answer is not None])


def _wrong(read: tuple[Bundle, np.ndarray], folder: Path) -> str:
    """A card with a right hash may hold other values, which must then be possible ones."""
    _, probability = read
    if not (np.isfinite(probability).all() and (probability >= 0).all() and (probability <= 1).all()):
        return f"probabilities {probability}"
    now = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    before = json.loads((folder / "..undamaged").read_text(encoding="utf-8"))
    return "" if now == before or now["sha256"] != before["sha256"] else "a changed card was read"


FAMILIES = {"bundle": Family(_make, _damage, _read, _wrong)}
