"""New rows about who wants no mail, as plain values: for a log beside the database, and back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model import address as addresses
from crm_mailer.model.choices import Act, ActKind
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import preferences
from crm_mailer.store import suppressions as stops
from crm_mailer.store.bulk import seconds
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import customers, page_acts, suppressions, touches

STOP, ACT = "stop", "act"
#: Rows that one look takes.
MOST = 20_000


def places(connection: sa.Connection) -> dict[str, int]:
    """The last row of each kind."""
    last = {STOP: sa.func.max(suppressions.c.id), ACT: sa.func.max(page_acts.c.id)}
    return {kind: connection.scalar(sa.select(one)) or 0 for kind, one in last.items()}


def since(connection: sa.Connection, after: Mapping[str, int]) -> list[tuple[int, dict[str, Any]]]:
    """Rows behind these places, with their numbers, the oldest first."""
    stops = connection.execute(
        sa.select(suppressions)
        .where(suppressions.c.id > after[STOP])
        .order_by(suppressions.c.id)
        .limit(MOST)
    )
    acts = connection.execute(
        sa.select(page_acts, touches.c.customer_id)
        .outerjoin(touches, touches.c.id == page_acts.c.touch_id)
        .where(page_acts.c.id > after[ACT])
        .order_by(page_acts.c.id)
        .limit(MOST)
    )
    return [
        *((row.id, {"kind": STOP, "address": row.address_key, "reason": row.reason,
                    "scope": row.scope, "source": row.source, "evidence": row.evidence,
                    "at": seconds(row.at)}) for row in stops),
        *((row.id, {"kind": ACT, "act": row.kind, "touch": row.touch_id,
                    "customer": row.customer_id, "given": row.given, "told": row.told,
                    "at": seconds(row.at)}) for row in acts),
    ]  # fmt: skip


def is_known(connection: sa.Connection, row: Mapping[str, Any]) -> bool:
    """Whether the database has this row, or can do nothing with it."""
    if row["kind"] == STOP:
        return _is_stopped(connection, row["address"], row["reason"]) or is_older(connection, row)
    if has_mail(connection, row):
        return _has(connection, page_acts.c.id, _is_act(row["act"], row["touch"], _at(row)))
    return _is_followed(connection, row)


def is_older(connection: sa.Connection, row: Mapping[str, Any]) -> bool:
    """Whether a stop came of an act that this database has taken in: if it lacks, it was undone."""
    number = row["source"].removeprefix(preferences.SOURCE)
    if row["source"] == number or not number.isdecimal():
        return False
    act = _is_act(ActKind.OPT_OUT, int(number), _at(row))
    return _has(connection, page_acts.c.id, sa.and_(act, page_acts.c.taken_at.is_not(None)))


def has_mail(connection: sa.Connection, row: Mapping[str, Any]) -> bool:
    """Whether the database has the mail that was answered.

    A mail that was planned after the answer only has its number.
    """
    mail = sa.and_(touches.c.id == row["touch"], touches.c.planned_at <= _at(row))
    return _has(connection, touches.c.id, mail)


def put_back(connection: sa.Connection, row: Mapping[str, Any]) -> None:
    """Keep a row as it was; what follows from acts follows when they are taken in."""
    at = _at(row)
    if row["kind"] == STOP:
        values = {name: row[name] for name in ("reason", "scope", "source", "evidence")}
        key = addresses.key(row["address"])
        statement = upsert(connection, suppressions).values(address_key=key, at=at, **values)
        connection.execute(
            statement.on_conflict_do_nothing(index_elements=["address_key", "reason"])
        )
    else:
        connection.execute(
            page_acts.insert().values(
                kind=row["act"], touch_id=row["touch"], given=row["given"], told=row["told"], at=at
            )
        )


def follow(connection: sa.Connection, row: Mapping[str, Any], now: datetime) -> None:
    """Let follow what must from an act whose mail this database does not have."""
    act, person = _read(row), _person(connection, row)
    if act is None or person is None:
        return
    if act.kind is ActKind.CHOOSE:
        preferences.choose(connection, act, person.id, now)
    elif act.kind is ActKind.OPT_OUT and person.email:
        source = f"{preferences.SOURCE}{act.touch_id}"
        stops.add(connection, person.email, SuppressionReason.UNSUBSCRIBED,
                  source=source, evidence=act.told, at=act.at)  # fmt: skip


# ------------------------------------------------------------------ pieces


def _is_followed(connection: sa.Connection, row: Mapping[str, Any]) -> bool:
    act, person = _read(row), _person(connection, row)
    if act is None or person is None:
        return True
    match act.kind:
        case ActKind.CHOOSE:
            chosen = preferences.values_of(act.choices, act.at)
            return all(getattr(person, name) == value for name, value in chosen.items())
        case ActKind.OPT_OUT:
            reason = SuppressionReason.UNSUBSCRIBED
            return not person.email or _is_stopped(connection, person.email, reason)
        case _:
            return True


def _read(row: Mapping[str, Any]) -> Act | None:
    """The act in a line, with what no later one chose again; None where it cannot be read."""
    with suppress(ValueError, TypeError, LookupError, AttributeError):
        given = row.get("last", row["given"])
        return Act.read(row["act"], row["touch"], _at(row), given, row["told"])
    return None


def _person(connection: sa.Connection, row: Mapping[str, Any]) -> Any:
    """Whose mail it was; None where nobody knows, or the number is somebody else's now."""
    person = customers.c
    return connection.execute(
        sa.select(customers).where(
            person.id == row.get("customer"),
            person.created_at <= _at(row),
            person.erased_at.is_(None),
        )
    ).one_or_none()


def _is_stopped(connection: sa.Connection, address: str, reason: str) -> bool:
    key = addresses.key(address)
    same = sa.and_(suppressions.c.address_key == key, suppressions.c.reason == str(reason))
    return _has(connection, suppressions.c.id, same)


def _is_act(kind: str, touch_id: int, at: datetime) -> sa.ColumnElement[bool]:
    row = page_acts.c
    return sa.and_(row.touch_id == touch_id, row.kind == str(kind), row.at == at)


def _at(row: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(row["at"], UTC)


def _has(
    connection: sa.Connection, column: sa.Column[Any], condition: sa.ColumnElement[bool]
) -> bool:
    return connection.scalar(sa.select(column).where(condition).limit(1)) is not None
