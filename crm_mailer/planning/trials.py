"""What A/B tests and hold-outs show, and when a test is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crm_mailer.model import intervals
from crm_mailer.model.campaign import Campaign, Exit, Goal, Step
from crm_mailer.model.chance import WinnerBy
from crm_mailer.model.intervals import Interval
from crm_mailer.store import benefit_figures, facts, results, web_events
from crm_mailer.store.engine import Store
from crm_mailer.store.results import ArmCounts, GroupCounts
from crm_mailer.store.web_events import Figure

#: Each arm needs so many customers before a test may end by itself.
LEAST = 100
#: A test that is looked at every half hour would be fooled at 95 %: by itself it ends at 99.7 %.
Z_TO_END = 2.97
#: Within which time an order counts where the campaign has no goal.
USUAL = Goal(when=Exit.BOUGHT)
_WINNER = "winner:"


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
    with store.read() as connection:
        counts = results.arms(connection, campaign.id, within=goal.within, now=now)
        money = results.last_touch(connection, campaign.id, within=goal.within)
        groups = results.groups(connection, campaign.id, within=goal.within, now=now)
        given = benefit_figures.of_campaign(connection, campaign.id)
        won = facts.find_all(connection, f"{_WINNER}{campaign.id}:")
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
    """Step -> the arm that won its test. What is decided once stays so.

    Args:
        store: the shop's database.
        campaign: whose steps.
        now: the clock.
        may_decide: look whether a test can be ended, and note it.
    """
    tested = [step for step in campaign.steps if step.trial and step.trial.winner]
    if not tested:
        return {}
    prefix = f"{_WINNER}{campaign.id}:"
    with store.read() as connection:
        found: dict[str, str] = facts.find_all(connection, prefix)
    if may_decide:
        for step in tested:
            arm = None if step.id in found else _decided(store, campaign, step, now)
            if arm is not None:
                found[step.id] = arm
                with store.write() as connection:
                    facts.put(connection, prefix + step.id, arm, now)
    return found


def _decided(store: Store, campaign: Campaign, step: Step, now: datetime) -> str | None:
    """The arm that is better than each other one beyond doubt."""
    trial = step.trial
    assert trial is not None
    assert trial.winner is not None
    with store.read() as connection:
        counts = results.arms(connection, campaign.id, within=trial.after, now=now)
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
