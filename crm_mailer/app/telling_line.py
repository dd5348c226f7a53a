"""One POST to an address of the settings: pinned, bounded, and never led elsewhere."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import SplitResult, urlsplit

from crm_mailer.model import domains
from crm_mailer.model.sentence import Sentence

#: Seconds to connect, to wait for each part of an answer, and for all of it.
CONNECT, PART, WHOLE = 5.0, 8.0, 12.0
#: Bytes of an answer that are looked at: chats say there what they did not like.
HEARD = 4_096
#: What we call ourselves.
AGENT = "crm-mailer-webhooks/1"


class NotTold(Exception):
    """No answer came; whether the message arrived nobody knows, so that it is told again."""


#: Why none came; what a system says of a line stands as it is.
UNTOLD = (
    Sentence("no safe connection: {why}"),
    Sentence("no answer in time"),
    Sentence("not an HTTP answer: {kind}"),
    Sentence("{host} lies in a private network: say `private = true` if that is meant"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the other side answered."""

    code: int
    retry_after: str = ""
    said: bytes = b""


def post(url: str, headers: Mapping[str, str], body: bytes, *, may_be_private: bool) -> Told:
    """Send one message and hear how it was taken. A redirect is an answer, and not followed.

    Args:
        url: http or https, as the settings have it.
        headers: besides the usual ones.
        body: JSON.
        may_be_private: whether the address may lie in a network that is not public.

    Raises:
        NotTold: there was no answer, or the address may not be used.
    """
    where = urlsplit(url)
    line: socket.socket | None = None
    try:
        line = _connected(where, may_be_private=may_be_private)
        return _ask(line, where, headers, body)
    except ssl.SSLError as error:
        raise NotTold(Sentence("no safe connection: {why}", why=error.reason or error)) from error
    except TimeoutError as error:
        raise NotTold(Sentence("no answer in time")) from error
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NotTold(said) from error
    except HTTPException as error:
        raise NotTold(Sentence("not an HTTP answer: {kind}", kind=type(error).__name__)) from error
    finally:
        if line is not None:
            line.close()


def _connected(where: SplitResult, *, may_be_private: bool) -> socket.socket:
    """A connection to an address that was looked at before: the name is not asked for twice."""
    host, is_safe = domains.wire_place(where.hostname or ""), where.scheme == "https"
    port = where.port or (443 if is_safe else 80)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    fitting = [one for one in found if may_be_private or _is_public(str(one[4][0]))]
    if not fitting:
        raise NotTold(
            Sentence(
                "{host} lies in a private network: say `private = true` if that is meant", host=host
            )
        )
    family, kind, protocol, _name, place = fitting[0]
    line = socket.socket(family, kind, protocol)
    try:
        line.settimeout(CONNECT)
        line.connect(place)
        if is_safe:
            line = ssl.create_default_context().wrap_socket(line, server_hostname=host)
    except BaseException:
        line.close()
        raise
    line.settimeout(PART)
    return line


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_global and not found.is_multicast


def _ask(line: socket.socket, where: SplitResult, headers: Mapping[str, str], body: bytes) -> Told:
    target = (where.path or "/") + (f"?{where.query}" if where.query else "")
    web = HTTPConnection(where.hostname or "", where.port)
    web.sock, web.auto_open = line, 0
    cut = threading.Timer(WHOLE, _cut, [line])
    cut.daemon = True
    cut.start()
    try:
        web.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
        web.putheader("Host", domains.wire_place(where.netloc))
        web.putheader("User-Agent", AGENT)
        web.putheader("Content-Type", "application/json")
        web.putheader("Content-Length", str(len(body)))
        web.putheader("Connection", "close")
        for name, value in headers.items():
            web.putheader(name, value)
        web.endheaders(body)
        answer = web.getresponse()
        told = Told(
            code=answer.status,
            retry_after=answer.getheader("Retry-After") or "",
            said=_said(answer),
        )
        answer.close()
        return told
    finally:
        cut.cancel()


def _said(answer: HTTPResponse) -> bytes:
    """The begin of what it said; its code alone counts where that breaks off."""
    with suppress(OSError, HTTPException, ValueError):
        return answer.read(HEARD)
    return b""


def _cut(line: socket.socket) -> None:
    """Break off an answer that drips: the thread that waits is told at once."""
    with suppress(OSError):
        # the socket's own method: that of TLS would touch what the other thread reads
        socket.socket.shutdown(line, socket.SHUT_RDWR)
