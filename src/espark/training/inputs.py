"""What the models look at: radiomics by scale and a bag of tiles, patient by patient."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from espark.types import BoolArray, ClinicalColumn, FloatArray, IntArray, Modality, Scale

ClinicalValue = float | str | None


@dataclass(frozen=True)
class Bag:
    """The tiles of all slides of one patient.

    Attributes:
        features: (tiles, dim) float32.
        similarity: (tiles, cell types) float32; None when the encoder has no text side.
        counts: (tiles, `espark.cells.COUNTED_CELLS`) float32, expected number of cells; None when the encoder does not
            count.
        cells_reliable: whether nothing speaks against the cell types and counts; no model looks at it.
    """

    features: FloatArray
    similarity: FloatArray | None
    counts: FloatArray | None = None
    cells_reliable: bool = True

    def __len__(self) -> int:
        return len(self.features)

    def subset(self, kept: BoolArray) -> Bag:
        """The bag with the tiles marked in (tiles,) alone."""
        parts = (self.features, self.similarity, self.counts)
        features, similarity, counts = (None if part is None else part[kept] for part in parts)
        assert features is not None
        return Bag(features, similarity, counts, self.cells_reliable)


@dataclass(frozen=True)
class Inputs:
    """Model inputs of several patients.

    Attributes:
        patient_ids: one id a patient.
        scales: those that have features.
        feature_names: names of the features, by scale.
        radiomics: (patients, sum of features) float32, scale after scale; NaN where a feature is missing.
        bags: one bag a patient; None when the patient has no slide.
        clinical_columns: the declared clinical columns.
        clinical: one row a patient, values in the order of the columns; None where missing.
        repeats: one entry a patient: (contours, sum of features) radiomics on perturbed contours; None for patients
            whose contours were not perturbed; empty when no contour was perturbed.
    """

    patient_ids: tuple[str, ...]
    scales: tuple[Scale, ...]
    feature_names: tuple[tuple[str, ...], ...]
    radiomics: FloatArray
    bags: tuple[Bag | None, ...]
    clinical_columns: tuple[ClinicalColumn, ...] = ()
    clinical: tuple[tuple[ClinicalValue, ...], ...] = ()
    repeats: tuple[FloatArray | None, ...] = ()

    def __len__(self) -> int:
        return len(self.patient_ids)

    @property
    def known_scales(self) -> BoolArray:
        """(patients, scales): whether any feature of the scale is known."""
        edges = np.cumsum([0, *map(len, self.feature_names)])
        parts = [np.isfinite(self.radiomics[:, start:stop]).any(axis=1) for start, stop in itertools.pairwise(edges)]
        return np.stack(parts, axis=1) if parts else np.zeros((len(self), 0), bool)

    @property
    def has_ct(self) -> BoolArray:
        """(patients,): whether any scale is known."""
        return np.asarray(self.known_scales.any(axis=1))

    @property
    def has_slides(self) -> BoolArray:
        """(patients,): whether there is a bag with at least one tile."""
        return np.array([bag is not None and len(bag) > 0 for bag in self.bags], bool)

    @property
    def has_clinical(self) -> BoolArray:
        """(patients,): whether any declared clinical value is known."""
        rows = self.clinical or ((),) * len(self)
        return np.array([any(value is not None for value in row) for row in rows], bool)

    @property
    def has_text(self) -> bool:
        """Whether every bag knows the similarity of its tiles to the cell types."""
        return all(bag is None or bag.similarity is not None for bag in self.bags)

    @property
    def has_counts(self) -> bool:
        """Whether every bag knows the expected number of cells in its tiles."""
        return all(bag is None or bag.counts is not None for bag in self.bags)

    @property
    def tile_dim(self) -> int:
        """Length of a tile vector; 0 when there is no bag."""
        return next((bag.features.shape[1] for bag in self.bags if bag is not None), 0)

    @property
    def modalities(self) -> tuple[Modality | None, ...]:
        """What images there are of each patient; None when there are none."""
        names: dict[tuple[bool, bool], Modality] = {(True, True): "both", (True, False): "ct", (False, True): "slides"}
        return tuple(names.get(found) for found in zip(self.has_ct.tolist(), self.has_slides.tolist(), strict=True))

    def subset(self, indices: Sequence[int] | IntArray) -> Inputs:
        """The patients at ``indices``, in that order."""
        return replace(
            self,
            patient_ids=tuple(self.patient_ids[index] for index in indices),
            radiomics=self.radiomics[np.asarray(indices, dtype=np.int64)],
            bags=tuple(self.bags[index] for index in indices),
            clinical=tuple(self.clinical[index] for index in indices) if self.clinical else (),
            repeats=tuple(self.repeats[index] for index in indices) if self.repeats else (),
        )

    def only(self, modality: Modality) -> Inputs:
        """The same patients seen through CT alone, slides alone, both, or clinical columns alone."""
        radiomics = self.radiomics if modality in ("both", "ct") else np.full_like(self.radiomics, np.nan)
        bags = self.bags if modality in ("both", "slides") else (None,) * len(self)
        repeats = self.repeats if modality in ("both", "ct") else ()
        return replace(self, radiomics=radiomics, bags=bags, repeats=repeats)

    def of_scales(self, scales: Sequence[Scale]) -> Inputs:
        """The same patients with the radiomics of some of the scales, in the order in which they lie here."""
        kept = [index for index, scale in enumerate(self.scales) if scale in scales]
        edges = np.cumsum([0, *map(len, self.feature_names)])
        parts = [np.arange(edges[index], edges[index + 1]) for index in kept]
        columns = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        return replace(
            self,
            scales=tuple(self.scales[index] for index in kept),
            feature_names=tuple(self.feature_names[index] for index in kept),
            radiomics=self.radiomics[:, columns],
            repeats=tuple(None if part is None else part[:, columns] for part in self.repeats),
        )

    def content_hash(self) -> str:
        """Hash of every number a model could see: whether a trained fold is still current depends on it."""
        plain = (self.patient_ids, self.scales, self.feature_names, self.clinical_columns, self.clinical)
        content = hashlib.sha256(repr(plain).encode())
        content.update(np.ascontiguousarray(self.radiomics).tobytes())
        for bag in self.bags:
            if bag is not None:
                content.update(np.ascontiguousarray(bag.features).tobytes())
                content.update(b"" if bag.similarity is None else np.ascontiguousarray(bag.similarity).tobytes())
                content.update(b"" if bag.counts is None else np.ascontiguousarray(bag.counts).tobytes())
            content.update(b"|")
        for part in self.repeats:
            content.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
        return content.hexdigest()


@dataclass(frozen=True)
class PackedInputs:
    """Inputs whose tiles lie in few arrays, which worker processes map into memory instead of copying them.

    Attributes:
        patients: everything but the tiles.
        sizes: number of tiles of each patient; None without slides.
        features: (all tiles, dim), patient after patient.
        similarity: of the tiles that have one, patient after patient.
        counts: of the tiles that have some, patient after patient.
    """

    patients: Inputs
    sizes: tuple[int | None, ...]
    features: FloatArray
    similarity: PackedPart
    counts: PackedPart

    @classmethod
    def pack(cls, inputs: Inputs) -> PackedInputs:
        """Lay the tiles of all patients side by side."""
        bags = [bag for bag in inputs.bags if bag is not None]
        return cls(
            patients=replace(inputs, bags=(None,) * len(inputs)),
            sizes=tuple(None if bag is None else len(bag) for bag in inputs.bags),
            features=np.concatenate([bag.features for bag in bags]) if bags else np.zeros((0, 0), np.float32),
            similarity=PackedPart.pack([bag.similarity for bag in bags]),
            counts=PackedPart.pack([bag.counts for bag in bags]),
        )

    def unpack(self) -> Inputs:
        """The inputs that were packed; no tile is copied."""
        sizes = [size for size in self.sizes if size is not None]
        features = np.split(self.features, np.cumsum(sizes)[:-1]) if sizes else []
        parts = zip(features, self.similarity.unpack(sizes), self.counts.unpack(sizes), strict=True)
        bags = itertools.starmap(Bag, parts)
        found = tuple(None if size is None else next(bags) for size in self.sizes)
        return replace(self.patients, bags=found)


@dataclass(frozen=True)
class PackedPart:
    """Numbers that the tiles of some patients have.

    Attributes:
        rows: (tiles that have them, numbers), patient after patient; None when no patient has them.
        there: for each bag, whether its tiles have them.
    """

    rows: FloatArray | None
    there: tuple[bool, ...]

    @classmethod
    def pack(cls, parts: Sequence[FloatArray | None]) -> PackedPart:
        """Lay the numbers of all bags side by side."""
        known = [part for part in parts if part is not None]
        return cls(np.concatenate(known) if known else None, tuple(part is not None for part in parts))

    def unpack(self, sizes: Sequence[int]) -> list[FloatArray | None]:
        """The numbers of each bag, from the number of its tiles."""
        found: list[FloatArray | None] = []
        row = 0
        for size, there in zip(sizes, self.there, strict=True):
            if not there or self.rows is None:
                found.append(None)
                continue
            found.append(self.rows[row : row + size])
            row += size
        return found
