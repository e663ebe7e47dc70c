"""The node: receives, decides, predicts and sends, and goes on where it was after it was killed."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from espark.errors import DicomError, Interrupted
from espark.node.case_queue import CaseQueue, QueuedCase
from espark.node.completeness import StudyContent, judge
from espark.node.inbox import Inbox
from espark.node.node_config import NodeConfig
from espark.node.outbox import Outbox, Send
from espark.node.peers.commitment import Commitments
from espark.node.prediction_process import Predict
from espark.node.receiver import receiving
from espark.node.safe_files import hash_of
from espark.node.watcher import Watcher
from espark.work.lock import held
from espark.workspace.manifest import now as time_in_words

log = logging.getLogger("espark.node")

_TICK_SECONDS = 1.0


class Node:
    """A node on its folder.

    Everything that it knows is in this folder, so that it can be killed at any moment.

    Args:
        config: ``node.toml``.
        predict: makes the results of a study.
        send: sends a file to a peer.
        clock: seconds since 1970.
    """

    def __init__(self, config: NodeConfig, predict: Predict, send: Send, clock: Callable[[], float] = time.time):
        self._config = config
        self._predict = predict
        self._send = send
        self._clock = clock
        # Images have names in their headers: nobody else may look into the folder.
        config.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.inbox = Inbox(config.folder / "incoming", config.limits.disk_gb * 1e9)
        self.cases = CaseQueue(config.folder / "cases")
        self.commitments = Commitments(config)
        self.outbox = Outbox(config.folder, config.delivery, self.commitments)
        self._reasons: dict[str, str] = {}
        self._settled: dict[str, float] = {}

    def run(self, stop: threading.Event, ready: Callable[[int], None] = lambda _: None) -> None:
        """Work until ``stop`` is set.

        Args:
            stop: ends the node after the step it is in.
            ready: called with the port when the node listens.

        Raises:
            StudyBusyError: when another node works on the folder.
        """
        with held(self._config.folder, "espark node", time_in_words()):
            self.recover()
            with (
                ThreadPoolExecutor(2, "espark-node") as pool,
                receiving(self._config, self.inbox, self.commitments) as port,
            ):
                watcher = Watcher(self._config, self.inbox)
                others = [
                    pool.submit(self._repeat, self.deliver, stop, _TICK_SECONDS),
                    pool.submit(self._repeat, watcher.look, stop, self._config.watch.seconds),
                ]
                for other in others:
                    # A node that cannot send must not go on as if all were well.
                    other.add_done_callback(lambda _: stop.set())
                try:
                    ready(port)
                    self._repeat(self._decide_and_predict, stop, _TICK_SECONDS)
                except Interrupted:
                    log.info("the prediction that ran was ended; it begins again when the node is started")
                finally:
                    stop.set()
                for other in others:
                    other.result()

    def recover(self) -> None:
        """Go on where a killed node was."""
        for part in self._config.folder.rglob(".partial-*"):
            part.unlink(missing_ok=True)
        self.cases.recover()
        for case in self.cases.closed():
            self.inbox.know(case.study, case.instances)
        for case in self.cases:
            if case.state == "predicted":
                self._pack(case)

    def decide(self) -> None:
        """Queue every study that is complete."""
        for study in self.inbox.studies():
            stamp = self.inbox.stamp(study)
            if self._settled.get(study) == stamp:
                continue
            content = StudyContent.read(self.inbox.folder / study)
            if content is None:
                continue
            verdict, reason = judge(content, self._config.complete, self._clock())
            if self._reasons.get(study) != reason:
                self._reasons[study] = reason
                log.info("study %s: %s (%s)", study, verdict, reason)
            if verdict == "complete":
                self._queue(study, reason)
            if verdict == "useless" and content.last < self._oldest():
                self.inbox.remove(study, dict.fromkeys(self.inbox.files(study), ""), remember=False)
                log.info("study %s: its images were removed from this machine, without a result", study)
            elif verdict == "complete":
                self._settled[study] = stamp

    def predict_next(self) -> bool:
        """Predict the next case; False when there is none."""
        case = self.cases.start()
        if case is None:
            return False
        # A folder for each start: the process of a node that was killed may still write to the one before.
        out = self._results(case)
        shutil.rmtree(out, ignore_errors=True)
        started = self._clock()
        try:
            self._predict(self.inbox.folder / case.study, out, case.study)
        except Interrupted:
            self.cases.put(replace(case, state="queued", starts=case.starts - 1))
            raise
        except DicomError as error:
            log.error("study %s: %s", case.study, error.found)
            self.cases.move(case, "failed", error.found)
            return True
        log.info("study %s: predicted in %.0f s", case.study, self._clock() - started)
        # In this order: a predicted case without parcels would count as delivered.
        self._pack(case)
        self.cases.move(case, "predicted")
        return True

    def deliver(self) -> None:
        """Send what is due."""
        for parcel in self.outbox.deliver(self._send, self._clock()):
            if parcel.state in ("sent", "confirming"):
                has = "has" if parcel.state == "sent" else "is asked to confirm that it keeps"
                log.info("study %s: %s %s %d objects", parcel.study, parcel.peer, has, len(parcel.files))
            else:
                log.warning("study %s: %s (attempt %d, %s)", parcel.study, parcel.error, parcel.attempts, parcel.state)
        self._close_delivered()

    def _oldest(self) -> float:
        """Images that came before this moment need not be kept any longer."""
        return self._clock() - self._config.limits.keep_hours * 3600

    def _decide_and_predict(self) -> None:
        # In one thread: images must not be removed while they are counted or predicted.
        self.remove_old()
        self.decide()
        while self.predict_next():
            self.decide()

    def _repeat(self, work: Callable[[], None], stop: threading.Event, seconds: float) -> None:
        while not stop.is_set():
            work()
            stop.wait(seconds)

    def _queue(self, study: str, reason: str) -> None:
        instances = {uid: hash_of(path) for uid, path in self.inbox.files(study).items()}
        if not self.cases.add(QueuedCase(study, instances, reason=reason)):
            log.info("study %s: the same images were worked before", study)

    def _results(self, case: QueuedCase) -> Path:
        """Results of the last start of a case."""
        return self._config.folder / "results" / case.key / str(case.starts)

    def _pack(self, case: QueuedCase) -> None:
        """A parcel for each peer. A case is delivered when all of them are sent."""
        root = self._config.folder
        files = [str(path.relative_to(root)) for path in sorted(self._results(case).glob("dicom/*.dcm"))]
        for peer in self._config.receivers:
            self.outbox.add(case.key, case.study, peer.name, files)

    def _close_delivered(self) -> None:
        states: dict[str, set[str]] = {}
        for parcel in self.outbox:
            states.setdefault(parcel.case, set()).add(parcel.state)
        for case in self.cases:
            if case.state == "predicted" and states.get(case.key, {"sent"}) == {"sent"}:
                self.cases.move(case, "delivered")

    def remove_old(self) -> None:
        """Remove images and results of studies that were delivered and whose last image came long enough ago."""
        cases = list(self.cases)
        busy = {case.study for case in cases if case.state != "delivered"}
        for case in (case for case in cases if case.study not in busy):
            folder = self.inbox.folder / case.study
            content = StudyContent.read(folder)
            if content is not None and content.last < self._oldest() and self.inbox.remove(case.study, case.instances):
                log.info("study %s: images and results were removed from this machine", case.study)
            if not folder.is_dir():
                self.inbox.know(case.study, case.instances)
                shutil.rmtree(self._results(case).parent, ignore_errors=True)
                self.outbox.forget(case.key)
                self.cases.close(case)
