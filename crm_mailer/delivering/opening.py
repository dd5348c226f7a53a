"""Opens a connection to a mail server: banner, greeting, encryption, login."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import os
import socket
import ssl
from collections.abc import Mapping
from typing import cast

from crm_mailer.delivering import login, outcomes
from crm_mailer.delivering.account import Account, Tls
from crm_mailer.delivering.answers import Answer
from crm_mailer.delivering.faults import LineLost
from crm_mailer.delivering.line import Line
from crm_mailer.model.delivery import Outcome, Phase
from crm_mailer.model.sentence import Sentence


class OpeningFailed(Exception):
    """No usable connection: nothing was said about any message."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class Opening:
    """The way from nothing to a connection that takes mail. Used once."""

    def __init__(self, account: Account, context: ssl.SSLContext, line: Line) -> None:
        self.account = account
        self.line = line
        self.phase = Phase.CONNECT
        #: What the server offers, in its last greeting.
        self.extensions: Mapping[str, str] = {}
        self._context = context
        self._is_tls = account.policy is Tls.IMPLICIT

    async def open(self) -> None:
        """Connect, greet, encrypt and log in, as the account asks.

        Raises:
            OpeningFailed: with the outcome that tells phase and reason; the line is cut then.
        """
        try:
            await self._open()
        except login.Refused as error:
            raise OpeningFailed(error.outcome(self.account.place)) from None
        except (OSError, TimeoutError) as error:
            if isinstance(error, ssl.SSLError):
                self.phase = Phase.STARTTLS
            raise self._failed(_why(error)) from error
        finally:
            self.line.deadline = math.inf

    async def ask(self, command: bytes, seconds: float = 0) -> Answer:
        """Send one command (or none) and hear its answer.

        Args:
            seconds: how long the stage may take; 0: as long as an ordinary command.

        Raises:
            LineLost: the connection ended before it, or the time was over.
        """
        limit = seconds or self.account.deadlines.command
        self.line.deadline = asyncio.get_running_loop().time() + limit
        if command and self.line.has_spoken:
            # it was said before we asked: a refusal counts as its last word, nothing else does
            answer = await self.line.answer()
            if answer.is_good:
                raise LineLost(Sentence("the server answered what was not asked"))
            return answer
        if command:
            self.line.write(command)
        return await self.line.answer()

    async def _open(self) -> None:
        account = self.account
        is_implicit = account.policy is Tls.IMPLICIT
        async with asyncio.timeout(account.deadlines.connect):
            await asyncio.get_running_loop().create_connection(
                lambda: cast(asyncio.Protocol, self.line), account.wire_host, account.port
            )
            if is_implicit:
                seconds = account.deadlines.connect
                await self.line.start_tls(self._context, account.wire_host, seconds)
        self.phase = Phase.BANNER
        await self._expect_good(b"", account.deadlines.banner)
        await self._hello()
        if not is_implicit:
            await self._maybe_encrypt()
        if account.username:
            await self._login()

    async def _hello(self) -> None:
        self.phase = Phase.EHLO
        name = self.account.hello or _host_name() or self.line.local_address()
        answer = await self.ask(f"EHLO {name}\r\n".encode("ascii", "replace"))
        self.extensions = _extensions(answer)
        if 500 <= answer.code <= 504:
            answer = await self.ask(f"HELO {name}\r\n".encode("ascii", "replace"))
            self.extensions = {}
        if not answer.is_good:
            raise OpeningFailed(self._outcome(answer))

    async def _maybe_encrypt(self) -> None:
        policy = self.account.policy
        if policy is Tls.NONE:
            return
        is_offered = "STARTTLS" in self.extensions
        self.phase = Phase.STARTTLS
        if not is_offered and policy is Tls.REQUIRED:
            raise self._failed(
                Sentence("the server offers no STARTTLS, and we send nothing in clear text")
            )
        if not is_offered:
            return
        seconds = self.account.deadlines.command
        await self._expect_good(b"STARTTLS\r\n", seconds)
        await self.line.start_tls(self._context, self.account.wire_host, seconds)
        self._is_tls = True
        await self._hello()

    async def _login(self) -> None:
        self.phase = Phase.AUTH
        if not self._is_tls and not self._stays_here:
            raise self._failed(Sentence("without TLS the password would be readable on the way"))
        offered = self.extensions.get("AUTH", "").upper().split()
        await login.log_in(self.account, offered, self.ask)

    @property
    def _stays_here(self) -> bool:
        """Whether nobody is between us and the server, and that was asked for."""
        here = self.line.local_address().strip("[]").removeprefix("IPv6:")
        return self.account.policy is Tls.NONE and ipaddress.ip_address(here).is_loopback

    async def _expect_good(self, command: bytes, seconds: float) -> None:
        answer = await self.ask(command, seconds)
        if not answer.is_good:
            raise OpeningFailed(self._outcome(answer))

    def _outcome(self, answer: Answer) -> Outcome:
        return outcomes.from_answer(self.phase, answer, host=self.account.place)

    def _failed(self, why: str) -> OpeningFailed:
        return OpeningFailed(outcomes.lost(self.phase, why, host=self.account.place))


def _extensions(answer: Answer) -> dict[str, str]:
    """EHLO keywords and their parameters; the old `AUTH=PLAIN` form is read too."""
    found: dict[str, str] = {}
    for line in answer.lines[1:]:
        keyword, _blank, rest = line.replace("AUTH=", "AUTH ", 1).partition(" ")
        found[keyword.upper()] = f"{found.get(keyword.upper(), '')} {rest}".strip()
    return found


def _host_name() -> str:
    name = socket.gethostname()
    return name if "." in name and name.isascii() else ""


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return Sentence("no answer in time")
    if isinstance(error, socket.gaierror):
        return Sentence("the name cannot be resolved ({why})", why=error.strerror)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Sentence("the certificate is not to be trusted: {why}", why=error.verify_message)
    if isinstance(error, ssl.SSLError):
        return Sentence("TLS failed: {why}", why=error.reason or error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
