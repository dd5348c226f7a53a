"""How benefits look in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from crm_mailer.cli import show
from crm_mailer.cli.spans import span_in_words
from crm_mailer.i18n import _, joined, n_

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.benefits import BenefitLine, BenefitView
    from crm_mailer.store.benefit_figures import GrantLine


def benefits(lines: list[BenefitLine]) -> None:
    """One line for each."""
    show.table(
        [_("benefit"), _("kind"), _("given"), _("used"), _("ran out"), _("left"), _("waiting"),
         "USD"],
        [
            (
                one.id,
                show.word(one.kind) if one.is_known else _("not in the file any more"),
                f"{one.figures.granted:,}",
                f"{one.figures.redeemed:,}",
                f"{one.figures.run_out:,}",
                f"{one.figures.left:,}" if one.figures.loaded or one.codes == "pool" else "",
                f"{one.figures.asked:,}" if one.figures.asked else "",
                f"{one.figures.usd_cents / 100:,.2f}",
            )
            for one in lines
        ],
        right=(2, 3, 4, 5, 6, 7),
        empty=_("no benefit is defined: see campaigns/benefits.yaml"),
    )  # fmt: skip


def benefit(app: App, view: BenefitView) -> None:
    """Rules, figures, and the latest of each kind."""
    line, figures = view.line, view.line.figures
    show.heading(line.id)
    show.facts([
        (_("kind"), show.word(line.kind) if line.is_known else _("not in the file any more")),
        *((f"{_('title')} ({code})", text) for code, text in line.title.items()),
        (_("codes"), line.codes or _("none")),
        (_("valid for"), span_in_words(view.valid_for) if view.valid_for else ""),
        (_("limit"), _limit(view)),
        (_("approval"), _("required") if line.needs_approval else ""),
        (_("used when an order shows"), joined(show.word(one) for one in view.proofs)),
        (_("campaigns"), joined(line.campaigns) or _("none tells of it")),
    ])  # fmt: skip
    show.line()
    show.facts([
        (_("given"), f"{figures.granted:,}"),
        (_("used"), _share(figures.redeemed, figures.granted)),
        (_("ran out"), _share(figures.run_out, figures.granted)),
        (_("usable"), f"{figures.usable:,}"),
        (_("taken back"), f"{figures.returned:,}" if figures.returned else ""),
        (_("denied"), f"{figures.denied:,}" if figures.denied else ""),
        (_("left in the pool"), f"{figures.left:,}" if figures.loaded else ""),
        (_("orders that used it"), f"{figures.orders:,} ({figures.usd_cents / 100:,.2f} USD)"),
        (_("cost"), f"{line.cost_cents / 100:,.2f} USD" if line.cost_cents is not None else ""),
        *((show.word(name), f"{number:,}") for name, number in figures.oddities.items()),
    ])  # fmt: skip
    _asking(app, view)
    if view.grants:
        show.line()
        grants(view.grants, app.zone, app.clock.now())
    _uses(app, view)


def grants(
    lines: Sequence[GrantLine], place: ZoneInfo, now: datetime, *, is_of_customer: bool = False
) -> None:
    """Who was given what; days are those of `place`."""
    show.table(
        [_("benefit") if is_of_customer else _("customer"), _("code"), _("state"),
         _("valid until"), _("campaign"), _("order"), ""],
        [
            (
                one.benefit if is_of_customer else one.email or one.customer_id,
                one.code,
                _state(one, now),
                show.local(one.valid_until, place)[:10],
                one.campaign,
                one.order_number,
                one.why,
            )
            for one in lines
        ],
    )  # fmt: skip


def _state(line: GrantLine, now: datetime) -> str:
    """Where a grant stands, as people ask for it."""
    if line.redeemed_at is not None:
        return _("used")
    is_over = line.valid_until is not None and line.valid_until < now
    return _("ran out") if line.state == "granted" and is_over else show.word(line.state)


def _limit(view: BenefitView) -> str:
    parts = []
    if view.total is not None:
        parts.append(_("{number} in all").format(number=f"{view.total:,}"))
    if view.per_customer is not None:
        each = n_("1 a customer", "{number} a customer", view.per_customer)
        parts.append(f"{each} / {span_in_words(view.per)}" if view.per else each)
    return joined(parts)


def _share(number: int, of: int) -> str:
    return f"{number:,} ({number / of:.0%})" if of else f"{number:,}"


def _asking(app: App, view: BenefitView) -> None:
    if not view.asking:
        return
    show.line()
    show.table(
        [_("waits to be allowed"), _("campaign"), _("occasion"), _("mail is due")],
        [
            (one.email or one.name or one.customer_id, one.campaign, one.occasion,
             show.local(one.due_at, app.zone))
            for one in view.asking
        ],
    )  # fmt: skip
    show.note(_("`crm-mailer benefit approve {benefit} CUSTOMER`, or `--all`; `benefit deny` "
                "leaves the mail out").format(benefit=view.line.id))  # fmt: skip


def _uses(app: App, view: BenefitView) -> None:
    if not view.uses:
        return
    show.line()
    show.table(
        [_("order"), _("customer"), _("what it is"), _("shown by"), _("given to"), _("when")],
        [
            (one.order_number, one.email, show.word(one.use), show.word(one.proof), one.given_to,
             show.local(one.at, app.zone))
            for one in view.uses
        ],
    )  # fmt: skip
