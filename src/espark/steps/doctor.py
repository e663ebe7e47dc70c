"""What this machine can do: libraries, accelerators, encoders, weights."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from espark._version import __version__
from espark.ct.segmentation.catalogue import SEGMENTERS
from espark.errors import EsparkError, InputError
from espark.pathology.encoders.catalogue import ENCODERS
from espark.work.memory import memory_of_workers
from espark.workspace.manifest import versions

if TYPE_CHECKING:
    from espark.pathology.encoders.encoder import Encoder


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Attributes:
        what: what was looked at.
        state: what was found.
        good: whether it works; None when it is a plain fact.
        advice: what to do when it does not.
    """

    what: str
    state: str
    good: bool | None = None
    advice: str = ""


def doctor() -> list[Finding]:
    """Look at this machine."""
    found = [
        Finding("espark", __version__),
        Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("processor cores", str(os.cpu_count())),
        Finding("free memory", memory_of_workers(os.cpu_count() or 1)),
        Finding("free disk here", f"{shutil.disk_usage('.').free / 1e9:.0f} GB"),
    ]
    found += [Finding(name, version, good=True) for name, version in versions().items() if name not in _SHOWN]
    return [*found, _lbp(), _accelerator(), _bfloat16(), *_encoders(), *_segmenters(), *_plugins()]


_SHOWN = ("espark", "python", "platform")


def _lbp() -> Finding:
    """From SciPy 1.17 on, PyRadiomics leaves out LBP-3D and gives no warning."""
    try:
        from scipy.special import sph_harm  # noqa: F401
    except ImportError:
        return Finding(
            "radiomics LBP-3D", "not available with this SciPy", good=False, advice="Install scipy below 1.17."
        )
    return Finding("radiomics LBP-3D", "available", good=True)


def _accelerator() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("accelerator", torch.cuda.get_device_name(0), good=True)
    if torch.backends.mps.is_available():
        return Finding("accelerator", "Apple GPU (MPS)", good=True)
    return Finding("accelerator", "none; everything runs on the processor")


def _bfloat16() -> Finding:
    import torch

    from espark.models.precision import computes_bfloat16

    if computes_bfloat16(torch.device("cpu")):
        return Finding("bfloat16", "multiplied in hardware by this processor", good=True)
    return Finding("bfloat16", "only imitated by this processor; float32 is faster")


def _encoders() -> list[Finding]:
    """Whether each encoder could be used: its libraries, and its weights where no folder has to be named."""
    from espark.pathology.encoders.load import load_encoder
    from espark.pathology.encoders.weights import need_packages, steps

    found = []
    for name, entry in ENCODERS.items():
        what, words = f"encoder {name}", "" if entry.text else ", without words"
        try:
            need_packages(entry)
            encoder = load_encoder(name) if not entry.packages or entry.hub else None
        except EsparkError as error:
            state = f"{entry.description}{words}; not ready: {error.found if isinstance(error, InputError) else error}"
            found.append(Finding(what, state, good=None, advice=steps(entry)))
        else:
            state = f"{entry.description}{words}; weights: {entry.source}{_computed_in(encoder)}"
            found.append(Finding(what, state, good=True))
    return found


def _computed_in(encoder: Encoder | None) -> str:
    return "" if encoder is None else f"; computes in {encoder.precision} here"


def _segmenters() -> list[Finding]:
    """The embedded segmenter must load; the others are there when their package is."""
    from espark.ct.segmentation.load import load_segmenter

    found = []
    for name, entry in SEGMENTERS.items():
        if entry.package:
            there = importlib.util.find_spec(entry.package) is not None
            state = f"{'installed' if there else 'not installed'}: {entry.description}; weights {entry.source}"
            found.append(Finding(f"segmenter {name}", state))
            continue
        try:
            load_segmenter(name)
        except EsparkError as error:
            found.append(Finding(f"segmenter {name}", str(error), good=False, advice=entry.source))
        else:
            found.append(Finding(f"segmenter {name}", entry.description, good=True))
    return found


def _plugins() -> list[Finding]:
    """What installed packages add, and which of it cannot be used."""
    from espark.training.plugins import CATALOGUES

    found = []
    for kind, catalogue in CATALOGUES.items():
        for plugin, problem in catalogue.plugins():
            what = f"plug-in {kind} {plugin.name}"
            origin = f"{plugin.package} {plugin.version}".rstrip()
            if problem:
                advice = f"Correct or uninstall {plugin.package}."
                found.append(Finding(what, f"of {origin}; not usable: {problem}", good=False, advice=advice))
            else:
                found.append(Finding(what, f"of {origin}", good=True))
    return found
