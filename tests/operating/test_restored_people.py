"""Who was erased stays so in a database that was put back, also by what a mailbox brings again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, listening, privacy, reconciling
from crm_mailer.home import make_home
from crm_mailer.model.errors import NotPossible
from crm_mailer.settings import read_settings
from crm_mailer.store import tables as t
from tests.conftest import NOON, StandingClock
from tests.listening.conftest import letter
from tests.segmenting.people import add_buyer
from tests.servers.imap_faults import HOST, PASSWORD, USER, BadServer, running

ADDRESS = "anna@example.com"
BROKEN, ANGRY = "The lamp arrived broken. I want a refund.", "My lamp is still broken! Refund me!"


@pytest.fixture
def server() -> Iterator[BadServer]:
    with running(BadServer()) as one:
        yield one


@pytest.fixture
def home(tmp_path: Path, server: BadServer, empty_database: Path) -> Path:
    make_home(tmp_path / "shop")
    shutil.copy(empty_database, tmp_path / "shop" / "crm-mailer.db")
    (tmp_path / "shop" / "crm-mailer.toml").write_text(
        f'[mailboxes.care]\nhost = "{HOST}"\nport = {server.port}\nusername = "{USER}"\n'
        f'password = "{PASSWORD}"\ntls = "none"\nfirst_contact = "all"\n'
    )
    return tmp_path / "shop"


@pytest.fixture
def app(home: Path, clock: StandingClock) -> Iterator[App]:
    opened = App(home, read_settings(home, {}), clock)
    add_buyer(opened.store, 5, name="Anna Secretova", email=ADDRESS, email_key=ADDRESS)
    yield opened
    opened.close()


def rows(app: App, table: sa.Table) -> list[sa.RowMapping]:
    with app.store.read() as connection:
        return list(connection.execute(sa.select(table).order_by(table.c.id)).mappings())


def put_back(app: App, kept: Path) -> None:
    app.store.close()
    for path in app.home.glob("crm-mailer.db*"):
        path.unlink()
    shutil.copy(kept, app.home / "crm-mailer.db")


def keep(app: App) -> Path:
    kept = app.home.parent / "kept.db"
    with closing(sqlite3.connect(app.home / "crm-mailer.db")) as line:
        line.execute("VACUUM INTO ?", (str(kept),))
    return kept


def test_a_complaint_of_who_was_erased_is_a_strangers_after_a_restore(
    app: App, clock: StandingClock, server: BadServer
) -> None:
    kept = keep(app)
    server.inbox.put(letter(BROKEN, sender=ADDRESS, message_id="<1@x>"))
    listening.listen(app)
    privacy.erase(app, ADDRESS, by="test", is_forced=True)
    clock.forward(hours=2)
    server.inbox.put(letter(ANGRY, sender=ADDRESS, message_id="<2@x>"),
                     date="02-Nov-2026 13:30:00 +0000")  # fmt: skip
    put_back(app, kept)

    done = reconciling.reconcile(app, by="ann", since=NOON - timedelta(hours=3))

    assert (done.read, done.erased) == (2, 1)
    assert rows(app, t.cases) == []
    assert [(one["own_text"], one["sender"]) for one in rows(app, t.replies)] == [
        ("", ""), (ANGRY, ADDRESS),
    ]  # fmt: skip
    tasks = [(one["kind"], one["state"], ANGRY in one["text"]) for one in rows(app, t.tasks)]
    assert tasks == [("who_is_it", "done", False), ("who_is_it", "open", True)]


def test_what_a_stranger_wrote_is_theirs_once_they_are_a_customer(
    app: App, server: BadServer
) -> None:
    stranger = "nobody@new.example"
    server.inbox.put(letter(ANGRY, sender=stranger, subject="Lamp"))
    listening.listen(app)
    add_buyer(app.store, 6, name="Nora New", email=stranger, email_key=stranger)
    with app.store.write() as connection:
        for key, text in (
            ("hook:shopify:1", f"shopify: customers/redact: erase them: {stranger}"),
            ("hook:shopify:2", "shopify: customers/redact: not.nobody@new.example"),
        ):
            connection.execute(sa.insert(t.tasks).values(
                kind="admin", key=key, text=text, created_at=NOON))  # fmt: skip
    held = privacy.export(app, stranger).tables["tasks"]
    assert [one["kind"] for one in held] == ["who_is_it", "admin"]

    privacy.erase(app, stranger, by="test")

    assert [(one["text"], one["state"]) for one in rows(app, t.tasks)] == [
        ("", "done"), ("", "done"), ("shopify: customers/redact: not.nobody@new.example", "open"),
    ]  # fmt: skip


def test_a_case_of_who_is_erased_is_over(app: App, server: BadServer) -> None:
    server.inbox.put(letter(BROKEN, sender=ADDRESS))
    listening.listen(app)
    assert [one["state"] for one in rows(app, t.cases)] == ["new"]
    with pytest.raises(NotPossible):
        privacy.erase(app, ADDRESS, by="test")

    privacy.erase(app, ADDRESS, by="test", is_forced=True)

    [case] = rows(app, t.cases)
    assert (case["state"], case["closed_at"], case["tell_at"]) == ("closed", NOON, None)
