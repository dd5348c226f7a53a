"""What servers refuse at hand-over has the effects of a bounce, for the same reasons."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from crm_mailer.delivering import deliver
from crm_mailer.delivering.routing import Outlet, Ways
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.listening import understand
from crm_mailer.model.campaign import Stream
from crm_mailer.model.message import Message, NotRendered
from crm_mailer.model.token import Purpose
from crm_mailer.model.touch import Touch
from crm_mailer.model.words import Words
from crm_mailer.store import alerts, suppressions, tables
from crm_mailer.store.alerts import Alert
from crm_mailer.store.engine import Store
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, account, message, plan, states
from tests.listening.conftest import KEYS
from tests.servers.smtp_faults import LOCK_STEP, fault_server, in_turn, reply

BLOCKED = "550 5.7.1 blocked using zen.spamhaus.org"
ANNA = "customer1@example.com"


class Shop:
    """Sends to a server that refuses, and reads what it said."""

    def __init__(self, store: Store, clock: StandingClock, words: Words, folder: Path) -> None:
        self.store, self.clock, self.words, self.folder = store, clock, words, folder

    def refused(self, stage: str, *answers: str) -> None:
        """Mails for new customers meet these answers, one each."""
        plan(self.store, len(answers), self.clock.now())
        self.send(stage, *answers)

    def send(
        self,
        stage: str,
        *answers: str,
        renderer: PlainRenderer | None = None,
        extensions: tuple[str, ...] = LOCK_STEP,
    ) -> None:
        script = {stage: in_turn(*map(reply, answers))}
        with fault_server(script, extensions=extensions) as server:
            way = SmtpTransport(account(server.port, connections=1))
            deliver(
                self.store,
                renderer or PlainRenderer(),
                Ways(outlets=[Outlet(name="main", transport=way)]),
                clock=self.clock,
                owner="tester",
                journal_folder=self.folder / "journal",
            )

    def again(self) -> None:
        """Another mail for the first customer falls due."""
        with self.store.write() as connection:
            row = connection.execute(tables.touches.select().limit(1)).one()._asdict()
            now = self.clock.now()
            fresh = {
                **{name: row[name] for name in ("campaign", "step", "customer_id", "stream")},
                "anchor": f"order:{now:%d}", "id": 1_000 + now.day, "template": "t",
                "state": "planned",
                "anchored_at": now, "due_at": now, "next_at": now, "planned_at": now,
            }  # fmt: skip
            connection.execute(tables.touches.insert().values(fresh))

    def listen(self) -> int:
        return understand(
            self.store, keys=KEYS, words=self.words, order_pattern="",
            raw_folder=self.folder, now=self.clock.now(),
        ).suppressed  # fmt: skip

    @property
    def suppressed(self) -> list[tuple[str, str]]:
        with self.store.read() as connection:
            return [(one.address, one.source) for one in suppressions.list_(connection)]

    @property
    def alerts(self) -> list[str]:
        return [one.cause for one in self.told()]

    def told(self) -> list[Alert]:
        with self.store.read() as connection:
            return alerts.list_open(connection)

    @property
    def states(self) -> dict[str, int]:
        return states(self.store)

    @property
    def reasons(self) -> list[tuple[str, str]]:
        with self.store.read() as connection:
            rows = connection.execute(tables.refusals.select())
            return [(row.kind, row.reason) for row in rows]


class ToFarAway(PlainRenderer):
    """Its address needs SMTPUTF8."""

    def render_batch(self, wanted: Sequence[Touch]) -> list[Message | NotRendered]:
        return [message(touch.id, "\u30a2\u30f3\u30ca@example.com") for touch in wanted]


@pytest.fixture
def shop(store: Store, clock: StandingClock, words: Words, tmp_path: Path) -> Shop:
    return Shop(store, clock, words, tmp_path)


@pytest.mark.parametrize(
    ("stage", "answers"),
    [
        (
            "RCPT",
            {
                "550 5.1.1 no such user": ("hard", "userunknown"),
                "550 5.7.1 blocked using zen.spamhaus.org": ("ours", "blocked"),
                "550 5.1.1 mailbox is over quota": ("soft", "mailboxfull"),
                "550 5.7.23 SPF check failed": ("ours", "authfailure"),
                "550 5.2.2 mailbox full": ("soft", "mailboxfull"),
            },
        ),
        (
            "DOT",
            {
                "554 5.7.1 message refused as spam": ("ours", "spamdetected"),
                "552 5.3.4 message too big": ("ours", "mesgtoobig"),
            },
        ),
    ],
)
def test_a_refusal_has_the_reason_that_a_bounce_with_its_words_has(
    shop: Shop, stage: str, answers: dict[str, tuple[str, str]]
) -> None:
    shop.refused(stage, *answers)

    shop.listen()

    assert shop.reasons == list(answers.values())
    dead = [f"customer{n}@example.com" for n, (kind, _) in enumerate(answers.values(), 1)
            if kind == "hard"]  # fmt: skip
    assert [address for address, _source in shop.suppressed] == dead
    ours = {f"returned/{reason}" for kind, reason in answers.values() if kind == "ours"}
    by_breaker = {"returned/mesgtoobig"} if "campaign:spring/size" in shop.alerts else set()
    assert {cause for cause in shop.alerts if cause.startswith("returned")} == ours - by_breaker


#: As Postfix and Exim say it, by default when the recipient was named; `{us}`: where bounces go.
OF_SENDER = [
    "550 5.1.0 <{us}>: Sender address rejected: User unknown in local recipient table",
    "550 <{us}>: Sender address rejected: User unknown in local recipient table",
    "550 5.1.0 <{us}>: Sender address rejected: undeliverable address: host mx said: 550 User "
    "unknown",
    "550 5.1.1 <{us}>: Sender address rejected: undeliverable address: mailbox full",
    "550 5.1.1 <{us}>: User unknown",
    "550-Verification failed for <{us}>\r\n550-No Such User Here\r\n550 Sender verify failed",
    "553 5.1.8 <{us}>... Domain of sender address {us} does not exist",
    "501 5.1.7 Bad sender address syntax",
    "550 Unroutable sender address",
]
US = f"b-{KEYS.make(Purpose.VERP, 1)}@bounces.shop.example"


@pytest.mark.parametrize("words", OF_SENDER)
def test_a_sender_that_is_refused_when_the_recipient_was_named_harms_no_customer(
    shop: Shop, words: str
) -> None:
    shop.refused("RCPT", *[words.format(us=US)] * 5)

    shop.listen()

    assert shop.suppressed == []
    assert shop.states == {"deferred": 3, "planned": 2}
    assert shop.alerts == ["account:main/rcpt"]
    [told] = shop.told()
    assert "refuses our sender: 5" in told.message
    assert "`return_path`" in told.hint


def test_one_receiver_that_wants_no_such_sender_does_not_hold_up_the_others(shop: Shop) -> None:
    shop.refused("RCPT", "553 5.1.8 bad sender", *["250 2.1.5 ok"] * 3)

    shop.listen()

    assert shop.states == {"accepted": 3, "deferred": 1}
    assert shop.alerts == []


def test_a_sender_that_is_put_off_at_each_recipient_rests_the_account(shop: Shop) -> None:
    said = f"450 4.1.8 <{US}>: Sender address rejected: Domain not found"
    shop.refused("RCPT", *[said] * 9)

    assert shop.states == {"deferred": 3, "planned": 6}
    assert shop.alerts == ["account:main/rcpt"]


# ------------------------------------------------------------------ one alert a cause


def test_what_a_paused_lane_tells_is_not_told_again(shop: Shop) -> None:
    shop.refused("RCPT", *[BLOCKED] * 4)

    shop.listen()

    assert shop.reasons == [("ours", "blocked")] * 3
    assert shop.alerts == ["lane:other/marketing/policy"]


def test_an_alert_names_the_server_that_was_asked(shop: Shop) -> None:
    shop.refused("RCPT", BLOCKED)

    shop.listen()

    [told] = shop.told()
    assert re.fullmatch(
        r"mail server (localhost|127\.0\.0\.1):\d+ refuses our mails \(blocked\): " + BLOCKED,
        told.message,
    )


def test_a_mail_that_is_too_big_to_be_offered_is_laid_at_no_receiver_s_door(shop: Shop) -> None:
    plan(shop.store, 1, shop.clock.now(), stream=Stream.TRANSACTIONAL)
    shop.send("RCPT", extensions=("SIZE 10",))

    shop.listen()

    assert shop.reasons == [("ours", "mesgtoobig")]
    [told] = shop.told()
    assert re.fullmatch(
        r"a mail is too big for mail server [\w.]+:\d+: "
        r"the mail has \d+ bytes, the server takes 10",
        told.message,
    )


def test_an_address_that_our_server_cannot_write_is_no_fault_of_the_content(shop: Shop) -> None:
    plan(shop.store, 1, shop.clock.now())
    shop.send("RCPT", renderer=ToFarAway())

    shop.listen()

    assert (shop.states, shop.alerts) == ({"refused": 1}, [])


def test_a_full_mailbox_on_three_days_is_given_up_and_on_two_it_is_not(shop: Shop) -> None:
    shop.refused("RCPT", "552 5.2.2 mailbox full")
    shop.listen()
    found = [shop.suppressed]
    for _day in range(2):
        shop.clock.forward(days=2)
        shop.again()
        shop.send("RCPT", "552 5.2.2 mailbox full")
        shop.listen()
        found.append(shop.suppressed)

    [(address, source)] = found.pop()
    assert found == [[], []]
    assert (address, source.partition(": ")[2]) == (ANNA, "soft bounces on 3 days")


def test_words_of_a_full_mailbox_save_an_address_whose_code_says_that_it_is_dead(
    shop: Shop,
) -> None:
    shop.refused("RCPT", "550 5.1.1 mailbox is over quota")
    before = shop.suppressed

    shop.listen()

    assert (before, shop.suppressed) == ([(ANNA, "smtp:touch:1")], [])


def test_reading_refusals_again_changes_nothing(shop: Shop) -> None:
    shop.refused("RCPT", BLOCKED, BLOCKED)

    shop.listen()
    shop.listen()

    with shop.store.read() as connection:
        [alert] = [a for a in alerts.list_open(connection) if a.cause == "returned/blocked"]
    assert (alert.times, len(shop.reasons)) == (2, 2)


def test_a_lane_that_is_let_go_on_is_not_stopped_by_what_it_was_stopped_for(
    shop: Shop, paused: Callable[[], list[str]], resume: Callable[..., None]
) -> None:
    shop.refused("RCPT", *[BLOCKED] * 4)
    shop.listen()
    before = paused()

    shop.clock.forward(minutes=5)
    resume("lane:other/marketing", shop.clock.now())
    shop.listen()

    assert (before, paused()) == (["lane:other/marketing"], [])


def until_it_expires(shop: Shop, answer: str, *, among_others: bool = False) -> None:
    """A mail for a new customer meets this answer until its time is over."""
    [number] = plan(shop.store, 1, shop.clock.now())
    for _attempt in range(20):
        others = plan(shop.store, 1, shop.clock.now()) if among_others else []
        shop.send("RCPT", answer, *["250 2.1.5 ok"] * len(others))
        with shop.store.read() as connection:
            query = tables.touches.select().where(tables.touches.c.id == number)
            touch = connection.execute(query).one()
        if touch.state == "expired":
            return
        shop.clock.moment = max(touch.next_at, shop.clock.now())
    raise AssertionError("it never expires")


def test_a_mailbox_that_is_full_to_the_end_counts_as_one_soft_bounce(shop: Shop) -> None:
    until_it_expires(shop, "452 4.2.2 mailbox full")

    shop.listen()
    shop.listen()

    assert shop.reasons == [("soft", "mailboxfull")]
    assert shop.suppressed == []


def test_a_server_that_has_no_time_to_the_end_is_nobodys_fault(shop: Shop) -> None:
    until_it_expires(shop, "451 4.3.2 try again later")

    shop.listen()

    assert shop.reasons == []


def test_a_mail_that_expires_for_our_own_fault_is_told_and_nobody_is_given_up(shop: Shop) -> None:
    until_it_expires(shop, "553 5.1.8 bad sender")
    shop.listen()
    assert shop.alerts == ["account:main/rcpt"]

    until_it_expires(shop, "550 Sender verify failed", among_others=True)
    shop.listen()

    assert shop.reasons == [("ours", "badsender")] * 2
    assert (shop.suppressed, shop.alerts) == ([], ["returned/badsender"])


def test_what_is_still_tried_is_not_counted(shop: Shop) -> None:
    plan(shop.store, 1, shop.clock.now())
    shop.send("RCPT", "452 4.2.2 mailbox full")

    shop.listen()

    assert shop.reasons == []
