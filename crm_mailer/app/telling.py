"""Verbs of webhooks out: find what is to be told, and tell it until it is heard.

Each event has one id for ever, and one row for each endpoint that is to hear of it. Rows are made
from the facts themselves by a cursor, in the commit that moves the cursor, so that none is lost
and none is doubled. A message may be told twice where a process dies between the answer and its
commit: its id is the same.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from crm_mailer import logs
from crm_mailer.app.telling_line import UNTOLD, NotTold, Told, post
from crm_mailer.app.wiring import App
from crm_mailer.model import webhook
from crm_mailer.model.campaign import Kind
from crm_mailer.model.recalled import recalled
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import WebhookSettings
from crm_mailer.settings.values import is_loopback
from crm_mailer.store import alerts, telling_facts, tellings
from crm_mailer.store.telling_facts import Fact
from crm_mailer.store.tellings import Endpoint, Message

#: Messages told to one endpoint in one round, and for how many seconds at most.
ROUND, PATIENCE = 200, 20.0
#: Endpoints told at a time; one that is slow keeps no other waiting.
LANES = 8
#: A message that nobody has heard for so long is given up.
LIFE = timedelta(hours=72)
#: The longest rest that an endpoint may ask for.
LONGEST_REST = timedelta(hours=24)
#: Answers that say "not now" of the endpoint, not "no" to the message.
NOT_NOW = frozenset({408, 425, 429})
GONE = 410
#: What is kept of an endpoint that is gone, and of a message that was not heard.
_GONE = Sentence("it answered 410: gone")
_REDIRECTED = Sentence(
    "HTTP {code}: a redirect is not followed; write the new address into the settings"
)
_UNHEARD = (*UNTOLD, _REDIRECTED)
#: Failures in a row before a person is told.
TELL_AFTER = 5


@dataclass(slots=True)
class TellReport:
    """What one round told."""

    found: int = 0
    told: int = 0
    failed: int = 0
    given_up: int = 0
    by_event: Counter[str] = field(default_factory=Counter)


Post = Callable[..., Told]


def tell(app: App, post_: Post = post) -> TellReport:
    """One round: find what is new, tell what is due. In a rehearsal only this machine is told."""
    report = TellReport()
    endpoints = [one for one in app.settings.webhooks if _may_leave(app, one)]
    if not endpoints:
        return report
    for one in endpoints:
        report.found += collect(app, one)
    with ThreadPoolExecutor(min(LANES, len(endpoints)), thread_name_prefix="tell") as pool:
        for told in pool.map(lambda one: _lane(app, one, post_), endpoints):
            report.told += told.told
            report.failed += told.failed
            report.given_up += told.given_up
            report.by_event += told.by_event
    return report


def tend(app: App) -> str:
    """One round for the daemon; what was done."""
    report = tell(app)
    with app.store.read() as connection:
        old = tellings.list_old(connection, app.clock.now())
    if old:
        with app.store.write() as connection:
            tellings.drop_payloads(connection, old)
    told = {"told": report.told, "not heard": report.failed, "given up": report.given_up}
    return ", ".join(f"{name} {number}" for name, number in told.items() if number)


def _may_leave(app: App, one: WebhookSettings) -> bool:
    return not app.settings.clock or is_loopback(urlsplit(one.url).hostname or "")


# ------------------------------------------------------------------ what is to be told


def collect(app: App, one: WebhookSettings) -> int:
    """Make rows of the facts that are new to an endpoint; how many."""
    now = app.clock.now()
    with app.store.read() as connection:
        known = tellings.find_endpoint(connection, one.name)
        if known is None or known.url != one.url:
            numbers = telling_facts.last_numbers(connection)
        else:
            found = _new(app, connection, known, one)
    if known is None or known.url != one.url:
        with app.store.write() as connection:
            tellings.meet(connection, one.name, one.url, numbers, now)
        return 0
    if not any(messages for _event, messages, _name, _number in found):
        return 0
    cursors = dict(known.cursors)
    with app.store.write() as connection:
        for event, messages, name, number in found:
            tellings.add(connection, one.name, event, messages, now)
            if name:
                cursors[name] = max(number, cursors.get(name, 0))
        tellings.set_cursors(connection, one.name, cursors)
    return sum(len(messages) for _event, messages, _name, _number in found)


#: Event, messages with their ids, the cursor it is read by, and how far.
_Found = tuple[str, list[tuple[str, str]], str, int]


def _new(app: App, connection: Any, known: Endpoint, one: WebhookSettings) -> list[_Found]:
    edm = [c.id for c in app.definitions.campaigns.values() if c.kind is Kind.EDM]
    begun = {name: _start(known, name) for name in ("cases", "suppressions")}
    first_run = known.cursors["plan_runs:first"]
    looks: dict[str, tuple[str, Callable[[], list[Fact]]]] = {
        webhook.CASE_OPENED: (
            "cases",
            lambda: telling_facts.opened_cases(connection, begun["cases"]),
        ),
        webhook.UNSUBSCRIBED: (
            "suppressions",
            lambda: telling_facts.unsubscribed(connection, begun["suppressions"]),
        ),
        webhook.CAMPAIGN_FINISHED: (
            "",
            lambda: telling_facts.finished_campaigns(connection, first_run, edm),
        ),
        webhook.ALERT_RAISED: ("", lambda: telling_facts.raised_alerts(connection, known.since)),
    }
    found: list[_Found] = []
    for event, (cursor, look) in looks.items():
        if not one.wants(event):
            continue
        own = (_cause(known.name), _refused(known.name))
        facts = [fact for fact in look() if fact.data.get("cause") not in own]
        ids = {event_id(event, fact.key): fact for fact in facts}
        fresh = ids.keys() - tellings.known_ids(connection, known.name, sorted(ids))
        news = {name: fact for name, fact in ids.items() if name in fresh}
        if event == webhook.CAMPAIGN_FINISHED:
            news = {name: telling_facts.completed(connection, fact) for name, fact in news.items()}
        messages = [(name, _payload(event, fact)) for name, fact in news.items()]
        last = max((fact.number for fact in facts), default=0)
        found.append((event, messages, cursor, last))
    return found


def _start(known: Endpoint, name: str) -> int:
    """Where to look from: a little before where was read to, never before the beginning."""
    return max(known.cursors[f"{name}:first"], known.cursors[name] - telling_facts.OVERLAP)


def event_id(event: str, key: str) -> str:
    """The id of an event, the same whenever it is made."""
    return "msg_" + hashlib.sha256(f"{event}:{key}".encode()).hexdigest()[:32]


def _payload(event: str, fact: Fact) -> str:
    told = {"type": event, "timestamp": fact.at.isoformat(), "data": fact.data}
    return json.dumps(told, ensure_ascii=False)


# ------------------------------------------------------------------ telling


def _lane(app: App, one: WebhookSettings, post_: Post) -> TellReport:
    """All that is due at one endpoint, until it does not answer."""
    report, chance = TellReport(), random.Random()
    until = monotonic() + PATIENCE
    with app.store.read() as connection:
        known = tellings.find_endpoint(connection, one.name)
        now = app.clock.now()
        due = tellings.list_due(connection, one.name, now, limit=ROUND)
    if known is None or known.disabled_at is not None:
        return report
    if known.rests_until is not None and now < known.rests_until:
        return report
    failures = known.failures
    for message in due:
        if monotonic() > until or not app.is_in_time:
            break
        said = _attempt(app, one, message, post_)
        goes_on = _note(app, one, message, said, failures, chance, report)
        failures = 0 if said.is_well else failures
        if not goes_on:
            break
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """How an attempt ended. `code` 0: no answer."""

    code: int
    error: str = ""
    retry_after: str = ""

    @property
    def is_well(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_down(self) -> bool:
        """Whether the endpoint cannot take anything now, so that it is left alone."""
        return self.code == 0 or self.code >= 500 or self.code in NOT_NOW


def _attempt(app: App, one: WebhookSettings, message: Message, post_: Post) -> _Said:
    body = message.payload.encode()
    headers = webhook.headers(one.secret, message.event_id, app.clock.now(), body)
    is_near = one.private or is_loopback(urlsplit(one.url).hostname or "")
    try:
        told = post_(one.url, headers, body, may_be_private=is_near)
    except NotTold as error:
        return _Said(code=0, error=str(error))
    return _Said(code=told.code, error=_refusal(told.code), retry_after=told.retry_after)


def _refusal(code: int) -> str:
    """What an answer says that is no "well done"; empty where it is."""
    if 300 <= code < 400:
        return Sentence(
            "HTTP {code}: a redirect is not followed; write the new address into the settings",
            code=code,
        )
    return "" if 200 <= code < 300 else f"HTTP {code}"


def _note(
    app: App,
    one: WebhookSettings,
    message: Message,
    said: _Said,
    failures: int,
    chance: random.Random,
    report: TellReport,
) -> bool:
    """Write down how an attempt ended; whether the endpoint is to be told more now."""
    now = app.clock.now()
    state, next_at = _fate(message, said, chance, now)
    with app.store.write() as connection:
        tellings.settle(
            connection, message, state=state, code=said.code, error=said.error, next_at=next_at,
            now=now,
        )  # fmt: skip
        _note_endpoint(connection, one, said, failures, chance, now)
        _note_refused(connection, one, message, said, is_lost=state == "given_up", now=now)
    report.told += state == "told"
    report.failed += not said.is_well
    report.given_up += state == "given_up"
    if state == "told":
        report.by_event[message.event] += 1
    else:
        logs.get().warning("webhook", to=one.name, tells=message.event, error=said.error)
    return not said.is_down and said.code != GONE


def _note_endpoint(
    connection: Any,
    one: WebhookSettings,
    said: _Said,
    failures: int,
    chance: random.Random,
    now: datetime,
) -> None:
    """What an attempt says of the endpoint itself: well, resting or gone."""
    if said.code == GONE:
        tellings.disable(connection, one.name, _GONE, now)
        gone = Sentence("the webhook {name} says that it is gone (410)", name=one.name)
        _alert(connection, one, gone, now)
    elif said.is_down:
        rest = _rest(said, failures + 1, chance, now)
        tellings.note_failure(connection, one.name, failures + 1, rest)
        if failures + 1 >= TELL_AFTER:
            deaf = Sentence(
                "the webhook {name} does not take what it is told: {why}",
                name=one.name,
                why=said.error,
            )
            _alert(connection, one, deaf, now)
    elif said.is_well:
        tellings.note_well(connection, one.name)
        alerts.end(connection, _cause(one.name), now)


def _note_refused(
    connection: Any,
    one: WebhookSettings,
    message: Message,
    said: _Said,
    *,
    is_lost: bool,
    now: datetime,
) -> None:
    """Tell a person of a message that is refused again and again, or that nobody will hear.

    Other messages may be heard meanwhile: what ends the alert is that such a message is, or a
    person.
    """
    cause, is_often = _refused(one.name), message.attempts + 1 >= TELL_AFTER
    if said.is_well:
        if is_often:
            alerts.end(connection, cause, now)
        return
    if is_lost:
        lost = Sentence("a message to the webhook {name} is given up: {why}",
                        name=one.name, why=said.error)  # fmt: skip
        _alert(connection, one, lost, now, cause=cause)
    elif is_often and not said.is_down and said.code != GONE:
        deaf = Sentence("the webhook {name} does not take what it is told: {why}",
                        name=one.name, why=said.error)  # fmt: skip
        _alert(connection, one, deaf, now, cause=cause)


def _fate(
    message: Message, said: _Said, chance: random.Random, now: datetime
) -> tuple[str, datetime | None]:
    if said.is_well:
        return "told", None
    again = webhook.next_try(message.attempts + 1, now, chance)
    if again is None or again > message.at + LIFE:
        return "given_up", None
    return "waiting", again


def _rest(said: _Said, failures: int, chance: random.Random, now: datetime) -> datetime:
    """How long an endpoint is left alone: as it asks, else longer each time."""
    if said.retry_after.isdigit() and len(said.retry_after) < 7:
        return now + min(timedelta(seconds=int(said.retry_after)), LONGEST_REST)
    usual = webhook.next_try(min(failures, len(webhook.SCHEDULE)), now, chance)
    assert usual is not None
    return min(usual, now + LONGEST_REST)


def _cause(name: str) -> str:
    """The cause of the alert about an endpoint; it is not told of to that endpoint."""
    return f"webhooks/{name}"


def _refused(name: str) -> str:
    """The cause of the alert about messages that an endpoint refuses."""
    return f"{_cause(name)}/refused"


def _alert(
    connection: Any, one: WebhookSettings, what: str, now: datetime, *, cause: str = ""
) -> None:
    alerts.raise_(
        connection,
        cause or _cause(one.name),
        what,
        hint=Sentence("mend it, then `crm-mailer outbox webhooks --enable {name}`", name=one.name),
        now=now,
    )


# ------------------------------------------------------------------ looking, and again


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLine:
    """An endpoint on the screen."""

    name: str
    url: str
    events: tuple[str, ...]
    waiting: int
    told: int
    given_up: int
    failures: int
    rests_until: datetime | None
    disabled_at: datetime | None
    why: str


def endpoints(app: App) -> list[EndpointLine]:
    """Each address of the settings, and how it goes there."""
    with app.store.read() as connection:
        counts = tellings.counts(connection)
        known = {one.name: tellings.find_endpoint(connection, one.name)
                 for one in app.settings.webhooks}  # fmt: skip
    return [_line(one, known[one.name], counts.get(one.name, {})) for one in app.settings.webhooks]


def _line(one: WebhookSettings, known: Endpoint | None, counts: dict[str, int]) -> EndpointLine:
    return EndpointLine(
        name=one.name,
        url=one.url,
        events=one.events or webhook.EVENTS,
        waiting=counts.get("waiting", 0),
        told=counts.get("told", 0),
        given_up=counts.get("given_up", 0),
        failures=known.failures if known else 0,
        rests_until=known.rests_until if known else None,
        disabled_at=known.disabled_at if known else None,
        why=recalled(known.why if known else "", [_GONE]),
    )


def list_unheard(app: App, limit: int = 50) -> list[Message]:
    """Messages that wait or were given up, the newest first; why, as sentences."""
    with app.store.read() as connection:
        found = tellings.list_(connection, states=("waiting", "given_up"), limit=limit)
    return [replace(one, error=recalled(one.error, _UNHEARD)) for one in found]


def replay(app: App, numbers: Sequence[int]) -> None:
    """Tell messages once more, under their own ids.

    Raises:
        NotFound: one does not exist; then none is told.
    """
    with app.store.write() as connection:
        for number in numbers:
            tellings.replay(connection, number, app.clock.now())


def enable(app: App, name: str) -> None:
    """Try an endpoint again at once that is gone or resting.

    Raises:
        NotFound: nothing was ever told to an address of this name.
    """
    now = app.clock.now()
    with app.store.write() as connection:
        tellings.enable(connection, name)
        alerts.end_of(connection, _cause(name), now)
