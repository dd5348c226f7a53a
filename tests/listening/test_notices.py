"""What providers tell, digested on each engine: once, together with its effects, or not at all."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.listening import notices
from crm_mailer.listening.notices import reports
from crm_mailer.model.hook import EventKind, HookEvent
from crm_mailer.store import hooks, tables
from crm_mailer.store.hooks import NewRequest
from tests.conftest import NOON
from tests.listening.conftest import KEYS, Desk, message_id


def keep(desk: Desk, events: Any, key: str = "k", source: str = "sendgrid") -> int:
    body = json.dumps(events).encode()
    request = NewRequest(source=source, kind="sendgrid", topic="", key=key, digest=key, body=body)
    with desk.store.write() as connection:
        number = hooks.add(connection, request, NOON)
    assert number is not None
    return number


def digest(desk: Desk, number: int) -> bool:
    """Read a request as the daemon does; whether it was ours to read."""
    with desk.store.write() as connection:
        if not hooks.take(connection, number):
            return False
        report = notices.digest(connection, hooks.get(connection, number), KEYS, NOON)
        return hooks.finish(connection, number, report.as_answer(), NOON)


def complaint(touch: int, address: str = "anna@example.com") -> dict[str, Any]:
    return {"event": "spamreport", "email": address, "smtp-id": message_id(touch),
            "sg_event_id": f"e{touch}", "timestamp": int(NOON.timestamp()) - 5}  # fmt: skip


def count(desk: Desk, table: sa.Table) -> int:
    with desk.store.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_a_request_is_read_once_however_many_try(desk: Desk) -> None:
    touch = desk.sent(desk.customer("anna@example.com"), "anna@example.com")
    number = keep(desk, [complaint(touch)])

    with ThreadPoolExecutor(4) as pool:
        took = list(pool.map(lambda _n: digest(desk, number), range(4)))
    desk.listen()

    assert sorted(took) == [False, False, False, True]
    assert count(desk, tables.spam_reports) == 1
    assert desk.suppressed() == [("anna@example.com", "spam_report")]


def test_nothing_of_a_request_stays_when_its_reader_dies_half_way(desk: Desk) -> None:
    touch = desk.sent(desk.customer("anna@example.com"), "anna@example.com")
    number = keep(desk, [complaint(touch)])

    def dies() -> None:
        with desk.store.write() as connection:
            notices.digest(connection, hooks.get(connection, number), KEYS, NOON)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dies()

    assert (count(desk, tables.inbound), count(desk, tables.hook_events)) == (0, 0)
    assert digest(desk, number)


def test_a_bounce_without_a_token_is_believed_for_an_address_that_got_mail_lately(
    desk: Desk,
) -> None:
    desk.sent(desk.customer("anna@example.com"), "anna@example.com")
    desk.sent(desk.customer("bob@example.com"), "bob@example.com", ago=timedelta(days=30),
              anchor="order:2:shipped")  # fmt: skip
    said = {"event": "bounce", "status": "5.1.1", "reason": "550 5.1.1 user unknown",
            "timestamp": int(NOON.timestamp()) - 5}  # fmt: skip
    events = [
        {**said, "email": f"{who}@example.com", "sg_event_id": who} for who in ("anna", "bob")
    ]

    digest(desk, keep(desk, events))
    desk.listen()

    assert desk.suppressed() == [("anna@example.com", "hard_bounce")]


def test_a_thousand_events_of_one_request_have_their_effects(desk: Desk) -> None:
    events = [
        {"event": "unsubscribe", "email": f"n{number}@example.com", "sg_event_id": str(number)}
        for number in range(1_000)
    ]
    digest(desk, keep(desk, events))
    assert count(desk, tables.suppressions) == 1_000


def test_a_report_made_of_an_event_is_one_of_the_standard_form() -> None:
    event = HookEvent(
        kind=EventKind.BOUNCE, key="1", at=NOON, recipient="Anna <anna@example.com>\r\nBcc: x@y.z",
        status="5.2.2\r\nX: y", diagnostic="552 5.2.2 full", remote_host="mx.example\r\nX: y",
    )  # fmt: skip
    raw = reports.report(event, "sendgrid", "")

    assert b"Final-Recipient: rfc822; anna@example.com\r\n" in raw
    assert b"Bcc:" not in raw
    assert b"\nX: y" not in raw


def test_what_was_turned_away_is_counted_by_reason(desk: Desk) -> None:
    for times in (3, 4):
        with desk.store.write() as connection:
            hooks.refuse(connection, "ses", "too old", times, NOON)
    with desk.store.read() as connection:
        [one] = hooks.list_refusals(connection)
    assert (one.source, one.reason, one.times) == ("ses", "too old", 7)


def test_a_request_that_breaks_its_reader_three_times_is_set_aside(desk: Desk) -> None:
    number = keep(desk, [])
    struck = []
    for _ in range(3):
        with desk.store.write() as connection:
            struck.append(hooks.strike(connection, number, "broken \0 \udc00"))
    with desk.store.read() as connection:
        waiting, [failed] = hooks.list_new(connection), hooks.list_failed(connection)
    assert (struck, waiting, failed.id) == ([False, False, True], [], number)
