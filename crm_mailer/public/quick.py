"""Answers links and pictures of mails before the web framework sees them.

After a newsletter thousands ask within a minute. So a request that is whole, plain and genuine is
answered from the bytes of its head; everything else (odd headers, bodies, other paths, addresses
that are not ours) goes the usual way, and gets the same answer or a refusal there.
"""

from __future__ import annotations

import re
from asyncio import Transport
from collections.abc import Collection
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from crm_mailer.public.clicks import HEADERS, PICTURE, Asked, Clicks
from crm_mailer.web.limits import LARGEST_HEADERS, LARGEST_LINE

#: The only requests that are answered here.
REQUEST = re.compile(
    rb"(GET|HEAD) ((?:/[!-~]*?)?)/(?:c/([A-Za-z2-7]{15}\.[A-Za-z2-7]{16})/([A-Za-z2-7]{12})"
    rb"|o/([A-Za-z2-7]{15}\.[A-Za-z2-7]{16})\.gif)(?:\?[!-~]*)? HTTP/1\.1\r\n"
)
#: Headers, each on one line, with nothing before the colon that programs read differently.
FIELDS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n)*")
#: What is read of them.
FIELD = re.compile(
    rb"\r\n(host|user-agent|x-forwarded-for|connection|content-length|transfer-encoding|expect"
    rb"|upgrade):[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)
#: Who has one of these wants more than an answer from us.
ODD = (b"content-length", b"transfer-encoding", b"expect", b"upgrade")
#: Peers that may say for whom they ask: a proxy on this machine.
PROXIES = frozenset({"127.0.0.1", "::1"})
#: Connections that are open at once; more are hung up on.
MOST_LINES = 1_000
#: Seconds between two moments at which an idle connection is given its time anew.
CALM_EVERY = 1.0

#: What a client may wish of its connection.
WISHES = (b"", b"keep-alive", b"close")

_END = b"\r\n\r\n"
#: Where the headers stand that change.
_DATE = b"date: now\r\n"
_COMMON = _DATE + b"".join(
    b"%b: %b\r\n" % (key.encode(), one.encode()) for key, one in HEADERS.items()
)
_LINK = b"HTTP/1.1 302 Found\r\n%bcontent-length: 0\r\nlocation: %%b\r\n\r\n" % _COMMON
_PICTURE = b"HTTP/1.1 200 OK\r\n%bcontent-type: image/gif\r\ncontent-length: %d\r\n\r\n" % (
    _COMMON,
    len(PICTURE),
)


class ShortWay:
    """Answers the requests at the beginning of what a connection sent, while it knows them.

    Args:
        clicks: what knows the links.
        hosts: names under which we are asked.
        root: the path of the shop's public address, which a proxy may leave in.
    """

    def __init__(self, clicks: Clicks, hosts: Collection[str], root: str = "") -> None:
        self._clicks = clicks
        self._names = frozenset(host.encode("latin-1") for host in hosts)
        self._roots = frozenset({b"", root.encode("latin-1")})

    def answers(self, data: bytes, peer: str, date: bytes) -> tuple[bytes, int, bool]:
        """The answers, how much of the data they are to, and whether the line ends with them."""
        found: list[bytes] = []
        is_last, done = False, 0
        while not is_last and (end := data.find(_END, done)) >= 0:
            answer, is_last = self._answer(data[done : end + 2], peer, date)
            if not answer:
                break
            found.append(answer)
            done = end + 4
        return b"".join(found), done, is_last

    def _answer(self, head: bytes, peer: str, date: bytes) -> tuple[bytes, bool]:
        """The answer to a request, and whether it is the last one; empty: not for us."""
        asked = REQUEST.match(head)
        if asked is None or asked[2] not in self._roots or not _is_sound(head, asked.end()):
            return b"", False
        fields = FIELD.findall(head, asked.end() - 2)
        told = {name.lower(): value.strip() for name, value in fields}
        wish = told.get(b"connection", b"").lower()
        is_odd = len(told) != len(fields) or not told.keys().isdisjoint(ODD)
        if is_odd or wish not in WISHES or _name(told.get(b"host", b"")) not in self._names:
            return b"", False
        who = _who(asked[1].decode(), told, peer)
        answer = self._link(asked, who) if asked[3] else self._picture(asked, who)
        if not answer:
            return b"", False
        is_last = wish == b"close"
        more = date + b"connection: close\r\n" if is_last else date
        return answer.replace(_DATE, more, 1), is_last

    def _link(self, asked: re.Match[bytes], who: Asked) -> bytes:
        target = self._clicks.follow(asked[3].decode(), asked[4].decode(), who)
        return b"" if target is None else _LINK % target.encode("ascii")

    def _picture(self, asked: re.Match[bytes], who: Asked) -> bytes:
        if not self._clicks.see(asked[5].decode(), who):
            return b""
        return _PICTURE + PICTURE if who.method == "GET" else _PICTURE


class Quick(H11Protocol):
    """Tries the short way first, then does what the protocol behind it does."""

    way: ShortWay
    _calmed_at = 0.0
    _peer = ""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Greet a connection, or hang up where there are too many."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        if len(self.connections) > MOST_LINES:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer what can be answered here, and leave the rest to the others."""
        if self._is_between_requests():
            date = b"".join(b"%b: %b\r\n" % one for one in self.server_state.default_headers)
            answers, done, is_last = self.way.answers(data, self._peer, date)
            if done:
                self._stay()
                self.transport.write(answers)
                data = data[done:]
            if is_last:
                self.transport.close()
                return
        if data:
            super().data_received(data)

    def _is_between_requests(self) -> bool:
        cycle: Any = self.cycle
        is_free = cycle is None or cycle.response_complete
        is_fresh = self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        return is_free and is_fresh and not self.transport.is_closing()

    def _stay(self) -> None:
        """Begin the time anew after which an idle connection is closed."""
        self._unset_keepalive_if_required()
        now = self.loop.time()
        if now - self._calmed_at >= CALM_EVERY:
            self._calmed_at = now
            behind: Any = self
            behind._calm()
            behind._wait()

    def pause_writing(self) -> None:
        """Whoever does not read the answers gets no more of them."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """They are read again."""
        super().resume_writing()
        self.transport.resume_reading()


def quick(base: type[H11Protocol], way: ShortWay) -> type[H11Protocol]:
    """The server's protocol `base`, with the short way before it."""
    return type("Quick", (Quick, base), {"way": way})


def _is_sound(head: bytes, line_end: int) -> bool:
    """Whether a head is short, and one that all programs read alike."""
    is_short = line_end <= LARGEST_LINE and len(head) - line_end <= LARGEST_HEADERS
    return is_short and FIELDS.fullmatch(head, line_end) is not None


def _name(host: bytes) -> bytes:
    name, _, port = host.rpartition(b":")
    return (name if port.isdigit() else host).lower()


def _who(method: str, told: dict[bytes, bytes], peer: str) -> Asked:
    if peer in PROXIES and (via := told.get(b"x-forwarded-for")):
        peer = via.rpartition(b",")[2].strip().decode("latin-1")
    agent = told.get(b"user-agent", b"").decode("latin-1")
    return Asked(method=method, agent=agent, address=peer)
