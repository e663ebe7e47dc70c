"""Tile features made elsewhere: which file belongs to which patient, and whether the files of a study fit together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from espark.errors import FeatureError
from espark.pathology.features import SlideFeatures
from espark.pathology.foreign.foreign_features import read_foreign_features
from espark.pathology.slide_names import slide_name
from espark.tables.identity import Match, match_ids
from espark.tables.table import listed
from espark.workspace.cohort import Patient
from espark.workspace.imported import SlideFeatureFolder
from espark.workspace.opened import Workspace

_SUFFIXES = (".h5", ".hdf5")
_TILE_SHARE = 0.2
"""Tiles of one magnification differ by so much in µm from scanner to scanner, and magnifications by a factor of 2."""


@dataclass(frozen=True)
class FeatureFile:
    """A file of tile features that belongs to a patient.

    Attributes:
        patient: whose.
        path: the file.
        entry: the settings of its folder in study.toml.
    """

    patient: Patient
    path: Path
    entry: SlideFeatureFolder

    def read(self) -> SlideFeatures:
        """Its features.

        Raises:
            FeatureError: when the file cannot be used.
        """
        return read_foreign_features(
            self.path, encoder=self.entry.encoder, tile_px=self.entry.tile_px, slide_mpp=self.patient.files.slide_mpp
        )


@dataclass(frozen=True)
class FeatureFiles:
    """Every file of the folders that study.toml names.

    Attributes:
        files: those that belong to a patient, patient by patient.
        nobodys: names of the others.
        without: patients without any.
        problems: why patients may lose their features.
    """

    files: tuple[FeatureFile, ...]
    nobodys: tuple[str, ...]
    without: tuple[str, ...]
    problems: tuple[FeatureError, ...]

    def of(self, patient_id: str) -> tuple[FeatureFile, ...]:
        """The files of a patient."""
        return tuple(file for file in self.files if file.patient.patient_id == patient_id)


_ByName = dict[str, list[tuple[Path, SlideFeatureFolder]]]


def find_feature_files(workspace: Workspace) -> FeatureFiles:
    """Look for the files of every patient: those of the slides that cohort.csv names, else that of the patient's id.

    ``a.h5``, ``a.svs.h5`` and the like are the features of the slide ``a`` (or ``a.svs``).
    """
    by_name, problems = _by_name(workspace)
    patients = workspace.cohort.patients
    match = match_ids([name for patient in patients for name in _names(patient)], by_name)
    found = tuple(file for patient in patients for file in _of(patient, by_name))
    if by_name:
        problems += _ambiguous(by_name)
        problems += _near_misses(workspace, match)
    if by_name and not found and not problems:
        names = listed(sorted(path.name for files in by_name.values() for path, _ in files), 5)
        problems.append(
            FeatureError(
                f"no file belongs to a patient of cohort.csv (files: {names})",
                where=workspace.root / workspace.config.slide_features[0].folder,
                expected="files called <patient_id>.h5, or as the slides in the column slides",
                code="E-FEATURE-009",
            )
        )
    with_file = {file.patient.patient_id for file in found}
    without = tuple(patient.patient_id for patient in patients if patient.patient_id not in with_file)
    return FeatureFiles(found, match.without_patient, without, tuple(problems))


def feature_files_of(workspace: Workspace, patient: Patient) -> tuple[FeatureFile, ...]:
    """The files of one patient; what is wrong with the folders is left to `find_feature_files`."""
    return _of(patient, _by_name(workspace)[0])


def _by_name(workspace: Workspace) -> tuple[_ByName, list[FeatureError]]:
    """The files of every folder by the name of their slide, and an error for each folder that cannot be used."""
    found: _ByName = defaultdict(list)
    problems: list[FeatureError] = []
    for entry in workspace.config.slide_features:
        try:
            for path in _files(workspace.root / entry.folder):
                found[slide_name(path.name)].append((path, entry))
        except FeatureError as error:
            problems.append(error)
    return dict(found), problems


def _names(patient: Patient) -> tuple[str, ...]:
    return patient.files.slide_names or (patient.patient_id,)


def _of(patient: Patient, by_name: _ByName) -> tuple[FeatureFile, ...]:
    return tuple(FeatureFile(patient, path, entry) for name in _names(patient) for path, entry in by_name.get(name, ()))


def _files(folder: Path) -> list[Path]:
    """The HDF5 files of a folder, by name.

    Raises:
        FeatureError: when there is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise FeatureError(
            "the folder of slide features is missing", where=folder, action="Correct `folder` in study.toml.",
            code="E-FEATURE-009",
        )  # fmt: skip
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if files:
        return files
    below = sorted({str(path.parent.relative_to(folder)) for path in folder.glob("*/**/*.h5")})
    tensors = any(path.suffix == ".pt" for path in folder.iterdir())
    action = None
    if below:
        action = f"There are some in {listed(below, 3)}: name that folder in study.toml."
    elif tensors:
        action = "CLAM writes .pt files without coordinates: name the folder h5_files beside them."
    raise FeatureError(
        "the folder of slide features holds no .h5 file", where=folder, expected="one HDF5 file for each slide",
        action=action, code="E-FEATURE-009",
    )  # fmt: skip


def _ambiguous(by_name: _ByName) -> Iterator[FeatureError]:
    for name, files in by_name.items():
        if len(files) > 1:
            yield FeatureError(
                f"{len(files)} files hold features of '{name}': {', '.join(path.name for path, _ in files)}",
                where=files[0][0].parent, expected="one file for each slide", action="Keep one of them.",
                code="E-FEATURE-010",
            )  # fmt: skip


def _near_misses(workspace: Workspace, match: Match) -> Iterator[FeatureError]:
    """Features that a patient would lose in silence: misspelt names, more than one file, a slide without a file."""
    where = workspace.root / workspace.config.slide_features[0].folder
    pairs = dict(match.near)
    for name in match.without_row:
        longer = [other for other in match.without_patient if re.match(rf"{re.escape(name)}[._ -]", other)]
        if longer:
            pairs.setdefault(name, ", ".join(longer[:3]))
    if pairs:
        found = listed([f"{name} is called {other}" for name, other in pairs.items()], 10)
        yield FeatureError(
            f"features of {len(pairs)} patients or slides are not found because their files are called differently: "
            f"{found}",
            where=where,
            expected="<patient_id>.h5",
            action="Rename the files, or name them in the column slides of cohort.csv, several separated by ';'.",
            code="E-FEATURE-008",
        )
    for patient in workspace.cohort:
        lost = [name for name in patient.files.slide_names if name in match.without_row and name not in pairs]
        if lost:
            yield FeatureError(
                f"there are no features of {', '.join(lost)}", where=f"patient {patient.patient_id}, {where}",
                expected="a file for each slide that cohort.csv names",
                action="Correct the column slides, or make the features.", code="E-FEATURE-011",
            )  # fmt: skip


@dataclass(frozen=True)
class TileSource:
    """What must be alike in all slides of a study.

    Attributes:
        patient_id: whose slide.
        source: the file.
        encoder: what study.toml calls the encoder.
        made_by: what the file calls it; empty where it is not named.
        dim: length of a tile vector.
        tile_um: side of a tile in µm; None when unknown.
    """

    patient_id: str
    source: str
    encoder: str
    made_by: str
    dim: int
    tile_um: float | None

    @classmethod
    def of(cls, patient_id: str, features: SlideFeatures) -> TileSource:
        """What these features are."""
        return cls(patient_id, features.source, features.encoder, features.made_by, features.dim, features.tile_um)


def disagreements(sources: Sequence[TileSource]) -> Iterator[FeatureError]:
    """Why slides cannot be learned from together: other encoders, other lengths, tiles of another size."""
    kinds = {
        "encoders": [f"{source.encoder} ({source.dim} numbers a tile)" for source in sources],
        "encoders, as their files say,": [source.made_by for source in sources],
    }
    for what, values in kinds.items():
        counts = Counter(value for value in values if value)
        if len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            others = [source for source, value in zip(sources, values, strict=True) if value and value != usual]
            yield FeatureError(
                f"the tiles were encoded by different {what} {' and '.join(counts)}; not by {usual}: {_named(others)}",
                expected="one encoder for all slides of a study", action="Make the features of these slides again.",
                code="E-FEATURE-012",
            )  # fmt: skip
            return
    yield from _other_tile_size(sources)


def _other_tile_size(sources: Sequence[TileSource]) -> Iterator[FeatureError]:
    known = [(source, source.tile_um) for source in sources if source.tile_um is not None]
    if not known:
        return
    usual = sorted(size for _, size in known)[(len(known) - 1) // 2]
    others = [(source, size) for source, size in known if abs(size / usual - 1) > _TILE_SHARE]
    if others:
        sizes = listed(sorted({f"{size:.3g}" for _, size in others}), 4)
        yield FeatureError(
            f"the tiles of {len(others)} slides are {sizes} µm wide, those of the other {len(known) - len(others)} "
            f"{usual:.3g} µm: {_named([source for source, _ in others])}",
            expected="tiles of one size in µm, so that a nucleus is as large everywhere",
            action="Make the features of these slides again at the magnification of the others.",
            code="E-FEATURE-007",
        )


def _named(sources: Sequence[TileSource]) -> str:
    return listed(list(dict.fromkeys(f"{source.patient_id} ({source.source})" for source in sources)), 20)
