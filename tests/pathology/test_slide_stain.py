"""Stain normalization of a whole slide: one source for all its tiles, and what is written down about it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_slide_features import Plain, same

from espark.pathology.features import encode_slide, read_slide_features, write_slide_features
from espark.pathology.slide import open_slide
from espark.pathology.stain.normalizer import SourceStain, StainNormalizer, profile_from_json
from espark.pathology.tiles import map_runs, tile_grid
from espark.pathology.tissue import find_tissue
from espark.pathology.usable_tiles import slide_stain, usable_tiles

SLIDE = "cmu-1-small-region.svs"


@pytest.mark.parametrize("name", ["macenko", "reinhard", "vahadane"])
def test_tiles_are_encoded_in_the_stain_of_the_target(data: Path, tmp_path: Path, name: str) -> None:
    normalizer = StainNormalizer(name)
    with open_slide(data / "slides" / SLIDE) as slide:
        plain, changed = encode_slide(slide, Plain()), encode_slide(slide, Plain(), stain=normalizer)
        tissue = find_tissue(slide)
        tiles = tile_grid(slide, tissue)
        source = slide_stain(slide, tiles, tissue, normalizer)
        first = np.concatenate(list(map_runs(np.asarray, slide, tiles)))
    rows = [tiles.coords.tolist().index(corner) for corner in changed.coords.tolist()]
    wanted = Plain().encode_tiles(normalizer.apply(first[rows], source))
    assert np.array_equal(changed.coords, plain.coords)
    assert changed.features == pytest.approx(wanted, abs=1e-6)
    assert not np.allclose(changed.features, plain.features, atol=0.01)
    assert (changed.stain, changed.stain_note, plain.stain, plain.stain_target) == (name, "", "none", "")
    assert profile_from_json(json.loads(changed.stain_target)) == normalizer.target
    write_slide_features(tmp_path / "s.h5", changed)
    assert same(read_slide_features(tmp_path / "s.h5"), changed)


def test_a_slide_whose_stain_is_unclear_stays_and_says_so(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    normalizer = StainNormalizer("macenko")
    monkeypatch.setattr(normalizer, "source", lambda tiles: SourceStain(None, "only one dye was found"))
    with open_slide(data / "slides" / SLIDE) as slide:
        plain, changed = encode_slide(slide, Plain()), encode_slide(slide, Plain(), stain=normalizer)
    assert np.array_equal(changed.features, plain.features)
    assert changed.stain_note == "the stain was not normalized: only one dye was found"


def test_files_of_earlier_versions_are_still_read(data: Path, tmp_path: Path) -> None:
    import h5py

    with open_slide(data / "slides" / SLIDE) as slide:
        found = encode_slide(slide, Plain())
    write_slide_features(tmp_path / "s.h5", found)
    with h5py.File(tmp_path / "s.h5", "a") as file:
        for name in ("stain_target", "stain_note", "encoder_entry", "encoder_weights", "encoder_precision"):
            del file.attrs[name]
    again = read_slide_features(tmp_path / "s.h5")
    assert (again.stain, again.stain_target, again.encoder_entry) == ("none", "", "")


def test_usable_tiles_have_the_same_bytes_whatever_the_workers(data: Path) -> None:
    normalizer = StainNormalizer("macenko")
    with open_slide(data / "slides" / SLIDE) as slide:
        tissue = find_tissue(slide)
        tiles = tile_grid(slide, tissue)
        source = slide_stain(slide, tiles, tissue, normalizer, workers=1)
        assert slide_stain(slide, tiles, tissue, normalizer, workers=3) == source
        one, many = (
            list(usable_tiles(slide, tiles, tissue, stain=normalizer, source=source, workers=workers))
            for workers in (1, 3)
        )
        whole = np.concatenate(list(map_runs(np.asarray, slide, tiles)))
    assert len(one) > 1 and [run.verdicts for run in one] == [run.verdicts for run in many]
    found = np.concatenate([run.usable for run in one])
    assert np.array_equal(found, np.concatenate([run.usable for run in many]))
    kept = [verdict.keep for run in one for verdict in run.verdicts]
    assert len(kept) == len(tiles) and not all(kept)
    alone = np.stack([normalizer.apply(tile[None], source)[0] for tile in whole[kept]])
    assert np.array_equal(found, alone)
