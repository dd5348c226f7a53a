"""Port `Transport` and its kinds: by SMTP, into a folder, into nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from crm_mailer.delivering.account import Account, Tls
from crm_mailer.delivering.pacing import SANDBOX
from crm_mailer.delivering.smtp import STOPPED, BeforeDot, Conversation, OpeningFailed
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.message import Message
from crm_mailer.model.moment import Clock


class Transport(Protocol):
    """Port: hands messages over, several at a time, each ending in one outcome."""

    @property
    def width(self) -> int:
        """How many messages may be handed over at once."""
        ...

    async def hand_over(self, message: Message, before_dot: BeforeDot) -> Outcome:
        """Hand over one message.

        Args:
            before_dot: asked right before the step that cannot be taken back; when it says
                False, the message must not leave.
        """
        ...

    async def close(self) -> None:
        """Let go of all connections; they are opened again when needed."""
        ...


class SmtpTransport:
    """A pool of connections to one mail server, opened as needed and reused."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._idle: deque[Conversation] = deque()
        self._context: ssl.SSLContext | None = None
        self._has_no_tls = False

    @property
    def width(self) -> int:
        """How many connections may be open."""
        return max(1, self.account.connections)

    async def hand_over(self, message: Message, before_dot: BeforeDot) -> Outcome:
        """By SMTP. An idle connection that died silently is replaced once, before MAIL counts."""
        conversation = await self._reused()
        if conversation is not None:
            outcome = await conversation.hand_over(message, before_dot)
            if not conversation.was_stale:
                return await self._put_back(conversation, outcome)
        try:
            conversation = await self._fresh()
        except OpeningFailed as failure:
            return failure.outcome
        outcome = await conversation.hand_over(message, before_dot)
        return await self._put_back(conversation, outcome)

    async def close(self) -> None:
        """QUIT on every connection."""
        idle, self._idle = list(self._idle), deque()
        await asyncio.gather(*(conversation.close() for conversation in idle))

    async def _reused(self) -> Conversation | None:
        while self._idle:
            conversation = self._idle.pop()
            if conversation.is_usable:
                return conversation
            await conversation.close()
        return None

    async def _fresh(self) -> Conversation:
        if self._context is None:
            self._context = self.account.context()
        account = replace(self.account, tls=Tls.NONE) if self._has_no_tls else self.account
        conversation = Conversation(account, self._context)
        try:
            await conversation.open()
        except OpeningFailed as failure:
            if not self._may_go_without_tls(failure.outcome):
                raise
            self._has_no_tls = True
            return await self._fresh()
        return conversation

    def _may_go_without_tls(self, outcome: Outcome) -> bool:
        """Opportunistic TLS that fails is left out, unless a password would be readable."""
        is_casual = self.account.policy is Tls.OPPORTUNISTIC and not self.account.username
        return is_casual and not self._has_no_tls and outcome.phase is Phase.STARTTLS

    async def _put_back(self, conversation: Conversation, outcome: Outcome) -> Outcome:
        if conversation.is_usable:
            self._idle.append(conversation)
        else:
            await conversation.close()
        return outcome


class FolderTransport:
    """The sandbox: each mail becomes an .eml file, whole or not at all. Nothing leaves."""

    width = 1

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock

    async def hand_over(self, message: Message, before_dot: BeforeDot) -> Outcome:
        """Write the file, named by time and touch: a name never tells who it is for."""
        name = f"{self.clock.now():%Y%m%dT%H%M%SZ}-{message.touch_id:08d}.eml"
        if not before_dot():
            return _outcome(OutcomeKind.DEFERRED, Phase.BODY, STOPPED, Blame.US)
        try:
            _write_whole(self.folder / name, message.content)
        except OSError as error:
            why = f"{self.folder}: {error.strerror}"
            return _outcome(OutcomeKind.DEFERRED, Phase.CONNECT, why, Blame.SITE)
        return _outcome(OutcomeKind.ACCEPTED, Phase.DOT, f"written to {name}", Blame.NOBODY)

    async def close(self) -> None:
        """Nothing is open."""


class NullTransport:
    """For trials: takes every mail and forgets it."""

    width = 1

    async def hand_over(self, message: Message, before_dot: BeforeDot) -> Outcome:
        """Take it."""
        if not before_dot():
            return _outcome(OutcomeKind.DEFERRED, Phase.BODY, STOPPED, Blame.US)
        return _outcome(OutcomeKind.ACCEPTED, Phase.DOT, "forgotten", Blame.NOBODY)

    async def close(self) -> None:
        """Nothing is open."""


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_bytes(content)
    draft.replace(path)


def _outcome(kind: OutcomeKind, phase: Phase, text: str, blame: Blame) -> Outcome:
    return Outcome(kind=kind, phase=phase, text=text, blame=blame, host=SANDBOX)
