"""Verbs of one campaign's page: its steps with what became of each, and how it sends now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from crm_mailer.app import campaign_looks, campaign_texts, names, planning, remembered
from crm_mailer.app.campaign_looks import WAITING, Finding, Standing
from crm_mailer.app.planning import CampaignView
from crm_mailer.app.remembered import Told
from crm_mailer.app.wiring import App
from crm_mailer.model.campaign import Campaign, DateAnchor, Step
from crm_mailer.model.moment import at_local, local_day
from crm_mailer.planning import Results
from crm_mailer.store import benefit_approvals, campaign_figures, pauses, results
from crm_mailer.store import campaign_texts as kept_texts
from crm_mailer.store.campaign_figures import Echo, Mails, Pace
from crm_mailer.store.pauses import Pause
from crm_mailer.store.results import Money

#: What has been tried for good.
DONE = ("accepted", "refused", "in_doubt", "expired")
SELDOM = timedelta(minutes=1)


@dataclass(slots=True, kw_only=True)
class Counts:
    """What became of the mails of a step, or of one arm of it."""

    states: Counter[str] = field(default_factory=Counter)
    #: Why mails were not sent: reason -> mails.
    reasons: Counter[str] = field(default_factory=Counter)
    echoes: Counter[str] = field(default_factory=Counter)
    #: By the last marketing mail before each order.
    orders: int = 0
    usd_cents: int = 0

    @property
    def all(self) -> int:
        """Mails that were thought of."""
        return self.states.total()

    @property
    def sent(self) -> int:
        """Mails that a server took."""
        return self.states["accepted"]

    @property
    def waiting(self) -> int:
        """Mails that wait for their time, or are on their way."""
        return sum(self.states[state] for state in WAITING)

    @property
    def not_sent(self) -> int:
        """Mails that will not be."""
        return self.states["skipped"] + self.states["expired"] + self.states["refused"]

    def share(self, number: int) -> float | None:
        """The part of those that were sent; None where nothing was."""
        return number / self.sent if self.sent else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStory:
    """One step as the file says it, and what became of it."""

    step: Step
    #: From the step before, or from the anchor.
    wait: timedelta
    counts: Counts
    arms: Mapping[str, Counts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How a campaign sends now."""

    is_sending: bool
    #: Done of all: of a dated campaign its mails, else those of the shop's day so far.
    done: int
    all: int
    due: int
    rate: float
    #: How long what is due will take at this rate; None where it cannot be told.
    seconds_left: float | None
    next_at: datetime | None

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.done / self.all if self.all else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands above every page of a campaign."""

    campaign: Campaign
    standing: Standing
    pause: Pause | None
    findings: tuple[Finding, ...]
    digest: str
    next_on: date | None
    states: Mapping[str, int]
    held: int
    #: Held mails that a person may let go: neither a pause nor a benefit holds them.
    may_release: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A campaign with the numbers of its steps."""

    head: Head
    view: CampaignView
    steps: tuple[StepStory, ...]
    #: Steps of older versions that the file does not have any more.
    former: Mapping[str, Counts]
    started: int
    total: Counts
    progress: Progress | None
    counted_at: datetime | None
    is_counting: bool
    #: Whether orders and what they brought are counted.
    has_money: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Of which kinds a campaign's mails were."""

    languages: Mapping[str, int]
    #: Provider group -> state -> mails.
    providers: Mapping[str, Mapping[str, int]]
    #: Hour of the shop's day -> mails.
    hours: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class _Counted:
    mails: tuple[Mails, ...]
    echoes: tuple[Echo, ...]
    started: int


def head(app: App, campaign: str) -> Head:
    """How a campaign stands.

    Raises:
        NotFound: there is no such campaign.
        DefinitionError: its file is wrong, and was never right since the program started.
    """
    found = names.campaign(app, campaign)
    counted = remembered.of(app).ask(("states", found.id), partial(_states, app, found.id))
    states, next_at = counted.value or ({}, None)
    with app.store.read() as connection:
        stopped = {one.scope: one for one in pauses.list_(connection)}
        bound = len(benefit_approvals.list_held(connection, found.id)) if states.get("held") else 0
    pause = stopped.get(pauses.CAMPAIGN + found.id)
    findings = campaign_looks.findings_of(app, found.path)
    text = campaign_texts.text_of(app, found)
    return Head(
        campaign=found,
        standing=campaign_looks.standing(
            app,
            found,
            states,
            is_paused=pause is not None,
            is_broken=any(one.is_error for one in findings),
            next_at=next_at,
        ),
        pause=pause,
        findings=findings,
        digest=campaign_texts.digest(text) if text is not None else "",
        next_on=campaign_looks.next_day(found, local_day(app.clock.now(), app.zone)),
        states=states,
        held=states.get("held", 0),
        may_release=pause is None and states.get("held", 0) > bound,
    )


def story(app: App, campaign: str) -> Story:
    """A campaign with the numbers of its steps, counted now or a moment ago; errors as `head`."""
    top = head(app, campaign)
    found = top.campaign
    counted = remembered.of(app).ask(
        ("steps", found.id, found.version), partial(_count, app, found)
    )
    money = remembered.of(app).ask(
        ("money", found.id, found.version), partial(_money, app, found), keep=SELDOM, is_slow=True
    )
    by_step, by_arm = _sorted(counted.value, money.value or [])
    own = {step.id for step in found.steps}
    return Story(
        head=top,
        view=planning.view_of(found),
        steps=tuple(_steps(found, by_step, by_arm)),
        former={id_: one for id_, one in by_step.items() if id_ not in own},
        started=counted.value.started if counted.value else 0,
        total=_sum(by_step.values()),
        progress=progress(app, top),
        counted_at=counted.at,
        is_counting=counted.value is None,
        has_money=money.value is not None,
    )


def progress(app: App, top: Head) -> Progress | None:
    """How it sends now; None while that is counted."""
    found = top.campaign
    pace = remembered.of(app).ask(("pace", found.id), partial(_pace, app, found.id)).value
    if pace is None:
        return None
    is_dated = isinstance(found.anchor, DateAnchor)
    done = sum(top.states.get(state, 0) for state in DONE) if is_dated else pace.left
    left = sum(top.states.get(state, 0) for state in WAITING) if is_dated else pace.due
    on_its_way = pace.due + top.states.get("claimed", 0)
    rate = pace.last_minute / campaign_figures.MINUTE.total_seconds()
    return Progress(
        is_sending=top.standing is Standing.SENDING,
        done=done,
        all=done + left,
        due=on_its_way,
        rate=rate,
        seconds_left=on_its_way / rate if rate and on_its_way else None,
        next_at=pace.next_at,
    )


def results_of(app: App, campaign: str) -> Told[Results]:
    """Arms and hold-out with their intervals; errors as `head`."""
    found = names.campaign(app, campaign)
    key = ("results", found.id, found.version)
    return remembered.of(app).ask(
        key, partial(planning.results, app, found.id), keep=SELDOM, is_slow=True
    )


def mix(app: App, campaign: str) -> Told[Mix]:
    """Languages, receivers and hours; errors as `head`."""
    found = names.campaign(app, campaign)
    return remembered.of(app).ask(
        ("mix", found.id), partial(_mix, app, found.id), keep=SELDOM, is_slow=True
    )


def mails_by_version(app: App, campaign: str) -> Told[dict[str, int]]:
    """How many mails each version planned; errors as `head`."""
    found = names.campaign(app, campaign)
    return remembered.of(app).ask(
        ("versions", found.id), partial(_mails_by_version, app, found.id), keep=SELDOM, is_slow=True
    )


def look_again(app: App) -> None:
    """Something was done: the next look counts anew."""
    remembered.of(app).forget_all()


# ------------------------------------------------------------------ counting


def _states(app: App, campaign: str) -> tuple[dict[str, int], datetime | None]:
    with app.store.read() as connection:
        states = campaign_figures.states(connection, campaign)
        return states, campaign_figures.next_at(connection, campaign)


def _count(app: App, campaign: Campaign) -> _Counted:
    with app.store.read() as connection:
        return _Counted(
            mails=tuple(campaign_figures.mails(connection, campaign.id)),
            echoes=tuple(campaign_figures.echoes_of(connection, campaign.id)),
            started=campaign_figures.started(connection, campaign.id),
        )


def _money(app: App, campaign: Campaign) -> list[Money]:
    within = (campaign.goal or planning.USUAL_GOAL).within
    with app.store.read() as connection:
        return results.last_touch(connection, campaign.id, within=within)


def _pace(app: App, campaign: str) -> Pace:
    now = app.clock.now()
    since = at_local(local_day(now, app.zone), 0, 0, app.zone)
    with app.store.read() as connection:
        return campaign_figures.pace(connection, campaign, now, since=since)


def _mix(app: App, campaign: str) -> Mix:
    today = local_day(app.clock.now(), app.zone)
    with app.store.read() as connection:
        return Mix(
            languages=campaign_figures.languages(connection, campaign),
            providers=campaign_figures.providers(connection, campaign),
            hours=campaign_figures.hours(connection, campaign, today, app.zone),
        )


def _mails_by_version(app: App, campaign: str) -> dict[str, int]:
    with app.store.read() as connection:
        return kept_texts.mails_by_version(connection, campaign)


# ------------------------------------------------------------------ putting together


def _sorted(
    counted: _Counted | None, brought: Iterable[Money]
) -> tuple[dict[str, Counts], dict[tuple[str, str], Counts]]:
    """Counts by step, and by step and arm."""
    by_step: dict[str, Counts] = {}
    by_arm: dict[tuple[str, str], Counts] = {}
    for row in counted.mails if counted else ():
        for counts in (
            by_step.setdefault(row.step, Counts()),
            by_arm.setdefault((row.step, row.arm), Counts()),
        ):
            counts.states[row.state] += row.mails
            if row.state in ("skipped", "expired"):
                counts.reasons[row.reason or "late"] += row.mails
    for echo in counted.echoes if counted else ():
        by_step.setdefault(echo.step, Counts()).echoes[echo.kind] += echo.mails
    for money in brought:
        for counts in (
            by_step.setdefault(money.step, Counts()),
            by_arm.setdefault((money.step, money.arm), Counts()),
        ):
            counts.orders += money.orders
            counts.usd_cents += money.usd_cents
    return by_step, by_arm


def _steps(
    campaign: Campaign, by_step: Mapping[str, Counts], by_arm: Mapping[tuple[str, str], Counts]
) -> Iterable[StepStory]:
    before = timedelta(0)
    for step in campaign.steps:
        arms = step.trial.arms if step.trial is not None else ()
        yield StepStory(
            step=step,
            wait=step.offset - before,
            counts=by_step.get(step.id, Counts()),
            arms={arm.id: by_arm.get((step.id, arm.id), Counts()) for arm in arms},
        )
        before = step.offset


def _sum(counts: Iterable[Counts]) -> Counts:
    total = Counts()
    for one in counts:
        total.states += one.states
        total.reasons += one.reasons
        total.echoes += one.echoes
        total.orders += one.orders
        total.usd_cents += one.usd_cents
    return total
