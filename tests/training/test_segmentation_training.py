"""How the segmenter is fitted: no loss where nothing is known, repeatable draws, and a killed fit continues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from espark.ct.segmentation.fit import network_fit as segmentation_fit
from espark.ct.segmentation.fit.labelled_scan import ESOPHAGUS, TUMOR, Scan, label_scan
from espark.ct.segmentation.fit.network_fit import SegmenterFit, fit_segmenter, region_loss
from espark.ct.segmentation.fit.patches import Patches, _centre, _turn_and_zoom, draw_patches
from espark.models.unet import UNetShape
from interruption import killed_at

SIZE = (16, 16, 16)


def scan(*, tumor: bool = True, seed: int = 0) -> Scan:
    """A bright rod in noise; its middle is tumor."""
    rng = np.random.default_rng(seed)
    esophagus = np.zeros((32, 24, 24), np.float32)
    esophagus[:, 10:14, 10:14] = 1
    inside = np.zeros_like(esophagus)
    inside[12:20, 10:14, 10:14] = 1
    hu = rng.normal(-60, 10, esophagus.shape) + 120 * esophagus
    return label_scan(f"s{seed}", hu, esophagus, inside if tumor else None)


def known_of(scan: Scan) -> list[np.ndarray]:
    """Where esophagus and tumor are known."""
    return [(scan.known & 1 << region) > 0 for region in (ESOPHAGUS, TUMOR)]


def test_labels_where_both_are_known() -> None:
    made = scan()
    assert all(known.all() for known in known_of(made))
    assert (made.share > 127).sum(axis=(1, 2, 3)).tolist() == [32 * 16, 8 * 16]
    assert len(made.places[ESOPHAGUS]) == 32 * 16 and (made.places[TUMOR][:, 0] >= 12).all()


def test_a_share_of_a_voxel_is_kept_and_the_tumor_belongs_to_the_organ() -> None:
    esophagus, tumor = np.zeros((2, 4, 4, 4), np.float32)
    esophagus[1, 1, 1], tumor[1, 1, 1], tumor[2, 2, 2] = 0.4, 0.2, 0.6
    made = label_scan("s", np.zeros((4, 4, 4), np.float32), esophagus, tumor)
    assert made.share[:, 1, 1, 1].tolist() == [102, 51] and made.share[:, 2, 2, 2].tolist() == [153, 153]


def test_metal_does_not_turn_into_air() -> None:
    hu = np.array([-3000, -1024, 40.4, 3071, 40000], np.float32).reshape(1, 1, 5)
    assert label_scan("s", hu, np.ones_like(hu), None).hu.ravel().tolist() == [-1024, -1024, 40, 3071, 3071]


def test_contours_that_stop_leave_the_rest_unknown() -> None:
    esophagus, hu = np.zeros((2, 10, 30, 30), np.float32)
    esophagus[3:6, 10:14, 10:14] = 1
    known, tumor_known = known_of(label_scan("s", hu, esophagus, None, slices=esophagus.any(axis=(1, 2))))
    assert known[3:6].all() and not known[:3].any() and not known[6:].any()
    assert not (tumor_known & (esophagus > 0)).any(), "a real esophagus does not teach that there are no tumors"
    assert tumor_known[4, 0, 0] and not tumor_known[4, 12, 16] and not tumor_known[0].any()
    with pytest.raises(ValueError, match="neither"):
        label_scan("s", hu, None, None)


def test_patches_repeat_and_hold_what_the_scan_holds() -> None:
    scans = [*[scan()] * 6, scan(tumor=False, seed=1)]
    one, again = (draw_patches(scans, SIZE, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one.images, again.images) and torch.equal(one.truth, again.truth)
    assert one.images.shape == (7, 2, *SIZE) and one.images.abs().max() <= 1
    assert one.truth[:6, 1].sum() > 0 and one.truth[6, 1].sum() == 0
    rod, known = one.truth[:, 0] > 0.5, one.known[:, 0] > 0
    bright, around = one.images[:, 0][rod], one.images[:, 0][~rod & known]
    assert bright.mean() > around.mean() + 0.3
    # What a zoom or turn brings in from beyond the scan is not known.
    assert torch.equal(one.known[:6, 0], one.known[:6, 1])


def test_a_patch_is_the_scan_turned_and_zoomed() -> None:
    """SciPy's affine transform is the oracle."""
    lump = np.zeros((40, 36, 32), np.float32)
    lump[8:30, 12:17, 9:20] = np.random.default_rng(0).random((22, 5, 11))
    made = label_scan("s", lump * 100, lump, None)
    for seed in range(5):
        patch = draw_patches([made], SIZE, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        turn, centre = _turn_and_zoom(rng), _centre(made, rng)
        offset = centre - turn @ ((np.array(SIZE) - 1) / 2)
        wanted = ndimage.affine_transform(
            made.share[0].astype(np.float32), turn, offset, output_shape=SIZE, order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(patch.truth[0, 0].numpy(), wanted / 255, atol=1e-4)


def test_there_is_no_loss_where_nothing_is_known() -> None:
    torch.manual_seed(0)
    truth, known = (torch.rand(1, 2, 4, 4, 4) > 0.5).float(), torch.ones(1, 2, 4, 4, 4)
    known[:, :, 2:] = 0
    logits = torch.randn(1, 2, 4, 4, 4)
    changed = logits.clone()
    changed[:, :, 2:] += 5
    patches = Patches(torch.zeros(1, 2, 4, 4, 4), truth, known)
    assert region_loss(logits, patches) == pytest.approx(float(region_loss(changed, patches)))
    nothing = Patches(patches.images, truth, torch.zeros_like(known))
    assert float(region_loss(logits, nothing)) == 0
    sure = Patches(patches.images, truth, torch.ones_like(known))
    assert float(region_loss((truth * 2 - 1) * 30, sure)) == pytest.approx(0, abs=1e-4)


def test_the_loss_is_least_where_the_shares_are_met() -> None:
    truth = torch.full((1, 2, 2, 2, 2), 0.3)
    patches = Patches(torch.zeros_like(truth), truth, torch.ones_like(truth))
    losses = [float(region_loss(torch.logit(torch.full_like(truth, p)), patches)) for p in (0.05, 0.2, 0.3, 0.4, 0.9)]
    assert min(losses) == losses[2]


def test_a_killed_fit_ends_like_an_undisturbed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SegmenterFit(steps=4, batch=2, patch=SIZE, settling=1)
    shape = UNetShape(widths=(4, 6))
    real, simulated = [scan(tumor=False)], [scan(seed=1)]

    def run(folder: str) -> dict[str, torch.Tensor]:
        network = fit_segmenter(real, simulated, settings, tmp_path / folder / "fit.pt", lambda line: None, shape=shape)
        return network.state_dict()

    whole = run("whole")
    monkeypatch.setattr(segmentation_fit, "_CHECKPOINT_STEPS", 2)
    loss = segmentation_fit.region_loss
    monkeypatch.setattr(segmentation_fit, "region_loss", killed_at(4, loss))
    with pytest.raises(KeyboardInterrupt):
        run("killed")
    monkeypatch.setattr(segmentation_fit, "region_loss", loss)
    resumed = run("killed")
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


def test_a_rod_is_learned(tmp_path: Path) -> None:
    settings = SegmenterFit(steps=40, batch=4, patch=SIZE, settling=4, learning_rate=1e-2)
    lines: list[str] = []
    fit_segmenter([], [scan()], settings, tmp_path / "fit.pt", lines.append, shape=UNetShape(widths=(4, 8)))
    assert len(lines) == 1 and float(lines[0].rsplit(" ", 1)[1]) < 3.0
    with pytest.raises(ValueError, match="no scans to fit"):
        fit_segmenter([], [], settings, tmp_path / "none.pt", lines.append)
