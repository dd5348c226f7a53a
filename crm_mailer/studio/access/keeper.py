"""Stands before every page: who asks, from where, by which page of ours; deny by default."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crm_mailer.app.staff import Caller
from crm_mailer.i18n import say
from crm_mailer.model.sentence import Sentence
from crm_mailer.studio.access.door import Door, Guest
from crm_mailer.studio.desk import (
    LARGEST_FORM,
    SPOKEN,
    Visitor,
    as_json,
    is_own_path,
    parse_form,
)
from crm_mailer.web import limits

#: What a browser holds: who it is, and which language it wants. By https they are named so that
#: no other site of the same domain can set them.
COOKIE, TONGUE = "crm_mailer_studio", "crm_mailer_tongue"
#: Letters of a session.
HELD = 43
#: What a stranger may ask for.
FOR_STRANGERS = frozenset({"/login"})
ASSETS = "/assets/"
#: What a proxy tells of those for whom it asks.
OF_PROXIES = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
)  # fmt: skip
#: Seconds in which a form must be here.
PATIENCE = 10.0
NOBODY_YET = Sentence(
    "Nobody has a password yet, and this request comes from elsewhere. "
    "First add a user on the studio's machine: crm-mailer studio user add NAME --role admin"
)
#: A page without anything, nor an icon that a browser would ask for.
EMPTY = '<!doctype html><title></title><link rel="icon" href="data:,">'
YEAR = 365 * 24 * 3600
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
HSTS = f"max-age={YEAR}"


class Doorkeeper:
    """Lets in whom the door knows, and sets the headers of safety."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(self._door, Request(scope, receive))
        refusal = await visit.refusal()
        if refusal is not None:
            await refusal(scope, receive, visit.safely(send))
            return
        scope["state"] = {**scope.get("state", {}), **visit.state()._state}
        again = visit.body is not None
        await self._app(
            scope, limits.again(visit.body or b"") if again else receive, visit.safely(send)
        )


class _Visit:
    """One request, from the door to the answer's headers."""

    def __init__(self, door: Door, request: Request) -> None:
        self._door = door
        self._request = request
        self._is_safe_line = request.url.scheme == "https" or door.app.settings.studio.https
        held = request.cookies
        self._cookies: dict[str, tuple[str, int | None]] = {}
        self._keeps_to_itself = False
        session = held.get(self._named(COOKIE), "")
        if len(session) != HELD or not session.isascii():
            session = secrets.token_urlsafe(32)
            # a browser keeps its session to itself where another site's link led here: what it
            # is told to hold now would take that session's place
            self._keeps_to_itself = _is_from_elsewhere(request)
            if not self._keeps_to_itself:
                self.hold(session)
        tongue = request.query_params.get("ui", "")
        if tongue in SPOKEN:
            self._cookies[TONGUE] = (tongue, YEAR)
        else:
            tongue = held.get(self._named(TONGUE), "")
        self.guest = Guest(session=session, language=tongue, caller=_caller(request))
        self.body: bytes | None = None
        self._visitor: Visitor | None = None

    def hold(self, session: str) -> None:
        """Have the browser hold this from now on."""
        self._cookies[COOKIE] = (session, None)

    async def refusal(self) -> Response | None:
        """What is answered instead of a page; None where the request may go on."""
        request = self._request
        if request.method not in ("GET", "HEAD", "POST"):
            return self._plain(Sentence("Not allowed."), 405, {"allow": "GET, HEAD, POST"})
        if not await run_in_threadpool(self._door.admits, request.headers.get("host", "")):
            return self._plain(Sentence("This page is for this machine only."), 403)
        if not _is_of_ours(request):
            return self._plain(Sentence("This page is not to be used by another site."), 403)
        if _is_forwarded(request) and await run_in_threadpool(self._door.stands_open):
            return self._plain(NOBODY_YET, 403)
        if self._keeps_to_itself:
            return _once_more(request)
        if request.method == "POST" and (unfit := await self._unfit()) is not None:
            return unfit
        if request.url.path.startswith(ASSETS):
            self._visitor = self._door.stranger(self.guest)
            return None
        self._visitor = await run_in_threadpool(self._door.visitor, self.guest)
        if self._visitor is not None:
            return None
        if request.url.path not in FOR_STRANGERS:
            return _to_login(request)
        self._visitor = self._door.stranger(self.guest)
        return None

    def _plain(
        self, said: Sentence, status: int, headers: dict[str, str] | None = None
    ) -> Response:
        """An answer to what no page of ours can have asked, in the reader's language."""
        told = say(said, self.guest.language if self.guest.language in SPOKEN else "")
        return PlainTextResponse(told, status, headers)

    async def _unfit(self) -> Response | None:
        """What is answered to a form that no page of ours can have sent."""
        request = self._request
        if not _is_own_origin(request):
            return self._plain(Sentence("The form is not ours."), 403)
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > LARGEST_FORM:
            return self._plain(Sentence("The form is too large."), 413)
        try:
            self.body = await limits.read_body(request.receive, LARGEST_FORM, PATIENCE)
            form = parse_form(self.body)
        except limits.TooLarge:
            return self._plain(Sentence("The form is too large."), 413)
        except limits.TooSlow:
            return self._plain(Sentence("The form did not come in time."), 408)
        except ValueError:
            return self._plain(Sentence("This is no form."), 400)
        own = self._door.csrf(self.guest.session)
        if not hmac.compare_digest(form.get("csrf", "").encode(), own.encode()):
            return self._plain(Sentence("Please load the page again."), 403)
        return None

    def state(self) -> State:
        """What the pages are given."""
        state, door, guest, visitor = State(), self._door, self.guest, self._visitor
        assert visitor is not None
        path = self._request.url.path
        state.visitor, state.guest, state.hold = visitor, guest, self.hold
        state.heard = lambda: door.heard(guest.session)
        state.tell = lambda said, is_trouble=False: door.tell(
            guest.session, said, is_trouble=is_trouble
        )
        state.note = lambda what, said="": door.note(
            what, visitor.name, path, said, guest.caller.address
        )
        return state

    def safely(self, send: Send) -> Send:
        """Sends with the headers of safety and the cookies."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower() for name, _value in message["headers"]}
                safe = {**HEADERS, "strict-transport-security": HSTS}
                if not self._is_safe_line:
                    del safe["strict-transport-security"]
                message["headers"] += [
                    (name.encode(), value.encode())
                    for name, value in safe.items()
                    if name.encode() not in named
                ]
                message["headers"] += [
                    (b"set-cookie", self._cookie(name, value, age).encode())
                    for name, (value, age) in self._cookies.items()
                ]
            await send(message)

        return send_safely

    def _cookie(self, name: str, value: str, age: int | None) -> str:
        kept = f"; Max-Age={age}" if age is not None else ""
        secure = "; Secure" if self._is_safe_line else ""
        return f"{self._named(name)}={value}; HttpOnly; SameSite=Strict; Path=/{kept}{secure}"

    def _named(self, name: str) -> str:
        return f"__Host-{name}" if self._is_safe_line else name


def _caller(request: Request) -> Caller:
    address = request.client.host if request.client else ""
    return Caller(address=address, browser=request.headers.get("user-agent", ""))


def _is_forwarded(request: Request) -> bool:
    """Whether somebody asks through a proxy, or from another machine."""
    if any(name in request.headers for name in OF_PROXIES):
        return True
    try:
        return not ipaddress.ip_address(_caller(request).address).is_loopback
    except ValueError:
        return True


def _is_from_elsewhere(request: Request) -> bool:
    return request.headers.get("sec-fetch-site") in ("cross-site", "same-site")


def _once_more(request: Request) -> Response:
    """Has the browser ask again, now by a page of ours: then its session comes along.

    That second request is of the same origin, so there is no third.
    """
    path = quote(request.scope["path"])
    query = quote(request.scope["query_string"].decode("latin-1"), safe="=&%+/:?,;@!$'()*~-._")
    to = path if is_own_path(path) else "/"
    headers = {"refresh": f"0; url={to}?{query}" if query else f"0; url={to}"}
    return HTMLResponse(EMPTY, headers=headers)


def _is_of_ours(request: Request) -> bool:
    """Whether the browser asks for a page of ours, or another site's page asks behind its back."""
    site = request.headers.get("sec-fetch-site", "none")
    if site in ("none", "same-origin"):
        return True
    # a link from elsewhere may be followed: it changes nothing, and brings no session along
    return request.method == "GET" and request.headers.get("sec-fetch-dest") == "document"


def _is_own_origin(request: Request) -> bool:
    """Whether a form comes from a page of ours; who is no browser names no page."""
    origin = request.headers.get("origin")
    if origin is None:
        return "sec-fetch-site" not in request.headers
    return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()


def _to_login(request: Request) -> Response:
    path, query = request.url.path, request.url.query
    is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "text/html")
    if not is_page or path.endswith(".json") or path == "/live":
        return as_json({"error": "log in first", "hint": "/login"}, 401)
    to = quote(f"{path}?{query}" if query else path, safe="")
    return RedirectResponse("/login" if to == "%2F" else f"/login?to={to}", 303)
