"""The reference of the Python interface: the public names, whose docstrings mkdocstrings fills in."""

from __future__ import annotations

import espark
import espark.plugins

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("A study", ("Study",)),
    ("Estimators", ("MScaleCT", "CytoPath", "ESpark")),
    ("Models and new patients", ("Bundle", "load_bundle", "predict", "NewPatient", "PatientAnswer")),
    ("Errors", ("EsparkError", "InputError", "InputProblems")),
)
_REGISTER = tuple(name for name in espark.__all__ if name.startswith("register_"))


def python_reference() -> str:
    """The page of the public names of ``espark``.

    Raises:
        ValueError: when a public name has no place on the page.
    """
    placed = {name for _, names in _GROUPS for name in names} | {*_REGISTER, "__version__"}
    if missing := set(espark.__all__) - placed:
        raise ValueError(f"these public names have no place on the page of the Python interface: {sorted(missing)}")
    lines = [
        "# Python",
        "",
        "Everything on this page is public: it changes only as [Releases](../releases.md) says.",
        "",
    ]
    for title, names in _GROUPS:
        lines += [f"## {title}", "", *(_directive(espark._HOME[name], name) for name in names)]
    return "\n".join(lines)


def plugins_reference() -> str:
    """The page of the public names of ``espark.plugins``."""
    lines = [
        "# Python for plug-ins",
        "",
        "The names of `espark.plugins`. [Plug-ins](../plugins.md) shows their use.",
        "",
    ]
    for name in espark.plugins.__all__:
        home = espark.plugins._HOME.get(name) or getattr(espark.plugins, name).__module__
        lines.append(_directive(home, name, level=2))
    return "\n".join(lines)


def _directive(module: str, name: str, level: int = 3) -> str:
    return f"::: {module}.{name}\n    options:\n      heading_level: {level}\n"
