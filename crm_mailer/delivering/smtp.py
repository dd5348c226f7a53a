"""The SMTP lane: a small client that always knows how far the conversation has come.

A failure before the final dot is harmless and the mail may be sent again; a failure after it
leaves the mail in doubt. Exceptions cannot tell the two apart, so the phase is kept, and each
hand-over ends in one `Outcome`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import replace

from crm_mailer.delivering import commands, crash, outcomes
from crm_mailer.delivering.account import Account, Tls
from crm_mailer.delivering.answers import UNREADABLE, Answer
from crm_mailer.delivering.line import Line, LineLost
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.message import Message

STOPPED = "we stopped before the final dot: the claim had run out or the journal is not writable"
#: Asked right before the final dot leaves; False stops the message there.
BeforeDot = Callable[[], bool]


class OpeningFailed(Exception):
    """No usable connection: nothing was said about any message."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class Conversation:
    """One connection to one mail server, from the banner to QUIT."""

    def __init__(self, account: Account, context: ssl.SSLContext) -> None:
        self.account = account
        self._context = context
        self._is_tls = account.policy is Tls.IMPLICIT
        self.handed_over = 0
        #: The last hand-over found the line dead before the server had agreed to MAIL.
        self.was_stale = False
        self._line = Line()
        self._phase = Phase.CONNECT
        self._extensions: dict[str, str] = {}
        self._needs_reset = False
        self._is_over = False

    @property
    def is_usable(self) -> bool:
        """Whether another message may be handed over here."""
        is_worn = self.handed_over >= self.account.messages_per_connection
        return self._line.is_up and not self._is_over and not is_worn

    # ------------------------------------------------------------------ opening

    async def open(self) -> None:
        """Connect, greet, encrypt and log in, as the account asks.

        Raises:
            OpeningFailed: with the outcome that tells phase and reason.
        """
        try:
            await self._open()
        except OpeningFailed:
            self._line.cut()
            raise
        except (OSError, TimeoutError) as error:
            self._line.cut()
            if isinstance(error, ssl.SSLError):
                self._phase = Phase.STARTTLS
            raise self._failed(_why(error)) from error

    async def _open(self) -> None:
        account, limits = self.account, self.account.deadlines
        is_implicit = account.policy is Tls.IMPLICIT
        async with asyncio.timeout(limits.connect):
            await asyncio.get_running_loop().create_connection(
                lambda: self._line,
                account.host,
                account.port,
                ssl=self._context if is_implicit else None,
                server_hostname=account.host if is_implicit else None,
            )
        self._phase = Phase.BANNER
        await self._expect_good(b"", limits.banner)
        await self._hello()
        if not is_implicit:
            await self._maybe_encrypt()
        if account.username:
            is_exposed = account.policy is Tls.OPPORTUNISTIC and not self._is_tls
            await self._login(is_exposed=is_exposed)

    async def _hello(self) -> None:
        self._phase = Phase.EHLO
        name = self.account.hello or _host_name() or self._line.local_address()
        answer = await self._ask(f"EHLO {name}\r\n".encode("ascii", "replace"))
        if 500 <= answer.code <= 504:
            answer = await self._ask(f"HELO {name}\r\n".encode("ascii", "replace"))
            self._extensions = {}
        else:
            self._extensions = _extensions(answer)
        if not answer.is_good:
            raise OpeningFailed(self._outcome(answer))

    async def _maybe_encrypt(self) -> None:
        policy = self.account.policy
        if policy is Tls.NONE:
            return
        is_offered = "STARTTLS" in self._extensions
        self._phase = Phase.STARTTLS
        if not is_offered and policy is Tls.REQUIRED:
            raise self._failed("the server offers no STARTTLS, and we send nothing in clear text")
        if not is_offered:
            return
        await self._expect_good(b"STARTTLS\r\n", self.account.deadlines.command)
        seconds = self.account.deadlines.command
        await self._line.start_tls(self._context, self.account.host, seconds)
        self._is_tls = True
        await self._hello()

    async def _login(self, *, is_exposed: bool) -> None:
        self._phase = Phase.AUTH
        if is_exposed:
            raise self._failed("without TLS the password would be readable on the way")
        offered = self._extensions.get("AUTH", "").upper().split()
        user, password = self.account.username, self.account.password
        if "PLAIN" in offered:
            answer = await self._ask(commands.auth_plain(user, password))
        elif "LOGIN" in offered:
            answer = await self._ask(b"AUTH LOGIN\r\n")
            for text in (user, password):
                if answer.code == 334:
                    answer = await self._ask(commands.auth_login(text))
        else:
            kinds = " ".join(offered) or "none"
            raise self._failed(f"the server offers no login that we know (it offers {kinds})")
        if not answer.is_good:
            raise OpeningFailed(self._outcome(answer))

    # ------------------------------------------------------------------ handing over

    async def hand_over(self, message: Message, before_dot: BeforeDot) -> Outcome:
        """Give one message to the server; never raises for what the server or the line does."""
        started = time.monotonic()
        self.was_stale = False
        self._phase = Phase.MAIL
        try:
            outcome = await self._transaction(message, before_dot)
        except commands.UnsafeAddress as error:
            outcome = self._unsafe(error)
        except (OSError, TimeoutError) as error:
            outcome = await self._broken(error)
        self.handed_over += 1
        return replace(outcome, took_ms=int((time.monotonic() - started) * 1000))

    async def _transaction(self, message: Message, before_dot: BeforeDot) -> Outcome:
        sender = self._mail(message)
        self._phase = Phase.RCPT
        recipient = commands.rcpt(message.rcpt_to)
        self._phase = Phase.MAIL
        too_big = self._too_big(len(message.content))
        if too_big:
            return too_big
        await self._reset()
        answer = await self._ask(sender)
        if not answer.is_good:
            return self._stopped(answer)
        self._phase = Phase.RCPT
        answer = await self._ask(recipient)
        if not answer.is_good:
            return self._stopped(answer)
        self._phase = Phase.DATA
        answer = await self._ask(b"DATA\r\n", self.account.deadlines.data)
        if answer.code != 354:
            return self._stopped(answer)
        crash.point("K3")
        return await self._body(commands.stuffed(message.content), before_dot)

    async def _broken(self, error: Exception) -> Outcome:
        """The line broke; a last word that the server managed to say counts."""
        self.was_stale = self._phase is Phase.MAIL
        if self._line.has_spoken and self._phase is not Phase.DOT:
            outcome = self._outcome(await self._line.answer())
        else:
            outcome = outcomes.lost(self._phase, _why(error), host=self.account.place)
        self._hang_up()
        return outcome

    async def _body(self, body: bytes, before_dot: BeforeDot) -> Outcome:
        """After 354 there is no way back but the dot or the end of the connection."""
        self._phase = Phase.BODY
        async with asyncio.timeout(self.account.deadlines.body):
            self._line.write(body)
            await self._line.drained()
        if self._line.has_spoken:
            answer = await self._line.answer()
            self._hang_up()
            return self._outcome(answer)
        if not before_dot():
            self._hang_up()
            return self._local(OutcomeKind.DEFERRED, STOPPED, Blame.US)
        crash.point("K4")
        self._phase = Phase.DOT
        answer = await self._ask(b".\r\n", self.account.deadlines.dot, after=_at_k5)
        crash.point("K6")
        outcome = self._outcome(answer)
        if outcome.kind is OutcomeKind.UNKNOWN or answer.code == 421:
            self._hang_up()
        return outcome

    def _mail(self, message: Message) -> bytes:
        is_eight_bit = not message.content.isascii() and "8BITMIME" in self._extensions
        size = len(message.content) if "SIZE" in self._extensions else 0
        return commands.mail(message.mail_from, size=size, is_eight_bit=is_eight_bit)

    def _too_big(self, size: int) -> Outcome | None:
        limit = self._extensions.get("SIZE", "")
        if not limit.isdigit() or not 0 < int(limit) < size:
            return None
        why = f"the mail has {size} bytes, the server takes {limit}"
        return self._local(OutcomeKind.REFUSED, why, Blame.MESSAGE, status="5.3.4")

    async def _reset(self) -> None:
        if self._needs_reset:
            self._needs_reset = False
            answer = await self._ask(b"RSET\r\n", self.account.deadlines.reset)
            if not answer.is_good:
                raise LineLost(f"RSET was answered by {answer.code}")
        elif not self._line.is_up:
            raise LineLost("the server has closed the idle connection")

    def _unsafe(self, error: commands.UnsafeAddress) -> Outcome:
        if self._phase is Phase.MAIL:
            return self._local(OutcomeKind.DEFERRED, f"our sender: {error}", Blame.US)
        return self._local(OutcomeKind.REFUSED, str(error), Blame.RECIPIENT)

    def _stopped(self, answer: Answer) -> Outcome:
        """The server did not agree: the transaction ends here, the connection may live on."""
        self.was_stale = self._phase is Phase.MAIL and answer.code == 421
        outcome = self._outcome(answer)
        if not 400 <= answer.code <= 599 or answer.code == 421:
            self._hang_up()
        self._needs_reset = self._phase is not Phase.MAIL
        return outcome

    # ------------------------------------------------------------------ closing

    async def close(self) -> None:
        """Say QUIT and leave; what the server answers does not matter any more."""
        with contextlib.suppress(OSError, TimeoutError):
            if self._line.is_up and not self._is_over:
                self._phase = Phase.QUIT
                await self._ask(b"QUIT\r\n", self.account.deadlines.quit)
        self._hang_up()
        await asyncio.sleep(0)  # lets the event loop close the socket

    def _hang_up(self) -> None:
        self._is_over = True
        self._line.cut()

    # ------------------------------------------------------------------ asking

    async def _ask(
        self, command: bytes, seconds: float = 0, *, after: Callable[[], None] | None = None
    ) -> Answer:
        """Send one command and hear its answer, all within the stage's time."""
        async with asyncio.timeout(seconds or self.account.deadlines.command):
            if command:
                self._line.write(command)
                await self._line.drained()
            if after is not None:
                after()
            answer = await self._line.answer()
        if answer.code == UNREADABLE:
            self._is_over = True
        return answer

    async def _expect_good(self, command: bytes, seconds: float) -> None:
        answer = await self._ask(command, seconds)
        if not answer.is_good:
            raise OpeningFailed(self._outcome(answer))

    def _outcome(self, answer: Answer) -> Outcome:
        return outcomes.from_answer(self._phase, answer, host=self.account.place)

    def _failed(self, why: str) -> OpeningFailed:
        return OpeningFailed(outcomes.lost(self._phase, why, host=self.account.place))

    def _local(self, kind: OutcomeKind, why: str, blame: Blame, *, status: str = "") -> Outcome:
        """An outcome that we decide ourselves, without asking the server."""
        return Outcome(
            kind=kind,
            phase=self._phase,
            status=status,
            text=why,
            blame=blame,
            host=self.account.place,
        )


def _at_k5() -> None:
    crash.point("K5")


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
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror})"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not to be trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
