"""Cases on disk, one JSON file each: what is to be predicted, what was, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from espark.files import digest, read_json
from espark.node.safe_files import keep_json

CaseState = Literal["queued", "predicting", "predicted", "delivered", "failed"]

_MOST_STARTS = 3
_CLOSED = "closed"


@dataclass(frozen=True)
class QueuedCase:
    """A study with the images that it had when it was complete.

    Attributes:
        study: StudyInstanceUID.
        instances: SHA-256 by SOPInstanceUID.
        state: where it is on its way.
        reason: why the study counted as complete; of a failed case, what failed.
        starts: how often its prediction was started.
    """

    study: str
    instances: Mapping[str, str]
    state: CaseState = "queued"
    reason: str = ""
    starts: int = 0

    @property
    def key(self) -> str:
        """The same for the same images: they are not worked twice."""
        return digest([self.study, dict(self.instances)])[:24]


class CaseQueue:
    """All cases of a node.

    Args:
        folder: ``cases`` of the node.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def __iter__(self) -> Iterator[QueuedCase]:
        for path in sorted(self.folder.glob("*.json")):
            stored: dict[str, Any] = read_json(path)
            yield QueuedCase(**stored)

    def closed(self) -> Iterator[QueuedCase]:
        """Cases whose images and results were removed."""
        return iter(CaseQueue(self.folder / _CLOSED))

    def close(self, case: QueuedCase) -> None:
        """Put a case aside; only its images' identifiers are still needed, to recognize copies."""
        CaseQueue(self.folder / _CLOSED).put(case)
        self._path(case).unlink()

    def put(self, case: QueuedCase) -> None:
        """Write a case."""
        keep_json(self._path(case), asdict(case))

    def add(self, case: QueuedCase) -> bool:
        """Add a case; False when the same images were queued before."""
        if self._path(case).exists() or CaseQueue(self.folder / _CLOSED)._path(case).exists():
            return False
        self.put(case)
        return True

    def move(self, case: QueuedCase, state: CaseState, reason: str | None = None) -> QueuedCase:
        """Change the state of a case."""
        moved = replace(case, state=state, reason=case.reason if reason is None else reason)
        self.put(moved)
        return moved

    def start(self) -> QueuedCase | None:
        """The next case to predict, marked as started; None when there is none."""
        case = next((case for case in self if case.state == "queued"), None)
        if case is None:
            return None
        started = replace(case, state="predicting", starts=case.starts + 1)
        self.put(started)
        return started

    def recover(self) -> None:
        """Queue the cases again that were predicted when the node was killed; fail those that were killed often."""
        for case in self:
            if case.state == "predicting":
                often = case.starts >= _MOST_STARTS
                reason = f"the node ended {case.starts} times while it predicted this case" if often else None
                self.move(case, "failed" if often else "queued", reason)

    def _path(self, case: QueuedCase) -> Path:
        return self.folder / f"{case.key}.json"
