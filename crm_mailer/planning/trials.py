"""What A/B tests and hold-outs show, and when a test is decided."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crm_mailer.definitions.campaign_words import read_words
from crm_mailer.model import intervals
from crm_mailer.model.campaign import Campaign, Exit, Goal, Step
from crm_mailer.model.chance import WinnerBy
from crm_mailer.model.intervals import Interval
from crm_mailer.store import benefit_figures, campaign_texts, facts, results, web_events
from crm_mailer.store.engine import Store
from crm_mailer.store.results import ArmCounts, GroupCounts
from crm_mailer.store.web_events import Figure

#: Each arm needs so many customers before a test may end by itself.
LEAST = 100
#: A test that is looked at every half hour would be fooled at 95 %: by itself it ends at 99.7 %.
Z_TO_END = 2.97
#: Within which time an order counts where the campaign has no goal.
USUAL = Goal(when=Exit.BOUGHT)
#: Facts: which arm has won a test, and which versions of the campaign had the test as it is.
_WINNER, _TEST = "winner:", "test:"
#: So many hexadecimal digits name a test.
_DIGITS = 12
#: In place of them for a winner of which it cannot be told what it won.
_UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """One arm, or a step without a test. `lead` is its rate minus the first arm's."""

    step: str
    arm: str
    customers: int
    bought: int
    replied: int
    rate: Interval
    lead: Interval | None
    #: By the last marketing mail before each order.
    orders: int
    usd_cents: int
    has_won: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplift:
    """What the campaign brings, beside customers who were held out by chance.

    `rate` is the difference of the shares that bought, `usd` that of what each spent, in dollars.
    """

    mailed: int
    held: int
    mailed_bought: int
    held_bought: int
    rate: Interval
    usd: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """How a campaign stands; `days` is how long after a mail an order or reply counts."""

    campaign: str
    by: WinnerBy
    days: float
    arms: tuple[ArmResult, ...]
    uplift: Uplift | None
    #: Benefit -> how many the campaign gave, and how many of those were used.
    benefits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    #: Clicks and openings, persons and machines apart.
    seen: tuple[Figure, ...] = ()


def results_of(store: Store, campaign: Campaign, now: datetime) -> Results:
    """The results of a campaign as they are now."""
    goal = campaign.goal or USUAL
    by = WinnerBy.REPLIES if goal.when is Exit.REPLIED else WinnerBy.ORDERS
    won = winners(store, campaign, now, may_decide=False)
    only = _versions(store, campaign)
    with store.read() as connection:
        counts = results.arms(connection, campaign.id, within=goal.within, now=now, only=only)
        money = results.last_touch(connection, campaign.id, within=goal.within, only=only)
        groups = results.groups(connection, campaign, within=goal.within, now=now)
        given = benefit_figures.of_campaign(connection, campaign.id)
        seen = web_events.figures(connection, campaign.id)
    paid = {(one.step, one.arm): one for one in money}
    known = {(one.step, one.arm) for one in counts}
    young = [
        ArmCounts(step=one.step, arm=one.arm, customers=0, bought=0, replied=0)
        for one in money
        if (one.step, one.arm) not in known
    ]
    everything = [*counts, *young]
    return Results(
        campaign=campaign.id,
        by=by,
        days=goal.within.total_seconds() / 86_400,
        arms=tuple(_arm(one, everything, by, paid.get((one.step, one.arm)), won)
                   for one in everything),
        uplift=uplift(groups) if campaign.hold_out else None,
        benefits=given,
        seen=tuple(seen),
    )  # fmt: skip


def _arm(
    one: ArmCounts,
    everything: Sequence[ArmCounts],
    by: WinnerBy,
    money: results.Money | None,
    won: Mapping[str, str],
) -> ArmResult:
    first = next(other for other in everything if other.step == one.step)
    is_first = first.arm == one.arm
    return ArmResult(
        step=one.step,
        arm=one.arm,
        customers=one.customers,
        bought=one.bought,
        replied=one.replied,
        rate=intervals.wilson(_hits(one, by), one.customers),
        lead=None if is_first else intervals.difference(
            _hits(one, by), one.customers, _hits(first, by), first.customers
        ),
        orders=money.orders if money else 0,
        usd_cents=money.usd_cents if money else 0,
        has_won=bool(one.arm) and won.get(one.step) == one.arm,
    )  # fmt: skip


def uplift(groups: Sequence[GroupCounts]) -> Uplift | None:
    """The difference that the mails made; None before both groups have somebody."""
    held = next((one for one in groups if one.is_held), None)
    mailed = next((one for one in groups if not one.is_held), None)
    if held is None or mailed is None:
        return None
    usd = intervals.mean_difference(_spent(mailed), _spent(held))
    return Uplift(
        mailed=mailed.occasions,
        held=held.occasions,
        mailed_bought=mailed.bought,
        held_bought=held.bought,
        rate=intervals.difference(mailed.bought, mailed.occasions, held.bought, held.occasions),
        usd=usd,
    )


def _spent(one: GroupCounts) -> tuple[float, float, int]:
    """Sum and sum of squares in dollars, and of how many."""
    return one.usd_cents / 100, one.squares / 10_000, one.occasions


def winners(store: Store, campaign: Campaign, now: datetime, *, may_decide: bool) -> dict[str, str]:
    """Step -> the arm that won its test. What is decided stays so while the test is the same.

    Args:
        store: the shop's database.
        campaign: whose steps.
        now: the clock.
        may_decide: note which tests there are, look whether one can be ended, and note that.
    """
    if may_decide:
        _note_tests(store, campaign, now)
    tested = [step for step in campaign.steps if step.trial and step.trial.winner]
    if not tested:
        return {}
    with store.read() as connection:
        known: dict[str, str] = facts.find_all(connection, f"{_WINNER}{campaign.id}:")
    won = {step.id: known[name] for step in tested if (name := _name(step)) in known}
    asked = [step for step in tested if step.id not in won]
    old = [step for step in asked if step.id in known]
    won |= _still_held(store, campaign, old)
    if may_decide:
        for step in asked:
            arm = won.get(step.id) or _decided(store, campaign, step, now)
            if arm is not None:
                won[step.id] = arm
        _note(
            store, campaign, {step.id: won[step.id] for step in asked if step.id in won}, old, now
        )
    return won


def test_of(step: Step) -> str:
    """By what a step's test is known again: by its arms, their templates and their subjects."""
    assert step.trial is not None
    arms = [(arm.id, one.template, one.subject)
            for arm in step.trial.arms for one in (step.of_arm(arm.id),)]  # fmt: skip
    said = json.dumps(sorted(arms), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:_DIGITS]


def _name(step: Step) -> str:
    return f"{step.id}:{test_of(step)}"


def _still_held(store: Store, campaign: Campaign, steps: Iterable[Step]) -> dict[str, str]:
    """Winners noted under the step alone, by an older program, as far as they are of this test.

    That can be told where the mails of the campaign as it is now decide for the same arm by what
    was known when it was noted.
    """
    found = {}
    for step in steps:
        name = f"{_WINNER}{campaign.id}:{step.id}"
        with store.read() as connection:
            arm, at = facts.find(connection, name), facts.changed_at(connection, name)
        if at is not None and arm is not None and _decided(store, campaign, step, at) == arm:
            found[step.id] = arm
    return found


def _note(
    store: Store,
    campaign: Campaign,
    won: Mapping[str, str],
    old: Iterable[Step],
    now: datetime,
) -> None:
    """Note who won, and set aside what was noted without saying of which test."""
    if not won and not old:
        return
    prefix = f"{_WINNER}{campaign.id}:"
    names = {step.id: _name(step) for step in campaign.steps if step.id in won}
    with store.write() as connection:
        for step, arm in won.items():
            facts.put(connection, prefix + names[step], arm, now)
        for one in old:
            arm = facts.find(connection, prefix + one.id)
            facts.forget(connection, prefix + one.id)
            if arm is not None and won.get(one.id) != arm:
                facts.put(connection, f"{prefix}{one.id}:{_UNNAMED}", arm, now)


def earlier(store: Store, campaign: Campaign) -> dict[str, tuple[str, ...]]:
    """Step -> the arms that won other tests of it: these rule nothing any more."""
    with store.read() as connection:
        known: dict[str, str] = facts.find_all(connection, f"{_WINNER}{campaign.id}:")
    tested = {step.id: _name(step) for step in campaign.steps if step.trial}
    found: dict[str, list[str]] = {}
    for name, arm in sorted(known.items()):
        step = name.partition(":")[0]
        if step in tested and ":" in name and name != tested[step]:
            found.setdefault(step, []).append(arm)
    return {step: tuple(arms) for step, arms in found.items()}


def _note_tests(store: Store, campaign: Campaign, now: datetime) -> None:
    """Which versions of the campaign had each test as it is now: only their mails count for it."""
    tested = [step for step in campaign.steps if step.trial]
    if not tested:
        return
    noted = _noted(store, campaign)
    had = _had(store, campaign, tested, noted)
    new = {
        f"{_TEST}{campaign.id}:{name}": sorted(had[step.id])
        for step in tested
        if noted.get(name := _name(step)) != had[step.id]
    }
    if new:
        with store.write() as connection:
            facts.put_all(connection, new, now)


def _noted(store: Store, campaign: Campaign) -> dict[str, frozenset[str]]:
    """What was noted: by test, the versions that had it."""
    with store.read() as connection:
        known = facts.find_all(connection, f"{_TEST}{campaign.id}:")
    return {name: frozenset(versions) for name, versions in known.items()}


def _versions(store: Store, campaign: Campaign) -> dict[str, frozenset[str]]:
    """Tested step -> the versions of the campaign whose mails count for the test as it is now."""
    tested = [step for step in campaign.steps if step.trial]
    if not tested:
        return {}
    return _had(store, campaign, tested, _noted(store, campaign))


def _had(
    store: Store,
    campaign: Campaign,
    tested: Sequence[Step],
    noted: Mapping[str, frozenset[str]],
) -> dict[str, frozenset[str]]:
    """Tested step -> the versions that had its test: those that were noted, and the present one.

    Where none is noted yet the kept texts tell: older programs noted no tests.
    """
    is_all_noted = all(_name(step) in noted for step in tested)
    of_texts = {} if is_all_noted else _of_texts(store, campaign)
    return {
        step.id: frozenset((campaign.version, *noted.get(name, of_texts.get(name, ()))))
        for step in tested
        for name in (_name(step),)
    }


def _of_texts(store: Store, campaign: Campaign) -> dict[str, list[str]]:
    """Test -> the versions that had it by the texts that were kept of the campaign's file."""
    with store.read() as connection:
        texts = campaign_texts.by_version(connection, campaign.id)
    found: dict[str, list[str]] = {}
    for version, text in texts.items():
        words = read_words(text)
        for step in words.steps if words is not None else ():
            if step.trial is not None:
                found.setdefault(_name(step), []).append(version)
    return found


def _decided(store: Store, campaign: Campaign, step: Step, now: datetime) -> str | None:
    """The arm that is better than each other one beyond doubt."""
    trial = step.trial
    assert trial is not None
    assert trial.winner is not None
    only = _versions(store, campaign)
    with store.read() as connection:
        counts = results.arms(connection, campaign.id, within=trial.after, now=now, only=only)
    by_arm = {one.arm: one for one in counts if one.step == step.id}
    arms = [by_arm[arm.id] for arm in trial.arms if arm.id in by_arm]
    return best(arms, trial.winner) if len(arms) == len(trial.arms) else None


def best(arms: Sequence[ArmCounts], by: WinnerBy) -> str | None:
    """The arm that beats each other one; None while none does, or there are too few customers."""
    if min(one.customers for one in arms) < LEAST:
        return None
    for one in arms:
        leads = [
            intervals.difference(
                _hits(one, by), one.customers, _hits(other, by), other.customers, Z_TO_END
            )
            for other in arms
            if other.arm != one.arm
        ]
        if all(lead.low > 0 for lead in leads):
            return one.arm
    return None


def _hits(one: ArmCounts, by: WinnerBy) -> int:
    return one.bought if by is WinnerBy.ORDERS else one.replied
