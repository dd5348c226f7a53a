"""Load, decide, save: values customers once a day, by models that are fitted once a week."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm_mailer.model.moment import local_day
from crm_mailer.model.score import Score
from crm_mailer.model.sentence import Sentence
from crm_mailer.segmenting import churn, rfm, value
from crm_mailer.segmenting.scoring import OVERLAP
from crm_mailer.segmenting.value import Buying, History, Spending
from crm_mailer.store import facts, scores, values
from crm_mailer.store.engine import Store
from crm_mailer.store.values import Due, Figures, Valued

FACT = "values"
#: Customers whose histories the models are fitted to.
SAMPLE = 5_000
#: Days after which the models are fitted anew.
FIT_EVERY = 7
#: Days that `chance_percent` looks ahead.
AHEAD = 90
BATCH = 10_000
_DAYS = 7
_CENTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """What the shop's own orders teach. None: too few customers came back to say."""

    half_life: float
    buying: Buying | None = None
    spending: Spending | None = None
    log_likelihood: float | None = None
    customers: int = 0
    repeaters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueStanding:
    """How values were last brought up to date."""

    seen_at: datetime
    day: date
    zone: str
    fitted_on: date
    models: Models


def value_customers(store: Store, *, zone: ZoneInfo, now: datetime, is_forced: bool = False) -> int:
    """Bring churn, chance to buy and value up to date; returns how many customers changed.

    Nothing is done twice on one day, unless `is_forced`: then the models are fitted anew, too.
    """
    today = local_day(now, zone)
    before = standing(store)
    if before is not None and before.zone != zone.key:
        before = None
    if before is not None and before.day == today and not is_forced:
        return 0
    _count(store, before, today, zone)
    models, fitted_on = _models(store, None if is_forced else before, today, zone)
    changed = _value(store, models, _due(before, models, today), today, zone)
    _stand(
        store,
        ValueStanding(
            seen_at=now - OVERLAP, day=today, zone=zone.key, fitted_on=fitted_on, models=models
        ),
        now,
    )
    return changed


def expect(models: Models, figures: Figures) -> Valued:
    """What is to be expected of a customer. Weeks are counted whole, so that many are alike."""
    state = churn.state(figures.days_since_last, models.half_life).value
    if models.buying is None:
        return Valued(state, None, None)
    history = _whole_weeks(figures)
    chance = value.chance_to_buy(models.buying, history, AHEAD / _DAYS)
    clv = None
    if models.spending is not None:
        mean = figures.repeat_usd_cents / figures.repeats if figures.repeats else 0.0
        spend = value.expected_spend(models.spending, figures.repeats, mean / _CENTS)
        clv = round(value.discounted_purchases(models.buying, history) * spend * _CENTS)
    return Valued(state, round(100 * chance), clv)


def in_words(valued: Valued, days_since_last: int, half_life: float) -> tuple[Sentence, ...]:
    """What is expected of a customer, with the limits that the churn state comes from."""
    last = {name.value: day for name, day in churn.limits(half_life)}
    order = list(last)
    state = churn.state(days_since_last, half_life).value
    above = order.index(state) - 1 if state in last else len(order) - 1
    least = f"{last[order[above]]} < " if above >= 0 else ""
    most = f" <= {last[state]}" if state in last else ""
    words = [
        Sentence(
            "{state}: last paid order {ago}, {limits} (half-life {days} days)",
            state=Sentence(state),
            ago=rfm.days_ago(days_since_last),
            limits=f"{least}{days_since_last}{most}",
            days=f"{half_life:.0f}",
        )
    ]
    if valued.chance_percent is not None:
        chance = valued.chance_percent
        words.append(
            Sentence("buys again within {days} days: {chance} %", days=AHEAD, chance=chance)
        )
    if valued.clv_usd_cents is not None:
        money = f"{valued.clv_usd_cents / 100:,.2f}"
        words.append(Sentence("likely to bring {money} USD in twelve months", money=money))
    return tuple(words)


def words_of(store: Store, valued: Valued | None, score: Score | None) -> tuple[Sentence, ...]:
    """The same by the models in force; nothing of who was not valued."""
    if valued is None or score is None:
        return ()
    known = standing(store)
    half_life = known.models.half_life if known else churn.DEFAULT_HALF_LIFE
    return in_words(valued, score.days_since_last, half_life)


def fit(rows: Iterable[Figures], days: Iterable[tuple[int, int]]) -> Models:
    """The models that fit these customers' figures and their purchases' (customer, days ago)."""
    sample = list(rows)
    bought = value.fit_buying(_whole_weeks(one) for one in sample)
    spent = value.fit_spending(
        (one.repeats, one.repeat_usd_cents / one.repeats / _CENTS) for one in sample if one.repeats
    )
    return Models(
        half_life=churn.half_life(churn.gaps(days)),
        buying=bought[0] if bought else None,
        spending=spent[0] if spent else None,
        log_likelihood=bought[1] if bought else None,
        customers=len(sample),
        repeaters=sum(one.repeats > 0 for one in sample),
    )


def standing(store: Store) -> ValueStanding | None:
    """How things stand; None where customers were never valued."""
    with store.read() as connection:
        told = facts.find(connection, FACT)
    if told is None:
        return None
    return ValueStanding(
        seen_at=datetime.fromisoformat(told["seen_at"]),
        day=date.fromisoformat(told["day"]),
        zone=told["zone"],
        fitted_on=date.fromisoformat(told["fitted_on"]),
        models=_models_of(told["models"]),
    )


def _count(store: Store, before: ValueStanding | None, today: date, zone: ZoneInfo) -> None:
    changed = scores.changed_since(before.seen_at) if before else None
    with store.write() as connection:
        values.count_repeats(connection, changed=changed, today=today, place=zone)


def _models(
    store: Store, before: ValueStanding | None, today: date, zone: ZoneInfo
) -> tuple[Models, date]:
    if before is not None and 0 <= (today - before.fitted_on).days < FIT_EVERY:
        return before.models, before.fitted_on
    with store.read() as connection:
        every = max(1, values.count(connection) // SAMPLE)
        rows = values.list_figures(connection, today=today, place=zone, every=every)
        days = list(values.purchase_days(connection, today=today, place=zone, every=every))
    return fit((figures for figures, _ in rows), days), today


def _due(before: ValueStanding | None, models: Models, today: date) -> Due | None:
    """Whom one more day makes another; None: everybody may be."""
    if before is None or before.models != models or (today - before.day).days != 1:
        return None
    return Due(
        changed=scores.changed_since(before.seen_at),
        weeks_of=_DAYS,
        away_for=[last + 1 for _, last in churn.limits(models.half_life)],
    )


def _value(store: Store, models: Models, due: Due | None, today: date, zone: ZoneInfo) -> int:
    """A batch at a time, so that nobody waits long; nothing is written where nothing changes."""
    after = done = 0
    while True:
        with store.read() as connection:
            batch = values.list_figures(
                connection, today=today, place=zone, after=after, limit=BATCH, due=due
            )
        if not batch:
            return done
        after = batch[-1][0].customer_id
        found = [(figures.customer_id, expect(models, figures), was) for figures, was in batch]
        changed = [(id_, valued) for id_, valued, was in found if valued != was]
        if changed:
            with store.write() as connection:
                values.put(connection, changed)
        done += len(changed)


def _stand(store: Store, now_stands: ValueStanding, now: datetime) -> None:
    told = {
        "seen_at": now_stands.seen_at.isoformat(),
        "day": now_stands.day.isoformat(),
        "zone": now_stands.zone,
        "fitted_on": now_stands.fitted_on.isoformat(),
        "models": asdict(now_stands.models),
    }
    with store.write() as connection:
        facts.put(connection, FACT, told, now)


def _models_of(told: dict[str, Any]) -> Models:
    buying, spending = told["buying"], told["spending"]
    return Models(
        **{
            **told,
            "buying": Buying(**buying) if buying else None,
            "spending": Spending(**spending) if spending else None,
        }
    )


def _whole_weeks(figures: Figures) -> History:
    age = figures.age // _DAYS
    if not figures.repeats:
        return History(0, 0.0, float(age))
    last = (figures.age - figures.days_since_last) // _DAYS
    return History(figures.repeats, float(min(last, age)), float(age))
