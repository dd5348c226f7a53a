from __future__ import annotations

import heapq
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_mailer.delivering import pacing
from crm_mailer.delivering.pacing import BIG, HALVED, Pacer
from crm_mailer.delivering.routing import Lane, Outlet, Ways
from crm_mailer.delivering.sandbox import NullTransport
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.store import migrate, paces
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.paces import Pace
from tests.conftest import NOON

GMAIL = Lane("gmail", Stream.MARKETING)
ORDERS = Lane("gmail", Stream.TRANSACTIONAL)
QQ = Lane("qq", Stream.MARKETING)
A = "main"


def outcome(**values: object) -> Outcome:
    return Outcome(**{"kind": OutcomeKind.DEFERRED, "phase": Phase.RCPT, **values})  # type: ignore[arg-type]


FINE = outcome(kind=OutcomeKind.ACCEPTED, phase=Phase.DOT, code=250)
THROTTLED = outcome(phase=Phase.DOT, code=421, status="4.7.28", blame=Blame.SITE)
GREYLISTED = outcome(code=451, status="4.2.1", blame=Blame.SITE)
FULL = outcome(code=452, status="4.2.2", blame=Blame.RECIPIENT)


def ways(per_minute: int | None = None, *, warm_since: date | None = None, **limits: int) -> Ways:
    outlet = Outlet(name=A, transport=NullTransport(), per_minute=per_minute, warm_since=warm_since)
    return Ways(outlets=[outlet], limits=limits)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def still() -> float:
    """A tick that stands, where the simulated clock alone counts."""
    return 0.0


class Sender:
    """A sender on a simulated clock: claims what there is room for, a few lanes in turn."""

    def __init__(self, store: Store, given: Ways, *, most: int = 400, skips: float = 0.0) -> None:
        self.store, self.pacer, self.most, self.skips = store, Pacer(given, still), most, skips
        self.left: list[tuple[float, Lane]] = []
        self.claims = 0

    def turn(self, seconds: float, lanes: Sequence[Lane]) -> float:
        """One claim at this moment; returns when to come again."""
        now = at(seconds)
        with self.store.write() as connection:
            self.pacer.load(connection, now)
            for lane in lanes:
                room = min(
                    self.most,
                    self.pacer.outlet_room(A, now),
                    self.pacer.lane_room(A, lane, now),
                )
                if room <= 0:
                    continue
                self.claims += 1
                waits = self.pacer.take(A, lane, room, now)
                unsent = int(room * self.skips)
                self.left += [(seconds + wait, lane) for wait in waits[: room - unsent]]
                self.pacer.give_back(A, lane, unsent)
            self.pacer.save(connection, now)
        return seconds + max(0.02, min(self.pacer.wait(now), 5.0))


def run(senders: Sequence[Sender], lanes: Sequence[Lane], seconds: float) -> list[float]:
    """The moments of departure of all senders together."""
    turns = [(0.01 * place, place) for place in range(len(senders))]
    heapq.heapify(turns)
    while turns[0][0] < seconds:
        moment, place = heapq.heappop(turns)
        heapq.heappush(turns, (senders[place].turn(moment, lanes), place))
    return sorted(left for sender in senders for left, _lane in sender.left)


def within(moments: Sequence[float], start: float, end: float) -> int:
    return sum(start <= one < end for one in moments)


# ------------------------------------------------------------------ the rate


@pytest.mark.parametrize("per_minute", [20, 60, 600, 6_000, 60_000])
@pytest.mark.parametrize("number", [1, 2])
def test_the_rate_is_held_over_a_minute_within_two_in_a_hundred(
    sqlite_store: Store, per_minute: int, number: int
) -> None:
    senders = [Sender(sqlite_store, ways(per_minute)) for _ in range(number)]

    left = run(senders, [GMAIL], 125.0 if per_minute < 60_000 else 65.0)

    assert per_minute * 0.98 - 1 <= within(left, 3, 63) <= per_minute * 1.02 + 1


def test_two_senders_share_a_rate_on_either_engine(store: Store) -> None:
    senders = [Sender(store, ways(600), most=5) for _ in range(2)]

    left = run(senders, [GMAIL, QQ], 65.0)

    assert 588 <= within(left, 3, 63) <= 612


def test_a_lane_keeps_its_own_limit_beneath_that_of_the_account(sqlite_store: Store) -> None:
    sender = Sender(sqlite_store, ways(6_000, gmail=300))

    run([sender], [GMAIL, QQ], 65.0)

    by_lane = {
        lane: within([one for one, its in sender.left if its == lane], 3, 63)
        for lane in (GMAIL, QQ)
    }
    assert 293 <= by_lane[GMAIL] <= 307
    assert sum(by_lane.values()) <= 6_121


def test_both_streams_of_a_provider_have_the_limit_each(sqlite_store: Store) -> None:
    sender = Sender(sqlite_store, ways(gmail=300))

    run([sender], [GMAIL, ORDERS], 65.0)

    for lane in (GMAIL, ORDERS):
        assert 293 <= within([one for one, its in sender.left if its == lane], 3, 63) <= 307


def test_places_that_were_not_needed_are_used_by_others(sqlite_store: Store) -> None:
    left = run([Sender(sqlite_store, ways(600), skips=0.5)], [GMAIL], 125.0)

    assert within(left, 60, 120) >= 580


def test_a_pause_saves_up_no_burst_beyond_a_second(sqlite_store: Store) -> None:
    sender = Sender(sqlite_store, ways(600))
    sender.turn(0, [GMAIL])
    sender.left.clear()

    sender.turn(500, [GMAIL])

    moments = [left for left, _lane in sender.left]
    assert within(moments, 500, 500.05) <= 11
    assert all(a <= b for a, b in pairwise(moments))
    assert max(moments) <= 500 + pacing.HORIZON


def test_a_slow_lane_is_never_held_far_ahead_but_its_mail_goes_when_due(
    sqlite_store: Store,
) -> None:
    sender = Sender(sqlite_store, ways(gmail=1))

    left = run([sender], [GMAIL], 185.0)

    assert [round(one) for one in left] == [0, 60, 120, 180]
    assert sender.claims == 4


def test_a_fast_lane_is_claimed_in_portions_and_not_mail_by_mail(sqlite_store: Store) -> None:
    sender = Sender(sqlite_store, ways(6_000), most=10_000)

    run([sender], [GMAIL], 60.0)

    assert sender.claims <= 65


def test_no_limit_means_no_wait_and_no_row(store: Store) -> None:
    sender = Sender(store, ways())

    sender.turn(0, [GMAIL, QQ])

    assert {left for left, _lane in sender.left} == {0}
    assert sender.pacer.outlet_room(A, NOON) == BIG
    with store.read() as connection:
        assert paces.load(connection) == {}


def test_an_account_that_nobody_named_has_no_limit() -> None:
    pacer = Pacer(ways(60), still)

    assert pacer.outlet_room("given", NOON) == BIG
    assert pacer.take("given", GMAIL, 3, NOON) == [0.0, 0.0, 0.0]


def test_the_rate_goes_on_while_the_shop_s_clock_stands() -> None:
    ticks = iter(range(100))
    pacer = Pacer(ways(60), lambda: next(ticks))

    rooms = [pacer.take(A, GMAIL, pacer.outlet_room(A, NOON), NOON) for _ in range(10)]

    assert sum(map(len, rooms)) > 10


def test_a_clock_that_is_set_back_stops_no_mail(sqlite_store: Store) -> None:
    Sender(sqlite_store, ways(60)).turn(0, [GMAIL])
    later = Sender(sqlite_store, ways(60))

    again = later.turn(-7_200, [GMAIL])
    later.turn(again, [GMAIL])

    assert again <= -7_200 + 5
    assert later.left


@given(
    per_minute=st.integers(1, 100_000),
    steps=st.lists(
        st.tuples(st.floats(0, 90), st.integers(0, 500), st.integers(0, 500)), max_size=30
    ),
)
@settings(max_examples=60, deadline=None)
def test_however_places_are_taken_and_given_back_no_minute_holds_more(
    per_minute: int, steps: list[tuple[float, int, int]]
) -> None:
    pacer, moment, left = Pacer(ways(per_minute), still), 0.0, list[float]()
    for pause, wanted, back in steps:
        moment += pause
        now = at(moment)
        number = min(wanted, pacer.outlet_room(A, now))
        waits = pacer.take(A, GMAIL, number, now)
        unsent = min(back, number)
        pacer.give_back(A, GMAIL, unsent)
        left += [moment + wait for wait in waits[: number - unsent]]
        assert all(0 <= wait <= pacing.HORIZON + 0.001 for wait in waits)
    left.sort()
    for first in left:
        # a second's burst, and the two seconds for which places given back may be used again
        assert within(left, first, first + 60) <= per_minute * 63 / 60 + 2


_CHILD = """
import random, sys, time
from datetime import UTC, datetime
from crm_mailer.delivering.pacing import Pacer
from crm_mailer.delivering.routing import Lane, Outlet, Ways
from crm_mailer.delivering.sandbox import NullTransport
from crm_mailer.model.campaign import Stream
from crm_mailer.store.engine import open_store

store, lane = open_store(sys.argv[1]), Lane("gmail", Stream.MARKETING)
pacer = Pacer(Ways(outlets=[Outlet(name="main", transport=NullTransport(), per_minute=12_000)]))
left = []
print("ready", flush=True)
until = float(sys.stdin.readline())
while time.time() < until:
    now = datetime.now(UTC)
    with store.write() as connection:
        pacer.load(connection, now)
        room = min(100, pacer.outlet_room("main", now))
        if room > 0:
            left += [now.timestamp() + wait for wait in pacer.take("main", lane, room, now)]
        pacer.save(connection, now)
    time.sleep(random.uniform(0.02, 0.2))
print(" ".join(f"{one:.6f}" for one in left))
"""


def test_two_processes_on_one_database_hold_one_rate(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/crm-mailer.db"
    store = open_store(url)
    migrate.upgrade(store)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    begun = time.time()

    for child in children:
        assert child.stdin is not None
        child.stdin.write(f"{begun + 4.5}\n")
        child.stdin.flush()
    told = [child.communicate(timeout=30)[0].split() for child in children]

    moments = sorted(float(one) for words in told for one in words)
    assert all(len(words) >= 100 for words in told)
    assert 196 * 3 <= within(moments, begun + 1.3, begun + 4.3) <= 204 * 3
    store.close()


# ------------------------------------------------------------------ warming up


@pytest.mark.parametrize(
    ("day", "limit"),
    [(-3, 50), (0, 50), (1, 100), (2, 200), (3, 500), (4, 1_000), (5, 2_000), (6, 5_000),
     (7, 10_000), (8, 20_000), (9, 50_000), (10, None), (400, None)],
)  # fmt: skip
def test_a_new_account_warms_up_day_by_day(day: int, limit: int | None) -> None:
    since = date(2026, 11, 1)

    assert pacing.warm_up_limit(since, since + timedelta(days=day)) == limit
    assert pacing.warm_up_limit(None, since) is None


def test_a_day_of_warming_up_is_shared_by_all_senders_and_over_restarts(store: Store) -> None:
    for _ in range(3):
        sender = Sender(store, ways(warm_since=NOON.date()), most=40)
        sender.turn(0, [GMAIL, QQ])
        assert sender.claims <= 2
    with store.read() as connection:
        used = {name: row.used for name, row in paces.load(connection).items()}

    assert used == {"warm:main:gmail": 50, "warm:main:qq": 50}
    assert sender.pacer.wait(NOON) == timedelta(hours=12).total_seconds()


def test_the_next_day_brings_twice_as_much_and_what_was_not_used_is_given_back(
    store: Store,
) -> None:
    Sender(store, ways(warm_since=NOON.date())).turn(0, [GMAIL])
    pacer, now = Pacer(ways(warm_since=NOON.date()), still), NOON + timedelta(hours=12)
    with store.write() as connection:
        pacer.load(connection, now)
        rooms = [pacer.lane_room(A, GMAIL, now)]
        pacer.take(A, GMAIL, 100, now)
        pacer.save(connection, now)
        rooms.append(pacer.lane_room(A, GMAIL, now))
        pacer.give_back(A, GMAIL, 7)
        pacer.save(connection, now)
        rooms.append(pacer.lane_room(A, GMAIL, now))

    assert rooms == [100, 0, 7]


def test_order_mail_counts_in_a_day_of_warming_up_but_never_waits_for_the_next() -> None:
    pacer = Pacer(ways(warm_since=NOON.date()), still)

    pacer.take(A, ORDERS, 45, NOON)
    pacer.take(A, ORDERS, 45, NOON)

    assert pacer.lane_room(A, ORDERS, NOON) == BIG
    assert pacer.lane_room(A, GMAIL, NOON) <= 0


# ------------------------------------------------------------------ slowing down


def rate(pacer: Pacer, now: datetime, lane: Lane = GMAIL) -> int:
    """Mails a minute in a lane, seen from how far apart two places are."""
    waits = pacer.take(A, lane, 400, now)
    pacer.give_back(A, lane, 400)
    return 0 if waits[-1] == waits[-2] else round(60 / (waits[-1] - waits[-2]))


@pytest.mark.parametrize(
    ("answer", "is_slowed"),
    [
        (THROTTLED, True),
        (outcome(code=451, status="4.7.1", blame=Blame.SITE), True),
        (outcome(code=421, blame=Blame.SITE), True),
        (outcome(code=450, status="4.3.2", blame=Blame.SITE), True),
        (GREYLISTED, False),
        (FULL, False),
        (outcome(code=450, status="4.7.1", blame=Blame.RECIPIENT), False),
        (outcome(phase=Phase.CONNECT, blame=Blame.SITE), False),
        (outcome(phase=Phase.BANNER, code=421, blame=Blame.SITE), False),
        (outcome(blame=Blame.SITE), False),
        (FINE, False),
        (outcome(kind=OutcomeKind.REFUSED, code=550, status="5.7.1", blame=Blame.US), False),
        (outcome(kind=OutcomeKind.UNKNOWN, phase=Phase.DOT), False),
    ],
)
def test_only_a_receiver_that_asks_for_less_slows_its_lane(
    answer: Outcome, is_slowed: bool
) -> None:
    pacer = Pacer(ways(gmail=600), still)

    pacer.hear(A, GMAIL, answer, NOON)

    assert rate(pacer, NOON) == (300 if is_slowed else 600)
    assert rate(pacer, NOON, ORDERS) == 600


def test_a_rate_is_halved_once_a_minute_down_to_a_sixty_fourth() -> None:
    pacer, seen = Pacer(ways(gmail=6_400), still), []
    for second in range(0, 481, 20):
        pacer.hear(A, GMAIL, THROTTLED, at(second))
        seen.append(rate(pacer, at(second)))

    assert seen[:7] == [3_200] * 3 + [1_600] * 3 + [800]
    assert seen[-1] == 102  # 16 in a thousand


def test_each_minute_without_a_complaint_brings_back_a_twentieth_until_all_is_back() -> None:
    pacer = Pacer(ways(gmail=6_000), still)
    pacer.hear(A, GMAIL, THROTTLED, NOON)

    seen = [rate(pacer, at(60 * minute + 1)) for minute in range(13)]

    assert seen == [3_000 + 300 * minute for minute in range(11)] + [6_000, 6_000]


def test_a_busy_server_slows_a_lane_only_when_it_says_so_often() -> None:
    pacer = Pacer(ways(gmail=600), still)
    for place in range(100):
        pacer.hear(A, GMAIL, GREYLISTED if place % 10 == 0 else FINE, NOON)
    before = rate(pacer, NOON)
    for _ in range(2):
        pacer.hear(A, GMAIL, GREYLISTED, NOON)

    assert (before, rate(pacer, NOON)) == (600, 300)


def test_a_lane_without_a_limit_gets_half_of_what_it_did_and_is_free_again_later() -> None:
    pacer = Pacer(ways(), still)
    for second in range(60):
        for _ in range(10):
            pacer.hear(A, GMAIL, FINE, at(second))
    free = pacer.lane_room(A, GMAIL, at(60))

    pacer.hear(A, GMAIL, THROTTLED, at(60))

    assert free == BIG
    assert rate(pacer, at(60)) == pytest.approx(300, abs=10)
    assert pacer.lane_room(A, GMAIL, at(60 + 660)) == BIG


def test_what_one_process_hears_slows_the_others_and_the_rates_of_all_are_counted(
    store: Store,
) -> None:
    first, second = Pacer(ways(), still), Pacer(ways(), still)
    for moment in range(60):
        for _ in range(10):
            first.hear(A, GMAIL, FINE, at(moment))
            second.hear(A, GMAIL, FINE, at(moment))
    for pacer in (first, second):  # both use the lane
        pacer.lane_room(A, GMAIL, at(59))
    first.hear(A, GMAIL, THROTTLED, at(60))
    for pacer in (first, second):
        with store.write() as connection:
            pacer.load(connection, at(60))
            pacer.save(connection, at(60))
    with store.write() as connection:
        first.load(connection, at(61))

    assert rate(second, at(61)) == pytest.approx(600, abs=20)
    assert rate(first, at(61)) == pytest.approx(600, abs=20)


def test_two_processes_that_hear_the_same_halve_it_once(store: Store) -> None:
    pacers = [Pacer(ways(gmail=600), still) for _ in range(2)]
    for pacer in pacers:
        pacer.hear(A, GMAIL, THROTTLED, NOON)
    for pacer in pacers:
        with store.write() as connection:
            pacer.save(connection, NOON)
    fresh = Pacer(ways(gmail=600), still)
    with store.write() as connection:
        fresh.load(connection, NOON)

    assert rate(fresh, NOON) == 300


def test_spam_reports_halve_all_marketing_and_leave_order_mail_alone(store: Store) -> None:
    with store.write() as connection:
        row = Pace(name=HALVED, factor=500, seen_rate=240)
        paces.save(connection, [row], NOON)
    sender = Sender(store, ways())

    left = run([sender], [GMAIL, QQ], 65.0)

    assert 117 <= within(left, 3, 63) <= 123
    assert sender.pacer.lane_room(A, ORDERS, at(65)) == BIG


def test_a_row_of_the_database_says_when_the_next_mail_is_due_to_the_microsecond(
    store: Store,
) -> None:
    due = datetime(2026, 11, 2, 12, 0, 0, 123456, tzinfo=UTC).timestamp()
    with store.write() as connection:
        paces.save(connection, [Pace(name="account:main", due=due)], NOON)
    with store.read() as connection:
        (row,) = paces.load(connection).values()

    assert row.due == pytest.approx(due, abs=1e-6)
