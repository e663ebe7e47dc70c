"""A disk that is really full, and a study that is read-only: one sentence, nothing half written, no image blamed."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
import torch
from fault_harness import QUIET, Stages, copied, run_step
from PIL import Image

from espark.ct.files.nifti import write_image_file
from espark.disk import is_full, size_in_words, write_problem
from espark.errors import InputError, WriteError, what_went_wrong
from espark.files import atomic_path, save_tensors, write_bytes, write_csv, write_parquet
from espark.steps.run import run
from espark.workspace.opened import open_workspace
from espark.workspace.space import space_needed, space_note, space_still_needed

NOISE = np.random.default_rng(0).integers(0, 255, (64, 128, 128), dtype=np.uint8)
TABLE = pd.DataFrame(NOISE.reshape(2048, 512)).rename(columns=str)


def _h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("features", data=NOISE, track_times=False)


def _dicom(path: Path) -> None:
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    image = pydicom.Dataset()
    image.file_meta, image.SOPClassUID, image.SOPInstanceUID = meta, pydicom.uid.CTImageStorage, "1.2.3"
    image.BitsAllocated, image.PixelData = 8, NOISE.tobytes()
    image.save_as(path, enforce_file_format=True)


def _atomically(write: Callable[[Path], object]) -> Callable[[Path], None]:
    def written(target: Path) -> None:
        with atomic_path(target) as temporary:
            write(temporary)

    return written


WRITERS: dict[str, Callable[[Path], None]] = {
    "bytes": lambda path: write_bytes(path, NOISE.tobytes()),
    "a.csv": lambda path: write_csv(path, TABLE),
    "a.parquet": lambda path: write_parquet(path, TABLE),
    "a.safetensors": lambda path: save_tensors(path, {"weights": torch.from_numpy(NOISE)}),
    "a.h5": _atomically(_h5),
    "a.nii.gz": _atomically(lambda path: write_image_file(path, sitk.GetImageFromArray(NOISE))),
    "a.dcm": _atomically(_dicom),
    "a.npy": _atomically(lambda path: np.save(path, NOISE)),
    "a.png": _atomically(lambda path: Image.fromarray(NOISE.reshape(1024, 1024)).save(path)),
    "a.pt": _atomically(lambda path: torch.save(torch.from_numpy(NOISE), path)),
}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 kB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if os.name != "posix" or shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    # Lazily, because PyTorch may still hold a file that it could not write.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remounted(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@pytest.mark.parametrize("name", WRITERS)
def test_whoever_writes_says_that_the_disk_is_full(small_disk: Path, tmp_path: Path, name: str) -> None:
    """SimpleITK reports nothing, PyTorch and NumPy name no reason; what was there before stays."""
    target = small_disk / name
    target.write_bytes(b"before")
    with pytest.raises(WriteError, match=r"the disk is full: .* are free\. Free space .*E-STUDY-005"):
        WRITERS[name](target)
    assert [path.name for path in small_disk.iterdir()] == [name] and target.read_bytes() == b"before"
    remounted(small_disk, "size=8m")
    WRITERS[name](target)
    WRITERS[name](tmp_path / name)
    assert target.read_bytes() == (tmp_path / name).read_bytes()


def test_a_read_only_study_is_refused_before_work_begins(features: Path, small_disk: Path) -> None:
    remounted(small_disk, "size=8m")
    study = Path(shutil.copytree(features, small_disk / "study"))
    before = sorted(study.rglob("*"))
    remounted(small_disk, "ro")
    with pytest.raises(WriteError, match=r"study: nothing can be written here .*E-STUDY-006"):
        run(study, reporter=QUIET)
    assert sorted(study.rglob("*")) == before


@pytest.mark.slow
def test_the_command_says_in_one_line_that_a_study_is_read_only(features: Path, small_disk: Path) -> None:
    remounted(small_disk, "size=8m")
    study = Path(shutil.copytree(features, small_disk / "study"))
    remounted(small_disk, "ro")
    command = [sys.executable, "-m", "espark", "run", str(study), "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1 and "E-STUDY-006" in result.stderr


def test_a_full_disk_stops_a_step_and_no_item_is_blamed(features: Path, small_disk: Path) -> None:
    remounted(small_disk, "size=8m")
    study = Path(shutil.copytree(features, small_disk / "study"))
    run_step(study, "prepare")
    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free - 60_000))
    with pytest.raises(WriteError, match=r"disk is full: .* are free, and the study may need .* more.*E-STUDY-005"):
        run_step(study, "train")
    status = pd.read_csv(study / "prepared" / "status.csv", keep_default_na=False)
    assert not (status["state"] == "failed").any()


def test_an_item_is_not_to_blame_for_a_full_disk() -> None:
    problem = write_problem(OSError(errno.ENOSPC, "No space left on device"), Path("/tmp/a"))
    assert problem is not None
    with pytest.raises(WriteError):
        what_went_wrong(problem)
    assert what_went_wrong(InputError("the mask is\n empty")) == "the mask is empty."
    assert what_went_wrong(MemoryError()) == "MemoryError"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("With tag (7FE0,0010) got exception: [Errno 28] No space left on device"),
    ],
)
def test_the_reason_is_found_in_what_caused_an_error(tmp_path: Path, error: Exception) -> None:
    outer = ValueError("could not write")
    outer.__cause__ = error
    assert is_full(error, tmp_path / "a") and is_full(outer, tmp_path / "not there" / "a")


@pytest.mark.parametrize(
    "error", [RuntimeError("no tissue"), OSError(errno.ENOENT, "missing"), OSError("a damaged file"), KeyError("x")]
)
def test_other_errors_stay_what_they_are(tmp_path: Path, error: Exception) -> None:
    assert write_problem(error, tmp_path / "a") is None
    with pytest.raises(type(error)), atomic_path(tmp_path / "a"):
        raise error


def test_only_an_error_about_the_target_says_that_it_is_read_only(tmp_path: Path) -> None:
    target = tmp_path / "study" / "a"
    other = PermissionError(errno.EACCES, "Permission denied", "/elsewhere/slide.svs")
    assert write_problem(other, target) is None
    for place in (target, target.parent, tmp_path):
        problem = write_problem(OSError(errno.EROFS, "Read-only file system", str(place)), target)
        assert problem is not None and problem.code == "E-STUDY-006"


def test_the_space_that_a_study_needs(features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = copied(features, tmp_path / "study")
    workspace = open_workspace(study)
    needed = space_needed(workspace)
    assert space_still_needed(workspace) == needed
    write_bytes(study / "prepared" / "something", bytes(1000))
    assert space_still_needed(workspace) == needed - 1000
    monkeypatch.setattr("espark.workspace.space.free_bytes", lambda _: needed)
    assert space_note(workspace) is None
    monkeypatch.setattr("espark.workspace.space.free_bytes", lambda _: needed - 2000)
    note = space_note(workspace)
    assert (
        note is not None and note.code == "D-STUDY-007" and note.is_doubt and size_in_words(needed - 2000) in str(note)
    )


def test_the_estimate_covers_what_is_written(feature_stages: Stages) -> None:
    workspace = open_workspace(feature_stages["report"].after)
    written = sum(path.stat().st_size for folder in workspace.layout.step_folders for path in folder.rglob("*.*"))
    assert written < space_needed(workspace)


@pytest.mark.parametrize(("size", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2.5e13, "25 TB")])
def test_sizes_in_words(size: float, words: str) -> None:
    assert size_in_words(size) == words
