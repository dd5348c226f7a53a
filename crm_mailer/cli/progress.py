"""Live progress of sending: one panel in a terminal, plain lines every ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from crm_mailer.cli import pausing, show
from crm_mailer.cli.folding import Words
from crm_mailer.i18n import _, n_

if TYPE_CHECKING:
    from crm_mailer.delivering import Progress
    from crm_mailer.delivering.warming import HeldBack
    from crm_mailer.store.outbox import Pulse

#: Seconds between two pictures in a terminal, and between two lines elsewhere.
PICTURE_EVERY, LINE_EVERY = 0.25, 10.0
#: Providers that get a line of their own.
PROVIDERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is shown, whichever process sends. Counts are by outcome."""

    outcomes: Mapping[str, int]
    by_provider: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    skipped: int = 0
    #: Mails a second.
    rate: float = 0.0
    #: How many are done of how many; None where nobody counted.
    done: int | None = None
    due: int | None = None
    seconds_left: float | None = None
    #: Of the ledger: in a sender's hands, and in doubt at all.
    claimed: int | None = None
    in_doubt: int | None = None
    #: What else is to be said, in whole sentences.
    notes: tuple[str, ...] = ()


def of_progress(now: Progress) -> View:
    """A round of sending in this process."""
    return View(
        outcomes=dict(now.outcomes),
        by_provider={name: dict(counts) for name, counts in now.by_provider.items()},
        skipped=now.skipped.total(),
        rate=now.rate,
        done=now.done,
        due=now.due,
        seconds_left=now.seconds_left,
    )


def of_pulse(now: Pulse, waits: Collection[HeldBack] = (), stops: Collection[str] = ()) -> View:
    """What the ledger tells of the last minute, and what of what is due cannot leave now.

    Args:
        now: the ledger's figures.
        waits: what waits for an account to warm up.
        stops: scopes of pauses.
    """
    is_stopped = not all(scope.startswith("campaign:") for scope in stops)
    return View(
        outcomes=now.outcomes,
        by_provider=now.by_provider,
        rate=now.rate,
        due=sum(now.due.values()),
        # nobody knows when what is paused goes on
        seconds_left=None if is_stopped else now.seconds_left(sum(one.number for one in waits)),
        claimed=now.claimed,
        in_doubt=now.in_doubt,
        notes=(*map(pausing.words, stops), *map(warming, waits)),
    )


def warming(held: HeldBack) -> str:
    """What an account that warms up holds back, as a sentence."""
    they_wait = n_("1 mail waits", "{number} mails wait", held.number)
    return _("{they_wait}: account {account} is warming up, more from 00:00 UTC").format(
        they_wait=they_wait, account=held.account
    )


class Panel:
    """Shows views as they come, never more often than somebody can read them."""

    def __init__(
        self, console: Console | None = None, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or show.err()
        self._seconds = seconds
        self._live: Live | None = None
        self._shown_at = seconds()
        self._last: View | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            if self._last is not None:
                self._live.update(panel(replace(self._last, seconds_left=None)), refresh=True)
            self._live.stop()

    def show(self, view: View) -> None:
        """The newest view; most are passed over."""
        self._last = view
        if not self._console.is_terminal:
            self._print(view)
            return
        now = self._seconds()
        if self._live is None:
            self._live = Live(panel(view), console=self._console, auto_refresh=False)
            self._live.start(refresh=True)
        elif now - self._shown_at >= PICTURE_EVERY:
            self._live.update(panel(view), refresh=True)
        else:
            return
        self._shown_at = now

    def _print(self, view: View) -> None:
        now = self._seconds()
        if now - self._shown_at >= LINE_EVERY:
            self._shown_at = now
            show.print_(self._console, Words(show.clean(line(view))))


def line(view: View) -> str:
    """A view on one line."""
    parts = [_of_whole(view), *(f"{word} {number:,}" for word, number in counts(view))]
    return " · ".join(part for part in (*parts, _pace(view), *view.notes) if part)


def panel(view: View) -> Any:
    """A view as a picture of a few lines."""
    head = " · ".join(part for part in (_of_whole(view), _pace(view)) if part)
    grid = Table(box=None, pad_edge=False, header_style="dim")
    names = [name for name in ORDER if view.outcomes.get(name)]
    grid.add_column(show.clean(_("to")), overflow="fold")
    for name in names:
        grid.add_column(show.clean(WORDS[name]()), justify="right")
    ranked = sorted(view.by_provider.items(), key=lambda pair: -sum(pair[1].values()))
    for provider, found in ranked[:PROVIDERS]:
        grid.add_row(show.clean(provider), *(f"{found.get(name, 0):,}" for name in names))
    facts = "  ".join(f"{word} {number:,}" for word, number in counts(view))
    rows: list[Any] = [Text(show.clean(head), style="bold")]
    if facts:
        rows.append(Words(show.clean(facts)))
    if len(ranked) > 1:
        rows.append(grid)
    rows += [Words(show.clean(note)) for note in view.notes]
    return Group(*rows)


#: Outcomes in the order in which they are told, and their words, looked up when they are shown.
ORDER = ("accepted", "deferred", "refused", "unknown")
WORDS = {
    "accepted": lambda: _("accepted"),
    "deferred": lambda: _("deferred"),
    "refused": lambda: _("refused"),
    "unknown": lambda: _("in doubt"),
}


def counts(view: View) -> Iterator[tuple[str, int]]:
    """The numbers that are worth a word."""
    for name in ORDER:
        if view.outcomes.get(name):
            yield WORDS[name](), view.outcomes[name]
    if view.skipped:
        yield _("not sent"), view.skipped
    if view.claimed:
        yield _("in a sender's hands"), view.claimed
    if view.in_doubt:
        yield _("in doubt in all"), view.in_doubt


def _of_whole(view: View) -> str:
    if view.done is None:
        return _("{due} due now").format(due=f"{view.due or 0:,}")
    if view.due is None:
        return f"{view.done:,}"
    return _("{done} of {due}").format(done=f"{view.done:,}", due=f"{view.due:,}")


def _pace(view: View) -> str:
    rate = _("{number}/s").format(number=f"{view.rate:,.{0 if view.rate >= 10 else 1}f}")
    if view.seconds_left is None or not view.rate:
        return rate
    left = _("{time} left").format(time=spelled(view.seconds_left))
    return f"{rate} · {left}" if view.seconds_left >= 1 else rate


def spelled(seconds: float) -> str:
    """A length of time in two units: 1 h 4 min, 3 min 20 s, 12 s."""
    whole = round(seconds)
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return _("{days} d {hours} h").format(days=days, hours=hours)
    if hours:
        return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
    if minutes:
        return _("{minutes} min {seconds} s").format(minutes=minutes, seconds=whole % 60)
    return _("{seconds} s").format(seconds=whole)


@contextmanager
def stopped_by_keys() -> Iterator[None]:
    """Ctrl-C ends the block, and that is all."""
    try:
        yield
    except KeyboardInterrupt:
        return
