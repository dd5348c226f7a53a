from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.problems import Problem
from crm_mailer.model.campaign import Curve, OrderAnchor, Stream
from crm_mailer.model.order import OrderState
from crm_mailer.model.shop import Shop
from crm_mailer.planning import plan
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, campaign, customer, definitions, order, touches

HOUR = timedelta(hours=1)
PLACED = OrderAnchor(state=OrderState.PLACED)
KNOWN = Known(
    shop=Shop(name="Lotus", postal_address="1 Lake Road", sender="a@b.com", languages=("en",)),
    curves={"quick": Curve(name="quick", offsets=(timedelta(minutes=5), HOUR))},
    templates={"care/hello": {"en"}},
)


def placed(store: Store, ago: timedelta = timedelta(0)) -> None:
    order(store, customer(store), placed_at=NOON - ago, placed=NOON - ago)


def test_nothing_leaves_before_the_undo_window_is_over(store: Store) -> None:
    placed(store)
    soon = campaign(anchor=PLACED, offsets=[timedelta(minutes=1), 30 * HOUR], hold=HOUR / 2)

    report = plan(store, definitions(soon), now=NOON, is_saved=True)

    assert touches(store, "state", "due_at", "next_at") == [
        ("planned", NOON + HOUR / 2, NOON + HOUR / 2),
        ("planned", NOON + 30 * HOUR, NOON + 30 * HOUR),
    ]
    assert report.campaigns[0].hold == HOUR / 2


def test_a_window_that_ends_at_night_ends_in_the_morning(store: Store) -> None:
    placed(store)
    late = NOON.replace(hour=20, minute=30)

    plan(store, definitions(campaign(anchor=PLACED, offsets=[9 * HOUR - HOUR / 2], hold=HOUR)),
         now=late, is_saved=True)  # fmt: skip

    [[due_at]] = touches(store, "due_at")
    assert due_at == datetime(2026, 11, 3, 8, tzinfo=UTC)


def test_a_mail_that_would_be_late_after_the_window_does_not_leave(store: Store) -> None:
    placed(store, ago=23 * HOUR)
    short = campaign(anchor=PLACED, offsets=[timedelta(0)], valid_for=24 * HOUR, hold=2 * HOUR)

    report = plan(store, definitions(short), now=NOON, is_saved=True)

    assert (report.planned, touches(store, "state", "reason")) == (0, [("skipped", "late")])


def test_of_two_steps_within_the_window_only_the_later_one_leaves(store: Store) -> None:
    placed(store)
    quick = campaign(
        anchor=PLACED, offsets=[timedelta(minutes=5), timedelta(minutes=30), 30 * HOUR], hold=HOUR
    )

    plan(store, definitions(quick), now=NOON, is_saved=True)

    assert touches(store, "step", "reason") == [("s1", "late"), ("s2", ""), ("s3", "")]


def test_order_mail_is_not_held_up(store: Store) -> None:
    placed(store)
    mail = campaign(anchor=PLACED, offsets=[timedelta(0)], stream=Stream.TRANSACTIONAL)

    plan(store, definitions(mail), now=NOON, is_saved=True)

    assert touches(store, "due_at") == [(NOON,)]


def read(tmp_path: Path, hold: str, more: str = "") -> tuple[timedelta | None, list[Problem]]:
    text = f"name: Quick\nanchor: {{order: placed}}\nhold: {hold}\n{more}"
    if "steps" not in more:
        text += "steps: [{template: care/hello, after: 1d}, {template: care/hello, after: 3d}]\n"
    (tmp_path / "quick.yaml").write_text(text)
    problems: list[Problem] = []
    found = read_campaign(tmp_path / "quick.yaml", KNOWN, problems)
    return (found.hold if found is not None else None), problems


@pytest.mark.parametrize(
    ("hold", "expected"),
    [("10m", timedelta(minutes=10)), ("0m", timedelta(0)), ("24h", timedelta(hours=24)),
     ("1d", timedelta(days=1))],
)  # fmt: skip
def test_the_undo_window_is_up_to_a_day(tmp_path: Path, hold: str, expected: timedelta) -> None:
    found, problems = read(tmp_path, hold)

    assert (found, [one.code for one in problems]) == (expected, [])


@pytest.mark.parametrize(
    ("hold", "more", "code", "words"),
    [
        ("25h", "", "CRM131", "longer than a day"),
        ("2d", "", "CRM131", "longer than a day"),
        ("10m", "stream: transactional\n", "CRM131", "order mail leaves at once"),
        ("24h", "valid_for: 24h\n", "CRM131", "none would ever leave"),
        ("ten minutes", "", "CRM110", "30m, 12h, 4d"),
        ("-10m", "", "CRM110", "30m, 12h, 4d"),
        ("10", "", "CRM110", "30m, 12h, 4d"),
    ],
)
def test_a_wrong_window_is_named_with_its_place(
    tmp_path: Path, hold: str, more: str, code: str, words: str
) -> None:
    found, problems = read(tmp_path, hold, more)

    [fault] = [one for one in problems if one.is_error]
    assert (found, fault.code, words in fault.as_text(), fault.line) == (None, code, True, 3)


def test_steps_that_come_within_the_window_are_a_warning(tmp_path: Path) -> None:
    steps = "curve: quick\nsteps: [{template: care/hello}, {template: care/hello}]\n"

    found, problems = read(tmp_path, "2h", steps)

    [warning] = problems
    assert (found, warning.code, warning.is_error) == (2 * HOUR, "CRM131", False)
    assert "step 2 comes 55m after step 1" in warning.as_text()


def test_the_window_is_part_of_what_the_report_tells_scripts(store: Store) -> None:
    from crm_mailer.cli import show

    placed(store)
    report = plan(store, definitions(campaign(anchor=PLACED, hold=HOUR)), now=NOON, is_saved=False)

    told = json.loads(json.dumps(show.plain(report)))
    assert told["campaigns"][0]["hold"] == 3600
