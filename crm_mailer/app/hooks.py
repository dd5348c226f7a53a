"""Verbs of webhooks in: keep a request as it came, and do what the kept ones ask for."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from crm_mailer import importing, logs
from crm_mailer.app import hook_signatures
from crm_mailer.app import importing as files
from crm_mailer.app import listening as ears
from crm_mailer.app.hook_signatures import Incoming, Proven, Refused
from crm_mailer.app.wiring import App
from crm_mailer.definitions.rates import read_rates
from crm_mailer.importing import Manner
from crm_mailer.listening import notices
from crm_mailer.model.errors import StoreError
from crm_mailer.model.hook import HookKind, NotJson, read_json
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import HookSettings
from crm_mailer.store import hooks
from crm_mailer.store.hooks import HookRequest, NewRequest, Refusal, SourceFigures

#: Requests that are read in one round; the next round goes on.
ROUND = 500
#: The usual name of a request that its sender gives none has this many bytes.
_NAME_BYTES = 16
#: Refusals are written down once in so long, however many come.
TELL_REFUSALS = timedelta(seconds=10)
#: Different reasons and sources that are counted at most between two notes.
MOST_REASONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was done with a request. `is_other`: its key came before with another body."""

    source: str
    key: str
    is_new: bool
    is_other: bool = False


@dataclass(slots=True)
class HookReport:
    """What one round of reading did."""

    requests: int = 0
    failed: int = 0
    events: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    #: What could not be read: number and why.
    troubles: list[tuple[int, str]] = field(default_factory=list)


def find_hook(app: App, name: str) -> HookSettings | None:
    """The table of the settings by its name; None where there is none."""
    return next((one for one in app.settings.hooks if one.name == name), None)


def find_orders_hook(app: App, token: str) -> HookSettings | None:
    """The program of the shop's own that shows this token; each is compared, found or not."""
    own = [one for one in app.settings.hooks if one.kind is HookKind.ORDERS]
    fitting = [one for one in own if hook_signatures.is_same(token, one.secret)]
    return fitting[0] if fitting else None


def receive(app: App, hook: HookSettings, incoming: Incoming) -> Receipt:
    """Keep a request of a provider or a shop system, once it is known to be real.

    Raises:
        Refused: it is not from that sender.
        Ping: it only asks whether anybody is there.
        StoreError: the database cannot be used; the sender should try again.
    """
    now = app.clock.now()
    proven = hook_signatures.prove(hook, incoming, app.home, now)
    return keep(app, hook, incoming, proven)


def keep(app: App, hook: HookSettings, incoming: Incoming, proven: Proven) -> Receipt:
    """Append a request whose sender is known; the same once more changes nothing.

    Raises:
        Refused: its name was used before, with another body.
        StoreError: the database cannot be used.
    """
    request = NewRequest(
        source=hook.name,
        kind=hook.kind.value,
        topic=proven.topic,
        key=proven.key or secrets.token_hex(_NAME_BYTES),
        digest=incoming.digest,
        body=incoming.body,
    )
    # who hears "kept" never sends it again: it must outlive a power cut
    with app.store.write(durable=True) as connection:
        if hooks.add(connection, request, app.clock.now()) is not None:
            return Receipt(source=hook.name, key=request.key, is_new=True)
        known = hooks.find(connection, hook.name, request.key)
    is_other = known is not None and known.digest != request.digest
    if is_other and hook.kind is HookKind.MAILGUN:
        raise Refused(Sentence("a signature was used a second time, for something else"))
    return Receipt(source=hook.name, key=request.key, is_new=False, is_other=is_other)


def look(body: bytes) -> importing.Answer | None:
    """What is wrong with orders before they are kept; None where any of them is well formed.

    Raises:
        NotJson: the body is no JSON.
        ValueError: it holds no orders, or too many.
    """
    return importing.look(read_json(body))


def find_request(app: App, source: str, key: str) -> HookRequest | None:
    """What became of a request."""
    with app.store.read() as connection:
        return hooks.find(connection, source, key)


# ------------------------------------------------------------------ reading what was kept


#: Who reads at present, of each shop.
_TURNS: WeakKeyDictionary[App, threading.Lock] = WeakKeyDictionary()


def digest(app: App, limit: int = ROUND) -> HookReport:
    """Do what kept requests ask for, the oldest first, each once; bounces are read at once.

    May be killed at any moment and run again: no effect doubles. While another thread of this
    process does so, nothing is done here.
    """
    report = HookReport()
    turn = _TURNS.setdefault(app, threading.Lock())
    if not turn.acquire(blocking=False):
        return report
    try:
        with app.store.read() as connection:
            waiting = hooks.list_new(connection, limit=limit)
        for request_id in waiting:
            _one(app, request_id, report)
    finally:
        turn.release()
    if report.events:
        ears.understand(app)
    return report


def _one(app: App, request_id: int, report: HookReport) -> None:
    """One request: whatever is wrong with it, the next one gets its turn."""
    report.requests += 1
    now = app.clock.now()
    try:
        with app.store.write() as connection:
            if not hooks.take(connection, request_id):
                return
            request = hooks.get(connection, request_id)
            answer = _apply(app, connection, request, report, now)
            hooks.finish(connection, request_id, answer, now)
    except StoreError:
        raise
    except (importing.Unreadable, NotJson, notices.BadShape) as error:
        why = str(error)
        _set_aside(app, request_id, report, why, lambda c: hooks.fail(c, request_id, why, now))
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        _set_aside(app, request_id, report, text, lambda c: hooks.strike(c, request_id, text))


def _set_aside(
    app: App, request_id: int, report: HookReport, why: str, note: Callable[[Any], Any]
) -> None:
    report.failed += 1
    report.troubles.append((request_id, why))
    with app.store.write() as connection:
        note(connection)


def _apply(
    app: App, connection: Any, request: HookRequest, report: HookReport, now: datetime
) -> dict[str, Any]:
    if HookKind(request.kind).tells_of_mail:
        noticed = notices.digest(connection, request, app.keys, now)
        report.events.update(noticed.kinds)
        return noticed.as_answer()
    answer = importing.digest(connection, request, _manner(app, request, now))
    report.orders.update(one.became for one in answer.rows)
    return answer.as_answer()


def _manner(app: App, request: HookRequest, now: datetime) -> Manner:
    hook = find_hook(app, request.source)
    return Manner(
        platform=hook.platform if hook else request.source,
        place=app.zone,
        currency=app.shop.currency,
        default_language=app.shop.languages[0],
        rates=read_rates(app.home / files.RATES),
        now=now,
        origin=f"webhook {request.source}, request {request.id}",
    )


# ------------------------------------------------------------------ what was refused, and looking


class Refusals:
    """Counts what is turned away; tells database and log from time to time: a flood costs nothing.

    A reason is one of a few fixed sentences, never words of the sender.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._told_at: datetime | None = None

    def note(self, source: str, reason: str) -> None:
        """One more. `source`: a table of the settings, or empty."""
        now = self._app.clock.now()
        with self._lock:
            if (source, reason) in self._counts or len(self._counts) < MOST_REASONS:
                self._counts[source, reason] += 1
            if self._told_at is not None and now - self._told_at < TELL_REFUSALS:
                return
            self._told_at, told, self._counts = now, self._counts, Counter()
        with self._app.store.write() as connection:
            for (name, why), times in sorted(told.items()):
                hooks.refuse(connection, name, why, times, now)
        for (name, why), times in sorted(told.items()):
            logs.get().warning("hook refused", source=name, reason=why, times=times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What came by webhooks."""

    sources: tuple[SourceFigures, ...]
    failed: tuple[HookRequest, ...]
    refusals: tuple[Refusal, ...]


def overview(app: App) -> Overview:
    """Figures by source, what could not be read, what was turned away."""
    with app.store.read() as connection:
        return Overview(
            sources=tuple(hooks.figures(connection)),
            failed=tuple(hooks.list_failed(connection)),
            refusals=tuple(hooks.list_refusals(connection)),
        )


def read_again(app: App, request_id: int) -> HookReport:
    """Read a request that was set aside once more.

    Raises:
        NotFound: it was not set aside, or its body was let go.
    """
    with app.store.write() as connection:
        hooks.retry(connection, request_id)
    return digest(app)
