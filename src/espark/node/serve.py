"""``espark node``: a node that runs until it is asked to stop."""

from __future__ import annotations

import logging
import signal
import threading

from espark.bundle.folder import load_bundle
from espark.errors import DicomError
from espark.node.node_config import NodeConfig
from espark.node.peers.senders import sender_of
from espark.node.prediction_process import prediction_by
from espark.node.running import Node

log = logging.getLogger("espark.node")


def serve(config: NodeConfig) -> None:
    """Run a node until SIGTERM or SIGINT.

    Raises:
        BundleError: when the model cannot be read.
        DicomError: when nobody may send, or the port is taken.
        StudyBusyError: when another node works on the folder.
    """
    load_bundle(config.model)
    if not config.senders:
        raise DicomError(
            "node.toml names no sender, so nobody could send images",
            action="Add a [[senders]] table with ae_title and host for each system that may send.",
        )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # Its messages may quote parts of headers.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    listener = config.listener
    predict = prediction_by(config.model, config.limits.predict_hours * 3600, stop)
    node = Node(config, predict, sender_of(config))
    try:
        node.run(stop, lambda port: log.info("%s listens on %s, port %d", listener.ae_title, listener.host, port))
    except OSError as error:
        raise DicomError(f"the node cannot listen or write ({error.strerror})", where=config.folder) from error
    log.info("the node has stopped")
