"""Commands about single customers: find, tell the story, tag, suppress, correct."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.cases import feedback
from crm_mailer.cli.consents import consent
from crm_mailer.cli.flags import flag
from crm_mailer.cli.options import Group, as_json_option, by_option
from crm_mailer.cli.why_not import why_not
from crm_mailer.i18n import _, joined, n_, say
from crm_mailer.model.customer import Gender

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.store.directory import Entry

_BIRTHDAY = re.compile(r"(?:(\d{4})-)?(\d{1,2})-(\d{1,2})")


_who = click.argument("who", metavar="CUSTOMER")


@click.group(cls=Group)
def customer() -> None:
    """Customers: find one, read the story, tag, note, flag.

    CUSTOMER is a mail address, a number of `customer list`, or a name on a platform.
    """


customer.add_command(feedback)
customer.add_command(consent)
customer.add_command(flag)
customer.add_command(why_not)


@customer.command("list")
@click.argument("search", default="")
@click.option("--segment", default="", help=_("Only members of this segment."))
@click.option("--tag", default="", help=_("Only those with this tag."))
@click.option("--flagged", is_flag=True, help=_("Only buyers to beware of."))
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@as_json_option
@pass_app
def list_(
    app: App, search: str, segment: str, tag: str, flagged: bool, limit: int, as_json: bool
) -> None:
    """List customers, latest buyers first; SEARCH is a piece of a name or address."""
    from crm_mailer.app import customers

    found = customers.list_customers(
        app, search=search, segment=segment, tag=tag, is_flagged=flagged, limit=limit
    )
    if as_json:
        show.json_(found)
    else:
        _show_list(app, found)


@customer.command("show")
@_who
@as_json_option
@pass_app
def show_(app: App, who: str, as_json: bool) -> None:
    """Tell the story of CUSTOMER: facts, scores, segments and all that happened."""
    from crm_mailer.app import customers
    from crm_mailer.cli import customer_page

    story = customers.story(app, who)
    if as_json:
        show.json_(story)
    else:
        customer_page.show_story(story, app.zone, app.clock.now())


@customer.command()
@_who
@as_json_option
@pass_app
def explain(app: App, who: str, as_json: bool) -> None:
    """Say why CUSTOMER has which marks, may be written to, and is in which segments, or not."""
    from crm_mailer.app import consents, customers, rfm
    from crm_mailer.cli.rfm import show_score, warn_of_marks
    from crm_mailer.cli.segmenting import show_explanation

    score, found = rfm.customer_score(app, who), customers.explain(app, who)
    lawful = consents.told(app, who)
    warn_of_marks(app)
    if as_json:
        show.json_({"score": score, "consent": lawful, "segments": found})
        return
    show_score(score)
    show.line()
    for line in lawful:
        show.line(say(line))
    for one in sorted(found, key=lambda one: not one.holds):
        show.line()
        show_explanation(app, one)


@customer.command()
@_who
@click.argument("word", metavar="TAG")
@click.option("--remove", is_flag=True, help=_("Take it off."))
@click.option("--pin", is_flag=True, help=_("Hold against what rules conclude."))
@by_option
@pass_app
def tag(app: App, who: str, word: str, remove: bool, pin: bool, by: str) -> None:
    """Tag CUSTOMER; a personality (silent, proud ...) or buying behaviour counts as such."""
    from crm_mailer.app import customers

    if remove:
        was_there = customers.remove_tag(app, who, word)
        show.good(_("taken off")) if was_there else show.note(_("there was no such tag"))
        return
    meaning = customers.add_tag(app, who, word, by=by, is_pinned=pin)
    show.good(joined((show.word(meaning), word), ": "))


@customer.command()
@_who
@click.argument("text")
@by_option
@pass_app
def note(app: App, who: str, text: str, by: str) -> None:
    """Write TEXT down about CUSTOMER."""
    from crm_mailer.app import customers

    customers.add_note(app, who, text, by=by)
    show.good(_("noted"))


@customer.command()
@_who
@click.argument("text", default="")
@click.option("--stars", type=click.IntRange(1, 5), required=True, help=_("Stars, 1 to 5."))
@click.option("--order", default="", help=_("The order's number."))
@click.option("--product", default="", help=_("The product's sku or title."))
@pass_app
def review(app: App, who: str, text: str, stars: int, order: str, product: str) -> None:
    """Log a review that CUSTOMER left on a platform; TEXT is the comment."""
    from crm_mailer.app import customers

    if customers.review(app, who, stars, text, order=order, product=product):
        show.good(n_("review of 1 star logged", "review of {number} stars logged", stars))
    else:
        show.note(_("this review is known"))


@customer.command()
@_who
@click.argument("why")
@by_option
@pass_app
def suppress(app: App, who: str, why: str, by: str) -> None:
    """Send CUSTOMER no more marketing mail; WHY is kept."""
    from crm_mailer.app import customers

    address = customers.suppress(app, who, why, by=by)
    show.good(_("no more marketing mail to {address}").format(address=address))


@customer.command()
@_who
@click.argument("why")
@by_option
@pass_app
def unsuppress(app: App, who: str, why: str, by: str) -> None:
    """Mail CUSTOMER again, who must have asked for it; WHY is kept as evidence."""
    from crm_mailer.app import customers

    held = customers.unsuppress(app, who, why, by=by)
    show.good(_("mailed again; it was held back for: {reasons}").format(
        reasons=joined(show.word(one) for one in held)))  # fmt: skip


# ------------------------------------------------------------------ customer set


def _birthday_parts(_ctx: click.Context, _option: click.Parameter, text: str | None) -> Any:
    found = _BIRTHDAY.fullmatch(text) if text else None
    if text is None:
        return None
    if found is None or not _is_day(found):
        raise click.BadParameter(_("write a day that exists as 1990-02-28 or 02-28"))
    year, month, day = (int(part) if part else None for part in found.groups())
    born = {"birth_month": month, "birth_day": day}
    return {"birth_year": year, **born} if year else born


def _is_day(found: re.Match[str]) -> bool:
    try:
        date(int(found[1] or 2000), int(found[2]), int(found[3]))
    except ValueError:
        return False
    return True


def _fits(pattern: str, example: str) -> Callable[..., str | None]:
    def check(_ctx: click.Context, _option: click.Parameter, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(pattern, text):
            raise click.BadParameter(_("write it like {example}").format(example=example))
        return text

    return check


def _zone(_ctx: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is not None and text not in available_timezones():
        raise click.BadParameter(_("a name of the IANA list, such as Europe/Moscow"))
    return text


@customer.command("set")
@_who
@click.option("--email", callback=_fits(r"[^@\s]+@[^@\s]+\.[^@\s]+", "anna@example.com"))
@click.option("--name")
@click.option("--given-name")
@click.option("--family-name")
@click.option("--patronymic")
@click.option("--phone")
@click.option("--language", callback=_fits(r"[a-z]{2,3}(-[A-Za-z]{2,8})*", "ru"))
@click.option("--country", callback=_fits(r"[A-Z]{2}", "RU"))
@click.option("--time-zone", callback=_zone)
@click.option("--gender", type=click.Choice([gender.value for gender in Gender]))
@click.option(
    "--birthday", callback=_birthday_parts, help=_("1990-02-28; 02-28 keeps a year that is known.")
)
@click.option("--no-birth-year", is_flag=True, help=_("The year of birth is not known."))
@click.option("--age-band", callback=_fits(r"\d{1,3}-\d{1,3}|\d{1,3}\+", "25-34"))
@pass_app
def set_(
    app: App,
    /,
    who: str,
    birthday: dict[str, int | None] | None,
    no_birth_year: bool,
    **told: str | None,
) -> None:
    """Correct what is known of CUSTOMER."""
    from crm_mailer.app import customers

    values: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    if "gender" in values:
        values["is_gender_guessed"] = False
    if no_birth_year and birthday and "birth_year" in birthday:
        raise click.UsageError(_("--birthday names a year: leave --no-birth-year out"))
    values |= birthday or {}
    values |= {"birth_year": None} if no_birth_year else {}
    if not values:
        raise click.UsageError(_("say what to set, such as --language ru"))
    customers.correct(app, who, values)
    show.good(_("saved"))


def _show_list(app: App, found: list[Entry]) -> None:
    show.table(
        [_("no."), _("name"), _("address"), _("country"), "RFM", _("orders"), "USD",
         _("last order")],
        [
            (
                one.id,
                f"{one.name}  {_('BLACKLIST')}" if one.is_flagged else one.name,
                one.email,
                one.country,
                f"{one.r} {one.f} {one.m}" if one.r is not None else "",
                one.order_count or "",
                f"{one.spent_usd_cents / 100:,.2f}" if one.order_count else "",
                show.local(one.last_order_at, app.zone)[:10],
            )
            for one in found
        ],
        right=(0, 5, 6),
        empty=_("no customer fits"),
    )  # fmt: skip
