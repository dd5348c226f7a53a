"""Whether the shop's public address answers as receivers want: by a POST, without a detour."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from crm_mailer.app.doctor.findings import Finding, fault, ok, skipped, warning
from crm_mailer.app.wiring import App
from crm_mailer.model import domains
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.token import Purpose

#: Seconds for an answer: RFC 8058 leaves it open; receivers give up after some.
PATIENCE = 10.0
ONE_CLICK = b"List-Unsubscribe=One-Click"


def one_click(app: App) -> Iterator[Finding]:
    """Unsubscribe nobody: the token is of a mail that there is not."""
    what, url = "one-click", app.shop_or_default.public_url
    if not url:
        yield skipped(
            what,
            Sentence("no public_url: mails can be answered with `unsubscribe` only"),
            Sentence("Gmail and Yahoo ask bulk senders for the https one: set public_url in "
                     "shop.yaml and run `crm-mailer public` behind your web server"),
        )  # fmt: skip
        return
    if not url.startswith("https://"):
        yield fault(
            what,
            Sentence("public_url is not https, so mails do not carry it"),
            Sentence("put `crm-mailer public` behind a web server with a certificate"),
        )
        return
    token = app.keys.make(Purpose.UNSUBSCRIBE, 0)
    try:
        status, moved = _posted(f"{url.rstrip('/')}/u/{token}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        yield fault(
            what,
            Sentence("{url} does not answer: {why}", url=url, why=str(error)),
            Sentence("is `crm-mailer public` running, and does your web server lead there?"),
        )
        return
    yield _judged(what, status, moved)


def _judged(what: str, status: int, moved: str) -> Finding:
    if moved or 300 <= status < 400:
        return fault(
            what,
            Sentence("a POST is led on to {place}: receivers do not follow", place=moved or "?"),
            Sentence("let /u/ through without a redirect"),
        )
    if status in (200, 202, 204, 404):  # there is no such mail, and the program said so itself
        return ok(what, Sentence("a POST is answered with {status}", status=status))
    return warning(
        what,
        Sentence("a POST is answered with {status}", status=status),
        Sentence("let POST to /u/ through to `crm-mailer public`"),
    )


def _posted(url: str) -> tuple[int, str]:
    """The answer's status, and where it leads on."""
    parts = urlsplit(url)
    line = http.client.HTTPSConnection(
        domains.wire_place(parts.hostname or ""),
        parts.port,
        timeout=PATIENCE,
        context=ssl.create_default_context(),
    )
    try:
        kind = "application/x-www-form-urlencoded"
        line.request("POST", parts.path, ONE_CLICK, {"Content-Type": kind})
        answer = line.getresponse()
        return answer.status, answer.getheader("location") or ""
    finally:
        line.close()
