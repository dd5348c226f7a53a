"""What servers refuse at hand-over has the effects of a bounce, for the same reasons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crm_mailer.delivering import deliver
from crm_mailer.delivering.routing import Outlet, Ways
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.listening import understand
from crm_mailer.model.words import Words
from crm_mailer.store import alerts, suppressions, tables
from crm_mailer.store.engine import Store
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, account, plan
from tests.listening.conftest import KEYS
from tests.servers.smtp_faults import fault_server, in_turn, reply

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

    def send(self, stage: str, *answers: str) -> None:
        with fault_server({stage: in_turn(*map(reply, answers))}) as server:
            way = SmtpTransport(account(server.port, connections=1))
            deliver(
                self.store,
                PlainRenderer(),
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
        with self.store.read() as connection:
            return [one.cause for one in alerts.list_open(connection)]

    @property
    def reasons(self) -> list[tuple[str, str]]:
        with self.store.read() as connection:
            rows = connection.execute(tables.refusals.select())
            return [(row.kind, row.reason) for row in rows]


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
    assert {cause for cause in shop.alerts if cause.startswith("returned")} == ours


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


def until_it_expires(shop: Shop, answer: str) -> None:
    """A mail for a new customer meets this answer until its time is over."""
    plan(shop.store, 1, shop.clock.now())
    for _attempt in range(20):
        shop.send("RCPT", answer)
        with shop.store.read() as connection:
            touch = connection.execute(tables.touches.select()).one()
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


def test_what_is_still_tried_is_not_counted(shop: Shop) -> None:
    plan(shop.store, 1, shop.clock.now())
    shop.send("RCPT", "452 4.2.2 mailbox full")

    shop.listen()

    assert shop.reasons == []
