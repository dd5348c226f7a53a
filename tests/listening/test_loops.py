"""Machines that answer each other are noticed."""

from __future__ import annotations

from datetime import timedelta

from crm_mailer.store import loops
from tests.conftest import NOON
from tests.listening.conftest import Desk, letter, message_id

ROBOT = "robot@example.com"


def auto_reply(number: int, sender: str = ROBOT, **headers: str) -> bytes:
    return letter(
        f"I am away. {number}", sender=sender, subject="Automatic reply",
        Auto_Submitted="auto-replied", Message_ID=f"<{number}@example.com>", **headers,
    )  # fmt: skip


def noted(desk: Desk) -> list[bool]:
    return [any(one.code == "loop" for one in reply.evidence) for reply in desk.replies()]


def is_looping(desk: Desk, hours: int = 0, touch_id: int | None = None) -> bool:
    with desk.store.read() as connection:
        return loops.is_looping(
            connection, ROBOT.upper() if touch_id is None else "", touch_id,
            NOON + timedelta(hours=hours),
        )  # fmt: skip


def test_the_fourth_machine_mail_of_a_day_is_noted_and_no_machine_answers(desk: Desk) -> None:
    before = desk.comes(*(auto_reply(n) for n in range(3)))
    assert not is_looping(desk)

    after = desk.comes(auto_reply(3))

    assert (before.loops, after.loops) == (0, 1)
    assert noted(desk) == [False, False, False, True]
    assert is_looping(desk)
    assert not is_looping(desk, hours=25)


def test_many_robots_that_answer_one_mail_of_ours_are_a_loop_too(desk: Desk) -> None:
    touch_id = desk.sent(desk.customer("anna@example.com"), "anna@example.com")

    desk.comes(
        *(
            auto_reply(n, sender=f"{n}@example.com", In_Reply_To=message_id(touch_id))
            for n in range(4)
        )
    )

    assert noted(desk) == [False, False, False, True]
    assert is_looping(desk, touch_id=touch_id)


def test_four_mails_of_a_person_are_no_loop(desk: Desk) -> None:
    desk.comes(*(letter(f"Where is it? {n}", sender=ROBOT) for n in range(5)))

    assert noted(desk) == [False] * 5
    assert not is_looping(desk)


def test_auto_replies_on_different_days_are_no_loop(desk: Desk) -> None:
    for day in range(5):
        desk.comes(auto_reply(day), at=NOON - timedelta(days=day))

    assert noted(desk) == [False] * 5
