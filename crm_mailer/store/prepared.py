"""Statements that every batch of mails needs: made once, and their rows taken as they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa


class Prepared:
    """A statement whose rows come as the driver gives them: plain tuples, instants as seconds.

    Compiling a statement, asking each column's type about each value and wrapping each row cost
    more than the database needs to find them.

    Args:
        statement: of one engine only. Lists of values travel in it as one parameter (see
            `bulk.given_ids`).
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._text = ""
        self._places: tuple[str, ...] = ()
        self._fixed: dict[str, Any] = {}

    def rows(self, connection: sa.Connection, given: Mapping[str, Any]) -> list[Any]:
        """All rows for these parameters, in which instants are seconds since 1970."""
        done = self._done(connection, given)
        found = list(done.cursor.fetchall())
        done.close()
        return found

    def run(self, connection: sa.Connection, given: Mapping[str, Any]) -> None:
        """Do it for these parameters; there are no rows to take."""
        self._done(connection, given)

    def _done(self, connection: sa.Connection, given: Mapping[str, Any]) -> sa.CursorResult[Any]:
        if not self._text:
            self._make(connection.dialect)
        values: Any = {**self._fixed, **given}
        if self._places:
            values = tuple([values[name] for name in self._places])
        return connection.exec_driver_sql(self._text, values)

    def _make(self, dialect: sa.Dialect) -> None:
        for one in self._statement.compile(dialect=dialect).bind_names:
            one.required = False  # values come later
        # lists of constants, such as states, are written out
        made = self._statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self._fixed = dict(made.params)
        self._places = tuple(made.positiontup or ())
        self._text = str(made)
