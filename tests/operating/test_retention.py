from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, originals, retention, rounds, staff
from crm_mailer.i18n import say
from crm_mailer.model.errors import NotFound
from crm_mailer.model.hit import WebHit
from crm_mailer.settings import read_settings
from crm_mailer.store import facts, inbound, partitions, web_events
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.conftest import NOON, StandingClock
from tests.store import ledger, stuffed

LONG_AGO = NOON - timedelta(days=1000)
LATELY = NOON - timedelta(days=20)


@pytest.fixture
def app(home: Path, store: Store) -> Iterator[App]:
    told = {"CRM_MAILER_DATABASE": store.url.render_as_string(hide_password=False)}
    opened = App(home, read_settings(home, told), StandingClock(NOON))
    yield opened
    opened.close()


def age(app: App, table: sa.Table, column: str, moment: object) -> None:
    with app.store.write() as connection:
        connection.execute(sa.update(table).values({column: moment}))


def number(app: App, table: sa.Table) -> int:
    with app.store.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def run(app: App) -> dict[str, int]:
    return {one.table: one.rows for one in retention.purge(app, by="test").purged if one.rows}


def mail_of_a_reply(app: App, *, case: str) -> int:
    """A received mail, whose file lies beside the database, with a case in this state."""
    with app.store.write() as connection:
        ids = stuffed.stuff(connection, 3, name="Anna Secretova", now=LONG_AGO).ids
        connection.execute(sa.update(t.inbound).values(
            state="done", received_at=LONG_AGO, raw=None, raw_path="ab/one.eml"))  # fmt: skip
        connection.execute(sa.update(t.cases).values(state=case))
        connection.execute(sa.update(t.replies).values(evidence=None, reasons=None))
        facts.put(connection, "retention: fetched", {LONG_AGO.isoformat(): 1_000}, LONG_AGO)
    (app.raw_folder / "ab").mkdir(parents=True)
    (app.raw_folder / "ab" / "one.eml").write_bytes(b"Subject: hello\r\n\r\nanna")
    return int(ids["replies"])


def test_mails_as_they_came_go_after_half_a_year_and_what_they_said_stays(app: App) -> None:
    reply = mail_of_a_reply(app, case="closed")
    assert originals.raw_bytes(app, reply)
    assert run(app)["inbound"] == 1
    assert list(app.raw_folder.glob("*/*")) == []
    with pytest.raises(NotFound) as caught:
        originals.raw_bytes(app, reply)
    assert "raw_mails_days" in caught.value.hint
    with app.store.read() as connection:
        assert connection.scalar(sa.select(t.replies.c.own_text))


def test_mails_of_an_open_case_stay_as_they_came(app: App) -> None:
    reply = mail_of_a_reply(app, case="open")
    assert "inbound" not in run(app)
    assert originals.raw_bytes(app, reply)


def test_a_file_that_a_younger_mail_has_as_well_stays(app: App) -> None:
    mail_of_a_reply(app, case="closed")
    with app.store.write() as connection:
        box = inbound.open_mailbox(connection, "other@shop.example", "INBOX").id
        connection.execute(sa.insert(t.inbound).values(
            mailbox_id=box, uidvalidity=1, uid=1, digest="d", size=1, received_at=LATELY,
            raw_path="ab/one.eml", state="done",
        ))  # fmt: skip
    assert run(app)["inbound"] == 1
    assert (app.raw_folder / "ab" / "one.eml").exists()


def test_an_old_mailbox_that_is_new_keeps_its_mails_from_then_on(app: App) -> None:
    assert isinstance(app.clock, StandingClock)
    mail_of_a_reply(app, case="closed")
    with app.store.write() as connection:
        facts.forget(connection, "retention: fetched")
    assert "inbound" not in run(app)
    app.clock.forward(days=179)
    assert "inbound" not in run(app)
    app.clock.forward(days=2)
    assert run(app)["inbound"] == 1


def test_a_file_that_cannot_be_removed_stops_no_other(app: App) -> None:
    mail_of_a_reply(app, case="closed")
    with app.store.write() as connection:
        box = inbound.open_mailbox(connection, "other@shop.example", "INBOX").id
        connection.execute(sa.insert(t.inbound).values(
            mailbox_id=box, uidvalidity=1, uid=1, digest="d", size=1, received_at=LONG_AGO,
            raw_path="ab/stuck.eml", state="done",
        ))  # fmt: skip
    (app.raw_folder / "ab" / "stuck.eml").mkdir()
    done = retention.purge(app, by="test")
    assert {one.table: one.rows for one in done.purged}["inbound"] == 1
    assert not (app.raw_folder / "ab" / "one.eml").exists()
    assert (done.stuck, done.is_done) == (1, True)
    assert done.fault.startswith("ab/stuck.eml: ")
    noted = retention.last(app)
    assert noted is not None
    assert (noted.stuck, noted.fault) == (1, done.fault)
    logged = staff.log(app)[0].said
    assert say(logged, "zh_CN") != logged, "the log is told in the reader's language"
    (app.raw_folder / "ab" / "stuck.eml").rmdir()
    assert run(app) == {"inbound": 1}


def test_acts_on_public_pages_stay_as_long_as_the_shop_says(home: Path, store: Store) -> None:
    told = {"CRM_MAILER_DATABASE": store.url.render_as_string(hide_password=False)}
    kept = {**told, "CRM_MAILER_RETENTION_EVENTS_MONTHS": "40"}
    touch = ledger.mail(store, "accepted", "accepted", at=LONG_AGO)
    with store.write() as connection:
        connection.execute(sa.insert(t.page_acts).values(
            kind="opt_out", touch_id=touch, given="{}", at=LONG_AGO, taken_at=LONG_AGO
        ))  # fmt: skip
    for values, left in ((kept, 1), (told, 0)):
        app = App(home, read_settings(home, values), StandingClock(NOON))
        rounds.heed(app)
        run(app)
        assert number(app, t.page_acts) == left
        app.close()


def test_a_webhook_that_failed_stays_longer(app: App) -> None:
    with app.store.write() as connection:
        for key, state, days in (("1", "done", 40), ("2", "failed", 40), ("3", "failed", 1000)):
            connection.execute(sa.insert(t.hook_requests).values(
                source="s", kind="k", key=key, digest=key, size=1, state=state,
                received_at=NOON - timedelta(days=days)))  # fmt: skip
    assert run(app) == {"hook_requests": 1, "failed hook_requests": 1}
    with app.store.read() as connection:
        assert connection.scalar(sa.select(t.hook_requests.c.key)) == "2"


def test_opens_and_clicks_go_after_25_months_and_young_ones_stay(app: App) -> None:
    for at in (LONG_AGO, LATELY):
        touch = ledger.mail(app.store, "accepted", "accepted", at=at)
        with app.store.write() as connection:
            seen = {"kind": "human_open", "customer_id": touch, "at": at, "learnt_at": at}
            connection.execute(sa.insert(t.signals).values(touch_id=touch, **seen))
    assert run(app) == {"signals": 1}
    assert number(app, t.signals) == 1
    assert run(app) == {}


def test_the_last_act_of_planning_stays_however_old(app: App) -> None:
    with app.store.write() as connection:
        for campaign in ("spring", "spring", "autumn"):
            connection.execute(
                sa.insert(t.plan_runs).values(campaign=campaign, at=LONG_AGO, counts={})
            )
    assert run(app) == {"plan_runs": 1}
    assert number(app, t.plan_runs) == 2


def test_what_still_waits_is_never_purged(app: App) -> None:
    """A request that nobody read, an alert that goes on, a raw row that is not digested."""
    with app.store.write() as connection:
        connection.execute(sa.insert(t.hook_requests).values(
            source="s", kind="k", key="1", digest="d", size=1, received_at=LONG_AGO))  # fmt: skip
        connection.execute(sa.insert(t.alerts).values(
            cause="c", message="m", first_at=LONG_AGO, last_at=LONG_AGO, times=1))  # fmt: skip
        web_events.add(connection, [WebHit("open", 1, int(LONG_AGO.timestamp()))])
    assert run(app) == {}
    age(app, t.hook_requests, "state", "done")
    age(app, t.alerts, "ended_at", LONG_AGO)
    with app.store.write() as connection:
        facts.put(connection, web_events.CURSOR, 1, NOON)
    assert run(app) == {"hook_requests": 1, "alerts": 1, "web_events": 1}


def test_requests_that_come_when_all_older_ones_are_gone_are_digested(app: App) -> None:
    """SQLite gives the number of the last row once more."""
    with app.store.write() as connection:
        web_events.add(connection, [WebHit("open", 1, int(LONG_AGO.timestamp()))] * 3)
        facts.put(connection, web_events.CURSOR, 3, NOON)
    assert run(app) == {"web_events": 3}
    with app.store.write() as connection:
        web_events.add(connection, [WebHit("open", 1, int(LATELY.timestamp()))])
        before = web_events.cursor(connection)
        assert len(web_events.list_after(connection, before, 10)) == 1


@pytest.mark.postgres
def test_a_month_of_requests_leaves_whole(postgres_store: Store, home: Path) -> None:
    told = {"CRM_MAILER_DATABASE": postgres_store.url.render_as_string(hide_password=False)}
    app = App(home, read_settings(home, told), StandingClock(NOON))
    with postgres_store.write() as connection:
        web_events.add(connection, [WebHit("open", 1, int(LONG_AGO.timestamp()))] * 5)
    partitions.begin_month(postgres_store, NOON, least=0)
    with postgres_store.write() as connection:
        web_events.add(connection, [WebHit("open", 1, int(LATELY.timestamp()))])
        facts.put(connection, web_events.CURSOR, partitions.ROOM, NOON)
    assert run(app) == {"web_events": 5}
    with postgres_store.read() as connection:
        left = [one.name for one in partitions.list_(connection, "web_events")]
    assert left == ["web_events_from_202611"]
    app.close()


def test_a_dry_run_counts_and_takes_nothing(app: App) -> None:
    mail_of_a_reply(app, case="closed")
    done = retention.purge(app, by="test", is_dry=True)
    assert {one.table: one.rows for one in done.purged if one.rows}["inbound"] == 1
    assert list(app.raw_folder.glob("*/*"))
    assert retention.last(app) is None


def test_it_is_done_once_a_night_and_told(app: App) -> None:
    assert isinstance(app.clock, StandingClock)
    mail_of_a_reply(app, case="closed")
    assert rounds.keep_house(app) == ""  # not in the middle of the first day
    app.clock.forward(days=1)
    assert "inbound purged 1" in rounds.keep_house(app)
    assert rounds.keep_house(app) == ""
    first = retention.last(app)
    app.clock.forward(days=1)
    rounds.keep_house(app)
    second = retention.last(app)
    assert first is not None
    assert second is not None
    assert (first.since, second.since) == (None, first.at)
    with app.store.read() as connection:
        [line] = connection.execute(
            sa.select(t.studio_log.c.who, t.studio_log.c.said).where(
                t.studio_log.c.path == "privacy purge"
            )
        ).all()
    assert line.who == "daemon"
    assert "inbound 1" in line.said


def test_a_purge_that_was_stopped_goes_on_at_the_next_round(app: App) -> None:
    assert isinstance(app.clock, StandingClock)
    mail_of_a_reply(app, case="closed")
    rounds.keep_house(app)
    app.clock.forward(days=1)
    assert rounds.keep_house(app, lambda: True) == ""
    assert "inbound purged 1" in rounds.keep_house(app)
