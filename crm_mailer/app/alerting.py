"""Verbs of alerts that leave the program: by mail to the shop's own people, and to a chat.

An alert is told by each way once, once a day while it lasts, and when it is over. The mail stands
in no ledger and waits for no lane: whatever campaigns do, it leaves, by another account than the
one that is in trouble where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from crm_mailer import logs
from crm_mailer.app import alert_words, gone, ways
from crm_mailer.app.rendering import signer
from crm_mailer.app.telling_line import NotTold, Told, post
from crm_mailer.app.wiring import App
from crm_mailer.delivering import single
from crm_mailer.delivering.routing import Outlet
from crm_mailer.model.alert_news import Cause, Change, News, news
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import OutcomeKind
from crm_mailer.model.errors import CrmMailerError, NotPossible
from crm_mailer.model.message import Message
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.rendering import notes
from crm_mailer.rendering.headers import UnsafeHeader
from crm_mailer.settings.values import is_loopback
from crm_mailer.store import alert_tellings, alerts, facts, pauses
from crm_mailer.store.alerts import Alert
from crm_mailer.store.engine import Connection

MAIL, WEBHOOK = "mail", "webhook"
#: Causes told in one message; more are named by their number.
MOST = 50
#: After a failure a way rests: a minute, then twice as long each time, an hour at most.
REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)
#: Failures in a row before the other way, and the studio, tell of it.
TELL_AFTER = 3
_OWN = "alerts/"
HINT = Sentence("look at [alerts] in the settings, then try `crm-mailer outbox alerts --try`")

Post = Callable[..., Told]


@dataclass(frozen=True, slots=True, kw_only=True)
class WayTold:
    """What became of one way in one round. `error` empty: it went well, or there was nothing."""

    way: str
    place: str
    told: int = 0
    error: str = ""


def warn(app: App, post_: Post = post) -> list[WayTold]:
    """One round by each way that the settings name."""
    return [_round(app, way, post_) for way in _ways(app)]


def tend(app: App) -> str:
    """One round for the daemon; what was done."""
    gone.end(app)
    done = [one for one in warn(app) if one.told]
    return ", ".join(f"{one.told} by {one.way}" for one in done)


def try_out(app: App, post_: Post = post) -> list[WayTold]:
    """Tell a trial by each way, whatever is open: somebody wants to see that it arrives.

    Raises:
        NotPossible: the settings name no way.
    """
    found = _ways(app)
    if not found:
        raise NotPossible(
            "alerts are told nobody outside",
            hint="set `mail` or `webhook` in the table [alerts] of crm-mailer.toml",
        )
    trial = Cause("trial", Sentence("this is a trial: alerts arrive here"), "", app.clock.now())
    one = [News(Change.NEW, trial)]
    return [
        WayTold(way=way, place=_place(app, way), told=0 if error else 1, error=error)
        for way in found
        if (error := _tell(app, way, one, post_)) is not None
    ]


def list_open(app: App) -> list[Alert]:
    """What is not over, the oldest first."""
    with app.store.read() as connection:
        return alerts.list_open(connection)


def list_new(app: App, known: Collection[str], *, has_accounts: bool = True) -> list[Alert]:
    """What has come since these causes were all; `has_accounts`: also troubles of accounts."""
    return [
        one
        for one in list_open(app)
        if one.cause not in known and (has_accounts or not one.cause.startswith(pauses.ACCOUNT))
    ]


def _ways(app: App) -> list[str]:
    set_ = app.settings.alerts
    return [way for way, is_on in ((MAIL, set_.mail), (WEBHOOK, set_.webhook)) if is_on]


def _place(app: App, way: str) -> str:
    if way == MAIL:
        return ", ".join(app.settings.alerts.mail)
    return urlsplit(app.settings.alerts.webhook).hostname or ""


def _round(app: App, way: str, post_: Post) -> WayTold:
    now, place = app.clock.now(), _place(app, way)
    with app.store.read() as connection:
        failures, rests_until = _trouble(facts.find(connection, f"{_OWN}{way}"))
        told = alert_tellings.told(connection, way)
        causes = alert_tellings.list_causes(connection, way)
    if rests_until is not None and now < rests_until:
        return WayTold(way=way, place=place)
    # a way that is in trouble need not hear of it by itself
    due = [one for one in news(causes, told, now) if one.cause.cause != f"{_OWN}{way}"][:MOST]
    if not due:
        return WayTold(way=way, place=place)
    error = _tell(app, way, due, post_)
    with app.store.write() as connection:
        if error:
            _note_failure(connection, way, error, failures + 1, now)
        else:
            alert_tellings.note(connection, way, due, now)
            if failures:
                facts.put(connection, f"{_OWN}{way}", "", now)
                alerts.end(connection, f"{_OWN}{way}", now)
    if error:
        logs.get().warning("alert", by=way, error=error)
        return WayTold(way=way, place=place, error=error)
    return WayTold(way=way, place=place, told=len(due))


def _trouble(kept: object) -> tuple[int, datetime | None]:
    """Failures in a row of a way, and until when it rests."""
    if not kept:
        return 0, None
    found = json.loads(str(kept))
    return int(found["failures"]), datetime.fromisoformat(found["rests_until"])


def _note_failure(
    connection: Connection, way: str, error: str, failures: int, now: datetime
) -> None:
    rest = min(REST * 2 ** min(failures - 1, 10), LONGEST_REST)
    kept = {"failures": failures, "rests_until": (now + rest).isoformat()}
    facts.put(connection, f"{_OWN}{way}", json.dumps(kept), now)
    if failures >= TELL_AFTER:
        message = Sentence("alerts cannot be told by {way}: {why}", way=way, why=error)
        alerts.raise_(connection, f"{_OWN}{way}", message, hint=HINT, now=now)


def _tell(app: App, way: str, due: Sequence[News], post_: Post) -> str:
    """Tell it now; why it did not arrive, or nothing."""
    return _mail(app, due) if way == MAIL else _post(app, due, post_)


# ------------------------------------------------------------------ by webhook


def _post(app: App, due: Sequence[News], post_: Post) -> str:
    url = app.settings.alerts.webhook
    is_near = is_loopback(urlsplit(url).hostname or "")
    if app.settings.clock and not is_near:
        return Sentence("this is a rehearsal: only this machine is told")
    content = alert_words.body(url, app.shop_or_default.name, due, app.zone)
    try:
        told = post_(url, {}, content, may_be_private=is_near or app.settings.alerts.private)
    except NotTold as error:
        return str(error)
    if not 200 <= told.code < 300:
        return f"HTTP {told.code}"
    return alert_words.refusal(url, told.said)


# ------------------------------------------------------------------ by mail


def _mail(app: App, due: Sequence[News]) -> str:
    """One mail to each address; why none arrived, or nothing.

    Where some arrived, those who got it would get it again and again for the sake of another: what
    is wrong with that other's address is an alert of its own, which they are told.
    """
    recipients = app.settings.alerts.mail
    missed = {one: why for one in recipients if (why := _mail_to(app, one, due))}
    if len(missed) == len(recipients):
        return next(iter(missed.values()))
    _note_missed(app, missed)
    return ""


def _note_missed(app: App, missed: Mapping[str, str]) -> None:
    now = app.clock.now()
    with app.store.write() as connection:
        for recipient in app.settings.alerts.mail:
            cause = f"{_OWN}{MAIL}/{recipient}"
            if recipient in missed:
                message = Sentence(
                    "alerts do not reach {address}: {why}", address=recipient, why=missed[recipient]
                )
                alerts.raise_(connection, cause, message, hint=HINT, now=now)
            else:
                alerts.end(connection, cause, now)


def _mail_to(app: App, recipient: str, due: Sequence[News]) -> str:
    """Why it did not arrive, or nothing."""
    shop = app.shop_or_default
    sender = shop.orders_sender or shop.sender
    if not sender:
        return Sentence("campaigns/shop.yaml names no `orders_sender` and no `sender`")
    try:
        message = notes.write(
            sender=sender,
            sender_name=shop.name,
            recipient=recipient,
            subject=alert_words.subject(shop.name, due),
            text=alert_words.text(due, app.zone),
            now=app.clock.now(),
            signer=signer(app),
        )
    except (UnsafeHeader, CrmMailerError) as error:
        return str(error)
    return _by_some_outlet(app, message)


def _by_some_outlet(app: App, message: Message) -> str:
    why: str = Sentence("no account may be used")
    for outlet in _outlets(app):
        outcome = single.hand_over(outlet.transport, message)
        # what may have arrived goes by the next way, too: twice is better than not at all
        if outcome.kind is OutcomeKind.ACCEPTED:
            return ""
        why = Sentences(f"{outlet.name}: {outcome.code or outcome.phase.value}", outcome.text)
    return why


def _outlets(app: App) -> list[Outlet]:
    """The accounts by which to try, the best first: the one that the settings name, then those
    without trouble and for order mail, last those that are stopped or in trouble.
    """
    with app.store.read() as connection:
        stopped = {one.scope for one in pauses.list_(connection)}
        troubled = {one.cause.partition("/")[0] for one in alerts.list_open(connection)}
    bad = {one for one in stopped | troubled if one.startswith(pauses.ACCOUNT)}
    found = list(ways.ways(app).outlets)
    if app.settings.clock:
        near = {one.name for one in app.settings.accounts if one.stays_here}
        found = [one for one in found if one.name in near or not app.settings.accounts]

    def order(one: Outlet) -> tuple[bool, bool, bool, int]:
        is_for_orders = not one.streams or Stream.TRANSACTIONAL in one.streams
        is_named = one.name == app.settings.alerts.account
        return f"{pauses.ACCOUNT}{one.name}" in bad, not is_named, not is_for_orders, one.rank

    return sorted(found, key=order)
