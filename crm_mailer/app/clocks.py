"""The clocks that the program runs on."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence

if TYPE_CHECKING:
    from crm_mailer.app.wiring import App

#: Seconds by which a host's clock may differ from the database's without a word, and with one;
#: beyond, nothing is sent.
ODD, WRONG = 5.0, 60.0
#: Seconds for which a comparison serves, and how often the database is asked for one.
FRESH, TRIES = 10.0, 3
#: A clock before this day is wrong: the program is younger.
WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)


def wall() -> float:
    """The machine's clock, in seconds since 1970."""
    return time.time()


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)


class DatabaseClock:
    """The database server's clock, so that all hosts of a shop count alike.

    It is this machine's, put right by what was seen at the last comparison; before the first one
    nothing is known.
    """

    def __init__(self) -> None:
        #: Seconds by which this machine's clock is ahead.
        self.ahead = 0.0
        self._compared_at = float("-inf")

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.fromtimestamp(wall() - self.ahead, UTC)

    def compare(self, ask: Callable[[], float]) -> float:
        """By how many seconds this machine's clock is ahead. Of several answers the quickest
        counts: on a busy machine the others say little.
        """
        looks = []
        for _ in range(TRIES):
            before, there, after = wall(), ask(), wall()
            looks.append((after - before, (before + after) / 2 - there))
        self.ahead = min(looks)[1]
        self._compared_at = time.monotonic()
        return self.ahead

    @property
    def is_fresh(self) -> bool:
        """Whether the last comparison still serves."""
        return time.monotonic() - self._compared_at <= FRESH


class SetClock:
    """A clock that stands where it was put: for the demo and for rehearsals."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """The moment it was put to."""
        return self.moment


def choose_clock(written: str, database: str) -> SystemClock | DatabaseClock | SetClock:
    """The clock for these settings; SettingsError where `clock` is none."""
    if written:
        return parse_clock(written)
    return DatabaseClock() if database.startswith("postgresql") else SystemClock()


def ahead(app: App) -> float:
    """Seconds by which this machine's clock is ahead of the database's.

    0 on SQLite, whose clock is this machine's, and where the shop has a clock of its own.
    """
    if not isinstance(app.clock, DatabaseClock):
        return 0.0
    from crm_mailer.store import leases  # SQLAlchemy: `check` has no need of it

    if not app.clock.is_fresh:
        with app.store.read() as connection:
            app.clock.compare(lambda: leases.clock(connection))
    return app.clock.ahead


def lease_moment(app: App) -> datetime | None:
    """The moment by which leases are counted; None: the database's own clock."""
    return None if isinstance(app.clock, DatabaseClock) else app.clock.now()


def refuse_wrong_clock(app: App) -> None:
    """Pass where this machine's clock is about right.

    Raises:
        SettingsError: it is before the day on which this program was written, or off by more than a
            minute, and nobody knows which of the two is right.
    """
    is_real = isinstance(app.clock, SystemClock | DatabaseClock)
    if is_real and wall() < WRITTEN.timestamp():
        here = datetime.fromtimestamp(wall(), UTC)
        raise SettingsError(
            Sentence(
                "this machine's clock says {time}, which is before this program was written: "
                "nothing is sent",
                time=f"{here:%Y-%m-%d %H:%M}Z",
            ),
            hint="set it by the network's time (chrony, systemd-timesyncd); it goes on by itself",
        )
    seconds = ahead(app)
    if abs(seconds) > WRONG:
        raise SettingsError(
            Sentence(
                "this machine's clock is {seconds:.0f} s ahead of the database's: nothing is sent",
                seconds=seconds,
            )
            if seconds > 0
            else Sentence(
                "this machine's clock is {seconds:.0f} s behind the database's: nothing is sent",
                seconds=-seconds,
            ),
            hint="set both by the network's time (chrony, systemd-timesyncd); it goes on by itself",
        )


def parse_clock(text: str) -> SetClock:
    """The clock that a setting such as `2011-11-30T09:00:00Z` asks for.

    Raises:
        SettingsError: no moment with a zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise SettingsError(
            Sentence("clock is {text!r}, which is no moment with a zone", text=text),
            hint='write it as "2011-11-30T09:00:00Z"',
        )
    return SetClock(moment.astimezone(UTC))
