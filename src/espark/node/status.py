"""What a node has done and what waits, from its folder; nothing here names a patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from espark.node.case_queue import CaseQueue
from espark.node.node_config import NodeConfig
from espark.node.outbox import Outbox


def status_lines(config: NodeConfig) -> Iterator[str]:
    """Counts of cases and parcels, then every failed case and every parcel that is late or dead."""
    queue, parcels = CaseQueue(config.folder / "cases"), list(Outbox(config.folder, config.delivery))
    cases = [*queue, *queue.closed()]
    for title, states in (("cases", [case.state for case in cases]), ("parcels", [parcel.state for parcel in parcels])):
        counts = ", ".join(f"{count} {state}" for state, count in sorted(Counter(states).items()))
        yield f"{title}: {counts or 'none'}"
    for case in cases:
        if case.state == "failed":
            yield f"failed: study {case.study}: {case.reason}"
    for parcel in parcels:
        if parcel.state == "dead" or parcel.error:
            tried = f"{parcel.attempts} attempts, {len(parcel.left)} of {len(parcel.files)} objects left"
            yield f"{parcel.state}: study {parcel.study} for {parcel.peer}: {tried}: {parcel.error}"


def retry(config: NodeConfig) -> int:
    """Queue failed cases and dead parcels again; returns how many there are.

    The node may be running: it touches neither failed cases nor dead parcels, and takes them up once they are queued.
    """
    queue = CaseQueue(config.folder / "cases")
    failed = [case for case in queue if case.state == "failed"]
    for case in failed:
        queue.put(replace(case, state="queued", starts=0))
    return len(failed) + Outbox(config.folder, config.delivery).revive()
