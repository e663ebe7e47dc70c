"""A study without a model: an oblique CT with regions, a slide, and a browser that talks to its workbench."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from starlette.testclient import TestClient

from espark.ct.files.nifti import write_image_file
from espark.ct.files.volume import read_ct
from espark.ct.regions.regions import load_regions, regions_from_masks, write_regions
from espark.serve.accounts import Accounts
from espark.serve.jobs import WorkerProcess
from espark.serve.security import CSRF_HEADER, Gate, Sessions
from espark.serve.web_app import Door, behind_gate, workbench_app
from espark.serve.workbench import Workbench
from espark.simulate.slides.slide_writer import write_pyramid
from espark.steps.init import init
from espark.workspace.layout import StudyLayout

SIZE = (40, 36, 12)
"""Voxels (x, y, z) of the CT as its file stores them."""

HOST = "127.0.0.1:8470"


def oblique_ct(direction: tuple[float, ...] | None = None) -> sitk.Image:
    """A body in air whose axes are turned, flipped and unequally spaced."""
    x, y, z = SIZE
    _, grid_y, grid_x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (z, y, x)), indexing="ij")
    hu = np.full(grid_x.shape, -1000)
    hu[(grid_x / 0.9) ** 2 + (grid_y / 0.8) ** 2 < 1] = 40
    hu[((np.abs(grid_x) - 0.45) / 0.3) ** 2 + (grid_y / 0.5) ** 2 < 1] = -850
    hu += np.random.default_rng(0).integers(-20, 20, hu.shape)
    image = sitk.GetImageFromArray(hu.astype(np.int16))
    image.SetSpacing((4.0, 5.0, 9.0))
    image.SetOrigin((-30.0, 12.0, 400.0))
    image.SetDirection(direction or turned())
    return image


def turned(degrees: float = 12.0) -> tuple[float, ...]:
    """Axes turned about the long axis of the body, with x from left to right and z from head to foot."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (-c, -s, 0.0, -s, c, 0.0, 0.0, 0.0, -1.0)


def make_study(folder: Path, image: sitk.Image | None = None) -> Path:
    """The study folder; its first patient has a CT with regions and a slide."""
    init(folder)
    (folder / "ct").mkdir(exist_ok=True)
    write_image_file(folder / "ct" / "a.nii.gz", image or oblique_ct())
    write_pyramid(folder / "slide.tif", _picture(), mpp=0.5, quality=80)
    rows = [
        "patient_id,center,role,pcr,ct,slides",
        "P-1,North,development,1,ct/a.nii.gz,slide.tif",
        "P-2,North,development,0,,slide.tif",
        "P-3,South,external,1,ct/a.nii.gz,",
        "P-4,South,external,0,,slide.tif",
    ]
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    ct = read_ct(folder / "ct" / "a.nii.gz")
    tumor, esophagus = (np.zeros(SIZE[::-1], bool) for _ in range(2))
    esophagus[2:10, 16:20, 18:22] = True
    tumor[4:7, 16:20, 18:22] = True
    layout = StudyLayout(folder)
    write_regions(layout.regions("P-1"), regions_from_masks(ct, tumor=tumor, esophagus=esophagus))
    return folder


def _picture() -> np.ndarray:
    picture = np.full((1200, 1600, 3), 240, np.uint8)
    picture[300:900, 400:1200] = (200, 120, 180)
    return picture


@dataclass
class Browser:
    """A client of one workbench, with a session and its token.

    Attributes:
        folder: the study.
        client: sends requests.
        tokens: entrance tokens that were announced.
        csrf: the session's token.
        workbench: the open study.
    """

    folder: Path
    client: TestClient
    tokens: list[str]
    csrf: str
    workbench: Workbench
    gate: Gate = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What a changing request carries."""
        return {CSRF_HEADER: self.csrf}

    def post(self, address: str, body: Any = None, **more: Any) -> Any:
        return self.client.post(address, json=body or {}, headers=self.headers | more)

    def put(self, address: str, body: Any = None) -> Any:
        return self.client.put(address, json=body or {}, headers=self.headers)

    def another(self) -> Browser:
        """A second browser at the same workbench."""
        return come_in(
            self.folder, TestClient(self.gate, base_url=f"http://{HOST}"), self.tokens, self.workbench, self.gate
        )

    def save_regions(
        self, labels: np.ndarray, based_on: int, first: tuple[int, int, int] = (0, 0, 0), **more: Any
    ) -> Any:
        """Save labels (z, y, x) in the order of the voxels that the browser shows."""
        z, y, x = labels.shape
        query = {
            "based_on": based_on,
            "first": ",".join(map(str, first)),
            "size": f"{x},{y},{z}",
            "regions": "tumor,esophagus",
        }
        content = gzip.compress(np.ascontiguousarray(labels, np.uint8).tobytes())
        return self.client.post("/api/cases/P-1/regions", params=query | more, content=content, headers=self.headers)


def open_browser(folder: Path) -> Browser:
    """A workbench of a study, and a browser that came in with a name."""
    accounts, tokens = Accounts(folder / "serve"), []
    sessions = Sessions(tokens.append)
    sessions.offer()
    workbench = Workbench(folder, None, accounts)
    door = Door((HOST,), 8470)
    app = workbench_app(workbench, sessions, WorkerProcess(folder, None, accounts), door)
    gate = behind_gate(app, sessions, door)
    client = TestClient(gate, base_url=f"http://{HOST}")
    return come_in(folder, client, tokens, workbench, gate)


def come_in(folder: Path, client: TestClient, tokens: list[str], workbench: Workbench, gate: Gate) -> Browser:
    """Open the address that was printed last, and give a name."""
    assert client.get("/enter", params={"token": tokens[-1]}).status_code == 200
    csrf = client.get("/api/session").json()["csrf"]
    browser = Browser(folder, client, tokens, csrf, workbench, gate)
    assert browser.put("/api/session", {"person": "Dr. A"}).status_code == 200
    return browser


def saved_labels(folder: Path, version: int) -> sitk.Image:
    """The labels of a saved version, as any program reads them."""
    return load_regions(folder / "corrections" / "P-1" / f"v{version:04d}.nii.gz").labels
