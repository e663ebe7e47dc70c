"""Who may use the workbench, and which requests it refuses.

The command prints an address with a token. The browser that opens it first gets a session cookie, and the token is
spent. A request must name this server in its Host header, come with the cookie and, when it changes something, with a
header that another site cannot send.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSRF_HEADER = "x-espark-csrf"
_SESSION_SECONDS = 12 * 3600
_SAFE = frozenset({"GET", "HEAD"})
_OPEN = ("/enter",)

_MEGABYTE = 1 << 20
_LIMITS = (("/api/uploads/", 8192 * _MEGABYTE), ("/api/cases/", 64 * _MEGABYTE))
_LIMIT = _MEGABYTE

# The one inline style that may stand in the page is empty: it keeps OpenSeadragon from writing one of its own.
_EMPTY = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {_EMPTY}; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_CLOSED = (
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>espark – closed</title>"
    "<h1>This browser has no session</h1><p>Open the address that <code>espark serve</code> printed last. "
    "An address opens the workbench once; after that, the command prints a new one.</p>"
)


@dataclass
class Session:
    """One browser that came in.

    Attributes:
        csrf: the value that a changing request must carry in its header.
        opened: when it came in, in seconds since 1970.
        person: the name or initials that the person gave; empty until then.
        reading: number of the list that the person reads now as a reader; None when no list is read.
    """

    csrf: str
    opened: float
    person: str = ""
    reading: int | None = None


@dataclass
class Sessions:
    """Entrance tokens, each of which counts once, and the sessions that they opened.

    Attributes:
        announce: called with each new token, so that its address can be printed.
        password: the password that opens a session instead of a token; None on this machine alone.
    """

    announce: Callable[[str], None]
    password: str | None = None
    _tokens: set[str] = field(default_factory=set)
    _sessions: dict[str, Session] = field(default_factory=dict)
    _failures: list[float] = field(default_factory=list)

    def offer(self) -> str:
        """A new token, announced."""
        token = secrets.token_urlsafe(32)
        self._tokens.add(_hashed(token))
        self.announce(token)
        return token

    def enter(self, token: str) -> str | None:
        """Exchange a token for the value of a session cookie; None when the token is unknown or spent."""
        known = _hashed(token)
        if self.password is not None or known not in self._tokens:
            return None
        self._tokens.remove(known)
        cookie = self._open()
        self.offer()
        return cookie

    def enter_by_password(self, password: str) -> str | None:
        """Exchange the password for the value of a session cookie; None when it is wrong, or was wrong too often."""
        now = time.time()
        self._failures = [moment for moment in self._failures if now - moment < 60]
        if self.password is None or len(self._failures) >= 5:
            return None
        if not hmac.compare_digest(_hashed(password), _hashed(self.password)):
            self._failures.append(now)
            return None
        return self._open()

    def of(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None when there is none, or it is older than twelve hours."""
        session = self._sessions.get(_hashed(cookie)) if cookie else None
        return session if session is not None and time.time() - session.opened < _SESSION_SECONDS else None

    def _open(self) -> str:
        cookie = secrets.token_urlsafe(32)
        self._sessions[_hashed(cookie)] = Session(secrets.token_urlsafe(32), time.time())
        return cookie


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Gate:
    """Lets a request through to the workbench, or refuses it (ASGI middleware).

    Args:
        app: the workbench.
        sessions: who may come in.
        hosts: values of the Host header that name this server.
        cookie: name of the session cookie; it holds the port, because cookies do not tell ports apart.
        origin: scheme of this server, ``http`` or ``https``.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, hosts: Iterable[str], cookie: str, scheme: str = "http"):
        self.app = app
        self.sessions = sessions
        self.hosts = frozenset(hosts)
        self.cookie = cookie
        self.scheme = scheme

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        sending = _with_headers(send)
        session = self.sessions.of(self._cookie_of(scope))
        refusal = self._refusal(scope, session)
        if refusal is not None:
            await refusal(scope, receive, sending)
            return
        scope.setdefault("state", {})["session"] = session
        await self.app(scope, _bounded(receive, _limit_of(scope["path"])), sending)

    def _cookie_of(self, scope: Scope) -> str | None:
        try:
            jar = SimpleCookie(Headers(scope=scope).get("cookie", ""))
        except CookieError:
            return None
        return jar[self.cookie].value if self.cookie in jar else None

    def _refusal(self, scope: Scope, session: Session | None) -> Response | None:
        headers, path = Headers(scope=scope), scope["path"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return _refused(421, "This server does not answer under that name.")
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and path != "/enter":
            return _refused(403, "The request comes from another site.")
        if not _is_plain(path):
            return _refused(404, "There is no such page.")
        if path in _OPEN:
            return self._foreign_origin(headers)
        if session is None:
            at_the_door = path == "/" and scope["method"] in _SAFE
            return HTMLResponse(_CLOSED, 401) if at_the_door else _refused(401, "This browser has no session.")
        if scope["method"] not in _SAFE:
            foreign = self._foreign_origin(headers)
            if foreign is not None:
                return foreign
            if not hmac.compare_digest(headers.get(CSRF_HEADER, "").encode(), session.csrf.encode()):
                return _refused(403, "The request does not carry this session's token.")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > _limit_of(path):
            return _refused(413, "The request is too large.")
        return None

    def _foreign_origin(self, headers: Headers) -> Response | None:
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"{self.scheme}://{host}" for host in self.hosts}:
            return _refused(403, "The request comes from another site.")
        return None


def _is_plain(path: str) -> bool:
    """Whether no part of a path climbs, hides or ends early."""
    return not ("\\" in path or "\0" in path or "//" in path or any(part in (".", "..") for part in path.split("/")))


def _limit_of(path: str) -> int:
    return next((limit for prefix, limit in _LIMITS if path.startswith(prefix)), _LIMIT)


def _refused(status: int, sentence: str) -> Response:
    return JSONResponse({"detail": sentence}, status)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                if name != "content-security-policy":
                    headers[name] = value
            headers.setdefault("content-security-policy", _POLICY)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending


def _bounded(receive: Receive, limit: int) -> Receive:
    """The body, cut off with an error as soon as it is longer than it may be."""
    received = 0

    async def receiving() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413, "The request is too large.")
        return message

    return receiving
