"""A mail as it looked, for somebody who has its link: without what acts, counts or names others."""

from __future__ import annotations

import email
import email.policy
import html as entities
import json
import re
import zlib
from dataclasses import dataclass
from html.parser import HTMLParser

from crm_mailer.app.wiring import App
from crm_mailer.model.errors import NotFound, RenderError
from crm_mailer.model.token import Purpose
from crm_mailer.rendering import again
from crm_mailer.rendering.envelope import wire_url
from crm_mailer.rendering.headers import UnsafeHeader
from crm_mailer.store import outbox as rows
from crm_mailer.store.outbox import Recipe

#: Opening tags of what leads somewhere or is fetched.
_REST = r"""\b(?:[^>"']|"[^"]*"|'[^']*')*+>"""
ANCHOR = re.compile(rf"<(a|area){_REST}", re.IGNORECASE)
IMAGE = re.compile(rf"<img{_REST}", re.IGNORECASE)
#: Pages of a mail itself, below the shop's public address.
OWN = ("u", "p", "w", "y", "o", "c")
PAGE = (
    '<!doctype html><html{language}><head><meta charset="utf-8"><title>{title}</title></head>{body}'
)


class Gone(NotFound):
    """The mail was ours, and is not kept any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebVersion:
    """A mail to look at."""

    html: str
    language: str


def web_version(app: App, token: str) -> WebVersion:
    """The mail behind a token.

    Raises:
        NotFound: we made no such token.
        Gone: the mail cannot be shown as it was any more.
    """
    number = app.keys.read(Purpose.WEB, token)
    if number is None or number >= 2**63:
        raise NotFound("this link is not ours, or not whole")
    with app.store.read() as connection:
        found = rows.recipe(connection, number)
        kept = rows.content(connection, number)
    if found is None:
        raise Gone("this mail is not kept any more")
    shown = _of_bytes(kept) if kept is not None else _of_fields(app, found)
    return WebVersion(
        html=without_traces(shown, app.shop_or_default.public_url), language=found.language
    )


def _of_fields(app: App, found: Recipe) -> str:
    """Made again from the fields that were kept, if the template still says what it said."""
    if not found.snapshot:
        raise Gone("this mail is not kept any more")
    try:
        template = app.templates.get(found.template, found.language)
        if template.version != found.template_version:
            raise Gone("the template was changed since")
        kept = json.loads(zlib.decompress(found.snapshot))
        campaign = app.definitions.campaigns.get(found.campaign)
        return again.html(template, kept, campaign, app.shop_or_default)
    except (RenderError, ValueError, zlib.error) as error:
        raise Gone("the mail cannot be made again") from error


def _of_bytes(content: bytes) -> str:
    """The HTML of a mail whose bytes were kept; of one in plain text, that text."""
    mail = email.message_from_bytes(content, policy=email.policy.default)
    part = mail.get_body(("html",))
    if part is not None:
        return str(part.get_content())
    text = mail.get_body(("plain",))
    if text is None:
        raise Gone("this mail is not kept any more")
    shown = entities.escape(str(text.get_content()))
    title = entities.escape(str(mail.get("subject", "")))
    return PAGE.format(language="", title=title, body=f"<body><pre>{shown}</pre></body></html>")


def without_traces(html: str, public_url: str) -> str:
    """The page without links that act for the reader, and without pictures that count.

    Whoever is shown the page by the reader must not unsubscribe them with a click.
    """
    own = _own_links(public_url)

    def plain_anchor(found: re.Match[str]) -> str:
        target = _attribute(found[0], "href")
        if target is None or not _acts(target, own):
            return found[0]
        return f'<{found[1]} style="color:inherit;text-decoration:none">'

    def uncounted(found: re.Match[str]) -> str:
        target = _attribute(found[0], "src") or ""
        return "" if own is not None and own.match(target) else found[0]

    shown = IMAGE.sub(uncounted, ANCHOR.sub(plain_anchor, html))
    # written out, as in a mail of plain text
    return shown if own is None else own.sub("", shown)


class _Tag(HTMLParser):
    """Reads the attributes of one opening tag as browsers do: the first of a name holds."""

    def __init__(self, tag: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.feed(tag)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep them."""
        for name, value in reversed(attrs):
            self.found[name] = value or ""


def _attribute(tag: str, name: str) -> str | None:
    found = _Tag(tag).found.get(name)
    return None if found is None else found.strip()


def _own_links(public_url: str) -> re.Pattern[str] | None:
    if not public_url:
        return None
    written = {public_url, _wire(public_url)}
    places = "|".join(re.escape(one.partition("://")[2].rstrip("/")) for one in written)
    return re.compile(rf"https?://(?:{places})/(?:{'|'.join(OWN)})/[^\s\"'<>]*", re.IGNORECASE)


def _wire(url: str) -> str:
    try:
        return wire_url(url)
    except UnsafeHeader:
        return url  # no mail has such a link


def _acts(target: str, own: re.Pattern[str] | None) -> bool:
    """Whether a link does something for the one reader whom the mail was for."""
    if not target or (own is not None and own.match(target)):
        return True
    return target.lower().startswith("mailto:") and "subject=unsubscribe" in target.lower()
