from __future__ import annotations

from itertools import pairwise

import pytest

from crm_mailer.delivering.pacing import Bucket, Circuit, LaneFault, rest_after
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase


@pytest.mark.parametrize("per_minute", [6, 60, 600, 6000])
def test_the_rate_is_held_over_a_minute_within_two_in_a_hundred(per_minute: int) -> None:
    bucket, now, sent = Bucket(per_minute), 1000.0, list[float]()
    while now < 1060:
        now += bucket.take(now)
        sent.append(now)

    assert len(sent) <= per_minute * 1.02 + 1 + per_minute / 60
    assert len(sent) >= per_minute * 0.98


def test_a_pause_saves_up_no_burst_beyond_a_second() -> None:
    bucket = Bucket(600)
    bucket.take(0)

    waits = [bucket.take(500) for _ in range(30)]

    assert sum(wait == 0 for wait in waits) <= 11
    assert all(a <= b for a, b in pairwise(waits))


def test_no_limit_means_no_wait() -> None:
    assert {Bucket(None).take(now) for now in range(100)} == {0.0}


def outcome(**values: object) -> Outcome:
    return Outcome(**{"kind": OutcomeKind.DEFERRED, "phase": Phase.RCPT, **values})  # type: ignore[arg-type]


POLICY = outcome(kind=OutcomeKind.REFUSED, code=550, status="5.7.1", blame=Blame.US)
FINE = outcome(kind=OutcomeKind.ACCEPTED, phase=Phase.DOT, code=250)
QUOTA = outcome(kind=OutcomeKind.REFUSED, code=550, status="5.4.5", blame=Blame.SITE)
CLOSING = outcome(phase=Phase.DATA, code=421, blame=Blame.SITE)
LOST = outcome(blame=Blame.SITE)


@pytest.mark.parametrize(
    ("seen", "is_stopped"),
    [
        ([POLICY, POLICY], False),
        ([POLICY, POLICY, POLICY], True),
        ([POLICY, POLICY, FINE, POLICY], False),
        ([LOST] * 9, False),
        ([LOST] * 10, True),
        ([LOST] * 9 + [FINE] + [LOST] * 9, False),
        ([outcome(phase=Phase.AUTH, code=535, blame=Blame.US)], True),
        ([outcome(phase=Phase.CONNECT, blame=Blame.SITE)], True),
        ([outcome(kind=OutcomeKind.UNKNOWN, phase=Phase.DOT)] * 3, True),
        ([outcome(kind=OutcomeKind.REFUSED, code=550, blame=Blame.RECIPIENT)] * 50, False),
        ([QUOTA] * 9, False),
        ([QUOTA] * 10, True),
        ([CLOSING], False),
        ([CLOSING] * 3, True),
        ([CLOSING, FINE] * 9, False),
        ([outcome(phase=Phase.MAIL, code=421, blame=Blame.SITE)], True),
        ([outcome(phase=Phase.MAIL, code=452, blame=Blame.SITE)] * 3, True),
        ([outcome(code=451, blame=Blame.SITE)] * 50, False),
        ([outcome(code=503, blame=Blame.US)] * 2, False),
        ([outcome(code=503, blame=Blame.US)] * 3, True),
    ],
)
def test_faults_of_ours_open_the_circuit_and_customers_faults_do_not(
    seen: list[Outcome], is_stopped: bool
) -> None:
    circuit = Circuit()
    for one in seen:
        circuit.watch(one)

    assert (circuit.fault is not None) is is_stopped


def test_a_lane_rests_longer_each_time_and_longest_for_a_refused_login() -> None:
    def minutes(phase: Phase, blame: Blame, faults: int) -> float:
        fault = LaneFault(host="mx:25", phase=phase, outcome=outcome(phase=phase, blame=blame))
        return rest_after(fault, faults).total_seconds() / 60

    down = [minutes(Phase.CONNECT, Blame.SITE, faults) for faults in (1, 2, 5, 6, 900)]
    login = [minutes(Phase.AUTH, Blame.US, faults) for faults in (1, 2, 4, 5, 900)]

    assert down == [1 / 6, 1 / 3, 8 / 3, 5, 5]
    assert login == [5, 10, 40, 60, 60]
