"""Finds, hands out and erases everything that is held about one person, by `privacy_map`."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.address import key
from crm_mailer.model.case import UNDER_WAY, CaseState
from crm_mailer.model.task import TaskState
from crm_mailer.store import strangers, web_events
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store, upsert
from crm_mailer.store.mentions import Mentions, row_key, search
from crm_mailer.store.privacy_map import PLACES, Fate, Place

#: Values in one statement: SQLite takes at most 32,766.
AT_ONCE = 5_000
#: What has fewer letters may mean anything, so texts are not searched for it.
SHORTEST_NEEDLE = 7
#: Larger database files are not written anew at once.
LARGEST_SCRUB = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Everything by which a person's rows are found."""

    id: int
    email: str
    #: Platform and name there.
    identities: tuple[tuple[str, str], ...]
    #: Kind of thing -> its numbers, or addresses as text.
    things: Mapping[str, Sequence[int | str]]
    #: What a text says that speaks of this person.
    needles: tuple[str, ...]
    erased_at: datetime | None
    open_cases: tuple[int, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The present address and those that mails went to before, in small letters."""
        known = (key(self.email), *(str(one) for one in self.things["addresses"]))
        return tuple(dict.fromkeys(one for one in known if one))


@dataclass(slots=True, kw_only=True)
class Erased:
    """What erasing did: rows by table."""

    deleted: dict[str, int] = field(default_factory=dict)
    emptied: dict[str, int] = field(default_factory=dict)


# ------------------------------------------------------------------ finding


def find(connection: sa.Connection, customer_id: int, met: Iterable[str] = ()) -> Person:
    """The person with this number, which exists, and everything that is theirs.

    `met`: addresses that mails of theirs went to which are not in the database any more.
    """
    customer = connection.execute(
        sa.select(t.customers).where(t.customers.c.id == customer_id)
    ).one()
    named = connection.execute(
        sa.select(t.customer_identities.c.platform, t.customer_identities.c.buyer_id).where(
            t.customer_identities.c.customer_id == customer_id
        )
    )
    things: dict[str, Sequence[int | str]] = {
        "customers": [customer_id],
        "addresses": [customer.email_key] if customer.email_key else [],
    }
    _gather(connection, things, met)
    needles = {customer.email or "", customer.phone, customer.name if " " in customer.name else ""}
    needles |= {str(one) for one in things["addresses"]}
    needles |= {needle for needle in (_digits(customer.phone),) if needle}
    return Person(
        id=customer_id,
        email=customer.email or "",
        identities=tuple((one.platform, one.buyer_id) for one in named),
        things=things,
        needles=tuple(sorted(one for one in needles if len(one) >= SHORTEST_NEEDLE)),
        erased_at=customer.erased_at,
        open_cases=tuple(
            connection.scalars(
                sa.select(t.cases.c.id).where(
                    t.cases.c.customer_id == customer_id, t.cases.c.state.in_(sorted(UNDER_WAY))
                )
            )
        ),
    )


def _gather(
    connection: sa.Connection, things: dict[str, Sequence[int | str]], met: Iterable[str]
) -> None:
    """The numbers of a person's orders, mails, replies and so on; each by those before it."""

    def ids(table: sa.Table, column: str = "id", **links: str) -> list[int]:
        found: dict[int, None] = {}
        for name, kind in links.items():
            for part in _parts(things[kind]):
                query = sa.select(table.c[column]).where(_is_among(table.c[name], kind, part))
                found.update(dict.fromkeys(one for one in connection.scalars(query) if one))
        return list(found)

    things["orders"] = ids(t.orders, customer_id="customers")
    things["touches"] = ids(t.touches, customer_id="customers")
    own = set(things["touches"])
    things["addresses"] = [*things["addresses"], *_earlier(connection, things, met)]
    by_mail = ids(t.messages, "touch_id", rcpt_to="addresses")  # tests, which are nobody's
    things["touches"] = [*things["touches"], *(one for one in by_mail if one not in own)]
    things["replies"] = ids(
        t.replies, customer_id="customers", touch_id="touches", sender="addresses"
    )
    things["reviews"] = ids(t.reviews, customer_id="customers")
    things["cases"] = ids(t.cases, customer_id="customers")
    things["tasks"] = list(
        dict.fromkeys(
            (
                *ids(t.tasks, customer_id="customers", order_id="orders"),
                *strangers.tasks_about(connection, things),
            )
        )
    )
    things["grants"] = ids(t.benefit_grants, customer_id="customers")
    things["inbound"] = list(
        dict.fromkeys(
            (
                *ids(t.replies, "inbound_id", id="replies"),
                *ids(t.bounces, "inbound_id", touch_id="touches", recipient="addresses"),
                *ids(t.spam_reports, "inbound_id", touch_id="touches", customer_id="customers",
                     recipient="addresses"),
                *_unread(connection, things["addresses"]),
            )
        )
    )  # fmt: skip


def _earlier(
    connection: sa.Connection, things: Mapping[str, Sequence[int | str]], known: Iterable[str]
) -> Iterator[str]:
    """Other addresses that the person's own mails went to, unless they are somebody else's too."""
    message, touch, person = t.messages.c, t.touches.c, t.customers.c
    met: dict[str, None] = dict.fromkeys(key(one) for one in known)
    for part in _parts(things["touches"]):
        query = sa.select(message.rcpt_to).where(message.touch_id.in_(list(part))).distinct()
        met.update(dict.fromkeys(key(one) for one in connection.scalars(query)))
    candidates = [one for one in met if one and one not in things["addresses"]]
    for part in _parts(candidates):
        of_others = sa.union(
            sa.select(person.email_key).where(
                person.email_key.in_(part), person.id.not_in(things["customers"])
            ),
            sa.select(sa.func.lower(message.rcpt_to))
            .join_from(t.messages, t.touches, touch.id == message.touch_id)
            .where(
                _is_among(message.rcpt_to, "addresses", part),
                touch.customer_id.not_in(things["customers"]),
            ),
        )
        shared = set(connection.scalars(of_others))
        yield from (str(one) for one in part if one not in shared)


def _unread(connection: sa.Connection, addresses: Sequence[int | str]) -> Iterator[int]:
    """Mails that nobody understood yet and that name the address."""
    wanted = [str(one).encode() for one in addresses]
    query = sa.select(t.inbound.c.id, t.inbound.c.raw).where(
        t.inbound.c.state.in_(("new", "quarantined")), t.inbound.c.raw.is_not(None)
    )
    for row in connection.execute(query):
        raw = bytes(row.raw).lower()
        if any(one in raw for one in wanted):
            yield row.id


def _is_among(
    column: sa.ColumnElement[Any], kind: str, part: Collection[int | str]
) -> sa.ColumnElement[bool]:
    if kind == "addresses":
        return sa.func.lower(column).in_(list(part))
    return column.in_(list(part))


def _parts(values: Sequence[int | str]) -> Iterator[Sequence[int | str]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


def touches_of(connection: sa.Connection, customer_ids: Sequence[int]) -> list[int]:
    """The mails of customers, by number."""
    touch = t.touches.c
    found: list[int] = []
    for part in _parts(customer_ids):
        found += connection.scalars(sa.select(touch.id).where(touch.customer_id.in_(list(part))))
    return found


def mentions(connection: sa.Connection, person: Person) -> Mentions:
    """The rows whose texts speak of the person: takes long, so in a read, before `erase`."""
    return search(connection, person.needles)


def _conditions(place: Place, person: Person, spoken: Mentions) -> Iterator[sa.ColumnElement[bool]]:
    """Which rows of a table are the person's; each condition is small enough for a statement."""
    table = t.metadata.tables[place.table]
    if place.is_searched:
        for part in _parts(list(spoken.keys[place.table])):
            yield row_key(place).in_(list(part))
        return
    for name, kind in place.links.items():
        for part in _parts(person.things[kind]):
            yield _is_among(table.c[name], kind, part)


def _digits(phone: str) -> str:
    return "".join(letter for letter in phone if letter.isdigit())


# ------------------------------------------------------------------ handing out


def rows(connection: sa.Connection, person: Person) -> dict[str, list[dict[str, Any]]]:
    """Everything that is held about the person, by table; empty tables are left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    spoken = mentions(connection, person)
    for place in PLACES:
        table = t.metadata.tables[place.table]
        seen: dict[Any, dict[str, Any]] = {}
        for condition in _conditions(place, person, spoken):
            for row in connection.execute(sa.select(table).where(condition)):
                told = dict(row._mapping)
                seen[tuple(told[column.name] for column in table.primary_key)] = told
        if seen:
            found[place.table] = [_plain(one) for one in seen.values()]
    found |= _of_orders(connection, person)
    return found


def counts(connection: sa.Connection, person: Person) -> dict[str, int]:
    """How many rows each table holds about the person, but those that are searched."""
    found: dict[str, int] = {}
    for place in PLACES:
        if place.is_searched:
            continue
        table = t.metadata.tables[place.table]
        keys: set[tuple[Any, ...]] = set()
        for name, kind in place.links.items():
            for part in _parts(person.things[kind]):
                query = sa.select(*table.primary_key).where(_is_among(table.c[name], kind, part))
                keys.update(tuple(row) for row in connection.execute(query))
        if keys:
            found[place.table] = len(keys)
    return found | {name: len(held) for name, held in _of_orders(connection, person).items()}


def raw_mails(connection: sa.Connection, person: Person) -> Iterator[tuple[int, bytes, str]]:
    """The person's mails as they came: number, bytes where they lie in the database, else file."""
    for part in _parts(person.things["inbound"]):
        mail = t.inbound.c
        query = sa.select(mail.id, mail.raw, mail.raw_path).where(mail.id.in_(list(part)))
        for row in connection.execute(query):
            yield row.id, bytes(row.raw or b""), row.raw_path


def raw_paths(connection: sa.Connection, person: Person) -> list[str]:
    """The files of those that lie in files."""
    mail = t.inbound.c
    found: list[str] = []
    for part in _parts(person.things["inbound"]):
        query = sa.select(mail.raw_path).where(mail.id.in_(list(part)), mail.raw_path != "")
        found += connection.scalars(query)
    return found


def _of_orders(connection: sa.Connection, person: Person) -> dict[str, list[dict[str, Any]]]:
    """What was bought, and when: rows that name nobody, but are the person's."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in (t.order_items, t.order_events):
        for part in _parts(person.things["orders"]):
            query = sa.select(table).where(table.c.order_id.in_(list(part)))
            found.setdefault(table.name, []).extend(
                _plain(dict(row._mapping)) for row in connection.execute(query)
            )
    return {name: held for name, held in found.items() if held}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON can say it: times with their offset, bytes as text, else base64."""

    def value(one: Any) -> Any:
        if isinstance(one, datetime | date):
            return one.isoformat()
        if isinstance(one, bytes | memoryview):
            raw = bytes(one)
            try:
                return raw.decode()
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(raw).decode()}
        return one

    return {name: value(one) for name, one in row.items()}


# ------------------------------------------------------------------ erasing


def erase(
    connection: sa.Connection, person: Person, now: datetime, known: Mentions | None = None
) -> Erased:
    """Erase the person: in a write transaction. Orders and mails stay as figures of nobody.

    `known`: what `mentions` found in a read before; without it all texts are searched here.
    """
    spoken = search(connection, person.needles, known)
    done = Erased()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
    _call_off(connection, person, spoken, now)
    _spend_codes(connection, person, now)
    for place in PLACES:
        table = t.metadata.tables[place.table]
        into = done.deleted if place.fate is Fate.DELETE else done.emptied
        number = 0
        for condition in _conditions(place, person, spoken):
            if place.fate is Fate.DELETE:
                number += connection.execute(sa.delete(table).where(condition)).rowcount
            elif place.blank:
                number += connection.execute(
                    sa.update(table).where(condition).values(_empty(table, place.blank))
                ).rowcount
        if number:
            into[place.table] = number
    web_events.step_back(connection)
    connection.execute(
        sa.update(t.customers)
        .where(t.customers.c.id == person.id)
        .values(erased_at=now, changed_at=now)
    )
    _close_inbound(connection, person)
    return done


def _empty(table: sa.Table, names: Sequence[str]) -> dict[str, Any]:
    """What an emptied column holds."""
    found: dict[str, Any] = {}
    for name in names:
        column = table.c[name]
        if column.nullable:
            found[name] = sa.null()
        elif isinstance(column.type, sa.Boolean):
            found[name] = sa.false()
        elif type(column.type).__name__ == "JsonText":
            default = getattr(column.server_default, "arg", None)
            found[name] = [] if str(default) == "[]" else {}
        elif isinstance(column.type, sa.LargeBinary):
            found[name] = b""
        else:
            found[name] = ""
    return found


def _call_off(connection: sa.Connection, person: Person, spoken: Mentions, now: datetime) -> None:
    """Nothing that is planned leaves any more, and nothing is owed to nobody."""
    touch = t.touches.c
    for part in _parts(person.things["touches"]):
        connection.execute(
            sa.update(t.touches)
            .where(touch.id.in_(list(part)), touch.state.in_(("planned", "held", "deferred")))
            .values(state="skipped", reason="cancelled", next_at=None, settled_at=now)
        )
    for part in _parts(person.things["tasks"]):
        is_open = sa.and_(t.tasks.c.id.in_(list(part)), t.tasks.c.state == TaskState.OPEN)
        connection.execute(
            sa.update(t.tasks).where(is_open).values(state=TaskState.DONE.value, done_at=now)
        )
    case = t.cases.c
    for part in _parts(person.things["cases"]):
        is_owed = sa.and_(case.id.in_(list(part)), case.state.in_(sorted(UNDER_WAY)))
        ended = {"state": CaseState.CLOSED.value, "closed_at": now, "tell_at": None}
        connection.execute(sa.update(t.cases).where(is_owed).values(ended))
    given_up = {"state": "given_up", "next_at": None, "settled_at": now}
    _settle(connection, spoken, t.webhook_messages, "waiting", given_up)
    _settle(connection, spoken, t.hook_requests, "new", {"state": "done", "done_at": now})
    for part in _parts(person.things["touches"]):
        act = t.page_acts.c
        is_waiting = sa.and_(act.touch_id.in_(list(part)), act.taken_at.is_(None))
        connection.execute(sa.update(t.page_acts).where(is_waiting).values(taken_at=now))


def _settle(
    connection: sa.Connection, spoken: Mentions, table: sa.Table, state: str, values: dict[str, Any]
) -> None:
    """What waits and would be without its text soon is not waited for."""
    for part in _parts(list(spoken.keys[table.name])):
        is_theirs = sa.and_(table.c.id.in_(list(part)), table.c.state == state)
        connection.execute(sa.update(table).where(is_theirs).values(values))


def _spend_codes(connection: sa.Connection, person: Person, now: datetime) -> None:
    """Codes that the person had are given to nobody else."""
    code = t.benefit_codes.c
    for part in _parts(person.things["grants"]):
        connection.execute(
            sa.update(t.benefit_codes)
            .where(code.grant_id.in_(list(part)), code.spent_at.is_(None))
            .values(spent_at=now)
        )


def _close_inbound(connection: sa.Connection, person: Person) -> None:
    """Mails whose text is gone are not read again."""
    for part in _parts(person.things["inbound"]):
        connection.execute(
            sa.update(t.inbound).where(t.inbound.c.id.in_(list(part))).values(state="done")
        )


def of_letters(connection: sa.Connection, replies: Sequence[int]) -> Person:
    """What came of letters whose writer is no customer any more, to be erased like a person."""
    things: dict[str, Sequence[int | str]] = dict.fromkeys(
        ("customers", "addresses", "orders", "touches", "reviews", "cases", "grants"), ()
    )
    things["replies"] = replies
    inbound: list[int] = []
    for part in _parts(replies):
        query = sa.select(t.replies.c.inbound_id).where(
            t.replies.c.id.in_(list(part)), t.replies.c.inbound_id.is_not(None)
        )
        inbound += connection.scalars(query)
    things["inbound"] = inbound
    things["tasks"] = list(strangers.tasks_about(connection, things))
    return Person(id=0, email="", identities=(), things=things, needles=(), erased_at=None)


def scrub(store: Store) -> bool:
    """Leave no trace of deleted rows in SQLite's files; whether that could be done now.

    A database server reuses the place of deleted rows by itself.
    """
    if not store.is_sqlite or store.url.database in (None, "", ":memory:"):
        return True
    file = Path(str(store.url.database))
    with store.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        try:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if file.stat().st_size > LARGEST_SCRUB:
                return False
            raw.execute("VACUUM")
            return raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        except sqlite3.OperationalError:  # somebody is at work: the next erasure tries again
            return False


# ------------------------------------------------------------------ who comes again


def add_traces(connection: sa.Connection, traces: Collection[str], at: datetime) -> None:
    """Know a person again by these hashes."""
    for trace in traces:
        statement = upsert(connection, t.erasures).values(trace=trace, at=at)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["trace"], set_={"at": statement.excluded.at}
            )
        )


def drop_traces(connection: sa.Connection, traces: Collection[str]) -> int:
    """Know the person no longer, who asked to be written to again."""
    query = sa.delete(t.erasures).where(t.erasures.c.trace.in_(list(traces)))
    return connection.execute(query).rowcount


def traces(connection: sa.Connection) -> dict[str, datetime]:
    """All hashes, and when each person was erased."""
    query = sa.select(t.erasures.c.trace, t.erasures.c.at)
    return {row.trace: row.at for row in connection.execute(query)}


def mark_of_traces(connection: sa.Connection) -> str:
    """Changes whenever anybody is known as erased, or no longer."""
    query = sa.select(sa.func.count(), sa.func.max(t.erasures.c.at))
    number, last = connection.execute(query).one()
    return f"{number} {last}" if number else ""


def has_traces(connection: sa.Connection) -> bool:
    """Whether anybody was ever erased."""
    return connection.scalar(sa.select(t.erasures.c.trace).limit(1)) is not None


def erased_at(connection: sa.Connection, customer_id: int) -> datetime | None:
    """When a customer was erased; None where they were not, or there is none."""
    query = sa.select(t.customers.c.erased_at).where(t.customers.c.id == customer_id)
    found: datetime | None = connection.scalar(query)
    return found


def names_since(
    connection: sa.Connection, since: datetime | None
) -> Iterator[tuple[int, str, str, str]]:
    """Customer, address, platform, name there; of those who changed since (None: all)."""
    person, named = t.customers.c, t.customer_identities.c
    query = sa.select(
        person.id,
        sa.func.coalesce(person.email_key, ""),
        sa.func.coalesce(named.platform, ""),
        sa.func.coalesce(named.buyer_id, ""),
    ).outerjoin_from(t.customers, t.customer_identities, named.customer_id == person.id)
    query = query.where(person.erased_at.is_(None))
    if since is not None:
        query = query.where(person.changed_at >= since)
    for row in connection.execute(query, execution_options={"yield_per": AT_ONCE}):
        yield tuple(row)


def has_ordered_since(connection: sa.Connection, customer_id: int, at: datetime) -> bool:
    """Whether the customer placed an order after that instant."""
    order = t.orders.c
    query = sa.select(order.id).where(order.customer_id == customer_id, order.placed_at > at)
    return connection.scalar(query.limit(1)) is not None
