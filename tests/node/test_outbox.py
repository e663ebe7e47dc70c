"""Deliveries: tried again with growing waits, dead at last, never sent twice."""

from __future__ import annotations

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


def test_a_case_gets_one_parcel_for_each_peer(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, SETTINGS)
    for name in ("one", "two", "one"):
        outbox.add("case", "1.2", name, ["a.dcm"])
    assert [parcel.peer for parcel in outbox] == ["one", "two"]
