from __future__ import annotations

import pytest
import sqlalchemy as sa

from crm_mailer.store import doubts, inbound, outbox, tables
from crm_mailer.store.inbound import RawMail
from tests.conftest import NOON
from tests.listening.conftest import Desk, bounce, letter, message_id, spam_report, verp


def in_doubt(desk: Desk, name: str = "anna", *, is_known: bool = True) -> int:
    """A mail of which nobody knows whether it left; `is_known`: that is known already."""
    address = f"{name}@example.com"
    number = desk.sent(desk.customer(address), address, anchor=name)
    with desk.store.write() as connection:
        connection.execute(
            sa.update(tables.touches)
            .where(tables.touches.c.id == number)
            .values(state="claimed", settled_at=None, attempts=1)
        )
    if is_known:
        becomes_doubtful(desk, number)
    return number


def becomes_doubtful(desk: Desk, number: int) -> None:
    with desk.store.write() as connection:
        connection.execute(
            sa.update(tables.touches)
            .where(tables.touches.c.id == number)
            .values(state="in_doubt", owner="")
        )
        connection.execute(
            sa.insert(tables.deliveries).values(
                touch_id=number, attempt=1, outcome="unknown", phase="dot", blame="site", at=NOON
            )
        )


def told(desk: Desk, number: int) -> tuple[str, list[str]]:
    """Its state, and the kinds of evidence about it."""
    with desk.store.read() as connection:
        record = outbox.find(connection, number)
        assert record is not None
        assert outbox.audit(connection, NOON).is_sound
        return record.touch.state.value, [one.kind.value for one in record.evidence]


def test_an_answer_shows_that_a_mail_in_doubt_was_sent(desk: Desk) -> None:
    number = in_doubt(desk)

    desk.comes(letter("Thanks!", sender="other@example.org", In_Reply_To=message_id(number)))

    assert told(desk, number) == ("accepted", ["reply"])


def test_a_bounce_shows_it_too_and_stays_a_bounce(desk: Desk) -> None:
    number = in_doubt(desk)

    desk.comes(bounce("anna@example.com", returned_id=message_id(number)))

    assert told(desk, number) == ("accepted", ["bounce"])
    assert [row.touch_id for row in desk.bounces()] == [number]
    assert desk.suppressed() == [("anna@example.com", "hard_bounce")]


def test_a_bounce_to_the_address_that_names_the_mail_is_enough(desk: Desk) -> None:
    number = in_doubt(desk)

    desk.comes(bounce("anna@example.com", to=verp(number)))

    assert told(desk, number) == ("accepted", ["bounce"])


def test_an_automatic_answer_and_a_spam_report_show_it(desk: Desk) -> None:
    first, second = in_doubt(desk), in_doubt(desk, "boris")

    desk.comes(
        letter("I am away.", In_Reply_To=message_id(first), Auto_Submitted="auto-replied"),
        spam_report(returned_id=message_id(second)),
    )

    assert told(desk, first) == ("accepted", ["reply"])
    assert told(desk, second) == ("accepted", ["bounce"])


@pytest.mark.parametrize(
    "mail",
    [
        letter("Where is my parcel?"),
        letter("Hello", In_Reply_To="<aeaaaaaaaaaaaai.jsezp4bqgmxwyvli@shop.example>"),
        bounce("anna@example.com"),
    ],
    ids=["by the sender only", "forged token", "by the address only"],
)
def test_what_anybody_could_have_written_shows_nothing(desk: Desk, mail: bytes) -> None:
    number = in_doubt(desk)

    desk.comes(mail)

    assert told(desk, number) == ("in_doubt", [])


def test_an_answer_that_came_before_the_doubt_was_known_counts_in_the_next_round(
    desk: Desk,
) -> None:
    number = in_doubt(desk, is_known=False)
    desk.comes(bounce("anna@example.com", returned_id=message_id(number), status="4.2.2"))
    becomes_doubtful(desk, number)
    with desk.store.read() as connection:
        before = doubts.count(connection)

    desk.listen()

    assert (before, told(desk, number)) == (1, ("accepted", ["bounce"]))


def test_the_same_mail_twice_is_one_piece_of_evidence(desk: Desk) -> None:
    number = in_doubt(desk)
    raw = letter("Thanks!", In_Reply_To=message_id(number))

    desk.comes(raw, raw)
    with desk.store.write() as connection:
        row = inbound.open_mailbox(connection, "care@shop.example", "Archive")
        copy = RawMail(uid=9, digest="copy", size=len(raw), received_at=NOON, raw=raw)
        inbound.add_many(connection, row.id, 1, [copy])
    desk.listen()

    assert told(desk, number) == ("accepted", ["reply"])
