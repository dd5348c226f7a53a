"""Ways out that lead nowhere: into a folder, and into nothing."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from crm_mailer.delivering.pacing import SANDBOX
from crm_mailer.delivering.port import STOPPED, Flight, Source
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.message import Message
from crm_mailer.model.moment import Clock

#: Flights after which others get their turn: nothing here waits by itself.
TURN = 16


class FolderTransport:
    """The sandbox: each mail becomes an .eml file, whole or not at all. Nothing leaves."""

    width = 1

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock

    async def fly(self, source: Source) -> None:
        """Write a file for each flight, named by time and touch: no name tells who it is for."""
        await _take_all(source, self._written)

    def _written(self, message: Message) -> Outcome:
        name = f"{self.clock.now():%Y%m%dT%H%M%SZ}-{message.touch_id:08d}.eml"
        try:
            _write_whole(self.folder / name, message.content)
        except OSError as error:
            why = f"{self.folder}: {error.strerror or error}"
            return _outcome(OutcomeKind.DEFERRED, Phase.CONNECT, why, Blame.SITE)
        return _outcome(OutcomeKind.ACCEPTED, Phase.DOT, f"written to {name}")


class NullTransport:
    """For trials: takes every mail and forgets it."""

    width = 1

    async def fly(self, source: Source) -> None:
        """Take them all."""
        await _take_all(source, _forgotten)


def _forgotten(_message: Message) -> Outcome:
    return _FORGOTTEN


class _Take(Protocol):
    def __call__(self, message: Message, /) -> Outcome: ...


async def _take_all(source: Source, take: _Take) -> None:
    number = 0
    while (flight := await source.next()) is not None:
        source.landed(flight, _taken(source, flight, take))
        number += 1
        if number % TURN == 0:
            await asyncio.sleep(0)


def _taken(source: Source, flight: Flight, take: _Take) -> Outcome:
    if not source.before_dot(flight):
        return _outcome(OutcomeKind.DEFERRED, Phase.BODY, STOPPED, Blame.US)
    return take(flight.message)


def _write_whole(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".part")
    try:
        file = _opened(draft)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = _opened(draft)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _outcome(kind: OutcomeKind, phase: Phase, text: str, blame: Blame = Blame.NOBODY) -> Outcome:
    return Outcome(kind=kind, phase=phase, text=text, blame=blame, host=SANDBOX)


_FORGOTTEN = _outcome(OutcomeKind.ACCEPTED, Phase.DOT, "forgotten")
