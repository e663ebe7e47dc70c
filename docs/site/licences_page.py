"""The licences of everything that espark needs, from the metadata of the installed packages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

ALLOWED = re.compile(
    r"\b(MIT|BSD|0BSD|Apache|PSF|Python Software Foundation|ISC|MPL|Mozilla|LGPL|Lesser|HPND|Historical Permission|"
    r"CMU-Permissive|Zlib|Unlicense|Public Domain|CC0|Boost|FreeType|NCSA|3D Slicer)",
    re.IGNORECASE,
)
"""Licences that let a program under the MIT licence use a package."""

KNOWN = {"pyradiomics-bhklab": "BSD-3-Clause", "docopt": "MIT", "torch": "BSD-3-Clause", "captum": "BSD-3-Clause"}
"""Packages whose metadata name no licence; read from the files of the package on 2026-12-01."""

VENDORED = {
    "espark-mini, espark-mini-seg, known-tissue": ("weights of espark", "MIT"),
    "openseadragon": ("the viewer of slides in the workbench", "BSD-3-Clause"),
}
"""What the wheel of espark contains beside its own code."""


@dataclass(frozen=True)
class PackageLicence:
    """A package that espark needs.

    Attributes:
        name: of the package.
        version: that is installed here.
        licence: in the words of its metadata; empty if they name none.
    """

    name: str
    version: str
    licence: str

    @property
    def allowed(self) -> bool:
        """Whether espark may use it."""
        return ALLOWED.search(self.licence) is not None


def dependency_licences(root: str = "espark") -> list[PackageLicence]:
    """The packages that espark needs without extras, and those that they need, by name."""
    found: dict[str, PackageLicence] = {}
    waiting = [root]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:  # only for another system
            continue
        found[name] = PackageLicence(name, package.version, _licence(name, package))
        needed = [Requirement(text) for text in package.requires or ()]
        waiting += [part.name for part in needed if part.marker is None or part.marker.evaluate({"extra": ""})]
    found.pop(root)
    return [found[name] for name in sorted(found)]


def _licence(name: str, package: Distribution) -> str:
    meta = package.metadata
    if expression := meta.get("License-Expression"):
        return expression
    classifiers = [text.split(" :: ")[-1] for text in meta.get_all("Classifier", []) if text.startswith("License ::")]
    if named := [text for text in classifiers if text != "OSI Approved"]:
        return ", ".join(named)
    first = (meta.get("License") or "").strip().splitlines()
    return KNOWN.get(name) or (first[0] if first else "")


def licences_page() -> str:
    """The page as Markdown."""
    lines = [
        "# Licences", "",
        "espark itself has the MIT licence. This page lists what `pip install espark` installs, from the metadata of "
        "the packages on the machine that built this page. A test refuses a package whose licence it does not know. "
        "Extras install more; `make sbom` lists all packages of an environment with their licences.", "",
        "| package | version | licence |", "|---|---|---|",
        *(f"| {part.name} | {part.version} | {part.licence} |" for part in dependency_licences()),
        "", "## In the wheel", "", "| part | what it is | licence |", "|---|---|---|",
        *(f"| {name} | {what} | {licence} |" for name, (what, licence) in VENDORED.items()),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
