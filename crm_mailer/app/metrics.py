"""Figures for a monitoring program, in the text form of Prometheus, and whether we are fit to work.

Every figure comes from the database, so whichever process is asked tells of all of them, and a
process that has died goes on being told about.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from crm_mailer import __version__
from crm_mailer.app import operating
from crm_mailer.app.operating import Status
from crm_mailer.app.wiring import App
from crm_mailer.model.duty import Duty
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.model.touch import TouchState
from crm_mailer.store import monitoring
from crm_mailer.store.monitoring import Pulse

#: Seconds for which a look serves: several programs may ask, and counting mails takes a moment.
FRESH = 10.0
#: States of mails that will not change any more, so that their number only grows.
SETTLED = (TouchState.ACCEPTED, TouchState.REFUSED, TouchState.EXPIRED, TouchState.SKIPPED)
#: How the text calls itself.
KIND = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """Whether work can be given to this process."""

    is_fit: bool
    #: What is wrong; empty where all is well.
    why: str = ""


class Monitor:
    """What `/metrics` and `/readyz` answer with. Any number of threads may ask."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._looked_at = 0.0
        self._seen: tuple[Status, Pulse] | None = None
        self._registry = CollectorRegistry()
        self._registry.register(_Figures(self))

    def text(self) -> bytes:
        """All figures.

        Raises:
            StoreError: the database cannot be asked.
        """
        self.look()
        return generate_latest(self._registry)

    def fitness(self) -> Fitness:
        """Whether the database answers and has our schema."""
        try:
            self.look()
        except CrmMailerError as error:
            return Fitness(is_fit=False, why=f"{error}. {error.hint}".strip(" ."))
        return Fitness(is_fit=True)

    def look(self) -> tuple[Status, Pulse]:
        """The shop as it was at most ten seconds ago."""
        with self._lock:
            if self._seen is None or time.monotonic() - self._looked_at > FRESH:
                status = operating.status(self._app)
                with self._app.store.read() as connection:
                    pulse = monitoring.pulse(connection, status.now)
                self._seen, self._looked_at = (status, pulse), time.monotonic()
            return self._seen


class _Figures(Collector):
    """What Prometheus is told."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterable[Metric]:
        """Every figure as it is now."""
        status, pulse = self._monitor.look()
        yield from _of_program(status, pulse)
        yield from _of_mails(status, pulse)
        yield from _of_answers(status, pulse)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the database need not answer before the first question."""
        return ()


def _of_program(status: Status, pulse: Pulse) -> Iterator[Metric]:
    yield _family("build_info", "The program's version.", {__version__: 1}, "version")
    yield _gauge("daemon_up", "Whether a daemon holds the lease.", bool(status.daemon))
    yield _gauge("workers", "Sending processes heard of in the last minute.", len(status.workers))
    yield from _of_fleet(status)
    yield _gauge("paused", "Whether a person has stopped all sending.", status.is_paused)
    yield _gauge("stops", "What is paused: everything, campaigns, lanes.", len(status.pauses))
    yield _gauge("alerts", "What a person should look at.", len(status.alerts))
    yield _gauge("file_errors", "Faults in the shop's files.", status.problems)
    yield _gauge("campaigns_live", "Campaigns in mode live.", status.campaigns_live)
    yield _gauge("database_bytes", "How large the database is.", pulse.database_bytes)


def _of_fleet(status: Status) -> Iterator[Metric]:
    """Who works, on whichever host. Names of processes are no labels: each start has another."""
    fleet = status.fleet
    alive = [one for one in fleet.processes if one.is_alive]
    filled = [role for one in alive if one.kind == "daemon" for role in one.roles]
    roles = {role.value: float(filled.count(role.value)) for role in Duty}
    yield _family("daemons", "Daemons that live, by role.", roles, "role")
    silent = max((one.heard_ago for one in alive), default=0.0)
    yield _gauge("heartbeat_age_seconds", "Since the process that was silent longest among those "
                 "that count as alive was heard of.", silent)  # fmt: skip
    left = {one.name: (one.until - status.now).total_seconds() for one in fleet.tenures}
    yield _family("lease_seconds", "For how long work that one process alone does is in its hands; "
                  "negative: since when in nobody's.", left, "lease")  # fmt: skip
    epochs = {one.name: float(one.epoch) for one in fleet.tenures}
    yield _family("lease_epoch", "How often it passed to another.", epochs, "lease")
    due = {one.name: float(one.due) for one in fleet.lanes}
    yield _family("lane_due", "Mails that could leave now, by lane.", due, "lane")
    paused = {one.name: float(one.is_paused) for one in fleet.lanes}
    yield _family("lane_paused", "Whether a lane is stopped.", paused, "lane")
    yield _gauge("inbound_lag_seconds", "How long the oldest received mail has waited to be read.",
                 _ago(fleet.oldest_inbound_at, status.now))  # fmt: skip
    yield _gauge("plan_age_seconds", "Since campaigns were looked at.",
                 _ago(fleet.planned_at, status.now))  # fmt: skip
    off = max((abs(one.clock_ms) for one in alive), default=0)
    yield _gauge("clock_off_seconds", "The largest difference of a host's clock to the database's.",
                 off / 1000)  # fmt: skip


def _of_mails(status: Status, pulse: Pulse) -> Iterator[Metric]:
    figures = status.figures
    settled = {one.value: figures.touches.get(one.value, 0) for one in SETTLED}
    total = CounterMetricFamily("crm_mailer_mails", "Mails by their fate.", labels=["state"])
    for state, number in settled.items():
        total.add_metric([state], number)
    yield total
    touches = figures.touches.items()
    open_ = {state: number for state, number in touches if state not in settled}
    yield _family("mails_open", "Mails whose fate is open.", open_, "state")
    yield _gauge("mails_due", "Mails that could leave now.", figures.due)
    yield _gauge("mails_lag_seconds", "How long the oldest of them has waited.",
                 _ago(pulse.oldest_due_at, status.now))  # fmt: skip
    rates = {one.kind: one.number for one in pulse.last_day}
    yield _family("last_day", "In 24 hours: taken by servers, bounces, spam reports, opt-outs.",
                  rates, "kind")  # fmt: skip


def _of_answers(status: Status, pulse: Pulse) -> Iterator[Metric]:
    figures = status.figures
    ages = {box.name: _ago(box.synced_at, status.now) for box in status.mailboxes}
    yield _family("mailbox_age_seconds", "Since a mailbox was read.", ages, "mailbox")
    troubles = {box.name: float(bool(box.trouble)) for box in status.mailboxes}
    yield _family("mailbox_trouble", "Whether a mailbox cannot be read.", troubles, "mailbox")
    yield _gauge("inbound_waiting", "Received mails not yet understood.", pulse.inbound_waiting)
    yield _gauge("inbound_quarantined", "Received mails that nobody could read.",
                 figures.inbound_quarantined)  # fmt: skip
    yield _gauge("cases_open", "Cases under way.", figures.cases_open)
    yield _gauge("cases_overdue", "Cases without an answer in time.", figures.cases_overdue)
    yield _gauge("customers", "Customers.", figures.customers)
    yield _gauge("orders", "Orders.", figures.orders)
    yield _gauge("suppressions", "Suppressed addresses.", figures.suppressions)


def _gauge(name: str, meaning: str, value: float | bool) -> Metric:
    return GaugeMetricFamily(f"crm_mailer_{name}", meaning, value=float(value))


def _family(name: str, meaning: str, values: Mapping[str, float], label: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"crm_mailer_{name}", meaning, labels=[label])
    for value_of, value in values.items():
        family.add_metric([value_of], value)
    return family


def _ago(moment: datetime | None, now: datetime) -> float:
    """Seconds since then; 0 for never or not at all."""
    return max(0.0, (now - moment).total_seconds()) if moment is not None else 0.0
