from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.model.delivery import EvidenceKind, Outcome, OutcomeKind, Phase, Verdict
from crm_mailer.model.touch import TouchState
from crm_mailer.store import claims, doubts, outbox
from crm_mailer.store import tables as t
from crm_mailer.store.claims import Settlement
from crm_mailer.store.engine import Store
from tests.conftest import NOON
from tests.store.ledger import mail, row_of, state_of

LATER = NOON + timedelta(hours=2)


def settle(
    store: Store,
    number: int,
    kind: EvidenceKind = EvidenceKind.BOUNCE,
    verdict: Verdict = Verdict.ACCEPTED,
    at: datetime = LATER,
    text: str = "550 5.1.1 no such user",
) -> bool:
    with store.write() as connection:
        return doubts.settle_by_evidence(connection, number, kind, at, text, verdict)


def evidence(store: Store, number: int) -> list[tuple[str, str, str]]:
    with store.read() as connection:
        found = doubts.evidence_of(connection, number)
    return [(one.kind.value, one.verdict.value, one.text) for one in found]


def sound(store: Store) -> bool:
    with store.read() as connection:
        return outbox.audit(connection, LATER).is_sound


def test_evidence_makes_a_mail_in_doubt_accepted_at_the_time_it_left(store: Store) -> None:
    number = mail(store, "in_doubt", "unknown", owner="one", next_at=LATER)

    assert settle(store, number)

    row = row_of(store, number)
    assert (row.state, row.settled_at, row.next_at, row.owner) == ("accepted", NOON, None, "")
    assert evidence(store, number) == [("bounce", "accepted", "550 5.1.1 no such user")]
    assert sound(store)


def test_evidence_that_comes_twice_changes_nothing(store: Store) -> None:
    number = mail(store, "in_doubt", "unknown")
    settle(store, number)

    assert not settle(store, number, text="again")
    assert not settle(store, number, EvidenceKind.OPERATOR, Verdict.NOT_SENT)
    assert evidence(store, number) == [("bounce", "accepted", "550 5.1.1 no such user")]
    assert state_of(store, number) == "accepted"


@pytest.mark.parametrize(
    ("state", "outcomes"),
    [("planned", ()), ("claimed", ()), ("accepted", ("accepted",)), ("refused", ("refused",)),
     ("deferred", ("deferred",)), ("skipped", ()), ("expired", ()), ("held", ())],
)  # fmt: skip
def test_a_mail_that_is_not_in_doubt_is_left_alone(
    store: Store, state: str, outcomes: tuple[str, ...]
) -> None:
    number = mail(store, state, *outcomes)
    before = row_of(store, number)

    assert not settle(store, number)
    assert not settle(store, number, EvidenceKind.RELAY_LOG, Verdict.NOT_SENT)

    assert row_of(store, number) == before
    assert evidence(store, number) == []


def test_a_mail_that_was_not_sent_is_due_at_once_and_judged_afresh(store: Store) -> None:
    number = mail(store, "in_doubt", "unknown", owner="one")

    assert settle(store, number, EvidenceKind.OPERATOR, Verdict.NOT_SENT)

    with store.write(durable=True) as connection:
        [claimed] = claims.claim(
            connection, owner="two", now=LATER, until=LATER, boot_id="b", limit=9
        )
        released = claims.release(connection, "two", [number], LATER)
    assert (claimed.touch.id, claimed.doubts, claimed.tries) == (number, 0, 1)
    assert (released, state_of(store, number)) == ({number: "deferred"}, "deferred")
    assert sound(store)


@pytest.mark.parametrize(
    "kind", [EvidenceKind.BOUNCE, EvidenceKind.REPLY, EvidenceKind.CLICK, EvidenceKind.OPEN]
)
def test_what_came_back_cannot_show_that_nothing_left(store: Store, kind: EvidenceKind) -> None:
    number = mail(store, "in_doubt", "unknown")

    with pytest.raises(ValueError, match="cannot show"):
        settle(store, number, kind, Verdict.NOT_SENT)


def test_evidence_takes_order_mail_out_of_the_hands_of_a_sender(store: Store) -> None:
    number = mail(store, "in_doubt", "unknown", stream="transactional", next_at=NOON)
    with store.write(durable=True) as connection:
        claims.claim(connection, owner="two", now=LATER, until=LATER, boot_id="b", limit=9, fence=1)

    assert settle(store, number, EvidenceKind.REPLY)

    with store.write() as connection:
        held = claims.still_held(connection, [number], owner="two", fence=1)
        given_back = claims.release(connection, "two", [number], LATER)
    assert (held.going, given_back, state_of(store, number)) == (set(), {}, "accepted")
    assert sound(store)


def test_a_second_attempt_that_had_left_by_then_changes_nothing(store: Store) -> None:
    number = mail(store, "in_doubt", "unknown", stream="transactional", next_at=NOON)
    with store.write(durable=True) as connection:
        [claimed] = claims.claim(
            connection, owner="two", now=LATER, until=LATER, boot_id="b", limit=9
        )
    settle(store, number)

    end = Settlement(
        touch_id=number,
        attempt=claimed.touch.attempts,
        state=TouchState.IN_DOUBT,
        at=LATER,
        outcome=Outcome(kind=OutcomeKind.REFUSED, phase=Phase.DOT, code=554),
    )
    with store.write() as connection:
        claims.settle(connection, "two", [end])

    assert state_of(store, number) == "accepted"
    assert sound(store)


def test_the_list_tells_since_when_where_and_what_happens_next(store: Store) -> None:
    order = mail(store, "in_doubt", "deferred", "unknown", stream="transactional",
                 next_at=NOON + timedelta(minutes=11))  # fmt: skip
    edm = mail(store, "in_doubt", "unknown")
    mail(store, "accepted", "accepted")

    with store.read() as connection:
        first, second = doubts.list_(connection)
        total = doubts.count(connection)

    assert (first.id, second.id, total) == (order, edm, 2)
    assert (first.since, first.next_at) == (
        NOON + timedelta(minutes=1),
        NOON + timedelta(minutes=11),
    )
    assert (first.earliest_at, second.earliest_at) == (NOON, NOON - timedelta(hours=1))
    assert (second.host, second.why, second.doubts) == ("relay.example:25", "the line was lost", 1)
    assert not second.is_probably_sent(NOON + timedelta(hours=71))
    assert second.is_probably_sent(NOON + timedelta(hours=72))


def test_after_three_days_without_a_word_a_mail_counts_as_sent(store: Store) -> None:
    mail(store, "in_doubt", "unknown")
    mail(store, "in_doubt", "unknown", at=NOON + timedelta(hours=1))

    with store.read() as connection:
        early = doubts.count_probably_sent(connection, NOON + timedelta(hours=71))
        late = outbox.audit(connection, NOON + timedelta(hours=72))

    assert (early, late.probably_sent, late.is_sound) == (0, 1, True)


def test_evidence_is_kept_short(store: Store) -> None:
    number = mail(store, "in_doubt", "unknown")

    settle(store, number, text="x" * 10_000)

    assert [len(text) for _kind, _verdict, text in evidence(store, number)] == [500]


def test_an_agents_letter_keeps_its_text(store: Store) -> None:
    letter = mail(store, "in_doubt", "unknown", kind="case_reply", detail="We are sorry.")
    other = mail(store, "in_doubt", "unknown", detail="the line was lost")

    settle(store, letter)
    settle(store, other)

    assert (row_of(store, letter).detail, row_of(store, other).detail) == ("We are sorry.", "")


def test_the_audit_names_each_contradiction(store: Store) -> None:
    broken = {
        "accepted, but no server is on record": mail(store, "accepted"),
        "accepted more than once": mail(store, "accepted", "accepted", "accepted"),
        "a server took it, but": mail(store, "in_doubt", "unknown", "accepted"),
        "accepted, but its message is not": mail(store, "accepted", "accepted", written=False),
        "in doubt, but no attempt": mail(store, "in_doubt", "deferred"),
        "refused, but no server": mail(store, "refused"),
        "waits for no moment": mail(store, "planned", next_at=None),
        "has a fate, but nobody": mail(store, "skipped", settled_at=None),
        "tried more often": mail(store, "deferred", "deferred", attempts=0),
        "evidence that a server took it": mail(store, "refused", "refused"),
        "claimed by a sender whose time": mail(store, "claimed", claimed_until=NOON, owner="one"),
        "claimed, but by nobody": mail(store, "claimed"),
    }
    with store.write() as connection:
        connection.execute(
            sa.insert(t.evidence).values(
                touch_id=broken["evidence that a server took it"],
                kind="click",
                verdict="accepted",
                at=NOON,
            )
        )
        connection.execute(
            sa.update(t.messages)
            .where(t.messages.c.touch_id == broken["tried more often"])
            .values(message_id="")
        )
    with store.read() as connection:
        found = outbox.audit(connection, LATER)

    assert not found.is_sound
    assert {*found.troubles.values()} == {1}
    assert found.examples["accepted more than once"] == (str(broken["accepted more than once"]),)
    assert found.remedies.keys() == found.troubles.keys()
    told = sorted(found.troubles)
    expected = sorted([*broken, "its message has no Message-ID"])
    assert [one for one in expected if not any(words.startswith(one) for words in told)] == []
    assert len(told) == len(expected)


def test_the_states_add_up_to_all_that_was_planned(store: Store) -> None:
    for state, outcomes in (
        ("planned", ()), ("held", ()), ("in_doubt", ("unknown",)), ("accepted", ("accepted",)),
        ("deferred", ("deferred",)), ("refused", ("refused",)), ("expired", ()), ("skipped", ()),
    ):  # fmt: skip
        mail(store, state, *outcomes)

    with store.read() as connection:
        found = outbox.audit(connection, NOON)

    assert (found.total, sum(found.states.values()), len(found.states)) == (8, 8, 8)
    assert found.is_sound
