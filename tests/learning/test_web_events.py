"""Raw requests become signals and figures: people apart from machines, each counted once."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, web_events
from crm_mailer.model import tracking
from crm_mailer.model.hit import Kind, WebHit
from crm_mailer.settings import read_settings
from crm_mailer.store import tables as t
from crm_mailer.store import web_events as rows
from crm_mailer.store.engine import Store
from tests.conftest import NOON, StandingClock
from tests.store.ledger import mail

TARGETS = ("https://shop.example/new", "https://shop.example/sale", "https://shop.example/old")
SET = tracking.link_set(TARGETS)
PERSON = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15"
LATER = NOON + timedelta(hours=3)


@pytest.fixture
def app(tmp_path: Path, store: Store) -> App:
    """A shop over a store on each engine, three hours after its mails left."""
    app = App(tmp_path, read_settings(tmp_path, {}), StandingClock(LATER + timedelta(hours=1)))
    app.__dict__["store"] = store
    with store.write() as connection:
        for place, target in [*enumerate(TARGETS), (tracking.HIDDEN, "https://shop.example")]:
            number = tracking.number(SET, place)
            row = {"id": number, "target": target, "added_at": NOON}
            connection.execute(sa.insert(t.links).values(row))
    return app


def sent(app: App, *, links: int = 3, **more: Any) -> int:
    """A mail that left at noon."""
    number = mail(app.store, more.pop("state", "accepted"), "accepted", **more)
    with app.store.write() as connection:
        change = sa.update(t.messages).where(t.messages.c.touch_id == number).values(links=links)
        connection.execute(change)
    return number


def hit(
    app: App,
    touch_id: int,
    *,
    kind: Kind = "click",
    place: int = 0,
    at: datetime = LATER,
    agent: str = PERSON,
    address: str = "203.0.113.0",
    method: str = "GET",
) -> None:
    """A request as the public process notes it."""
    link = tracking.number(SET, place) if kind == "click" else None
    seconds = int(at.timestamp())
    web_events.note(app.store, [WebHit(kind, touch_id, seconds, link, agent, address, method)])


def signals(app: App) -> dict[tuple[int, str], str]:
    with app.store.read() as connection:
        found = connection.execute(sa.select(t.signals)).all()
    return {(row.touch_id, row.kind): row.detail for row in found}


def figures(app: App) -> dict[tuple[str, str], tuple[int, int]]:
    with app.store.read() as connection:
        found = rows.figures(connection, "spring")
    return {(one.kind, one.target): (one.mails, one.hits) for one in found}


def test_a_click_becomes_a_signal_and_a_figure(app: App) -> None:
    number = sent(app)
    hit(app, number, place=1)

    done = web_events.digest(app)

    assert (done.read, done.clicks) == (1, 1)
    assert signals(app) == {(number, "click"): TARGETS[1]}
    assert figures(app) == {("click", ""): (1, 1), ("click", TARGETS[1]): (1, 1)}


def test_digesting_again_changes_nothing(app: App) -> None:
    number = sent(app)
    hit(app, number)
    web_events.digest(app)
    before = signals(app), figures(app)

    assert web_events.digest(app).read == 0
    assert (signals(app), figures(app)) == before


def test_more_hits_of_a_mail_are_added_to_what_was_counted(app: App) -> None:
    number, other = sent(app), sent(app)
    hit(app, number)
    web_events.digest(app)
    hit(app, number, at=LATER + timedelta(minutes=3))
    hit(app, number, place=2, at=LATER + timedelta(minutes=9))
    hit(app, other, kind="open")

    done = web_events.digest(app)

    assert (done.read, done.clicks, done.opens) == (3, 0, 1)
    assert figures(app) == {
        ("click", ""): (1, 3),
        ("click", TARGETS[0]): (1, 2),
        ("click", TARGETS[2]): (1, 1),
        ("human_open", ""): (1, 1),
    }


def test_of_a_flooded_mail_only_the_first_requests_are_judged(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_events, "MOST_OF_A_MAIL", 4)
    monkeypatch.setattr(web_events, "BATCH", 3)
    number, other = sent(app), sent(app)
    for minute in range(10):
        hit(app, number, kind="open", at=LATER + timedelta(minutes=minute))
    hit(app, number, place=1, at=LATER + timedelta(minutes=20))
    hit(app, other, kind="open")

    done = web_events.digest(app)

    assert (done.read, done.clicks, done.opens) == (12, 1, 2)
    assert figures(app) == {
        ("click", ""): (1, 1), ("click", TARGETS[1]): (1, 1), ("human_open", ""): (2, 5),
    }  # fmt: skip


@pytest.mark.parametrize(
    "hits",
    [
        [{"at": NOON + timedelta(seconds=4)}],
        [{"method": "HEAD"}],
        [{"agent": "Mozilla/5.0 (compatible; Barracuda Sentinel)"}],
        [{"place": place} for place in (0, 1, 2)],
        [{"place": tracking.HIDDEN}],
    ],
    ids=["at once", "HEAD", "a scanner by its name", "three links at once", "a hidden link"],
)
def test_a_machine_that_follows_links_is_nobodys_click(
    app: App, hits: list[dict[str, Any]]
) -> None:
    number = sent(app)
    for one in hits:
        hit(app, number, **one)

    web_events.digest(app)

    assert {kind for _number, kind in signals(app)} == {"machine_open"}
    assert figures(app)["machine_click", ""] == (1, len(hits))


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        ({"agent": "Mozilla/5.0"}, "machine_open"),
        ({"agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) via ggpht.com GoogleImageProxy"},
         "human_open"),
        ({"method": "HEAD"}, "machine_open"),
        ({"at": NOON + timedelta(seconds=1)}, "machine_open"),
        ({}, "human_open"),
    ],
    ids=["Apple ahead of time", "Google on behalf", "HEAD", "at once", "a person"],
)  # fmt: skip
def test_a_picture_is_fetched_by_a_person_or_a_machine(
    app: App, one: dict[str, Any], kind: str
) -> None:
    number = sent(app)
    hit(app, number, kind="open", **one)

    web_events.digest(app)

    assert [kind for _number, kind in signals(app)] == [kind]


def test_both_links_of_a_small_mail_at_once_are_a_machines(app: App) -> None:
    small, large = sent(app, links=2), sent(app, links=5)
    for number in (small, large):
        hit(app, number, place=0)
        hit(app, number, place=1)

    web_events.digest(app)

    assert signals(app).keys() == {(small, "machine_open"), (large, "click")}


def test_nothing_is_judged_before_what_belongs_together_is_here(app: App) -> None:
    number = sent(app)
    at = app.clock.now()
    hit(app, number, place=0, at=at)
    assert web_events.digest(app).read == 0

    hit(app, number, place=1, at=at + timedelta(seconds=1))
    hit(app, number, place=2, at=at + timedelta(seconds=2))
    app.clock.forward(seconds=15)  # type: ignore[attr-defined]
    web_events.digest(app)

    assert signals(app).keys() == {(number, "machine_open")}


def test_a_click_that_turns_out_a_machines_leaves_the_figures(app: App) -> None:
    number = sent(app)
    hit(app, number, place=0)
    web_events.digest(app)
    hit(app, number, place=tracking.HIDDEN, at=LATER + timedelta(minutes=1))

    web_events.digest(app)

    assert figures(app)["click", ""] == (0, 0)
    assert figures(app)["machine_click", ""] == (1, 2)


def test_a_mail_in_doubt_that_was_read_did_arrive(app: App) -> None:
    number = sent(app, state="in_doubt", settled_at=None)
    hit(app, number)

    done = web_events.digest(app)

    with app.store.read() as connection:
        state = connection.scalar(sa.select(t.touches.c.state).where(t.touches.c.id == number))
        kinds = connection.scalars(sa.select(t.evidence.c.kind)).all()
    assert (done.settled, state, list(kinds)) == (1, "accepted", ["click"])
    assert web_events.digest(app).settled == 0


def test_what_is_seen_of_a_test_or_of_no_mail_of_ours_is_passed_over(app: App) -> None:
    test = sent(app, kind="test", customer_id=None)
    hit(app, test)
    hit(app, 999_999)

    done = web_events.digest(app)

    assert (done.read, signals(app), figures(app)) == (2, {}, {})


def test_a_link_of_one_mail_only_counts_for_all_links_together(app: App) -> None:
    number = sent(app)
    with app.store.write() as connection:
        connection.execute(sa.update(t.links).values(touch_id=number))
    hit(app, number)

    web_events.digest(app)

    assert figures(app) == {("click", ""): (1, 1)}


def test_many_rows_are_digested_in_turns(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_events, "BATCH", 2)
    numbers = [sent(app) for _ in range(5)]
    for number in numbers:
        hit(app, number)

    assert web_events.digest(app).read == 5
    assert figures(app)["click", ""] == (5, 5)


def test_old_raw_rows_are_taken_away_and_what_they_came_to_stays(app: App) -> None:
    number = sent(app)
    hit(app, number)
    web_events.digest(app)
    app.clock.forward(days=91)  # type: ignore[attr-defined]
    hit(app, number, kind="open", at=app.clock.now() - timedelta(days=1))

    assert web_events.digest(app).forgotten == 1
    with app.store.read() as connection:
        kinds = connection.scalars(sa.select(t.web_events.c.kind)).all()
    assert list(kinds) == ["open"]
    assert (number, "click") in signals(app)
