"""What every public page is made of: a template, the reader's words, the shop's face."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from crm_mailer import logs
from crm_mailer.app import App
from crm_mailer.model.choices import PageReader, masked_address
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.public import words
from crm_mailer.public.words import Words

LOOKS = Path(__file__).parent / "looks"
#: Seconds between two looks for changed files.
FILES_EVERY = 5.0
#: How much of a network is noted as evidence, and of a browser's name.
NETWORKS = {4: 24, 6: 48}
BROWSER = 120

Answer = Callable[[Request, Mapping[str, str]], Response]


class Desk:
    """One shop's public pages, and how they are made."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.log = logs.get()
        self._files_lock = Lock()
        self._files_at = 0.0
        self._looks = Environment(
            loader=FileSystemLoader(LOOKS),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    @property
    def root(self) -> str:
        """The path of the shop's public address, without a slash at its end."""
        return urlsplit(self.app.shop_or_default.public_url).path.rstrip("/")

    def route(self, path: str, answer: Answer, *, acts: bool = False) -> Route:
        """A page: seen by GET and HEAD, and where it `acts` done by POST."""

        async def endpoint(request: Request) -> Response:
            body = await request.body() if request.method == "POST" else b""
            form = _form(request, body)
            return await run_in_threadpool(self._answered, request, form, answer)

        return Route(path, endpoint, methods=["GET", "POST"] if acts else ["GET"])

    def render(
        self,
        request: Request,
        name: str,
        reader: PageReader | None = None,
        status: int = 200,
        **found: Any,
    ) -> HTMLResponse:
        """A page in the reader's words."""
        shop, said = self.app.shop_or_default, self.words(request, reader)
        address = reader.addresses[0] if reader is not None and reader.addresses else ""
        asked = request.query_params.get("hl", "")
        page = self._looks.get_template(f"{name}.html").render(
            t=said,
            words=said,
            tongues=words.every(),
            shop=shop,
            shop_link=shop.url if shop.url.startswith(("https://", "http://")) else "",
            logo=shop.logo_url if shop.logo_url.startswith("https://") else "",
            root=self.root,
            here=f"{self.root}{request.url.path}",
            tail=f"?hl={said.code}" if asked == said.code else "",
            address=masked_address(address) or "•••",
            reader=reader,
            **found,
        )
        return HTMLResponse(page, status, headers={"content-language": said.code})

    def words(self, request: Request, reader: PageReader | None = None) -> Words:
        """What the page says to this reader."""
        return words.choose(
            self.app.shop_or_default,
            asked=request.query_params.get("hl", ""),
            own=reader.language if reader is not None else "",
            country=reader.country if reader is not None else "",
            told=request.headers.get("accept-language", ""),
        )

    def trouble(self, request: Request, what: str, status: int) -> Response:
        """A page that says what is wrong: `missing`, `much` or `failed`."""
        return self.render(request, "trouble", status=status, what=what)

    def told(self, request: Request, how: str) -> str:
        """How something was done, as evidence: from which network, with which browser."""
        browser = request.headers.get("user-agent", "")[:BROWSER]
        shown = "".join(one if one.isprintable() else " " for one in browser)
        return f"{how}, from {_network(request)}, {shown}".rstrip(", ")

    def _answered(self, request: Request, form: Mapping[str, str], answer: Answer) -> Response:
        try:
            self._look_for_files()
            return answer(request, form)
        except NotFound:
            return self.trouble(request, "missing", 404)
        except NotPossible:
            return self.trouble(request, "much", 429)
        except Exception:  # a person gets a page, the log the rest
            number = secrets.token_hex(4)
            path = "/".join(request.url.path.split("/")[:2])  # no token goes into a log
            self.log.exception("page", path=path, number=number)
            answered = self.trouble(request, "failed", 503)
            answered.headers["retry-after"] = "60"
            return answered

    def _look_for_files(self) -> None:
        """Pages show what marketers wrote as it stands now."""
        with self._files_lock:
            if monotonic() - self._files_at > FILES_EVERY:
                self.app.reload_if_changed()
                self._files_at = monotonic()


def _form(request: Request, body: bytes) -> dict[str, str]:
    """The fields of a form of ours; several of a name are parted by line ends.

    What comes in another shape has no fields: a one-click POST needs none.
    """
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=200)
    except ValueError:
        return {}
    return {name: "\n".join(values) for name, values in fields.items()}


def _network(request: Request) -> str:
    """The network of who asks: enough to tell people apart, too little to find one."""
    host = request.client.host if request.client is not None else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "somewhere"
    return str(ipaddress.ip_network((address, NETWORKS[address.version]), strict=False))
