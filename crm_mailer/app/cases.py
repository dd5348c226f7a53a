"""Verbs of agents: see cases, act on them, log what came by other ways than mail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from crm_mailer import learning, listening
from crm_mailer.app import case_words
from crm_mailer.app.wiring import App
from crm_mailer.learning import Dispute, LearnReport, calendars, replying
from crm_mailer.learning.checklist import Step
from crm_mailer.learning.unrest import UnrestLimits
from crm_mailer.model.campaign import Mode, ReplyAnchor, ReviewAnchor
from crm_mailer.model.case import (
    UNDER_WAY,
    Arbitration,
    Case,
    CaseEventKind,
    CaseState,
    Channel,
    Remedy,
)
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.money import Money
from crm_mailer.model.reply import Severity
from crm_mailer.model.sla import ServiceLevels
from crm_mailer.model.task import Task
from crm_mailer.reporting import case_export
from crm_mailer.reporting import cases as reports
from crm_mailer.reporting.case_export import CaseRecord
from crm_mailer.reporting.cases import CaseFile, CaseLine
from crm_mailer.store import cases as store_cases
from crm_mailer.store import directory, facts, replies
from crm_mailer.store import tasks as store_tasks
from crm_mailer.store.replies import ReplyRow

#: The fact that holds by which rules the stored times of cases were worked out.
_RULES = "case_rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What a customer said, as it was understood, and the case that it became, if any."""

    reply: ReplyRow
    case: int | None


def levels(app: App) -> ServiceLevels:
    """How fast the shop answers and in which hours; the defaults while its file is wrong."""
    return calendars.levels_of(app.shop_or_default, app.clock.now())


def learn(app: App, *, limit: int | None = None) -> LearnReport:
    """Give replies and reviews their effects, and failed answers of ours back to a person."""
    replying.take_back(app.store, now=app.clock.now(), levels=levels(app))
    return learning.learn(
        app.store,
        now=app.clock.now(),
        limit=limit,
        is_praise_thanked=_is_praise_thanked(app),
        is_review_thanked=_is_review_thanked(app),
        levels=levels(app),
        unrest_limits=UnrestLimits(
            least=app.settings.guards.complaints_least,
            share=app.settings.guards.complaints / 10_000,
        ),
    )


def _is_praise_thanked(app: App) -> bool:
    """Whether a live campaign answers letters of praise, so that no agent has to."""
    return any(
        campaign.mode is Mode.LIVE
        and isinstance(campaign.anchor, ReplyAnchor)
        and campaign.anchor.kind in ("praise", "any")
        for campaign in app.definitions.campaigns.values()
    )


def _is_review_thanked(app: App) -> bool:
    """The same for good reviews."""
    return any(
        campaign.mode is Mode.LIVE
        and isinstance(campaign.anchor, ReviewAnchor)
        and campaign.anchor.kind in ("good", "any")
        for campaign in app.definitions.campaigns.values()
    )


def escalate(app: App) -> int:
    """Tell of cases that are late or nearly so; how many clocks there were.

    Rules or holidays that changed since the last look give every case its times anew.
    """
    now, rules = app.clock.now(), levels(app)
    mark = calendars.fingerprint(rules)
    with app.store.read() as connection:
        is_known = facts.find(connection, _RULES) == mark
    if not is_known:
        learning.retime(app.store, rules, now=now)
        with app.store.write() as connection:
            facts.put(connection, _RULES, mark, now)
    return learning.escalate(app.store, rules, now=now)


def case_list(
    app: App,
    *,
    states: Collection[CaseState] = UNDER_WAY,
    owner: str | None = None,
    is_overdue: bool = False,
    limit: int = 500,
) -> tuple[list[CaseLine], int]:
    """The first cases by due time, and how many there are."""
    now = app.clock.now()
    late = now if is_overdue else None
    with app.store.read() as connection:
        listed = store_cases.list_cases(
            connection, states=states, owner=owner, overdue_at=late, limit=limit
        )
        count = len(listed)
        if count == limit:
            count = store_cases.count_cases(connection, states=states, owner=owner, overdue_at=late)
    return [reports.case_line(one, now) for one in listed], count


def case_file(app: App, case_id: int) -> CaseFile:
    """All about one case."""
    return reports.case_file(
        app.store, case_id, now=app.clock.now(), place=app.zone, levels=levels(app)
    )


def open_case(
    app: App, *, email: str, reason: str, order: str, text: str, channel: Channel, by: str
) -> int:
    """Open a case by hand; `order` is its number, or empty."""
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, email)
        order_id = store_cases.find_order(connection, order, customer_id) if order else None
    return learning.open_case(
        app.store,
        customer_id=customer_id,
        reason=reason,
        order_id=order_id,
        text=text,
        channel=channel,
        by=by,
        now=app.clock.now(),
        levels=levels(app),
    )


def note(
    app: App, case_id: int, text: str, *, by: str, is_answer: bool, is_ours: bool = False
) -> Case:
    """Write a note on a case; with `is_ours`, an answer after which the next word is ours again."""
    return learning.note(
        app.store,
        case_id,
        text,
        by=by,
        now=app.clock.now(),
        is_answer=is_answer,
        is_ours=is_ours,
        levels=levels(app),
    )


def take(app: App, case_id: int, *, by: str) -> Case:
    """Take a case that nobody has."""
    return learning.take(app.store, case_id, by=by, now=app.clock.now(), levels=levels(app))


def assign(app: App, case_id: int, owner: str, *, by: str) -> Case:
    """Give a case to somebody."""
    now = app.clock.now()
    return learning.assign(app.store, case_id, owner, by=by, now=now, levels=levels(app))


def close(
    app: App,
    case_id: int,
    text: str,
    *,
    by: str,
    is_resolved: bool,
    satisfaction: int | None = None,
) -> Case:
    """End a case."""
    return learning.close(
        app.store,
        case_id,
        text,
        by=by,
        now=app.clock.now(),
        is_resolved=is_resolved,
        satisfaction=satisfaction,
        levels=levels(app),
    )


def reopen(app: App, case_id: int, text: str, *, by: str) -> Case:
    """Take up a case that had ended."""
    now = app.clock.now()
    return learning.reopen(app.store, case_id, text, by=by, now=now, levels=levels(app))


def merge(app: App, case_id: int, into_id: int, *, by: str) -> Case:
    """Put a case into another one of the same customer; the one that goes on."""
    now = app.clock.now()
    return learning.merge(app.store, case_id, into_id, by=by, now=now, levels=levels(app))


def step(app: App, case_id: int, steps: Sequence[Step], *, text: str = "", by: str) -> int:
    """Tick steps of the work list; how many of them were not ticked by hand before."""
    refs = [one.value for one in steps]
    return _mark(app, case_id, CaseEventKind.STEP, refs, text=text, by=by)


def offer(app: App, case_id: int, remedies: Sequence[Remedy], *, text: str, by: str) -> int:
    """Note which remedies the customer was offered; how many are new."""
    refs = [one.value for one in remedies]
    return _mark(app, case_id, CaseEventKind.OFFERED, refs, text=text, by=by)


def evidence(
    app: App,
    case_id: int,
    *,
    links: Sequence[str] = (),
    files: Sequence[Path] = (),
    tracking: Sequence[str] = (),
    text: str = "",
    by: str,
) -> int:
    """Keep links, files and tracking numbers that show what happened; how many are new.

    Raises:
        NotFound: no such case or file.
        NotPossible: nothing is given, or what is given is none of the kind.
    """
    if not (links or files or tracking):
        raise NotPossible("no evidence is given", hint="name it: --link, --file or --tracking")
    refs = [*map(case_words.link, links), *map(case_words.tracking, tracking)]
    with app.store.read() as connection:
        store_cases.get(connection, case_id)
    refs += [case_words.keep_file(path, app.home, case_id) for path in files]
    return _mark(app, case_id, CaseEventKind.EVIDENCE, refs, text=text, by=by)


def choose(
    app: App, case_id: int, remedy: Remedy, *, amount: str = "", text: str = "", by: str
) -> Case:
    """Keep the remedy that the customer chose; an amount without a currency is in the order's.

    Raises:
        NotFound: there is no such case.
        NotPossible: the amount is none, or is missing.
    """
    money = _money(app, case_id, amount) if amount else None
    now = app.clock.now()
    return learning.choose(
        app.store, case_id, remedy, money, text=text, by=by, now=now, levels=levels(app)
    )


def dispute(
    app: App,
    case_id: int,
    *,
    number: str = "",
    deadline: str = "",
    arbitration: Arbitration | None = None,
    is_liable: bool | None = None,
    by: str,
) -> Case:
    """Keep what the marketplace says about the dispute behind a case."""
    told = Dispute(
        number=" ".join(number.split()),
        deadline_at=case_words.deadline(deadline, app.zone) if deadline else None,
        arbitration=arbitration,
        is_liable=is_liable,
    )
    now = app.clock.now()
    return learning.link_dispute(app.store, case_id, told, by=by, now=now, levels=levels(app))


def correct(
    app: App,
    case_id: int,
    *,
    reason: str = "",
    severity: Severity | None = None,
    best_channel: str = "",
    best_time: str = "",
    satisfaction: int | None = None,
    by: str,
) -> Case:
    """Put right what is known of a case, or keep the customer's word on how it was handled."""
    now, rules = app.clock.now(), levels(app)
    done = learning.correct(
        app.store,
        case_id,
        reason=reason,
        severity=severity,
        best_channel=best_channel,
        best_time=case_words.hours(best_time) if best_time else "",
        by=by,
        now=now,
        levels=rules,
    )
    if satisfaction is None:
        return done
    return learning.rate_case(app.store, case_id, satisfaction, by=by, now=now, levels=rules)


def record(app: App, case_id: int) -> CaseRecord:
    """A case with the whole conversation, word for word."""
    return case_export.record(app.store, case_file(app, case_id))


def tasks(app: App, *, limit: int = 200) -> tuple[list[Task], int]:
    """What agents should do besides cases, most urgent first; and how much there is of it."""
    with app.store.read() as connection:
        found = store_tasks.list_open(connection, limit=limit)
        count = store_tasks.count_open(connection) if len(found) == limit else len(found)
    return found, count


def finish_task(app: App, task_id: int) -> Task:
    """Mark a task as done."""
    return learning.finish_task(app.store, task_id, now=app.clock.now())


def log_feedback(
    app: App, *, email: str, channel: Channel, text: str, order: str = "", rating: int | None = None
) -> Logged:
    """Log what a customer said by chat, phone or on a platform, and do what it asks for.

    Raises:
        NotFound: no such customer or order.
        NotPossible: there are no words.
    """
    if not text.strip():
        raise NotPossible("there are no words to log", hint="write what the customer said")
    now = app.clock.now()
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, email)
        order_id = store_cases.find_order(connection, order, customer_id) if order else None
    reply_id = listening.log_by_hand(
        app.store,
        customer_id=customer_id,
        channel=channel.value,
        text=text,
        order_id=order_id,
        at=now,
        words=app.words,
    )
    learn(app)
    if rating is not None:
        learning.rate(app.store, reply_id, rating, now=now, levels=levels(app))
    with app.store.read() as connection:
        return Logged(
            reply=replies.get(connection, reply_id),
            case=store_cases.find_by_reply(connection, reply_id),
        )


def _mark(
    app: App, case_id: int, kind: CaseEventKind, refs: Sequence[str], *, text: str, by: str
) -> int:
    return learning.mark(
        app.store,
        case_id,
        kind,
        refs,
        text=text,
        by=by,
        now=app.clock.now(),
        levels=levels(app),
    )


def _money(app: App, case_id: int, amount: str) -> Money:
    with app.store.read() as connection:
        currency = store_cases.currency_of(connection, store_cases.get(connection, case_id))
    return case_words.amount(amount, currency or app.shop_or_default.currency)
