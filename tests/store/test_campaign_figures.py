from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.store import campaign_figures, campaign_texts
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.conftest import NOON
from tests.store.came_back import bounce
from tests.store.ledger import mail

HANGZHOU = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)


def test_mails_are_counted_by_step_arm_state_and_reason(store: Store) -> None:
    mail(store, "accepted", "accepted")
    mail(store, "accepted", "accepted", arm="b", step="two", place=2)
    mail(store, "skipped", reason="cap")
    mail(store, "accepted", "accepted", campaign="other")

    with store.read() as connection:
        found = campaign_figures.mails(connection, "spring")
        started = campaign_figures.started(connection, "spring")
        states = campaign_figures.states(connection, "spring")

    told = {(one.step, one.arm, one.state, one.reason, one.mails) for one in found}
    assert told == {
        ("hello", "", "accepted", "", 1),
        ("two", "b", "accepted", "", 1),
        ("hello", "", "skipped", "cap", 1),
    }
    assert started == 2
    assert states == {"accepted": 2, "skipped": 1}


def test_what_came_back_counts_once_for_each_mail(store: Store) -> None:
    number = mail(store, "accepted", "accepted")
    bounce(store, number, "hard", NOON)
    bounce(store, number, "soft", NOON)
    with store.write() as connection:
        connection.execute(
            sa.insert(t.signals).values(
                touch_id=number, kind="click", customer_id=number, at=NOON, learnt_at=NOON
            )
        )
    with store.read() as connection:
        found = {one.kind: one.mails for one in campaign_figures.echoes_of(connection, "spring")}
        everywhere = campaign_figures.echoes(connection)
    assert found == {"bounce": 1, "click": 1}
    assert everywhere["spring"]["click"] == 1


def test_days_are_those_of_the_shop(store: Store) -> None:
    late = NOON.replace(hour=20)  # tomorrow in Hangzhou
    mail(store, "accepted", "accepted", at=late)
    mail(store, "planned", at=late)
    mail(store, "planned", at=NOON - 3 * DAY)

    with store.read() as connection:
        left = campaign_figures.left_by_day(connection, NOON, NOON + DAY, HANGZHOU)
        planned = campaign_figures.planned_by_day(connection, NOON, NOON + 9 * DAY, HANGZHOU)

    tomorrow = NOON.date() + DAY
    assert left == {"spring": {tomorrow: 1}}
    assert planned == {"spring": {tomorrow: 1, NOON.date(): 1}}


def test_languages_receivers_and_hours_are_told(store: Store) -> None:
    mail(store, "accepted", "accepted", at=NOON)
    mail(store, "planned", provider="qq")
    with store.read() as connection:
        hours = campaign_figures.hours(connection, "spring", NOON.date(), HANGZHOU)
        providers = campaign_figures.providers(connection, "spring")
    assert hours == {20: 1}
    assert providers == {"gmail": {"accepted": 1}, "qq": {"planned": 1}}


def test_the_pace_is_that_of_the_last_minute(store: Store) -> None:
    mail(store, "accepted", "accepted", at=NOON)
    mail(store, "accepted", "accepted", at=NOON - timedelta(minutes=10))
    mail(store, "planned", at=NOON)
    mail(store, "planned", at=NOON + DAY)
    mail(store, "accepted", "accepted", at=NOON, campaign="other")
    with store.read() as connection:
        found = campaign_figures.pace(connection, "spring", NOON, since=NOON - DAY)
        nobody = campaign_figures.pace(connection, "nobody", NOON, since=NOON - DAY)
    assert (found.last_minute, found.left, found.due, found.next_at) == (1, 2, 1, NOON)
    assert (nobody.last_minute, nobody.left, nobody.due, nobody.next_at) == (0, 0, 0, None)


def test_texts_are_found_by_their_number_and_campaign(store: Store) -> None:
    with store.write() as connection:
        for place, name in enumerate(("a", "a", "b")):
            campaign_texts.add(
                connection, name, version=f"v{place}", mode="live", digest=f"d{place}",
                text=f"name: Ä{place}\n", now=NOON, by="lin",
            )  # fmt: skip
    with store.read() as connection:
        listed = campaign_texts.list_(connection, "a", limit=9)
        assert campaign_texts.latest(connection) == {"a": ("v1", "d1"), "b": ("v2", "d2")}
        assert [(one.version, one.by, one.at) for one in listed] == [
            ("v1", "lin", NOON),
            ("v0", "lin", NOON),
        ]
        assert campaign_texts.find(connection, "a", listed[0].number) == "name: Ä1\n"
        assert campaign_texts.find(connection, "b", listed[0].number) is None
