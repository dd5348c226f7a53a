"""A conforming SMTP server (aiosmtpd) that takes everything and keeps it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


@dataclass(frozen=True, slots=True)
class Letter:
    """What one transaction brought."""

    mail_from: str
    rcpt_to: str
    content: bytes
    is_encrypted: bool


@dataclass
class Sink:
    """The letters so far, and where the server listens."""

    letters: list[Letter] = field(default_factory=list)
    port: int = 0
    logins: list[str] = field(default_factory=list)
    #: Recipients that are refused.
    unknown: set[str] = field(default_factory=set)

    @property
    def recipients(self) -> list[str]:
        return [letter.rcpt_to for letter in self.letters]

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.unknown:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:
        self.letters.append(
            Letter(
                envelope.mail_from,
                envelope.rcpt_tos[0],
                envelope.content,
                session.ssl is not None,
            )
        )
        return f"250 2.0.0 queued as {len(self.letters)}"


class _AnyPort(Controller):  # type: ignore[misc]
    """A controller that may listen on port 0."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def smtp_sink(
    *,
    context: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
) -> Iterator[Sink]:
    """A running sink; with `login` it wants AUTH, which it offers only under TLS."""
    sink = Sink()

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> Any:
        given = (data.login.decode(), data.password.decode())
        sink.logins.append(given[0])
        return AuthResult(success=given == login, handled=False)

    controller = _AnyPort(
        sink,
        hostname="127.0.0.1",
        port=0,
        tls_context=context,
        require_starttls=context is not None,
        authenticator=check if login else None,
        auth_required=bool(login),
        auth_require_tls=context is not None,
    )
    controller.start()
    sink.port = controller.port
    try:
        yield sink
    finally:
        controller.stop()
