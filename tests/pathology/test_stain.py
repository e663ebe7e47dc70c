"""Stain normalization: against torchstain, StainTools and SPAMS, on real tiles, and where there is nothing to do."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import lab2rgb, rgb2lab

from espark.errors import FeatureError, SlideError
from espark.pathology.stain.catalogue import STAINS
from espark.pathology.stain.color import lab_to_rgb, rgb_to_lab
from espark.pathology.stain.dyes import Vahadane
from espark.pathology.stain.normalizer import (
    METHODS,
    SourceStain,
    StainNormalizer,
    packaged_target,
    profile_from_json,
    profile_to_json,
    stain_normalizer,
)
from espark.pretrain.stain_target import stain_targets
from espark.types import ByteArray

TARGET = "tissue-level0-7352-11762-7864-12274"
SOURCES = (
    "tissue-level0-4302-10273-4814-10785",
    "high-nuclei-score-level0",
    "medium-nuclei-score-level1",
    "low-nuclei-score-level0",
)
NAMES = tuple(METHODS)


def picture(data: Path, name: str, side: int = 256) -> ByteArray:
    whole = np.asarray(Image.open(data / "slides" / "tiles" / f"{name}.png").convert("RGB"))
    return np.ascontiguousarray(whole[:side, :side])


def pixels_of(image: ByteArray) -> torch.Tensor:
    return torch.tensor(image).reshape(-1, 3).float()


def towards(name: str, image: ByteArray) -> StainNormalizer:
    return StainNormalizer(name, target=METHODS[name].profile(pixels_of(image)))


def test_every_stain_of_the_registry_can_be_made() -> None:
    assert set(METHODS) == set(STAINS) - {"none"}
    assert stain_normalizer("none") is None
    with pytest.raises(FeatureError, match="Did you mean macenko"):
        stain_normalizer("makenko")


def test_lab_is_that_of_scikit_image() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (500, 3)).astype(np.float64)
    lab = rgb_to_lab(torch.tensor(rgb)).numpy()
    assert lab == pytest.approx(rgb2lab(rgb / 255), abs=0.05)
    assert lab_to_rgb(torch.tensor(lab)).numpy() == pytest.approx(lab2rgb(lab) * 255, abs=0.1)


@pytest.mark.parametrize("name", SOURCES)
def test_macenko_agrees_with_torchstain(data: Path, name: str) -> None:
    torchstain = pytest.importorskip("torchstain")
    target, source = picture(data, TARGET), picture(data, name)
    oracle = torchstain.normalizers.MacenkoNormalizer(backend="torch")
    oracle.fit(torch.tensor(target).permute(2, 0, 1))
    wanted = oracle.normalize(torch.tensor(source).permute(2, 0, 1), stains=False)[0].numpy()
    normalizer = towards("macenko", target)
    assert normalizer.target.array("dyes") == pytest.approx(oracle.HERef.numpy().T, abs=1e-4)
    assert normalizer.target.array("strength")[0] == pytest.approx(oracle.maxCRef.numpy(), abs=1e-3)
    # The oracle cuts decimals off where espark rounds.
    assert np.abs(normalizer.normalize(source)[0].astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("name", SOURCES)
def test_reinhard_agrees_with_torchstain(data: Path, name: str) -> None:
    torchstain = pytest.importorskip("torchstain")
    target, source = picture(data, TARGET), picture(data, name)
    oracle = torchstain.normalizers.ReinhardNormalizer(backend="torch")
    oracle.fit(torch.tensor(target).permute(2, 0, 1))
    wanted = oracle.normalize(torch.tensor(source).permute(2, 0, 1)).numpy()
    assert np.abs(towards("reinhard", target).normalize(source)[0].astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("name", (TARGET, *SOURCES))
def test_dictionary_of_vahadane_is_as_good_as_that_of_spams(data: Path, name: str) -> None:
    spams = pytest.importorskip("spams")
    method = Vahadane()
    pixels = pixels_of(picture(data, name, side=128))
    density = method.density(pixels[pixels.mean(dim=1) < 200]).double()
    found = spams.trainDL(
        X=np.asfortranarray(density.numpy().T), K=2, lambda1=0.1, mode=2, modeD=0,
        posAlpha=True, posD=True, verbose=False, iter=100, numThreads=1,
    ).T  # fmt: skip
    wanted = torch.tensor(found / np.linalg.norm(found, axis=1, keepdims=True))
    learned = method._learn(density)

    def loss(dyes: torch.Tensor) -> float:
        amounts = method.amounts(density, dyes, 0.1)
        return float((density - amounts @ dyes).square().sum(1).mean() / 2 + 0.1 * amounts.sum(1).mean())

    assert loss(learned) <= loss(wanted) + 1e-9
    order = [dyes[:, 0].argsort(descending=True) for dyes in (learned, wanted)]
    assert learned[order[0]].numpy() == pytest.approx(wanted[order[1]].numpy(), abs=0.03)


def test_amounts_of_vahadane_agree_with_spams(data: Path) -> None:
    spams = pytest.importorskip("spams")
    method = Vahadane()
    density = method.density(pixels_of(picture(data, SOURCES[1], side=64))).double()
    dyes = torch.tensor(packaged_target("vahadane").array("dyes"))
    dyes /= dyes.norm(dim=1, keepdim=True)
    wanted = spams.lasso(
        X=np.asfortranarray(density.numpy().T), D=np.asfortranarray(dyes.numpy().T), mode=2, lambda1=0.01, pos=True,
        numThreads=1,
    )  # fmt: skip
    assert method.amounts(density, dyes, 0.01).numpy() == pytest.approx(wanted.toarray().T, abs=1e-6)


@pytest.mark.parametrize("name", SOURCES[1:3])
def test_vahadane_agrees_with_staintools(data: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """StainTools stops learning after one second on the clock, so that its answer varies by some grey levels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        staintools = pytest.importorskip("staintools", exc_type=ImportError)
    spams = pytest.importorskip("spams")
    for function in ("lasso", "trainDL"):  # its threads wait for each other for minutes on a busy machine
        monkeypatch.setattr(spams, function, functools.partial(getattr(spams, function), numThreads=1))
    target, source = picture(data, TARGET), picture(data, name)
    oracle = staintools.StainNormalizer("vahadane")
    oracle.fit(target.copy())
    wanted = oracle.transform(source.copy()).astype(int)
    difference = np.abs(towards("vahadane", target).normalize(source)[0].astype(int) - wanted)
    assert difference.mean() < 5
    assert np.percentile(difference, 99) < 20


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_brought_to_its_own_stain_stays(data: Path, name: str) -> None:
    image = picture(data, SOURCES[0])
    changed, reason = towards(name, image).normalize(image)
    assert reason == ""
    # What the two dyes cannot show of a pixel is lost: nothing with Reinhard, little with the others.
    assert np.abs(changed.astype(int) - image).mean() < (0.6 if name == "reinhard" else 8.0)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_two_laboratories_come_closer(data: Path, name: str) -> None:
    normalizer = StainNormalizer(name)
    before = [picture(data, source) for source in SOURCES]
    after = [normalizer.normalize(image)[0] for image in before]

    def spread(images: list[ByteArray]) -> float:
        tones = [np.median(image[image.mean(axis=2) < 200], axis=0) for image in images]
        return float(np.std(tones, axis=0).mean())

    assert spread(after) < 0.75 * spread(before)


@pytest.mark.parametrize("name", NAMES)
def test_tiles_of_a_slide_share_one_source_and_batches_change_nothing(data: Path, name: str) -> None:
    tiles = np.stack([picture(data, source, 128) for source in SOURCES[:3]])
    normalizer = StainNormalizer(name)
    source = normalizer.source(tiles)
    together = normalizer.apply(tiles, source)
    assert together.dtype == np.uint8 and together.shape == tiles.shape
    alone = np.concatenate([normalizer.apply(tile[None], source) for tile in tiles])
    assert np.array_equal(together, alone)
    assert np.array_equal(together, normalizer.apply(tiles, normalizer.source(tiles)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0, 128, 243, 255])
def test_flat_pictures_stay_as_they_are(name: str, level: int) -> None:
    image = np.full((64, 64, 3), level, np.uint8)
    changed, reason = StainNormalizer(name).normalize(image)
    assert np.array_equal(changed, image)
    assert reason


@pytest.mark.parametrize("name", ["macenko", "vahadane"])
def test_a_single_dye_is_said(name: str) -> None:
    amount = np.random.default_rng(0).uniform(0.3, 1.5, (64, 64, 1))
    image = (255 * np.exp(-amount * np.array([0.65, 0.70, 0.29]))).round().astype(np.uint8)
    changed, reason = StainNormalizer(name).normalize(image)
    assert np.array_equal(changed, image)
    assert "dye" in reason or "eosin" in reason or "hematoxylin" in reason


@pytest.mark.parametrize("name", NAMES)
def test_almost_white_tiles_stay_or_stay_bright(data: Path, name: str) -> None:
    for path in sorted((data / "slides" / "tiles").glob("almost-white-[12].png")):
        image = picture(data, path.stem)
        changed, reason = StainNormalizer(name).normalize(image)
        assert np.array_equal(changed, image) == bool(reason)


@pytest.mark.parametrize("name", NAMES)
def test_extreme_pixels_of_a_good_slide_are_finite(data: Path, name: str) -> None:
    normalizer = StainNormalizer(name)
    source = normalizer.source(picture(data, SOURCES[0])[None])
    corners = np.array(np.meshgrid([0, 255], [0, 255], [0, 255])).reshape(3, -1).T.astype(np.uint8)
    pixels = normalizer._method.transfer(source.profile, normalizer.target)(torch.tensor(corners).float())
    assert torch.isfinite(pixels).all()
    white = normalizer.apply(np.full((1, 4, 4, 3), 255, np.uint8), source)
    assert white.min() >= (230 if name != "reinhard" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_nothing_out(name: str) -> None:
    normalizer = StainNormalizer(name)
    empty = np.empty((0, 256, 256, 3), np.uint8)
    assert normalizer.source(empty).profile is None
    assert normalizer.apply(empty, SourceStain(packaged_target(name))).shape == empty.shape


@pytest.mark.parametrize("name", NAMES)
def test_profiles_survive_json(name: str) -> None:
    target = packaged_target(name)
    assert profile_from_json(profile_to_json(target)) == target


def test_the_packaged_target_is_what_its_function_gives() -> None:
    for name, content in stain_targets().items():
        for key, rows in content.items():
            stored = packaged_target(name).array(key)
            assert stored == pytest.approx(np.array(rows), rel=0.02, abs=0.02), (name, key)


def test_a_picture_can_be_the_target(data: Path, tmp_path: Path) -> None:
    path = data / "slides" / "tiles" / f"{TARGET}.png"
    normalizer = stain_normalizer("macenko", target=path)
    assert normalizer is not None
    whole = np.asarray(Image.open(path).convert("RGB"))
    assert normalizer.target == METHODS["macenko"].profile(pixels_of(whole))
    Image.new("RGB", (64, 64), "white").save(tmp_path / "white.png")
    with pytest.raises(SlideError, match="stained"):
        stain_normalizer("macenko", target=tmp_path / "white.png")
    with pytest.raises(SlideError, match="cannot be read"):
        stain_normalizer("macenko", target=tmp_path / "none.png")
