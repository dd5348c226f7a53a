"""What servers say when they say it wrongly, from the wire to the ledger and the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from crm_mailer.delivering.answers import MAX_LINE, MAX_LINES, MAX_TEXT
from crm_mailer.store import suppressions
from crm_mailer.store.tables import touches
from tests.delivering.letters import HASTY
from tests.delivering.odd_shop import OddShop, is_fit_to_show, odd_shop
from tests.servers.smtp_faults import PIPELINED, Fault, fault_server, in_turn, reply

#: Outcome words: a state, or `dead` for refused and suppressed, or `untouched` where the answer
#: says nothing about the mail: it waits as if nobody had tried.
ACCEPTED, DOUBT, REFUSED, DEFERRED = ("accepted",), ("in_doubt",), ("refused",), ("deferred",)
DEAD, UNTOUCHED = ("dead",), ("untouched",)
#: Both are right: it was not sent, and comes again.
AGAIN = ("deferred", "untouched")


class Row(NamedTuple):
    """At this stage the server says this, once; so the mail may end."""

    stage: str
    say: bytes
    outcome: tuple[str, ...]
    #: Whether the server hangs up after it.
    is_last: bool = False
    drip: float = 0


def dot(say: bytes, outcome: tuple[str, ...], *, is_last: bool = False, drip: float = 0) -> Row:
    return Row("DOT", say, outcome, is_last, drip)


def rcpt(say: bytes, outcome: tuple[str, ...], *, is_last: bool = False) -> Row:
    return Row("RCPT", say, outcome, is_last)


def lines(number: int, code: bytes = b"250") -> bytes:
    return (code + b"-more\r\n") * (number - 1) + code + b" end\r\n"


AFTER_THE_DOT = [
    # yes, in many forms
    dot(b"250 ok\r\n", ACCEPTED),
    dot(b"250\r\n", ACCEPTED),
    dot(b"250 \r\n", ACCEPTED),
    dot(b"250 2.0.0\r\n", ACCEPTED),
    dot(b"250 2.0.0 \r\n", ACCEPTED),
    dot(b"251 2.1.5 will forward\r\n", ACCEPTED),
    dot(b"252 who knows\r\n", ACCEPTED),
    dot(b"200 fine\r\n", ACCEPTED),
    dot(b"220 welcome\r\n", ACCEPTED),
    dot(b"299 as you like\r\n", ACCEPTED),
    dot(b"250 ok\n", ACCEPTED),
    dot(b"250-2.0.0 one\r\n250-2.0.0 two\r\n250 2.0.0 three\r\n", ACCEPTED),
    dot(b"250-\r\n250 \r\n", ACCEPTED),
    dot(lines(MAX_LINES), ACCEPTED),
    dot(b"250 " + b"x" * (MAX_LINE - 4) + b"\r\n", ACCEPTED),
    dot(b"250 2.0.0 queued\r\n", ACCEPTED, drip=0.01),
    dot(b"250 5.1.1 no such user\r\n", ACCEPTED),
    dot(b"250 4.0.0 perhaps\r\n", ACCEPTED),
    dot(b"250 \xff\xfe\x80\x81 \xc3\x28\r\n", ACCEPTED),
    dot(b"250 \x1b[2J\x1b[31mred\x1b]0;title\x07\r\n", ACCEPTED),
    dot(b"250 \xc2\x9b31m c1\r\n", ACCEPTED),
    dot(b"250 nul\x00byte \x08\x08\x7f\r\n", ACCEPTED),
    dot(b"250 \xe2\x80\xae\xe2\x81\xa6turned\r\n", ACCEPTED),
    dot(b"250 \xe2\x80\xa8Bcc: evil\r\n", ACCEPTED),
    dot(b"250 tab\tand\x0bvt\x0cff\r\n", ACCEPTED),
    dot("250 收到 🙂 принято\r\n".encode(), ACCEPTED),
    dot(b"250 [bold]markup[/bold] {json} %s\r\n", ACCEPTED),
    dot(b"250 ok\r\n250 once more\r\n", ACCEPTED),
    dot(b"250 ok\r\n\x00\x01garbage", ACCEPTED),
    dot(b"250 ok\r\n421 and goodbye\r\n", ACCEPTED, is_last=True),
    dot(b"250 ok\r\n", ACCEPTED, is_last=True),
    # nobody can tell what that means
    dot(b"150 wait\r\n", DOUBT),
    dot(b"354 go on\r\n", DOUBT),
    dot(b"399 hm\r\n", DOUBT),
    dot(b"600 what\r\n", DOUBT),
    dot(b"999 what\r\n", DOUBT),
    dot(b"000 what\r\n", DOUBT),
    dot(b"25 short\r\n", DOUBT),
    dot(b"2500 long\r\n", DOUBT),
    dot(b"2.5 point\r\n", DOUBT),
    dot(b"-250 minus\r\n", DOUBT),
    dot(b"+OK\r\n", DOUBT),
    dot(b"OK\r\n", DOUBT),
    dot(b"abc def\r\n", DOUBT),
    dot(b"\xd9\xa2\xd9\xa5\xd9\xa0 ok\r\n", DOUBT),
    dot(b"\xb2\xb5\xb0 ok\r\n", DOUBT),
    dot(b"\r\n", DOUBT),
    dot(b"\n", DOUBT),
    dot(b" 250 ok\r\n", DOUBT),
    dot(b"250\tok\r\n", DOUBT),
    dot(b"250_ok\r\n", DOUBT),
    dot(b"\x00250 ok\r\n", DOUBT),
    dot(b"\xef\xbb\xbf250 ok\r\n", DOUBT),
    dot(b"\x1b[0m250 ok\r\n", DOUBT),
    dot(b"250-one\r\n451 two\r\n", DOUBT),
    dot(b"250-one\r\n251 two\r\n", DOUBT),
    dot(b"451-one\r\n250 two\r\n", DOUBT),
    dot(b"250-one\r\nnonsense\r\n", DOUBT),
    dot(lines(MAX_LINES + 1), DOUBT),
    dot(lines(200), DOUBT),
    dot(b"250 " + b"x" * (MAX_LINE + 1_000) + b"\r\n", DOUBT),
    dot(b"x" * 100_000, DOUBT),
    dot(b"250 no end", DOUBT, is_last=True),
    dot(b"250 only cr\r", DOUBT, is_last=True),
    dot(b"250-more to come\r\n", DOUBT, is_last=True),
    dot(b"2", DOUBT, is_last=True),
    dot(b"HTTP/1.1 400 Bad Request\r\n\r\n<html></html>", DOUBT),
    dot(b"* BYE imap\r\n", DOUBT),
    # no, in many forms
    dot(b"554 5.6.0 <script>alert(1)</script>\r\n", REFUSED),
    dot(b"554 <html><body><h1>no</h1></body></html>\r\n", REFUSED),
    dot(b"554 5.6.0 \x1b[5mblink\x1b[0m\r\n", REFUSED),
    dot(b"554 5.6.0 " + b"x" * (MAX_LINE - 10) + b"\r\n", REFUSED),
    dot(lines(MAX_LINES, b"554"), REFUSED),
    dot(b"550 2.0.0 contradicts itself\r\n", REFUSED),
    dot(b"550\r\n", REFUSED),
    dot(b"599 5.9.9 unheard of\r\n", REFUSED),
    dot(b"552 5.3.4 too big\r\n", REFUSED),
    dot(b"571 5.7.1.1 four parts\r\n", REFUSED),
    dot(b"554 5.99999.1 a long class\r\n", REFUSED),
    dot(b"550 5.1.8 bad sender\r\n", DEFERRED),
    dot(b"451 5.1.1 contradicts itself\r\n", DEFERRED),
    dot(b"452 4.2.2 full\r\n", DEFERRED),
    dot(b"450\r\n", DEFERRED),
    dot(b"499 4.9.9 unheard of\r\n", DEFERRED),
    dot(b"451-4.7.1 \xff\r\n451 4.7.1 \x00\r\n", DEFERRED),
    dot(b"421 4.3.2 going down\r\n", AGAIN, is_last=True),
]
BEFORE_THE_DOT = [
    rcpt(b"250\r\n", ACCEPTED),
    rcpt(b"252 cannot verify\r\n", ACCEPTED),
    rcpt(b"250-2.1.5 a\r\n250 2.1.5 b\r\n", ACCEPTED),
    rcpt(b"250 5.1.1 contradicts itself\r\n", ACCEPTED),
    rcpt(b"250 \xff\x1b[31m\r\n", ACCEPTED),
    rcpt(b"550 5.1.1 no such user\r\n", DEAD),
    rcpt(b"550 5.1.1\r\n", DEAD),
    rcpt(b"550-5.1.1 one\r\n550-5.7.1 two\r\n550 three\r\n", DEAD),
    rcpt(b"550 5.1.1 <b>who</b> \x1b[31m\xff\x00\r\n", DEAD),
    rcpt(b"550 5.1.1 " + b"x" * 3_000 + b"\r\n", DEAD),
    rcpt("550 5.1.1 такого пользователя нет\r\n".encode(), DEAD),
    rcpt(b"550 5.1.1\xe2\x80\xae\r\n", (*DEAD, *REFUSED)),
    rcpt(b"450 5.1.1 contradicts itself\r\n", DEFERRED),
    rcpt(b"550 2.1.5 contradicts itself\r\n", REFUSED),
    rcpt(b"550 4.1.1 contradicts itself\r\n", (*REFUSED, *DEFERRED)),
    rcpt(b"550\r\n", REFUSED),
    rcpt(b"550 \r\n", REFUSED),
    rcpt(b"550 5.7.1 \x1b]8;;http://evil.example\x07click\x1b]8;;\x07\r\n", REFUSED),
    rcpt(b"550 5.1.8 bad sender\r\n", DEFERRED),
    rcpt(b"501 5.1.7 bad sender\r\n", DEFERRED),
    rcpt(b"450 4.1.8 bad sender\r\n", DEFERRED),
    rcpt(b"550 5.1.0 <b@shop.example>: Sender address rejected: User unknown\r\n", DEFERRED),
    rcpt(b"550 <b@shop.example>: Sender address rejected: User unknown\r\n", DEFERRED),
    rcpt(b"550-Verification failed\r\n550-No such user\r\n550 Sender verify failed\r\n", DEFERRED),
    rcpt(b"550 5.1.1 \x1b[31msender\xff unknown\r\n", (*DEFERRED, *DEAD)),
    rcpt(b"450 4.2.0 greylisted \x08\x08\r\n", DEFERRED),
    rcpt(b"452 \xe6\xbb\xa1\r\n", DEFERRED),
    rcpt(b"150 wait\r\n", DEFERRED),
    rcpt(b"354 go\r\n", DEFERRED),
    rcpt(b"700 what\r\n", DEFERRED),
    rcpt(b"garbage\r\n", DEFERRED),
    rcpt(b"5.1.1 550 the wrong way round\r\n", DEFERRED),
    rcpt(b"\r\n", DEFERRED),
    rcpt(b"\x00\x01\x02\x03\r\n", DEFERRED),
    rcpt(b"250-a\r\n550 b\r\n", DEFERRED),
    rcpt(lines(200, b"550"), DEFERRED),
    rcpt(b"550 " + b"x" * 10_000 + b"\r\n", DEFERRED),
    rcpt(b"x" * 100_000, DEFERRED),
    rcpt(b"550 5.1.1 no end", DEFERRED, is_last=True),
    rcpt(b"421 4.7.0 [TSS04] \x1b[1m\r\n", AGAIN, is_last=True),
    Row("MAIL", b"garbage\r\n", AGAIN),
    Row("MAIL", b"\xff\xff\xff\r\n", AGAIN),
    Row("MAIL", b"250\n", ACCEPTED),
    Row("MAIL", b"354 go\r\n", AGAIN),
    Row("MAIL", b"550 5.1.8 \x1b[31mbad sender\r\n", UNTOUCHED),
    Row("MAIL", b"452 4.3.1 \x00 no room\r\n", AGAIN),
    Row("DATA", b"garbage\r\n", DEFERRED),
    Row("DATA", b"250 not so fast\r\n", DEFERRED),
    Row("DATA", b"554 5.5.1 \x1b[0m no valid recipients\r\n", (*REFUSED, *DEFERRED)),
    Row("DATA", b"550 5.1.8 bad sender\r\n", DEFERRED),
    Row("DATA", b"451 4.3.0 \xff\r\n", DEFERRED),
    Row("DATA", b"554 " + b"x" * 10_000 + b"\r\n", DEFERRED),
]
OPENING = [
    Row("BANNER", b"220\r\n", ACCEPTED),
    Row("BANNER", b"220 \x1b[2J\xff\x00\r\n", ACCEPTED),
    Row("BANNER", lines(50, b"220"), ACCEPTED),
    Row("BANNER", b"SSH-2.0-OpenSSH_9.9\r\n", UNTOUCHED),
    Row("BANNER", b"\x16\x03\x01\x02\x00\x01\r\n", UNTOUCHED),
    Row("BANNER", b"554 5.7.1 \x1b[31mgo away\r\n", UNTOUCHED),
    Row("BANNER", b"x" * 100_000, UNTOUCHED),
    Row("EHLO", b"250\r\n", ACCEPTED),
    Row("EHLO", b"250 \xff\x00\x1b[31m\r\n", ACCEPTED),
    Row("EHLO", b"250-odd\r\n250-\r\n250-SIZE nonsense\r\n250- SIZE\r\n250 =\r\n", ACCEPTED),
    Row("EHLO", b"250-odd\r\n250 SIZE 99999999999999999999999999\r\n", ACCEPTED),
    Row("EHLO", b"250-odd\r\n250 SIZE -5\r\n", ACCEPTED),
    Row("EHLO", b"250-odd\r\n250 SIZE \xd9\xa1\xd9\xa2\r\n", ACCEPTED),
    Row("EHLO", b"250-odd\r\n250-AUTH\r\n250 AUTH=\r\n", ACCEPTED),
    Row("EHLO", b"250-odd\r\n250-pipelining\r\n250 8bitmime\r\n", ACCEPTED),
    Row("EHLO", lines(MAX_LINES), ACCEPTED),
    Row("EHLO", b"250-odd\r\n451 never mind\r\n", UNTOUCHED),
    Row("EHLO", lines(200), UNTOUCHED),
]
ROWS = AFTER_THE_DOT + BEFORE_THE_DOT + OPENING


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OddShop]:
    with odd_shop(tmp_path_factory.mktemp("odd")) as shop:
        yield shop


def named(row: Row) -> str:
    return f"{row.stage}-{ascii(row.say)[2:30]}"


@pytest.mark.parametrize("row", ROWS, ids=[named(row) for row in ROWS])
def test_an_odd_answer_has_its_outcome_and_harms_nothing_else(shop: OddShop, row: Row) -> None:
    shop.forget_faults()
    fault = Fault(say=row.say, cut="close" if row.is_last else "", drip=row.drip)
    first, second = shop.plan("anna@example.com"), shop.plan("boris@example.com")
    with fault_server({row.stage: in_turn(fault)}, extensions=PIPELINED) as server:
        report = shop.send(server.port, deadlines=HASTY)

    assert report.accounted == report.claimed == 2
    fate = word(shop, first)
    assert fate in row.outcome
    assert word(shop, second) in ("accepted", *AGAIN)
    assert len(server.box) == len(set(server.box))
    assert len(server.box) <= 2
    _told_well(shop, first)
    if not row.say.strip().decode("latin-1").isprintable():
        assert is_fit_to_show(shop.shown("outbox", "show", str(first)))


def word(shop: OddShop, number: int) -> str:
    """How a mail ended, in one word."""
    state, _reason, attempts = shop.fate(number)
    with shop.store.read() as connection:
        address = shop.message(number).rcpt_to if shop.message(number) else ""
        is_dead = bool(suppressions.find(connection, address))
    if is_dead:
        with shop.store.write() as connection:
            suppressions.lift(connection, address)
        return "dead"
    return "untouched" if (state, attempts) == ("planned", 0) else state


def _told_well(shop: OddShop, number: int) -> None:
    """What is kept of the answer is one line of text, and short."""
    assert shop.is_sound()
    for attempt in shop.attempts(number):
        text = attempt.outcome.text
        assert len(text) <= MAX_TEXT
        assert is_fit_to_show(text)
        assert "\n" not in text


def test_what_was_taken_at_last_has_no_reason_to_wait_any_more(shop: OddShop) -> None:
    shop.forget_faults()
    number = shop.plan("late@example.com")
    with fault_server({"RCPT": in_turn(reply("451 4.3.0 try later"))}) as server:
        shop.send(server.port)
        first = detail(shop, number)
        shop.clock.forward(hours=1)
        shop.send(server.port)

    assert (first, shop.fate(number).state) == ("try later", "accepted")
    assert detail(shop, number) == ""


def detail(shop: OddShop, number: int) -> str:
    """What the ledger says beside the state."""
    with shop.store.read() as connection:
        return str(connection.scalar(sa.select(touches.c.detail).where(touches.c.id == number)))
