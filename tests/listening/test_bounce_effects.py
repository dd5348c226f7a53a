"""What reports change: who is given up, who is not, and what is told to the shop."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm_mailer.store import alerts
from tests.conftest import NOON
from tests.listening.bounced import group, status_report
from tests.listening.conftest import Desk, bounce, message_id, verp


def open_alerts(desk: Desk) -> list[tuple[str, int]]:
    with desk.store.read() as connection:
        return [(one.cause, one.times) for one in alerts.list_open(connection)]


def test_our_own_fault_raises_one_alert_and_never_counts_against_the_customer(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")

    for day in range(4):
        spf = bounce("anna@example.com", to=verp(touch), status="5.7.23",
                     diagnostic=f"550 5.7.23 SPF check failed ({desk.uid})")  # fmt: skip
        desk.comes(spf, at=NOON - timedelta(days=day))

    assert desk.suppressed() == []
    assert {(b.kind, b.reason) for b in desk.bounces()} == {("ours", "authfailure")}
    assert open_alerts(desk) == [("returned/authfailure", 4)]


def test_an_alert_ends_when_its_reason_was_not_met_for_a_week(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")
    desk.comes(bounce("anna@example.com", to=verp(touch), status="5.7.1",
                      diagnostic="554 blocked using zen.spamhaus.org"))  # fmt: skip
    before = open_alerts(desk)

    desk.clock.forward(days=8)
    desk.listen()

    assert (before, open_alerts(desk)) == ([("returned/blocked", 1)], [])


def test_reading_a_report_again_neither_counts_nor_tells_twice(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")
    mail = bounce("anna@example.com", to=verp(touch), status="5.7.1",
                  diagnostic="554 blocked using zen.spamhaus.org")  # fmt: skip
    twin = mail.replace(b"From:", b"Message-ID: <m@mx.example.net>\r\nFrom:", 1)

    desk.comes(twin, b"Received: from elsewhere\r\n" + twin)
    desk.listen()

    assert open_alerts(desk) == [("returned/blocked", 1)]


@pytest.mark.parametrize(
    ("status", "diagnostic"),
    [
        ("5.1.1", "550 5.1.1 User unknown"),
        ("5.2.2", "552 5.2.2 Mailbox full"),
        ("5.7.1", "554 5.7.1 blocked using zen.spamhaus.org"),
    ],
)
def test_a_forged_report_changes_nothing_however_often_it_comes(
    desk: Desk, status: str, diagnostic: str
) -> None:
    anna = desk.customer("anna@example.com")
    desk.sent(anna, "anna@example.com", ago=timedelta(days=20))

    for day in range(6):
        forged = bounce("anna@example.com", status=status, diagnostic=f"{diagnostic} {desk.uid}")
        desk.comes(forged, at=NOON - timedelta(days=day))

    assert (desk.suppressed(), open_alerts(desk)) == ([], [])
    assert len(desk.bounces()) == 6


def test_forged_reports_do_not_fill_up_the_count_of_true_ones(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com", ago=timedelta(days=20))

    for day in (3, 2, 1):
        full = bounce("anna@example.com", status="5.2.2", diagnostic=f"552 full {desk.uid}")
        desk.comes(full, at=NOON - timedelta(days=day))
    desk.comes(bounce("anna@example.com", to=verp(touch), status="5.2.2", diagnostic="552 full"))

    assert desk.suppressed() == []


@pytest.mark.parametrize(
    ("action", "status", "diagnostic"),
    [
        ("delayed", "4.4.1", "connection timed out"),
        ("failed", "4.4.1", "connection timed out"),
        ("failed", "5.3.0", "550 5.3.0 internal error"),
        ("relayed", "2.0.0", "250 ok"),
        ("expanded", "2.0.0", "250 ok"),
    ],
)
def test_a_fault_on_the_way_is_kept_and_changes_nothing(
    desk: Desk, action: str, status: str, diagnostic: str
) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")

    for day in range(5):
        report = bounce("anna@example.com", to=verp(touch), action=action, status=status,
                        diagnostic=f"{diagnostic} ({desk.uid})")  # fmt: skip
        desk.comes(report, at=NOON - timedelta(days=day))

    assert (desk.suppressed(), open_alerts(desk)) == ([], [])
    assert {b.kind for b in desk.bounces()} <= {"delay", "notice"}


def test_soft_bounces_on_one_day_are_one(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")

    for _ in range(5):
        desk.comes(bounce("anna@example.com", to=verp(touch), status="5.2.2",
                          diagnostic=f"552 mailbox full {desk.uid}"))  # fmt: skip

    assert desk.suppressed() == []


def test_a_bounce_is_kept_with_the_message_that_came_back(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")

    desk.comes(bounce("anna@example.com", returned_id=message_id(touch)))

    [kept] = desk.bounces()
    assert f"<{kept.message_id}>" == message_id(touch)


def test_words_that_no_database_takes_are_cleaned(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    desk.sent(anna, "anna@example.com")
    raw = status_report(group("anna@example.com", "5.1.1", "550 5.1.1 no\0 such user \ud800"
                              .encode("utf-8", "replace").decode()))  # fmt: skip

    report = desk.comes(raw)

    assert (report.quarantined, report.troubles) == (0, [])
    assert len(desk.bounces()) == 1
