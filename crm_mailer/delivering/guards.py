"""Watches outcomes and stops what must be stopped: an account, a lane, a campaign.

What trips is stopped in this process at once; `save` stops it for all and tells people, once for
each cause. The counts go on over rounds and processes: each adds its own to what others wrote.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from crm_mailer.delivering import signs
from crm_mailer.delivering.faults import LaneFault
from crm_mailer.delivering.routing import Lane
from crm_mailer.delivering.signs import DEFAULTS, Event, GuardLimits, Sign, Trip
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Outcome, OutcomeKind
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import SkipReason, Touch, TouchKind
from crm_mailer.store import alerts, pauses, tallies
from crm_mailer.store.engine import Connection
from crm_mailer.store.tallies import Tally

__all__ = ["GuardLimits", "Guards"]

T = TypeVar("T")

#: Before the first look into the database: replaced then.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_FINE = Event(Sign.FINE)
#: Seconds that good news may wait for bad: all senders count in the same few rows, in which each
#: write holds up the others.
UNHURRIED = 0.5


class Guards:
    """One for each round of sending.

    Args:
        outlets: names of the accounts.
        limits: when a breaker trips.
    """

    def __init__(self, outlets: Iterable[str], limits: GuardLimits = DEFAULTS) -> None:
        self._limits = limits
        self._accounts: dict[str, _Watched] = {}
        self._lanes: dict[Lane, _Watched] = {}
        self._campaigns: dict[str, _Watched] = {}
        self._faults: dict[str, LaneFault] = {}
        for name in outlets:
            self._account(name)
        #: Accounts that took a mail, and whether that was written.
        self._well: dict[str, bool] = {}
        self._stopped_lanes: set[Lane] = set()
        self._stopped_campaigns: set[str] = set()
        #: What went well since something last did not: it is counted together, for speed.
        self._fine: dict[tuple[str, str, str, Stream], _Many] = {}
        self._rendered: dict[str, _Many] = {}
        self._to_tell: dict[str, _Alarm] = {}
        #: Scopes whose pause is in the database.
        self._told: set[str] = set()
        self._save_at = 0.0

    # ------------------------------------------------------------------ what is stopped

    @property
    def stopped_lanes(self) -> frozenset[Lane]:
        """Lanes that tripped here."""
        return frozenset(self._stopped_lanes)

    @property
    def stopped_campaigns(self) -> frozenset[str]:
        """Campaigns that tripped here."""
        return frozenset(self._stopped_campaigns)

    @property
    def is_dirty(self) -> bool:
        """Whether anything waits for `save`."""
        is_well = not all(self._well.values()) or self._fine or self._rendered
        return (
            bool(is_well) or bool(self._to_tell) or any(one.is_changed for one in self._watched())
        )

    def fault(self, outlet: str) -> LaneFault | None:
        """Why this account must rest; None: it need not."""
        return self._faults.get(outlet)

    def is_lane_fault(self, outcome: Outcome) -> bool:
        """Whether this outcome says nothing about the mail, only about the connection or us."""
        return outcome.kind is not OutcomeKind.ACCEPTED and signs.is_lane_fault(outcome)

    # ------------------------------------------------------------------ watching

    def heard(self, touch: Touch, outlet: str, outcome: Outcome) -> None:
        """Take note of one outcome.

        Of a test only what it says of the account's connection counts.
        """
        if touch.kind is TouchKind.TEST:
            self._heard_of_test(outlet, outcome)
            return
        if outcome.kind is OutcomeKind.ACCEPTED:
            key = (outlet, touch.campaign, touch.provider, touch.stream)
            many = self._fine.get(key)
            if many is None:
                many = self._fine[key] = _Many(touch)
            many.number += 1
            return
        self._count_fine()
        if signs.is_lane_fault(outcome):
            self._rest(outlet, outcome)
            return
        sign = signs.sign_of(outcome)
        account = self._account(outlet)
        account.last_bad = outcome
        account.add(Event(sign))
        if signs.judge_account(account.tally, Event(sign), self._limits):
            self._rest(outlet, outcome)
        if sign is Sign.POLICY:
            lane = Lane(touch.provider, touch.stream)
            watched = self._lane(lane)
            watched.add(Event(sign))
            self._judge_lane(lane, watched, Event(sign))
        if touch.kind is TouchKind.CAMPAIGN:
            said = signs.said(outcome) if sign is Sign.CONTENT else ""
            event = Event(sign, touch.provider, said)
            campaign = self._campaign(touch)
            campaign.add(event)
            self._judge_campaign(touch.campaign, campaign, event)

    def _heard_of_test(self, outlet: str, outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.ACCEPTED:
            if outlet not in self._faults:
                self._well.setdefault(outlet, False)
        elif signs.is_lane_fault(outcome):
            self._count_fine()
            self._rest(outlet, outcome)

    def rendered(self, touch: Touch, is_ok: bool, reason: SkipReason | None = None) -> None:
        """Take note of a mail that was rendered, or not; only a template's fault counts."""
        if touch.kind is not TouchKind.CAMPAIGN:
            return
        if is_ok:
            self._rendered.setdefault(touch.campaign, _Many(touch)).number += 1
        elif reason in (None, SkipReason.TEMPLATE_ERROR):
            self._count_fine()
            campaign = self._campaign(touch)
            campaign.render(is_ok=False)
            self._judge_template(touch.campaign, campaign)

    def _count_fine(self) -> None:
        """What went well before something did not."""
        for (outlet, _campaign, provider, stream), many in self._fine.items():
            self._account(outlet).add(_FINE, many.number)
            if outlet not in self._faults:
                self._well.setdefault(outlet, False)
            self._lane(Lane(provider, stream)).add(_FINE, many.number)
            if many.touch.kind is TouchKind.CAMPAIGN:
                self._campaign(many.touch).add(Event(Sign.FINE, provider), many.number)
        self._fine.clear()
        for many in self._rendered.values():
            self._campaign(many.touch).render(is_ok=True, number=many.number)
        self._rendered.clear()

    def _account(self, outlet: str) -> _Watched:
        found = self._accounts.get(outlet)
        if found is None:
            scope = f"{pauses.ACCOUNT}{outlet}"
            found = self._accounts[outlet] = _Watched(scope, signs.count_of_account)
        return found

    def _lane(self, lane: Lane) -> _Watched:
        found = self._lanes.get(lane)
        if found is None:
            scope = f"{pauses.LANE}{lane.name}"
            found = self._lanes[lane] = _Watched(scope, signs.count_of_lane)
        return found

    def _campaign(self, touch: Touch) -> _Watched:
        found = self._campaigns.get(touch.campaign)
        if found is None:
            scope = f"{pauses.CAMPAIGN}{touch.campaign}"
            found = _Watched(scope, signs.count_of_campaign, touch.stream)
            self._campaigns[touch.campaign] = found
        return found

    def _watched(self) -> Iterable[_Watched]:
        yield from self._accounts.values()
        yield from self._lanes.values()
        yield from self._campaigns.values()

    # ------------------------------------------------------------------ stopping

    def _judge_lane(self, lane: Lane, watched: _Watched, event: Event) -> None:
        if trip := signs.judge_lane(watched.tally, event, self._limits):
            self._stop_lane(lane, watched, trip)

    def _judge_campaign(self, name: str, campaign: _Watched, event: Event) -> None:
        stream = campaign.stream or Stream.MARKETING
        if trip := signs.judge_campaign(campaign.tally, event, self._limits, stream):
            self._stop_campaign(name, campaign, trip)

    def _judge_template(self, name: str, campaign: _Watched) -> None:
        if trip := signs.judge_rendered(campaign.tally, self._limits):
            self._stop_campaign(name, campaign, trip)

    def _rest(self, outlet: str, outcome: Outcome) -> None:
        fault = LaneFault(host=outcome.host, phase=outcome.phase, outcome=outcome, account=outlet)
        if outlet not in self._faults:
            self._faults[outlet] = fault
        self._well.pop(outlet, None)
        cause = f"{pauses.ACCOUNT}{outlet}/{outcome.phase.value}"
        self._to_tell.setdefault(cause, _Alarm("", fault.message, fault.hint))

    def _stop_lane(self, lane: Lane, watched: _Watched, trip: Trip) -> None:
        self._stopped_lanes.add(lane)
        hint = Sentence(
            "the server's words tell why: `crm-mailer outbox list --state refused`; check SPF, "
            "DKIM and DMARC, then `crm-mailer resume --lane {name}`",
            name=lane.name,
        )
        message = Sentence(
            "lane {name} is paused: its receiver {what}", name=lane.name, what=trip.what
        )
        self._tell(watched, trip, message, hint)

    def _stop_campaign(self, name: str, watched: _Watched, trip: Trip) -> None:
        hint = bounce_hint(name) if trip.kind == "bounces" else _hint(trip.kind, name)
        if trip.kind == "bounces" and watched.stream is Stream.TRANSACTIONAL:
            # each dead address is left alone anyway, and the others wait for news of their order
            message = Sentence("campaign {name}: {what}", name=name, what=trip.what)
            self._tell(watched, trip, message, hint, is_stopped=False)
            return
        self._stopped_campaigns.add(name)
        message = Sentence("campaign {name} is paused: {what}", name=name, what=trip.what)
        self._tell(watched, trip, message, hint)

    def _tell(
        self, watched: _Watched, trip: Trip, message: str, hint: str, *, is_stopped: bool = True
    ) -> None:
        cause = f"{watched.scope}/{trip.kind}"
        self._to_tell[cause] = _Alarm(watched.scope if is_stopped else "", message, hint)

    # ------------------------------------------------------------------ rows

    def recall(self, connection: Connection, outlets: Iterable[str]) -> None:
        """See what was counted of these accounts: those that failed last time fail sooner."""
        watched = [self._account(outlet) for outlet in outlets]
        rows = tallies.load(connection, [one.scope for one in watched])
        for one in watched:
            if one.scope in rows:
                one.replay(rows[one.scope])

    def save(self, connection: Connection, now: datetime, *, may_wait: bool = False) -> list[str]:
        """Write counts, pauses and alerts; returns the causes that are new, to be logged once.

        Args:
            connection: a write turn.
            now: when.
            may_wait: good news alone is written only now and then.
        """
        moment = time.monotonic()
        if may_wait and moment < self._save_at and not self._has_bad_news:
            return []
        self._save_at = moment + UNHURRIED
        self._count_fine()
        self._merge(connection, now)
        self._let_go(connection)
        new = []
        for cause, alarm in self._to_tell.items():
            if alarm.scope:
                pauses.pause(
                    connection, alarm.scope, now=now, reason=alarm.message, by=pauses.BREAKER
                )
                self._told.add(alarm.scope)
            if alerts.raise_(connection, cause, alarm.message, hint=alarm.hint, now=now):
                new.append(cause)
        self._to_tell.clear()
        for outlet in [name for name, is_written in self._well.items() if not is_written]:
            alerts.end_of(connection, f"{pauses.ACCOUNT}{outlet}", now)
            self._well[outlet] = True
        return new

    @property
    def _has_bad_news(self) -> bool:
        """Whether anything came that others must hear of at once."""
        return bool(self._to_tell) or any(
            one.has_errors or one.bad_events() for one in self._watched()
        )

    def _merge(self, connection: Connection, now: datetime) -> None:
        changed = {one.scope: one for one in self._watched() if one.is_changed}
        if not changed:
            return
        rows = tallies.load(connection, changed, is_alone=True)
        for scope, one in changed.items():
            one.replay(rows.get(scope) or Tally(scope=scope, since=now))
        self._judge_again()
        worth = [
            one.tally for scope, one in changed.items() if scope in rows or one.is_worth_keeping
        ]
        tallies.save(connection, worth)
        for one in changed.values():
            one.forget()

    def _judge_again(self) -> None:
        """What no round and no process saw alone, all may have seen together."""
        for outlet, account in self._accounts.items():
            bad = account.bad_events()
            is_bad = any(signs.judge_account(account.tally, one, self._limits) for one in bad)
            if is_bad and account.last_bad is not None:
                self._rest(outlet, account.last_bad)
        for lane, watched in self._lanes.items():
            for event in watched.bad_events():
                self._judge_lane(lane, watched, event)
        for name, campaign in self._campaigns.items():
            if campaign.has_errors:
                self._judge_template(name, campaign)
            for event in campaign.bad_events():
                self._judge_campaign(name, campaign, event)

    def _let_go(self, connection: Connection) -> None:
        """What a person let go on meanwhile is not stopped here any more."""
        if not self._told:
            return
        stopped = {one.scope for one in pauses.list_(connection)}
        waiting = {alarm.scope for alarm in self._to_tell.values()}
        for scope in self._told - stopped - waiting:
            self._told.discard(scope)
            kind, _colon, name = scope.partition(":")
            self._stopped_campaigns -= {name} if kind == "campaign" else set()
            if kind == "lane":
                self._stopped_lanes = {lane for lane in self._stopped_lanes if lane.name != name}


class _Many:
    """So many mails like this one."""

    __slots__ = ("number", "touch")

    def __init__(self, touch: Touch) -> None:
        self.touch, self.number = touch, 0


class _Alarm:
    """What is to be told, and what is to be paused (empty: nothing)."""

    __slots__ = ("hint", "message", "scope")

    def __init__(self, scope: str, message: str, hint: str) -> None:
        self.scope, self.message, self.hint = scope, message, hint


class _Watched:
    """The counts of one scope: as last read, with what came since on top."""

    __slots__ = ("_count", "_events", "_is_known", "_renders", "last_bad", "scope", "stream",
                 "tally")  # fmt: skip

    def __init__(
        self,
        scope: str,
        count: Callable[[Tally, Event, int], None],
        stream: Stream | None = None,
    ) -> None:
        self.scope, self.stream, self._count = scope, stream, count
        self.tally = Tally(scope=scope, since=_LONG_AGO)
        self.last_bad: Outcome | None = None
        #: Events since the last save, with how often each came in a row.
        self._events: list[tuple[Event, int]] = []
        self._renders: list[tuple[bool, int]] = []
        #: Whether the row was read once.
        self._is_known = False

    @property
    def is_changed(self) -> bool:
        """Whether anything that matters came since the last save."""
        if self._is_known and not self.is_worth_keeping:
            return False
        return bool(self._events or self._renders)

    @property
    def is_worth_keeping(self) -> bool:
        """Whether the counts say anything: a lane in which all is well needs no row."""
        tally = self.tally
        return bool(tally.attempts or tally.rendered) or tally.sign == Sign.POLICY

    @property
    def has_errors(self) -> bool:
        """Whether a template failed since the last save."""
        return any(not is_ok for is_ok, _number in self._renders)

    def bad_events(self) -> set[Event]:
        """What came since the last save, save what was accepted."""
        return {event for event, _number in self._events if event.sign is not Sign.FINE}

    def add(self, event: Event, number: int = 1) -> None:
        """Count an outcome that came so often."""
        self._count(self.tally, event, number)
        _append(self._events, event, number)

    def render(self, *, is_ok: bool, number: int = 1) -> None:
        """Count mails that were rendered or not."""
        signs.count_rendered(self.tally, number, is_ok=is_ok)
        _append(self._renders, is_ok, number)

    def replay(self, row: Tally) -> None:
        """Add what came since the last save to what is in the database now."""
        self.tally, self._is_known = row, True
        for event, number in self._events:
            self._count(row, event, number)
        for is_ok, number in self._renders:
            signs.count_rendered(row, number, is_ok=is_ok)

    def forget(self) -> None:
        """All is in the database."""
        self._events.clear()
        self._renders.clear()


def _append(runs: list[tuple[T, int]], value: T, number: int) -> None:
    """Add to a list of values with how often each came in a row."""
    if runs and runs[-1][0] == value:
        number += runs.pop()[1]
    runs.append((value, number))


def bounce_hint(name: str) -> str:
    """What to do about a campaign with dead addresses."""
    return Sentence(
        "where do these addresses come from? clean the list, then "
        "`crm-mailer resume --campaign {name}`",
        name=name,
    )


def _hint(kind: str, name: str) -> str:
    """What to do about a campaign that was stopped for what it sends."""
    if kind == "template":
        return Sentence(
            "mend the template (`crm-mailer check`), then `crm-mailer resume --campaign {name}` "
            "and `crm-mailer outbox retry {name}`",
            name=name,
        )
    if kind == "content":
        return Sentence(
            "the server's words tell why: `crm-mailer outbox list --state refused --campaign "
            "{name}`; change the text or the links, then `crm-mailer resume --campaign {name}`",
            name=name,
        )
    return Sentence(
        "make its pictures and files smaller, then `crm-mailer resume --campaign {name}`",
        name=name,
    )
