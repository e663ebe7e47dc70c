"""Looks for new CT series and slides at DICOMweb peers, and gets them into the inbox."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, timedelta

from espark.errors import DicomError
from espark.files import read_json
from espark.node.inbox import Inbox
from espark.node.node_config import NodeConfig, Peer
from espark.node.peers.retrieval import get_series, recent_studies, series_of
from espark.node.safe_files import keep_json

log = logging.getLogger("espark.node")


class Watcher:
    """Remembers on disk which series it got, and with how many instances.

    Args:
        config: ``node.toml``.
        inbox: where images go.
        today: the present day.
    """

    def __init__(self, config: NodeConfig, inbox: Inbox, today: Callable[[], date] = date.today):
        self._config = config
        self._inbox = inbox
        self._today = today
        self._path = config.folder / "watched.json"
        self._known: dict[str, int] = read_json(self._path) if self._path.exists() else {}

    def look(self) -> None:
        """Ask every watched peer once. A peer that does not answer is asked again next time."""
        for peer in self._config.peers:
            if peer.watch:
                try:
                    self._look_at(peer)
                except (DicomError, OSError) as error:
                    log.warning("%s", error)

    def _look_at(self, peer: Peer) -> None:
        for study in recent_studies(peer, self._today() - timedelta(days=self._config.watch.days)):
            for series, count in series_of(peer, study).items():
                if self._known.get(series) != count:
                    get_series(peer, study, series, self._inbox)
                    self._known[series] = count
                    keep_json(self._path, self._known)
                    log.info("study %s: got a series with %d instances from %s", study, count, peer.name)
