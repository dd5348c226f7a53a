"""The clockwork: APScheduler ticks each room, a thread reads each mailbox, a signal ends it well.

Jobs only tick. What is due is decided by the tables, so a missed or doubled tick does no harm;
the scheduler keeps nothing and runs in UTC, where no hour is missing or repeated.

Several daemons may share a PostgreSQL database, each with its roles. What one alone may do has a
lease: planning, scoring, telling other programs, each mailbox. Another takes over when it dies.
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
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from crm_mailer import logs, supervisor
from crm_mailer.app import (
    App,
    clocks,
    delivering,
    listening,
    mailboxes,
    operating,
    rounds,
    witnessing,
)
from crm_mailer.app.ears import Ears
from crm_mailer.app.holding import LEASE_SECONDS, Holding
from crm_mailer.model import duty
from crm_mailer.model.duty import Duty
from crm_mailer.model.errors import CrmMailerError, LeaseLost, SchemaAhead
from crm_mailer.store import bells, leases
from crm_mailer.store.leases import Holder
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
    "warn": 15,
    "witness": 60,
    "house": 300,
    "workers": 10,
    "understand": 30,
    "learn": 5,
    "mailboxes": 60,
}
#: Work that looks at everybody, and the largest share of the time that it may take: where it lasts
#: long, its ticks are fewer.
SHARES = {"segment": 0.05}
#: The longest that such work rests, in seconds.
LONGEST_REST = 1_200.0
#: Work that one daemon alone does, however many there are, and the lease of it.
ALONE = {
    "segment": leases.SEGMENTER,
    "plan": leases.PLANNER,
    "mailboxes": leases.PLANNER,
    "tell": leases.TELLER,
    "warn": leases.TELLER,
    "house": leases.PLANNER,
}
#: The role to which each kind of work belongs; what is left out every daemon does.
ROLES = {
    "segment": Duty.PLAN,
    "plan": Duty.PLAN,
    "mailboxes": Duty.PLAN,
    "tell": Duty.PLAN,
    "warn": Duty.PLAN,
    "house": Duty.PLAN,
    "send": Duty.SEND,
    "workers": Duty.SEND,
    "understand": Duty.LISTEN,
    "learn": Duty.LISTEN,
    "heed": Duty.LISTEN,
    "hooks": Duty.LISTEN,
}
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


@dataclass(slots=True)
class Daemon:
    """One running daemon of one shop. `run` works once, in the main thread."""

    app: App
    roles: Collection[Duty] = duty.NEEDED
    stop: threading.Event = field(default_factory=threading.Event)
    log: Any = field(default_factory=logs.get)
    owner: str = field(default_factory=delivering.owner)
    #: Why to stop; a queue of this kind may be filled from within a signal handler.
    _ends: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    #: Mailboxes that other daemons should read.
    _surplus: tuple[str, ...] = ()
    #: Since when we look after the mailboxes.
    _minds_since: datetime | None = None
    _busy: set[str] = field(default_factory=set)
    #: Until when work that looks at everybody leaves the machine to others.
    _rests_until: dict[str, float] = field(default_factory=dict)
    #: A newer program has changed the database so that this one must not go on.
    _ahead: SchemaAhead | None = None
    _troubles: logs.Troubles = field(default_factory=logs.Troubles)
    #: The processes that send; none where our own thread does.
    _team: Team = field(init=False)
    _holding: Holding = field(init=False)
    _ears: Ears = field(init=False)

    def __post_init__(self) -> None:
        workers = self.app.settings.workers if Duty.SEND in self.roles else 0
        self._team = Team(self.app.home, workers, self.log, name=self.owner)
        self._holding = Holding(self.app, self.owner, seconds=LEASE_SECONDS)
        self._ears = Ears(self.app, self._holding, self.stop, self.log)

    def run(self) -> None:
        """Work until a signal comes; a second one ends it at once.

        Raises:
            AlreadyRunning: another daemon holds the database.
            SettingsError: the settings make no sense.
            SchemaAhead: a newer program has changed the database so that we must not go on.
            StoreError: the database cannot be used.
        """
        is_web_alone = set(self.roles) == {Duty.WEB}
        with nullcontext() if is_web_alone else operating.hold_database(self.app):
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._signalled)
            self._work()
        if self._ahead is not None:
            raise self._ahead

    def _signalled(self, number: int, _frame: object) -> None:
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_DFL)
        self._ends.put(signal.Signals(number).name)

    def _work(self) -> None:
        settings = self.app.settings
        recovered = delivering.recover(self.app) if Duty.SEND in self.roles else {}
        self.app.reload_if_changed()
        self._tell_problems()
        self._holding.sweep()
        self.tick("lease", self.renew)
        scheduler = self._scheduler()
        self.log.info(
            "started", home=str(self.app.home), pid=os.getpid(), roles=duty.spelled(self.roles),
            database=self.app.store.url.get_backend_name(),
            leads="yes" if self._holding.holds(leases.PLANNER) else "no",
            smtp=settings.way_out or "sandbox", imap=_hosts(self.app),
            workers=self._team.size or None, **recovered,
        )  # fmt: skip
        self._tell_missing()
        spare_collector()
        scheduler.start()
        if Duty.LISTEN in self.roles:
            self._ears.start()
        if "send" in self._works():
            self._hear_bell(scheduler)
        supervisor.tell(supervisor.READY)
        why = self._look_after(scheduler)
        supervisor.tell(supervisor.STOPPING)
        self.log.info("stopping", why=why, busy=" ".join(sorted(self._busy)))
        self._finish(scheduler)

    def _tell_missing(self) -> None:
        """On SQLite no other daemon can do what this one leaves out."""
        missing = [one.value for one in duty.NEEDED if one not in self.roles]
        if self.app.store.is_sqlite and missing and set(self.roles) != {Duty.WEB}:
            self.log.warning(
                "roles", nobody_does=" ".join(missing),
                hint="one daemon works on an SQLite database: give it all roles, or move to "
                "PostgreSQL to share them among hosts",
            )  # fmt: skip

    def _hear_bell(self, scheduler: BackgroundScheduler) -> None:
        """Send at once when there is something new, not at the next tick."""

        def rang() -> None:
            scheduler.modify_job("send", next_run_time=datetime.now(UTC))

        threading.Thread(
            target=bells.hear, args=(self.app.store, rang, self.stop.wait), name="bell", daemon=True
        ).start()

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
        works: dict[str, Callable[[], str]] = {
            "lease": self.renew,
            "files": self._read_files,
            "segment": lambda: rounds.segment(self._under(leases.SEGMENTER)),
            "plan": lambda: rounds.plan(self._under(leases.PLANNER)),
            "send": lambda: rounds.send(self.app, should_stop=self.stop.is_set),
            "understand": lambda: rounds.understand(self.app),
            "learn": lambda: rounds.learn(self.app),
            "heed": lambda: rounds.heed(self.app),
            "hooks": lambda: rounds.heed_programs(self.app),
            "witness": lambda: witnessing.bear(self.app),
            "house": lambda: rounds.keep_house(self.app, self.stop.is_set),
        }
        if supervisor.is_there():
            works["pulse"] = self._pulse
        if self.app.settings.webhooks:
            works["tell"] = lambda: rounds.tell(self._under(leases.TELLER))
        if self.app.settings.alerts.is_on:
            works["warn"] = lambda: rounds.warn(self._under(leases.TELLER))
        if listening.is_configured(self.app):
            works["mailboxes"] = self._mind_mailboxes
        if self._team.size:
            works["workers"] = lambda: self._team.listen(self.app)
            del works["send"]
        return {
            name: work
            for name, work in works.items()
            if name not in ROLES or ROLES[name] in self.roles
        }

    def _under(self, job: str) -> App:
        """The shop, where what is written counts only while the job is ours."""
        return self.app.under(self._holding.fence(job))

    def tick(self, name: str, work: Callable[[], str]) -> None:
        """One turn of one kind of work; whatever goes wrong, the next turn comes."""
        begin = time.monotonic()
        if begin < self._rests_until.get(name, 0.0):
            return
        self._busy.add(name)
        try:
            if not self.stop.is_set() and (name not in ALONE or self._holding.holds(ALONE[name])):
                # a round of sending that did nothing may have left a resting server alone
                did = work()
                self._rest(name, time.monotonic() - begin)
                self._troubles.well(name, did, is_over=bool(did) or name != "send")
        except LeaseLost as error:
            self.log.info(name, stopped=str(error))
        except SchemaAhead as error:
            self._ahead = error
            self._ends.put(str(error))
        except CrmMailerError as error:
            self._troubles.unwell(name, str(error), hint=error.hint)
        except Exception as error:
            self._troubles.unwell(name, f"{type(error).__name__}: {error}", exc_info=True)
        finally:
            self._busy.discard(name)

    def _rest(self, name: str, lasted: float) -> None:
        if name in SHARES:
            rest = min(lasted / SHARES[name] - lasted, LONGEST_REST)
            self._rests_until[name] = time.monotonic() + rest

    @staticmethod
    def _pulse() -> str:
        """The clockwork goes: a database that is away is no reason to be started anew."""
        supervisor.tell(supervisor.ALIVE)
        return ""

    def _job_failed(self, event: JobExecutionEvent) -> None:
        self.log.error(event.job_id, error=repr(event.exception), at_tick=event.scheduled_run_time)

    # ------------------------------------------------------------------ the leases

    def renew(self) -> str:
        """Say that we are alive, hold on to our leases or take free ones; what has changed."""
        self._compare_clocks()
        doing = [one for one in sorted(self._busy) if one not in ("lease", "pulse")]
        me = Holder(
            owner=self.owner, host=socket.gethostname(), pid=os.getpid(),
            roles=duty.spelled(self.roles), doing=" ".join(doing),
            clock_ms=round(clocks.ahead(self.app) * 1000),
        )  # fmt: skip
        jobs = sorted({ALONE[name] for name in self._works() if name in ALONE})
        boxes = self._ears.leases if Duty.LISTEN in self.roles else []
        changed = self._holding.renew(me, self._presence, jobs, boxes, avoided=self._ears.avoided)
        self._surplus = changed.surplus
        if not self.stop.is_set():
            self._ears.tend(self._surplus)
        came = ", ".join(changed.came)
        went = ", ".join(changed.went)
        return "; ".join(
            f"{word} {names}" for word, names in (("took", came), ("lost", went)) if names
        )

    @property
    def _presence(self) -> str:
        return leases.DAEMON + self.owner

    def _compare_clocks(self) -> None:
        seconds = clocks.ahead(self.app)
        if abs(seconds) > clocks.ODD:
            where = "ahead of" if seconds > 0 else "behind"
            self._troubles.unwell(
                "clock", f"this machine's clock is more than {clocks.ODD:.0f} s {where} the "
                "database's", seconds=round(seconds),
                hint="set both by the network's time; beyond a minute nothing is sent",
            )  # fmt: skip
        else:
            self._troubles.well("clock", "", is_over=True)

    def _release(self) -> None:
        try:
            self._holding.end(self._presence)
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

    def _mind_mailboxes(self) -> str:
        """See that each mailbox was read lately, by whichever daemon."""
        if self._minds_since is None:
            self._minds_since = self.app.clock.now()
        return mailboxes.watchdog(self._under(leases.PLANNER), self._minds_since)

    # ------------------------------------------------------------------ the main thread

    def _look_after(self, scheduler: BackgroundScheduler) -> str:
        """Wait for a reason to stop; meanwhile see that all is alive and the clock goes right."""
        clock = Drift(time.time(), time.monotonic())
        while True:
            self._look("workers", self._team.look_after)
            try:
                return self._ends.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                pass
            self._look("listen", lambda: self._ears.tend(self._surplus))
            if not self._holding.holds(leases.PLANNER):
                self._minds_since = None
            jump = clock.jump(time.time(), time.monotonic())
            if abs(jump) > JUMP_SECONDS:
                self.log.warning("clock", moved=f"{jump:+.0f} s")
                tick_now(scheduler)

    def _look(self, name: str, work: Callable[[], None]) -> None:
        """A part of the look; whatever goes wrong, the next look comes."""
        trouble = f"look after {name}"
        try:
            work()
            self._troubles.well(trouble, "")
        except CrmMailerError as error:
            self._troubles.unwell(trouble, str(error), hint=error.hint)
        except Exception as error:
            self._troubles.unwell(trouble, f"{type(error).__name__}: {error}", exc_info=True)

    def _finish(self, scheduler: BackgroundScheduler) -> None:
        """End what is in flight, but do not wait for ever."""
        begun = time.monotonic()
        self.stop.set()
        self._ears.tend()
        self._team.dismiss()
        scheduler.pause()
        while self._busy and time.monotonic() - begun < self._patience():
            time.sleep(0.02)
        have_noticed = self._ears.wait(EARS_PATIENCE)
        late = self._team.wait(begun + DRAIN_SECONDS + WORKERS_GRACE - time.monotonic())
        self._release()
        left = sorted(self._busy | (set() if have_noticed else {"listen"}))
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
