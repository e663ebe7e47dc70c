"""What happens to damaged DICOM: a clear error or the right volume, never a crash, a hang or a wrong volume.

    python benchmarks/ct_fuzz.py
    python benchmarks/ct_fuzz.py --cases 1000 --seed 7

A small series is cut out of the real CT `ct/lung1-001` (16 slices of 64 × 64 pixels, its headers as they are) and
written in four forms: plain slices, RLE, JPEG 2000, and one enhanced multi-frame file. Each case damages one form in
one way: bytes of one file's header (changed, overwritten, inserted, cut off), tags of one slice or of all (taken out,
filled with nonsense, with a neighbour's value), or the folder (files lost, doubled, renamed, mixed with another series,
foreign files). Cases are read in a process of their own, with a time limit for each.

Right is: the voxels of the undamaged volume at their place in the patient, to a tenth of a pixel. A volume that has
lost slices at an end is right when a note says what was left aside, or when the files themselves are gone (nothing in
the rest can tell). Bytes of the pixels are left alone: DICOM has no checksum, so that no reader can tell.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom import config
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from espark.ct.files.volume import CtVolume, read_ct
from espark.errors import InputError

DATA = Path(os.environ.get("ESPARK_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
SLICES, SIDE, CORNER = 16, 64, 224
SECONDS = 20.0
BAD = ("wrong volume", "crash", "hang")
FORMS = ("plain", "rle", "jpeg 2000", "multi-frame")
_NONSENSE = ("", "x", "nan", "1e400", "-1", "0", "99999999", "1\\2\\3\\4\\5\\6\\7", "\x00\x00", "1.2.3", "LOCALIZER")
_TAGS = (
    "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
    "PhotometricInterpretation", "SOPClassUID", "SeriesInstanceUID", "FrameOfReferenceUID", "ImageType", "Modality",
    "NumberOfFrames", "InstanceNumber", "SliceLocation", "SliceThickness", "SeriesNumber", "PixelData",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a case ended: ``refused``, ``right``, ``right, shorter and said``, or one of ``BAD``; and the detail."""

    kind: str
    detail: str = ""


def write_forms(source: Path, folder: Path) -> None:
    """Cut the small series out of a real one and write its forms, each in a folder of its name."""
    slices = sorted(
        (pydicom.dcmread(file) for file in source.iterdir()), key=lambda s: float(s.ImagePositionPatient[2])
    )
    slices = slices[40 : 40 + SLICES]
    for index, dataset in enumerate(slices):
        stored = np.ascontiguousarray(dataset.pixel_array[CORNER : CORNER + SIDE, CORNER - 160 : CORNER - 160 + SIDE])
        x, y, z = (float(mm) for mm in dataset.ImagePositionPatient)
        row, column = (float(mm) for mm in dataset.PixelSpacing)
        dataset.ImagePositionPatient = [x + (CORNER - 160) * column, y + CORNER * row, z]
        dataset.Rows = dataset.Columns = SIDE
        dataset.PixelData = stored.tobytes()
        _save(dataset, folder / "plain" / f"{index:02d}.dcm")
        rle = copy.deepcopy(dataset)
        rle.compress(RLELossless, generate_instance_uid=False)
        _save(rle, folder / "rle" / f"{index:02d}.dcm")
        dataset.PixelData = encapsulate([bytes(imagecodecs.jpeg2k_encode(stored, level=0, reversible=True))])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        _save(dataset, folder / "jpeg 2000" / f"{index:02d}.dcm")
    _save(_multiframe(folder / "plain"), folder / "multi-frame" / "frames.dcm")


def _save(dataset: Dataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path)


def _multiframe(folder: Path) -> FileDataset:
    """The slices of a folder as one enhanced CT."""
    parts = [pydicom.dcmread(file) for file in sorted(folder.iterdir())]
    frames, first = [], parts[0]
    for part in parts:
        frame = Dataset()
        frame.PlanePositionSequence = _item(part, "ImagePositionPatient")
        frames.append(frame)
    shared = Dataset()
    shared.PixelMeasuresSequence = _item(first, "PixelSpacing")
    shared.PlaneOrientationSequence = _item(first, "ImageOrientationPatient")
    shared.PixelValueTransformationSequence = _item(first, "RescaleSlope", "RescaleIntercept")
    whole: FileDataset = copy.deepcopy(first)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        del whole[name]
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    whole.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    whole.NumberOfFrames = len(parts)
    whole.SharedFunctionalGroupsSequence, whole.PerFrameFunctionalGroupsSequence = Sequence([shared]), Sequence(frames)
    whole.PixelData = b"".join(part.PixelData for part in parts)
    return whole


def _item(source: Dataset, *names: str) -> Sequence:
    item = Dataset()
    for name in names:
        item[name] = copy.deepcopy(source[name])
    return Sequence([item])


def damage(folder: Path, chance: random.Random) -> str:
    """Damage a form in one way, and name it."""
    ways: tuple[tuple[Callable[[Path, random.Random], str], int], ...] = ((_bytes, 4), (_tag, 4), (_files, 2))
    (way,) = chance.choices([way for way, _ in ways], [weight for _, weight in ways])
    return way(folder, chance)


def _bytes(folder: Path, chance: random.Random) -> str:
    """Change, overwrite, insert or cut off bytes before the pixels of one file."""
    file = chance.choice(sorted(folder.iterdir()))
    content = file.read_bytes()
    header = max(content.rfind(b"\xe0\x7f\x10\x00"), 200)
    place, kind = chance.randrange(header), chance.randrange(5)
    if kind == 0:
        changed = content[:place] + bytes([chance.randrange(256)]) + content[place + 1 :]
    elif kind == 1:
        changed = content[: chance.randrange(len(content))]
    elif kind == 2:
        changed = content[:place] + chance.randbytes(8) + content[place:]
    elif kind == 3:
        changed = content[:place] + chance.randbytes(16) + content[place + 16 :]
    else:
        changed = content[:place] + content[place + chance.randrange(1, 40) :]
    file.write_bytes(changed)
    return f"bytes: {('one changed', 'cut off', 'eight inserted', 'sixteen overwritten', 'some left out')[kind]}"


def _tag(folder: Path, chance: random.Random) -> str:
    """Take out a tag, or give it nonsense or a neighbour's value, in one slice or (nonsense, absence) in all."""
    files, name = sorted(folder.iterdir()), chance.choice(_TAGS)
    kind = chance.choice(("absent", "nonsense", "neighbour"))
    everywhere = kind != "neighbour" and chance.random() < 0.3
    if name == "PixelData" and kind == "neighbour":
        kind = "absent"  # a slice with the pixels of another one is a good slice
    other = pydicom.dcmread(chance.choice(files))
    value = chance.choice(_NONSENSE)
    for file in files if everywhere else [chance.choice(files)]:
        dataset = pydicom.dcmread(file)
        holder = _holder(dataset, name, chance)
        if kind == "absent":
            if name in holder:
                del holder[name]
        elif kind == "neighbour" and name in other:
            holder[name] = other[name]
        elif name != "PixelData":
            _force(holder, name, value)
        elif not dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.PixelData = value.encode() + b"\0" * (len(value) % 2)
        with _lenient():
            dataset.save_as(file)
    return f"tag: {name} {kind}{' everywhere' if everywhere else ''}"


def _holder(dataset: Dataset, name: str, chance: random.Random) -> Dataset:
    """Where a tag lies: in a functional group of a multi-frame file, else in the dataset itself."""
    if "PerFrameFunctionalGroupsSequence" in dataset:
        groups = [*dataset.SharedFunctionalGroupsSequence, chance.choice(dataset.PerFrameFunctionalGroupsSequence)]
        for group in groups:
            for element in group:
                if element.VR == "SQ" and name in element.value[0]:
                    item: Dataset = element.value[0]
                    return item
    return dataset


def _force(holder: Dataset, name: str, value: str) -> None:
    """Write a text where something else belongs, as a careless program would."""
    kind = pydicom.datadict.dictionary_VR(name)
    if kind == "US":
        holder.add_new(name, "US", int(float(value)) % 65536 if value in ("-1", "0", "99999999") else 3)
    else:
        # pydicom itself would refuse to put a text where a number belongs.
        holder.add_new(name, "LO" if kind in ("DS", "IS") else kind, value.split("\\") if "\\" in value else value)


@contextmanager
def _lenient() -> Iterator[None]:
    """Let pydicom write what no writer should."""
    before = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    try:
        yield
    finally:
        config.settings.writing_validation_mode = before


def _files(folder: Path, chance: random.Random) -> str:
    """Lose, double, rename or mix files."""
    files = sorted(folder.iterdir())
    kind = chance.choice(("lost", "doubled", "renamed", "mixed", "foreign", "halved"))
    if kind == "lost":
        for file in chance.sample(files, min(len(files) - 1, chance.randrange(1, 4))):
            file.unlink()
    elif kind == "doubled":
        shutil.copy(chance.choice(files), folder / "copy.dcm")
    elif kind == "renamed":
        for number, file in enumerate(chance.sample(files, len(files))):
            file.rename(folder / f"{number * 7919 % 1009}-{chance.randrange(10**6)}")
    elif kind == "mixed":
        for file in chance.sample(files, max(1, len(files) // 3)):
            dataset = pydicom.dcmread(file)
            dataset.SOPInstanceUID += ".9"
            if "ImagePositionPatient" in dataset:
                dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], dataset.ImagePositionPatient[2] + 1]
            dataset.save_as(folder / f"mixed-{file.name}")
    elif kind == "foreign":
        (folder / "DICOMDIR").write_bytes(chance.randbytes(500))
        (folder / "notes.txt").write_text("not DICOM", encoding="utf-8")
        (folder / "empty").touch()
    else:
        file = chance.choice(files)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return f"files: {kind}"


def judge(folder: Path, expected: CtVolume, *, may_be_shorter: bool) -> Outcome:
    """Read a damaged form and compare what comes out with the undamaged volume."""
    try:
        found = read_ct(folder)
    except InputError as error:
        return Outcome("refused", error.found)
    except Exception as error:  # a crash of any kind is what is looked for
        return Outcome("crash", f"{type(error).__name__}: {error}")
    return compare(found, expected, may_be_shorter=may_be_shorter)


def compare(found: CtVolume, expected: CtVolume, *, may_be_shorter: bool) -> Outcome:
    """Whether a volume is the expected one, or a part of it that says so."""
    whole, part = sitk.GetArrayFromImage(expected.image), sitk.GetArrayFromImage(found.image)
    pixel = min(expected.spacing_mm)
    steps = np.abs(np.array(found.spacing_mm) - expected.spacing_mm) * np.array(part.shape[::-1])
    if (
        not np.allclose(found.image.GetDirection(), expected.image.GetDirection(), atol=1e-3)
        or steps.max() > 0.1 * pixel
    ):
        return Outcome("wrong volume", f"spacing {found.spacing_mm}")
    start = np.array(expected.image.TransformPhysicalPointToContinuousIndex(found.image.GetOrigin()))
    if np.abs(start - np.rint(start)).max() > 0.1:
        return Outcome("wrong volume", f"the first voxel lies at {start.round(2).tolist()}")
    x, y, z = np.rint(start).astype(int)
    box = whole[z : z + part.shape[0], y : y + part.shape[1], x : x + part.shape[2]]
    if min(x, y, z) < 0 or not np.array_equal(box, part):
        return Outcome("wrong volume", "other voxels")
    if part.shape == whole.shape:
        return Outcome("right")
    if found.notes or may_be_shorter:
        return Outcome("right, shorter and said" if found.notes else "right, files gone")
    return Outcome("wrong volume", f"{part.shape[0]} of {whole.shape[0]} slices, and nothing said")


def run_case(forms: Path, seed: int, number: int) -> tuple[str, str, Outcome]:
    """One case: its form, its damage, its end. The same seed and number always make the same case."""
    chance = random.Random(seed * 1_000_003 + number)
    form = FORMS[chance.choices(range(4), (5, 2, 1, 2))[0]]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "ct"
        shutil.copytree(forms / form, folder)
        expected = read_ct(folder)
        what = damage(folder, chance)
        return form, what, judge(folder, expected, may_be_shorter=what == "files: lost")


def _serve(pipe: Connection, forms: Path, seed: int) -> None:
    while True:
        pipe.send(run_case(forms, seed, pipe.recv()))


class Worker:
    """A process that reads one case after the other, and is replaced when it dies or takes too long."""

    def __init__(self, forms: Path, seed: int):
        self.arguments = forms, seed
        self.start()

    def start(self) -> None:
        """Start the process."""
        context = multiprocessing.get_context("spawn")
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(there, *self.arguments), daemon=True)
        self.process.start()
        there.close()
        self.seconds = 3 * SECONDS  # the first case waits for imports

    def run(self, number: int) -> tuple[str, str, Outcome]:
        """One case, within the time limit."""
        self.pipe.send(number)
        outcome = Outcome("hang", f"more than {SECONDS:g} s")
        try:
            if self.pipe.poll(self.seconds):
                self.seconds = SECONDS
                answer: tuple[str, str, Outcome] = self.pipe.recv()
                return answer
        except EOFError:
            outcome = Outcome("crash", "the process died")
        self.process.kill()
        self.process.join()
        self.start()
        return "?", "?", outcome

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    table: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        forms = Path(temporary)
        write_forms(DATA / "ct" / "lung1-001" / "image", forms)
        worker = Worker(forms, options.seed)
        for number in range(options.cases):
            form, what, outcome = worker.run(number)
            table[what.split(" ")[0], outcome.kind] += 1
            if outcome.kind in BAD:
                print(f"case {number}: {form}, {what}: {outcome.kind} ({outcome.detail})", flush=True)
        worker.stop()
    kinds = sorted({kind for _, kind in table})
    print(f"{'damage':<10}" + "".join(f"{kind:>26}" for kind in kinds))
    for group in sorted({group for group, _ in table}):
        print(f"{group:<10}" + "".join(f"{table[group, kind]:>26}" for kind in kinds))
    bad = sum(count for (_, kind), count in table.items() if kind in BAD)
    verdict = "FALLS SHORT" if bad else "PASS"
    print(f"{options.cases} cases: {bad} crashed, hung or gave a wrong volume (wanted 0): {verdict}")


if __name__ == "__main__":
    main()
