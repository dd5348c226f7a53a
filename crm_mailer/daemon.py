"""The clockwork: APScheduler ticks each room, one thread a mailbox, SIGTERM ends what is in flight.

Jobs only tick. What is due is decided by the tables, so a missed or doubled tick does no harm;
the scheduler keeps nothing and runs in UTC, where no hour is missing or repeated.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from crm_mailer import logs
from crm_mailer.app import App, delivering, listening, operating, rounds
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.store import leases

#: Seconds between two ticks of each room.
TICKS = {"segment": 300, "plan": 60, "send": 2, "understand": 2, "learn": 5, "heartbeat": 10}
LEASE_SECONDS = 60
#: How long SIGTERM waits for what is in flight.
DRAIN_SECONDS = 30


@dataclass(slots=True)
class Daemon:
    """One running daemon of one shop."""

    app: App
    stop: threading.Event = field(default_factory=threading.Event)
    log: Any = field(default_factory=logs.get)

    def run(self) -> None:
        """Work until a signal comes.

        Raises:
            AlreadyRunning: another daemon holds the database.
        """
        with operating.hold_database(self.app):
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self.stop.set())
            self._work()

    def _work(self) -> None:
        delivering.recover(self.app)
        scheduler = self._scheduler()
        ears = threading.Thread(target=self._listen, name="mailbox", daemon=True)
        scheduler.start()
        if self.app.settings.imap.host:
            ears.start()
        self.log.info("started", home=str(self.app.home), sandbox=self.app.settings.is_sandbox)
        self.stop.wait()
        self.log.info("stopping")
        scheduler.shutdown(wait=True)
        if ears.is_alive():
            ears.join(DRAIN_SECONDS)
        self._release()
        self.log.info("stopped")

    def _scheduler(self) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(
            timezone="UTC",
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        scheduler.add_listener(self._job_failed, EVENT_JOB_ERROR)
        for name, work in self._rooms().items():
            scheduler.add_job(
                self._tick, "interval", (name, work), seconds=TICKS[name], id=name,
                next_run_time=self.app.clock.now(),
            )  # fmt: skip
        return scheduler

    def _rooms(self) -> dict[str, Callable[[], str]]:
        return {
            "heartbeat": self._heartbeat,
            "segment": lambda: rounds.segment(self.app),
            "plan": lambda: rounds.plan(self.app),
            "send": lambda: rounds.send(self.app, should_stop=self.stop.is_set),
            "understand": lambda: rounds.understand(self.app),
            "learn": lambda: rounds.learn(self.app),
        }

    def _tick(self, name: str, work: Callable[[], str]) -> None:
        if self.stop.is_set():
            return
        try:
            did = work()
        except CrmMailerError as error:
            self.log.error(name, error=str(error), hint=error.hint)
            return
        if did:
            self.log.info(name, did=did)

    def _job_failed(self, event: JobExecutionEvent) -> None:
        self.log.error(event.job_id, error=repr(event.exception), traceback=event.traceback)

    def _heartbeat(self) -> str:
        if self.app.reload_if_changed():
            self.log.info("read", files="changed")
        with self.app.store.write() as connection:
            leases.acquire(
                connection, "daemon", owner=self._owner(), seconds=LEASE_SECONDS,
                now=self.app.clock.now(), host=socket.gethostname(), pid=os.getpid(),
            )  # fmt: skip
        return ""

    def _release(self) -> None:
        with self.app.store.write() as connection:
            leases.release(connection, "daemon", owner=self._owner())

    def _owner(self) -> str:
        return f"{socket.gethostname()}:{os.getpid()}"

    def _listen(self) -> None:
        try:
            listening.watch(self.app, self.stop)
        except CrmMailerError as error:
            self.log.error("listen", error=str(error), hint=error.hint)
