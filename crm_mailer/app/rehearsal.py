"""Rehearse days to come: the real program on a copied database, and nothing leaves."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from crm_mailer.app import delivering, planning, segmenting
from crm_mailer.app.clocks import SetClock
from crm_mailer.app.wiring import App
from crm_mailer.delivering import NullTransport
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.moment import at_local, local_day
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import TouchState
from crm_mailer.store import rehearsing
from crm_mailer.store.engine import Store

#: Hours of the shop's day at which segments and plans are looked at.
LOOKS = (0, 6, 12, 18)
#: Mails of so long a time leave in one round.
ROUND = timedelta(minutes=15)
#: Longer rehearsals say little: nobody orders in them.
LONGEST = timedelta(days=400)
DAY = timedelta(days=1)


class Stage(App):
    """The shop with a copied database, a clock that is moved, and files of its own."""

    def __init__(self, app: App, store: Store, folder: Path, clock: SetClock) -> None:
        settings = replace(app.settings, database=str(store.url), clock="", accounts=())
        super().__init__(app.home, settings, clock)
        self._folder = folder
        self.__dict__["store"] = store
        self.__dict__["keys"] = app.keys

    @property
    def journal_folder(self) -> Path:
        """Beside the copy: the shop's own journal belongs to its senders."""
        return self._folder / "journal"

    @property
    def outbox_folder(self) -> Path:
        """Beside the copy."""
        return self._folder / "outbox"


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """What would leave on which day, if nobody orders or writes meanwhile."""

    start: date
    end: date
    #: Day in the shop's zone -> campaign -> mails.
    days: dict[date, Counter[str]] = field(default_factory=dict)
    mails: int = 0
    #: Reason -> mails that were left out.
    left_out: Counter[str] = field(default_factory=Counter)
    #: Of every mail and of its bytes: the same shop, days and files give the same.
    fingerprint: str = ""


def simulate(
    app: App, start: date, end: date, *, on_day: Callable[[date], None] = lambda day: None
) -> Rehearsal:
    """Live through the days from `start` to `end`, both included, on a copy.

    Segments, plans and mails are made as the daemon would; every mail is taken by nobody. New
    orders and replies do not come. The days from now to `start` are lived through as well, and not
    told; of today what is left of it.

    Raises:
        NotPossible: the days are the wrong way round, or more than 400.
    """
    if end < start:
        raise NotPossible(
            Sentence("{end} is before {start}", end=end, start=start),
            hint="write --from before --to",
        )
    first = _opening(app, start)
    days = (end - local_day(first, app.zone)).days
    if days > LONGEST.days:
        raise NotPossible(Sentence("{days} days are too many", days=days), hint="at most 400")
    with tempfile.TemporaryDirectory(prefix="crm-mailer-rehearsal-") as name:
        folder = Path(name)
        store = rehearsing.copy(app.store, folder / "copy.db")
        try:
            return _live(Stage(app, store, folder, SetClock(first)), start, end, on_day)
        finally:
            store.close()


def _begin(app: App, day: date) -> datetime:
    return at_local(day, 0, 0, app.zone)


def _opening(app: App, start: date) -> datetime:
    """When it begins: now, unless `start` is a day of the past.

    What was due this morning cannot leave then any more. The quarter of an hour that has begun
    counts as now, so that two rehearsals in a row are the same.
    """
    now, day = app.clock.now(), _begin(app, start)
    quarter = now - (now - day) % ROUND
    return day if start < local_day(now, app.zone) else quarter


def _live(stage: Stage, start: date, end: date, on_day: Callable[[date], None]) -> Rehearsal:
    clock = stage.clock
    assert isinstance(clock, SetClock)
    day, is_new = local_day(clock.moment, stage.zone), True
    while day <= end:
        on_day(day)
        looks = [at_local(day, hour, 0, stage.zone) for hour in LOOKS]
        for look, until in pairwise([*looks, _begin(stage, day + DAY)]):
            if until <= clock.moment:
                continue  # of today: over already
            clock.moment = max(look, clock.moment)
            if is_new:
                segmenting.run(stage)
            is_new = False
            planning.apply(stage)
            _send(stage, clock, until)
        day, is_new = day + DAY, True
    return _told(stage, start, end, _begin(stage, end + DAY))


def _send(stage: Stage, clock: SetClock, until: datetime) -> None:
    """Let leave what is due up to `until`, in rounds."""
    while clock.moment < until:
        delivering.send(stage, way=NullTransport(), is_by_hand=True)
        with stage.store.read() as connection:
            due = rehearsing.next_due(connection, clock.moment)
        if due is None or due >= until:
            return
        behind = (due - clock.moment) % ROUND
        clock.moment = min(due + (ROUND - behind if behind else timedelta(0)), until - ROUND / 15)


def _told(stage: Stage, start: date, end: date, over: datetime) -> Rehearsal:
    done, digest = Rehearsal(start=start, end=end), hashlib.sha256()
    with stage.store.read() as connection:
        for one in rehearsing.settled(connection, _begin(stage, start), over):
            digest.update(one.line().encode() + b"\n")
            if one.state == TouchState.ACCEPTED:
                day = local_day(one.at, stage.zone)
                done.days.setdefault(day, Counter())[one.campaign] += 1
                done.mails += 1
            elif one.reason:
                done.left_out[one.reason] += 1
    done.fingerprint = digest.hexdigest()
    return done
