from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.learning import replying
from crm_mailer.model.agent_reply import AgentReply
from crm_mailer.model.errors import NotPossible
from crm_mailer.store import agent_replies
from crm_mailer.store import tables as t
from tests.learning.shop import NOW, SmallShop

HOUR = timedelta(hours=1)


@pytest.fixture
def case(shop: SmallShop) -> int:
    """Anna's case, which her letter 1 opened."""
    reply = shop.wrote("complaint", "nad.damaged", message_id="a1@mail.example")
    case_id = shop.add(
        t.cases, customer_id=shop.anna, state="new", reason="nad.damaged", severity="P2",
        opened_at=NOW, due_at=NOW + 8 * HOUR, reply_id=reply, order_id=shop.order,
    )  # fmt: skip
    shop.add(t.case_events, case_id=case_id, at=NOW, kind="opened", reply_id=reply)
    return case_id


def letter(shop: SmallShop, case_id: int | None, **more: Any) -> AgentReply:
    values: dict[str, Any] = {
        "key": f"case:{case_id}:letter:1:1",
        "customer_id": shop.anna,
        "order_id": shop.order,
        "case_id": case_id,
        "subject": "Re: broken",
        "text": "We are sorry.\n",
        "by": "lin",
    }
    return AgentReply(**{**values, **more})


def answer(shop: SmallShop, case_id: int | None, **more: Any) -> int:
    reply = letter(shop, case_id, **more)
    return replying.answer(shop.store, reply, "anna@example.com", now=NOW + HOUR).touch_id


def settle(shop: SmallShop, touch_id: int, state: str, reason: str = "") -> None:
    with shop.store.write() as connection:
        connection.execute(
            t.touches.update()
            .where(t.touches.c.id == touch_id)
            .values(state=state, reason=reason, settled_at=NOW + 2 * HOUR)
        )


def keep_message(shop: SmallShop, touch_id: int) -> None:
    with shop.store.write() as connection:
        connection.execute(
            t.messages.insert().values(
                touch_id=touch_id, message_id="<ours@us.example>", rcpt_to="a@b.example",
                sha256="", rendered_at=NOW,
            )
        )  # fmt: skip


def test_an_answer_is_an_order_mail_in_the_outbox_and_the_customer_has_the_turn(
    shop: SmallShop, case: int
) -> None:
    number = answer(shop, case)

    touch = shop.row(t.touches, number)
    assert (touch.kind, touch.stream, touch.state) == ("case_reply", "transactional", "planned")
    assert (touch.order_id, touch.next_at) == (shop.order, NOW + HOUR)
    [after] = shop.cases()
    assert (after.state, after.first_response_at) == ("waiting_customer", NOW + HOUR)
    [event] = shop.events("answered")
    assert (event.by, event.text) == ("lin", "We are sorry.")
    with shop.store.read() as connection:
        assert agent_replies.find(connection, [number])[number] == letter(shop, case)


def test_of_two_who_press_at_once_one_sends(shop: SmallShop, case: int) -> None:
    done: list[object] = []

    def press() -> None:
        try:
            done.append(answer(shop, case))
        except NotPossible as error:
            done.append(str(error))

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(str, done))[1:] == ["this letter was answered already"] * 3
    assert len(shop.events("answered")) == 1


def test_another_answer_has_a_key_of_its_own(shop: SmallShop, case: int) -> None:
    answer(shop, case)
    answer(shop, case, key=f"case:{case}:letter:1:2")

    with shop.store.read() as connection:
        assert agent_replies.count(connection, f"case:{case}:letter:1") == 2
        assert agent_replies.count(connection, f"case:{case}:letter:10") == 0


def test_nothing_is_sent_for_a_case_that_is_over(shop: SmallShop, case: int) -> None:
    with shop.store.write() as connection:
        connection.execute(t.cases.update().values(state="closed", closed_at=NOW))

    with pytest.raises(NotPossible, match="is closed"):
        answer(shop, case)
    with shop.store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.touches)) == 0


def test_a_task_is_done_by_its_answer_once(shop: SmallShop) -> None:
    task = shop.add(t.tasks, kind="answer", key="reply:1", created_at=NOW, customer_id=shop.anna)

    answer(shop, None, key="task:1:letter:1:1", task_id=task)

    assert shop.row(t.tasks, task).state == "done"
    with pytest.raises(NotPossible, match="done already"):
        answer(shop, None, key="task:1:letter:1:2", task_id=task)


def test_the_thread_names_every_letter_of_it(shop: SmallShop, case: int) -> None:
    first = answer(shop, case, references="<win@us.example> <a1@mail.example>")
    keep_message(shop, first)
    later = shop.wrote("complaint", message_id="a2@mail.example", touch_id=first)

    with shop.store.read() as connection:
        thread = agent_replies.find_thread(connection, agent_replies.get_letter(connection, later))

    assert thread.in_reply_to == "<a2@mail.example>"
    assert thread.references.split() == [
        "<win@us.example>", "<a1@mail.example>", "<ours@us.example>", "<a2@mail.example>",
    ]  # fmt: skip


def test_the_last_letter_of_a_case_is_the_one_that_is_answered(shop: SmallShop, case: int) -> None:
    later = shop.wrote("complaint", own_text="and now?", received_at=NOW + HOUR)
    robot = shop.wrote(None, kind="auto_reply", received_at=NOW + 2 * HOUR)
    for one in (later, robot):
        shop.add(t.case_events, case_id=case, at=NOW, kind="reply", reply_id=one)

    with shop.store.read() as connection:
        found = agent_replies.find_letter(connection, case)

    assert found is not None
    assert found.text == "and now?"


def test_a_letter_of_a_case_that_was_merged_is_answered_in_the_other(
    shop: SmallShop, case: int
) -> None:
    merged = shop.add(
        t.cases, customer_id=shop.anna, state="closed", reason="other", severity="P3",
        opened_at=NOW, due_at=NOW, merged_into_id=case,
    )  # fmt: skip
    later = shop.wrote("complaint", own_text="the other one", received_at=NOW + HOUR)
    shop.add(t.case_events, case_id=merged, at=NOW, kind="opened", reply_id=later)

    with shop.store.read() as connection:
        found = agent_replies.find_letter(connection, case)

    assert found is not None
    assert found.text == "the other one"


@pytest.mark.parametrize(
    ("state", "reason"), [("refused", ""), ("expired", ""), ("skipped", "hard_bounce")]
)
def test_an_answer_that_could_not_leave_makes_the_case_ours_again_once(
    shop: SmallShop, case: int, state: str, reason: str
) -> None:
    settle(shop, answer(shop, case), state, reason)

    first = replying.take_back(shop.store, now=NOW + 3 * HOUR)
    second = replying.take_back(shop.store, now=NOW + 4 * HOUR)

    assert (len(first), second) == (1, [])
    assert shop.cases()[0].state == "open"
    [event] = shop.events("reopened")
    assert event.text.startswith(f"our answer did not get through: {state}")


def test_what_waits_or_arrived_is_no_failure(shop: SmallShop, case: int) -> None:
    number = answer(shop, case)
    waiting = replying.take_back(shop.store, now=NOW + 3 * HOUR)
    settle(shop, number, "accepted")

    assert waiting == replying.take_back(shop.store, now=NOW + 3 * HOUR) == []


def test_an_answer_that_comes_back_after_the_case_was_closed_becomes_a_task(
    shop: SmallShop, case: int
) -> None:
    settle(shop, answer(shop, case), "refused")
    with shop.store.write() as connection:
        connection.execute(t.cases.update().values(state="resolved", closed_at=NOW))

    replying.take_back(shop.store, now=NOW + 3 * HOUR)

    [task] = shop.tasks()
    assert task.text.startswith(f"case {case}: our answer did not get through")
    assert task.customer_id == shop.anna
    assert shop.cases()[0].state == "resolved"
