"""Positions of the parts of the probability bar."""

from __future__ import annotations

from dataclasses import dataclass

from espark.report.patient_content import PatientReport
from espark.wording import percent

_LEFT, _RIGHT = 10.0, 670.0
_LABEL_MARGIN = 70.0
_LETTER = 6.0  # mean width of a letter in the name of a zone
_TICK_TEXT = 22.0


@dataclass(frozen=True)
class ProbabilityBar:
    """Horizontal positions, in the picture's units, on a bar from 0 to 100 %.

    Attributes:
        left: 0 %.
        right: 100 %.
        mean: the probability.
        low: probability − SD, not below 0 %.
        high: probability + SD, not above 100 %.
        threshold: the threshold.
        members: the probability of each model; empty for a single model.
        ticks: (place, text) of the axis; no text where the line of the threshold would cross it.
    """

    left: float
    right: float
    mean: float
    low: float
    high: float
    threshold: float
    members: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...]

    def zone_name(self, start: float, end: float, name: str) -> tuple[float, str] | None:
        """Where to write the name of the zone from ``start`` to ``end``, away from the mean; None without room.

        Returns:
            its place and text anchor.
        """
        room = 12 + _LETTER * len(name)
        if end - start > room and not start <= self.mean <= start + room:
            return start + 6, "start"
        if end - start > room and not end - room <= self.mean <= end:
            return end - 6, "end"
        return None

    @staticmethod
    def anchor(place: float) -> str:
        """The text anchor that keeps a label at ``place`` inside the picture."""
        if place < _LEFT + _LABEL_MARGIN:
            return "start"
        return "end" if place > _RIGHT - _LABEL_MARGIN else "middle"


def probability_bar(report: PatientReport) -> ProbabilityBar:
    """The bar of one patient."""
    mean, sd, threshold = report.probability, report.probability_sd, _place(report.threshold)
    ticks = [(_place(share / 100), percent(share / 100)) for share in (0, 25, 50, 75, 100)]
    return ProbabilityBar(
        left=_LEFT,
        right=_RIGHT,
        mean=_place(mean),
        low=_place(mean - sd),
        high=_place(mean + sd),
        threshold=threshold,
        members=tuple(_place(member) for member in report.members if len(report.members) > 1),
        ticks=tuple((place, "" if abs(place - threshold) < _TICK_TEXT else text) for place, text in ticks),
    )


def _place(share: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * min(max(share, 0.0), 1.0), 1)
