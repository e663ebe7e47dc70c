"""Two small studies: features made elsewhere (seconds), and simulated images (slow)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from fault_harness import QUIET, STEPS, Stage, Stages, Tally, copied, written_by
from PIL import Image

from espark.plots import style
from espark.simulate.trial.trial import TrialSettings
from espark.steps.trial.simulate import simulate

FEATURES = [f"original_glcm_{name}" for name in ("Idm", "Contrast", "Correlation")]
PATIENTS, DEVELOPMENT = 14, 10
QUICK = {"epochs": 1, "warmup_epochs": 0, "learning_rate": 1e-2}
SECTIONS = {
    "study": {"name": '"Features made elsewhere"'},
    "protocol": {"folds": 2},
    "mscalect": {**QUICK, "width": 8},
    "cytopath": {**QUICK, "hidden": 8, "attention": 4, "batch_size": 8},
    "espark": {**QUICK, "batch_size": 8},
}
TABLES = """
[[clinical]]
name = "age"
kind = "number"
[[ct_features]]
file = "features.csv"
[[slide_features]]
folder = "tiles"
encoder = "uni"
"""


@contextlib.contextmanager
def without_drawing() -> Iterator[None]:
    """Every figure is the same small picture: drawing takes most of the time and writes nothing more."""
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(picture, "PNG")
    drawn = {"png": picture.getvalue(), "svg": b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"></svg>'}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "_rendered", lambda figure, kind, dpi, metadata: drawn[kind])
        yield


@pytest.fixture(autouse=True)
def no_drawing() -> Iterator[None]:
    """Figures are not drawn in these tests; a wider scope would reach the tests of other folders."""
    with without_drawing():
        yield


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of features that were made elsewhere, not yet run; read only."""
    folder = tmp_path_factory.mktemp("features") / "study"
    folder.mkdir()
    rng = np.random.default_rng(0)
    ids = [f"P{index:02d}" for index in range(PATIENTS)]
    roles = ["development"] * DEVELOPMENT + ["external"] * (PATIENTS - DEVELOPMENT)
    labels = np.arange(PATIENTS) % 2
    cohort = {"patient_id": ids, "center": [role[0].upper() for role in roles], "role": roles, "pcr": labels}
    pd.DataFrame(cohort | {"age": 50 + rng.integers(0, 30, PATIENTS)}).to_csv(folder / "cohort.csv", index=False)
    table = pd.DataFrame(rng.normal(size=(PATIENTS, 3)) + labels[:, None], columns=FEATURES).assign(patient_id=ids)
    table.to_csv(folder / "features.csv", index=False)
    (folder / "tiles").mkdir()
    for name, label in zip(ids, labels, strict=True):
        with h5py.File(folder / "tiles" / f"{name}.h5", "w") as file:
            file["features"] = (rng.normal(size=(6, 5)) + 0.7 * label).astype(np.float32)
            file["coords"] = np.arange(12).reshape(6, 2) * 256
    lines: list[str] = []
    for name, part in SECTIONS.items():
        lines += [f"[{name}]", *(f"{key} = {value}" for key, value in part.items())]
    (folder / "study.toml").write_text("\n".join(lines) + TABLES)
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of ten simulated patients with images, not yet run; read only."""
    folder = tmp_path_factory.mktemp("images") / "study"
    settings = TrialSettings(patients=10, centers=2, tiles=8, seed=1, ct_matrix=64)
    quick = {"epochs": 2, "warmup_epochs": 0}
    overrides = {
        "ct": {"image_types": ("Original",)}, "protocol": {"folds": 2},
        "mscalect": quick, "cytopath": quick, "espark": quick,
    }  # fmt: skip
    simulate(folder, settings, overrides=overrides, reporter=QUIET)
    cohort = pd.read_csv(folder / "cohort.csv", dtype=str, keep_default_na=False)
    cohort["pcr"] = [str((number + number // 4) % 2) for number in range(len(cohort))]
    cohort.to_csv(folder / "cohort.csv", index=False)
    return folder


def stages_of(study: Path) -> Stages:
    """Run every step, and keep the study before and after each."""
    before, found = study, {}
    for step in STEPS:
        after = copied(before, study.with_name(f"after-{step}"))
        found[step] = Stage(before, after, tuple(written_by(after, step)))
        before = after
    return found


@pytest.fixture(scope="session")
def feature_stages(features: Path) -> Stages:
    with without_drawing():
        return stages_of(features)


@pytest.fixture(scope="session")
def image_stages(images: Path) -> Stages:
    with without_drawing():
        return stages_of(images)


@pytest.fixture(scope="session")
def tally() -> Iterator[Tally]:
    """Counts every fault of the session; the table is printed at the end."""
    counted = Tally()
    yield counted
    print(f"\n{counted.table()}")  # noqa: T201
