"""A reader study: blinded cases in a drawn order, the reader's own probability before and after the model's answer."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlmodel import col, select

from espark.errors import InputError
from espark.serve.accounts import Accounts, ReaderStudy, Reading, now
from espark.statistics.auc import auc, paired_delong
from espark.statistics.estimate import Estimate

COLUMNS = (
    "study", "reader", "position", "patient_id", "truth", "before", "after", "seconds_before", "seconds_after",
)  # fmt: skip


def begin(accounts: Accounts, reader: str, patient_ids: Sequence[str], seed: int) -> ReaderStudy:
    """Draw the order of the cases for one reader.

    Args:
        accounts: the database.
        reader: who reads.
        patient_ids: the cases.
        seed: of the order; another reader gets another order by another seed.

    Raises:
        InputError: when there are no cases, or one is listed twice.
    """
    if not patient_ids or len(set(patient_ids)) < len(patient_ids):
        raise InputError("a reader study needs cases, each of them once")
    order = np.random.default_rng(seed).permutation(len(patient_ids))
    drawn = ReaderStudy(reader=reader, seed=seed, made_at=now(), cases=[patient_ids[index] for index in order])
    with accounts.session() as session:
        session.add(drawn)
        session.commit()
        session.refresh(drawn)
    return drawn


def studies(accounts: Accounts) -> list[ReaderStudy]:
    """Every reader study, the newest first."""
    with accounts.session() as session:
        return list(session.exec(select(ReaderStudy).order_by(col(ReaderStudy.id).desc())))


def study(accounts: Accounts, study_id: int) -> ReaderStudy:
    """A reader study by its number.

    Raises:
        InputError: when there is none.
    """
    with accounts.session() as session:
        found = session.get(ReaderStudy, study_id)
    if found is None:
        raise InputError("there is no such reader study")
    return found


def readings(accounts: Accounts, study_id: int | None = None) -> list[Reading]:
    """What was read, in the order in which it was read."""
    with accounts.session() as session:
        query = select(Reading).order_by(col(Reading.id))
        return list(session.exec(query if study_id is None else query.where(Reading.study_id == study_id)))


def state_json(accounts: Accounts, study_id: int) -> dict[str, Any]:
    """Where a reader is: the number of the next case, and whether the model's answer may be shown for it."""
    drawn, found = study(accounts, study_id), readings(accounts, study_id)
    open_reading = next((one for one in found if one.after is None), None)
    position = open_reading.position if open_reading else len(found)
    return {
        "id": study_id,
        "reader": drawn.reader,
        "total": len(drawn.cases),
        "position": position,
        "done": position >= len(drawn.cases),
        "before": open_reading.before if open_reading else None,
        "case": drawn.cases[position] if position < len(drawn.cases) else None,
    }


def read_before(accounts: Accounts, study_id: int, position: int, probability: float, seconds: float) -> None:
    """Keep the reader's probability before the model's answer is shown; it cannot be changed afterwards.

    Raises:
        InputError: when this is not the case whose turn it is.
    """
    state = state_json(accounts, study_id)
    if state["done"] or state["position"] != position or state["before"] is not None:
        raise InputError("it is not the turn of this case", action="Load the page again.")
    with accounts.session() as session:
        session.add(Reading(
            study_id=study_id, position=position, patient_id=state["case"], before=_checked(probability),
            seconds_before=seconds,
        ))  # fmt: skip
        session.commit()


def read_after(accounts: Accounts, study_id: int, position: int, probability: float, seconds: float) -> None:
    """Keep the reader's probability after the model's answer was shown.

    Raises:
        InputError: when the first probability is missing, or the second one is there already.
    """
    found = next((one for one in readings(accounts, study_id) if one.position == position), None)
    if found is None or found.after is not None:
        raise InputError("it is not the turn of this case", action="Load the page again.")
    with accounts.session() as session:
        found.after, found.seconds_after = _checked(probability), seconds
        session.add(found)
        session.commit()


def is_blinded(accounts: Accounts, study_id: int | None, patient_id: str) -> bool:
    """Whether a reader has not yet given the first probability for a case of the list that is being read.

    Args:
        accounts: the database.
        study_id: the list that the person reads now; None when no list is read.
        patient_id: whose case.
    """
    if study_id is None:
        return False
    state = state_json(accounts, study_id)
    first = state["position"] + (state["before"] is not None)
    return patient_id in study(accounts, study_id).cases[first:]


def is_being_read(accounts: Accounts, study_id: int | None, patient_id: str) -> bool:
    """Whether a case is in the list that is being read: its known outcome is hidden until the list is finished."""
    return study_id is not None and patient_id in study(accounts, study_id).cases


def _checked(probability: float) -> float:
    if not 0 <= probability <= 1:
        raise InputError("a probability is from 0 to 1")
    return probability


def as_csv(accounts: Accounts, truths: dict[str, int | None]) -> str:
    """One row for each reading, as programs for multi-reader analysis expect it.

    Args:
        accounts: the database.
        truths: by patient, the known outcome.
    """
    names = {drawn.id: drawn.reader for drawn in studies(accounts)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in readings(accounts):
        truth = truths.get(one.patient_id)
        writer.writerow([
            one.study_id, _plain(names.get(one.study_id, "")), one.position + 1, one.patient_id,
            "" if truth is None else truth, one.before, "" if one.after is None else one.after,
            round(one.seconds_before, 1), "" if one.seconds_after is None else round(one.seconds_after, 1),
        ])  # fmt: skip
    return text.getvalue()


def _plain(name: str) -> str:
    """A name that a spreadsheet does not take for a formula."""
    return f"'{name}" if name[:1] in "=+-@\t\r" else name


def results_json(accounts: Accounts, truths: dict[str, int | None]) -> list[dict[str, Any]]:
    """For each reader study that has readings: AUC before and after the model's answer, and their difference."""
    found = []
    for drawn in studies(accounts):
        own = [one for one in readings(accounts, drawn.id) if one.after is not None]
        known = [one for one in own if truths.get(one.patient_id) is not None]
        labels = [int(truths[one.patient_id] or 0) for one in known]
        entry: dict[str, Any] = {"id": drawn.id, "reader": drawn.reader, "read": len(own), "total": len(drawn.cases)}
        if len(set(labels)) == 2:
            before, after = [one.before for one in known], [float(one.after or 0) for one in known]
            difference = paired_delong(labels, after, before)
            entry |= {
                "before": _estimate(auc(labels, before)),
                "after": _estimate(auc(labels, after)),
                "difference": _number(difference.difference, difference.ci_low, difference.ci_high),
            }
        found.append(entry)
    return found


def _estimate(estimate: Estimate) -> dict[str, float | None] | None:
    return _number(estimate.value, estimate.ci_low, estimate.ci_high)


def _number(value: float, low: float, high: float) -> dict[str, float | None] | None:
    if not np.isfinite(value):
        return None
    known = bool(np.isfinite(low) and np.isfinite(high))
    return {"value": float(value), "low": float(low) if known else None, "high": float(high) if known else None}
