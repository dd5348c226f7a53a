"""Who wanted no mail when the database was lost wants none of the one that was put back."""

from __future__ import annotations

import json
import shutil
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.app import optouts, privacy, reconciling, witnessing
from crm_mailer.app.reconciling import Marketing, OrderMail
from crm_mailer.delivering import FolderTransport, Rules, deliver, departed
from crm_mailer.model.campaign import Stream
from crm_mailer.model.choices import PAUSE, Act, ActKind, Choices, Wish
from crm_mailer.model.delivery import Outcome
from crm_mailer.model.message import Message
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import preferences, suppressions
from crm_mailer.store import tables as t
from tests.conftest import NOON, StandingClock
from tests.delivering.letters import PlainRenderer, plan
from tests.operating import test_restoring as restoring
from tests.operating.test_restoring import Shop

shop = restoring.shop


def act(shop: Shop, kind: ActKind, number: int, choices: Choices | None = None) -> None:
    """What a customer does on a page, a minute after the last one did; taken in at once."""
    shop.clock.forward(minutes=1)
    now = shop.clock.now()
    with shop.app.store.write() as connection:
        one = Act(kind=kind, touch_id=number, at=now, choices=choices or Choices())
        preferences.add(connection, one)
        preferences.take_in(connection, now)


def later_mail(shop: Shop, customer: int) -> int:
    """A mail that is planned now for a customer who is there."""
    [number] = plan(shop.app.store, 1, NOON, campaign="welcome")
    values = {"customer_id": customer, "planned_at": shop.clock.now()}
    with shop.app.store.write() as connection:
        connection.execute(t.touches.update().where(t.touches.c.id == number).values(values))
    return number


def stop(shop: Shop, address: str, *, source: str = "mail") -> None:
    with shop.app.store.write() as connection:
        suppressions.add(connection, address, SuppressionReason.UNSUBSCRIBED,
                         source=source, at=shop.clock.now())  # fmt: skip


def stopped(shop: Shop) -> set[str]:
    with shop.app.store.read() as connection:
        return set(connection.scalars(sa.select(t.suppressions.c.address_key)))


def loss(shop: Shop, kept: str = "kept.db") -> None:
    """The watch writes down what is new; then the backup takes the database's place."""
    shop.clock.forward(minutes=1)
    witnessing.bear(shop.app)
    shop.put_back(shop.home / kept)
    shop.clock.forward(minutes=5)


@pytest.mark.parametrize("kind", [ActKind.CONFIRM, ActKind.UNDO])
def test_an_opt_out_after_a_yes_is_kept(shop: Shop, kind: ActKind) -> None:
    [number] = plan(shop.app.store, 1, NOON)
    shop.send()
    witnessing.bear(shop.app)
    act(shop, ActKind.OPT_OUT, number)
    witnessing.bear(shop.app)
    shop.keep()
    act(shop, kind, number)  # lifts the one that is in the backup
    act(shop, ActKind.OPT_OUT, later_mail(shop, number))
    loss(shop)
    assert stopped(shop) == {"customer1@example.com"}
    shop.reconcile()
    assert stopped(shop) == {"customer1@example.com"}


def test_an_opt_out_that_was_taken_back_before_the_backup_stays_so(shop: Shop) -> None:
    [number] = plan(shop.app.store, 1, NOON)
    witnessing.bear(shop.app)
    act(shop, ActKind.OPT_OUT, number)
    witnessing.bear(shop.app)
    act(shop, ActKind.UNDO, number)
    shop.clock.forward(hours=1)
    shop.keep()
    loss(shop)
    shop.reconcile()
    assert stopped(shop) == set()


def test_what_was_chosen_by_a_mail_that_is_lost_is_chosen_again(shop: Shop) -> None:
    first, second = plan(shop.app.store, 2, NOON)
    witnessing.bear(shop.app)
    shop.keep()
    shop.clock.forward(minutes=10)
    lost = later_mail(shop, first)
    news = frozenset({"news"})
    act(shop, ActKind.CHOOSE, lost, Choices(wants_fewer=True, topics_off=news, pause=Wish.BEGIN))
    act(shop, ActKind.CHOOSE, first, Choices(wants_fewer=False))
    paused = shop.clock.now() - timedelta(minutes=1) + PAUSE
    other = later_mail(shop, second)
    with shop.app.store.write() as connection:  # the page has it, and nobody took it in
        one = Act(kind=ActKind.OPT_OUT, touch_id=other, at=shop.clock.now())
        preferences.add(connection, one)
    loss(shop)
    for _time in range(2):  # broken off, or done by another host, too
        reconciling.reconcile(shop.app, by="ann", since=NOON)
        with shop.app.store.read() as connection:
            row = connection.execute(sa.select(t.customers).where(t.customers.c.id == first)).one()
        assert (row.topics_off, row.wants_fewer) == ("news,", False)
        assert row.snoozed_until == paused
        assert stopped(shop) == {f"customer{second}@example.com"}
        assert optouts.missing(shop.app, NOON) == []


def test_an_opt_out_that_was_learnt_late_is_kept(shop: Shop) -> None:
    plan(shop.app.store, 1, NOON)
    witnessing.bear(shop.app)
    early = shop.clock.now()
    shop.clock.forward(hours=5)
    witnessing.bear(shop.app)
    shop.keep()
    with shop.app.store.write() as connection:
        suppressions.add(connection, "late@x.test", SuppressionReason.UNSUBSCRIBED,
                         source="webhook", at=early)  # fmt: skip
    loss(shop)
    assert shop.reconcile().wishes == 1
    assert stopped(shop) == {"late@x.test"}


def test_another_host_does_not_put_back_who_was_erased(shop: Shop) -> None:
    [number] = plan(shop.app.store, 1, NOON)
    witnessing.bear(shop.app)
    shop.keep()
    stop(shop, "customer1@example.com")
    witnessing.bear(shop.app)
    folder = shop.app.journal_folder
    other = shop.home / "other"
    shutil.copytree(folder, other)
    privacy.erase(shop.app, str(number), by="ann")
    loss(shop)
    shop.reconcile()
    for path in other.glob("wishes-*"):  # the turn of the other host
        shutil.copy(path, folder)
    assert optouts.missing(shop.app, None) == []
    optouts.put_back(shop.app, None, shop.clock.now())
    assert stopped(shop) == set()
    for path in folder.glob("wishes-*"):
        path.unlink()
    optouts.write_down(shop.app)
    stop(shop, "customer1@example.com")  # from a mailbox, say
    assert optouts.write_down(shop.app) == 0


def test_another_host_forgets_within_a_minute_who_was_erased(shop: Shop) -> None:
    first, second = plan(shop.app.store, 2, NOON)
    witnessing.bear(shop.app)
    for number in (first, second):
        act(shop, ActKind.OPT_OUT, number)
        stop(shop, f"customer{number}@example.com")
    witnessing.bear(shop.app)
    [path] = shop.app.journal_folder.glob("wishes-*")
    before = path.read_text()
    privacy.erase(shop.app, str(first), by="ann")
    path.write_text(before)  # as the other host's folder has it

    optouts.write_down(shop.app)

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {one.get("customer") for one in lines if one["kind"] == "act"} == {second}
    assert [one["address"] for one in lines if one["kind"] == "stop"] == [
        f"customer{second}@example.com"
    ]


def test_a_damaged_file_of_how_far_was_written_begins_anew(shop: Shop) -> None:
    witnessing.bear(shop.app)
    place = shop.app.journal_folder / optouts.PLACE
    sound = json.loads(place.read_text())
    for number, damaged in enumerate(("[]", "7", '"x"', '{"data', "", "[7]")):
        place.write_text(damaged)
        assert optouts.write_down(shop.app) == 0
        assert json.loads(place.read_text()).keys() == sound.keys()
        stop(shop, f"gone{number}@x.test")
        assert optouts.write_down(shop.app) == 1


def test_an_erasure_does_not_lose_what_is_written_down_meanwhile(shop: Shop) -> None:
    witnessing.bear(shop.app)
    for number in range(30):
        stop(shop, f"gone{number}@x.test")
    witnessing.bear(shop.app)

    def go_on() -> None:
        for number in range(30):
            stop(shop, f"new{number}@x.test")
            optouts.write_down(shop.app)

    thread = threading.Thread(target=go_on)
    thread.start()
    for number in range(30):
        assert optouts.forget(shop.app, [f"gone{number}@x.test"], []) == 1
    thread.join()
    [path] = shop.app.journal_folder.glob("wishes-*")
    assert len(path.read_text().splitlines()) == 30


class Slow(FolderTransport):
    """A server that takes a minute for each mail."""

    def _written(self, message: Message) -> Outcome:
        assert isinstance(self.clock, StandingClock)
        self.clock.forward(minutes=1)
        return super()._written(message)


@pytest.mark.parametrize("stream", [Stream.TRANSACTIONAL, Stream.MARKETING])
def test_what_left_long_after_the_last_count_leaves_once(shop: Shop, stream: Stream) -> None:
    planned = plan(shop.app.store, 12, NOON, stream=stream)
    shop.keep()
    shop.clock.forward(minutes=1)
    deliver(shop.app.store, PlainRenderer(), Slow(shop.home / "sent", shop.clock),
            clock=shop.clock, owner="slow", journal_folder=shop.app.journal_folder,
            rules=Rules(gap=None))  # fmt: skip
    shop.put_back(shop.home / "kept.db")
    shop.clock.forward(minutes=5)
    done = reconciling.reconcile(
        shop.app, by="ann", since=NOON, order_mail=OrderMail.RESEND, marketing=Marketing.SEND
    )
    assert done.accepted == 12
    shop.send()
    assert [shop.sent[one] for one in planned] == [1] * 12


def test_what_one_host_skipped_another_knows_to_have_left(shop: Shop) -> None:
    planned = restoring.lost_day(shop)
    [log] = departed.files(shop.app.journal_folder)
    log.rename(shop.home / log.name)
    assert shop.reconcile().skipped == 3
    shutil.copy(shop.home / log.name, log)
    assert reconciling.reconcile(shop.app, by="ann", since=NOON).accepted == 3
    assert [shop.state(one) for one in planned[:3]] == ["accepted"] * 3
