"""The workbench as a web application: its state, its addresses, its gate."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from espark.serve.images.ct_planes import CtShelf
from espark.serve.images.slide_tiles import SlideShelf
from espark.serve.images.thumbnails import Thumbnails
from espark.serve.jobs import WorkerProcess
from espark.serve.routes import case_routes, entrance, image_routes, reading_routes, work_routes
from espark.serve.security import Gate, Sessions
from espark.serve.workbench import Workbench

_VIEWERS = {"openseadragon": "openseadragon.min.js"}


@dataclass(frozen=True)
class Door:
    """Under which names the workbench answers.

    Attributes:
        hosts: values of the Host header that name it.
        port: its port.
        secure: whether browsers reach it by TLS.
    """

    hosts: tuple[str, ...]
    port: int
    secure: bool = False

    @property
    def scheme(self) -> str:
        """Scheme of its address."""
        return "https" if self.secure else "http"

    @property
    def cookie(self) -> str:
        """Name of the session cookie."""
        return f"espark-{self.port}"


def workbench_app(workbench: Workbench, sessions: Sessions, worker: WorkerProcess, door: Door) -> FastAPI:
    """Everything together."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    cache = workbench.layout.workbench / "cache"
    app.state.workbench = workbench
    app.state.sessions = sessions
    app.state.worker = worker
    app.state.cookie = door.cookie
    app.state.secure = door.secure
    app.state.cts = CtShelf(cache / "ct")
    app.state.slides = SlideShelf()
    app.state.thumbnails = Thumbnails(cache / "thumbnails")
    app.state.missing_viewers = missing_viewers()
    # The addresses of images come first, because the last part of a case's address stands for its answer.
    for routes in (entrance, image_routes, work_routes, reading_routes, case_routes):
        app.include_router(routes.router)
    app.mount("/static", StaticFiles(directory=_static()), name="static")
    return app


def behind_gate(app: FastAPI, sessions: Sessions, door: Door) -> Gate:
    """The application as the network reaches it."""
    return Gate(app, sessions, door.hosts, door.cookie, door.scheme)


def _static() -> Path:
    return Path(str(files("espark.serve").joinpath("static")))


def missing_viewers() -> list[str]:
    """Viewers that are not in this installation."""
    return [name for name, file in _VIEWERS.items() if not (_static() / "vendor" / name / file).is_file()]
