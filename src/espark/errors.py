"""Typed errors. Each names the problem, its place, the expected value and the next step."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from typing import Self


class EsparkError(Exception):
    """Base of every error that espark raises on purpose.

    Attributes:
        exit_code: exit code of the command that meets this error.
        code: key in ``espark.codes.CODES``; empty where the error has none.
    """

    exit_code = 2
    code = ""


class InputError(EsparkError):
    """An input of the user cannot be used.

    Args:
        found: what is wrong, in one sentence.
        where: file, row, column or item in which it was found.
        expected: what would be right.
        action: what the user can do next.
        code: key in ``espark.codes.CODES``.

    Example:
        >>> print(InputError("the mask is empty", where="p1.nii.gz", action="Draw the region again."))
        p1.nii.gz: the mask is empty. Draw the region again.
    """

    def __init__(
        self,
        found: str,
        *,
        where: object = None,
        expected: str | None = None,
        action: str | None = None,
        code: str = "",
    ):
        self.found = found
        self.where = None if where is None else str(where)
        self.expected = expected
        self.action = action
        self.code = code
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        head = f"{self.where}: {self.found}" if self.where else self.found
        parts = [head.rstrip(".") + "."]
        if self.expected:
            parts.append(f"Expected: {self.expected.rstrip('.')}.")
        if self.action:
            parts.append(self.action)
        if self.code:
            parts.append(f"[{self.code}]")
        return " ".join(parts)

    @property
    def finding(self) -> str:
        """What is wrong, without the place and without what was expected, which may quote file names and headers."""
        return f"{self.found.rstrip('.')}." + (f" [{self.code}]" if self.code else "")

    def at(self, where: object) -> Self:
        """The same error with a different place."""
        return type(self)(self.found, where=where, expected=self.expected, action=self.action, code=self.code)

    def but(self, found: str) -> Self:
        """The same error with another sentence on what was found."""
        return type(self)(found, where=self.where, expected=self.expected, action=self.action, code=self.code)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.found, self.where, self.expected, self.action, self.code)


def _rebuild(
    kind: type[InputError], found: str, where: str | None, expected: str | None, action: str | None, code: str
) -> InputError:
    return kind(found, where=where, expected=expected, action=action, code=code)


class ConfigError(InputError):
    """``study.toml`` holds something that cannot be used."""


class TableError(InputError):
    """A table cannot be read, or holds something that cannot be used."""


class CohortError(InputError):
    """``cohort.csv`` holds something that cannot be used."""


class ImageError(InputError):
    """A CT or its geometry cannot be used."""


class RegionError(InputError):
    """A mask or contour cannot be used."""


class SegmenterError(InputError):
    """A segmenter, its weights or its software cannot be used."""


class SlideError(InputError):
    """A slide cannot be used."""


class EncoderError(InputError):
    """An encoder, its weights or a prompt cannot be used."""


class FeatureError(InputError):
    """Radiomic or tile features cannot be computed or read."""


class BundleError(InputError):
    """A saved model cannot be read."""


class ReportError(InputError):
    """A report cannot be written in the requested form, or not as described in its manifest."""


class DicomError(InputError):
    """DICOM objects cannot be written, received, fetched or sent."""


class ExportError(InputError):
    """Results cannot be written in the form of another program."""


class DeidentifyError(InputError):
    """Images cannot be de-identified, or the key table cannot be used."""


class PluginError(InputError):
    """An aggregator, fusion, encoder, segmenter or CT model from outside espark cannot be used, or failed.

    Its place is the part and its package.
    """

    @property
    def finding(self) -> str:
        """What is wrong, with the name of the part and its package."""
        return f"{self.where}: {super().finding}" if self.where else super().finding


class DeviceError(InputError):
    """The device for the computation does not exist on this machine."""


class MissingStepError(InputError):
    """A step was started before a step that it needs."""


class EstimatorError(InputError, ValueError):
    """An input of an estimator cannot be used. It is also a ``ValueError``, as scikit-learn expects."""


class WorkerLostError(InputError):
    """The system or a person killed a worker process, and its work is lost."""


class StudyBusyError(InputError):
    """Another process is working on the study."""


class WriteError(InputError):
    """The disk is full, or nothing may be written there. No item is to blame, so the whole step stops."""


class Interrupted(BaseException):
    """The user or the system asked the command to stop.

    It is not an ``Exception``, so no step treats it as a failed item.

    Args:
        number: number of the signal.

    Attributes:
        step: the step that was stopped; empty when none had begun.
        progress: how far its work was, such as ``train folds: 3/10``; empty when nothing was counted.
    """

    def __init__(self, number: int):
        self.number = number
        self.step = self.progress = ""
        super().__init__(signal.Signals(number).name)

    @property
    def exit_code(self) -> int:
        """What a shell expects of a command that a signal ended: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.number


class InputProblems(EsparkError):
    """Everything that is wrong with the inputs, at once.

    Args:
        problems: at least one error, in the order in which a reader should fix them.
    """

    def __init__(self, problems: Iterable[InputError]):
        self.problems = list(problems)
        if not self.problems:
            raise ValueError("InputProblems needs at least one problem")
        noun = "problem" if len(self.problems) == 1 else "problems"
        lines = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(self.problems, start=1))
        super().__init__(f"{len(self.problems)} {noun} found:\n{lines}")

    def __reduce__(self) -> tuple[object, ...]:
        return InputProblems, (self.problems,)


def what_went_wrong(problem: BaseException) -> str:
    """An error in one line that may be shared: without the place, which may be named after a patient.

    Example:
        >>> what_went_wrong(InputError("the file is cut off", where="/data/Smith/ct.nii.gz", code="E-CT-024"))
        'the file is cut off. [E-CT-024]'

    Raises:
        WriteError: when that is what it is. A full disk is not the fault of an item.
    """
    if isinstance(problem, WriteError):
        raise problem
    if isinstance(problem, InputProblems):
        found = " ".join(map(what_went_wrong, problem.problems))
    elif isinstance(problem, InputError):
        found = problem.finding
    elif isinstance(problem, OSError):
        found = problem.strerror or ""
    else:
        found = str(problem)
    return " ".join(found.split()) or type(problem).__name__


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most similar to ``word``, or None when no word is close.

    Example:
        >>> nearest("tumour_mask", ["tumor_mask", "center"])
        'tumor_mask'
    """
    import difflib

    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
