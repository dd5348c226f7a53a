"""Sending in processes of its own: each claims, renders, signs, sends and settles for itself.

The workers know nothing of one another: claims and journals keep them apart, and whichever comes
first puts right what a dead one left behind. The daemon starts them and starts them again:

    crm-mailer --home FOLDER worker --number 2 --leash    until its standard input is closed
    crm-mailer --home FOLDER worker                       until SIGTERM or SIGINT
    crm-mailer --home FOLDER worker --once                until nothing is due; the report as JSON

Settings come from the shop's file and the environment, as with every command. The first SIGTERM
or SIGINT lets mails in flight finish, for 30 seconds; the second ends it at once.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crm_mailer import logs
from crm_mailer.app import App, clocks, delivering
from crm_mailer.delivering import DeliverReport
from crm_mailer.model.duty import Duty
from crm_mailer.model.errors import CrmMailerError, SchemaAhead
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import bells, leases
from crm_mailer.store.leases import Holder

#: A worker's lease says that it is alive.
LEASE_SECONDS, BEAT_SECONDS = 60.0, 10.0
#: How long a stop waits for mails in flight.
DRAIN_SECONDS = 30.0
#: Rests where nothing was due, and where something went wrong.
IDLE_SECONDS, FAULT_SECONDS = 0.5, 2.0
#: How often changed files are looked for, and how often the end of the leash.
FILES_SECONDS, WATCH_SECONDS = 10.0, 0.25
#: A round that has not asked for so long whether to stop hangs: its lease runs out.
STALLED_SECONDS = 60.0
#: First and longest rest before a worker that died is started again; how long it must live to
#: start afresh.
RESTART = (1.0, 60.0)
#: A worker that uses more memory than this is told to the operator.
MUCH_MEMORY = 512 << 20
#: Exit code where sending had to be cut off: the next start puts it right (EX_TEMPFAIL).
CUT_OFF = 75


def spare_collector() -> None:
    """Let the search for garbage cycles run seldom and pass over all that lives by now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def lease_name(team: str, number: int) -> str:
    """The name under which worker `number` of a team is known to be alive."""
    return f"{leases.WORKER}{team}:{number}"


@dataclass(slots=True)
class Worker:
    """This process as a worker. `run` works once, in the main thread.

    `is_leashed`: it ends when standard input is closed, which whoever started it holds open.
    """

    app: App
    number: int = 1
    is_leashed: bool = False
    #: Whose worker it is: several daemons of a host have workers of the same numbers.
    team: str = field(default_factory=socket.gethostname)
    log: Any = field(default_factory=logs.get)
    owner: str = field(default_factory=delivering.owner)
    #: Why to stop. The queue wakes a nap and may be filled from within a signal handler.
    _why: str = ""
    _ends: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _asked_at: float = field(default_factory=time.monotonic)
    _is_stale: bool = False
    _is_ready: bool = False
    #: Whether a round has mails in its hands.
    _is_sending: bool = False

    def run(self) -> None:
        """Send round after round until told to stop; mails in flight may finish.

        Raises:
            SettingsError: the settings make no sense.
            StoreError: the database cannot be used.
        """
        troubles = logs.Troubles(self.log)
        self.get_ready()
        while not self._why:
            self._nap(self._round(troubles))
        self.log.info("worker stopping", number=self.number, why=self._why)
        self._end()

    def run_once(self) -> DeliverReport:
        """One round, whatever happened before: until nothing is due or a signal comes."""
        self.get_ready()
        try:
            return delivering.send(self.app, should_stop=self._should_stop, is_by_hand=True)
        finally:
            self._end()

    def get_ready(self) -> None:
        """All that comes before the first round; both ways of working see to it themselves."""
        if self._is_ready:
            return
        self._is_ready = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        self.app.store.keep_few_pages()
        self.app.reload_if_changed()
        self._beat()
        with contextlib.suppress(OSError):
            self.app.definitions  # noqa: B018 - read now, so that the collector passes over them
        threading.Thread(target=self._watch, daemon=True).start()
        threading.Thread(target=self._hear_bell, daemon=True).start()
        self.log.info("worker started", number=self.number, pid=os.getpid())
        spare_collector()

    def _end(self) -> None:
        self._why = self._why or "done"
        with contextlib.suppress(Exception), self.app.store.write() as connection:
            leases.release(connection, self._lease_name, owner=self.owner)
        self.log.info("worker stopped", number=self.number)

    def _round(self, troubles: logs.Troubles) -> float:
        """One round; returns for how many seconds to rest."""
        try:
            self.app.reload_if_changed()
            self._is_stale = False
            report = delivering.send(self.app, should_stop=self._should_stop)
            if report.lane_fault is not None:
                raise report.lane_fault.error()
            did = _told(report)
            # a round that did nothing may have left a resting server alone
            troubles.well("send", did, is_over=bool(did))
            return 0.0 if did else IDLE_SECONDS
        except SchemaAhead as error:
            self._stop(str(error))  # the program of the newer schema takes over
        except CrmMailerError as error:
            troubles.unwell("send", str(error), hint=error.hint)
        except OSError as error:  # an editor was just about to move a file
            troubles.unwell("send", f"{type(error).__name__}: {error}")
        except Exception as error:
            troubles.unwell("send", f"{type(error).__name__}: {error}", exc_info=True)
        return FAULT_SECONDS

    def _nap(self, seconds: float) -> None:
        if seconds:
            self._is_sending = False
            with contextlib.suppress(queue.Empty):
                self._ends.get(timeout=seconds)
        self._asked_at = time.monotonic()

    def _should_stop(self) -> bool:
        """Asked by the round all the time. Changed files end it too: the next one reads them."""
        self._asked_at = time.monotonic()
        self._is_sending = True
        return bool(self._why) or self._is_stale

    def _signalled(self, number: int, _frame: object) -> None:
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_DFL)
        self._stop(signal.Signals(number).name)

    def _stop(self, why: str) -> None:
        self._why = self._why or why
        self._ends.put(why)

    # ------------------------------------------------------------------ the second thread

    def _watch(self) -> None:
        """Do what must not wait for a round, and cut it off when it does not end."""
        while True:
            try:
                self._watch_on()
            except Exception as error:  # without this thread nobody knows that we are alive
                with contextlib.suppress(Exception):
                    self.log.error("worker", number=self.number, error=repr(error), exc_info=True)
                time.sleep(WATCH_SECONDS)

    def _watch_on(self) -> None:
        stop_at, beat_at, look_at = 0.0, time.monotonic() + BEAT_SECONDS, 0.0
        while True:
            self._wait_for_leash()
            now = time.monotonic()
            if self._why:
                stop_at = stop_at or now + DRAIN_SECONDS
                if now >= stop_at:
                    self._cut_off()
            if now >= beat_at:
                beat_at = now + BEAT_SECONDS
                if now - self._asked_at < STALLED_SECONDS:
                    self._beat()
            if now >= look_at:
                look_at = now + FILES_SECONDS
                with contextlib.suppress(OSError):
                    self._is_stale = self._is_stale or self.app.has_changed_files()

    def _wait_for_leash(self) -> None:
        if not self.is_leashed or self._why:
            time.sleep(WATCH_SECONDS)
            return
        try:
            readable, _, _ = select.select([0], [], [], WATCH_SECONDS)
            is_cut = bool(readable) and not os.read(0, 1024)
        except OSError:  # it was never there
            is_cut = True
        if is_cut:
            self._stop("whoever started it is gone")

    def _beat(self) -> None:
        """Say that we are alive; a database that is busy at the moment is no reason to stop."""
        try:
            me = Holder(
                owner=self.owner, host=socket.gethostname(), pid=os.getpid(),
                roles=Duty.SEND.value, doing="send" if self._is_sending else "",
                clock_ms=round(clocks.ahead(self.app) * 1000),
            )  # fmt: skip
            with self.app.store.write() as connection:
                leases.acquire(
                    connection, self._lease_name, owner=me, seconds=LEASE_SECONDS,
                    now=clocks.lease_moment(self.app), is_owner_gone=True,
                )  # fmt: skip
        except CrmMailerError as error:
            self.log.warning("worker", number=self.number, error=str(error), hint=error.hint)
        except Exception as error:  # the next beat comes, and may do better
            self.log.error("worker", number=self.number, error=repr(error), exc_info=True)

    def _hear_bell(self) -> None:
        """Look at once when there is something new, not after the nap."""
        bells.hear(self.app.store, lambda: self._ends.put(""), self._pause)

    def _pause(self, seconds: float) -> bool:
        """Rest in a thread; whether it is over."""
        if seconds:
            time.sleep(seconds)
        return bool(self._why)

    @property
    def _lease_name(self) -> str:
        return lease_name(self.team, self.number)

    def _cut_off(self) -> None:
        with contextlib.suppress(Exception):
            self.log.warning(
                "cut off", work="send", number=self.number, goes_on="at the next start"
            )
            sys.stderr.flush()
        os._exit(CUT_OFF)  # or its threads would be waited for


@dataclass(slots=True)
class Team:
    """The workers of one daemon: started, looked after, and sent home."""

    home: Path
    size: int
    log: Any = field(default_factory=logs.get)
    clock: Callable[[], float] = time.monotonic
    name: str = field(default_factory=socket.gethostname)
    _members: dict[int, _Member] = field(default_factory=dict)
    #: When the database did not answer, on `clock`.
    _deaf_at: float = float("-inf")

    def look_after(self) -> None:
        """Start who is missing, each after its rest; tell who died and who eats memory."""
        for number in range(1, self.size + 1):
            member = self._members.setdefault(number, _Member(number))
            if member.process is None:
                if self.clock() >= member.start_at:
                    member.start(self.home, self.name, self.clock())
            elif member.process.poll() is not None:
                self._bury(member)
            else:
                self._weigh(member)

    def listen(self, app: App) -> str:
        """Nothing, when every worker says that it is alive.

        Raises:
            CrmMailerError: one lives, but its round stands still.
        """
        try:
            with app.store.read() as connection:
                heard = leases.list_in_force(connection, leases.WORKER, clocks.lease_moment(app))
        except CrmMailerError:
            self._deaf_at = self.clock()  # workers cannot say anything either
            raise
        names, now = {one.name for one in heard}, self.clock()
        for member in self._alive():
            has_lived = now - max(member.started_at, self._deaf_at) > LEASE_SECONDS
            if has_lived and lease_name(self.name, member.number) not in names:
                raise CrmMailerError(
                    Sentence(
                        "worker {number} (pid {pid}) has not been heard of "
                        "for {seconds:.0f} seconds",
                        number=member.number,
                        pid=member.process.pid,
                        seconds=LEASE_SECONDS,
                    ),
                    hint="if it stays so, end it with SIGKILL: another one takes its place",
                )
        return ""

    @property
    def pids(self) -> list[int]:
        """The processes that are alive."""
        return [one.process.pid for one in self._alive()]

    def dismiss(self) -> None:
        """Let all finish what is in flight and end, by their leash: a supervisor that signals a
        whole group at once has sent them their first signal already, and a second cuts off."""
        for member in self._alive():
            member.process.stdin.close()

    def wait(self, seconds: float) -> list[int]:
        """Wait for those that were dismissed and kill who is late; the numbers of the killed and
        of those that cut themselves off."""
        until, late = time.monotonic() + seconds, []
        for member in self._alive():
            try:
                code = member.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                code = member.process.wait()
            if code in (CUT_OFF, -signal.SIGKILL):
                late.append(member.number)
            member.leave()
        return late

    def _alive(self) -> list[_Member]:
        return [one for one in self._members.values() if one.process is not None]

    def _bury(self, member: _Member) -> None:
        code, lived = member.process.returncode, self.clock() - member.started_at
        member.leave()
        rest = member.rest_after(lived)
        member.start_at = self.clock() + rest
        self.log.warning(
            "worker died", number=member.number, exit_code=code, lived=f"{lived:.0f} s",
            starts_again=f"in {rest:.0f} s",
        )  # fmt: skip

    def _weigh(self, member: _Member) -> None:
        size = memory(member.process.pid)
        if size > MUCH_MEMORY and not member.is_heavy:
            member.is_heavy = True
            self.log.warning(
                "worker is heavy", number=member.number, pid=member.process.pid,
                memory=f"{size >> 20} MB", hint="stop it with SIGTERM; another one is started",
            )  # fmt: skip


@dataclass(slots=True)
class _Member:
    """One place in the team and the process that holds it."""

    number: int
    process: Any = None
    started_at: float = 0.0
    start_at: float = 0.0
    deaths: int = 0
    is_heavy: bool = False

    def start(self, home: Path, team: str, now: float) -> None:
        """Start a process that a Ctrl-C in our terminal does not reach: we tell it ourselves."""
        words = ["--home", str(home), "worker", "--number", str(self.number), "--team", team]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "crm_mailer", *words, "--leash"],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self.started_at, self.is_heavy = now, False

    def leave(self) -> None:
        """Forget the process, which has ended."""
        self.process.stdin.close()
        self.process = None

    def rest_after(self, lived: float) -> float:
        """Seconds until the place is filled again: longer each time, unless it lived long."""
        first, longest = RESTART
        self.deaths = 1 if lived > longest else self.deaths + 1
        return float(min(first * 2.0 ** min(self.deaths - 1, 16), longest))


def _told(report: DeliverReport) -> str:
    counts = {**report.outcomes, **report.skipped}
    return ", ".join(f"{name} {number}" for name, number in counts.items() if number)


def memory(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where that cannot be told."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
