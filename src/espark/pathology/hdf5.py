"""HDF5 files: all data must be in the file itself, with the declared size."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np

from espark.errors import FeatureError
from espark.intake.budget import INFORMATIVE, SMALL_BYTES, require_room
from espark.types import AnyArray

_COPIES = 3
"""As stored, as float32, and in the bag of the patient."""


@contextlib.contextmanager
def open_hdf5(path: Path, *, expected: str) -> Iterator[h5py.File]:
    """Open a file for reading, after a check for links to other files.

    Args:
        path: the file.
        expected: the expected content, for errors.

    Raises:
        FeatureError: when it is missing, empty, damaged, not HDF5, or links to another file.
    """
    if not path.is_file():
        raise FeatureError("the file is missing", where=path, expected=expected, code="E-FEATURE-001")
    if path.stat().st_size == 0:
        raise FeatureError(
            "the file cannot be read: it is empty (0 bytes)", where=path, action="Make the features again.",
            code="E-FEATURE-001",
        )  # fmt: skip
    try:
        with h5py.File(path, "r") as file:
            for name, link in _links(file, set()):
                if isinstance(link, h5py.ExternalLink):
                    raise _leads_outside(path, name, "a link to another file")
            yield file
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:  # the errors of h5py for damaged files
        raise FeatureError(
            f"the file cannot be read ({error})", where=path, expected=expected,
            action="Copy the file or make the features again.", code="E-FEATURE-001",
        ) from error  # fmt: skip


def read_numbers(file: h5py.File, name: str, path: Path, *, kinds: str, expected: str) -> AnyArray:
    """Read a dataset of numbers, after a check that it is in the file and complete.

    Args:
        file: from `open_hdf5`.
        name: name of the dataset.
        path: the file, for errors.
        kinds: allowed kinds of numbers, as letters of NumPy.
        expected: the expected content, for errors.

    Raises:
        FeatureError: when it is missing, links to another file, holds something else, or is incomplete.
    """
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise FeatureError(
            f"the file has no {name!r} (it has {', '.join(file) or 'nothing'})", where=path, expected=expected,
            code="E-FEATURE-004",
        )  # fmt: skip
    if found.external or found.is_virtual:
        raise _leads_outside(path, name, "data in another file")
    if found.dtype.kind not in kinds:
        raise FeatureError(
            f"{name!r} holds {found.dtype}", where=path,
            expected="floating-point numbers" if kinds == "f" else "numbers", code="E-FEATURE-004",
        )  # fmt: skip
    _require_complete(found, name, path)
    return np.asarray(found[()])


def _links(group: h5py.Group, seen: set[int]) -> Iterator[tuple[str, object]]:
    """Every link of a group and of the groups below it. Only links within the file are followed."""
    for name in group:
        link = group.get(name, getlink=True)
        yield f"{group.name}/{name}".lstrip("/"), link
        found = group[name] if isinstance(link, h5py.HardLink) else None
        if isinstance(found, h5py.Group):
            address = h5py.h5o.get_info(found.id).addr
            if address not in seen:  # a group may contain itself, or be in many groups
                seen.add(address)
                yield from _links(found, seen)


def scalars(attributes: h5py.AttributeManager, names: Iterable[str]) -> dict[str, float]:
    """The named attributes that are single positive numbers. Others, and -1 for unknown, are left out."""
    found = {}
    for name in names:
        if name in attributes and attributes.get_id(name).dtype.kind in "iuf":
            values = np.asarray(attributes[name], dtype=np.float64).ravel()
            if len(values) == 1 and np.isfinite(values[0]) and values[0] > 0:
                found[name] = float(values[0])
    return found


def _leads_outside(path: Path, name: str, what: str) -> FeatureError:
    return FeatureError(
        f"{name!r} is {what}", where=path, expected="numbers that are in the file itself",
        action="Do not use this file, or copy the data into it (h5repack, or h5py's copy with expand_external).",
        code="E-FEATURE-002",
    )  # fmt: skip


def _require_complete(dataset: h5py.Dataset, name: str, path: Path) -> None:
    """Refuse a dataset that declares more than is stored, before memory is reserved for it."""
    declared = math.prod(dataset.shape or (0,)) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    filtered = dataset.id.get_create_plist().get_nfilters() > 0
    if dataset.chunks:
        pairs = zip(dataset.shape, dataset.chunks, strict=True)
        complete = dataset.id.get_num_chunks() >= math.prod(-(-length // chunk) for length, chunk in pairs)
    else:
        complete = stored >= declared
    fits = declared <= (max(SMALL_BYTES, INFORMATIVE * stored) if filtered else path.stat().st_size)
    if complete and fits:
        require_room(declared, where=path, copies=_COPIES, error=FeatureError)
        return
    size = " × ".join(map(str, dataset.shape))
    raise FeatureError(
        f"{name!r} declares {size} numbers ({declared / 2**20:.3g} MiB), but only {stored / 2**20:.3g} MiB were stored",
        where=path,
        expected="a complete file",
        action="Make the features again: the program that wrote them probably stopped halfway.",
        code="E-FEATURE-003",
    )
