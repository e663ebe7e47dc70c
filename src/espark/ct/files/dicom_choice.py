"""Which CT series of a folder is read, and when a person must choose."""

from __future__ import annotations

from pathlib import Path

from espark.ct.files.dicom_series import Series
from espark.ct.files.dicom_stack import Stack, stack_of
from espark.ct.files.origins import digits_only, several_persons
from espark.errors import ImageError
from espark.notes import Note

_MANY = 6
_NAME_ONE = "Name the series you mean as ct_series (--ct-series), or take the others out of the folder."


def named_series(path: Path, found: list[Series], name: str) -> tuple[Series, tuple[Note, ...]]:
    """The series with this SeriesInstanceUID, or otherwise with this number or description.

    Raises:
        ImageError: when no series or several series have it.
    """
    wanted = name.strip().lower()
    matches = [series for series in found if series.uid == name.strip()]
    matches = matches or [series for series in found if wanted in (series.number, series.description.lower())]
    if len(matches) != 1:
        raise ImageError(
            f"{len(matches)} CT series have the name {name}" if matches else f"there is no CT series {name}",
            where=path,
            # A description may contain anything, even names of persons. So messages show only numbers and UIDs.
            expected=f"one of: {_listed(matches or found)}",
            action="Name the series by its SeriesInstanceUID." if matches else "Correct the name of the series.",
            code="E-CT-017",
        )
    if len(found) == 1:
        return matches[0], ()
    notes = [Note("N-CT-002", f"Of {len(found)} CT series, {_label(matches[0], found)} was read, as requested.")]
    if _persons(found) > 1:
        notes.append(Note("D-CT-005", "The folder holds CTs of several patients; the named series was read."))
    return matches[0], tuple(notes)


def choose(path: Path, found: list[Series]) -> tuple[Stack, tuple[Note, ...]]:
    """The series that is most probably meant, and the reason.

    Raises:
        ImageError: when none is usable, or a person must choose.
    """
    if _persons(found) > 1:
        raise ImageError(
            f"there are CT series of several patients: {_listed(found)}",
            where=path,
            expected="the CT of one patient in each folder",
            action="Give each patient a separate folder. " + _NAME_ONE,
            code="E-CT-026",
        )
    stacks: list[Stack] = []
    failures: list[tuple[Series, ImageError]] = []
    for series in found:
        try:
            stacks.append(stack_of(path, series))
        except ImageError as error:
            failures.append((series, error))
    if not stacks:
        raise max(failures, key=lambda failure: failure[0].n_images)[1]
    chosen = max(stacks, key=_preference)
    _refuse_if_larger_is_broken(path, chosen, failures)
    return chosen, (*_visits(path, stacks), *_choice_notes(chosen, stacks, found), *_ties(chosen, stacks))


def _persons(found: list[Series]) -> int:
    return 2 if several_persons(header for series in found for _, header in series.headers) else 1


def _visits(path: Path, stacks: list[Stack]) -> tuple[Note, ...]:
    """Refuse studies of several dates. They may be from before and after treatment, and only a person can choose."""
    visits: dict[str, list[str]] = {}
    for stack in stacks:
        visits.setdefault(stack.series.date or "no date", []).append(
            digits_only(stack.series.number) or digits_only(stack.series.uid)
        )
    if len({stack.series.study for stack in stacks}) == 1:
        return ()
    listed = "; ".join(f"{date}: series {', '.join(numbers[:_MANY])}" for date, numbers in sorted(visits.items()))
    if len(visits) > 1:
        raise ImageError(
            f"there are CT series of several studies ({listed})",
            where=path,
            expected="the CT of one visit, before treatment",
            action=_NAME_ONE,
            code="E-CT-027",
        )
    return (Note("D-CT-006", f"The CT series belong to several studies with one date ({listed})."),)


def _ties(chosen: Stack, stacks: list[Stack]) -> tuple[Note, ...]:
    """A doubt about series that the rule cannot distinguish, such as two phases or two kernels."""
    equal = [stack.series.name for stack in stacks if _preference(stack)[:-1] == _preference(chosen)[:-1]]
    if len(equal) == 1:
        return ()
    text = f"{len(equal)} series fit equally well, as phases or kernels do ({'; '.join(equal[:_MANY])}); one was used."
    return (Note("D-CT-004", text),)


def _listed(found: list[Series]) -> str:
    more = f" and {len(found) - _MANY} more" if len(found) > _MANY else ""
    return "; ".join(series.name for series in found[:_MANY]) + more


def _preference(stack: Stack) -> tuple[bool, bool, int, int, str]:
    axial = abs(stack.normal[2]) > 0.8
    original = all(part.original for part in stack.slices)
    return original, axial, round(stack.length_mm / 10), len(stack.slices), stack.series.uid


def _refuse_if_larger_is_broken(path: Path, chosen: Stack, failures: list[tuple[Series, ImageError]]) -> None:
    """Refuse a broken series that is much larger than the best usable one: it was probably meant."""
    for series, error in failures:
        if series.n_images > 2 * len(chosen.slices):
            raise ImageError(
                f"the largest series cannot be used: {error.found}",
                where=path,
                expected=error.expected,
                action=f"Repair it, or name a different series by its UID, such as {chosen.text}.",
                code="E-CT-018",
            )


def _choice_notes(chosen: Stack, stacks: list[Stack], found: list[Series]) -> list[Note]:
    if len(found) == 1:
        return []
    unusable = len(found) - len(stacks)
    text = f"Of {len(found)} CT series, {_label(chosen.series, found)} was read ({len(chosen.slices)} slices)"
    if len(stacks) > 1:
        text += "; original comes before derived, axial before other planes, then the longest, then most slices"
    return [Note("N-CT-003", text + (f"; {unusable} without a usable volume." if unusable else "."))]


def _label(series: Series, found: list[Series]) -> str:
    """The name of a series for a reader: its number, if it is unique, otherwise its UID."""
    alone = digits_only(series.number) and [other.number for other in found].count(series.number) == 1
    return f"series {series.number}" if alone else f"series {digits_only(series.uid)}"
