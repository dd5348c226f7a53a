"""Links and pictures of a mail: whether they lead anywhere, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering.check_page import Element, Page

SCHEMES = frozenset("https http mailto tel sms".split())
SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*):", re.IGNORECASE)
#: What people write where they mean to put the address later.
PLACEHOLDERS = re.compile(
    r"(?:^|//|\.)(?:example\.(?:com|org|net)|your-?(?:shop|site|domain|store|link|url)[\w.-]*"
    r"|my-?(?:shop|site|domain)\.com|localhost|127\.0\.0\.1|domain\.com|website\.com)(?:[:/?#]|$)"
    r"|\b(?:todo|tbd|xxx+|insert[-_ ]?link|link[-_ ]?here|placeholder)\b",
    re.IGNORECASE,
)
#: Addresses that anybody may shorten a link with.
SHORTENERS = frozenset(
    "bit.ly tinyurl.com t.co goo.gl ow.ly is.gd buff.ly rebrand.ly cutt.ly shorturl.at rb.gy "
    "t.cn dwz.cn url.cn clck.ru vk.cc tiny.cc soo.gd s.id".split()
)
ADDRESS_LIKE = re.compile(
    r"(?:https?://|www\.)?([\w-]+(?:\.[\w-]+)*\.[a-z]{2,})(?:/\S*)?", re.IGNORECASE
)
NOWHERE = frozenset(("", "#", "#!", "http://", "https://", "http:", "https:"))


def look(page: Page) -> Iterator[Problem]:
    """Every link and picture that leads nowhere, or where it should not."""
    for element in page.elements:
        if element.tag == "a" and "href" in element.given:
            yield from _link(page, element)
        elif element.tag == "img":
            yield from _picture(page, element)


def _link(page: Page, element: Element) -> Iterator[Problem]:
    href = element.given["href"].strip()
    if href in NOWHERE or PLACEHOLDERS.search(page.plain(href)):
        yield page.problem(
            "CRM241",
            Sentence("the link leads to `{address}`", address=href)
            if href
            else "the link leads to nothing",
            _about(element, href),
            help="write the address, or take the link out",
        )
        return
    scheme = SCHEME.match(href)
    if scheme and scheme[1].lower() not in SCHEMES:
        yield page.problem(
            "CRM232",
            Sentence("a link may not begin with `{scheme}:`", scheme=scheme[1]),
            href,
            severity=Severity.ERROR,
            help="https:, mailto:, tel: or sms:",
        )
    elif scheme is None and page.draft.masked.word.match(href) is None:
        yield page.problem(
            "CRM241",
            Sentence("the link `{address}` is no whole address", address=page.plain(href)),
            href,
            help="begin with https://",
        )
    elif scheme and scheme[1].lower() == "http":
        yield page.problem("CRM242", "the link is not encrypted", href, help="write https:")
    yield from _honesty(page, element, href)


def _honesty(page: Page, element: Element, href: str) -> Iterator[Problem]:
    """A link that says one address and leads to another, or hides where it leads."""
    host = _host(href)
    if host in SHORTENERS:
        yield page.problem(
            "CRM256",
            Sentence("`{host}` is shared with spammers", host=host),
            href,
            help="write the long address",
        )
    said = ADDRESS_LIKE.fullmatch(" ".join(element.words().split()))
    if said and host and not _is_of(said[1].lower(), host):
        yield page.problem(
            "CRM255",
            Sentence("it says `{said}` and leads to `{host}`", said=said[0], host=host),
            said[0],
            help="show words instead of an address",
        )


def _picture(page: Page, element: Element) -> Iterator[Problem]:
    src = element.given.get("src", "").strip()
    about = src or (f'alt="{element.given["alt"]}"' if element.given.get("alt") else "<mj-image")
    if not src or src in NOWHERE:
        yield page.problem("CRM243", "the picture has no address", about, help='src="https://..."')
        return
    scheme = SCHEME.match(src)
    if scheme and scheme[1].lower() == "http":
        yield page.problem("CRM242", "the picture is not encrypted", about, help="write https:")
    elif scheme and scheme[1].lower() != "https":
        yield page.problem(
            "CRM243",
            Sentence("no mail program loads a picture from `{scheme}:`", scheme=scheme[1]),
            about,
            help="put it on the web and write its https: address",
        )
    elif scheme is None and page.draft.masked.word.match(src) is None:
        yield page.problem(
            "CRM243",
            Sentence("`{address}` is no whole address", address=page.plain(src)),
            about,
            help=Sentence(
                "https://..., or {address}",
                address="{{ shop.static_url }}" + page.plain(src).lstrip("/"),
            ),
        )


def _about(element: Element, href: str) -> str:
    """Words by which an empty link is found again."""
    words = " ".join(element.words().split())
    return words if words and len(href) < 3 else href or 'href=""'


def _host(href: str) -> str:
    try:
        return (urlsplit(href).hostname or "").lower().removeprefix("www.")
    except ValueError:
        return ""


def _is_of(said: str, host: str) -> bool:
    """Whether the address that is shown is the one it leads to, or above it."""
    said = said.removeprefix("www.")
    return host == said or host.endswith(f".{said}") or said.endswith(f".{host}")
