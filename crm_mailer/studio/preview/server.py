"""The page's web server: on this machine only, for reading only."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.responses import StreamingResponse as Stream
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crm_mailer import i18n
from crm_mailer.app.showroom import Look, Showroom, Wanted
from crm_mailer.model.errors import NotFound
from crm_mailer.model.language import RIGHT_TO_LEFT, base
from crm_mailer.model.sentence import Sentence, unpack
from crm_mailer.studio.preview import dress
from crm_mailer.studio.preview.watching import END, Watch
from crm_mailer.studio.preview.words import SPOKEN, words
from crm_mailer.web import serving

ASSETS = Path(__file__).parent / "assets"
#: The studio's looks: the part of the page that it shows, too.
LOOKS = Path(__file__).parent.parent / "looks"
USUAL_PORT = 8026
#: Where a page may come from: another name may be somebody's who made it point at this machine.
NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
#: A mail's own: its styles and pictures, and nothing that could act.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src {pictures}; font-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox allow-same-origin"
)
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Doorkeeper:
    """Lets in only what asks for this machine by its own name, and sets the headers of safety."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not is_ours(told.get("host", ""), told.get("sec-fetch-site", ""), scope["path"]):
            refusal = PlainTextResponse(
                i18n.say(Sentence("This page is for this machine only.")), 403
            )
            await refusal(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower() for name, _value in message["headers"]}
                safe = {**HEADERS, "content-security-policy": PAGE_POLICY}
                message["headers"] += [
                    (name.encode(), value.encode())
                    for name, value in safe.items()
                    if name.encode() not in named
                ]
            await send(message)

        await self._app(scope, receive, send_safely)


def is_ours(host: str, site: str, path: str) -> bool:
    """Whether a request comes from a page of ours, or from the address bar."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name.lower() in NAMES and (site != "cross-site" or path == "/")


class Pages:
    """What is answered to each address."""

    def __init__(self, room: Showroom) -> None:
        self._room = room
        self._looks = Environment(loader=FileSystemLoader([ASSETS, LOOKS]), autoescape=True)
        self.watch = Watch(room)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/", self.page),
            Route("/catalogue.json", self.catalogue),
            Route("/look.json", self.look),
            Route("/mail.html", self.mail),
            Route("/checks.json", self.checks),
            Route("/events", self.events),
            Route("/assets/{name}", self.asset),
        ]

    def page(self, request: Request) -> Response:
        """The frame of everything; the rest is fetched."""
        code = _spoken(request)
        shown = self._looks.get_template("page.html").render(
            say=words(code),
            words=in_page(code),
            shop=self._room.shop_name,
            code=code,
            spoken=SPOKEN,
            stage="main",
        )
        return HTMLResponse(shown)

    def asset(self, request: Request) -> Response:
        """A stylesheet, a script, a picture."""
        path = ASSETS / Path(request.path_params["name"]).name
        if path.suffix not in KINDS or not path.is_file():
            return PlainTextResponse("There is no such file.", 404)
        return Response(path.read_bytes(), media_type=KINDS[path.suffix])

    def catalogue(self, _request: Request) -> Response:
        """What there is to look at."""
        return JSONResponse(self.listed())

    def listed(self) -> dict[str, Any]:
        """The templates with their languages and uses, and for whom they can be shown."""
        exhibits = [
            {
                "name": one.name,
                "languages": one.languages,
                "uses": [use.key for use in one.uses],
            }
            for one in self._room.exhibits()
        ]
        return {"templates": exhibits, "readers": self._room.readers, "given": self._room.given}

    def look(self, request: Request) -> Response:
        """One mail, all of it but its HTML."""
        try:
            return JSONResponse(_told(self._room.look(_wanted(request)), _spoken(request)))
        except NotFound as error:
            code = _spoken(request)
            told = {"fault": i18n.say(str(error), code), "hint": i18n.say(error.hint, code)}
            return JSONResponse(told, 404)

    def mail(self, request: Request) -> Response:
        """The HTML of one mail, under a policy of its own."""
        is_dark = request.query_params.get("dark") == "1"
        pictures = "'none'" if request.query_params.get("images") == "0" else "https: http: data:"
        try:
            found = self._room.html(_wanted(request))
        except NotFound:
            found = ""
        shown = dress.dressed(found, is_dark=is_dark) if found else ""
        policy = MAIL_POLICY.format(pictures=pictures)
        return HTMLResponse(shown, headers={"content-security-policy": policy})

    def checks(self, request: Request) -> Response:
        """The findings of the last check; null while none has ended."""
        code = _spoken(request)
        found = self.watch.findings
        said = None if found is None else [_in_words(one, code) for one in found]
        return JSONResponse({"problems": said, "trouble": self.watch.trouble})

    async def events(self, _request: Request) -> Response:
        """A stream of `changed` and `checked`."""
        return Stream(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[str]:
        page = self.watch.join()
        try:
            while (heard := await page.get()) != END:
                yield f"data: {heard}\n\n"
        finally:
            self.watch.leave(page)


def in_page(code: str) -> str:
    """The texts of the page for its script, as JSON that ends no script element."""
    return json.dumps(words(code), ensure_ascii=False).replace("<", "\\u003c")


def _in_words(finding: Mapping[str, Any], code: str) -> dict[str, Any]:
    """A finding as the page shows it."""
    said = {name: i18n.say(unpack(finding[name]), code) for name in ("message", "help")}
    return {**finding, **said}


def _wanted(request: Request) -> Wanted:
    asked = request.query_params
    return Wanted(
        template=asked.get("template", ""),
        language=asked.get("language", ""),
        reader=asked.get("reader", ""),
        use=asked.get("use", ""),
    )


def _spoken(request: Request) -> str:
    """The language of the page that asks."""
    asked = request.query_params.get("ui", "")
    return asked if asked in SPOKEN else i18n.language()


def _told(look: Look, code: str) -> dict[str, object]:
    wanted = look.wanted
    told: dict[str, object] = {
        "template": wanted.template,
        "language": wanted.language,
        "reader": wanted.reader,
        "use": wanted.use,
        "campaign": look.campaign,
        "direction": "rtl" if base(wanted.language) in RIGHT_TO_LEFT else "ltr",
        "fault": i18n.say(look.fault, code),
        "hint": i18n.say(look.hint, code),
    }
    if look.mail is not None:
        mail = look.mail
        told |= {
            "subject": mail.subject,
            "preheader": dress.preheader(mail.html),
            "sender": mail.sender,
            "recipient": mail.recipient,
            "place": i18n.say(mail.place, code) if wanted.use else "",
            "fallback": i18n.say(mail.fallback, code),
            "headers": mail.headers,
            "text": mail.text,
            "source": mail.content.decode("utf-8", "replace"),
            "kilobytes": len(mail.html.encode()) / 1000,
            "has_dark": dress.has_dark_rules(mail.html),
        }
    return told


def application(room: Showroom) -> tuple[Starlette, Watch]:
    """The web application, and the watch that runs with it."""
    pages = Pages(room)

    @asynccontextmanager
    async def watching(_app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(pages.watch.run())
        yield
        pages.watch.end()
        with suppress(asyncio.CancelledError):
            await task

    app = Starlette(routes=pages.routes(), lifespan=watching)
    app.add_middleware(Doorkeeper)
    return app, pages.watch


def serve(room: Showroom, door: socket.socket) -> None:
    """Serve the page until somebody ends it."""
    app, watch = application(room)
    serving.serve(app, door, watch.end)
