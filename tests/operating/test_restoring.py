"""A database that was put back: nothing leaves from it before it is known what left since."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, databases, optouts, privacy, reconciling, witnessing
from crm_mailer.app.reconciling import Marketing, OrderMail
from crm_mailer.delivering import DeliverReport, FolderTransport, Rules, deliver, departed, lost
from crm_mailer.delivering import witness as witness_file
from crm_mailer.model.campaign import Stream
from crm_mailer.model.choices import Act, ActKind
from crm_mailer.model.errors import NotPossible, StoreError, Unreconciled
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.touch import Touch, TouchState
from crm_mailer.settings import read_settings
from crm_mailer.store import (
    audit,
    migrate,
    preferences,
    staff,
    suppressions,
    touches,
    witnesses,
)
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.witnesses import Gap
from tests.conftest import NOON, StandingClock
from tests.delivering.letters import PlainRenderer, plan, states


@dataclass
class Shop:
    """A shop that sends into a folder, and whose database can be put back."""

    home: Path
    clock: StandingClock
    app: App
    rounds: int = 0

    def send(self) -> DeliverReport:
        self.rounds += 1
        return deliver(
            self.app.store,
            PlainRenderer(),
            FolderTransport(self.home / "sent", self.clock),
            clock=self.clock,
            owner=f"sender-{self.rounds}",
            journal_folder=self.app.journal_folder,
            rules=Rules(gap=witnessing.gap(self.app)),
        )

    @property
    def sent(self) -> Counter[int]:
        """How often each mail left, as the server has it."""
        return Counter(
            int(path.stem.rpartition("-")[2]) for path in (self.home / "sent").glob("*.eml")
        )

    @property
    def database(self) -> Path:
        return self.home / "crm-mailer.db"

    def keep(self, name: str = "kept.db") -> Path:
        """A copy as a disk's snapshot makes it: it does not know that it is one."""
        kept = self.home / name
        with closing(sqlite3.connect(self.database)) as one, closing(sqlite3.connect(kept)) as two:
            one.backup(two)
        return kept

    def put_back(self, kept: Path) -> None:
        self.app.close()
        for end in ("-wal", "-shm"):
            self.database.with_name(self.database.name + end).unlink(missing_ok=True)
        kept.replace(self.database)
        self.open()

    def open(self) -> None:
        self.app = App(self.home, read_settings(self.home, {}), self.clock)

    def reconcile(self, order_mail: OrderMail = OrderMail.HOLD) -> reconciling.Reconciled:
        return reconciling.reconcile(self.app, by="ann", order_mail=order_mail)

    def state(self, number: int) -> str:
        with self.app.store.read() as connection:
            query = sa.select(t.touches.c.state).where(t.touches.c.id == number)
            return str(connection.scalar(query))


@pytest.fixture
def shop(tmp_path: Path, empty_database: Path) -> Iterator[Shop]:
    home, clock = tmp_path / "shop", StandingClock()
    (home / "campaigns").mkdir(parents=True)
    (home / "campaigns" / "shop.yaml").write_text("name: Lotus\n")
    shutil.copy(empty_database, home / "crm-mailer.db")
    one = Shop(home, clock, App(home, read_settings(home, {}), clock))
    yield one
    one.app.close()


def lost_day(shop: Shop) -> list[int]:
    """Five mails of the shop are planned and backed up; three leave after that."""
    planned = plan(shop.app.store, 5, NOON)
    with shop.app.store.write() as connection:
        late = {"due_at": NOON + timedelta(hours=2), "next_at": NOON + timedelta(hours=2)}
        for number in planned[3:]:
            connection.execute(t.touches.update().where(t.touches.c.id == number).values(late))
    kept = shop.keep()
    shop.clock.forward(minutes=30)
    shop.send()
    shop.clock.forward(minutes=5)
    shop.put_back(kept)
    return planned


def test_nothing_leaves_from_a_database_that_is_older_than_its_folder(shop: Shop) -> None:
    lost_day(shop)
    with pytest.raises(Unreconciled, match="older") as caught:
        shop.send()
    assert "db reconcile" in caught.value.hint
    assert shop.sent.total() == 3
    with shop.app.store.read() as connection:
        assert witnesses.restored(connection) is not None  # other hosts see it, too


def test_what_left_is_known_again_and_leaves_once(shop: Shop) -> None:
    planned = lost_day(shop)

    missing = reconciling.look(shop.app)
    assert (missing.left, missing.takes_for_unsent, missing.marketing_to_skip) == (3, 3, 3)
    assert states(shop.app.store) == {"planned": 5}  # a look changes nothing

    done = shop.reconcile()
    assert (done.accepted, done.skipped) == (3, 0)
    shop.clock.forward(hours=3)
    assert shop.send().outcomes["accepted"] == 2  # what was not due yet
    assert shop.sent == Counter(planned)
    with shop.app.store.read() as connection:
        assert audit.audit(connection, shop.clock.now()).troubles == {}
        assert [line.path for line in staff.list_log(connection)] == ["db reconcile"]


def test_marketing_of_which_nobody_knows_is_skipped_and_order_mail_held(shop: Shop) -> None:
    orders = plan(shop.app.store, 1, NOON, stream=Stream.TRANSACTIONAL, campaign="orders")
    planned = lost_day(shop)
    for path in departed.files(shop.app.journal_folder):
        path.unlink()  # the folder was on the disk that broke

    done = shop.reconcile()
    assert (done.accepted, done.skipped, done.order_mail) == (0, 3, 1)
    assert [shop.state(one) for one in planned] == ["skipped"] * 3 + ["planned"] * 2
    assert shop.state(orders[0]) == "held"
    before = shop.sent
    with shop.app.store.write() as connection:
        assert touches.let_go(connection, orders) == 1  # a person looked
    shop.send()
    assert shop.sent == before + Counter(orders)


def test_order_mail_is_sent_again_where_a_person_wants_it(shop: Shop) -> None:
    orders = plan(shop.app.store, 2, NOON, stream=Stream.TRANSACTIONAL, campaign="orders")
    lost_day(shop)
    done = shop.reconcile(OrderMail.RESEND)
    assert (done.accepted, done.order_mail) == (5, 0)  # what left is known, and leaves no more
    shop.send()
    assert all(shop.sent[one] == 1 for one in orders)


def test_order_mail_may_leave_for_the_second_time_where_nobody_knows(shop: Shop) -> None:
    orders = plan(shop.app.store, 2, NOON, stream=Stream.TRANSACTIONAL, campaign="orders")
    lost_day(shop)
    for path in departed.files(shop.app.journal_folder):
        path.unlink()
    assert shop.reconcile(OrderMail.RESEND).order_mail == 2
    shop.send()
    assert [shop.sent[one] for one in orders] == [2, 2]


def test_marketing_leaves_where_the_folder_knows_all_that_left(shop: Shop) -> None:
    planned = plan(shop.app.store, 4, NOON)
    shop.send()
    more = plan(shop.app.store, 3, NOON)
    kept = shop.keep()
    with shop.app.store.write() as connection:  # these wait for the morning
        night = {"next_at": NOON + timedelta(hours=9)}
        connection.execute(t.touches.update().where(t.touches.c.id.in_(more[1:])).values(night))
    shop.clock.forward(minutes=10)
    shop.send()
    shop.put_back(kept)
    with pytest.raises(Unreconciled):
        shop.send()
    done = reconciling.reconcile(shop.app, by="ann", marketing=Marketing.SEND)
    assert (done.accepted, done.skipped) == (1, 0)
    shop.send()
    assert shop.sent == Counter([*planned, *more])


def test_the_folder_is_not_believed_where_it_knows_a_part_only(shop: Shop) -> None:
    lost_day(shop)
    for path in departed.files(shop.app.journal_folder):
        path.rename(path.with_name("departed-2026-11-03.log"))
    with pytest.raises(NotPossible, match="does not know all"):
        reconciling.reconcile(
            shop.app, by="ann", marketing=Marketing.SEND, since=NOON - timedelta(hours=1)
        )


def test_whoever_wanted_no_mail_in_the_lost_time_gets_none(shop: Shop) -> None:
    [wrote, clicked, called, *_] = plan(shop.app.store, 3, NOON)
    shop.send()
    witnessing.bear(shop.app)
    kept = shop.keep()
    shop.clock.forward(minutes=30)
    with shop.app.store.write() as connection:
        address, at = f"customer{wrote}@example.com", shop.clock.now()
        reason = SuppressionReason.UNSUBSCRIBED
        suppressions.add(connection, address, reason, source="reply", at=at)
        preferences.add(
            connection, Act(kind=ActKind.OPT_OUT, touch_id=clicked, at=shop.clock.now())
        )
    witnessing.bear(shop.app)
    shop.put_back(kept)
    with pytest.raises(Unreconciled):  # although no mail left since
        shop.send()

    assert reconciling.look(shop.app).wishes == 2
    assert shop.reconcile().wishes == 2
    with shop.app.store.read() as connection:
        stopped = suppressions.stopped(
            connection,
            [f"customer{one}@example.com" for one in (wrote, clicked, called)],
            Stream.MARKETING,
        )
    assert set(stopped) == {f"customer{wrote}@example.com", f"customer{clicked}@example.com"}
    assert reconciling.look(shop.app).wishes == 0


def test_a_person_who_is_erased_is_in_no_file_beside_the_database(shop: Shop) -> None:
    [number] = plan(shop.app.store, 1, NOON)
    witnessing.bear(shop.app)
    with shop.app.store.write() as connection:
        suppressions.add(connection, f"customer{number}@example.com",
                         SuppressionReason.UNSUBSCRIBED, source="x", at=NOON)  # fmt: skip
    witnessing.bear(shop.app)
    assert optouts.missing(shop.app, None) == []  # the database knows it
    found = b"".join(path.read_bytes() for path in shop.app.journal_folder.iterdir())
    assert b"customer1@" in found
    privacy.erase(shop.app, str(number), by="ann")
    found = b"".join(path.read_bytes() for path in shop.app.journal_folder.iterdir())
    assert b"customer1@" not in found


@pytest.mark.parametrize("stream", [Stream.MARKETING, Stream.TRANSACTIONAL])
def test_a_mail_that_is_planned_anew_after_the_restore_does_not_leave_twice(
    shop: Shop, stream: Stream
) -> None:
    kept = shop.keep()
    [number] = plan(shop.app.store, 1, NOON, stream=stream)
    shop.send()
    with shop.app.store.read() as connection:
        person = connection.execute(sa.select(t.customers)).mappings().one()
        touch = connection.execute(sa.select(t.touches)).mappings().one()
    shop.put_back(kept)
    with shop.app.store.write() as connection:
        connection.execute(t.customers.insert().values(dict(person)))
    shop.reconcile()
    shop.clock.forward(hours=1)
    again = {"state": "planned", "next_at": NOON, "attempts": 0, "settled_at": None, "owner": "",
             "planned_at": shop.clock.now(), "due_at": shop.clock.now()}  # fmt: skip
    with shop.app.store.write() as connection:
        connection.execute(t.touches.insert().values({**touch, **again}))
    for _hour in range(3):
        shop.send()
        shop.clock.forward(hours=1, minutes=1)
    assert shop.state(number) == ("skipped" if stream is Stream.MARKETING else "held")
    assert shop.sent == Counter([number])
    with shop.app.store.write() as connection:
        touches.let_go(connection, [number])  # a person looked, and wants it
    shop.send()
    assert shop.sent[number] == (1 if stream is Stream.MARKETING else 2)


@pytest.mark.parametrize("step", ["opt-outs", "erasures", "mails"])
def test_a_reconciling_that_is_broken_off_is_done_again(shop: Shop, step: str) -> None:
    planned = lost_day(shop)

    def stop(what: str) -> None:
        if what == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconciling.reconcile(shop.app, by="ann", on_step=stop)
    with pytest.raises(Unreconciled):
        shop.send()
    shop.reconcile()
    shop.clock.forward(hours=3)
    shop.send()
    assert shop.sent == Counter(planned)


def test_another_database_is_told_from_an_older_one(shop: Shop) -> None:
    plan(shop.app.store, 1, NOON)
    shop.send()
    shop.app.close()
    other = shop.home / "other.db"
    store = open_store(f"sqlite:///{other}")
    migrate.upgrade(store)
    store.close()
    shop.put_back(other)
    plan(shop.app.store, 1, NOON)
    with pytest.raises(Unreconciled, match="not the database"):
        shop.send()
    shop.reconcile()
    assert shop.state(1) == TouchState.SKIPPED


def test_a_database_that_was_deleted_is_not_made_anew_in_silence(shop: Shop) -> None:
    plan(shop.app.store, 1, NOON)
    shop.send()
    shop.app.close()
    for path in shop.home.glob("crm-mailer.db*"):
        path.unlink()
    shop.open()
    with pytest.raises(StoreError, match="gone") as caught:
        _ = shop.app.store
    assert "db restore" in caught.value.hint


@pytest.mark.parametrize("trace", ["crm-mailer.db", "journal/witness", "erasures.jsonl"])
def test_a_mistyped_path_is_not_made_an_empty_database_in_silence(
    tmp_path: Path, trace: str
) -> None:
    home, mistyped = tmp_path / "shop", tmp_path / "typo.db"
    (home / "journal").mkdir(parents=True)
    (home / trace).write_text("x")
    settings = {"CRM_MAILER_DATABASE": f"sqlite:///{mistyped}"}
    with pytest.raises(StoreError, match=f"worked in before: it has {trace.split('/')[0]}") as no:
        _ = App(home, read_settings(home, settings), StandingClock()).store
    assert "db upgrade" in no.value.hint
    assert not mistyped.exists()


def test_a_first_start_makes_the_database_that_the_settings_name(tmp_path: Path) -> None:
    home, named = tmp_path / "shop", tmp_path / "data" / "shop.db"
    (home / "journal").mkdir(parents=True)
    settings = {"CRM_MAILER_DATABASE": f"sqlite:///{named}"}
    App(home, read_settings(home, settings), StandingClock()).store.close()
    assert named.exists()


def test_a_damaged_witness_stops_sending(shop: Shop) -> None:
    plan(shop.app.store, 1, NOON)
    shop.send()
    (shop.app.journal_folder / witness_file.FILE).write_bytes(b"\0" * 256)
    plan(shop.app.store, 1, NOON)
    with pytest.raises(Unreconciled, match="damaged"):
        shop.send()
    shop.reconcile()
    assert shop.send().outcomes["accepted"] == 0  # it was due in the time of which nobody knows


def test_a_sound_database_is_not_reconciled(shop: Shop) -> None:
    plan(shop.app.store, 1, NOON)
    shop.send()
    assert not reconciling.look(shop.app).is_needed
    with pytest.raises(NotPossible, match="left last"):
        shop.reconcile()


@dataclass
class Host:
    """One of several hosts that share a server's database, each with its own folder."""

    store: Store
    home: Path
    app: App

    def send(self, owner: str) -> DeliverReport:
        clock, folder = StandingClock(), self.app.journal_folder
        return deliver(self.store, PlainRenderer(), FolderTransport(self.home / "sent", clock),
                       clock=clock, owner=owner, journal_folder=folder,
                       rules=Rules(gap=witnessing.gap(self.app)))  # fmt: skip


@pytest.fixture
def hosts(postgres_store: Store, tmp_path: Path) -> Iterator[list[Host]]:
    place = postgres_store.url.render_as_string(hide_password=False)
    found = []
    for name in ("mill", "barn"):
        home = tmp_path / name
        (home / "campaigns").mkdir(parents=True)
        (home / "campaigns" / "shop.yaml").write_text("name: Lotus\n")
        settings = read_settings(home, {"CRM_MAILER_DATABASE": place})
        found.append(Host(postgres_store, home, App(home, settings, StandingClock())))
    yield found
    for host in found:
        host.app.close()


@pytest.mark.postgres
def test_hosts_that_share_a_database_wait_for_one_another(hosts: list[Host]) -> None:
    mill, barn = hosts
    for host in hosts:
        plan(host.store, 1, NOON)
        assert host.send(host.home.name).outcomes["accepted"] == 1
    with mill.store.write() as connection:  # the server is put back to before that
        for table in (t.deliveries, t.messages):
            connection.execute(table.delete())
        connection.execute(t.touches.update().values(state="planned", next_at=NOON, attempts=0,
                                                     settled_at=None))  # fmt: skip
        connection.execute(t.witnesses.update().values(number=0))
    for host in hosts:  # one finds it, and the others see that
        with pytest.raises(Unreconciled):
            host.send("again")
    done = reconciling.reconcile(mill.app, by="ann")
    assert (done.accepted, len(done.waits_for)) == (1, 1)
    with pytest.raises(Unreconciled):
        mill.send("again")
    assert reconciling.reconcile(barn.app, by="ann").waits_for == ()
    plan(mill.store, 1, NOON + timedelta(hours=-1))
    for host in hosts:
        host.send("last")
        assert len(list((host.home / "sent").glob("*.eml"))) == 1


@pytest.mark.postgres
def test_a_host_with_the_folder_of_another_database_stops_itself_alone(hosts: list[Host]) -> None:
    mill, barn = hosts
    witnessing.bear(mill.app)
    other = witness_file.Mark(database="0123456789abcdef", folder="ff", number=7, at=NOON)
    witness_file.write(barn.app.journal_folder, other)
    with pytest.raises(Unreconciled, match="belongs to another database"):
        witnessing.bear(barn.app)
    with pytest.raises(Unreconciled, match="belongs to another database"):
        databases.refuse_senders(barn.app, is_told=False)
    witnessing.bear(mill.app)


@pytest.mark.postgres
def test_a_host_whose_witness_is_damaged_does_not_wait_for_itself(hosts: list[Host]) -> None:
    mill, _barn = hosts
    witnessing.bear(mill.app)
    (mill.app.journal_folder / witness_file.FILE).write_bytes(b"\0" * 256)
    with pytest.raises(Unreconciled, match="damaged"):
        witnessing.bear(mill.app)
    assert reconciling.reconcile(mill.app, by="ann").waits_for == ()
    witnessing.bear(mill.app)


GAP = Gap(since=NOON - timedelta(hours=8), until=NOON, mended_at=NOON + timedelta(hours=1),
          is_order_mail_held=True)  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "hours", "reason", "had", "fate"),
    [
        ("marketing", 0, "", False, "skipped"),
        ("marketing", 2, "", False, "leaves"),
        ("marketing", 2, "", True, "skipped"),
        ("marketing", 48, "", True, "leaves"),
        ("marketing", 0, "restored", True, "leaves"),
        ("transactional", 0, "", False, "waits"),
        ("transactional", 0, "", True, "skipped"),
        ("transactional", 2, "", True, "waits"),
        ("transactional", 2, "", False, "leaves"),
        ("transactional", 48, "", True, "leaves"),
        ("transactional", -48, "restored", False, "leaves"),
    ],
)
def test_what_may_leave_after_a_restore(
    stream: str, hours: int, reason: str, had: bool, fate: str
) -> None:
    touch = Touch(
        id=1, campaign="spring", step="hello", anchor="order:1", customer_id=1,
        stream=Stream(stream), state=TouchState.CLAIMED, template="t",
        due_at=NOON + timedelta(hours=hours), reason=reason,
    )  # fmt: skip
    found = lost.obstacle(touch, GAP, {1} if had else set())
    told = "leaves" if found is None else "waits" if found.is_held else "skipped"
    assert told == fate
