"""Distribution reports of segments as tables: in the terminal, and as sheets for Excel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crm_mailer.app.segments import Distribution
from crm_mailer.cli import show
from crm_mailer.i18n import _
from crm_mailer.reporting.workbook import Chart, Column, Kind, Sheet

#: Lines and columns of a table that a terminal shows.
_SHOWN = 12


def sheets(found: Sequence[Distribution]) -> Iterator[Sheet]:
    """Each distribution in full, as a sheet with a chart."""
    for one in found:
        yield _crossed(one) if one.across else _plain(one)


def show_distribution(one: Distribution) -> None:
    """The largest kinds with their shares; of two fields, a line for each kind of the first."""
    sheet = _crossed(one, columns=_SHOWN) if one.across else _plain(one)
    rows = list(sheet.rows)
    show.table(
        [column.title for column in sheet.columns],
        [[_cell(column.kind, value) for column, value in zip(sheet.columns, row, strict=True)]
         for row in rows[:_SHOWN]],
        right=tuple(range(1, len(sheet.columns))),
        empty=_("no customer to tell apart by {field}").format(field=one.by),
    )  # fmt: skip
    if len(rows) > _SHOWN:
        show.note(_("... and {number} more; --json has all").format(number=len(rows) - _SHOWN))
    show.line()


def _plain(one: Distribution) -> Sheet:
    return Sheet(
        name=show.word(one.by),
        columns=(
            Column(title=show.word(one.by)),
            Column(title=_("customers"), kind=Kind.COUNT),
            Column(title=_("share"), kind=Kind.SHARE),
            Column(title=_("spent, USD"), kind=Kind.MONEY),
        ),
        rows=[
            (
                _kind(share.value),
                share.customers,
                share.customers / one.customers,
                share.spent_usd_cents / 100,
            )
            for share in one.shares
        ],
        chart=Chart(title=show.word(one.by), columns=(1,)),
    )


def _crossed(one: Distribution, columns: int | None = None) -> Sheet:
    """One line a kind, one column for each kind of the other field; `columns`: the largest."""
    heads: dict[str, int] = {}
    lines: dict[str, dict[str, int]] = {}
    for share in one.shares:
        heads[share.across] = heads.get(share.across, 0) + share.customers
        lines.setdefault(share.value, {})[share.across] = share.customers
    named = sorted(heads, key=lambda name: (-heads[name], name))[:columns]
    rows = sorted(lines.items(), key=lambda line: (-sum(line[1].values()), line[0]))
    return Sheet(
        name=show.word(one.by),
        columns=(
            Column(title=show.word(one.by)),
            *(Column(title=_kind(name), kind=Kind.COUNT) for name in named),
            Column(title=_("all"), kind=Kind.COUNT),
        ),
        rows=[
            (_kind(value), *(counts.get(name, 0) for name in named), sum(counts.values()))
            for value, counts in rows
        ],
    )


def _kind(value: str) -> str:
    return show.word(value) if value else _("unknown")


def _cell(kind: Kind, value: object) -> object:
    if not isinstance(value, (int, float)):
        return value
    return format(value, ".1%" if kind is Kind.SHARE else ",.0f") if value else ""
