"""Hears of saved files, reads them anew, lets `check` run, and tells every open page."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from watchfiles import DefaultFilter, awatch

from crm_mailer.app.showroom import Showroom

FOLDERS = ("templates", "campaigns", "words")
#: Milliseconds without a further change after which a save is taken for finished.
QUIET, AT_MOST = 10, 200
#: Said to a page whose stream ends.
END = "end"
#: Seconds from the last save to the full check.
BEFORE_CHECK = 0.6
#: How far the check steps back for others, as `nice` counts.
PATIENT = 10


class Watch:
    """The shop's folder, watched while the page is served."""

    def __init__(self, room: Showroom) -> None:
        self._room = room
        self._pages: set[asyncio.Queue[str]] = set()
        self._check: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        #: The findings of the last check, their words packed; None while there was none.
        self.findings: list[dict[str, Any]] | None = None
        #: Why the last check has none.
        self.trouble = ""

    def join(self) -> asyncio.Queue[str]:
        """A page that wants to be told."""
        page: asyncio.Queue[str] = asyncio.Queue()
        self._pages.add(page)
        page.put_nowait(END if self._over.is_set() else "hello")
        return page

    def end(self) -> None:
        """The program ends: open pages are let go."""
        self._over.set()
        self._tell(END)

    def leave(self, page: asyncio.Queue[str]) -> None:
        """A page that was closed."""
        self._pages.discard(page)

    async def run(self) -> None:
        """Until the end."""
        await self._begin_check(0)
        folders = [self._room.home / name for name in FOLDERS if (self._room.home / name).is_dir()]
        seen = DefaultFilter(ignore_paths=[self._room.home / ".cache"])
        async for changes in awatch(
            *folders, watch_filter=seen, step=QUIET, debounce=AT_MOST, stop_event=self._over
        ):
            if self._check is not None:
                self._check.cancel()  # its findings are old, and the mail needs the processor
            saved = {Path(path) for _change, path in changes}
            await run_in_threadpool(self._room.take_in, saved)
            self._tell("changed")
            await run_in_threadpool(self._room.warm)
            await self._begin_check(BEFORE_CHECK)
        await self._end_check()

    def _tell(self, what: str) -> None:
        for page in self._pages:
            page.put_nowait(what)

    async def _begin_check(self, wait: float) -> None:
        await self._end_check()
        self._check = asyncio.create_task(self._checked(wait))

    async def _end_check(self) -> None:
        if self._check is not None:
            self._check.cancel()
            with suppress(asyncio.CancelledError):
                await self._check

    async def _checked(self, wait: float) -> None:
        """In a process of its own: it takes seconds, in which saves are still shown at once."""
        await asyncio.sleep(wait)
        command = [sys.executable, "-m", "crm_mailer", "--home", str(self._room.home)]
        # asyncio's own children want the main thread
        child = subprocess.Popen(
            [*command, "check", "--json", "--sentences"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if hasattr(os, "setpriority"):
            with suppress(OSError):  # it has ended already
                os.setpriority(os.PRIO_PROCESS, child.pid, PATIENT)
        answer = asyncio.create_task(asyncio.to_thread(child.communicate))
        try:
            told, trouble = await asyncio.shield(answer)
        except asyncio.CancelledError:
            child.kill()
            await answer
            raise
        try:
            self.findings, self.trouble = list(json.loads(told)["data"]), ""
        except (ValueError, KeyError, TypeError):
            self.findings, self.trouble = None, trouble.decode("utf-8", "replace").strip()
        self._tell("checked")
