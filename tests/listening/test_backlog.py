from __future__ import annotations

from datetime import timedelta

import pytest

from crm_mailer.listening import listen, turns
from crm_mailer.store import inbound
from crm_mailer.store.inbound import RawMail
from tests.conftest import NOON
from tests.listening.conftest import KEYS, Desk, letter


def keep(desk: Desk, *days_ago: float) -> None:
    """Mails that wait, each with its age as subject."""
    with desk.store.write() as connection:
        row = inbound.open_mailbox(connection, "care@shop.example", "INBOX")
        for ago in days_ago:
            desk.uid += 1
            raw = letter(f"Hello number {desk.uid}", subject=f"{ago:g} days")
            at = NOON - timedelta(days=ago)
            mail = RawMail(
                uid=desk.uid, digest=str(desk.uid), size=len(raw), received_at=at, raw=raw
            )
            inbound.add_many(connection, row.id, 1, [mail])


def subjects(desk: Desk) -> list[str]:
    return [reply.subject.removesuffix(" days") for reply in sorted(desk.replies(), key=_number)]


def _number(reply: object) -> int:
    return int(reply.id)  # type: ignore[attr-defined]


def test_what_came_today_is_read_before_the_letters_of_years(desk: Desk) -> None:
    keep(desk, 400, 300, 1, 200, 0, 100)

    desk.listen()

    assert subjects(desk) == ["1", "0", "400", "300", "200", "100"]


def test_what_comes_while_a_backlog_is_read_does_not_wait_for_its_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "BATCH", 2)
    monkeypatch.setattr(listen, "PAUSE", 2)
    keep(desk, 500, 400, 300, 200)
    came = iter([lambda: keep(desk, 600, 1, 0, 700)])

    listen.understand(
        desk.store,
        keys=KEYS,
        words=desk.words,
        order_pattern="",
        raw_folder=desk.folder,
        now=NOON,
        between=lambda: next(came, lambda: None)(),
    )

    assert subjects(desk) == ["500", "400", "1", "0", "300", "200", "600", "700"]


def test_a_limit_ends_a_round_and_the_next_one_goes_on(desk: Desk) -> None:
    keep(desk, 400, 0, 300)

    first = listen.understand(
        desk.store,
        keys=KEYS,
        words=desk.words,
        order_pattern="",
        raw_folder=desk.folder,
        now=NOON,
        limit=2,
    )
    second = desk.listen()

    assert (first.handled, second.handled) == (2, 1)
    assert subjects(desk) == ["0", "400", "300"]


def _from_zoe(desk: Desk, subject: str, text: str, ago: timedelta) -> None:
    raw = letter(text, subject=subject, sender="Zoe <zoe@example.com>")
    with desk.store.write() as connection:
        row = inbound.open_mailbox(connection, "care@shop.example", "INBOX")
        desk.uid += 1
        mail = RawMail(
            uid=desk.uid, digest=str(desk.uid), size=len(raw), received_at=NOON - ago, raw=raw
        )
        inbound.add_many(connection, row.id, 1, [mail])


def test_what_a_sender_wrote_before_goes_along_with_a_fresh_mail(desk: Desk) -> None:
    desk.customer("zoe@example.com")
    keep(desk, 400, 5)
    _from_zoe(desk, "Thanks", "Thank you, the new cup came", timedelta(hours=2))
    _from_zoe(desk, "Cup", "My cup arrived broken", timedelta(days=5))
    _from_zoe(desk, "Long ago", "My plate arrived broken", timedelta(days=90))

    desk.listen()

    read = {reply.subject: reply for reply in desk.replies()}
    assert subjects(desk) == ["Cup", "Thanks", "400", "5", "Long ago"]
    told = {name: [one.code for one in reply.evidence] for name, reply in read.items()}
    assert "tone.again" not in told["Cup"]
    assert "tone.again" not in told["Long ago"]


def test_a_mail_that_breaks_its_reader_is_tried_once_a_round(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(desk, 0, 5, 400)

    def breaks(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(listen, "_read", breaks)

    assert desk.listen().handled == 3
