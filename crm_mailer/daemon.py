"""The clockwork: APScheduler ticks each room, a thread reads each mailbox, a signal ends it well.

Jobs only tick. What is due is decided by the tables, so a missed or doubled tick does no harm;
the scheduler keeps nothing and runs in UTC, where no hour is missing or repeated.

Several daemons may share a PostgreSQL database. All of them send, understand and learn; the one
that holds the lease also reads the mailboxes, scores and plans. Another takes over when it dies.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from crm_mailer import logs, supervisor
from crm_mailer.app import App, delivering, listening, mailboxes, operating, rounds
from crm_mailer.model.errors import CrmMailerError, LoginRefused, SettingsError
from crm_mailer.settings import ImapSettings
from crm_mailer.store import leases
from crm_mailer.workers import CUT_OFF, Team, spare_collector

#: Seconds between two ticks of each kind of work. The mailbox's own thread understands what it
#: brings home at once; the tick takes care of what a crash or another program left.
TICKS = {
    "lease": 10,
    "pulse": 10,
    "files": 10,
    "segment": 300,
    "plan": 60,
    "send": 2,
    "heed": 2,
    "hooks": 1,
    "tell": 5,
    "workers": 10,
    "understand": 30,
    "learn": 5,
    "mailboxes": 60,
}
#: Work that one daemon alone does, however many there are.
ALONE = {"segment", "plan", "mailboxes", "tell"}
LEASE = "daemon"
LEASE_SECONDS = 60
#: How long a stop waits for mails in flight. A supervisor should allow a little more.
DRAIN_SECONDS = 30.0
#: How much longer it waits for workers, which cut themselves off after the same time.
WORKERS_GRACE = 3.0
#: How long it waits for other work, and for the threads of the mailboxes to notice.
SHORT_DRAIN_SECONDS = 5.0
EARS_PATIENCE = 3.0
#: How often the main thread looks after the others.
LOOK_SECONDS = 2.0
#: A clock that moved by more than this was set, or the machine slept.
JUMP_SECONDS = 5.0
#: First and longest rest of a mailbox after a fault of ours, after a refused login.
EARS_REST = (5.0, 300.0)
LOGIN_REST = (300.0, 3600.0)


@dataclass(slots=True)
class Daemon:
    """One running daemon of one shop. `run` works once, in the main thread."""

    app: App
    stop: threading.Event = field(default_factory=threading.Event)
    log: Any = field(default_factory=logs.get)
    owner: str = field(default_factory=delivering.owner)
    #: Why to stop; a queue of this kind may be filled from within a signal handler.
    _ends: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    #: Set while the mailbox is not ours to read.
    _hush: threading.Event = field(default_factory=threading.Event)
    _leads_until: float = 0.0
    #: Since when the mailboxes are ours.
    _hears_since: datetime | None = None
    _busy: set[str] = field(default_factory=set)
    _troubles: logs.Troubles = field(default_factory=logs.Troubles)
    #: The processes that send; none where our own thread does.
    _team: Team = field(init=False)

    def __post_init__(self) -> None:
        self._team = Team(self.app.home, self.app.settings.workers, self.log)

    def run(self) -> None:
        """Work until a signal comes; a second one ends it at once.

        Raises:
            AlreadyRunning: another daemon holds the database.
            SettingsError: the settings make no sense.
            StoreError: the database cannot be used.
        """
        with operating.hold_database(self.app):
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._signalled)
            self._work()

    def _signalled(self, number: int, _frame: object) -> None:
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_DFL)
        self._ends.put(signal.Signals(number).name)

    def _work(self) -> None:
        settings = self.app.settings
        recovered = delivering.recover(self.app)
        self.app.reload_if_changed()
        self._tell_problems()
        self.tick("lease", self.renew)
        scheduler, ears = self._scheduler(), self._ears()
        self.log.info(
            "started", home=str(self.app.home), pid=os.getpid(),
            database=self.app.store.url.get_backend_name(), leads="yes" if self.leads else "no",
            smtp=settings.way_out or "sandbox", imap=_hosts(self.app),
            workers=settings.workers or None, **recovered,
        )  # fmt: skip
        spare_collector()
        scheduler.start()
        for ear in ears:
            ear.start()
        supervisor.tell(supervisor.READY)
        why = self._look_after(scheduler)
        supervisor.tell(supervisor.STOPPING)
        self.log.info("stopping", why=why, busy=" ".join(sorted(self._busy)))
        self._finish(scheduler, ears)

    # ------------------------------------------------------------------ ticks

    def _scheduler(self) -> BackgroundScheduler:
        # A tick that comes while its work still goes on is left out. That is as it should be.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        logging.getLogger("apscheduler.executors").setLevel(logging.CRITICAL)
        works = self._works()
        scheduler = BackgroundScheduler(
            timezone="UTC",
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(len(works))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        scheduler.add_listener(self._job_failed, EVENT_JOB_ERROR | EVENT_JOB_MISSED)
        for name, work in works.items():
            scheduler.add_job(self.tick, Every(TICKS[name]), (name, work), id=name)
        return scheduler

    def _works(self) -> dict[str, Callable[[], str]]:
        works = {
            "lease": self.renew,
            "files": self._read_files,
            "segment": lambda: rounds.segment(self.app),
            "plan": lambda: rounds.plan(self.app),
            "send": lambda: rounds.send(self.app, should_stop=self.stop.is_set),
            "understand": lambda: rounds.understand(self.app),
            "learn": lambda: rounds.learn(self.app),
            "heed": lambda: rounds.heed(self.app),
            "hooks": lambda: rounds.heed_programs(self.app),
        }
        if supervisor.is_there():
            works["pulse"] = self._pulse
        if self.app.settings.webhooks:
            works["tell"] = lambda: rounds.tell(self.app)
        if listening.is_configured(self.app):
            works["mailboxes"] = self._mind_mailboxes
        if self._team.size:
            works["workers"] = lambda: self._team.listen(self.app)
            del works["send"]
        return works

    def tick(self, name: str, work: Callable[[], str]) -> None:
        """One turn of one kind of work; whatever goes wrong, the next turn comes."""
        self._busy.add(name)
        try:
            if not self.stop.is_set() and (self.leads or name not in ALONE):
                # a round of sending that did nothing may have left a resting server alone
                did = work()
                self._troubles.well(name, did, is_over=bool(did) or name != "send")
        except CrmMailerError as error:
            self._troubles.unwell(name, str(error), hint=error.hint)
        except Exception as error:
            self._troubles.unwell(name, f"{type(error).__name__}: {error}", exc_info=True)
        finally:
            self._busy.discard(name)

    @staticmethod
    def _pulse() -> str:
        """The clockwork goes: a database that is away is no reason to be started anew."""
        supervisor.tell(supervisor.ALIVE)
        return ""

    def _job_failed(self, event: JobExecutionEvent) -> None:
        self.log.error(event.job_id, error=repr(event.exception), at_tick=event.scheduled_run_time)

    # ------------------------------------------------------------------ the lease

    @property
    def leads(self) -> bool:
        """Whether work that is done once is ours. On SQLite the lock of the file says so."""
        return self.app.store.is_sqlite or time.monotonic() < self._leads_until

    def renew(self) -> str:
        """Take the lease or hold on to it; says when that changed."""
        asked_at, led = time.monotonic(), self.leads
        with self.app.store.write() as connection:
            lease = leases.acquire(
                connection, LEASE, owner=self.owner, seconds=LEASE_SECONDS,
                now=self.app.clock.now(), host=socket.gethostname(), pid=os.getpid(),
                is_owner_gone=self.app.store.is_sqlite,
            )  # fmt: skip
        self._leads_until = asked_at + LEASE_SECONDS if lease else 0.0
        if self.leads and not self.stop.is_set():
            self._hush.clear()
        if self.leads == led:
            return ""
        return "plans and listens from now on" if self.leads else "another daemon plans now"

    def _release(self) -> None:
        try:
            with self.app.store.write() as connection:
                leases.release(connection, LEASE, owner=self.owner)
        except Exception as error:  # it ends by itself
            self.log.warning("lease", error=str(error))

    # ------------------------------------------------------------------ files

    def _read_files(self) -> str:
        try:
            if self.app.reload_if_changed():
                self.log.info("files", read="anew")
                self._tell_problems()
        except OSError as error:  # an editor was just about to move one
            self.log.debug("files", error=str(error))
        return ""

    def _tell_problems(self) -> None:
        errors = self.app.definitions.errors
        if errors:
            self.log.warning(
                "files", problems=len(errors), first=f"{errors[0].place}: {errors[0].message}",
                hint="`crm-mailer check` shows all; what a file said before stands until then",
            )  # fmt: skip

    # ------------------------------------------------------------------ the mailboxes

    def _ears(self) -> list[threading.Thread]:
        """A thread for each mailbox: one that is down or slow hinders no other."""
        return [
            threading.Thread(target=self._listen, args=(box,), name=box.name, daemon=True)
            for box in self.app.settings.mailboxes
        ]

    def _mind_mailboxes(self) -> str:
        """See that each was read lately."""
        if self._hears_since is None:
            self._hears_since = self.app.clock.now()
        return mailboxes.watchdog(self.app, self._hears_since)

    def _listen(self, box: ImapSettings) -> None:
        """Stay at a mailbox while it is ours, and come back after whatever happens."""
        faults, log = 0, self.log.bind(mailbox=box.name)
        while not self.stop.is_set():
            if self._hush.is_set() or not self.leads:
                self.stop.wait(1.0)
                continue
            try:
                listening.watch(self.app, self._hush, box)
                faults, rest = 0, 0.0
            except (LoginRefused, SettingsError) as error:
                faults, rest = faults + 1, _rest(LOGIN_REST, faults)
                log.error("listen", error=str(error), hint=error.hint, rests=f"{rest:.0f} s")
            except CrmMailerError as error:
                faults, rest = faults + 1, _rest(EARS_REST, faults)
                log.error("listen", error=str(error), hint=error.hint, rests=f"{rest:.0f} s")
            except Exception:
                faults, rest = faults + 1, _rest(EARS_REST, faults)
                log.exception("listen", rests=f"{rest:.0f} s")
            self.stop.wait(rest)

    # ------------------------------------------------------------------ the main thread

    def _look_after(self, scheduler: BackgroundScheduler) -> str:
        """Wait for a reason to stop; meanwhile see that all is alive and the clock goes right."""
        clock = Drift(time.time(), time.monotonic())
        while True:
            self._team.look_after()
            try:
                return self._ends.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                pass
            if not self.leads:
                self._hush.set()
                self._hears_since = None
            jump = clock.jump(time.time(), time.monotonic())
            if abs(jump) > JUMP_SECONDS:
                self.log.warning("clock", moved=f"{jump:+.0f} s")
                tick_now(scheduler)

    def _finish(self, scheduler: BackgroundScheduler, ears: list[threading.Thread]) -> None:
        """End what is in flight, but do not wait for ever."""
        begun = time.monotonic()
        self.stop.set()
        self._hush.set()
        self._team.dismiss()
        scheduler.pause()
        while self._busy and time.monotonic() - begun < self._patience():
            time.sleep(0.02)
        until = time.monotonic() + EARS_PATIENCE
        for ear in ears:
            if ear.is_alive():
                ear.join(max(0.0, until - time.monotonic()))
        late = self._team.wait(begun + DRAIN_SECONDS + WORKERS_GRACE - time.monotonic())
        self._release()
        left = sorted(self._busy | {"listen" for ear in ears if ear.is_alive()})
        left += [f"worker {number}" for number in late]
        if left:
            self.log.warning("cut off", work=" ".join(left), goes_on="at the next start")
            sys.stderr.flush()
            os._exit(CUT_OFF if "send" in left or late else 0)  # its threads would be waited for
        scheduler.shutdown()
        self.log.info("stopped")

    def _patience(self) -> float:
        """Mails on the wire are worth a wait; everything else may be cut off at any moment."""
        return DRAIN_SECONDS if "send" in self._busy else SHORT_DRAIN_SECONDS


class Every(BaseTrigger):  # type: ignore[misc]
    """A tick every so many seconds, the first at once, each counted from the one before.

    After a clock was set forward there is one tick, not one for every second that was left out.
    """

    __slots__ = ("length",)

    def __init__(self, seconds: float) -> None:
        self.length = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """When to tick next."""
        return now if previous_fire_time is None else now + self.length


def tick_now(scheduler: BackgroundScheduler) -> None:
    """Let every job tick at once: after a clock was set back, the next tick would be far away."""
    for job in scheduler.get_jobs():
        scheduler.modify_job(job.id, next_run_time=datetime.now(UTC))


class Drift:
    """Tells when the wall clock jumped: it is compared with one that cannot be set."""

    def __init__(self, wall: float, steady: float) -> None:
        self._offset = wall - steady

    def jump(self, wall: float, steady: float) -> float:
        """Seconds by which the wall clock moved away since the last look."""
        before, self._offset = self._offset, wall - steady
        return self._offset - before


def _hosts(app: App) -> str:
    return " ".join(dict.fromkeys(box.host for box in app.settings.mailboxes)) or "none"


def _rest(first_and_longest: tuple[float, float], faults: int) -> float:
    """Seconds to rest after `faults` faults in a row before this one."""
    first, longest = first_and_longest
    return min(first * 2.0 ** min(faults, 16), longest)
