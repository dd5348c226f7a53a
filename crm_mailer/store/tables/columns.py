"""What the tables have in common: names of constraints, ids, kinds of columns."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite counts row ids only in INTEGER columns.
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def id_() -> sa.Column[int]:
    """A row id."""
    return sa.Column("id", Id, primary_key=True, autoincrement=True)


def to(name: str, target: str, **options: Any) -> sa.Column[Any]:
    """A reference to another table."""
    return sa.Column(name, Id, sa.ForeignKey(f"{target}.id"), **options)


def text(name: str, **options: Any) -> sa.Column[str]:
    """Text; empty where unknown."""
    return sa.Column(name, sa.Text, nullable=False, server_default="", **options)


def count(name: str) -> sa.Column[int]:
    """A whole number from 0."""
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def yes(name: str) -> sa.Column[bool]:
    """Yes or no; no by default."""
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())
