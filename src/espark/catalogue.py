"""What a name in ``study.toml`` means: an entry of espark, of a Python script, or of a package.

A package offers an entry through an entry point (``importlib.metadata``) with the same name. The entry is imported only
when its name is requested, or when all names are listed. See ``docs/plugins.md``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import importlib.util
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from espark.errors import InputError, PluginError, nearest
from espark.files import digest, fingerprint


class Named(Protocol):
    """An entry of a catalogue: a frozen dataclass. Its callables build the thing that it names."""

    @property
    def name(self) -> str: ...  # noqa: D102


Entry = TypeVar("Entry", bound=Named)


@dataclass(frozen=True)
class Plugin:
    """The origin of an entry that does not belong to espark.

    Attributes:
        kind: what it is, such as ``aggregator``.
        name: its name in ``study.toml``.
        package: the installed package that contains it; without a package, the module in which it was written.
        version: version of the package; empty when it is not known.
        code: hash of the package's Python files; empty when they are not found.
    """

    kind: str
    name: str
    package: str
    version: str = ""
    code: str = ""

    @property
    def release(self) -> str:
        """The version, or else the code. It decides whether costly results are still current."""
        return self.version or self.code

    def __str__(self) -> str:
        return f"the {self.kind} '{self.name}' of {self.package} {self.version}".rstrip()


@dataclass(frozen=True)
class _Outside(Generic[Entry]):
    """An entry from outside espark, and its origin."""

    entry: Entry
    plugin: Plugin


Registrations = Mapping[str, Mapping[str, _Outside[Any]]]
"""The entries registered from Python, by group and name."""

_registered: dict[str, dict[str, _Outside[Any]]] = {}
"""The registrations of this process, for all catalogues together, so that worker processes can receive them."""

_numbers = itertools.count(1)


class Catalogue(Mapping[str, Entry]):
    """Entries by name: first those of espark, then those registered from Python, then those of installed packages.

    Iterating leaves out packages that cannot be used; :meth:`plugins` gives the reason. A request for such an entry by
    name raises a `PluginError`.

    Args:
        kind: what an entry is, for messages.
        group: group of the entry points, such as ``espark.aggregators``.
        entries: the entries of espark.
        error: the error that :meth:`find` raises for an unknown name.
    """

    def __init__(self, kind: str, group: str, entries: Iterable[Entry], *, error: type[InputError] = InputError):
        self.kind = kind
        self.group = group
        self._own = {entry.name: entry for entry in entries}
        self.entry_type = type(next(iter(self._own.values())))
        self._error = error

    @property
    def own(self) -> tuple[str, ...]:
        """Names of espark's own entries."""
        return tuple(self._own)

    def __getitem__(self, name: str) -> Entry:
        return self._own[name] if name in self._own else self._outside(name)

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (plugin.name for plugin, problem in self.plugins() if not problem)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def find(self, name: str) -> Entry:
        """The entry of a name.

        Raises:
            InputError: of the kind ``error``, when there is no such entry; the message gives the nearest name.
            PluginError: when the package that contains it cannot be used.
        """
        if name in self:
            return self[name]
        guess = nearest(name, self)
        raise self._error(
            f"there is no {self.kind} {name!r}",
            expected=f"one of {', '.join(self)}",
            action=f"Did you mean {guess}?" if guess else "`espark doctor` lists the plug-ins that are installed here.",
        )

    def plugin(self, name: str) -> Plugin | None:
        """The origin of an entry; None for an entry of espark.

        Raises:
            KeyError: when there is no such entry.
            PluginError: when two packages contain it.
        """
        if name in self._own:
            return None
        registered = _registered.get(self.group, {}).get(name)
        return registered.plugin if registered else self._plugin_of_point(self._point(name))

    def plugins(self) -> list[tuple[Plugin, str]]:
        """Every entry from outside espark, and the reason why it cannot be used; the reason is empty when it can."""
        registered = _registered.get(self.group, {})
        found = [(known.plugin, "") for known in registered.values()]
        for point in self._points():
            if point.name not in registered:
                found.append((self._plugin_of_point(point), self._problem(point)))
        return found

    def register(self, entry: Entry) -> None:
        """Make an entry known in this process, and in the worker processes that espark starts from it.

        The same module or package may register a name again; the later entry is used.

        Raises:
            PluginError: when the entry is of a different kind, or espark or another package already uses its name.
        """
        if not isinstance(entry, self.entry_type):
            raise PluginError(f"{entry!r} is not {_a(self.kind)}", expected=_a(self.entry_type.__name__))
        if entry.name in self._own:
            raise self._taken(entry.name, "espark itself")
        _code_of_module.cache_clear()  # the file may have changed since it was last registered
        plugin = self._plugin_of_entry(entry)
        others = {self._package_of(point) for point in self._points(entry.name)}
        if entry.name in (registered := _registered.setdefault(self.group, {})):
            others.add(registered[entry.name].plugin.package)
        if others := others - {plugin.package}:
            raise self._taken(entry.name, " and ".join(sorted(others)))
        registered[entry.name] = _Outside(entry, plugin)

    @contextlib.contextmanager
    def lent(self, entry: Entry) -> Iterator[str]:
        """Make an entry known for a while, under a unique name.

        Yields:
            The name.
        """
        registered, name = _registered.setdefault(self.group, {}), f"{entry.name}-{next(_numbers)}"
        registered[name] = _Outside(entry, self._plugin_of_entry(entry))
        try:
            yield name
        finally:
            del registered[name]

    def _outside(self, name: str) -> Entry:
        registered = _registered.get(self.group, {}).get(name)
        return registered.entry if registered else self._load(self._point(name))

    def _points(self, name: str | None = None) -> list[EntryPoint]:
        points = importlib.metadata.entry_points(group=self.group)
        return [point for point in points if name in (None, point.name)]

    def _point(self, name: str) -> EntryPoint:
        """The only entry point with this name."""
        points = self._points(name)
        if not points:
            raise KeyError(name)
        if len(points) > 1:
            raise self._taken(name, " and ".join(sorted(map(self._package_of, points))))
        return points[0]

    def _problem(self, point: EntryPoint) -> str:
        """Why an entry point cannot be used; empty when it can."""
        if point.name in self._own:
            return f"espark has its own {self.kind} of this name, which is used instead"
        try:
            self._load(self._point(point.name))
        except PluginError as error:
            return error.found
        return ""

    def _load(self, point: EntryPoint) -> Entry:
        where = f"package {self._package_of(point)}"
        try:
            entry = point.load()
        except Exception as error:  # code of another author can raise any error when it is imported
            raise PluginError(
                f"the {self.kind} '{point.name}' cannot be loaded ({_short(error)})",
                where=where,
                action="Correct or uninstall the package.",
            ) from error
        if not isinstance(entry, self.entry_type) or entry.name != point.name:
            raise PluginError(
                f"the entry point '{point.name}' of {self.group} gives {entry!r}",
                where=where,
                expected=f"{_a(self.entry_type.__name__)} of the same name",
            )
        return entry

    def _taken(self, name: str, by: str) -> PluginError:
        return PluginError(
            f"the name '{name}' of {_a(self.kind)} is already used by {by}",
            expected="a name that is not yet used",
            action="Rename one of them, or uninstall one of the packages.",
        )

    @staticmethod
    def _package_of(point: EntryPoint) -> str:
        return point.dist.name if point.dist else point.module.partition(".")[0]

    def _plugin_of_point(self, point: EntryPoint) -> Plugin:
        version = point.dist.version if point.dist else ""
        return Plugin(self.kind, point.name, self._package_of(point), version, _code_of_module(point.module))

    def _plugin_of_entry(self, entry: Entry) -> Plugin:
        maker = next(value for value in vars(entry).values() if callable(value))
        maker = maker.func if isinstance(maker, functools.partial) else maker
        module: str = getattr(maker, "__module__", None) or type(maker).__module__
        package, version = _installed(module.partition(".")[0])
        code = _code_of_notebook(maker) if module == "__main__" else _code_of_module(module)
        return Plugin(self.kind, entry.name, package, version, code)


def registrations() -> Registrations:
    """The entries registered from Python. A worker process receives them with :func:`take_over`."""
    return {group: dict(entries) for group, entries in _registered.items() if entries}


def take_over(known: Registrations) -> None:
    """Register in a worker process the entries of the process that started it."""
    for group, entries in known.items():
        _registered.setdefault(group, {}).update(entries)


@contextlib.contextmanager
def running(plugin: Plugin) -> Iterator[None]:
    """Turn every error of a plug-in into an error that names the plug-in, so that only the current item fails.

    Raises:
        PluginError: in place of the original error.
    """
    try:
        yield
    except InputError as error:
        raise PluginError(error.found, where=plugin, expected=error.expected, action=error.action) from error
    except Exception as error:  # code of another author; no code of espark runs here
        raise PluginError(f"it failed ({_short(error)})", where=plugin) from error


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEae' else 'a'} {noun}"


def _short(error: Exception) -> str:
    """Kind and first line of an error."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@functools.cache
def _installed(top: str) -> tuple[str, str]:
    """Name and version of the package that contains a top-level module; without a package, the name of the module."""
    packages = importlib.metadata.packages_distributions().get(top)
    return (packages[0], importlib.metadata.version(packages[0])) if packages else (top, "")


@functools.cache
def _code_of_module(module: str) -> str:
    """Hash of the Python files of the package that a module belongs to; empty when they are not found."""
    names = module.split(".")
    for depth in range(1, len(names) + 1):  # in a namespace package, take the first folder that is not a namespace
        spec = importlib.util.find_spec(".".join(names[:depth]))
        if spec is None:
            return ""
        if spec.has_location and spec.origin:
            path = Path(spec.origin)
            files = sorted(path.parent.rglob("*.py")) if spec.submodule_search_locations else [path]
            return digest([(file.relative_to(path.parent).as_posix(), fingerprint(file)) for file in files])
    return ""


def _code_of_notebook(maker: Callable[..., object]) -> str:
    """Hash of the source of a function or class of a script or notebook; empty when the source is not kept."""
    try:
        return digest(inspect.getsource(maker))
    except (OSError, TypeError):
        return ""
