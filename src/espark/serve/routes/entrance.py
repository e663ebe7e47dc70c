"""Coming in: the address that the command prints, or the password."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, Field

from espark.serve.security import Sessions
from espark.serve.workbench import OpenStudy, Visitor

router = APIRouter()

_REFUSED = (
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>espark – closed</title><h1>This address was used before"
    "</h1><p>An address opens the workbench once. Use the one that <code>espark serve</code> printed last.</p>"
)
# A page that leads on, rather than a redirect: a browser that comes from another program would not send the new cookie
# along with a redirect.
_COME_IN = (
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>espark</title>"
    '<link rel="icon" href="data:,"><meta http-equiv="refresh" content="0;url=/">'
    '<p><a href="/">Open the workbench</a></p>'
)
_PASSWORD = (
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>espark – password</title><h1>espark workbench</h1>{}"
    '<form method="post" action="/enter"><p><label>Password <input type="password" name="password" required '
    'autocomplete="current-password"></label> <button>Come in</button></p></form>'
)


@router.get("/enter")
def enter(request: Request, token: str = "") -> Response:
    """Exchange the token of the address for a session; with a password, ask for it."""
    sessions: Sessions = request.app.state.sessions
    if sessions.password is not None:
        return HTMLResponse(_PASSWORD.format(""))
    cookie = sessions.enter(token)
    return HTMLResponse(_REFUSED, 403) if cookie is None else _with_cookie(request, cookie)


@router.post("/enter")
def enter_by_password(request: Request, password: Annotated[str, Form(max_length=1000)]) -> Response:
    """Exchange the password for a session."""
    cookie = request.app.state.sessions.enter_by_password(password)
    if cookie is None:
        return HTMLResponse(_PASSWORD.format("<p role=alert>The password is wrong, or was wrong too often.</p>"), 403)
    return _with_cookie(request, cookie)


def _with_cookie(request: Request, cookie: str) -> Response:
    response = HTMLResponse(_COME_IN)
    secure = request.app.state.secure
    name = request.app.state.cookie
    response.set_cookie(name, cookie, httponly=True, samesite="strict", secure=secure, path="/")
    return response


@router.get("/")
def page() -> Response:
    """The page; everything else is fetched by its modules."""
    return HTMLResponse(files("espark.serve").joinpath("static", "index.html").read_text(encoding="utf-8"))


class Name(BaseModel):
    """Who works at this browser."""

    person: str = Field(max_length=80)


@router.get("/api/session")
def session(request: Request, visitor: Visitor) -> JSONResponse:
    """What this browser's requests must carry, who works here, and which viewers are missing."""
    viewers = request.app.state.missing_viewers
    return JSONResponse({"csrf": visitor.csrf, "person": visitor.person, "missing_viewers": viewers,
                         "reading": visitor.reading})  # fmt: skip


@router.put("/api/session")
def name_person(name: Name, visitor: Visitor, workbench: OpenStudy) -> JSONResponse:
    """Set who works at this browser; it is written beside everything the person changes."""
    visitor.person = " ".join(name.person.split())
    workbench.accounts.log(visitor.person, "gave a name")
    return JSONResponse({"person": visitor.person})
