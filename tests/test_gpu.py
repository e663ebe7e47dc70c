"""What is computed on a GPU is what the processor computes. Skipped where there is no GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder_folders import save_clip, save_vision
from espark.ct.hounsfield import CtVolume
from espark.ct.segmentation.fit import network_fit as segmentation_fit
from espark.ct.segmentation.fit.network_fit import SegmenterFit, fit_segmenter
from espark.ct.segmentation.fit.patches import draw_patches
from espark.ct.segmentation.mini import MiniSegmenter
from espark.ct.segmentation.weights_file import SHIPPED, load_network
from espark.models.unet import UNet3d, UNetShape
from espark.pathology.encoders.load import load_encoder
from espark.pathology.stain.normalizer import METHODS, stain_normalizer
from espark.pretrain.segmenter_scans import simulated_ct, simulated_scan
from espark.statistics.overlap import overlap
from espark.types import ByteArray
from interruption import killed_at

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU on this machine")

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SIZE = (24, 32, 32)


@pytest.fixture(scope="module")
def tiles() -> ByteArray:
    """Pieces of two dyes, in amounts that vary from place to place."""
    rng = np.random.default_rng(0)
    amounts = rng.gamma(1.5, 0.5, (8, 64, 64, 2)).repeat(4, axis=1).repeat(4, axis=2)
    dyes = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    return np.rint(240 * np.exp(-amounts @ dyes)).astype(np.uint8)


def test_the_embedded_encoder(tiles: ByteArray) -> None:
    on_cpu, on_gpu = (load_encoder("espark-mini", device=name, precision="float32") for name in ("cpu", "cuda"))
    vectors, again = on_cpu.encode_tiles(tiles), on_gpu.encode_tiles(tiles)
    np.testing.assert_allclose(again, vectors, atol=1e-3)
    phrases = ["lymphocytes", "tumor cells with keratin"]
    np.testing.assert_allclose(on_gpu.encode_text(phrases), on_cpu.encode_text(phrases), atol=1e-3)
    fast = load_encoder("espark-mini", device="cuda", precision="bfloat16").encode_tiles(tiles)
    assert (
        np.sum(fast * vectors, axis=1) / np.linalg.norm(fast, axis=1) / np.linalg.norm(vectors, axis=1)
    ).min() > 0.99


@pytest.mark.parametrize(
    ("entry", "save"), [("clip", save_clip), ("hf-vision", lambda folder: save_vision(folder, "dinov2"))]
)
def test_encoders_of_others(entry: str, save: Callable[[Path], object], tiles: ByteArray, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    save(tmp_path)
    on_cpu, on_gpu = (load_encoder(entry, weights=tmp_path, device=name) for name in ("cpu", "cuda"))
    np.testing.assert_allclose(on_gpu.encode_tiles(tiles), on_cpu.encode_tiles(tiles), atol=2e-3)


@pytest.mark.parametrize("name", list(METHODS))
def test_stain_normalization(name: str, tiles: ByteArray) -> None:
    on_cpu, on_gpu = (stain_normalizer(name, device=device) for device in (CPU, GPU))
    assert on_cpu is not None and on_gpu is not None
    wanted = on_cpu.apply(tiles, on_cpu.source(tiles)).astype(int)
    found = on_gpu.apply(tiles, on_gpu.source(tiles)).astype(int)
    assert np.abs(found - wanted).max() <= 2 and np.mean(found != wanted) < 0.02


def test_the_embedded_segmenter() -> None:
    image, _ = simulated_ct(1000, 0, 0, matrix=128)
    on_cpu, on_gpu = (MiniSegmenter(load_network(SHIPPED), device=device) for device in (CPU, GPU))
    wanted, found = (segmenter.segment(CtVolume(image, "nifti")) for segmenter in (on_cpu, on_gpu))
    for mask, other in ((wanted.esophagus, found.esophagus), (wanted.tumor, found.tumor)):
        assert mask is not None and other is not None
        assert overlap(other, mask, image.GetSpacing()[::-1]).dice > 0.97


def test_patches_hold_the_same_places() -> None:
    scans = [simulated_scan(0), simulated_scan(1)] * 2
    on_cpu, on_gpu = (draw_patches(scans, SIZE, np.random.default_rng(3), device=device) for device in (CPU, GPU))
    assert on_gpu.images.device.type == "cuda"
    np.testing.assert_allclose(on_gpu.truth.cpu(), on_cpu.truth, atol=1e-3)
    assert (on_gpu.known.cpu() != on_cpu.known).float().mean() < 1e-3
    # Noise differs from device to device, what is under it does not.
    assert float((on_gpu.images.cpu() - on_cpu.images).mean().abs()) < 0.01


def test_a_fit_is_killed_on_a_gpu_and_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans, shape = [simulated_scan(0)], UNetShape(widths=(4, 6))
    settings = SegmenterFit(steps=12, batch=2, patch=SIZE, settling=2)
    lines: list[str] = []

    def fit(device: torch.device) -> UNet3d:
        checkpoint = tmp_path / "fit.pt"
        return fit_segmenter([], scans, settings, checkpoint, lines.append, shape=shape, device=device)

    monkeypatch.setattr(segmentation_fit, "_CHECKPOINT_STEPS", 4)
    monkeypatch.setattr(segmentation_fit, "_REPORT_STEPS", 1)
    loss = segmentation_fit.region_loss
    monkeypatch.setattr(segmentation_fit, "region_loss", killed_at(7, loss))
    with pytest.raises(KeyboardInterrupt):
        fit(GPU)
    monkeypatch.setattr(segmentation_fit, "region_loss", loss)
    network = fit(CPU)
    assert all(weight.device == CPU and bool(weight.isfinite().all()) for weight in network.parameters())
    assert [int(line.split()[1]) for line in lines] == [1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10, 11, 12]
    assert next(iter(fit(GPU).parameters())).device == CPU
