"""A small, quick SMTP server for the demo's customers: RFC 5321 without TLS or AUTH, on loopback.

A library's server would do, but it takes half a millisecond a mail and the demo sends tens of
thousands on a machine that has other work.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

MAX_LINE = 2048
GREETING = b"220 mx.customers.example ESMTP demo\r\n"
HELLO = (
    b"250-mx.customers.example\r\n250-SIZE 26214400\r\n250-8BITMIME\r\n250-PIPELINING\r\n"
    b"250 ENHANCEDSTATUSCODES\r\n"
)
OK = b"250 2.0.0 Ok\r\n"
END_OF_DATA = b"\r\n.\r\n"


class Reception(Protocol):
    """Who takes the mail in."""

    def refuse(self, address: str) -> str:
        """What to say to a recipient instead of yes; empty for yes."""
        ...

    def receive(self, address: str, mail_from: str, raw: bytes) -> None:
        """Take a mail."""
        ...


class Conversation(asyncio.Protocol):
    """One connection. Commands and bodies are cut out of one buffer, so pipelining just works."""

    def __init__(self, reception: Reception) -> None:
        self.reception = reception
        self.buffer = bytearray()
        self.is_data = False
        self.mail_from = ""
        self.recipients: list[str] = []
        self.taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        """Work through what has come as far as it is whole."""
        self.buffer += data
        while self._take_body() if self.is_data else self._take_command():
            pass
        if not self.is_data and len(self.buffer) > MAX_LINE:
            self._say(b"500 5.5.2 Line too long\r\n")
            self.transport.close()

    def _take_command(self) -> bool:
        end = self.buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        verb, _, rest = line.partition(b" ")
        answer = self._answer(verb.upper(), rest)
        self._say(answer)
        if verb.upper() == b"QUIT":
            self.transport.close()
        return not self.transport.is_closing()

    def _answer(self, verb: bytes, rest: bytes) -> bytes:
        match verb:
            case b"EHLO" | b"HELO":
                self._forget()
                return HELLO if verb == b"EHLO" else OK
            case b"MAIL":
                self._forget()
                self.mail_from = _address(rest)
                return b"250 2.1.0 Ok\r\n"
            case b"RCPT":
                return self._recipient(_address(rest))
            case b"DATA":
                self.is_data = bool(self.recipients)
                return (
                    b"354 End data with <CR><LF>.<CR><LF>\r\n"
                    if self.is_data
                    else b"503 5.5.1 No recipients\r\n"
                )
            case b"RSET" | b"NOOP":
                if verb == b"RSET":
                    self._forget()
                return OK
            case b"QUIT":
                return b"221 2.0.0 Bye\r\n"
            case _:
                return b"502 5.5.2 Unknown command\r\n"

    def _recipient(self, address: str) -> bytes:
        refusal = self.reception.refuse(address)
        if refusal:
            return refusal.encode("ascii") + b"\r\n"
        self.recipients.append(address)
        return b"250 2.1.5 Ok\r\n"

    def _take_body(self) -> bool:
        if self.buffer[:3] == b".\r\n":
            end, rest = 0, 3
        else:
            end = self.buffer.find(END_OF_DATA)
            if end < 0:
                return False
            end, rest = end + 2, end + len(END_OF_DATA)
        raw = bytes(self.buffer[:end]).replace(b"\r\n..", b"\r\n.")
        del self.buffer[:rest]
        self.is_data = False
        for address in self.recipients:
            self.reception.receive(address, self.mail_from, raw)
        self.taken += 1
        self._say(b"250 2.0.0 Ok: queued as %06d\r\n" % self.taken)
        self._forget()
        return True

    def _forget(self) -> None:
        self.mail_from = ""
        self.recipients = []

    def _say(self, answer: bytes) -> None:
        self.transport.write(answer)


def _address(rest: bytes) -> str:
    """What stands between < and > of `FROM:<a@b.example> SIZE=1`."""
    return rest.partition(b"<")[2].partition(b">")[0].decode("utf-8", "replace")
