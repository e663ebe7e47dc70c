"""Deliveries: tried again with growing waits, dead at last, never sent twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from espark.errors import DicomError
from espark.node.node_config import Delivery
from espark.node.outbox import Outbox

SETTINGS = Delivery(first_wait_seconds=10, longest_wait_seconds=40, attempts=5)


class Peer:
    """Takes files while it is there."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.there = True

    def send(self, _: str, path: Path) -> None:
        if not self.there:
            raise DicomError("away")
        self.got.append(path.name)


def test_waits_double_up_to_the_longest_and_the_parcel_dies_at_last(tmp_path: Path) -> None:
    peer, outbox = Peer(), Outbox(tmp_path, SETTINGS)
    peer.there = False
    outbox.add("case", "1.2", "archive", ["a.dcm"])
    now, waits = 0.0, []
    while True:
        (tried,) = outbox.deliver(peer.send, now)
        if tried.state == "dead":
            break
        waits.append(tried.due - now)
        assert list(outbox.deliver(peer.send, tried.due - 0.1)) == []
        now = tried.due
    assert waits == [10, 20, 40, 40]
    peer.there = True
    assert list(outbox.deliver(peer.send, now + 1e9)) == []
    assert outbox.revive() == 1
    assert [parcel.state for parcel in outbox.deliver(peer.send, now)] == ["sent"]
    assert peer.got == ["a.dcm"]


def test_only_what_is_left_is_sent_again(tmp_path: Path) -> None:
    peer, outbox = Peer(), Outbox(tmp_path, SETTINGS)
    outbox.add("case", "1.2", "archive", ["a.dcm", "b.dcm", "c.dcm"])

    def leaves_after_the_first(name: str, path: Path) -> None:
        peer.there = not peer.got
        peer.send(name, path)

    (tried,) = outbox.deliver(leaves_after_the_first, 0)
    assert tried.left == ("b.dcm", "c.dcm")
    peer.there = True
    list(Outbox(tmp_path, SETTINGS).deliver(peer.send, tried.due))  # as after a restart
    assert peer.got == ["a.dcm", "b.dcm", "c.dcm"]


def test_a_kill_in_the_middle_repeats_at_most_one_file(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    peer = Peer()

    def killed_after_the_second(name: str, path: Path) -> None:
        peer.send(name, path)
        if len(peer.got) == 2:
            raise Killed

    outbox = Outbox(tmp_path, SETTINGS)
    outbox.add("case", "1.2", "archive", ["a.dcm", "b.dcm", "c.dcm"])
    with pytest.raises(Killed):
        list(outbox.deliver(killed_after_the_second, 0))
    list(Outbox(tmp_path, SETTINGS).deliver(peer.send, 0))
    assert peer.got == ["a.dcm", "b.dcm", "b.dcm", "c.dcm"]


class Keeper:
    """A peer that answers requests for storage commitment."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.answer: tuple[str, ...] | None = None

    def ask(self, _: str, files: Sequence[Path]) -> str:
        self.asked.append([file.name for file in files])
        return f"1.2.{len(self.asked)}"

    def failed(self, _: str) -> tuple[str, ...] | None:
        return self.answer

    def forget(self, _: str) -> None:
        self.answer = None


def test_a_parcel_is_sent_only_when_the_peer_confirms_that_it_keeps_it(tmp_path: Path) -> None:
    peer, keeper = Peer(), Keeper()
    outbox = Outbox(tmp_path, SETTINGS, keeper)
    outbox.add("case", "1.2", "archive", ["x/a.dcm", "x/b.dcm"])
    (tried,) = outbox.deliver(peer.send, 0)
    assert tried.state == "confirming" and keeper.asked == [["a.dcm", "b.dcm"]]
    assert list(outbox.deliver(peer.send, 100)) == []  # no report yet
    (late,) = outbox.deliver(peer.send, SETTINGS.commitment_seconds + 1)
    assert late.state == "waiting" and "no report" in late.error
    (again,) = outbox.deliver(peer.send, late.due)
    assert again.state == "confirming" and peer.got == ["a.dcm", "b.dcm"]  # asked again, not sent again
    keeper.answer = ("b.dcm",)
    (lost,) = outbox.deliver(peer.send, late.due + 1)
    assert lost.left == ("x/b.dcm",) and "1 objects are not kept" in lost.error
    (sent,) = outbox.deliver(peer.send, lost.due)
    assert peer.got == ["a.dcm", "b.dcm", "b.dcm"] and sent.state == "confirming"
    keeper.answer = ()
    assert [parcel.state for parcel in outbox.deliver(peer.send, lost.due + 1)] == ["sent"]


def test_a_case_gets_one_parcel_for_each_peer(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, SETTINGS)
    for name in ("one", "two", "one"):
        outbox.add("case", "1.2", name, ["a.dcm"])
    assert [parcel.peer for parcel in outbox] == ["one", "two"]
