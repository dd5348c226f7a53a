"""Verbs about what the web saw of mails: note requests, digest them, say what they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_mailer.app.wiring import App
from crm_mailer.model import tracking
from crm_mailer.model.curve import Signal
from crm_mailer.model.delivery import EvidenceKind
from crm_mailer.model.hit import WebHit
from crm_mailer.planning.signals import Hit, Seen, judge, tell_apart
from crm_mailer.store import doubts, facts, links, signals, web_events
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.web_events import Count, Event, FigureKey, SeenMail

#: So long a raw row waits: what comes soon after it may show that a machine made it.
SETTLED_AFTER = timedelta(seconds=10)
#: Raw rows that are digested at once: a turn to write of some milliseconds.
BATCH = 500
#: Requests of one mail and kind that are noted and judged: a person makes some, a flood any number.
MOST_OF_A_MAIL = 500
#: How often old ones are looked for, and how many go at once.
FORGET_EVERY = timedelta(hours=1)
FORGET_AT_ONCE = 5_000
#: When old rows were last looked for.
FORGOTTEN = "web_events.forgotten"
#: How long whoever notes requests waits for its turn: what came meanwhile would be lost by a kill.
NOTE_WAIT = 0.3


@dataclass(slots=True, kw_only=True)
class Digest:
    """What was done with the raw rows that were new."""

    read: int = 0
    #: Mails that a person clicked in or opened for the first time.
    clicks: int = 0
    opens: int = 0
    #: Mails in doubt that were settled: somebody has them.
    settled: int = 0
    forgotten: int = 0


def noting_store(app: App) -> Store:
    """The database for whoever notes requests: it does not wait long for its turn."""
    if not app.store.is_sqlite:
        return app.store
    mark = "&" if "?" in app.database_url else "?"
    return open_store(f"{app.database_url}{mark}timeout={NOTE_WAIT}")


def note(store: Store, hits: Sequence[WebHit]) -> None:
    """Keep requests as they came.

    Raises:
        StoreError: the database cannot be written now; nothing of them was kept.
    """
    with store.write() as connection:
        web_events.add(connection, hits)


def find_target(app: App, link: int) -> str:
    """Where a link leads; empty for one that no mail had, and for one that nobody should follow."""
    with app.store.read() as connection:
        return tracking.target(links.find(connection, link) or "")


def digest(app: App) -> Digest:
    """Tell people from machines in the raw rows that are new, and keep what they come to.

    Done again, or by two at once, it changes nothing.
    """
    done = Digest()
    while _digest_some(app, done) == BATCH:
        pass
    _settle_doubts(app, done)
    done.forgotten = _forget_if_due(app)
    return done


# ------------------------------------------------------------------ digesting


def _digest_some(app: App, done: Digest) -> int:
    """Digest a batch; how many rows it had."""
    now = app.clock.now()
    with app.store.read() as connection:
        before = web_events.cursor(connection)
        events = _settled(web_events.list_after(connection, before, BATCH), now)
        if not events:
            return 0
        touched = sorted({event.touch_id for event in events})
        every = web_events.list_of(connection, touched, events[-1].id, MOST_OF_A_MAIL)
        mails = web_events.find_mails(connection, touched)
        numbers = {one.link_id for some in every.values() for one in some if one.link_id}
        targets = links.find_all(connection, sorted(numbers))
        shared = web_events.list_shared(connection, sorted(numbers))
    seen: list[tuple[SeenMail, Seen]] = []
    changes: Counter[tuple[FigureKey, str]] = Counter()
    for mail in mails.values():
        hits = [_hit(event, targets) for event in every[mail.touch_id]]
        known = [hit for hit, event in zip(hits, every[mail.touch_id], strict=True)
                 if event.id <= before]  # fmt: skip
        seen += [(mail, one) for one in _judged(mail, hits)]
        changes.update(_counted(mail, hits, shared))
        changes.subtract(_counted(mail, known, shared))
    with app.store.write() as connection:
        if not web_events.move_cursor(connection, before, events[-1].id, now):
            return 0
        for kind in signals.SEEN:
            rows = [
                (mail.touch_id, mail.customer_id, one.at, one.detail)
                for mail, one in seen
                if one.kind is kind
            ]
            new = signals.add_all(connection, kind, rows, now)
            done.clicks += new if kind is Signal.CLICK else 0
            done.opens += new if kind is Signal.HUMAN_OPEN else 0
        web_events.add_figures(connection, _paired(changes))
    done.read += len(events)
    return len(events)


def _settled(events: Sequence[Event], now: datetime) -> list[Event]:
    """The rows before the first that may still be shown to be a machine's."""
    found: list[Event] = []
    for event in events:
        if event.at > now - SETTLED_AFTER:
            break
        found.append(event)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _LinkHit(Hit):
    """With the number of its link."""

    number: int = 0


def _hit(event: Event, targets: Mapping[int, str]) -> _LinkHit:
    number = event.link_id or 0
    link = targets.get(number, tracking.code(number)) if event.kind == "click" else ""
    return _LinkHit(
        at=event.at,
        link=link,
        agent=event.agent,
        method=event.method,
        address=event.address,
        is_hidden=event.kind == "click" and tracking.is_hidden(number),
        number=number,
    )


def _judged(mail: SeenMail, hits: Sequence[Hit]) -> list[Seen]:
    return judge(hits, delivered_at=mail.left_at, links=mail.links, ordered_at=mail.ordered_at)


def _counted(
    mail: SeenMail, hits: Sequence[_LinkHit], shared: set[int]
) -> Counter[tuple[FigureKey, str]]:
    """What the hits of a mail add to its campaign's figures."""
    found: Counter[tuple[FigureKey, str]] = Counter()
    told = tell_apart(hits, delivered_at=mail.left_at, links=mail.links, ordered_at=mail.ordered_at)
    for hit, kind in told:
        number = hit.number if isinstance(hit, _LinkHit) and hit.number in shared else 0
        for link in {0, number}:
            key = FigureKey(mail.campaign, mail.step, mail.arm, kind.value, link)
            found[key, "mails"] = 1
            found[key, "hits"] += 1
    return found


def _paired(changes: Mapping[tuple[FigureKey, str], int]) -> dict[FigureKey, Count]:
    keys = {key for key, _what in changes}
    return {
        key: Count(changes.get((key, "mails"), 0), changes.get((key, "hits"), 0)) for key in keys
    }


def _settle_doubts(app: App, done: Digest) -> None:
    """A mail in doubt whose link was followed, by whomever, did arrive."""
    with app.store.read() as connection:
        found = web_events.list_doubted(connection)
    if not found:
        return
    with app.store.write() as connection:
        for touch_id, event in found.items():
            kind = EvidenceKind.CLICK if event.kind == "click" else EvidenceKind.OPEN
            done.settled += doubts.settle_by_evidence(
                connection, touch_id, kind, event.at, event.agent
            )


def _forget_if_due(app: App) -> int:
    """Take old raw rows away, some at a time."""
    now = app.clock.now()
    with app.store.read() as connection:
        last = facts.find(connection, FORGOTTEN)
    if last is not None and now.timestamp() - last < FORGET_EVERY.total_seconds():
        return 0
    with app.store.write() as connection:
        digested = web_events.cursor(connection)
        before = now - timedelta(days=app.settings.retention.requests_days)
        gone = web_events.forget_old(connection, before, digested, FORGET_AT_ONCE)
        if gone < FORGET_AT_ONCE:
            facts.put(connection, FORGOTTEN, int(now.timestamp()), now)
    return gone
