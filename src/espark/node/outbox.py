"""Deliveries on disk: for each case and peer, which files are still to be sent, and when it is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from espark.errors import DicomError
from espark.files import read_json
from espark.node.node_config import Delivery
from espark.node.safe_files import keep_json


@dataclass(frozen=True)
class Parcel:
    """The files of one case for one peer.

    Attributes:
        case: key of the case.
        study: StudyInstanceUID, for the log.
        peer: name of the peer.
        files: paths below the folder of the node.
        left: files that the peer has not acknowledged.
        state: a dead parcel is not tried again until a person asks for it.
        attempts: how often it was tried.
        due: when it is tried again, in seconds.
        error: what failed last.
    """

    case: str
    study: str
    peer: str
    files: tuple[str, ...]
    left: tuple[str, ...]
    state: Literal["waiting", "sent", "dead"] = "waiting"
    attempts: int = 0
    due: float = 0.0
    error: str = ""


Send = Callable[[str, Path], None]
"""Sends one file to the peer of this name; returns only when the peer has acknowledged it."""


class Outbox:
    """All deliveries of a node.

    Args:
        root: folder of the node.
        settings: when a peer is tried again.
    """

    def __init__(self, root: Path, settings: Delivery):
        self._root = root
        self._folder = root / "outbox"
        self._settings = settings

    def __iter__(self) -> Iterator[Parcel]:
        for path in sorted(self._folder.glob("*.json")):
            stored: dict[str, Any] = read_json(path)
            yield Parcel(**stored | {"files": tuple(stored["files"]), "left": tuple(stored["left"])})

    def put(self, parcel: Parcel) -> None:
        """Write a parcel."""
        keep_json(self._folder / f"{parcel.case}--{parcel.peer}.json", asdict(parcel))

    def add(self, case: str, study: str, peer: str, files: Sequence[str]) -> None:
        """Add a parcel, unless there is one already."""
        if not (self._folder / f"{case}--{peer}.json").exists():
            self.put(Parcel(case, study, peer, tuple(files), tuple(files)))

    def deliver(self, send: Send, now: float) -> Iterator[Parcel]:
        """Try every parcel that is due. After each acknowledged file the parcel is written, so none is sent twice
        except the one that was on its way when the node was killed.

        Yields:
            Parcels that were tried, as they are now.
        """
        for parcel in self:
            if parcel.state == "waiting" and parcel.due <= now:
                tried = self._tried(parcel, send, now)
                self.put(tried)
                yield tried

    def forget(self, case: str) -> None:
        """Remove the parcels of a case."""
        for path in self._folder.glob(f"{case}--*.json"):
            path.unlink()

    def revive(self) -> int:
        """Try dead parcels again; returns how many there are."""
        dead = [parcel for parcel in self if parcel.state == "dead"]
        for parcel in dead:
            self.put(replace(parcel, state="waiting", attempts=0, due=0.0))
        return len(dead)

    def _tried(self, parcel: Parcel, send: Send, now: float) -> Parcel:
        for name in parcel.left:
            try:
                send(parcel.peer, self._root / name)
            except (DicomError, OSError) as error:
                return self._later(parcel, " ".join(str(error).split()), now)
            parcel = replace(parcel, left=tuple(other for other in parcel.left if other != name))
            self.put(parcel)
        return replace(parcel, state="sent", attempts=parcel.attempts + 1, error="")

    def _later(self, parcel: Parcel, error: str, now: float) -> Parcel:
        settings = self._settings
        attempts = parcel.attempts + 1
        wait = min(settings.first_wait_seconds * 2.0 ** min(attempts - 1, 30), settings.longest_wait_seconds)
        state: Literal["waiting", "dead"] = "dead" if attempts >= settings.attempts else "waiting"
        return replace(parcel, attempts=attempts, due=now + wait, error=error, state=state)
