"""Volumes: NIfTI, NRRD, and a DICOM series cut out of a real CT."""

from __future__ import annotations

import gzip
import importlib.util
import random
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import SimpleITK as sitk
from fuzz_harness import Family
from fuzz_slides import DATA
from mutate import damage_file, damaged_text

from ct_phantoms import torso
from espark.ct.files.volume import CtVolume, read_ct


def _write(folder: Path, *names: str) -> None:
    for name in names:
        sitk.WriteImage(torso().ct.image, str(folder / name), useCompression=name.endswith(("gz", "nrrd")))


def _damage(folder: Path, chance: random.Random) -> str:
    files = sorted(folder.iterdir())
    kept = chance.choice(files)
    for file in files:
        if file != kept:
            file.unlink()
    if kept.suffix != ".nrrd" or chance.random() < 0.3:
        return damage_file(kept, chance, header=352)
    head, _, rest = kept.read_bytes().partition(b"\n\n")
    text, said = damaged_text(head.decode("latin-1"), chance)
    extra = chance.choice(
        ("", "", "data file: /etc/passwd\n", "data file: other.raw\n", "byte skip: -1\n", "line skip: 9\n")
    )
    kept.write_bytes(f"{text}\n{extra}\n".encode("utf-8", "replace") + rest)
    return f"header: {said} {extra.strip()}"


def _read(folder: Path) -> CtVolume:
    return read_ct(min(folder.iterdir()))


def _wrong(ct: CtVolume, folder: Path) -> str:
    """What was read must be a CT; behind the checksum of gzip, nothing may have changed unseen."""
    voxels = sitk.GetArrayViewFromImage(ct.image)
    if voxels.dtype not in (np.int16, np.float32) or not np.isfinite(voxels).all():
        return f"voxels are {voxels.dtype}, or not finite"
    if not all(np.isfinite(ct.spacing_mm)) or min(ct.spacing_mm) <= 0:
        return f"spacing {ct.spacing_mm}"
    file = min(folder.iterdir())
    header_only = file.name.endswith(".nii.gz") and len(gzip.decompress(file.read_bytes())) == 352 + 2 * 80 * 60 * 24
    if header_only and ct.size != (80, 60, 24) and np.prod(ct.size) > 80 * 60 * 24:
        return f"{ct.size} voxels from a file that holds fewer"
    return ""


def ct_fuzz() -> ModuleType:
    """The benchmark that damages DICOM series, and knows what must come out."""
    if "ct_fuzz" not in sys.modules:
        path = Path(__file__).parents[2] / "benchmarks" / "ct_fuzz.py"
        spec = importlib.util.spec_from_file_location("ct_fuzz", path)
        assert spec and spec.loader
        sys.modules["ct_fuzz"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["ct_fuzz"]


def _make_series(folder: Path) -> None:
    ct_fuzz().write_forms(DATA / "ct" / "lung1-001" / "image", folder)


def _damage_series(folder: Path, chance: random.Random) -> str:
    """Damage one of the forms; the undamaged volume stays beside it."""
    form = chance.choice(ct_fuzz().FORMS)
    shutil.copytree(folder / form, folder / "expected")
    shutil.move(folder / form, folder / "damaged")
    said: str = ct_fuzz().damage(folder / "damaged", chance)
    (folder / "said").write_text(said, encoding="utf-8")
    return f"{form}, {said}"


def _wrong_series(ct: CtVolume, folder: Path) -> str:
    files_gone = (folder / "said").read_text(encoding="utf-8") == "files: lost"
    outcome = ct_fuzz().compare(ct, read_ct(folder / "expected"), may_be_shorter=files_gone)
    return outcome.detail if outcome.kind in ct_fuzz().BAD else ""


FAMILIES = {
    "NIfTI": Family(lambda folder: _write(folder, "a.nii", "b.nii.gz"), _damage, _read, _wrong),
    "NRRD": Family(lambda folder: _write(folder, "a.nrrd"), _damage, _read, _wrong),
    "DICOM series": Family(_make_series, _damage_series, lambda folder: read_ct(folder / "damaged"), _wrong_series),
}
