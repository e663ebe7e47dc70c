"""Start the workbench: the server, its worker, and the address that opens it."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from espark.errors import InputError
from espark.serve import uploads
from espark.serve.accounts import Accounts
from espark.serve.jobs import WorkerProcess
from espark.serve.security import Sessions
from espark.serve.warm import Warming
from espark.serve.web_app import Door, behind_gate, missing_viewers, workbench_app
from espark.serve.workbench import Workbench
from espark.workspace.opened import open_workspace

LOOPBACK = ("127.0.0.1", "localhost", "::1")
DEFAULT_PORT = 8470
_SHORTEST_PASSWORD = 12
_BACKLOG = 128


@dataclass(frozen=True)
class Listening:
    """Where the workbench listens, and who may come in.

    Attributes:
        host: address of this machine; anything but the loopback address needs a password and TLS.
        port: the port; 0 for any that is free.
        password_file: file with the password.
        certificate: TLS certificate in PEM.
        key: its private key.
        proxy: name under which a proxy that does TLS is reached; requests must name it.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    password_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    proxy: str | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK

    def password(self) -> str | None:
        """The password; None on this machine alone.

        Raises:
            InputError: when another machine could come in without a password or in the clear.
        """
        if self.password_file is None:
            if not self.is_loopback:
                raise InputError(
                    f"{self.host} can be reached from other machines",
                    where="--host",
                    expected="--password-file, and TLS by --certificate and --key or a proxy by --behind-proxy",
                    action="Leave --host out to use the workbench on this machine alone.",
                )
            return None
        if not self.is_loopback and self.proxy is None and (self.certificate is None or self.key is None):
            raise InputError(
                "the password would cross the network in the clear",
                where="--host",
                expected="TLS by --certificate and --key, or a proxy that does TLS by --behind-proxy NAME",
            )
        if not self.password_file.is_file():
            raise InputError("there is no such file", where=self.password_file, action="Write the password into it.")
        password = self.password_file.read_text(encoding="utf-8").strip()
        if len(password) < _SHORTEST_PASSWORD:
            raise InputError(f"the password is shorter than {_SHORTEST_PASSWORD} characters", where=self.password_file)
        return password

    def door(self, port: int) -> Door:
        """Under which names the workbench answers at a port."""
        names = [self.host] if not self.is_loopback else ["127.0.0.1", "localhost", "[::1]"]
        hosts = [f"{name}:{port}" for name in names]
        if self.proxy is not None:
            hosts.append(self.proxy.lower())
        return Door(tuple(hosts), port, secure=self.certificate is not None or self.proxy is not None)


def serve(
    study: Path, *, model: Path | None = None, listening: Listening, open_browser: bool, say: Callable[[str], None]
) -> None:
    """Serve a study until the command is stopped.

    Args:
        study: the study folder.
        model: folder of the model that answers; None for the study's own.
        listening: where it listens.
        open_browser: whether the browser of this machine is opened.
        say: prints a line for the person at the terminal.

    Raises:
        InputProblems: when the study cannot be opened.
        InputError: when it must not or cannot listen as asked.
    """
    password = listening.password()
    open_workspace(study)
    free = _socket(listening)
    door = listening.door(free.getsockname()[1])
    base = (
        f"{door.scheme}://{_named(listening)}:{door.port}" if listening.proxy is None else f"https://{listening.proxy}"
    )
    first = [True]

    def announce(token: str) -> None:
        address = f"{base}/enter?token={token}"
        say(f"Open this address: {address}" if first[0] else f"For another browser: {address}")
        if first[0] and open_browser:
            webbrowser.open(address)
        first[0] = False

    for name in missing_viewers():
        say(f"{name} is missing, so slides are not shown. Install espark from a wheel, or install npm and run "
            "`python hatch_build.py` in a working copy.")  # fmt: skip
    sessions = Sessions(announce, password)
    if password is None:
        sessions.offer()
    else:
        say(f"Open this address: {base}/enter")
    _run(study.resolve(), model, sessions, door, free, listening)


def _run(
    study: Path, model: Path | None, sessions: Sessions, door: Door, free: socket.socket, listening: Listening
) -> None:
    accounts = Accounts(study / "serve")
    uploads.remove_abandoned(study / "serve" / "uploads")
    workbench = Workbench(study, model, accounts)
    worker = WorkerProcess(study, model, accounts)
    app = workbench_app(workbench, sessions, worker, door)
    warming = Warming(workbench, app.state.cts, app.state.slides, app.state.thumbnails)
    config = uvicorn.Config(
        behind_gate(app, sessions, door),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=listening.certificate,
        ssl_keyfile=listening.key,
    )
    worker.start()
    warming.start()
    try:
        uvicorn.Server(config).run(sockets=[free])
    finally:
        warming.stop()
        worker.stop()
        accounts.close()


def _named(listening: Listening) -> str:
    return "[::1]" if listening.host == "::1" else listening.host


def _socket(listening: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    # With its protocol, so that asyncio sends small answers at once instead of waiting 40 ms for more.
    free = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        free.bind((listening.host, listening.port))
        # Before the address is printed, so that a browser that is fast has to wait but is not turned away.
        free.listen(_BACKLOG)
    except OSError as error:
        free.close()
        raise InputError(
            f"port {listening.port} cannot be used ({error.strerror})", where=listening.host,
            action="Choose another one with --port; 0 takes any that is free.",
        ) from error  # fmt: skip
    return free
