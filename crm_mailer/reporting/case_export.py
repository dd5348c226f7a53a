"""A whole case as a file: what is handed to a marketplace, a lawyer or the boss."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from crm_mailer.reporting.cases import CaseFile
from crm_mailer.store import conversations
from crm_mailer.store.conversations import Word
from crm_mailer.store.engine import Store

_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:52em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{border-bottom:1px solid #ccc;padding:.3em .8em .3em 0;"
    "text-align:left;vertical-align:top}pre{white-space:pre-wrap;background:#f6f6f4;padding:.8em}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """The file of a case, and every word that was said, in full."""

    file: CaseFile
    conversation: tuple[Word, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A heading with facts, or rows below column names, or one text."""

    title: str
    level: int = 2
    rows: tuple[tuple[str, ...], ...] = ()
    columns: tuple[str, ...] = ()
    text: str = ""


def record(store: Store, file: CaseFile) -> CaseRecord:
    """The case with its conversation."""
    with store.read() as connection:
        words = conversations.of_case(
            connection, file.case.customer_id, [file.case.id, *file.merged]
        )
    return CaseRecord(file=file, conversation=tuple(words))


def as_markdown(told: CaseRecord, place: ZoneInfo) -> str:
    """The record for people who read text; times are in `place`."""
    return "\n".join(line for part in _parts(told, place) for line in _markdown(part)) + "\n"


def as_html(told: CaseRecord, place: ZoneInfo) -> str:
    """The record as one page without anything from outside; what customers wrote is mere text."""
    title = html.escape(f"Case {told.file.case.id}")
    body = "\n".join(line for part in _parts(told, place) for line in _html(part))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _parts(told: CaseRecord, place: ZoneInfo) -> Iterator[_Part]:
    file = told.file
    case = file.case
    yield _Part(title=f"Case {case.id}: {file.reason_in_words}", level=1, rows=_head(file, place))
    yield _Part(title="Customer", rows=_customer(file))
    yield _Part(
        title="Orders",
        columns=("order", "placed", "state", "amount", "items", "parcel"),
        rows=tuple(
            (
                f"{one.number} (in question)" if one.id == case.order_id else one.number,
                _time(one.placed_at, place),
                one.state.value,
                f"{one.amount.amount} {one.amount.currency}",
                "; ".join(one.items),
                f"{one.carrier} {one.tracking_number}".strip(),
            )
            for one in file.orders
        ),
    )
    yield _Part(
        title="What was done",
        columns=("when", "who", "what", ""),
        rows=tuple((_time(e.at, place), e.who, e.what, e.text) for e in file.timeline),
    )
    yield _Part(title="The conversation, word for word")
    for word in told.conversation:
        yield _word(word, place)


def _head(file: CaseFile, place: ZoneInfo) -> tuple[tuple[str, ...], ...]:
    case = file.case
    paid = case.compensation
    rows = [
        ("state", case.state.value),
        ("severity", f"{case.severity}, {'serious' if file.is_serious else 'ordinary'}"),
        ("reason", case.reason),
        ("owner", case.owner),
        ("opened", _time(case.opened_at, place)),
        ("first answer", _time(case.first_response_at, place)),
        ("ended", _time(case.closed_at, place)),
        ("dispute", case.dispute_number),
        ("arbitration", case.arbitration.value if case.arbitration else ""),
        ("seller liable", {None: "", True: "yes", False: "no"}[case.is_liable]),
        ("marketplace's deadline", _time(case.deadline_at, place)),
        ("the facts disagree", file.clash),
        ("offered", ", ".join(one.value for one in file.offered)),
        ("chosen", case.remedy.value if case.remedy else ""),
        ("compensation", f"{paid.amount} {paid.currency}" if paid else ""),
        ("satisfaction", f"{case.satisfaction} of 5" if case.satisfaction else ""),
        ("follows case", str(case.follows_id or "")),
        ("merged into case", str(case.merged_into_id or "")),
        ("took in cases", ", ".join(map(str, file.merged))),
    ]
    rows += [("evidence", f"{one.ref} {one.text}".strip()) for one in file.evidence]
    return tuple(row for row in rows if row[1])


def _customer(file: CaseFile) -> tuple[tuple[str, ...], ...]:
    one = file.known.customer
    rows = [
        ("name", one.name),
        ("address", one.email or ""),
        ("country", one.country),
        ("language", one.language),
        ("classes", ", ".join(file.known.classes)),
        *(("BLACKLIST", f"{flag.kind}: {flag.reason} {flag.evidence}") for flag in file.flags),
    ]
    return tuple(row for row in rows if row[1])


def _word(word: Word, place: ZoneInfo) -> _Part:
    facts = [
        ("channel", word.channel),
        ("from", word.name),
        ("subject", word.subject),
        ("language", word.language),
        ("message id", word.message_id),
        ("inbox number", str(word.reply_id or "")),
        ("what became of it", word.fate),
    ]
    return _Part(
        title=f"{_time(word.at, place)}  {word.who}",
        level=3,
        rows=tuple(row for row in facts if row[1]),
        text=word.text,
    )


def _time(moment: datetime | None, place: ZoneInfo) -> str:
    return "" if moment is None else moment.astimezone(place).strftime("%Y-%m-%d %H:%M %Z")


def _markdown(part: _Part) -> Iterator[str]:
    yield f"{'#' * part.level} {part.title}\n"
    if part.columns and part.rows:
        yield _cells(part.columns)
        yield _cells(("---",) * len(part.columns))
        yield from (_cells(row) for row in part.rows)
        yield ""
    elif part.rows:
        yield from (f"- {name}: {' '.join(value.split())}" for name, value in part.rows)
        yield ""
    if part.text:
        # Indented: no word of a customer can become a heading or a table of ours.
        yield from ("    " + line for line in part.text.splitlines())
        yield ""


def _cells(row: tuple[str, ...]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) + " |"


def _html(part: _Part) -> Iterator[str]:
    yield f"<h{part.level}>{html.escape(part.title)}</h{part.level}>"
    if part.rows:
        yield "<table>"
        if part.columns:
            yield _row(part.columns, "th")
        yield from (_row(row, "td") for row in part.rows)
        yield "</table>"
    if part.text:
        yield f"<pre>{html.escape(part.text)}</pre>"


def _row(cells: tuple[str, ...], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
