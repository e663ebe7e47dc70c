"""A hash of code that changes when its behaviour may have changed, but not with a comment or a docstring."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

_SOURCES = Path(__file__).parents[1]


def code_hash(modules: Sequence[str], *, within: Sequence[str], sources: Path = _SOURCES) -> str:
    """Hash of modules and of everything that they import, directly or not, from some packages.

    Args:
        modules: names of the modules.
        within: the imports of these packages and modules are followed; all others are left out.
        sources: folder that contains the modules.

    Returns:
        64 hexadecimal digits.

    Raises:
        FileNotFoundError: when a module has no file in this folder.
    """
    return _hash(tuple(modules), tuple(within), sources)


@functools.cache
def _hash(modules: tuple[str, ...], within: tuple[str, ...], sources: Path) -> str:
    known: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in known:
            continue
        path = _file(name, sources)
        if path is None:
            raise FileNotFoundError(f"module {name} has no file in {sources}")
        words, imported = list[str](), set[str]()
        _read(ast.parse(path.read_bytes()), words, imported)
        known[name] = "\n".join(words)
        waiting += [other for other in imported if _is_inside(other, within) and _file(other, sources)]
    content = hashlib.sha256()
    for name in sorted(known):
        content.update(f"{name}\n{known[name]}\n".encode())
    return content.hexdigest()


def _file(module: str, sources: Path) -> Path | None:
    path = sources.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _is_inside(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _read(node: ast.AST, words: list[str], imported: set[str]) -> None:
    """Append the content of a tree, without strings that are statements, and collect its imports.

    `ast.dump` with a walk for the imports takes twice the time.
    """
    if isinstance(node, ast.Import):
        imported.update(alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        imported.add(node.module)
        imported.update(f"{node.module}.{alias.name}" for alias in node.names)
    words.append(type(node).__name__)
    for field in node._fields:
        value = getattr(node, field)
        words.append(field)
        for part in value if isinstance(value, list) else (value,):
            if not isinstance(part, ast.AST):
                words.append(repr(part))
            elif not _is_text(part):
                _read(part, words, imported)
    words.append(".")


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a string alone: a docstring, which does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
