"""Reading and writing files so that a file is never incomplete.

A file is written under a temporary name beside its target, flushed, closed and only then renamed. The same
content always gives the same bytes, so that a resumed run can be compared with an uninterrupted one.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espark.disk import writing
from espark.errors import InputError
from espark.intake.budget import require_room

if TYPE_CHECKING:
    import pandas as pd
    import torch

_BLOCK = 1 << 20
_WHOLE_FILE_LIMIT = 64 * _BLOCK
_SAMPLED_BLOCKS = 64
_NOTES = "__metadata__"

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula, and may run what it names."""
_FORMULA = re.compile("'*[=+@\t-]")
_NUMBERS = re.compile(r"(([+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]inf)(;|$))+")
_JSON_COPIES = 20


@contextlib.contextmanager
def atomic_path(target: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; on success flush it to disk and rename it over ``target``.

    The temporary name keeps the target's suffixes, because many writers choose their format by them.

    Args:
        target: path of the file to write. Its folder is made if it is missing.
        flush: whether the file must also survive a power failure right after; it costs milliseconds for every file.

    Raises:
        WriteError: when the disk is full, or nothing may be written there.
    """
    temporary = target.with_name(f".partial-{os.getpid()}-{target.name}")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if flush:
                with temporary.open("rb+") as handle:
                    os.fsync(handle.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    for noted in _noting:
        noted.add(target)


_noting: list[set[Path]] = []


@contextlib.contextmanager
def noting_writes() -> Iterator[set[Path]]:
    """Yield a set to which each file is added that this process writes in the meantime."""
    noted: set[Path] = set()
    _noting.append(noted)
    try:
        yield noted
    finally:
        _noting[:] = [other for other in _noting if other is not noted]


def check_compressed(path: Path) -> None:
    """Read a ``.gz`` file once: SimpleITK reports no error when the disk is full, and leaves a part of it.

    Raises:
        OSError: when its end is missing.
    """
    whole = path.stat().st_size > 0
    try:
        with gzip.open(path) as handle:
            while handle.read(_BLOCK):
                pass
    except EOFError:
        whole = False
    if not whole:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def remove_debris(folder: Path) -> None:
    """Remove the temporary files below ``folder`` that a killed process left behind."""
    for path in folder.rglob(".partial-*"):
        process = path.name.split("-")[1]
        if process.isdigit() and not _alive(int(process)):
            path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_bytes(target: Path, content: bytes) -> None:
    """Write ``content`` to ``target`` atomically."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``target`` atomically."""
    write_bytes(target, text.encode("utf-8"))


def canonical_json(value: Any, *, indent: int | None = None) -> str:
    """JSON with sorted keys, the same for equal values. NaN and infinity are refused (they are not JSON).

    Raises:
        ValueError: when ``value`` holds NaN or infinity.
    """
    return json.dumps(value, sort_keys=True, indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(target: Path, value: Any) -> None:
    """Write ``value`` as indented canonical JSON to ``target`` atomically."""
    write_text(target, canonical_json(value, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: when the file is missing or is not JSON.
    """
    try:
        require_room(path.stat().st_size, where=path, copies=_JSON_COPIES)
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("the file is missing", where=path) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"the file is not JSON ({error})", where=path) from error


def write_csv(target: Path, table: pd.DataFrame) -> None:
    """Write ``table`` as CSV (UTF-8, ``\\n`` line ends, no index) to ``target`` atomically.

    Texts that a spreadsheet would compute as a formula get an apostrophe in front. `without_apostrophe` undoes this.
    """
    texts = table.select_dtypes(include=["object", "string", "category"]).columns
    inert = table.assign(**{name: table[name].astype(object).map(_inert) for name in texts})
    write_text(target, inert.rename(columns=_inert).to_csv(index=False, lineterminator="\n"))


def _inert(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r", " ")  # a spreadsheet begins a new row here, and the writer does not quote it
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBERS.fullmatch(cell) else cell


def without_apostrophe(cell: str) -> str:
    """The text that `write_csv` wrote with an apostrophe, as it was; any other text unchanged.

    Example:
        >>> without_apostrophe("'+"), without_apostrophe("T3")
        ('+', 'T3')
    """
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def write_parquet(target: Path, table: pd.DataFrame) -> None:
    """Write ``table`` as Parquet without its index to ``target`` atomically."""
    with atomic_path(target) as temporary:
        table.to_parquet(temporary, index=False, engine="pyarrow")


def save_tensors(target: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors to ``target`` atomically."""
    from safetensors.torch import save

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(target, _sorted_notes(save(contiguous, dict(metadata) if metadata else None)))


def _sorted_notes(content: bytes) -> bytes:
    """A safetensors file with sorted metadata. The library writes it in an order that changes between runs."""
    size, header = _safetensors_header(content)
    if _NOTES in header:
        header[_NOTES] = dict(sorted(header[_NOTES].items()))
    ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    # The numbers start at a multiple of eight bytes. Spaces fill the header up to there.
    ordered += b" " * (-len(ordered) % 8)
    return len(ordered).to_bytes(8, "little") + ordered + content[8 + size :]


def _safetensors_header(content: bytes) -> tuple[int, dict[str, Any]]:
    """Length and content of the header of a safetensors file."""
    size = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + size])
    return size, header


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a safetensors file.

    Raises:
        InputError: when the file is missing or is not safetensors.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"the weights cannot be read ({error})", where=path) from error
    return tensors_and_notes(content, path)[0]


def tensors_and_notes(content: bytes, where: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors of a safetensors file that is already in memory, and the text stored with them.

    Args:
        content: the file, byte by byte.
        where: the place that an error names.

    Raises:
        InputError: when the content is not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content), _safetensors_header(content)[1].get(_NOTES, {})
    except SafetensorError as error:
        raise InputError(f"the weights cannot be read ({error})", where=where) from error


def read_safetensors_notes(path: Path) -> dict[str, str]:
    """The text that `save_tensors` stored with the tensors; empty when there is none."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as handle:
        return dict(handle.metadata() or {})


def digest(value: Any) -> str:
    """Hash of a JSON-like value: 64 hexadecimal digits, equal for equal values."""
    return hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()


def fingerprint(path: Path) -> str:
    """Hash of the content of a file or folder. Names and order of the files in a folder do not matter.

    A file over 64 MiB, in practice a whole slide, is hashed by its size and 64 evenly spaced blocks of 1 MiB,
    so that resuming a study of hundreds of slides takes seconds.
    """
    if path.is_dir():
        return digest(sorted(fingerprint(file) for file in path.rglob("*") if file.is_file()))
    size = path.stat().st_size
    content = hashlib.sha256(str(size).encode())
    with path.open("rb") as handle:
        if size <= _WHOLE_FILE_LIMIT:
            while block := handle.read(_BLOCK):
                content.update(block)
        else:
            for index in range(_SAMPLED_BLOCKS):
                handle.seek((size - _BLOCK) * index // (_SAMPLED_BLOCKS - 1))
                content.update(handle.read(_BLOCK))
    return content.hexdigest()


def stamp(path: Path) -> str:
    """Size and time of the last change of a file, or of every file in a folder, as a hash.

    As long as it stays, the content is taken to be the same, so that nothing has to be read. When it changes, only
    :func:`fingerprint` can say whether the content did. It is empty when there is no such file or folder.
    """
    if not path.exists():
        return ""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    seen = [(file.name, (found := file.stat()).st_size, found.st_mtime_ns) for file in files if file.is_file()]
    return digest(seen)
