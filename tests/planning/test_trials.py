"""Which test a winner rules, and whose mails count for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from crm_mailer.model import chance
from crm_mailer.model.campaign import Campaign, DateAnchor, Exit, Goal, Step
from crm_mailer.model.chance import Arm, Trial, WinnerBy
from crm_mailer.planning import plan, trials
from crm_mailer.store import campaign_texts, facts
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, add, campaign, customer, definitions, order, touches

DAY = timedelta(days=1)
TRIAL = Trial(arms=(Arm(id="a"), Arm(id="b", template="care/other")), winner=WinnerBy.ORDERS)
STEP = Step(id="s1", template="care/hello", offset=timedelta(0), trial=TRIAL)


def on_trial(step: Step = STEP, **more: Any) -> Campaign:
    return campaign("sale", anchor=DateAnchor(day=date(2026, 11, 3)), steps=(step,), **more)


def won(store: Store, step: Step, arm: str) -> None:
    with store.write() as connection:
        facts.put(connection, f"winner:sale:s1:{trials.test_of(step)}", arm, NOON)


def test_a_winner_rules_only_the_test_that_it_won(store: Store) -> None:
    for number in range(40):
        customer(store, f"c{number}")
    won(store, STEP, "b")
    arms = (TRIAL.arms[0], Arm(id="b", subject={"en": "New words"}))
    one = on_trial(replace(STEP, trial=replace(TRIAL, arms=arms)))

    plan(store, definitions(one), now=NOON, is_saved=True)

    assert set(touches(store, "arm")) == {("a",), ("b",)}
    assert trials.earlier(store, one) == {"s1": ("b",)}


def many_answered(store: Store, version: str, *, buyers: dict[str, int]) -> None:
    """Mails of a hundred customers an arm, some of whom buy."""
    for arm, bought in buyers.items():
        for number in range(100):
            person = customer(store, f"{version}{arm}{number}")
            add(
                store, t.touches, campaign="sale", step="s1", arm=arm, anchor=version,
                customer_id=person, stream="marketing", template="a/b", anchored_at=NOON,
                due_at=NOON, state="accepted", planned_at=NOON, settled_at=NOON,
                campaign_version=version,
            )  # fmt: skip
            if number < bought:
                order(store, person, number=f"{version}{arm}{number}", placed_at=NOON + DAY)


def test_mails_of_an_earlier_test_decide_nothing_and_are_not_counted(store: Store) -> None:
    many_answered(store, "old", buyers={"a": 5, "b": 60})
    one = on_trial(version="new")
    later = NOON + 30 * DAY

    found = trials.winners(store, one, later, may_decide=True)

    assert found == {}
    assert trials.results_of(store, one, later).arms == ()


def test_a_test_goes_on_when_something_else_of_the_campaign_is_edited(store: Store) -> None:
    many_answered(store, "old", buyers={"a": 5, "b": 60})
    trials.winners(store, on_trial(version="old"), NOON, may_decide=True)
    one = on_trial(version="new")

    found = trials.winners(store, one, NOON + 30 * DAY, may_decide=True)

    assert found == {"s1": "b"}
    assert [arm.has_won for arm in trials.results_of(store, one, NOON + 30 * DAY).arms] == [
        False, True,
    ]  # fmt: skip


@pytest.mark.parametrize(("version", "kept"), [("old", {"s1": "b"}), ("new", {})])
def test_a_winner_without_its_test_is_kept_only_where_the_mails_say_so(
    store: Store, version: str, kept: dict[str, str]
) -> None:
    many_answered(store, "old", buyers={"a": 5, "b": 60})
    with store.write() as connection:
        facts.put(connection, "winner:sale:s1", "b", NOON + 20 * DAY)
    one = on_trial(version=version)

    looks = [
        trials.winners(store, one, NOON + 30 * DAY, may_decide=may) for may in (False, True, False)
    ]

    assert looks == [kept, kept, kept]
    assert trials.earlier(store, one) == ({} if kept else {"s1": ("b",)})


def result(store: Store, one: Campaign, at: Any) -> tuple[int, int, int, int] | None:
    found = trials.results_of(store, one, at).uplift
    if found is None:
        return None
    return found.mailed, found.held, found.mailed_bought, found.held_bought


def accepted(store: Store) -> None:
    with store.write() as connection:
        is_planned = t.touches.c.state == "planned"
        connection.execute(
            t.touches.update()
            .where(is_planned)
            .values(state="accepted", settled_at=t.touches.c.due_at)
        )


def with_hold_out(day: date = date(2026, 11, 3), **more: Any) -> Campaign:
    return campaign("sale", anchor=DateAnchor(day=day), offsets=[timedelta(0)], hold_out=25, **more)


def test_who_gets_no_slot_counts_as_one_of_the_group_with_mails(store: Store) -> None:
    people = [customer(store, f"c{number}") for number in range(40)]
    other = campaign("first", anchor=DateAnchor(day=date(2026, 11, 3)), offsets=[timedelta(0)])
    plan(store, definitions(other), now=NOON, is_saved=True)
    people += [customer(store, f"free{number}") for number in range(10)]
    one = with_hold_out(valid_for=timedelta(hours=1))

    plan(store, definitions(one), now=NOON, is_saved=True)
    accepted(store)

    held = sum(chance.is_held_out(who, "sale", 25) for who in people)
    assert {row[0] for row in touches(store, "reason")} == {"", "cap", "hold_out"}
    assert result(store, one, NOON + 30 * DAY) == (50 - held, held, 0, 0)


def test_a_date_that_was_given_up_counts_for_nobody(store: Store) -> None:
    people = [customer(store, f"c{number}") for number in range(40)]
    plan(store, definitions(with_hold_out()), now=NOON, is_saved=True)
    one = with_hold_out(date(2026, 11, 4), version="moved")

    plan(store, definitions(one), now=NOON, is_saved=True)
    accepted(store)

    held = sum(chance.is_held_out(who, "sale", 25) for who in people)
    assert result(store, one, NOON + 60 * DAY) == (40 - held, held, 0, 0)


def test_the_time_of_both_groups_begins_when_the_mail_was_to_leave(store: Store) -> None:
    people = [customer(store, f"c{number}") for number in range(40)]
    other = campaign("first", anchor=DateAnchor(day=date(2026, 11, 3)), offsets=[timedelta(0)])
    goal = Goal(when=Exit.BOUGHT, within=2 * DAY)
    one = with_hold_out(valid_for=6 * DAY, goal=goal)
    plan(store, definitions(other, one), now=NOON, is_saved=True)
    accepted(store)
    for number, who in enumerate(people):
        order(store, who, number=str(number), placed_at=NOON + DAY)

    counted = result(store, one, NOON + 30 * DAY)

    held = sum(chance.is_held_out(who, "sale", 25) for who in people)
    moved = {due for due, reason in touches(store, "due_at", "reason") if not reason}
    assert len(moved) > 1
    assert counted == (40 - held, held, 40 - held, held)


def test_another_validity_in_the_file_does_not_move_the_time_of_mails_that_left(
    store: Store,
) -> None:
    people = [customer(store, f"c{number}") for number in range(40)]
    one = with_hold_out(valid_for=3 * DAY)
    plan(store, definitions(one), now=NOON, is_saved=True)
    accepted(store)
    before = min(due for (due,) in touches(store, "due_at")) - DAY
    for number, who in enumerate(people):
        order(store, who, number=str(number), placed_at=before)
    edited = with_hold_out(valid_for=9 * DAY, version="edited")

    held = sum(chance.is_held_out(who, "sale", 25) for who in people)
    counted = [result(store, now, NOON + 60 * DAY) for now in (one, edited)]
    assert counted == [(40 - held, held, 0, 0)] * 2


def test_a_new_test_is_decided_though_an_earlier_one_was(store: Store) -> None:
    arms = (Arm(id="c"), Arm(id="d", template="care/other"))
    one = on_trial(replace(STEP, trial=replace(TRIAL, arms=arms)), version="new")
    won(store, STEP, "b")
    many_answered(store, "new", buyers={"c": 60, "d": 5})

    found = trials.winners(store, one, NOON + 30 * DAY, may_decide=True)

    assert (found, trials.earlier(store, one)) == ({"s1": "c"}, {"s1": ("b",)})


def test_a_test_without_a_winner_keeps_its_figures_when_the_campaign_is_edited(
    store: Store,
) -> None:
    step = replace(STEP, trial=replace(TRIAL, winner=None))
    plan(store, definitions(on_trial(step, version="old")), now=NOON, is_saved=True)
    many_answered(store, "old", buyers={"a": 5, "b": 60})
    one = on_trial(step, version="new")

    plan(store, definitions(one), now=NOON + DAY, is_saved=True)

    arms = trials.results_of(store, one, NOON + 30 * DAY).arms
    assert [(arm.arm, arm.customers, arm.bought) for arm in arms] == [("a", 100, 5), ("b", 100, 60)]


TEXT = """id: sale
name: Sale
mode: live
anchor: {date: 2026-11-03}
steps:
  - id: s1
    template: care/hello
    test:
      winner: orders
      arms:
        - {id: a}
        - {id: b, template: care/other}
"""


def kept(store: Store, version: str, text: str) -> None:
    with store.write() as connection:
        campaign_texts.add(
            connection, "sale", version=version, mode="live", digest=version, text=text, now=NOON
        )


@pytest.mark.parametrize("may_decide", [False, True])
def test_kept_texts_tell_which_versions_had_a_test_before_tests_were_noted(
    store: Store, may_decide: bool
) -> None:
    many_answered(store, "old", buyers={"a": 5, "b": 60})
    many_answered(store, "else", buyers={"a": 90, "b": 0})
    kept(store, "old", TEXT)
    kept(store, "else", TEXT.replace("care/other", "care/third"))
    kept(store, "broken", "steps: [")
    kept(store, "plain", TEXT.partition("    test:")[0])
    kept(store, "now", TEXT.replace("name: Sale", "name: Great sale"))
    with store.write() as connection:
        facts.put(connection, "winner:sale:s1", "b", NOON + 20 * DAY)
    one, later = on_trial(version="now"), NOON + 30 * DAY

    found = trials.winners(store, one, later, may_decide=may_decide)

    arms = trials.results_of(store, one, later).arms
    assert found == {"s1": "b"}
    assert [(arm.arm, arm.customers, arm.bought) for arm in arms] == [("a", 100, 5), ("b", 100, 60)]
    edited = on_trial(version="after")
    assert trials.winners(store, edited, later, may_decide=may_decide) == {"s1": "b"}
