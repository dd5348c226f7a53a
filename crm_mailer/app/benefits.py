"""Verbs of benefits: what was given and what came of it, codes, what people say."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from crm_mailer.app import giving
from crm_mailer.app.wiring import App
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.model import benefit as words
from crm_mailer.model.benefit import Benefit, CodeSource
from crm_mailer.model.errors import NotFound, NotPossible, SourceError
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import (
    alerts,
    benefit_approvals,
    benefit_figures,
    benefit_uses,
    benefits,
    directory,
    orders,
)
from crm_mailer.store.benefit_approvals import Asking
from crm_mailer.store.benefit_figures import Figures, GrantLine, UseLine
from crm_mailer.store.engine import Connection

#: The largest file of codes, and rows shown of what was wrong with it.
MAX_BYTES, SHOWN = 50_000_000, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitLine:
    """A benefit with its figures; `is_known` is false where its file names it no more."""

    id: str
    kind: str
    title: Mapping[str, str]
    #: Where codes come from, as the file says it.
    codes: str
    needs_approval: bool
    campaigns: tuple[str, ...]
    figures: Figures
    #: USD cents, as far as the file tells what one use costs.
    cost_cents: int | None
    is_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitView:
    """One benefit in full, with the latest grants, orders, and who waits to be allowed."""

    line: BenefitLine
    valid_for: timedelta
    total: int | None
    per_customer: int | None
    per: timedelta | None
    on_empty: str
    proofs: tuple[str, ...]
    asking: tuple[Asking, ...]
    grants: tuple[GrantLine, ...]
    uses: tuple[UseLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What became of a file of codes."""

    new: int
    known: int
    #: Of the known: in the pool of another benefit.
    others: int
    left: int


# ------------------------------------------------------------------ looking


def list_(app: App) -> list[BenefitLine]:
    """All benefits of the file, then those that it names no more, with their figures."""
    known = app.definitions.benefits
    with app.store.read() as connection:
        names = [*known, *(one for one in benefit_figures.known(connection) if one not in known)]
        return [_line(app, connection, name) for name in names]


def show(app: App, benefit: str, *, limit: int = 20) -> BenefitView:
    """One benefit in full.

    Raises:
        NotFound: there is no such benefit.
    """
    with app.store.read() as connection:
        _exists(app, connection, benefit)
        found = app.definitions.benefits.get(benefit)
        return BenefitView(
            line=_line(app, connection, benefit),
            valid_for=found.valid_for if found else timedelta(0),
            total=found.total if found else None,
            per_customer=found.per_customer if found else None,
            per=found.per if found else None,
            on_empty=found.on_empty.value if found else "",
            proofs=tuple(sorted(found.proofs)) if found else (),
            asking=tuple(benefit_approvals.list_asked(connection, benefit, limit=limit)),
            grants=tuple(benefit_figures.each_grant(connection, benefit=benefit, limit=limit)),
            uses=tuple(benefit_figures.list_uses(connection, benefit, limit)),
        )


def of_campaign(app: App, campaign: str) -> dict[str, tuple[int, int]]:
    """Benefit -> how many the campaign gave, and how many of those were used."""
    with app.store.read() as connection:
        return benefit_figures.of_campaign(connection, campaign)


def of_customer(app: App, who: str) -> list[GrantLine]:
    """What a customer was given, the latest first."""
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, who)
        return list(benefit_figures.each_grant(connection, customer_id=customer_id))


def _exists(app: App, connection: Connection, benefit: str) -> None:
    known = {*app.definitions.benefits, *benefit_figures.known(connection)}
    if benefit not in known:
        raise NotFound(
            Sentence("there is no benefit `{benefit}`", benefit=benefit),
            hint=did_you_mean(benefit, known) or "write it in campaigns/benefits.yaml",
        )


def _line(app: App, connection: Connection, name: str) -> BenefitLine:
    found = app.definitions.benefits.get(name)
    figures = benefit_figures.figures(connection, name, app.clock.now())
    told = sorted({campaign for campaign, _step in giving.sources(app).get(name, ())})
    if found is None:
        return BenefitLine(
            id=name, kind="", title={}, codes="", needs_approval=False, campaigns=tuple(told),
            figures=figures, cost_cents=None, is_known=False,
        )  # fmt: skip
    cost = None if found.cost_cents is None else found.cost_cents * figures.redeemed
    return BenefitLine(
        id=name,
        kind=found.kind.value,
        title=found.title,
        codes=found.code or (found.source.value if found.source is CodeSource.POOL else ""),
        needs_approval=found.needs_approval,
        campaigns=tuple(told),
        figures=figures,
        cost_cents=cost,
    )


# ------------------------------------------------------------------ codes


def load(app: App, benefit: str, path: Path) -> Loaded:
    """Put the codes of a file into a benefit's pool.

    Raises:
        NotFound: there is no such benefit.
        NotPossible: it has no pool.
        SourceError: the file cannot be read, or a row is no code.
    """
    found = _known(app, benefit)
    if found.source is not CodeSource.POOL:
        raise NotPossible(
            Sentence("the benefit `{benefit}` takes no codes from a file", benefit=benefit),
            hint="write `codes: pool` in campaigns/benefits.yaml",
        )
    codes = read_codes(path)
    now = app.clock.now()
    with app.store.write() as connection:
        new, others = benefits.load(connection, benefit, codes, now)
        if new:
            alerts.end_of(connection, f"benefit:{benefit}", now)
        left = benefits.count_free(connection, benefit)
    return Loaded(new=new, known=len(codes) - new, others=others, left=left)


def read_codes(path: Path) -> list[str]:
    """The codes of a file: one on each line, or the column `code` (else the first) of a CSV.

    Raises:
        SourceError: the file cannot be read, or a row is no code.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(
                Sentence(
                    "{path}: the file is larger than {number} MB",
                    path=path,
                    number=MAX_BYTES // 1_000_000,
                )
            )
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SourceError(
            Sentence("{file}: {why}", file=path, why=error.strerror or error)
        ) from None
    except UnicodeDecodeError as error:
        hint = "save it with the encoding UTF-8"
        raise SourceError(
            Sentence("{path}: not UTF-8 text (byte {number})", path=path, number=error.start),
            hint=hint,
        ) from None
    rows = list(_rows(path, text))
    wrong = [number for number, code in rows if not _is_code(code)]
    if wrong:
        shown = ", ".join(map(str, wrong[:SHOWN])) + (" ..." if len(wrong) > SHOWN else "")
        raise SourceError(
            Sentence("{path}: no code in row {rows}", path=path, rows=shown),
            hint="a code has up to 40 characters without blanks; nothing was loaded",
        )
    if not rows:
        raise SourceError(
            Sentence("{path}: there is no code in the file", path=path),
            hint="one code on each line",
        )
    return list({words.code_key(code): code for _number, code in rows}.values())


def _rows(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Row number and code of each row that is not empty; a header is none."""
    try:
        mark = ";" if ";" in text.partition("\n")[0] else "\t" if "\t" in text else ","
        cells = list(csv.reader(io.StringIO(text), delimiter=mark))
    except csv.Error as error:
        raise SourceError(
            Sentence("{file}: {why}", file=path, why=error), hint="one code on each line"
        ) from None
    header = [cell.strip().casefold() for cell in cells[0]] if cells else []
    names = ("code", "coupon", "coupon code", "discount code", "voucher", "优惠码")
    place = next((header.index(name) for name in names if name in header), None)
    for number, row in enumerate(cells, start=1):
        if any(map(str.strip, row)) and not (number == 1 and place is not None):
            yield number, row[place or 0].strip() if len(row) > (place or 0) else ""


def _is_code(code: str) -> bool:
    return 0 < len(code) <= 40 and code.isprintable() and not any(c.isspace() for c in code)


def given_codes(app: App, benefit: str) -> list[GrantLine]:
    """What was given and did not come back, for the shop's own system.

    Raises:
        NotFound: there is no such benefit.
    """
    with app.store.read() as connection:
        _exists(app, connection, benefit)
        found = benefit_figures.each_grant(connection, benefit=benefit, is_given_only=True)
        return list(found)


def _known(app: App, benefit: str) -> Benefit:
    found = app.definitions.benefits.get(benefit)
    if found is None:
        raise NotFound(
            Sentence("there is no benefit `{benefit}`", benefit=benefit),
            hint=did_you_mean(benefit, app.definitions.benefits)
            or "write it in campaigns/benefits.yaml",
        )
    return found


# ------------------------------------------------------------------ what people say


def decide(
    app: App,
    benefit: str,
    *,
    who: str = "",
    is_allowed: bool,
    by: str,
    why: str = "",
) -> int:
    """Allow or deny a benefit to a customer, or to all who wait for it. How many that were.

    Raises:
        NotFound: there is no such benefit or customer.
        NotPossible: nobody waits.
    """
    now = app.clock.now()
    with app.store.write() as connection:
        _exists(app, connection, benefit)
        customer_id = directory.find_customer(connection, who) if who else None
        asked = benefit_approvals.list_asked(connection, benefit, customer_id=customer_id)
        if not asked:
            raise NotPossible(
                Sentence(
                    "{who} does not wait for `{benefit}` to be allowed", who=who, benefit=benefit
                )
                if who
                else Sentence("nobody waits for `{benefit}` to be allowed", benefit=benefit),
                hint=Sentence("`crm-mailer benefit show {benefit}` has who waits", benefit=benefit),
            )
        ids = [one.grant_id for one in asked]
        return benefit_approvals.decide(
            connection, ids, is_allowed=is_allowed, by=by, why=why, now=now
        )


def redeem(app: App, benefit: str, who: str, *, order: str = "") -> GrantLine:
    """Write down by hand that a customer used a benefit.

    Raises:
        NotFound: there is no such benefit, customer or order.
        NotPossible: the customer was not given it, or used it already.
    """
    now = app.clock.now()
    with app.store.write() as connection:
        _exists(app, connection, benefit)
        customer_id = directory.find_customer(connection, who)
        order_id = _order_of(connection, order, customer_id) if order else None
        grant_id = benefits.find_usable(connection, benefit, customer_id)
        if grant_id is None or not benefit_uses.redeem_by_hand(connection, grant_id, order_id, now):
            raise NotPossible(
                Sentence("{who} has no `{benefit}` that could be used", who=who, benefit=benefit),
                hint="`crm-mailer customer show` has what a customer was given",
            )
        return next(
            one
            for one in benefit_figures.each_grant(
                connection, benefit=benefit, customer_id=customer_id
            )
            if one.id == grant_id
        )


def _order_of(connection: Connection, number: str, customer_id: int) -> int:
    found = [one for one in orders.find_by_number(connection, number) if one[2] == customer_id]
    if not found:
        raise NotFound(Sentence("the customer has no order `{number}`", number=number))
    return found[0][0]
