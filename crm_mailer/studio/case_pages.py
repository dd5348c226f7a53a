"""The studio's pages of cases: the board, one column as a list, tasks, the day's work lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.routing import Route

from crm_mailer.app import case_looks, cases, reports, unpaid
from crm_mailer.i18n import _, joined
from crm_mailer.learning import sayings
from crm_mailer.model.case import UNDER_WAY, CaseState, Channel
from crm_mailer.model.errors import NotFound
from crm_mailer.model.reply import Severity
from crm_mailer.model.task import TaskKind
from crm_mailer.model.unpaid import UnpaidReason
from crm_mailer.reporting.worklists import MEANINGS, Worklist
from crm_mailer.store.case_board import Narrowing
from crm_mailer.studio import case_answer_pages, case_one_pages, given, report_pages
from crm_mailer.studio.desk import Asked, Desk, Done
from crm_mailer.studio.given import who
from crm_mailer.studio.roles import Role

#: Rows of a work list, and of the list of tasks.
ROWS = 200


def routes(desk: Desk) -> list[Route]:
    """All of them."""
    return [
        *desk.page("/cases", "cases", board),
        *desk.page("/cases/state/{state}", "cases-list", listed),
        *desk.page("/cases/new", "cases-new", new, Role.AGENT),
        *desk.act("/cases/new", open_case, Role.AGENT),
        *desk.act("/cases/feedback", log_feedback, Role.AGENT),
        *desk.page("/cases/tasks", "cases-tasks", tasks),
        *desk.act("/cases/tasks/{number}/done", finish_task, Role.AGENT),
        *desk.page("/cases/work", "cases-work", work),
        *desk.fetch("/cases/work.xlsx", report_pages.worklists, Role.AGENT),
        *desk.act("/cases/work/unpaid", note_unpaid, Role.AGENT),
        *desk.page("/cases/work/{name}", "cases-work-one", worklist),
        *case_answer_pages.routes(desk),
        *case_one_pages.routes(desk),
    ]


# ------------------------------------------------------------------ the board


def board(asked: Asked) -> Mapping[str, Any]:
    """Cases by state and due time, narrowed as the address says."""
    return {
        "columns": case_looks.board(asked.app, _narrowing(asked)),
        "under_way": [state.value for state in UNDER_WAY],
        **_filters(asked),
    }


def listed(asked: Asked) -> Mapping[str, Any]:
    """One column as a list, a page at a time."""
    wanted = asked.path["state"]
    if wanted not in set(CaseState):
        raise NotFound(
            _("there is no state `{name}` of cases").format(name=wanted),
            hint=_("they are: {names}").format(names=joined(CaseState)),
        )
    after = asked.query.get("after", "")
    column = case_looks.column(asked.app, CaseState(wanted), _narrowing(asked), after=after)
    return {"column": column, "states": [state.value for state in CaseState], **_filters(asked)}


def _narrowing(asked: Asked) -> Narrowing:
    asks = asked.query.get
    owner = asks("owner", "")
    own = {"": None, "nobody": "", "me": who(asked)}
    return Narrowing(
        owner=own.get(owner, owner),
        is_overdue=asks("overdue") == "1",
        reason=asks("reason", "").strip(),
        severity=given.known(asks("severity", ""), Severity),
        campaign=asks("campaign", "").strip(),
        product=asks("product", "").strip()[:200],
        country=asks("country", "").strip().upper(),
    )


def _filters(asked: Asked) -> dict[str, Any]:
    """What the form above the board offers, and what of it is chosen."""
    names = ("owner", "overdue", "reason", "severity", "campaign", "product", "country")
    reasons = case_looks.reasons()
    groups = dict.fromkeys(code.partition(".")[0] for code in reasons if "." in code)
    return {
        "me": who(asked),
        "owners": case_looks.owners(asked.app),
        "reasons": reasons,
        "reason_groups": list(groups),
        "severities": [one.value for one in Severity],
        "campaigns": sorted(asked.app.definitions.campaigns),
        "chosen": {name: asked.query[name] for name in names if asked.query.get(name)},
    }


# ------------------------------------------------------------------ by hand


def new(asked: Asked) -> Mapping[str, Any]:
    """The forms that open a case by hand, and that log what was said by other ways."""
    return {
        "reasons": case_looks.reasons(),
        "channels": [one.value for one in Channel],
        "customer": asked.query.get("customer", ""),
        "order": asked.query.get("order", ""),
    }


def open_case(asked: Asked) -> Done:
    """Open a case."""
    number = cases.open_case(
        asked.app,
        email=given.words(asked, "customer", longest=320),
        reason=given.words(asked, "reason", longest=60),
        order=given.words(asked, "order", longest=100),
        text=given.words(asked, "text"),
        channel=given.one_of(Channel, asked.form.get("channel", Channel.EMAIL)),
        by=who(asked),
    )
    return Done(to=f"/cases/{number}", said=_("case {number} is open").format(number=number))


def log_feedback(asked: Asked) -> Done:
    """Log what a customer said by chat, by phone or on a platform."""
    logged = cases.log_feedback(
        asked.app,
        email=given.words(asked, "customer", longest=320),
        channel=given.one_of(Channel, asked.form.get("channel", "")),
        text=given.words(asked, "text", longest=20_000),
        order=given.words(asked, "order", longest=100),
    )
    to = f"/cases/{logged.case}" if logged.case else f"/replies/{logged.reply.id}"
    return Done(to=to, said=_("logged; this is how it was understood"))


# ------------------------------------------------------------------ tasks and work lists


def tasks(asked: Asked) -> Mapping[str, Any]:
    """What is to be done besides cases, most urgent first, a page at a time."""
    kind = given.known(asked.query.get("kind", ""), TaskKind)
    found = case_looks.tasks(asked.app, kind=kind, after=asked.query.get("after", ""))
    now = asked.app.clock.now()
    rows = [
        {
            "number": one.id,
            "kind": one.kind,
            "due_at": one.due_at,
            "is_late": one.due_at is not None and one.due_at < now,
            "customer": one.customer,
            "customer_id": one.customer_id,
            "order_number": one.order_number,
            "text": sayings.heard(one.text),
            "is_question": one.kind == TaskKind.ANSWER,
        }
        for one in found.rows
    ]
    count = found.kinds.get(kind, 0) if kind else sum(found.kinds.values())
    return {"rows": rows, "count": count, "kinds": found.kinds, "kind": kind, "after": found.after}


def finish_task(asked: Asked) -> Done:
    """Mark a task as done."""
    task = cases.finish_task(asked.app, asked.number())
    return Done(to="/cases/tasks", said=_("done: task {number}").format(number=task.id))


def work(asked: Asked) -> Mapping[str, Any]:
    """How much there is to do today, list by list."""
    return {"lists": [_told(one) for one in reports.every_worklist(asked.app)]}


def worklist(asked: Asked) -> Mapping[str, Any]:
    """One list of the day's work."""
    found = reports.worklist(asked.app, asked.path["name"], limit=ROWS)
    rows = [
        {
            "number": row.number,
            "customer": row.customer,
            "country": row.country,
            "order_number": row.order_number,
            "amount": row.amount,
            "since": row.since,
            "due_at": row.due_at,
            "todo": list(row.todo),
            "text": row.text,
        }
        for row in found.rows
    ]
    return {
        "list": _told(found),
        "names": [name.value for name in MEANINGS],
        "rows": rows,
        "unpaid_reasons": [one.value for one in UnpaidReason],
    }


def note_unpaid(asked: Asked) -> Done:
    """Note why an order is not paid, as the buyer told it."""
    order = given.words(asked, "order", longest=100)
    reason = given.one_of(UnpaidReason, asked.form.get("reason", ""))
    unpaid.note(asked.app, order, reason)
    said = _("noted: why order {number} is not paid").format(number=order)
    return Done(to="/cases/work/unpaid", said=said)


def _told(one: Worklist) -> dict[str, Any]:
    return {"name": one.name.value, "meaning": one.meaning, "count": one.count}
