from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.delivering import deliver
from crm_mailer.delivering.port import Source
from crm_mailer.delivering.report import DeliverReport
from crm_mailer.delivering.routing import Outlet, Ways
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.store import alerts, pauses
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import touches
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, plan, states

FINE = Outcome(kind=OutcomeKind.ACCEPTED, phase=Phase.DOT, code=250)
POLICY = FINE._replace(kind=OutcomeKind.REFUSED, code=550, status="5.7.1", blame=Blame.US)
TOO_BIG = POLICY._replace(code=552, status="5.3.4", blame=Blame.MESSAGE)
NO_LOGIN = Outcome(kind=OutcomeKind.DEFERRED, phase=Phase.AUTH, code=535, blame=Blame.US)


class Answering:
    """A way out whose answers a test decides, flight by flight."""

    width = 1

    def __init__(self, answer: Callable[[str, str], Outcome], *, seconds: float = 0.0) -> None:
        self.answer, self.seconds = answer, seconds
        self.taken: list[tuple[float, str, str]] = []

    async def fly(self, source: Source) -> None:
        while (flight := await source.next()) is not None:
            touch = flight.claimed.touch
            outcome = self.answer(touch.provider, touch.campaign)
            if outcome.phase is Phase.DOT and not source.before_dot(flight):
                outcome = NO_LOGIN._replace(phase=Phase.BODY, blame=Blame.SITE, code=0)
            else:
                self.taken.append((time.monotonic(), touch.provider, touch.campaign))
            time.sleep(self.seconds)
            source.landed(flight, outcome)


@pytest.fixture
def send(sqlite_store: Store, clock: StandingClock, tmp_path: Path) -> Callable[..., DeliverReport]:
    def sending(*outlets: Outlet) -> DeliverReport:
        return deliver(
            sqlite_store,
            PlainRenderer(),
            Ways(outlets=outlets),
            clock=clock,
            owner="tester",
            journal_folder=tmp_path / "journal",
        )

    return sending


def to(store: Store, provider: str, ids: list[int]) -> None:
    with store.write() as connection:
        statement = sa.update(touches).where(touches.c.id.in_(ids))
        connection.execute(statement.values(provider=provider))


def test_a_provider_that_refuses_us_is_left_alone_and_the_others_get_their_mail(
    sqlite_store: Store, clock: StandingClock, send: Callable[..., DeliverReport]
) -> None:
    to(sqlite_store, "gmail", plan(sqlite_store, 40, clock.now()))
    to(sqlite_store, "qq", plan(sqlite_store, 40, clock.now()))
    way = Answering(lambda provider, _campaign: POLICY if provider == "gmail" else FINE)

    report = send(Outlet(name="main", transport=way))

    assert report.outcomes == {"accepted": 40, "refused": 3}
    assert states(sqlite_store) == {"accepted": 40, "refused": 3, "planned": 37}
    assert report.faults == {}
    with sqlite_store.read() as connection:
        assert pauses.load(connection).lanes == {"gmail/marketing"}
        assert [one.cause for one in alerts.list_open(connection)] == [
            "lane:gmail/marketing/policy"
        ]


def test_a_campaign_that_is_too_big_is_held_and_the_others_go_on(
    sqlite_store: Store, clock: StandingClock, send: Callable[..., DeliverReport]
) -> None:
    plan(sqlite_store, 30, clock.now(), campaign="pictures")
    plan(sqlite_store, 30, clock.now(), campaign="words")
    way = Answering(lambda _provider, campaign: TOO_BIG if campaign == "pictures" else FINE)

    report = send(Outlet(name="main", transport=way))

    assert report.outcomes == {"accepted": 30, "refused": 1}
    assert states(sqlite_store) == {"accepted": 30, "refused": 1, "held": 29}
    # what was given back and claimed again is one mail
    assert (report.skipped, report.released) == ({"paused": 29}, 0)
    assert report.claimed == report.accounted == 60


def test_mails_take_the_other_account_when_one_is_locked_out_and_are_not_charged(
    sqlite_store: Store, clock: StandingClock, send: Callable[..., DeliverReport]
) -> None:
    plan(sqlite_store, 20, clock.now())
    locked, open_ = Answering(lambda *_: NO_LOGIN), Answering(lambda *_: FINE)

    report = send(
        Outlet(name="first", transport=locked, rank=0),
        Outlet(name="second", transport=open_, rank=1),
    )

    assert list(report.faults) == ["first"]
    assert report.outcomes == {"accepted": 20}
    with sqlite_store.read() as connection:
        attempts = set(connection.scalars(sa.select(touches.c.attempts)))
        causes = [one.cause for one in alerts.list_open(connection)]
    assert (attempts, causes) == ({1}, ["account:first/auth"])


@pytest.mark.parametrize("scope", ["all", "campaign:spring", "lane:other", "account:main"])
def test_a_pause_is_honoured_within_a_second_while_mails_fly(
    sqlite_store: Store,
    clock: StandingClock,
    send: Callable[..., DeliverReport],
    scope: str,
) -> None:
    plan(sqlite_store, 2_000, clock.now())
    way = Answering(lambda *_: FINE, seconds=0.004)
    paused_at: list[float] = []

    def pause() -> None:
        while not way.taken:
            time.sleep(0.02)
        time.sleep(0.3)
        with sqlite_store.write() as connection:
            pauses.pause(connection, scope, now=clock.now())
        paused_at.append(time.monotonic())

    person = threading.Thread(target=pause)
    person.start()
    report = send(Outlet(name="main", transport=way))
    person.join()

    assert max(at for at, _provider, _campaign in way.taken) - paused_at[0] < 1.0
    assert 0 < report.outcomes["accepted"] < 2_000
    assert "claimed" not in states(sqlite_store)


def test_an_account_s_rate_is_held_by_real_sending(
    sqlite_store: Store, clock: StandingClock, send: Callable[..., DeliverReport]
) -> None:
    plan(sqlite_store, 120, clock.now(), stream=Stream.TRANSACTIONAL)
    way = Answering(lambda *_: FINE)

    send(Outlet(name="main", transport=way, per_minute=1_800))

    times = [at - way.taken[0][0] for at, _provider, _campaign in way.taken]
    by_second = Counter(int(one) for one in times)
    assert len(times) == 120
    assert 2.8 <= times[-1] <= 5.0  # a second's worth at once, then 30 a second
    assert max(by_second.values()) <= 62
