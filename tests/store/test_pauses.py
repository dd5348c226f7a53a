from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command

from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.store import alerts, disabled, migrate, pauses, reputation, suppressions
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.pauses import Pauses
from tests.conftest import NOON
from tests.store.came_back import bounce, spam_report
from tests.store.ledger import mail, state_of


def stop(store: Store, *scopes: str) -> list[bool]:
    with store.write() as connection:
        return [pauses.pause(connection, scope, now=NOON, reason="why") for scope in scopes]


def load(store: Store) -> Pauses:
    with store.read() as connection:
        return pauses.load(connection)


def test_what_is_stopped_is_found_by_its_kind(store: Store) -> None:
    assert load(store) == Pauses()

    done = stop(store, "campaign:spring", "lane:gmail/marketing", "account:main", "all", "all")

    assert done == [True, True, True, True, False]
    assert load(store) == Pauses(
        everything="why",
        campaigns=frozenset({"spring"}),
        lanes=frozenset({"gmail/marketing"}),
        accounts=frozenset({"main"}),
    )


@pytest.mark.parametrize(
    ("stopped", "lanes"),
    [
        ("gmail", {"gmail/marketing", "gmail/transactional"}),
        ("marketing", {"gmail/marketing", "qq/marketing"}),
        ("gmail/marketing", {"gmail/marketing"}),
    ],
)
def test_a_lane_is_stopped_by_its_provider_by_its_stream_or_alone(
    stopped: str, lanes: set[str]
) -> None:
    every = {f"{one}/{stream}" for one in ("gmail", "qq") for stream in Stream}

    found = Pauses(lanes=frozenset({stopped}))

    assert {lane for lane in every if found.stops(lane)} == lanes


def test_resuming_a_provider_lets_its_lanes_go_on_and_no_other(store: Store) -> None:
    stop(store, "lane:gmail/marketing", "lane:gmail", "lane:qq/marketing", "campaign:gmail")

    with store.write() as connection:
        covered = pauses.covered(connection, "lane:gmail")
        was_stopped = pauses.resume(connection, "lane:gmail")
        again = pauses.resume(connection, "lane:gmail")

    assert sorted(covered) == ["lane:gmail", "lane:gmail/marketing"]
    assert (was_stopped, again) == (True, False)
    assert load(store) == Pauses(lanes=frozenset({"qq/marketing"}), campaigns=frozenset({"gmail"}))


def test_mails_that_a_pause_holds_go_back_to_what_they_were(store: Store) -> None:
    due, tried = mail(store, "planned"), mail(store, "deferred", "deferred")
    later = mail(store, "planned", next_at=NOON + timedelta(hours=1))
    manual, other = mail(store, "held"), mail(store, "planned", campaign="autumn")
    with store.write() as connection:
        pauses.hold(connection, pauses.list_due(connection, "spring", NOON))
    held = [state_of(store, one) for one in (due, tried, later, manual, other)]
    with store.write() as connection:
        assert pauses.is_holding(connection, "spring")
        released = pauses.let_go(connection, pauses.list_held(connection, "spring"))
        assert not pauses.is_holding(connection, "spring")

    assert held == ["held", "held", "planned", "held", "planned"]
    assert released == 2
    after = [state_of(store, one) for one in (due, tried, later, manual, other)]
    assert after == ["planned", "deferred", "planned", "held", "planned"]


def test_an_alert_is_new_once_and_new_again_after_its_end(store: Store) -> None:
    later = NOON + timedelta(hours=1)
    told = []
    for now in (NOON, later):
        with store.write() as connection:
            told.append(alerts.raise_(connection, "lane:gmail/marketing/policy", "no", now=now))
    with store.write() as connection:
        (alert,) = alerts.list_open(connection)
        ended = [alerts.end_of(connection, "lane:gmail/marketing", later) for _ in range(2)]
        nothing = alerts.list_open(connection)
        told.append(alerts.raise_(connection, alert.cause, "again", hint="help", now=later))
        (reopened,) = alerts.list_open(connection)

    assert told == [True, False, True]
    assert (alert.first_at, alert.last_at, alert.times) == (NOON, later, 2)
    assert (ended, nothing) == ([True, False], [])
    assert (reopened.first_at, reopened.times, reopened.hint) == (later, 1, "help")


def test_a_scope_that_begins_like_another_keeps_its_alerts(store: Store) -> None:
    with store.write() as connection:
        for scope in ("campaign:spring", "campaign:spring-2", "campaign:spring_"):
            alerts.raise_(connection, f"{scope}/size", "big", now=NOON)
        alerts.end_of(connection, "campaign:spring", NOON)

        assert [one.cause for one in alerts.list_open(connection)] == [
            "campaign:spring-2/size",
            "campaign:spring_/size",
        ]


def test_a_shop_that_was_paused_before_the_update_is_paused_after_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('old')}/crm-mailer.db")
    config, _script = migrate._config()
    with store.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            sa.text("INSERT INTO facts (name, value, changed_at) VALUES ('paused', 'true', 1000)")
        )
    migrate.upgrade(store)

    found = load(store)
    with store.read() as connection:
        (one,) = pauses.list_(connection)
    store.close()

    assert found == Pauses(everything="")
    assert (one.by, one.at.timestamp()) == ("person", 1000)


# ------------------------------------------------------------------ mailboxes that are switched off


def refuse(store: Store, number: int, at: datetime, status: str = "5.2.1") -> None:
    said = Outcome(kind=OutcomeKind.REFUSED, phase=Phase.RCPT, code=550, status=status,
                   text="disabled", blame=Blame.RECIPIENT)  # fmt: skip
    with store.write() as connection:
        connection.execute(
            sa.update(t.deliveries)
            .where(t.deliveries.c.touch_id == number)
            .values(status=status, at=at)
        )
        disabled.bury(connection, [(number, said, at)])


def is_dead(store: Store) -> bool:
    with store.read() as connection:
        return bool(suppressions.find(connection, "c1@gmail.com"))


@pytest.mark.parametrize(("days", "is_the_end"), [(0, True), (29, True), (31, False)])
def test_a_mailbox_that_is_switched_off_twice_within_a_month_is_dead(
    store: Store, days: int, is_the_end: bool
) -> None:
    first = mail(store, "refused", "refused")
    second = mail(store, "refused", "refused", customer_id=1, anchor="order:2")
    with store.write() as connection:
        connection.execute(sa.update(t.messages).values(rcpt_to="c1@gmail.com"))

    refuse(store, first, NOON)
    before = is_dead(store)
    refuse(store, second, NOON + timedelta(days=days))

    assert (before, is_dead(store)) == (False, is_the_end)


def test_one_mail_that_is_refused_twice_or_another_customer_s_mailbox_is_no_second_time(
    store: Store,
) -> None:
    first, other = mail(store, "refused", "refused"), mail(store, "refused", "refused")

    for number in (first, other, first):
        refuse(store, number, NOON)

    assert not is_dead(store)


# ------------------------------------------------------------------ what came back


def test_spam_reports_about_marketing_are_set_against_the_marketing_that_left(
    store: Store,
) -> None:
    sent = [mail(store, "accepted", "accepted") for _ in range(3)]
    mail(store, "accepted", "accepted", at=NOON - timedelta(days=3))
    order = mail(store, "accepted", "accepted", stream="transactional")
    reports = [(sent[0], "abuse"), (None, "other"), (order, "abuse"), (sent[1], "not-spam")]
    for touch_id, kind in reports:
        spam_report(store, touch_id, kind)

    since = NOON - timedelta(days=1)
    with store.read() as connection:
        assert reputation.spam_reported(connection, since) == 2
        assert reputation.marketing_accepted(connection, since) == 3
        assert reputation.marketing_accepted(connection, NOON - timedelta(days=7)) == 4
        assert reputation.busiest_hour(connection, NOON - timedelta(days=7)) == 3
        assert reputation.busiest_hour(connection, NOON + timedelta(days=7)) == 0


@pytest.mark.parametrize(
    ("hours", "bounced", "left"), [(-24, 3, 6), (2, 2, 4)], ids=["all of it", "the second half"]
)
def test_bounces_of_a_campaign_count_since_a_person_let_it_go_on(
    store: Store, hours: int, bounced: int, left: int
) -> None:
    sent = [mail(store, "accepted", "accepted", at=NOON + timedelta(hours=n)) for n in range(6)]
    mail(store, "accepted", "accepted", campaign="autumn")
    for touch_id, kind in zip(sent[1:5], ("hard", "hard", "hard", "soft"), strict=True):
        bounce(store, touch_id, kind, NOON + timedelta(hours=7))
    since = NOON + timedelta(hours=hours)
    with store.write() as connection:
        connection.execute(sa.insert(t.tallies).values(scope="campaign:spring", since=since))

    with store.read() as connection:
        found = reputation.returned(connection, NOON - timedelta(days=3), 2)
        fewer = reputation.returned(connection, NOON - timedelta(days=3), 4)

    assert found == [("spring", Stream.MARKETING, bounced, left)]
    assert fewer == []
