"""Deliveries on disk: for each case and peer, which files are still to be sent, and when it is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from espark.errors import DicomError
from espark.files import read_json
from espark.node.node_config import Delivery
from espark.node.safe_files import keep_json

ParcelState = Literal["waiting", "confirming", "sent", "dead"]


class Commitment(Protocol):
    """How peers are asked to confirm, as `espark.node.peers.commitment.Commitments`."""

    def ask(self, name: str, files: Sequence[Path]) -> str | None:
        """Ask the peer of this name to keep files; None when it need not confirm."""
        ...

    def failed(self, transaction: str) -> tuple[str, ...] | None:
        """Names of the files that it does not keep; None without an answer."""
        ...

    def forget(self, transaction: str) -> None:
        """Remove a transaction."""
        ...


@dataclass(frozen=True)
class Parcel:
    """The files of one case for one peer.

    Attributes:
        case: key of the case.
        study: StudyInstanceUID, for the log.
        peer: name of the peer.
        files: paths below the folder of the node.
        left: files that the peer has not acknowledged.
        state: a dead parcel is not tried again until a person asks for it; for one that is ``confirming``, the peer has
            all files, but has not yet confirmed that it keeps them.
        attempts: how often it was tried.
        due: when it is tried again, in seconds.
        error: what failed last.
        transaction: UID of the storage commitment that the peer was asked for.
    """

    case: str
    study: str
    peer: str
    files: tuple[str, ...]
    left: tuple[str, ...]
    state: ParcelState = "waiting"
    attempts: int = 0
    due: float = 0.0
    error: str = ""
    transaction: str = ""


Send = Callable[[str, Path], None]
"""Sends one file to the peer of this name; returns only when the peer has acknowledged it."""


class Outbox:
    """All deliveries of a node.

    Args:
        root: folder of the node.
        settings: when a peer is tried again.
        commitments: how peers confirm that they keep what they got; None when none has to.
    """

    def __init__(self, root: Path, settings: Delivery, commitments: Commitment | None = None):
        self._commitments = commitments
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
            tried = None
            if parcel.state == "waiting" and parcel.due <= now:
                tried = self._tried(parcel, send, now)
            elif parcel.state == "confirming":
                tried = self._confirmed(parcel, now)
            if tried is not None:
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
        return self._all_sent(replace(parcel, attempts=parcel.attempts + 1, error=""), now)

    def _all_sent(self, parcel: Parcel, now: float) -> Parcel:
        """Ask the peer to confirm, where it has to."""
        files = [self._root / name for name in parcel.files]
        try:
            transaction = None if self._commitments is None else self._commitments.ask(parcel.peer, files)
        except (DicomError, OSError) as error:
            return self._later(parcel, " ".join(str(error).split()), now)
        if transaction is None:
            return replace(parcel, state="sent")
        due = now + self._settings.commitment_seconds
        return replace(parcel, state="confirming", transaction=transaction, due=due)

    def _confirmed(self, parcel: Parcel, now: float) -> Parcel | None:
        """The parcel after the peer's report, or after it was waited for too long; None while it is waited for."""
        lost = None if self._commitments is None else self._commitments.failed(parcel.transaction)
        if lost is None and now < parcel.due:
            return None
        if self._commitments is not None:
            self._commitments.forget(parcel.transaction)
        if lost == ():
            return replace(parcel, state="sent", transaction="")
        again = tuple(name for name in parcel.files if Path(name).name in (lost or ()))
        error = "no report of storage commitment came" if lost is None else f"{len(lost)} objects are not kept there"
        return self._later(replace(parcel, left=again, transaction=""), f"{parcel.peer}: {error}", now)

    def _later(self, parcel: Parcel, error: str, now: float) -> Parcel:
        settings = self._settings
        attempts = parcel.attempts + 1
        wait = min(settings.first_wait_seconds * 2.0 ** min(attempts - 1, 30), settings.longest_wait_seconds)
        state: ParcelState = "dead" if attempts >= settings.attempts else "waiting"
        return replace(parcel, attempts=attempts, due=now + wait, error=error, state=state)
