"""Senders that are killed and frozen over and over, against a mail server that fails: nothing
twice, nothing lost.

Run: python -m benchmarks.kill [--kills 200] [--mails 20000] [--workers 4] [--stops 0.25]
                               [--engine sqlite] [--stream marketing]
Four senders of a real shop send to the fault server over 8 connections. At random moments one of
them gets SIGKILL, and another one takes its place, or SIGSTOP, and SIGCONT when its claims are past
their time; until there were so many kills. Then the rest is sent. On PostgreSQL they are spread
over two hosts, neither of which can read the other's flight journals: there claims that are past
their time are taken over, and whoever wakes up must not touch them. The server's own log is the
truth by which the ledger is judged. The last line printed is one JSON object; the exit code is 1
when a promise is broken:

- `duplicates`: marketing mails that the server took twice. Order mail in doubt may be sent once
  more, ten minutes later at the soonest, with the same bytes: what goes beyond that counts here.
- `lost`: mails that ended in no fate, or were refused, or accepted as the ledger says, against
  what the server knows.
- `in_doubt` must not be above `bound`: kills x connections of a sender x 2 + lines dropped on
  purpose.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from sqlalchemy import select

from benchmarks import herd, shops
from benchmarks.fault_server import Faults, Taken, fault_server
from benchmarks.herd import Herd
from benchmarks.sinks import Missing
from crm_mailer import logs
from crm_mailer.app import App, pausing
from crm_mailer.delivering import Pace
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import StoreBusy
from crm_mailer.store import outbox
from crm_mailer.store.outbox import Audit
from crm_mailer.store.tables import messages, touches

T = TypeVar("T")

CONNECTIONS = 8
#: What a sender claims at a time, and how long its claims hold: one that is frozen outlives them.
BATCH = 200
CLAIM_FOR = {"sqlite": 2.0, "postgresql": 4.0}
#: Seconds for which a frozen one outlives its claims.
LATE = 1.0
#: No breaker trips for mails in doubt: there are many, on purpose.
PATIENT = "[guards]\ndoubts = 1000\n"
#: Order mail in doubt waits so long before it is sent once more.
DOUBT_WAIT = timedelta(minutes=10)
#: Seconds after which a sender is killed although little has left: it may be starting or waiting.
LONGEST_LIFE = 3.0
#: Senders for each kill; one that has nothing to do ends before it can be killed.
MOST_LIVES = 4
#: Rounds after the last kill in which everything must have found its fate.
LAST_ROUNDS = 60


class AheadClock:
    """The machine's clock, put ahead for all senders at once."""

    def __init__(self, server: Faults) -> None:
        self._server = server

    def now(self) -> datetime:
        """The present instant, and what it is ahead."""
        return datetime.now(UTC) + timedelta(seconds=self._server.ahead)


@dataclass(slots=True, kw_only=True)
class Harness:
    """A shop, a server and the senders between them.

    `stops`: of all times that a sender is hit, the share at which it is only frozen.
    """

    herd: Herd
    server: Faults
    stream: Stream
    mails: int
    stops: float
    planned: int = 0

    @property
    def app(self) -> App:
        """The shop as its first host has it."""
        return self.herd.hosts[0]

    def kill_over_and_over(self, kills: int) -> None:
        """Lives and deaths of senders, spread over all mails."""
        self._plan(self.mails)
        while self.herd.kills < kills:
            before = self.herd.kills
            self._one_life(kills)
            if self.herd.lives > MOST_LIVES * kills + 20:
                raise RuntimeError(f"senders end before they are killed: {self.audit()}")
            if self.herd.kills == before and not self._is_anything_due():
                self._plan(max(100, self.mails // 20))

    def finish(self) -> None:
        """Let everything find its fate."""
        for _ in range(LAST_ROUNDS):
            self._tidy()
            if not (self.herd.alive or self._is_anything_due()):
                return
            self.herd.fill()
            self.herd.watch(lambda: bool(self.herd.alive))

    def audit(self) -> Audit:
        """What the ledger says of itself."""

        def look(app: App) -> Audit:
            with app.store.picture() as connection:
                return outbox.audit(connection, self.app.clock.now())

        return self._looking(look)

    def ledger(self) -> dict[int, tuple[str, str]]:
        """Touch -> its state and its Message-ID."""
        query = select(touches.c.id, touches.c.state, messages.c.message_id).outerjoin(
            messages, messages.c.touch_id == touches.c.id
        )

        def look(app: App) -> dict[int, tuple[str, str]]:
            with app.store.read() as connection:
                return {row.id: (row.state, row.message_id) for row in connection.execute(query)}

        return self._looking(look)

    # ------------------------------------------------------------------ one life

    def _one_life(self, kills: int) -> None:
        """Senders until one of them is hit, or all have nothing more to do."""
        self._tidy()
        herd, chance = self.herd, self.herd.chance
        left = self.planned - self.server.taken
        target = self.server.taken + chance.uniform(0, 2) * left / (kills - herd.kills + 1)
        life = chance.choice((LONGEST_LIFE, LONGEST_LIFE, chance.uniform(0, 0.3)))
        until = time.monotonic() + life
        herd.fill()
        herd.watch(lambda: bool(herd.alive) and self.server.taken < target
                   and time.monotonic() < until)  # fmt: skip
        if herd.alive and not (chance.random() < self.stops and herd.freeze()):
            herd.kill()

    # ------------------------------------------------------------------ between lives

    def _tidy(self) -> None:
        """What an operator and time would do: retries are due, breakers are reset."""
        if self.stream is Stream.TRANSACTIONAL:
            self.server.put_ahead(self.server.ahead + 60)
        self._looking(self._mend)

    def _mend(self, app: App) -> None:
        for pause in pausing.list_pauses(app):
            kind, _colon, name = pause.scope.partition(":")
            pausing.resume(app, **({kind: name} if name else {}))
        for account in pausing.account_names(app):
            pausing.resume(app, account=account)
        with app.store.write() as connection:
            outbox.retry(connection, self.app.clock.now())

    def _plan(self, number: int) -> None:
        now = self.app.clock.now()
        self._looking(lambda app: shops.plan(app.store, number, stream=self.stream, now=now))
        self.planned += number

    def _is_anything_due(self) -> bool:
        """Whether a sender would find something, now or once its claims are taken over."""
        waiting = (touches.c.state.in_(("planned", "claimed", "deferred"))) | (
            (touches.c.state == "in_doubt") & touches.c.next_at.is_not(None)
        )

        def look(app: App) -> bool:
            with app.store.read() as connection:
                return connection.execute(select(touches.c.id).where(waiting)).first() is not None

        return self._looking(look)

    def _looking(self, work: Callable[[App], T]) -> T:
        """Nothing of the database may be open when a sender is forked."""
        while True:
            try:
                return work(self.app)
            except StoreBusy:  # whoever has the turn stands still
                continue
            finally:
                self.app.close()
                self.app.__dict__.pop("store", None)


def judge(harness: Harness) -> dict[str, Any]:
    """The ledger against the server's truth."""
    taken: dict[int, list[Taken]] = defaultdict(list)
    for one in harness.server.truth():
        taken[shops.touch_of(one.recipient)].append(one)
    ledger, audit = harness.ledger(), harness.audit()
    states = Counter(state for state, _id in ledger.values())
    accepted = {touch for touch, (state, _id) in ledger.items() if state == "accepted"}
    doubtful = {touch for touch, (state, _id) in ledger.items() if state == "in_doubt"}
    ended = {"accepted", "in_doubt", "refused"}
    wrong_id = sum(ledger[touch][1] != one.message_id for touch, all_ in taken.items()
                   for one in all_)  # fmt: skip
    is_within = accepted <= taken.keys() <= accepted | doubtful
    lost = sum(number for state, number in states.items() if state not in ended)
    lost += len(accepted - taken.keys())
    injected = harness.server.injected
    return {
        "bench": "kill",
        "kills": harness.herd.kills,
        "stops": harness.herd.stops,
        "mails": harness.planned,
        "duplicates": sum(beyond(all_, harness.stream) for all_ in taken.values()),
        "lost": lost,
        "in_doubt": states["in_doubt"],
        "bound": harness.herd.kills * (CONNECTIONS // harness.herd.size) * 2 + injected,
        "injected": injected,
        "accepted": len(accepted),
        "refused": states["refused"],
        "taken": len(taken),
        "resent": sum(len(all_) > 1 for all_ in taken.values()),
        "accepted_ok": is_within and not wrong_id,
        "conservation": sum(audit.states.values()) == audit.total == harness.planned,
        "audit": audit.is_sound,
        "troubles": audit.troubles,
        "states": dict(states),
    }


def beyond(copies: list[Taken], stream: Stream) -> int:
    """Copies of one mail that nobody may get."""
    if stream is Stream.MARKETING:
        return len(copies) - 1
    if len({one.digest for one in copies}) > 1:
        return len(copies) - 1
    is_early = len(copies) == 2 and copies[1].at - copies[0].at < DOUBT_WAIT.total_seconds()
    return max(0, len(copies) - 2) + is_early


def is_kept(found: dict[str, Any]) -> bool:
    """Whether every promise held."""
    return (
        not found["duplicates"]
        and not found["lost"]
        and found["in_doubt"] <= found["bound"]
        and found["accepted_ok"]
        and found["conservation"]
        and found["audit"]
    )


def main() -> None:
    """Kill, judge, print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--mails", type=int, help="20,000; 100 a kill where fewer are killed")
    options.add_argument("--workers", type=int, default=4, choices=[1, 2, 4, 8])
    options.add_argument("--stops", type=float, default=0.25, help="share that is only frozen")
    options.add_argument("--engine", choices=sorted(CLAIM_FOR), default="sqlite")
    options.add_argument("--stream", choices=[one.value for one in Stream], default="marketing")
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--keep", type=Path, help="leave the shop and the server's log here")
    given = options.parse_args()
    logs.set_up("critical")  # breakers trip, as they should
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crm-kill-") as name:
        try:
            found = run(Path(name), given)
        except Missing as error:
            sys.exit(f"nothing was tried: {error}")
        finally:
            if given.keep:
                shutil.copytree(name, given.keep)
    found["seconds"] = round(time.monotonic() - begin, 1)
    print(json.dumps(found))
    sys.exit(not is_kept(found))


def run(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """One harness from its first to its last mail, judged."""
    claim_for = CLAIM_FOR[given.engine]
    with ExitStack() as stack:
        server = stack.enter_context(fault_server(folder, given.seed))
        database = stack.enter_context(shops.postgres()) if given.engine != "sqlite" else ""
        stack.enter_context(herd.paced(Pace(batch=BATCH, claim_for=timedelta(seconds=claim_for))))
        harness = Harness(
            herd=Herd(
                hosts=_hosts(folder, server, database, given),
                size=given.workers,
                chance=random.Random(given.seed),
                freeze_for=claim_for + LATE,
            ),
            server=server,
            stream=Stream(given.stream),
            mails=given.mails or min(20_000, 100 * given.kills),
            stops=given.stops if given.workers > 1 else 0.0,
        )
        stack.callback(harness.herd.end)
        harness.kill_over_and_over(given.kills)
        print(f"{harness.herd.kills} kills, {server.taken} mails taken", file=sys.stderr)
        harness.finish()
        found = judge(harness)
        found["config"] = {
            "engine": given.engine, "stream": given.stream, "connections": CONNECTIONS,
            "workers": given.workers, "hosts": len(harness.herd.hosts),
            "lives": harness.herd.lives, "seed": given.seed, "cores": os.cpu_count(),
        }  # fmt: skip
        return found


def _hosts(folder: Path, server: Faults, database: str, given: argparse.Namespace) -> list[App]:
    """The shop, once for each host.

    Hosts whose clocks go ahead by a minute at a time, as for order mail, would take one another's
    claims: then there is one.
    """
    is_one = not database or given.workers == 1 or given.stream == Stream.TRANSACTIONAL
    found = []
    for number in range(1 if is_one else 2):
        home = folder / f"host{number + 1}"
        shops.make_shop(
            home, port=server.port, connections=CONNECTIONS // given.workers, database=database
        )
        with (home / "crm-mailer.toml").open("a", encoding="utf-8") as settings:
            settings.write(PATIENT)
        app = shops.shop(home)
        app.clock = AheadClock(server)
        _warm(app, Stream(given.stream))
        found.append(app)
    return found


def _warm(app: App, stream: Stream) -> None:
    """What each sender would do anew, done once: files read, templates compiled."""
    assert app.definitions
    assert app.keys
    app.templates.prepare({f"{shops.TEMPLATES}/{shops.CAMPAIGN[stream]}"})


if __name__ == "__main__":
    main()
