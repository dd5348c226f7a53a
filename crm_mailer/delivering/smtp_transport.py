"""The way out by SMTP: a few connections to one mail server, opened as needed and reused."""

from __future__ import annotations

import asyncio
import resource
import ssl
from dataclasses import replace

from crm_mailer.delivering import outcomes
from crm_mailer.delivering.account import Account, Tls
from crm_mailer.delivering.conversation import CALLED_OFF, Conversation
from crm_mailer.delivering.line import TOO_SLOW, Line
from crm_mailer.delivering.opening import Opening, OpeningFailed
from crm_mailer.delivering.port import STOPPED, Flight, Source
from crm_mailer.model.delivery import Phase

#: Files that a process needs besides its connections: databases, journals, logs.
RESERVED_FILES = 40


class SmtpTransport:
    """Takes flights with as many connections as the account allows."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._context: ssl.SSLContext | None = None
        self._has_no_tls = False
        self._lines: set[Line] = set()

    @property
    def width(self) -> int:
        """How many connections may be open: fewer where the system allows few open files."""
        allowed, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if allowed == resource.RLIM_INFINITY:
            return max(1, self.account.connections)
        return max(1, min(self.account.connections, allowed - RESERVED_FILES))

    async def fly(self, source: Source) -> None:
        """Take flights until the source has no more, then QUIT on every connection.

        Raises:
            SettingsError: the account's certificates cannot be read.
        """
        if self._context is None:
            self._context = self.account.context()
        watch, door = asyncio.create_task(self._watch()), _Door(not self.account.username)
        workers = [asyncio.create_task(self._work(source, door)) for _ in range(self.width)]
        try:
            await asyncio.gather(*workers)
        finally:
            watch.cancel()
            for worker in workers:
                worker.cancel()
            await asyncio.gather(watch, *workers, return_exceptions=True)
            for line in list(self._lines):
                line.cut()
            self._lines.clear()
            await asyncio.sleep(0)  # lets the event loop close the sockets

    async def _work(self, source: Source, door: _Door) -> None:
        """One connection after the other, one at a time."""
        conversation: Conversation | None = None
        try:
            while (flight := await source.next()) is not None:
                while flight is not None:
                    if conversation is None or not conversation.is_usable:
                        await self._close(conversation)
                        conversation = await self._opened(flight, source, door)
                    if conversation is None:
                        break
                    flight = await conversation.fly(flight)
        finally:
            await self._close(conversation)

    async def _opened(self, flight: Flight, source: Source, door: _Door) -> Conversation | None:
        """A fresh connection; None where there is none: `flight` has landed then."""
        try:
            if not door.is_open:
                async with door.queue:
                    if not door.is_open:  # nobody before us was let in
                        return await self._tried(flight, source, door)
            return await self._tried(flight, source, door)
        except OpeningFailed as failure:
            source.landed(flight, failure.outcome)
        except asyncio.CancelledError:
            why = outcomes.ours(Phase.CONNECT, CALLED_OFF, host=self.account.place)
            source.landed(flight, why)
            raise
        return None

    async def _tried(self, flight: Flight, source: Source, door: _Door) -> Conversation | None:
        """The same, where it may still begin."""
        if not source.may_begin(flight):
            why = outcomes.ours(Phase.CONNECT, STOPPED, host=self.account.place)
            source.landed(flight, why)
            return None
        conversation = await self._fresh(source)
        door.is_open = True
        return conversation

    async def _fresh(self, source: Source) -> Conversation:
        assert self._context is not None
        account = replace(self.account, tls=Tls.NONE) if self._has_no_tls else self.account
        line = Line()
        self._lines.add(line)
        opening = Opening(account, self._context, line)
        try:
            await opening.open()
        except BaseException as failure:
            self._lines.discard(line)
            line.cut()
            await asyncio.sleep(0)
            if not isinstance(failure, OpeningFailed) or not _may_go_without_tls(account, failure):
                raise
            self._has_no_tls = True
            return await self._fresh(source)
        return Conversation(account, line, opening.extensions, source)

    async def _close(self, conversation: Conversation | None) -> None:
        if conversation is not None:
            await conversation.close()
            self._lines.discard(conversation.line)

    async def _watch(self) -> None:
        """Cut every line whose stage has taken too long: one task looks after all of them."""
        often = min(1.0, self.account.deadlines.shortest / 4)
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(often)
            now = clock()
            for line in list(self._lines):
                if line.deadline <= now:
                    line.cut(TOO_SLOW)


class _Door:
    """Where a login is asked for, one connection tries it; the others wait until it was let in.

    A wrong password that is said by fifty connections at once locks the account.
    """

    def __init__(self, is_open: bool) -> None:
        self.is_open = is_open
        self.queue = asyncio.Lock()


def _may_go_without_tls(account: Account, failure: OpeningFailed) -> bool:
    """Opportunistic TLS that fails is left out, unless a password would be readable."""
    is_casual = account.policy is Tls.OPPORTUNISTIC and not account.username
    return is_casual and failure.outcome.phase is Phase.STARTTLS
