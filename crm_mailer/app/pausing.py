"""Verbs that stop sending and let it go on; and those that watch what came back of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from crm_mailer import logs
from crm_mailer.app.delivering import guard_limits
from crm_mailer.app.outbox import known_campaign
from crm_mailer.app.wiring import App
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.delivering import reputation, signs
from crm_mailer.delivering.guards import bounce_hint
from crm_mailer.delivering.pacing import HALVED
from crm_mailer.delivering.reputation import Judged, Reputation, ReputationLimits, Window
from crm_mailer.model import address
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import alerts, bells, facts, lanes, paces, pauses, touches
from crm_mailer.store import reputation as returns
from crm_mailer.store.alerts import Alert
from crm_mailer.store.bulk import in_turns
from crm_mailer.store.engine import Connection
from crm_mailer.store.paces import Pace
from crm_mailer.store.pauses import Pause

#: The lane that is all marketing mail.
MARKETING = f"{pauses.LANE}{Stream.MARKETING.value}"
#: What came back is counted at most so often, and over a day and a week.
WATCH_EVERY = timedelta(minutes=10)
WINDOWS = (timedelta(days=1), timedelta(days=7))
#: The fact of the last look, and of the moment a person let marketing go on.
_LOOKED, _FORGIVEN = "reputation:looked", "reputation:forgiven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a pause or its end did. `mails` were held, or let go."""

    scope: str
    is_new: bool
    mails: int = 0
    #: An account that had rested after a fault: it is tried at once.
    was_resting: bool = False


# ------------------------------------------------------------------ by a person


def scope_of(
    app: App, *, campaign: str | None = None, lane: str | None = None, account: str | None = None
) -> str:
    """What is meant: everything where nothing is named.

    Raises:
        NotFound: there is no such campaign, lane or account; the hint has the nearest.
        NotPossible: more than one thing is named.
    """
    given = [one for one in (campaign, lane, account) if one is not None]
    if len(given) > 1:
        raise NotPossible(
            "name one thing: a campaign, a lane or an account", hint="give the command twice"
        )
    if campaign is not None:
        known_campaign(app, campaign)
        return pauses.CAMPAIGN + campaign
    if lane is not None:
        return pauses.LANE + _known(
            lane, lane_names(), Sentence("there is no lane `{name}`", name=lane)
        )
    if account is not None:
        return pauses.ACCOUNT + _known(
            account, account_names(app), Sentence("there is no account `{name}`", name=account)
        )
    return pauses.ALL


def pause(
    app: App,
    *,
    campaign: str | None = None,
    lane: str | None = None,
    account: str | None = None,
    reason: str = "",
) -> Changed:
    """Stop everything, a campaign, a lane or an account; running senders obey within a second.

    Errors as for `scope_of`.
    """
    scope = scope_of(app, campaign=campaign, lane=lane, account=account)
    now = app.clock.now()
    with app.store.write() as connection:
        is_new = pauses.pause(connection, scope, now=now, reason=reason)
    mails = _hold(app, campaign) if campaign is not None else 0
    return Changed(scope=scope, is_new=is_new, mails=mails)


def resume(
    app: App,
    *,
    campaign: str | None = None,
    lane: str | None = None,
    account: str | None = None,
) -> Changed:
    """Let it go on: breakers count anew, and its alerts end. Errors as for `scope_of`."""
    scope = scope_of(app, campaign=campaign, lane=lane, account=account)
    now = app.clock.now()
    with app.store.write() as connection:
        for one in pauses.covered(connection, scope):
            alerts.end_of(connection, one, now)
        was_paused = pauses.resume(connection, scope)
        rest = None if account is None else lanes.find(connection, account)
        if account is not None:
            lanes.wake(connection, account)
        if scope == MARKETING:
            facts.put(connection, _FORGIVEN, int(now.timestamp()), now)
            _set_pace(connection, app, Reputation.GOOD)
    mails = _let_go(app, campaign) if campaign is not None else 0
    bells.ring(app.store)
    return Changed(
        scope=scope,
        is_new=was_paused,
        mails=mails,
        was_resting=rest is not None and rest.until > now,
    )


def list_pauses(app: App) -> list[Pause]:
    """All that is stopped."""
    with app.store.read() as connection:
        return pauses.list_(connection)


def list_alerts(app: App) -> list[Alert]:
    """What a person should look at."""
    with app.store.read() as connection:
        return alerts.list_open(connection)


def lane_names() -> list[str]:
    """Providers, streams, and one with the other."""
    providers = [*address.PROVIDERS, address.OTHER]
    streams = [one.value for one in Stream]
    return [*providers, *streams, *(f"{one}/{stream}" for one in providers for stream in streams)]


def account_names(app: App) -> list[str]:
    """The accounts by which mails leave."""
    return [one.name for one in app.settings.accounts] or [lanes.SANDBOX]


def _known(name: str, known: list[str], told: Sentence) -> str:
    if name not in known:
        raise NotFound(told, hint=did_you_mean(name, known))
    return name


# ------------------------------------------------------------------ the mails of paused campaigns


def tend(app: App) -> int:
    """Hold what fell due of paused campaigns, and let go what waits for no pause any more.

    Sending itself holds what it meets; this spares it the walk over a large campaign. Returns how
    many mails were changed.
    """
    with app.store.read() as connection:
        stopped = pauses.load(connection).campaigns
        known = touches.campaigns(connection)
        waiting = [
            one for one in known if one not in stopped and pauses.is_holding(connection, one)
        ]
    held = sum(_hold(app, one) for one in sorted(stopped))
    return held + sum(_let_go(app, one) for one in waiting)


def _hold(app: App, campaign: str) -> int:
    with app.store.read() as connection:
        due = pauses.list_due(connection, campaign, app.clock.now())
    return in_turns(app.store, due, pauses.hold)


def _let_go(app: App, campaign: str) -> int:
    with app.store.read() as connection:
        held = pauses.list_held(connection, campaign)
    return in_turns(app.store, held, pauses.let_go)


# ------------------------------------------------------------------ what came back


def watch_reputation(app: App) -> Judged | None:
    """Count spam reports and bounces against what left, and slow or stop what must be.

    None where that was done a few minutes ago.
    """
    now = app.clock.now()
    with app.store.read() as connection:
        looked = facts.find(connection, _LOOKED)
        if looked is not None and 0 <= now.timestamp() - looked < WATCH_EVERY.total_seconds():
            return None
        judged = reputation.judge(_windows(connection, app), _limits(app))
        back = returns.returned(connection, now - WINDOWS[-1], signs.BOUNCES_LEAST)
    with app.store.write() as connection:
        facts.put(connection, _LOOKED, int(now.timestamp()), now)
        causes = [*_act(connection, app, judged), *_stop_campaigns(connection, app, back)]
    for cause in causes:
        logs.get().warning("alert", cause=cause)
    return judged


def _limits(app: App) -> ReputationLimits:
    given = app.settings.guards
    return ReputationLimits(
        warned=given.spam_warn / 10_000,
        halved=given.spam_half / 10_000,
        stopped=given.spam_stop / 10_000,
    )


def _windows(connection: Connection, app: App) -> Iterable[Window]:
    """What is dear to count is counted only where there are reports at all."""
    now = app.clock.now()
    forgiven = facts.find(connection, _FORGIVEN) or 0
    for length in WINDOWS:
        since = max(now - length, now.fromtimestamp(forgiven, now.tzinfo))
        reports = returns.spam_reported(connection, since)
        if reports >= reputation.DEFAULTS.least_reports:
            yield Window(reports, returns.marketing_accepted(connection, since))


def _act(connection: Connection, app: App, judged: Judged) -> list[str]:
    now, level = app.clock.now(), judged.reputation
    for other in Reputation:
        if other is not level and other is not Reputation.STOPPED:
            alerts.end(connection, f"{MARKETING}/spam-{other.value}", now)
    _set_pace(connection, app, level)
    if level is Reputation.GOOD:
        return []
    worst = judged.worst
    message = Sentence(
        "{what}: {number} spam reports on {mails} marketing mails ({share:.2%})",
        what=_DONE[level],
        number=worst.reports,
        mails=worst.mails,
        share=worst.share,
    )
    if level is Reputation.STOPPED:
        pauses.pause(connection, MARKETING, now=now, reason=message, by=pauses.BREAKER)
    cause = f"{MARKETING}/spam-{level.value}"
    is_new = alerts.raise_(connection, cause, message, hint=_HINTS[level], now=now)
    return [cause] if is_new else []


def _set_pace(connection: Connection, app: App, level: Reputation) -> None:
    """Half of what left in the busiest hour of a week, or no limit."""
    now = app.clock.now()
    row = paces.load(connection, is_alone=True).get(HALVED)
    is_halved = level is Reputation.HALVED
    if is_halved == (row is not None and row.seen_rate > 0):
        return
    row = row or Pace(name=HALVED)
    busiest = returns.busiest_hour(connection, now - WINDOWS[-1]) if is_halved else 0
    row.seen_rate = max(1, busiest // 60) if is_halved else 0
    row.factor = 500 if is_halved else 1000
    paces.save(connection, [row], now)


def _stop_campaigns(
    connection: Connection, app: App, back: Iterable[returns.Returned]
) -> list[str]:
    now, causes, limits = app.clock.now(), [], guard_limits(app)
    for one in back:
        trip = signs.judge_returned(one.bounced, one.left, limits)
        if trip is None:
            continue
        scope, name = f"{pauses.CAMPAIGN}{one.campaign}", one.campaign
        message = Sentence("campaign {name}: {what}", name=name, what=trip.what)
        if one.stream is Stream.MARKETING:
            message = Sentence("campaign {name} is paused: {what}", name=name, what=trip.what)
            pauses.pause(connection, scope, now=now, reason=message, by=pauses.BREAKER)
        cause, hint = f"{scope}/{trip.kind}", bounce_hint(one.campaign)
        if alerts.raise_(connection, cause, message, hint=hint, now=now):
            causes.append(cause)
    return causes


_DONE = {
    Reputation.WARNED: Sentence("too many customers press `spam`"),
    Reputation.HALVED: Sentence("marketing leaves at half its pace"),
    Reputation.STOPPED: Sentence("marketing is paused"),
}
_HINTS = {
    Reputation.WARNED: Sentence(
        "who gets these mails, and did they ask for them? Gmail wants below 0.1 %"
    ),
    Reputation.HALVED: Sentence("mail fewer people, those first who bought or answered lately"),
    Reputation.STOPPED: Sentence(
        "receivers punish 0.3 % for a week: mend the audience first, then "
        "`crm-mailer resume --lane marketing`"
    ),
}
