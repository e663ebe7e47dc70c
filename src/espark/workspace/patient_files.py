"""The files of one patient, of a cohort or new, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from espark.errors import InputError
from espark.pathology.resolution.plausible_mpp import implausible_mpp, is_plausible_mpp
from espark.types import REGIONS, Region


@dataclass(frozen=True, kw_only=True)
class PatientFiles:
    """The images of a patient, the regions on the CT, and how to read them. All of it may be absent.

    Attributes:
        ct: DICOM folder or volume file.
        slides: whole-slide images.
        slide_names: slides whose features were made elsewhere, by name; empty where none is named.
        esophagus_mask: mask file of the esophagus.
        tumor_mask: mask file of the tumor.
        rtstruct: DICOM RTSTRUCT or SEG that holds the regions instead.
        tumor_roi: name or number of the tumor, in its mask file where there is one, else in the RTSTRUCT.
        esophagus_roi: name or number of the esophagus, likewise.
        slide_mpp: micrometres per pixel, for slides whose files do not give it.
        ct_series: DICOM series to read where the CT's folder holds several: its UID, number or description.
        rejected_by: who rejected the regions of this CT in the workbench; empty where nobody did.
    """

    ct: Path | None = None
    slides: tuple[Path, ...] = ()
    slide_names: tuple[str, ...] = ()
    esophagus_mask: Path | None = None
    tumor_mask: Path | None = None
    rtstruct: Path | None = None
    tumor_roi: str | None = None
    esophagus_roi: str | None = None
    slide_mpp: float | None = None
    ct_series: str | None = None
    rejected_by: str = ""

    @property
    def named_slides(self) -> dict[str, Path]:
        """The slides by their names in the study: ``slide-1`` and so on, because a file may be named after a person."""
        return {f"slide-{number}": path for number, path in enumerate(self.slides, start=1)}

    @property
    def has_regions(self) -> bool:
        """Whether the user gives any region of the CT."""
        return any(path is not None for path in (self.esophagus_mask, self.tumor_mask, self.rtstruct))

    def mask(self, region: Region) -> Path | None:
        """Mask file of a region."""
        return self.tumor_mask if region == "tumor" else self.esophagus_mask

    def roi(self, region: Region) -> str | None:
        """Name or number of a region."""
        return self.tumor_roi if region == "tumor" else self.esophagus_roi

    def without_paths(self, text: str) -> str:
        """A text in which the given files and folders, and the files in them, are called by their fields."""
        for field, path in self.paths():
            for spelling in (path.absolute(), path):
                text = re.sub(rf"{re.escape(str(spelling))}[^'\"\n:;,()]*", f"({field})", text)
        return text

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Every file or folder that is given, with the name of its field; several slides share one."""
        for field in ("ct", "esophagus_mask", "tumor_mask", "rtstruct"):
            path: Path | None = getattr(self, field)
            if path is not None:
                yield field, path
        yield from (("slides", path) for path in self.slides)


def slide_number(name: str) -> str:
    """The number of a slide from its name in the study, as pages write it.

    Example:
        >>> slide_number("slide-2")
        '2'
    """
    return name.removeprefix("slide-")


def unusable_files(
    files: PatientFiles, *, root: Path = Path(), where: object = None, name: Callable[[str], str] = str
) -> Iterator[InputError]:
    """Files that do not exist, and a resolution that no slide can have.

    Args:
        files: what the user gives.
        root: folder from which relative paths start.
        where: the row or command in which it is given.
        name: from a field of `PatientFiles` to how the user calls it.
    """
    for field, path in files.paths():
        if not path.exists():
            shown = path.relative_to(root) if path.is_relative_to(root) else path
            yield InputError(
                f"'{name(field)}' names {shown}, which does not exist",
                where=where,
                expected=f"an absolute path, or one relative to {root.resolve()}",
            )
    if files.slide_mpp is not None and not is_plausible_mpp(files.slide_mpp):
        yield implausible_mpp(files.slide_mpp, name=name("slide_mpp"), where=where)


def contradictions(
    files: PatientFiles, *, masks_required: bool, where: object = None, name: Callable[[str], str] = str
) -> Iterator[InputError]:
    """Files of a patient that do not go together.

    Args:
        files: what the user gives.
        masks_required: whether a CT without a region cannot be used, because nothing segments it.
        where: the row or command in which it is given.
        name: from a field of `PatientFiles` to how the user calls it.
    """
    of_contours = [region for region in REGIONS if files.roi(region) and not files.mask(region)]
    if files.rtstruct and not of_contours:
        yield InputError(
            f"{name('rtstruct')} without the name of a contour",
            where=where,
            action=f"Give {name('tumor_roi')}, {name('esophagus_roi')} or both. Where a region has a mask file, the "
            "name means a label in that file.",
        )
    for region in of_contours if not files.rtstruct else []:
        yield InputError(
            f"{name(f'{region}_roi')} with neither {name(f'{region}_mask')} nor {name('rtstruct')}",
            where=where,
            action=f"Give {name(f'{region}_mask')} or {name('rtstruct')}.",
        )
    if masks_required and files.ct and not files.has_regions:
        yield InputError(
            "a CT without a region",
            where=where,
            expected=f"{name('esophagus_mask')}, {name('tumor_mask')} or {name('rtstruct')}",
            action="Outline the tumor, the esophagus or both: with the segmenter `masks`, nothing else finds them.",
        )
    if files.has_regions and not files.ct:
        yield InputError("a region without a CT", where=where, action=f"Give {name('ct')}.")
