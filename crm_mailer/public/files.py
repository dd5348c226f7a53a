"""Files of the public pages: their stylesheets, and the pictures of the shop's mails."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence
from crm_mailer.public import colors
from crm_mailer.public.desk import Desk

ASSETS = Path(__file__).parent / "assets"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: Pictures that mails may show. SVG is not among them: it can act, and mail programs refuse it.
PICTURES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
#: How a picture begins, whatever its name says.
MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"RIFF")
#: Bytes: a picture of a mail is smaller by far.
LARGEST = 5_000_000
ROBOTS = "User-agent: *\nDisallow: /\n"


def routes(desk: Desk) -> list[BaseRoute]:
    """Files, and the page at the root."""
    return [
        desk.route("/", lambda request, _form: desk.render(request, "home")),
        desk.route("/robots.txt", lambda _request, _form: PlainTextResponse(ROBOTS)),
        desk.route("/assets/page.css", lambda *asked: _page_css(desk, *asked)),
        desk.route("/assets/shop.css", lambda *asked: _shop_css(desk, *asked)),
        desk.route("/images/{name}", lambda *asked: _picture(desk, *asked)),
    ]


def _page_css(_desk: Desk, request: Request, _form: Mapping[str, str]) -> Response:
    return _cached(request, (ASSETS / "page.css").read_bytes(), "text/css", 3_600)


def _shop_css(desk: Desk, request: Request, _form: Mapping[str, str]) -> Response:
    made = colors.stylesheet(desk.app.shop_or_default.color)
    return _cached(request, made.encode(), "text/css", 3_600)


def _picture(desk: Desk, request: Request, _form: Mapping[str, str]) -> Response:
    """A file of `templates/images`: only by a flat name, only what is a picture."""
    name = request.path_params["name"]
    folder = desk.app.templates_folder / "images"
    path, kind = folder / name, PICTURES.get(Path(name).suffix.lower())
    is_fit = kind is not None and NAME.fullmatch(name) and path.is_file() and not path.is_symlink()
    if not is_fit or path.stat().st_size > LARGEST:
        raise NotFound(Sentence("there is no picture {name}", name=name))
    content = path.read_bytes()
    if not content.startswith(MAGIC):
        raise NotFound(Sentence("{name} is no picture", name=name))
    return _cached(request, content, kind or "", 86_400)


def _cached(request: Request, content: bytes, kind: str, seconds: int) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = {
        "cache-control": f"public, max-age={seconds}",
        "etag": tag,
        "cross-origin-resource-policy": "cross-origin",
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)
