"""The public web application: what links in mails lead to, and what other programs send us."""

from __future__ import annotations

import socket
from dataclasses import replace

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from crm_mailer.app import App
from crm_mailer.public import (
    clicks,
    confirm,
    files,
    gate,
    hooks,
    preferences,
    unsubscribe,
    web_mail,
)
from crm_mailer.public.clicks import Clicks
from crm_mailer.public.desk import Desk
from crm_mailer.public.gate import Gate
from crm_mailer.public.quick import MOST_LINES, ShortWay, quick
from crm_mailer.web import serving
from crm_mailer.web.limits import Limits

USUAL_PORT = 8027
#: Lines that wait idle after a picture must not keep an opt-out away.
LIMITS = Limits(lines=MOST_LINES)
#: Pages for people; each gives its routes.
PAGES = (unsubscribe, preferences, confirm, web_mail, files)


def application(app: App, followed: Clicks | None = None) -> ASGIApp:
    """The application of one shop, behind its gate.

    Args:
        app: the shop.
        followed: what knows the links of mails, where something else asks it as well.
    """
    followed, desk = followed or Clicks(app), Desk(app)
    # read now: a file that is wrong later changes no page
    shop = app.definitions.shop
    wide = hooks.routes(app)
    pages = [route for part in PAGES for route in part.routes(desk)]

    async def missing(request: Request, _error: Exception) -> Response:
        return await run_in_threadpool(desk.trouble, request, "missing", 404)

    inner = Starlette(
        routes=[*clicks.routes(followed), *wide, *pages],
        exception_handlers={404: missing},
        lifespan=followed.lifespan,
    )
    return Gate(inner, shop, _beginnings(wide))


def short_way(app: App, followed: Clicks) -> serving.Change:
    """Links and pictures are answered before everything else."""
    way = ShortWay(followed, *gate.place_of(app.shop_or_default))
    return lambda base: quick(base, way)


def start(app: App, host: str = serving.LOOPBACK, port: int | None = None) -> serving.Running:
    """Serve in a thread of this process, beside a daemon that has the shop open as well.

    Raises:
        CannotWrite: the port is taken.
    """
    door = serving.open_port(port, usual=USUAL_PORT, host=host)
    # its own: each of the two looks for changed files when it needs them
    own = App(app.home, app.settings, app.clock)
    followed = Clicks(own)
    made, change = application(own, followed), short_way(own, followed)
    running = serving.start(made, door, limits=LIMITS, change=change)
    return replace(running, at_end=own.close)


def serve(app: App, door: socket.socket) -> None:
    """Serve until somebody ends it."""
    followed = Clicks(app)
    made, change = application(app, followed), short_way(app, followed)
    serving.serve(made, door, limits=LIMITS, change=change)


def _beginnings(routes: list[BaseRoute]) -> list[str]:
    """The first parts of the paths of routes, such as "/hooks/"."""
    paths = [one.path for one in routes if isinstance(one, Route | Mount)]
    return sorted({"/" + path.strip("/").partition("/")[0] for path in paths})
