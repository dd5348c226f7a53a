"""Reports as tables in the reader's language: the same for the terminal and for Excel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from crm_mailer.cli import show
from crm_mailer.i18n import _, joined, say
from crm_mailer.model.health import Grade, Unit
from crm_mailer.model.period import Period
from crm_mailer.reporting.agents import AgentReport
from crm_mailer.reporting.complaints import ComplaintReport, Product, reason_in_words
from crm_mailer.reporting.health import HealthReport, Measure
from crm_mailer.reporting.recovery import RecoveryReport
from crm_mailer.reporting.response_times import ResponseReport
from crm_mailer.reporting.reviews import ProductReviews, ReviewReport
from crm_mailer.reporting.workbook import Chart, Column, Kind, Sheet, Toned
from crm_mailer.reporting.worklists import Worklist, WorkRow
from crm_mailer.store.report_cases import Answered
from crm_mailer.store.report_complaints import Complaint, Said
from crm_mailer.store.report_recovery import Recovered
from crm_mailer.store.report_reviews import Stars
from crm_mailer.store.report_sql import Spread

_TONES = {Grade.OK: "ok", Grade.WARN: "warn", Grade.BAD: "bad"}
_UNITS = {Unit.SHARE: " %", Unit.STARS: "", Unit.HOURS: " h"}


def period_in_words(period: Period) -> str:
    """`2026-08-05 to 2026-11-02, Asia/Shanghai`."""
    return _("{first} to {last}, {zone}").format(
        first=period.first, last=period.last, zone=period.place
    )


# ------------------------------------------------------------------ complaints


def complaint_sheets(report: ComplaintReport, every: Iterable[Complaint]) -> Iterator[Sheet]:
    """All sheets of the complaints workbook; `every` is read last."""
    yield complaint_overview(report)
    yield from complaint_counts(report)
    yield _complaints(every)


def complaint_overview(report: ComplaintReport) -> Sheet:
    """The period in a few figures."""
    totals = report.totals
    top = next(iter(report.by_reason), None)
    worst = next((one for one in report.by_product if one.product), None)
    rows = (
        (_("period"), period_in_words(report.period)),
        (_("complaints"), totals.complaints),
        (_("complaints in as many days before"), totals.before),
        (_("customers who complained"), totals.customers),
        (_("praise"), totals.praise),
        (_("cases opened and still under way"), totals.cases_open),
        (_("cases of severity P1"), totals.urgent),
        (_("most frequent reason"), _reason(top.key) if top else ""),
        (_("most complained of product"), worst.title if worst else ""),
    )
    return Sheet(
        name=_("Overview"),
        columns=(Column(title=_("what"), width=36), Column(title=_("figure"), width=48)),
        rows=rows,
        notes=(
            _("Complaints are unhappy mails, what agents logged, and reviews of 1 and 2 stars."),
            _("Where an order has several products and none is named, each of them counts."),
        ),
    )


def complaint_counts(report: ComplaintReport) -> tuple[Sheet, ...]:
    """Complaints and praise by one thing each."""
    total = report.totals.complaints
    channels = [_worded(one) for one in report.by_channel]
    return (
        _reasons(report.by_reason, total),
        _products(report.by_product, total),
        _counts(_("By country"), _("country"), report.by_country, total),
        _counts(_("By campaign"), _("campaign"), report.by_campaign, total),
        _months(report.by_month),
        _counts(_("By channel"), _("channel"), channels, total),
        _agents(report.by_agent, total),
    )


def _reasons(rows: Sequence[Said], total: int) -> Sheet:
    return Sheet(
        name=_("By reason"),
        columns=(
            Column(title=_("reason"), width=44), Column(title=_("code"), width=20),
            *_said_columns(has_praise=False),
        ),
        rows=[
            (_reason(one.key), one.key, *_said(one, total, has_praise=False)) for one in rows
        ],
        chart=Chart(title=_("Complaints by reason"), columns=(2,)),
        empty=_("nothing yet"),
    )  # fmt: skip


def _products(rows: Sequence[Product], total: int) -> Sheet:
    return Sheet(
        name=_("By product"),
        columns=(
            Column(title=_("product"), width=44), Column(title=_("sku"), width=20),
            *_said_columns(), Column(title=_("paid orders"), kind=Kind.COUNT),
            Column(title=_("complaints an order"), kind=Kind.SHARE),
        ),
        rows=[_product(one, total) for one in rows],
        chart=Chart(title=_("Complaints and praise by product"), columns=(2, 5)),
        empty=_("nothing yet"),
    )  # fmt: skip


def _agents(rows: Sequence[Said], total: int) -> Sheet:
    return Sheet(
        name=_("By agent"),
        columns=(Column(title=_("agent"), width=30), *_said_columns(has_praise=False)),
        rows=[
            (one.key or _("nobody"), *_said(one, total, has_praise=False)) for one in rows
        ],
        chart=Chart(title=_("By agent"), columns=(1,)),
        empty=_("nothing yet"),
    )  # fmt: skip


def _counts(name: str, label: str, rows: Sequence[Said], total: int) -> Sheet:
    return Sheet(
        name=name,
        columns=(Column(title=label, width=30), *_said_columns()),
        rows=[(one.key or _("not known"), *_said(one, total)) for one in rows],
        chart=Chart(title=name, columns=(1, 4)),
        empty=_("nothing yet"),
    )


def _months(rows: Sequence[Said]) -> Sheet:
    return Sheet(
        name=_("By month"),
        columns=(
            Column(title=_("month"), width=12),
            Column(title=_("complaints"), kind=Kind.COUNT),
            Column(title=_("praise"), kind=Kind.COUNT),
        ),
        rows=[(one.key, one.complaints, one.praise) for one in rows],
        chart=Chart(title=_("Complaints and praise by month"), columns=(1, 2), shape="column"),
    )


def _said_columns(*, has_praise: bool = True) -> tuple[Column, ...]:
    columns = (
        Column(title=_("complaints"), kind=Kind.COUNT),
        Column(title=_("share"), kind=Kind.SHARE),
        Column(title=_("before"), kind=Kind.COUNT),
    )
    return (*columns, Column(title=_("praise"), kind=Kind.COUNT)) if has_praise else columns


def _said(one: Said | Product, total: int, *, has_praise: bool = True) -> tuple[object, ...]:
    share = one.complaints / total if total else None
    told = (one.complaints, share, one.before)
    return (*told, one.praise) if has_praise else told


def _product(one: Product, total: int) -> tuple[object, ...]:
    sku = one.product if one.title != one.product else ""
    return (one.title or _("not known"), sku, *_said(one, total), one.sold, one.rate)


def _worded(one: Said) -> Said:
    return Said(
        key=show.word(one.key), complaints=one.complaints, praise=one.praise, before=one.before
    )


def _complaints(every: Iterable[Complaint]) -> Sheet:
    return Sheet(
        name=_("Complaints"),
        columns=(
            Column(title=_("at"), kind=Kind.INSTANT), Column(title=_("reason"), width=30),
            Column(title=_("words"), kind=Kind.WORDS), Column(title=_("product"), width=30),
            Column(title=_("order"), width=16), Column(title=_("customer")),
            Column(title=_("country"), width=9), Column(title=_("campaign"), width=18),
            Column(title=_("channel"), width=11),
            Column(title=_("stars"), kind=Kind.COUNT, width=7),
            Column(title=_("severity"), width=9), Column(title=_("wants"), width=12),
            Column(title=_("case"), kind=Kind.COUNT, width=8), Column(title=_("state"), width=16),
            Column(title=_("agent"), width=14), Column(title=_("remedy"), width=18),
            Column(title=_("compensation"), kind=Kind.MONEY),
            Column(title=_("currency"), width=9),
        ),
        rows=_told(every),
        empty=_("nothing yet"),
        cut=_("there are more complaints than a sheet takes: ask for a shorter period"),
    )  # fmt: skip


def _told(every: Iterable[Complaint]) -> Iterator[tuple[object, ...]]:
    """The rows of many complaints; the few words of codes are looked up once."""
    reason, word = cache(_reason), cache(show.word)
    for one in every:
        cents = one.compensation_cents
        yield (
            one.at, reason(one.reason), one.text, one.product, one.order_number, one.customer,
            one.country, one.campaign, word(one.channel), one.rating, one.severity,
            word(one.asks), one.case, word(one.state), one.agent, word(one.remedy),
            None if cents is None else cents / 100, one.compensation_currency,
        )  # fmt: skip


def _reason(code: str) -> str:
    return _(reason_in_words(code)) if code else _("not known")


# ------------------------------------------------------------------ reviews


def review_sheets(report: ReviewReport) -> tuple[Sheet, ...]:
    """Stars by product, and what is loved and disliked."""
    counts = [Column(title=f"{stars} ★", kind=Kind.COUNT, width=7) for stars in range(5, 0, -1)]
    return (
        Sheet(
            name=_("Reviews"),
            columns=(
                Column(title=_("product"), width=40), Column(title=_("reviews"), kind=Kind.COUNT),
                Column(title=_("mean"), kind=Kind.DECIMAL, width=8), *counts,
                Column(title=_("good"), kind=Kind.SHARE), Column(title=_("bad"), kind=Kind.SHARE),
                Column(title=_("answered"), kind=Kind.SHARE),
            ),
            rows=[_stars(_("all products"), report.total)]
            + [_stars(one.title or _("not known"), one.stars) for one in report.products],
            chart=Chart(title=_("Stars by product"), columns=(3, 4, 5, 6, 7), is_stacked=True),
        ),
        Sheet(
            name=_("What buyers say"),
            columns=(
                Column(title=_("product"), width=40), Column(title=_("loved"), width=44),
                Column(title=_("disliked"), width=44), Column(title=_("reasons"), width=44),
            ),
            rows=[row for row in map(_words, report.products) if any(row[1:])],
            empty=_("no word was used by two buyers yet"),
            notes=(_("Words of comments with 4 and 5 stars, and with 1 and 2; in brackets, in how "
                     "many comments. {read} comments were read.").format(read=report.read),),
        ),
    )  # fmt: skip


def _stars(title: str, one: Stars) -> tuple[object, ...]:
    total = one.reviews or None
    return (
        title, one.reviews, one.mean if total else None, one.five, one.four, one.three, one.two,
        one.one, (one.four + one.five) / total if total else None,
        (one.one + one.two) / total if total else None, one.answered / total if total else None,
    )  # fmt: skip


def _words(one: ProductReviews) -> tuple[object, ...]:
    reasons = [(_reason(code), number) for code, number in one.reasons]
    return (one.title or _("not known"), *map(_counted, (one.loved, one.disliked, reasons)))


def _counted(words: Iterable[tuple[str, int]]) -> str:
    return joined(f"{word} ({number})" for word, number in words)


# ------------------------------------------------------------------ cases and agents


def response_sheets(report: ResponseReport) -> tuple[Sheet, ...]:
    """First answers by severity, reason, agent and campaign."""
    whole = [report.total] if report.total else []
    return (
        _answers(_("By severity"), _("severity"), [
            *((_("all"), one) for one in whole), *((one.key, one) for one in report.by_severity)]),
        _answers(_("By reason"), _("reason"), [
            (_reason(one.key), one) for one in report.by_reason]),
        _answers(_("By agent"), _("agent"), [
            (one.key or _("nobody"), one) for one in report.by_agent]),
        _answers(_("By campaign"), _("campaign"), [
            (one.key or _("no campaign"), one) for one in report.by_campaign]),
    )  # fmt: skip


def _answers(name: str, label: str, rows: Sequence[tuple[str, Answered]]) -> Sheet:
    return Sheet(
        name=name,
        columns=(
            Column(title=label, width=34), Column(title=_("cases"), kind=Kind.COUNT),
            Column(title=_("answered"), kind=Kind.COUNT, is_extra=True),
            Column(title=_("unanswered"), kind=Kind.COUNT),
            Column(title=_("too late"), kind=Kind.COUNT),
            Column(title=_("late %"), kind=Kind.SHARE),
            Column(title=_("median h"), kind=Kind.DECIMAL),
            Column(title=_("p90 h"), kind=Kind.DECIMAL),
            Column(title=_("solved"), kind=Kind.COUNT, is_extra=True),
            Column(title=_("solved in, median h"), kind=Kind.DECIMAL, is_extra=True),
            Column(title=_("late updates"), kind=Kind.COUNT, is_extra=True),
            Column(title=_("late solutions"), kind=Kind.COUNT, is_extra=True),
        ),
        rows=[
            (key, one.cases, one.answered, one.waiting, one.late, one.late / one.cases,
             *_hours(one.response), one.solved, _hours(one.solution)[0], one.late_updates,
             one.late_solutions)
            for key, one in rows
        ],
        chart=Chart(title=_("Median and p90 of the first answer, in hours"), columns=(6, 7)),
        empty=_("nothing yet"),
        notes=(_("Hours of the wall clock; late is judged by the shop's office hours."),),
    )  # fmt: skip


def _hours(spread: Spread) -> tuple[float | None, float | None]:
    return tuple(  # type: ignore[return-value]
        None if one is None else one / 3600 for one in (spread.median, spread.p90)
    )


def agent_sheets(report: AgentReport) -> tuple[Sheet, ...]:
    """What each agent did."""
    return (
        Sheet(
            name=_("Agents"),
            columns=(
                Column(title=_("agent")), Column(title=_("cases"), kind=Kind.COUNT),
                Column(title=_("answered"), kind=Kind.COUNT, is_extra=True),
                Column(title=_("median h"), kind=Kind.DECIMAL),
                Column(title=_("late"), kind=Kind.COUNT),
                Column(title=_("solved"), kind=Kind.COUNT),
                Column(title=_("reopened"), kind=Kind.COUNT),
                Column(title=_("satisfaction"), kind=Kind.DECIMAL),
                Column(title=_("answers written"), kind=Kind.COUNT),
                Column(title=_("reminded"), kind=Kind.COUNT),
                Column(title=_("recovered"), kind=Kind.COUNT),
            ),
            rows=[
                (one.name or _("nobody"), one.cases, one.answered, _hours(one.response)[0],
                 one.late, one.solved, one.reopened, one.satisfaction, one.answers, one.reminded,
                 one.recovered)
                for one in report.agents
            ],
            chart=Chart(title=_("Cases and solved ones"), columns=(1, 5)),
            empty=_("nothing yet"),
            notes=(
                _("Cases opened in the period, by their owner. Reminded: orders that the agent "
                  "wrote about before they were paid; recovered: paid within 7 days."),
            ),
        ),
    )  # fmt: skip


# ------------------------------------------------------------------ recovery


def recovery_sheets(report: RecoveryReport) -> tuple[Sheet, ...]:
    """What reminders brought back, by reason, by number of reminders, method and month."""
    everything = [(_("all"), report.total)]
    return (
        _recovered(_("By reason"), _("reason"), [
            *everything,
            *((show.word(one.key) or _("not known"), one) for one in report.by_reason)]),
        _recovered(_("By reminders"), _("reminders"), [
            (one.key, one) for one in report.by_reminders]),
        _recovered(_("By payment method"), _("payment method"), [
            (one.key or _("not known"), one) for one in report.by_method]),
        _recovered(_("By month"), _("month"), [(one.key, one) for one in report.by_month]),
    )  # fmt: skip


def _recovered(name: str, label: str, rows: Sequence[tuple[str, Recovered]]) -> Sheet:
    note = _("Recovered: paid within 7 days of the last reminder before. May still pay: the 7 "
             "days are not over.")  # fmt: skip
    return Sheet(
        name=name,
        columns=(
            Column(title=label, width=28), Column(title=_("reminded"), kind=Kind.COUNT),
            Column(title=_("recovered"), kind=Kind.COUNT), Column(title=_("rate"), kind=Kind.SHARE),
            Column(title=_("may still pay"), kind=Kind.COUNT), Column(title="USD", kind=Kind.MONEY),
        ),
        rows=[
            (key, one.reminded, one.recovered, one.recovered / one.reminded if one.reminded else
             None, one.waiting, one.usd_cents / 100)
            for key, one in rows
        ],
        chart=Chart(title=_("Reminded and recovered"), columns=(1, 2), shape="column"),
        empty=_("nothing yet"),
        notes=(note,),
    )  # fmt: skip


# ------------------------------------------------------------------ health


def health_sheets(report: HealthReport) -> tuple[Sheet, ...]:
    """Each figure with its value, its counts, its limits and its formula."""
    return (
        Sheet(
            name=_("Shop health"),
            columns=(
                Column(title=_("figure"), width=26), Column(title=_("value"), width=10),
                Column(title=_("counted"), width=18), Column(title=_("warn"), width=9),
                Column(title=_("bad"), width=9), Column(title=_("state"), width=10),
                Column(title=_("formula"), width=80),
            ),
            rows=[
                (show.word(one.figure), _value(one), _parts(one), _limit(one.limit.warn, one),
                 _limit(one.limit.bad, one), _grade(one), _(one.formula))
                for one in report.measures
            ],
            notes=(
                _("Fewer than {number} are not judged. Limits: `health:` in shop.yaml.").format(
                    number=report.too_few),
            ),
        ),
    )  # fmt: skip


def _value(one: Measure) -> str:
    if one.value is None:
        return ""
    match one.unit:
        case Unit.SHARE:
            return f"{one.value:.2%}"
        case Unit.STARS:
            return f"{one.value:.2f} ★"
        case Unit.HOURS:
            return f"{one.value:.1f} h"


def _parts(one: Measure) -> str:
    if one.numerator is None or one.denominator is None:
        return f"{one.count:,}"
    return f"{one.numerator:,.10g} / {one.denominator:,.10g}"


def _limit(limit: float, one: Measure) -> str:
    return f"{limit:g}{_UNITS[one.unit]}"


def _grade(one: Measure) -> object:
    words = show.word(one.grade)
    return Toned(words, _TONES[one.grade]) if one.grade in _TONES else words


# ------------------------------------------------------------------ worklists


def worklist_sheets(lists: Iterable[Worklist]) -> Iterator[Sheet]:
    """How much there is to do, then each list."""
    lists = list(lists)
    yield Sheet(
        name=_("Today"),
        columns=(
            Column(title=_("list"), width=16), Column(title=_("rows"), kind=Kind.COUNT),
            Column(title=_("what"), width=60),
        ),
        rows=[(one.name.value, one.count, _(one.meaning)) for one in lists],
    )  # fmt: skip
    yield from map(worklist_sheet, lists)


def worklist_sheet(one: Worklist) -> Sheet:
    """One list with what to do about each row."""
    return Sheet(
        name=_("late orders") if one.name == "late" else show.word(one.name),
        columns=(
            Column(title=_("number"), width=18), Column(title=_("customer"), width=24),
            Column(title=_("country"), width=9), Column(title=_("order"), width=18),
            Column(title=_("amount"), width=14), Column(title=_("since"), kind=Kind.INSTANT),
            Column(title=_("due"), kind=Kind.INSTANT), Column(title=_("what to do"), width=60),
            Column(title=_("note"), kind=Kind.WORDS),
        ),
        rows=map(_work, one.rows),
        empty=_("nothing to do"),
    )  # fmt: skip


def todo_in_words(row: WorkRow) -> str:
    """What to do about a row, in the reader's language."""
    return joined((_(todo) for todo in row.todo), "; ")


def _work(row: WorkRow) -> tuple[object, ...]:
    return (
        row.number, row.customer, row.country, row.order_number, row.amount, row.since, row.due_at,
        todo_in_words(row), say(row.text),
    )  # fmt: skip
