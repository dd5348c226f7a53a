"""What every page of the studio is made of: a look at the shop, shown as HTML or as JSON.

A page is a pair: a function that looks (`Look`, returns plain data) and a Jinja file in `looks/`
that shows it. The same data is answered at the page's address with `.json` added. An act is a
function that changes something for a POST and says in one sentence what it did. Neither knows
anything of sessions, languages or headers; that is this file's business and `access`'s.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from crm_mailer import i18n, logs
from crm_mailer.app import App, mail_looks, today
from crm_mailer.app.staff import Caller
from crm_mailer.i18n import _, n_, say
from crm_mailer.model.errors import CrmMailerError, NotFound, StoreError
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.staff import Noted
from crm_mailer.studio import formats, spans
from crm_mailer.studio.roles import Role

LOOKS = Path(__file__).parent / "looks"
#: The languages that the pages speak, and what each calls itself.
SPOKEN = {"en": "English", "zh_CN": "中文"}
#: The largest form that is read, in bytes.
LARGEST_FORM = 256 * 1024
#: Seconds between two looks for changed files.
FILES_EVERY = 2.0
#: Seconds between two counts of what the menu shows.
COUNTS_EVERY = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks: what `access` found out before any page is made."""

    name: str
    role: Role
    language: str
    #: What every form must carry.
    csrf: str
    #: Said once, after an act.
    said: str = ""
    is_said_trouble: bool = False
    #: Whether there are passwords at all: then there is something to log out of.
    has_password: bool = False
    #: Whether it is somebody who has not logged in: who is told nothing of the shop.
    is_stranger: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a look or an act is given."""

    app: App
    visitor: Visitor
    #: What stands in the path between braces.
    path: Mapping[str, str]
    #: What follows the question mark, the last of each name.
    query: Mapping[str, str]
    #: The form of an act; several values of a name are parted by line ends.
    form: Mapping[str, str]
    #: What the browser holds; only who ends sessions needs it.
    session: str = field(default="", repr=False)
    #: Where it comes from.
    caller: Caller = field(default_factory=Caller)

    def number(self, name: str = "number") -> int:
        """The number in the path.

        Raises:
            NotFound: it is none.
        """
        with suppress(ValueError):
            if 0 <= (found := int(self.path[name])) < 2**63:
                return found
        raise NotFound(Sentence("{path} is no number", path=self.path[name]))


Look = Callable[[Asked], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What an act answers: where to go on, and what to say there."""

    to: str
    said: str = ""


Act = Callable[[Asked], Done]
#: Answers with something that is no page: a spreadsheet, a mail's HTML.
Fetch = Callable[[Asked], Response]


Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A page as the list of all pages has it."""

    path: str
    #: Where its data are.
    twin: str
    name: str
    needs: Role
    about: str


class Desk:
    """One shop's studio, and how its pages are made."""

    def __init__(self, app: App) -> None:
        self.app = app
        #: All pages, in the order in which they were made.
        self.pages: list[Listed] = []
        #: Called in the server's loop when it ends: open streams are let go, then all is closed.
        self.ends: list[Callable[[], None]] = []
        self.closers: list[Callable[[], Awaitable[None]]] = []
        self._files_lock = Lock()
        self._files_at = 0.0
        self._counts_lock = Lock()
        self._counts: today.Counts | None = None
        self._counts_at = 0.0
        self._looks = Environment(
            loader=FileSystemLoader(LOOKS),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=formats.said,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._looks.globals.update(_=_, n_=n_, say=say, spoken=SPOKEN)
        self._looks.filters.update({**formats.FILTERS, **spans.FILTERS})

    def page(self, path: str, name: str, look: Look, needs: Role = Role.VIEWER) -> list[Route]:
        """The routes of a page: `path` shows `looks/<name>.html`, `path`.json the same as data.

        Args:
            path: such as "/cases/{number}".
            name: of the Jinja file; also which part of the menu is lit, up to a first "-".
            look: what is shown.
            needs: the least role that may see it.
        """
        shown = partial(self._show, name=name, look=look)
        told = partial(self._tell, look=look)
        twin = "/index.json" if path == "/" else f"{path}.json"
        self.pages.append(Listed(path=path, twin=twin, name=name, needs=needs, about=_about(look)))
        return [
            Route(twin, self._guarded(told, f"{name}.json", needs)),
            Route(path, self._guarded(shown, name, needs)),
        ]

    def act(self, path: str, do: Act, needs: Role) -> list[Route]:
        """The route of a form: POST only. What it did is written into the studio's log."""
        done = partial(self._do, do=do)
        return [Route(path, self._guarded(done, path, needs), methods=["POST"])]

    def fetch(self, path: str, fetch: Fetch, needs: Role = Role.VIEWER) -> list[Route]:
        """The route of what is no page; a file that is saved is written into the studio's log."""
        fetched = partial(self._fetch, fetch=fetch)
        return [Route(path, self._guarded(fetched, path, needs))]

    def _guarded(self, answer: Callable[..., Response], name: str, needs: Role) -> Endpoint:
        """The endpoint of a route: asks for the role, and shows a fault of ours as a page."""

        async def endpoint(request: Request) -> Response:
            visitor: Visitor = request.state.visitor
            if not visitor.role.may(needs):
                return await run_in_threadpool(self._refuse, request, needs)
            form = await read_form(request) if request.method == "POST" else {}
            return await run_in_threadpool(self._answer, request, answer, form)

        endpoint.__name__ = name
        endpoint.needs = needs  # type: ignore[attr-defined]
        return endpoint

    def _answer(
        self, request: Request, answer: Callable[..., Response], form: Mapping[str, str]
    ) -> Response:
        with i18n.speaking(request.state.visitor.language):
            try:
                return answer(request, form=form)
            except NotFound as error:
                return self.trouble(request, error, 404)
            except StoreError as error:
                return self.trouble(request, error, 503)
            except CrmMailerError as error:
                return self.trouble(request, error, 400)
            except Exception:
                return self._broken(request)

    def _show(
        self, request: Request, *, form: Mapping[str, str], name: str, look: Look
    ) -> Response:
        return self.render(request, f"{name}.html", look(self._asked(request, form)))

    def _tell(self, request: Request, *, form: Mapping[str, str], look: Look) -> Response:
        return as_json(_without_pictures(look(self._asked(request, form))))

    def _fetch(self, request: Request, *, form: Mapping[str, str], fetch: Fetch) -> Response:
        found = fetch(self._asked(request, form))
        if found.headers.get("content-disposition", "").startswith("attachment"):
            request.state.note(Noted.EXPORT, request.url.query)
        return found

    def _do(self, request: Request, *, form: Mapping[str, str], do: Act) -> Response:
        try:
            done = do(self._asked(request, form))
        except CrmMailerError as error:
            if _wants_json(request) or isinstance(error, StoreError):
                raise
            request.state.tell(_in_full(error), is_trouble=True)
            return RedirectResponse(_back(request), 303)
        request.state.note(Noted.ACT, done.said)
        self._look_again()
        if _wants_json(request):
            return as_json({"said": done.said, "to": done.to})
        if done.said:
            request.state.tell(done.said)
        return RedirectResponse(done.to, 303)

    def render(
        self, request: Request, name: str, found: Mapping[str, Any], status: int = 200
    ) -> HTMLResponse:
        """A Jinja file shown to the visitor."""
        visitor: Visitor = request.state.visitor
        shown = self._looks.get_template(name).render(
            visitor=visitor,
            shop=self.app.shop_or_default,
            here=request.url.path,
            query=dict(request.query_params),
            part=name.removesuffix(".html").split("-")[0],
            zone=self.app.zone,
            now=self.app.clock.now(),
            counts=self.counts(),
            tongue_links={code: _in_tongue(request, code) for code in SPOKEN},
            **found,
        )
        if visitor.said:
            request.state.heard()
        return HTMLResponse(shown, status)

    def trouble(
        self, request: Request, error: CrmMailerError, status: int, log_id: str = ""
    ) -> Response:
        """A page, or data for who wants data, that says what is wrong and what to do."""
        if _wants_json(request):
            return as_json({"error": str(error), "hint": error.hint, "log_id": log_id}, status)
        found = {"error": error, "status": status, "log_id": log_id}
        return self.render(request, "trouble.html", found, status)

    def _refuse(self, request: Request, needs: Role) -> Response:
        visitor: Visitor = request.state.visitor
        request.state.note(Noted.REFUSED, needs.value)
        with i18n.speaking(visitor.language):
            error = CrmMailerError(
                _("this needs the role {role}; you are {own}").format(
                    role=_(needs.value), own=_(visitor.role.value)
                )
            )
            return self.trouble(request, error, 403)

    def _broken(self, request: Request) -> Response:
        """A fault of ours: the log has the traceback, the page has the number to find it by."""
        log_id = secrets.token_hex(4)
        logs.get().error("page", log_id=log_id, path=request.url.path, exc_info=True)
        error = CrmMailerError(
            _("this page cannot be shown: a fault of the program"),
            hint=_("the log has more under {number}").format(number=log_id),
        )
        return self.trouble(request, error, 500, log_id)

    async def lost(self, request: Request, fault: Exception) -> Response:
        """What is answered where there is no such page, or it takes no such request."""
        status = fault.status_code if isinstance(fault, HTTPException) else 404
        if request.state.visitor.is_stranger:
            no_file, not_allowed = Sentence("There is no such file."), Sentence("Not allowed.")
            said = no_file if status == 404 else not_allowed
            return PlainTextResponse(say(said, request.state.visitor.language), status)
        return await run_in_threadpool(self._lost, request, status)

    def _lost(self, request: Request, status: int) -> Response:
        with i18n.speaking(request.state.visitor.language):
            said = _("there is no such page") if status == 404 else _("the page takes no such form")
            return self.trouble(request, NotFound(said), status)

    def _asked(self, request: Request, form: Mapping[str, str] | None = None) -> Asked:
        self._look_for_files()
        return Asked(
            app=self.app,
            visitor=request.state.visitor,
            path=request.path_params,
            query=dict(request.query_params),
            form=form or {},
            session=request.state.guest.session,
            caller=request.state.guest.caller,
        )

    def _look_again(self) -> None:
        """Something was done: what is shown next is counted anew."""
        today.look_again(self.app)
        mail_looks.look_again(self.app)
        with self._counts_lock:
            self._counts = None

    def counts(self) -> today.Counts:
        """The numbers of the menu, counted at most every other second."""
        with self._counts_lock:
            if self._counts is None or monotonic() - self._counts_at > COUNTS_EVERY:
                self._counts, self._counts_at = today.counts(self.app), monotonic()
            return self._counts

    def _look_for_files(self) -> None:
        """Pages show what marketers wrote as it stands now."""
        with self._files_lock:
            if monotonic() - self._files_at > FILES_EVERY:
                self.app.reload_if_changed()
                self._files_at = monotonic()


def _without_pictures(found: Any) -> Any:
    """What a page shows but for its charts: their figures are told anyway."""
    if isinstance(found, Mapping):
        kept = {name: value for name, value in found.items() if not isinstance(value, Markup)}
        return {name: _without_pictures(value) for name, value in kept.items()}
    if isinstance(found, list):
        return [_without_pictures(value) for value in found]
    return found


def _in_full(error: CrmMailerError) -> str:
    """What went wrong and what to do, in the reader's language."""
    if not error.hint:
        return say(str(error)).strip(" .")
    return say(Sentence("{error}. {hint}", error=error, hint=error.hint)).strip(" .")


def _about(look: Look) -> str:
    """The first line of what a look says of itself."""
    return (look.__doc__ or "").strip().partition("\n")[0]


def _wants_json(request: Request) -> bool:
    return request.headers.get("accept", "").startswith(
        "application/json"
    ) or request.url.path.endswith(".json")


def _in_tongue(request: Request, code: str) -> str:
    """The same page in another language."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "ui"]
    return "?" + urlencode([*asked, ("ui", code)])


def _back(request: Request) -> str:
    """The page that the form stood on: only its path, so that nobody is led elsewhere."""
    came_from = urlsplit(request.headers.get("referer", ""))
    found = f"{came_from.path}?{came_from.query}" if came_from.query else came_from.path
    return found if is_own_path(found) else "/"


def is_own_path(path: str) -> bool:
    """Whether an address leads to a page of ours, whatever a browser makes of it."""
    odd = any(ord(letter) <= ord(" ") or letter == "\\" for letter in path)
    return path.startswith("/") and not path.startswith("//") and not odd


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; `access` has seen to its size."""
    return parse_form(await request.body())


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form.

    Raises:
        ValueError: there are too many.
    """
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=500)
    return {name: "\n".join(values) for name, values in fields.items()}


def as_json(found: Any, status: int = 200) -> Response:
    """Data as it is: times with their offset, money as numbers in text."""
    text = json.dumps(found, default=_plain, ensure_ascii=False)
    return Response(text, status, media_type="application/json")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal | Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
