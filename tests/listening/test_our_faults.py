"""When what comes back for our own fault stops a lane or a campaign, and when it does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from crm_mailer import i18n
from crm_mailer.listening.ourfaults import is_too_many
from crm_mailer.store import alerts, pauses, tables
from tests.conftest import NOON
from tests.listening.conftest import Desk, bounce, message_id, verp

SPF = ("5.7.23", "550 5.7.23 SPF check failed")
SPAM = ("5.7.1", "554 5.7.1 message looks like spam")


@pytest.mark.parametrize(
    ("faults", "left", "is_stopped"),
    [
        (2, 2, False),
        (3, 3, True),
        (3, 149, True),
        (3, 150, False),
        (10, 500, False),
        (11, 500, True),
        (25, 501, False),
        (26, 501, True),
    ],
)
def test_so_many_refusals_of_so_many_mails(faults: int, left: int, is_stopped: bool) -> None:
    assert is_too_many(faults, left) is is_stopped


def sent(desk: Desk, number: int) -> list[int]:
    """So many mails that a server took an hour ago."""
    anna = desk.customer("anna@example.com")
    at = NOON - timedelta(hours=1)
    with desk.store.write() as connection:
        old = [row.id for row in connection.execute(sa.select(tables.touches.c.id))]
    ids = [
        desk.sent(anna, "anna@example.com", ago=timedelta(hours=1), anchor=f"order:{n}:shipped")
        for n in range(len(old), len(old) + number)
    ]
    with desk.store.write() as connection:
        connection.execute(
            sa.insert(tables.deliveries),
            [{"touch_id": one, "attempt": 1, "outcome": "accepted", "phase": "dot", "at": at}
             for one in ids],
        )  # fmt: skip
    return ids


def returned(desk: Desk, touches: list[int], what: tuple[str, str]) -> None:
    status, words = what
    desk.comes(*(bounce("anna@example.com", to=verp(one), status=status,
                        diagnostic=f"{words} {one}") for one in touches))  # fmt: skip


def test_mails_that_fail_spf_pause_their_lane_until_a_person_lets_it_go_on(
    desk: Desk, paused: Callable[[], list[str]], resume: Callable[..., None]
) -> None:
    touches = sent(desk, 20)
    returned(desk, touches[:2], SPF)
    before = paused()

    returned(desk, touches[2:3], SPF)

    assert (before, paused()) == ([], ["lane:other/marketing"])
    with desk.store.read() as connection:
        [pause] = pauses.list_(connection)
        [told] = [a for a in alerts.list_open(connection) if a.cause.startswith("lane:")]
    assert pause.reason == told.message
    assert told.message == (
        "lane other/marketing is paused: 3 of 20 mails were refused (authfailure)"
    )
    assert "SPF" in told.hint
    assert "`crm-mailer resume --lane other/marketing`" in told.hint
    assert i18n.say(told.message, "zh_CN") == (
        "通道 other/marketing 已暂停：20 封邮件中有 3 封被拒收（authfailure）"
    )
    assert i18n.say(told.hint, "zh_CN").startswith("检查发件域名的 SPF")

    resume("lane:other/marketing", desk.clock.forward(minutes=5))
    returned(desk, touches[3:9], SPF)  # they had left before
    assert paused() == []


def causes(desk: Desk) -> list[str]:
    with desk.store.read() as connection:
        return [one.cause for one in alerts.list_open(connection)]


def test_of_what_stops_a_lane_one_alert_alone_tells(
    desk: Desk, paused: Callable[[], list[str]], resume: Callable[..., None]
) -> None:
    touches = sent(desk, 20)
    found = []
    for few in (touches[:2], touches[2:3], touches[3:5]):
        returned(desk, few, SPF)
        found.append(causes(desk))

    assert found == [
        ["returned/authfailure"],
        ["lane:other/marketing/returned"],
        ["lane:other/marketing/returned"],
    ]
    resume("lane:other/marketing", desk.clock.forward(minutes=5))
    returned(desk, touches[5:6], SPF)
    assert causes(desk) == ["returned/authfailure"]


def test_of_refused_content_the_pause_of_the_campaign_tells(desk: Desk) -> None:
    returned(desk, sent(desk, 20)[:4], SPAM)

    assert causes(desk) == ["campaign:win-back/returned"]


def test_a_reason_that_another_lane_meets_too_goes_on_being_told(desk: Desk) -> None:
    touches = sent(desk, 20)
    with desk.store.write() as connection:
        statement = tables.touches.update().where(tables.touches.c.id == touches[0])
        connection.execute(statement.values(provider="gmail"))
    returned(desk, touches[:1], SPF)
    returned(desk, touches[1:4], SPF)

    assert causes(desk) == ["lane:other/marketing/returned", "returned/authfailure"]


def test_content_that_is_refused_pauses_the_campaign_and_not_the_lane(
    desk: Desk, paused: Callable[[], list[str]]
) -> None:
    returned(desk, sent(desk, 20)[:3], SPAM)

    assert paused() == ["campaign:win-back"]


def test_a_few_strict_receivers_among_many_stop_nothing(
    desk: Desk, paused: Callable[[], list[str]]
) -> None:
    returned(desk, sent(desk, 160)[:3], SPF)

    assert paused() == []


def test_whoever_has_no_token_of_ours_cannot_stop_our_mail(
    desk: Desk, paused: Callable[[], list[str]]
) -> None:
    touches = sent(desk, 5)
    desk.comes(*(bounce("anna@example.com", status="5.7.23", returned_id=f"<{one}@else.example>",
                        diagnostic=f"550 5.7.23 SPF failed {one}") for one in touches))  # fmt: skip
    assert (len(desk.bounces()), paused()) == (5, [])

    desk.comes(*(bounce("anna@example.com", status="5.7.23", returned_id=message_id(one),
                        diagnostic=f"550 5.7.23 SPF failed {one}") for one in touches))  # fmt: skip
    assert paused() == ["lane:other/marketing"]


def test_one_mail_that_comes_back_often_counts_once(
    desk: Desk, paused: Callable[[], list[str]]
) -> None:
    [touch] = sent(desk, 1)

    for _ in range(4):
        returned(desk, [touch], (SPF[0], f"{SPF[1]} {desk.uid}"))

    assert (len(desk.bounces()), paused()) == (4, [])
