"""What has gone from the ledger is missed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from crm_mailer.delivering import recover
from crm_mailer.store import audit, plan_runs, soundness
from crm_mailer.store import tables as t
from crm_mailer.store.audit import GONE, Audit
from crm_mailer.store.engine import Store
from tests.conftest import NOON
from tests.store.ledger import mail, row_of

#: When the mails of the ledger were planned.
PLANNED = NOON - timedelta(days=1)


def audited(store: Store) -> Audit:
    with store.read() as connection:
        return audit.audit(connection, NOON)


def planned(store: Store, campaign: str, number: int) -> None:
    with store.write() as connection:
        plan_runs.add(connection, campaign, PLANNED, {"saved": number, "version": "a"})


def remove(store: Store, table: sa.Table, number: int) -> None:
    """As a shell does that knows nothing of references."""
    key = "id" if table is t.touches else "touch_id"
    statement = f"DELETE FROM {table.name} WHERE {key} = {number}"
    if store.is_sqlite:
        with closing(sqlite3.connect(str(store.url.database))) as shell:
            shell.execute(statement)
            shell.commit()
    else:
        with store.write() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql(statement)


def test_a_planned_mail_that_is_gone_is_missed(store: Store) -> None:
    numbers = [mail(store, "planned") for _ in range(3)]
    mail(store, "planned", campaign="autumn")
    planned(store, "spring", 2)
    planned(store, "spring", 1)
    planned(store, "autumn", 1)
    before = audited(store)

    remove(store, t.messages, numbers[1])
    remove(store, t.touches, numbers[1])
    after = audited(store)

    assert before.is_sound
    assert (after.total, after.troubles) == (3, {GONE: 1})
    assert after.examples == {GONE: ("spring",)}
    with store.read() as connection:
        told = [one for one in soundness.look(connection, NOON) if one.what == "ledger"]
    assert not told[0].is_well


def test_older_mails_do_not_hide_what_is_gone(store: Store) -> None:
    mail(store, "planned", planned_at=PLANNED - timedelta(days=40))
    planned(store, "spring", 1)

    assert audited(store).troubles == {GONE: 1}


def test_a_campaign_that_lost_all_its_mails_is_named(store: Store) -> None:
    planned(store, "spring", 7)

    assert (audited(store).troubles, audited(store).examples) == ({GONE: 7}, {GONE: ("spring",)})


def test_moves_of_a_memory_curve_are_no_mails(store: Store) -> None:
    number = mail(store, "planned")
    planned(store, "spring", 2)
    with store.write() as connection:
        connection.execute(
            sa.insert(t.curve_states).values(
                customer_id=number, campaign="spring", anchor="order:1", anchored_at=NOON,
                retention=0.5, first_half_life=1, half_life=1, next_half_life=1, last_at=NOON,
            )
        )  # fmt: skip

    assert audited(store).is_sound


def test_what_is_left_of_a_mail_that_is_gone_is_found(store: Store) -> None:
    number = mail(store, "accepted", "accepted")
    remove(store, t.touches, number)

    found = audited(store)

    assert found.troubles == {
        "an attempt is on record of a mail that is not": 1,
        "a message is on record of a mail that is not": 1,
    }
    assert set(found.examples.values()) == {(str(number),)}


def test_a_claim_of_nobody_is_found_and_the_next_round_puts_it_in_doubt(
    store: Store, tmp_path: Path
) -> None:
    number = mail(store, "claimed", attempts=1)
    before = audited(store).troubles

    recover(store, tmp_path, now=NOON)

    assert before == {"claimed, but by nobody or without an end": 1}
    assert (row_of(store, number).state, audited(store).troubles) == ("in_doubt", {})
