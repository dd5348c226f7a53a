"""How large a shop becomes, and what leaving for the archive costs and saves.

Run: python -m benchmarks.size [--customers 20000] [--events 200000] [--engine postgres]
The last line printed is one JSON object. Of the events three tenths are mails (each with a touch,
a message and an attempt, which counts as an event of its own), three tenths are requests of the
last three months and one tenth are opens; the mails lie in twelve months. `bytes`: of a row of each
table with its indexes. `begin_month_s`: opening a month's partitions at the largest size.
`archive_month_s`: one month of mails, written, proved and deleted; of that `archive_month_cpu_s`
processor time of ours. Before and after eight of the
twelve months left: `claim_ms` 500 due mails are claimed, `tick_ms` a tick of planning with 14 live
campaigns, `customer_ms` the list of a customer's mails. `vacuum_s`: what a database has to do to
give back the room (PostgreSQL gives back that of a dropped partition by itself).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import plan
from benchmarks.plan import NOW
from benchmarks.shops import database
from crm_mailer.app import App, archiving, retention
from crm_mailer.home import make_home
from crm_mailer.settings import read_settings
from crm_mailer.store import claims, facts, migrate, outbox, partitions, web_events
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store, open_store

#: Months of mails, the last one that of `NOW`; those older than three may leave.
MONTHS = 12
#: Customers with an order; the others have mails only.
KNOWN = 20_000
MEASURED = ("customers", "touches", "messages", "deliveries", "web_events", "signals")
SERIES = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {last}) ",
    "postgresql": "WITH s(n) AS (SELECT generate_series(0, {last})) ",
}
#: Bytes that do not pack: as many as the fields of a mail take.
NOISE = {"sqlite": "randomblob(400)", "postgresql": "decode(repeat(md5(n::text), 25), 'hex')"}


@dataclass(slots=True, kw_only=True)
class Standing:
    """A clock that stands still."""

    moment: datetime = NOW

    def now(self) -> datetime:
        """Always the same moment."""
        return self.moment


def main() -> None:
    """Generate, measure, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--customers", type=int, default=20_000)
    options.add_argument("--events", type=int, default=200_000)
    options.add_argument("--engine", choices=["sqlite", "postgres"], default="sqlite")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, database(given.engine, Path(folder)) as url:
        store = open_store(url)
        migrate.upgrade(store)
        known = min(given.customers, KNOWN)
        plan.fill(store, known, known)
        more(store, known, given.customers)
        told = measure(store, Path(folder) / "shop", url, given.customers, given.events)
        store.close()
    print(json.dumps({
        "bench": "size", **told, "customers": given.customers, "events": given.events,
        "engine": "sqlite" if given.engine == "sqlite" else "postgresql",
    }))  # fmt: skip


def measure(store: Store, home: Path, url: str, people: int, events: int) -> dict[str, Any]:
    """Each figure by its name."""
    mails = events * 3 // 10
    began = fill(store, people, mails, requests=events * 3 // 10, opens=events // 10)
    make_home(home)
    app = App(home, read_settings(home, {"CRM_MAILER_DATABASE": url}), Standing())
    tidy(store)
    told: dict[str, Any] = {
        "begin_month_s": round(began, 2),
        "rows": rows(store),
        "bytes": bytes_of_a_row(store),
        "database_mb": megabytes(store),
        "before": looks(store, people),
    }
    first = month(0)
    took = plan.timed(lambda: archiving.archive(app, (first + DAY32).year, (first + DAY32).month))
    [one] = archiving.list_(app)
    told |= {
        "archive_month_s": round(took.clock, 1),
        "archive_month_cpu_s": round(took.cpu, 1),
        "archive_month_mails": one.counts["messages"],
        "archive_month_mb": round(sum(
            path.stat().st_size for path in (home / "archive").glob("*/*.gz")) / 1e6, 1),
    }  # fmt: skip
    took = plan.timed(lambda: archiving.archive(app, month(8).year, month(8).month))
    told["archive_7_months_s"] = round(took.clock, 1)
    told["archive_7_months_cpu_s"] = round(took.cpu, 1)
    told["purge_s"] = round(plan.timed(lambda: retention.purge(app, by="bench")).clock, 1)
    told["vacuum_s"] = round(plan.timed(lambda: tidy(store)).clock, 1)
    told |= {"database_mb_after": megabytes(store), "after": looks(store, people)}
    app.close()
    return told


DAY32 = timedelta(days=32)


def month(number: int) -> datetime:
    """Where a month begins; the last of `MONTHS` is that of `NOW`."""
    place = NOW.year * 12 + NOW.month - MONTHS + number
    return datetime(place // 12, place % 12 + 1, 1, tzinfo=UTC)


# ------------------------------------------------------------------ the rows


def more(store: Store, known: int, people: int) -> None:
    """Customers behind those who are known."""
    values = {"first": known + 1, "begin": int(month(0).timestamp())}
    with store.write() as connection:
        _insert(connection, CUSTOMERS, people - known, values)


def fill(store: Store, people: int, mails: int, *, requests: int, opens: int) -> float:
    """Months of mails; seconds that the last opening of partitions took."""
    each, took = mails // MONTHS, 0.0
    for number in range(MONTHS):
        begin = month(number)
        opening = partial(partitions.begin_month, store, month(number), least=0)
        took = plan.timed(opening).clock
        with store.write() as connection:
            first = (connection.scalar(sa.select(sa.func.max(t.touches.c.id))) or 0) + 1
            if not store.is_sqlite:
                first = int(connection.scalar(sa.text("SELECT last_value + 1 FROM touches_id_seq")))
            values = {
                "first": first, "people": people, "begin": int(begin.timestamp()),
                "step": 28 * 86_400 // max(each, 1),
            }  # fmt: skip
            for words in (TOUCHES, MESSAGES, DELIVERIES):
                _insert(connection, words, each, values)
            _insert(connection, SIGNALS, opens // MONTHS, values)
            if number >= MONTHS - 3:
                _insert(connection, REQUESTS, requests // 3, values)
            if not store.is_sqlite:
                last = {"last": first + each}
                connection.execute(sa.text("SELECT setval('touches_id_seq', :last)"), last)
    with store.write() as connection:
        last_request = connection.scalar(sa.select(sa.func.max(t.web_events.c.id)))
        facts.put(connection, web_events.CURSOR, last_request, NOW)
    return took


def _insert(connection: sa.Connection, words: str, number: int, values: dict[str, int]) -> None:
    if number < 1:
        return
    name = connection.dialect.name
    target, _select, rest = words.partition("SELECT")
    text = target + SERIES[name] + "SELECT" + rest + " FROM s"
    made = text.format(last=number - 1, noise=NOISE[name], **values)
    connection.exec_driver_sql(made.replace("%", "%%") if name == "postgresql" else made)


CUSTOMERS = """INSERT INTO customers (id, email, email_key, name, country, time_zone, birth_month,
 birth_day, created_at, changed_at)
 SELECT {first} + n, 'customer' || ({first} + n) || '@example.com',
 'customer' || ({first} + n) || '@example.com', 'Customer ' || n, 'GB', 'Europe/London',
 n % 12 + 1, n % 28 + 1, {begin}, {begin}"""
TOUCHES = """INSERT INTO touches (id, campaign, step, anchor, customer_id, stream, provider,
 template, campaign_version, anchored_at, due_at, state, attempts, planned_at, settled_at)
 SELECT {first} + n, 'past-' || (n % 20), 's1', 'order:' || ({first} + n),
 n * 7919 % {people} + 1, 'marketing', 'gmail', 'care/hello', 'v1', {begin} + n * {step},
 {begin} + n * {step}, 'accepted', 1, {begin} + n * {step}, {begin} + n * {step}"""
MESSAGES = """INSERT INTO messages (touch_id, message_id, rcpt_to, mail_from, subject, language,
 template, template_version, sha256, snapshot, rendered_at, links)
 SELECT {first} + n, '<aaaaaaaaaa.bbbbbbbbbbbbbbbb.' || ({first} + n) || '@mail.shop.example>',
 coalesce((SELECT email FROM customers WHERE customers.id = n * 7919 % {people} + 1), ''),
 'bounce+aaaaaaaaaa.bbbbbbbb' || n || '@shop.example',
 'Anna, your dress is on its way to you today', 'en', 'care/hello', 'a1b2c3d4e5f6',
 '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', {noise},
 {begin} + n * {step}, 12"""
DELIVERIES = """INSERT INTO deliveries (touch_id, attempt, outcome, phase, code, status, text,
 blame, host, took_ms, at)
 SELECT {first} + n, 1, 'accepted', 'dot', 250, '2.0.0', 'Ok: queued as 4ZxY7w3q5Pz1' || n, 'none',
 'relay.example:587', 31, {begin} + n * {step}"""
SIGNALS = """INSERT INTO signals (touch_id, kind, customer_id, at, learnt_at)
 SELECT {first} + n, 'human_open', n * 7919 % {people} + 1, {begin} + n * {step} + 3600,
 {begin} + n * {step} + 3700"""
REQUESTS = """INSERT INTO web_events (kind, touch_id, link_id, at, agent, address, method)
 SELECT 'open', {first} + n, NULL, {begin} + n * {step} + 3600,
 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)',
 '203.0.113.0', 'GET'"""
DUE = """INSERT INTO touches (campaign, step, anchor, customer_id, stream, provider, template,
 campaign_version, anchored_at, due_at, state, planned_at, next_at)
 SELECT 'now', 's1', 'today:' || n, 1 + n % {people}, 'marketing', 'gmail', 'care/hello', 'v1',
 {now}, {now}, 'planned', {now}, {now}"""


# ------------------------------------------------------------------ figures


def looks(store: Store, people: int) -> dict[str, float]:
    """Milliseconds of what is done all day."""
    with store.write() as connection:  # planning ends mails of campaigns that it does not know
        connection.execute(sa.delete(t.touches).where(t.touches.c.campaign == "now"))
        now = int(NOW.timestamp()) - 60
        _insert(connection, DUE, min(people, 2_000), {"now": now, "people": people})
    claim = _least(lambda: _claim(store))
    few = [one for number in range(2) for one in plan.lifecycle(number)][:14]
    plan.act(store, few, NOW)
    return {
        "claim_ms": claim,
        "tick_ms": _least(lambda: plan.act(store, few, NOW, is_quick=True)),
        "customer_ms": _least(lambda: _customer(store, people)),
    }


def _least(work: Callable[[], object], times: int = 9) -> float:
    return round(min(plan.timed(work).clock for _ in range(times)) * 1000, 1)


def _claim(store: Store) -> None:
    """Claim 500, and give them back."""
    now = NOW.replace(second=1)
    with store.engine.connect() as connection, connection.begin() as turn:
        found = claims.claim(
            connection, owner="bench", now=now, until=now + timedelta(minutes=1), boot_id="b",
            limit=500,
        )  # fmt: skip
        assert found
        turn.rollback()


def _customer(store: Store, people: int) -> None:
    with store.read() as connection:
        outbox.list_(connection, outbox.Wanted(customer_id=people // 2))


def rows(store: Store) -> dict[str, int]:
    """Rows by table."""
    with store.read() as connection:
        return {
            name: connection.scalar(sa.select(sa.func.count()).select_from(t.metadata.tables[name]))
            or 0
            for name in MEASURED
        }


def bytes_of_a_row(store: Store) -> dict[str, int]:
    """With its indexes; on SQLite nothing where it was built without `dbstat`."""
    numbers = rows(store)
    with store.read() as connection:
        try:
            sizes = _sizes(connection)
        except sa.exc.OperationalError:
            return {}
    return {name: round(sizes[name] / number) for name, number in numbers.items() if number}


def _sizes(connection: sa.Connection) -> dict[str, int]:
    if connection.dialect.name == "sqlite":
        query = (
            "SELECT m.tbl_name, sum(d.pageno) * (SELECT page_size FROM pragma_page_size)"
            " FROM dbstat d JOIN sqlite_master m ON m.name = d.name"
            " WHERE d.aggregate = TRUE GROUP BY m.tbl_name"
        )
    else:
        query = (
            "SELECT top.relname, sum(pg_total_relation_size(leaf.relid)) FROM pg_class top,"
            " pg_partition_tree(top.oid) leaf WHERE top.relname = ANY(:names)"
            " AND top.relkind = 'p' GROUP BY 1 UNION SELECT relname, pg_total_relation_size(oid)"
            " FROM pg_class WHERE relname = ANY(:names) AND relkind = 'r'"
        )
    found = connection.execute(
        sa.text(query), {"names": list(MEASURED)} if "names" in query else {}
    )
    return {name: int(size) for name, size in found}


def megabytes(store: Store) -> int:
    """Of the whole database."""
    with store.read() as connection:
        if store.is_sqlite:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
            size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
            return round((pages - free) * size / 1e6)
        asked = "SELECT pg_database_size(current_database())"
        return round(int(connection.exec_driver_sql(asked).scalar_one()) / 1e6)


def tidy(store: Store) -> None:
    """What a server does at night: statistics, and room that is free again; SQLite does neither."""
    if store.is_sqlite:
        return
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as free:
        free.execute(sa.text("VACUUM ANALYZE"))


if __name__ == "__main__":
    main()
