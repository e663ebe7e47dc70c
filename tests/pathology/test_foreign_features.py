"""Tile features of CLAM, TRIDENT and STAMP, whole and broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from espark.errors import FeatureError
from espark.pathology.foreign.foreign_features import read_foreign_features
from espark.pathology.resolution.power import contradicts, nominal_mpp
from espark.pathology.slide_names import slide_name

FEATURES = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
COORDS = np.array([[0, 0], [512, 0], [1024, 0], [0, 512]])
TRIDENT = {
    "patch_size": 256, "patch_size_level0": 512, "level0_magnification": 40, "target_magnification": 20, "overlap": 0,
}  # fmt: skip


def write(path: Path, attributes: dict[str, Any] | None = None, **datasets: Any) -> Path:
    """A file as CLAM or TRIDENT writes it; ``attributes`` are those of the coordinates."""
    with h5py.File(path, "w") as file:
        for name, value in ({"features": FEATURES, "coords": COORDS} | datasets).items():
            if value is not None:
                file[name] = value
        if attributes and "coords" in file:
            file["coords"].attrs.update(attributes)
    return path


def write_stamp(path: Path, features: Any = FEATURES, **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        file["feats"] = features
        file["coords"] = COORDS / 2.0
        usual = {"unit": "um", "tile_size_um": 256.0, "tile_size_px": 224, "extractor": "mahmood-uni"}
        file.attrs.update({name: value for name, value in (usual | attributes).items() if value is not None})
    return path


def refused(path: Path, message: str, code: str) -> None:
    with pytest.raises(FeatureError, match=message) as caught:
        read_foreign_features(path, encoder="uni")
    assert caught.value.code == code and str(path) in str(caught.value)


def test_clam_features_do_not_tell_their_scale(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5")
    found = read_foreign_features(path, encoder="resnet50")
    assert np.array_equal(found.features, FEATURES) and found.coords.tolist() == COORDS.tolist()
    assert found.tile_px_level0 == 512 and found.similarity is None
    assert found.slide_mpp is None and found.mpp is None and found.tile_um is None
    assert read_foreign_features(path, encoder="resnet50", slide_mpp=0.25).mpp == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("attributes", "slide_mpp", "mpp", "tile_um"),
    [
        (TRIDENT, None, 0.5, 128),
        (TRIDENT, 0.2523, 0.5046, 129.18),
        (TRIDENT | {"target_magnification": 10, "patch_size_level0": 1024}, None, 1.0, 256),
        (TRIDENT | {"patch_size": 512, "patch_size_level0": 1024}, None, 0.5, 256),
        (TRIDENT | {"patch_size_level0": None}, 0.25, 0.5, 128),
        (TRIDENT | {"level0_magnification": -1, "target_magnification": -1}, None, None, None),
        ({"patch_size": 256, "downsample": np.array([4.0])}, 0.25, 1.0, 256),
        ({"patch_size": 256, "downsample": np.array([4.0, 4.0])}, 0.25, 0.5, 128),  # CLAM; the least step counts
    ],
)
def test_the_scale_follows_from_the_attributes(
    tmp_path: Path, attributes: dict[str, Any], slide_mpp: float | None, mpp: float | None, tile_um: float | None
) -> None:
    path = write(tmp_path / "s.h5", {name: value for name, value in attributes.items() if value is not None})
    found = read_foreign_features(path, encoder="uni", slide_mpp=slide_mpp)
    assert found.mpp == (None if mpp is None else pytest.approx(mpp))
    assert found.tile_um == (None if tile_um is None else pytest.approx(tile_um, rel=1e-3))


def test_trident_features_of_a_batch_in_half_precision(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5", TRIDENT, features=FEATURES[None].astype(np.float16), coords=COORDS[None])
    found = read_foreign_features(path, encoder="uni")
    assert found.features.shape == (4, 8) and found.features.dtype == np.float32
    assert found.tile_px_level0 == 512 and found.slide_mpp == 0.25


def test_a_single_tile_does_not_tell_its_size(tmp_path: Path) -> None:
    found = read_foreign_features(
        write(tmp_path / "s.h5", features=FEATURES[:1], coords=COORDS[:1]), encoder="uni", slide_mpp=0.5
    )
    assert np.isnan(found.tile_px_level0) and found.mpp is None


def test_stamp_features_come_in_micrometres(tmp_path: Path) -> None:
    path = write_stamp(tmp_path / "s.h5")
    found = read_foreign_features(path, encoder="ctranspath", slide_mpp=0.5)
    assert found.coords.tolist() == COORDS.tolist()
    assert (found.tile_px, found.tile_px_level0) == (224, 512)
    assert found.tile_um == pytest.approx(256) and found.made_by == "mahmood-uni"
    unknown = read_foreign_features(path, encoder="ctranspath")
    assert unknown.slide_mpp is not None
    assert unknown.coords * unknown.slide_mpp == pytest.approx(COORDS / 2, abs=0.6)
    assert unknown.tile_um == pytest.approx(256)


def test_stamp_before_2_1_says_less(tmp_path: Path) -> None:
    path = write_stamp(tmp_path / "s.h5", tile_size_um=None, tile_size_px=None, tile_size=256.0)
    found = read_foreign_features(path, encoder="ctranspath", tile_px=224, slide_mpp=0.5)
    assert found.tile_um == pytest.approx(256) and found.tile_px == 224 and found.tile_px_level0 == 512


def test_the_folder_of_trident_names_the_encoder(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5", TRIDENT)
    with h5py.File(path, "a") as file:
        file["features"].attrs["savetodir"] = "/x/20x_256px_0px_overlap/features_conch_v15"
    assert read_foreign_features(path, encoder="uni").made_by == "conch_v15"


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"features": None}, "no 'features' \\(it has coords\\)"),
        ({"coords": None}, "no 'coords', like features of a whole slide"),
        ({"coords": COORDS[:3]}, "features of shape \\(4, 8\\) with coords of shape \\(3, 2\\)"),
        ({"coords": np.zeros((4, 3))}, "coords of shape \\(4, 3\\)"),
        ({"features": np.zeros((0, 8), np.float32), "coords": np.zeros((0, 2))}, "at least one tile"),
        ({"features": np.zeros((4, 0), np.float32)}, "features of shape \\(4, 0\\)"),
        ({"features": FEATURES[:, :, None]}, "features of shape \\(4, 8, 1\\)"),
        ({"features": np.ones((4, 8), np.uint8)}, "'features' holds uint8"),
        ({"features": np.array([b"a", b"b"])}, "'features' holds"),
        ({"features": FEATURES.astype(np.complex64)}, "'features' holds complex64"),
        ({"coords": np.full((4, 2), 3e9)}, "not numbers of pixels"),
        ({"coords": np.full((4, 2), np.nan)}, "not numbers of pixels"),
    ],
)
def test_files_that_hold_something_else(tmp_path: Path, datasets: dict[str, Any], message: str) -> None:
    refused(write(tmp_path / "s.h5", **datasets), message, "E-FEATURE-004")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_features_that_are_not_finite(tmp_path: Path, value: float) -> None:
    features = FEATURES.astype(np.float64)
    features[1:3, 5] = value
    refused(write(tmp_path / "s.h5", features=features), "the features of 2 of 4 tiles are not finite", "E-FEATURE-005")


def test_features_that_are_all_zero(tmp_path: Path) -> None:
    refused(write(tmp_path / "s.h5", features=np.zeros_like(FEATURES)), "every feature is 0", "E-FEATURE-005")


@pytest.mark.parametrize("attributes", [{"unit": "px"}, {"tile_size_um": None}])
def test_stamp_files_without_the_size_of_their_tiles(tmp_path: Path, attributes: dict[str, Any]) -> None:
    refused(write_stamp(tmp_path / "s.h5", **attributes), "the size of its tiles", "E-FEATURE-006")


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all", b"\x89HDF\r\n\x1a\n cut off"])
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.h5").write_bytes(content)
    refused(tmp_path / "s.h5", "cannot be read", "E-FEATURE-001")


def test_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "s.h5", "is missing", "E-FEATURE-001")


def test_a_file_that_was_cut_off_anywhere_is_an_error(tmp_path: Path) -> None:
    whole = write(tmp_path / "s.h5", TRIDENT).read_bytes()
    for share in range(1, 20):
        (tmp_path / "s.h5").write_bytes(whole[: len(whole) * share // 20])
        with pytest.raises(FeatureError):
            read_foreign_features(tmp_path / "s.h5", encoder="uni")


def secret(tmp_path: Path) -> Path:
    """A file that must not be read: its bytes would make two vectors."""
    path = tmp_path / "secret"
    path.write_bytes(np.arange(1, 33, dtype=np.float32).tobytes())
    return path


def test_data_in_another_file_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file.create_dataset("features", (4, 8), np.float32, external=[(str(secret(tmp_path)), 0, 128)])
        file["coords"] = COORDS
    refused(tmp_path / "s.h5", "'features' is data in another file", "E-FEATURE-002")


@pytest.mark.parametrize("name", ["features", "coords", "unused", "group/deeper/features"])
def test_links_to_another_file_are_refused_wherever_they_are(tmp_path: Path, name: str) -> None:
    write(tmp_path / "other.h5")
    datasets = {name: None} if name in ("features", "coords") else {}
    path = write(tmp_path / "s.h5", **datasets)
    with h5py.File(path, "a") as file:
        file[name] = h5py.ExternalLink("other.h5", "/features")
    refused(path, f"'{name}' is a link to another file", "E-FEATURE-002")


def test_a_soft_link_through_a_linked_group_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "other.h5")
    path = write(tmp_path / "s.h5", features=None)
    with h5py.File(path, "a") as file:
        file["other"] = h5py.ExternalLink("other.h5", "/")
        file["features"] = h5py.SoftLink("/other/features")
    refused(path, "'other' is a link to another file", "E-FEATURE-002")


def test_a_virtual_dataset_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "other.h5")
    path = write(tmp_path / "s.h5", features=None)
    layout = h5py.VirtualLayout((4, 8), np.float32)
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "features", shape=(4, 8))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("features", layout)
    refused(path, "'features' is data in another file", "E-FEATURE-002")


def test_a_soft_link_within_the_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5", features=None, elsewhere=FEATURES)
    with h5py.File(path, "a") as file:
        file["features"] = h5py.SoftLink("/elsewhere")
    assert np.array_equal(read_foreign_features(path, encoder="uni").features, FEATURES)


@pytest.mark.parametrize(
    "options",
    [
        {"shape": (10**9, 1024)},
        {"shape": (10**7, 1024), "chunks": (1024, 1024)},
        {"shape": (10**7, 1024), "chunks": (1024, 1024), "compression": "gzip"},
        {"shape": (4, 8), "chunks": (2, 8)},
    ],
)
def test_what_was_declared_but_never_written_is_refused_before_it_takes_memory(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    path = write(tmp_path / "s.h5", features=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("features", dtype=np.float32, **options)
    refused(path, "declares .* numbers", "E-FEATURE-003")


def test_a_file_that_unpacks_to_far_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5", features=None)
    with h5py.File(path, "a") as file:
        dataset = file.create_dataset("features", (40_000, 1024), np.float32, chunks=(1000, 1024), compression="gzip")
        dataset[:] = 1.0
    refused(path, "declares 40000 × 1024 numbers", "E-FEATURE-003")


def test_features_that_a_program_stopped_writing_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5", features=None)
    with h5py.File(path, "a") as file:
        dataset = file.create_dataset("features", (4, 8), np.float32, chunks=(1, 8), compression="gzip")
        dataset[:2] = FEATURES[:2]
    refused(path, "'features' declares 4 × 8 numbers", "E-FEATURE-003")


def test_compressed_features_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5", features=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("features", data=FEATURES, chunks=(3, 8), compression="gzip", shuffle=True)
    assert np.array_equal(read_foreign_features(path, encoder="uni").features, FEATURES)


def test_doubts_about_features(tmp_path: Path) -> None:
    twice = write(tmp_path / "a.h5", coords=COORDS[[0, 1, 2, 2]])
    alike = write(tmp_path / "b.h5", features=np.ones_like(FEATURES))
    empty = write(tmp_path / "c.h5", features=FEATURES * [[1], [1], [0], [1]])
    off = write(tmp_path / "d.h5", TRIDENT)
    codes = [
        [note.code for note in read_foreign_features(path, encoder="uni", slide_mpp=1.0).notes]
        for path in (twice, alike, empty, off)
    ]
    assert codes == [["D-FEATURE-003"], ["D-FEATURE-004"], ["D-FEATURE-004"], ["D-FEATURE-002"]]
    assert read_foreign_features(off, encoder="uni", slide_mpp=0.25).notes == ()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("090.h5", "090"), ("090.svs.h5", "090"), ("090.hdf5", "090"), ("a.ome.tiff", "a"), ("A.SVS.H5", "A"),
        ("TCGA-2H-A9GF-01Z-00-DX1.6F1B.svs", "TCGA-2H-A9GF-01Z-00-DX1.6F1B"), ("x/y/a.b.h5", "a.b"), ("090", "090"),
    ],
)  # fmt: skip
def test_names_of_slides(file: str, name: str) -> None:
    assert slide_name(file) == name


def test_power_and_resolution() -> None:
    assert (nominal_mpp(20), nominal_mpp(40)) == (0.5, 0.25)
    # Aperio, Hamamatsu, 3DHISTECH with a camera adapter, Zeiss, Philips
    assert not any(contradicts(*pair) for pair in [(20, 0.499), (40, 0.2208), (20, 0.2325), (20, 0.22), (40, 0.25)])
    assert all(contradicts(*pair) for pair in [(40, 1.0), (40, 0.5), (20, 1.0), (20, 0.1)])
