"""The statements for all courses against the pure functions, on many made-up courses at once."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.model import curve
from crm_mailer.model.consent import RECORDED
from crm_mailer.model.curve import Adaptive, Ending, Memory, Signal
from crm_mailer.store import courses_to_plan, curve_states
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.courses import DAY, course_campaign
from tests.planning.people import NOON, customer

ADAPTIVES = {
    "taught": Adaptive(),
    "steep": Adaptive(decay=0.5, backoff=1.0, longest=30.0, misses=2.5),
    "patient": Adaptive(first_half_life=7.0, backoff=4.0, longest_half_life=40.0, touches=5),
}


@pytest.mark.parametrize("name", list(ADAPTIVES))
def test_courses_are_judged_as_the_pure_functions_judge(store: Store, name: str) -> None:
    adaptive = ADAPTIVES[name]
    campaign = course_campaign(adaptive=adaptive, steps=6)
    dice = random.Random(20261126)
    person = customer(store)
    rows: list[dict[str, Any]] = [
        {
            "customer_id": person,
            "campaign": campaign.id,
            "anchor": f"order:{number}:arrived",
            "anchored_at": NOON,
            "retention": dice.choice([0.4, 0.5, 0.6]),
            "first_half_life": 1.0,
            "half_life": (half_life := dice.uniform(0.1, 200)),
            "next_half_life": half_life,
            "misses": dice.choice([0, 0.5, 1, 1.5, 2, 3, 3.5]),
            "touches": (touches := dice.randint(0, 9)),
            "place": min(touches, 6),
            "last_at": NOON,
            "elapsed": dice.uniform(0, 300),
            "signal": dice.choice(["", *(one.value for one in Signal)]),
            "todo": curve_states.TO_JUDGE,
        }
        for number in range(300)
    ]
    with store.write() as connection:
        connection.execute(t.curve_states.insert(), rows)
        assert curve_states.judge(connection, campaign, adaptive, now=NOON) == len(rows)
        judged = {row.anchor: row for row in connection.execute(sa.select(t.curve_states)).all()}

    for row in rows:
        found = judged[row["anchor"]]
        signal = Signal(row["signal"] or "nothing")
        memory = Memory(
            half_life=row["half_life"], misses=row["misses"], touches=max(0, row["touches"] - 1)
        )
        if row["touches"]:
            memory = curve.heard(memory, signal, row["elapsed"], adaptive)
        wait = curve.wait(memory, adaptive, retention=row["retention"], signal=signal)
        assert found.next_half_life == pytest.approx(memory.half_life)
        assert found.next_misses == memory.misses
        assert (found.wanted_at - NOON) / DAY == pytest.approx(wait, abs=1 / 86_400)
        assert (row, found.ended) == (row, _ending(memory, signal, adaptive, row["place"]))
        is_to_end = found.ended and found.ended != Ending.DONE
        todo = curve_states.TO_END if is_to_end else curve_states.TO_PLAN
        assert found.todo == (curve_states.RESTS if found.ended == Ending.DONE else todo)


def _ending(memory: Memory, signal: Signal, adaptive: Adaptive, place: int) -> str:
    """`curve.ending`; a course without a touch is never paused, and there are six steps."""
    found = curve.ending(memory, signal, adaptive)
    if found is Ending.PAUSED and not place:
        found = None
    return found or (Ending.DONE if place >= 6 else "")


def test_courses_with_nothing_to_do_are_found_by_their_indexes(sqlite_store: Store) -> None:
    campaign = course_campaign()
    statements: list[str] = []
    with sqlite_store.write() as connection:

        @sa.event.listens_for(sqlite_store.engine, "before_cursor_execute")
        def _keep(_c: object, _k: object, text: str, values: object, *_: object) -> None:
            statements.append(text)

        curve_states.judge(connection, campaign, Adaptive(), now=NOON)
        curve_states.move_on(connection, campaign, Adaptive(), now=NOON)
        curve_states.hear(connection, campaign, since=NOON, now=NOON)
        curve_states.has_work(connection, campaign, since=NOON, now=NOON)
        courses_to_plan.page(connection, campaign, size=10, consent=RECORDED, now=NOON)
        sa.event.remove(sqlite_store.engine, "before_cursor_execute", _keep)
        plans = [
            " | ".join(
                row[3]
                for row in connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {text}", (None,) * text.count("?")
                )
            )
            for text in statements
        ]

    for plan in plans:
        assert "SCAN curve_states" not in plan
        assert "SCAN touches" not in plan
        assert "SCAN orders" not in plan
        assert "SCAN bounces" not in plan
        assert "SCAN replies" not in plan
