"""The studio's web application: its pages, its files, and who may come in."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from crm_mailer.app import App, mail_looks
from crm_mailer.app import today as figures
from crm_mailer.app.serving import check_host
from crm_mailer.studio import (
    access,
    campaign_pages,
    case_pages,
    customer_pages,
    openapi,
    outbox_pages,
    reply_pages,
    report_pages,
    segment_pages,
    template_pages,
    today,
)
from crm_mailer.studio.desk import Desk, as_json
from crm_mailer.studio.live import Live
from crm_mailer.web import serving
from crm_mailer.web.limits import Limits

ASSETS = Path(__file__).parent / "assets"
USUAL_PORT = 8025
#: Seconds that an end waits for figures that are being counted.
PATIENCE = 10.0
#: Each page that is looked at holds a line for its live numbers.
LIMITS = Limits(head=32_768, lines=400)
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: The parts of the studio, in the order of the menu; each gives its routes.
PARTS = (
    today, campaign_pages, segment_pages, customer_pages, case_pages, reply_pages, report_pages,
    template_pages, outbox_pages,
)  # fmt: skip


def application(app: App, door: access.Door | None = None) -> Starlette:
    """The application of one shop.

    Args:
        app: the shop.
        door: who may come in, and as what; None: whoever sits at this machine, as admin.
    """
    desk = Desk(app)
    door = door or access.Door(app)
    routes = [route for part in PARTS for route in part.routes(desk)]
    live = Live(app)
    told = partial(_described, desk)
    own = [
        Route("/assets/{name}", _asset),
        Route("/live", live.answer),
        Route("/openapi.json", told),
    ]
    pages = [*own, *door.routes(desk), *routes]
    desk.ends.append(live.end)

    @asynccontextmanager
    async def alive(_app: Starlette) -> AsyncIterator[None]:
        yield
        for close in desk.closers:
            await close()

    lost = {404: desk.lost, 405: desk.lost}
    made = Starlette(routes=pages, exception_handlers=lost, lifespan=alive)
    made.state.end_streams = lambda: [end() for end in desk.ends]
    made.add_middleware(access.Doorkeeper, door=door)
    return made


def start(app: App, host: str = serving.LOOPBACK, port: int | None = None) -> serving.Running:
    """Serve in a thread of this process, beside a daemon that has the shop open as well.

    Raises:
        SettingsError: other machines could reach it, and nobody has a password.
        CannotWrite: the port is taken.
    """
    check_host(app, host)
    door = serving.open_port(port, usual=USUAL_PORT, host=host)
    # its own: each of the two looks for changed files when it needs them
    own = App(app.home, app.settings, app.clock)
    web = application(own)
    warm = _warm(own)
    running = serving.start(web, door, web.state.end_streams, limits=LIMITS)

    def close() -> None:
        warm.join(PATIENCE)
        own.close()

    return replace(running, at_end=close)


def serve(app: App, door: socket.socket) -> None:
    """Serve until somebody ends it."""
    web, warm = application(app), _warm(app)
    serving.serve(web, door, web.state.end_streams, limits=LIMITS)
    warm.join(PATIENCE)


def _warm(app: App) -> threading.Thread:
    """Count what takes long before anybody asks for it."""

    def count() -> None:
        with suppress(Exception):  # whoever asks is told what is wrong
            figures.today(app)
            mail_looks.states(app)

    thread = threading.Thread(target=count, name="warm", daemon=True)
    thread.start()
    return thread


def _described(desk: Desk, _request: Request) -> Response:
    """What the pages answer as data, for programs."""
    return as_json(openapi.description(desk.pages, desk.app.shop_or_default.name))


def _asset(request: Request) -> Response:
    """A stylesheet, a script, a picture."""
    path = ASSETS / Path(request.path_params["name"]).name
    if path.suffix not in KINDS or not path.is_file():
        return PlainTextResponse("There is no such file.", 404)
    headers = {"cache-control": "private, max-age=300"}
    return Response(path.read_bytes(), media_type=KINDS[path.suffix], headers=headers)
