"""The studio's pages of customers: find them, and everything about one on one line of time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.routing import Route

from crm_mailer.app import customer_looks, customers, rfm
from crm_mailer.app.customer_looks import KINDS, PAGE, Moment, Trait, Wanted
from crm_mailer.i18n import _, joined, say
from crm_mailer.model import customer_notes
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.flag import FlagKind
from crm_mailer.studio import customer_side_pages, formats, privacy_pages, rfm_pages
from crm_mailer.studio.desk import Asked, Desk, Done
from crm_mailer.studio.given import one_of, who, words
from crm_mailer.studio.roles import Role

#: Which page has more about what a moment refers to.
PLACES = {"mail": "outbox", "reply": "replies", "case": "cases"}
_FILTERS = ("segment", "country", "language", "group", "flagged")


def routes(desk: Desk) -> list[Route]:
    """All of them."""
    one = "/customers/{number}"
    return [
        *desk.page("/customers", "customers", look),
        *customer_side_pages.routes(desk),
        *privacy_pages.routes(desk),
        *desk.act(f"{one}/flag", flag, Role.AGENT),
        *desk.act(f"{one}/unflag", unflag, Role.AGENT),
        *desk.act(f"{one}/note", note, Role.AGENT),
        *desk.act(f"{one}/tag", tag, Role.AGENT),
        *desk.act(f"{one}/untag", untag, Role.AGENT),
        *desk.act(f"{one}/suppress", suppress, Role.AGENT),
        *desk.act(f"{one}/unsuppress", unsuppress, Role.MARKETER),
        *desk.page(one, "customers-one", look_one),
    ]


def look(asked: Asked) -> Mapping[str, Any]:
    """Customers that were searched for, or the next page of them."""
    text = asked.query.get("q", "").strip()
    given = {name: asked.query.get(name, "").strip() for name in _FILTERS}
    wanted = Wanted(
        segment=given["segment"],
        country=given["country"].upper(),
        language=given["language"],
        group=given["group"] if given["group"] in customer_looks.groups() else "",
        is_flagged=bool(given["flagged"]),
    )
    after, looked = "", 0
    if text:
        entries = customer_looks.search(asked.app, text)
    else:
        leaf = customer_looks.leaf(asked.app, wanted, after=asked.query.get("after", ""))
        entries, after, looked = list(leaf.entries), leaf.after, leaf.looked
    kept = {name: value for name, value in given.items() if value}
    return {
        "customers": entries,
        "q": text,
        "given": given,
        "is_filtered": bool(kept),
        "next": f"/customers?{urlencode({**kept, 'after': after})}" if after else "",
        "first": f"/customers?{urlencode(kept)}" if asked.query.get("after") else "",
        "looked": looked,
        "page": PAGE,
        "segments": [(one.id, one.name) for one in asked.app.definitions.segments.values()],
        "countries": customer_looks.countries(asked.app),
        "languages": list(asked.app.shop_or_default.languages),
        "groups": [(code, rfm_pages.group_name(code)) for code in customer_looks.groups()],
    }


def look_one(asked: Asked) -> Mapping[str, Any]:
    """One customer: the timeline, and who it is beside it."""
    number = asked.number()
    head = customer_looks.head(asked.app, number)
    kind = asked.query.get("kind", "")
    kind = kind if kind in KINDS else ""
    skip = _whole(asked.query.get("skip", ""))
    told = customer_looks.told(asked.app, number, kind=kind, skip=skip)
    story = told.story
    score = rfm.customer_score(asked.app, str(number))
    return {
        "head": head,
        "side": "timeline",
        "moments": [_moment(one) for one in told.moments],
        "kinds": [(code, kind_words(code), number) for code, number in told.counts.items()],
        "kind": kind,
        "skip": skip,
        "older": told.older,
        "page": PAGE,
        "story": story,
        "is_score_waiting": score.is_waiting,
        "score_words": [say(one) for one in (*score.words, *score.value_words)],
        "traits": [_trait(one) for one in customer_looks.traits(asked.app, number)],
        "notes": [
            {"at": one.at, "by": one.by, "text": say(customer_notes.heard(one.text))}
            for one in customer_looks.notes(asked.app, number)
        ],
        "flag_kinds": list(FlagKind),
    }


def kind_words(kind: str) -> str:
    """A kind of moment, in the plural."""
    return {
        "order": _("orders"),
        "mail": _("mails"),
        "signal": _("opens and clicks"),
        "course": _("memory curve"),
        "reply": _("replies"),
        "case": _("cases"),
        "score": _("scores"),
        "segment": _("segments"),
        "review": _("reviews"),
        "flag": _("flags"),
        "suppression": _("suppressions"),
        "consent": _("consents"),
        "benefit": _("benefits"),
        "note": _("notes"),
        "bounce": _("bounces"),
        "customer": _("customer"),
    }[kind]


def flag(asked: Asked) -> Done:
    """Put the customer on the blacklist."""
    number = asked.number()
    kind = one_of(FlagKind, asked.form.get("kind", FlagKind.OTHER.value))
    is_new = customers.flag(
        asked.app,
        str(number),
        words(asked, "reason"),
        kind=kind,
        evidence=words(asked, "evidence"),
        by=who(asked),
    )
    said = _("On the blacklist: no marketing mail any more.")
    return _back(number, said if is_new else _("This flag stands already."))


def unflag(asked: Asked) -> Done:
    """Take the customer off the blacklist."""
    number = asked.number()
    customers.unflag(asked.app, str(number), words(asked, "why"), by=who(asked))
    return _back(number, _("Off the blacklist; the flag stays in the history."))


def note(asked: Asked) -> Done:
    """Write something down."""
    number = asked.number()
    if not (text := words(asked, "text")):
        raise NotPossible(_("the note is empty"), hint=_("write what others should know"))
    customers.add_note(asked.app, str(number), text, by=who(asked))
    return _back(number, _("Noted."))


def tag(asked: Asked) -> Done:
    """Tag the customer."""
    number, word = asked.number(), words(asked, "tag")
    is_pinned = bool(asked.form.get("pinned"))
    customers.add_tag(asked.app, str(number), word, by=who(asked), is_pinned=is_pinned)
    return _back(number, _("Tagged: {tag}.").format(tag=word))


def untag(asked: Asked) -> Done:
    """Take a tag off."""
    number, word = asked.number(), words(asked, "tag")
    was_there = customers.remove_tag(asked.app, str(number), word)
    return _back(number, _("Taken off.") if was_there else _("There was no such tag."))


def suppress(asked: Asked) -> Done:
    """No more marketing mail."""
    number = asked.number()
    if not (why := words(asked, "why")):
        raise NotPossible(_("say why"), hint=_("it is kept with the address"))
    address = customers.suppress(asked.app, str(number), why, by=who(asked))
    return _back(number, _("No more marketing mail to {address}.").format(address=address))


def unsuppress(asked: Asked) -> Done:
    """Mail the customer again."""
    number = asked.number()
    if not (why := words(asked, "why")):
        raise NotPossible(_("say why"), hint=_("it is kept as evidence"))
    held = customers.unsuppress(asked.app, str(number), why, by=who(asked))
    reasons = joined(formats.word(one) for one in held)
    return _back(
        number, _("Mailed again; it was held back for: {reasons}.").format(reasons=reasons)
    )


def _back(number: int, said: str) -> Done:
    return Done(to=f"/customers/{number}", said=said)


def _moment(one: Moment) -> dict[str, Any]:
    what, _colon, number = one.ref.partition(":")
    return {
        "at": one.at,
        "kind": one.kind,
        "kind_words": formats.word(one.kind),
        "text": say(one.text),
        "href": f"/{PLACES[what]}/{number}" if what in PLACES else "",
        "is_ahead": one.is_ahead,
    }


def _trait(one: Trait) -> dict[str, str]:
    coded = ("gender", "address_kind", "occupation", "personality", "buying_behaviour",
             "shopping_age")  # fmt: skip
    what, _colon, platform = one.origin.partition(":")
    origins = {
        "platform": _("from {platform}").format(platform=platform),
        "import": _("imported or told"),
        "country": _("by the country"),
        "first name": _("a guess by the first name"),
        "birthday": _("by the birthday"),
        "mail address": _("read from the mail address"),
        "delivery address": _("read from the delivery address"),
        "tag": _("a tag"),
        "marks or tag": _("by marks, or a tag"),
        "orders": _("by the orders"),
    }
    return {
        "name": _trait_words(one.name),
        "value": formats.word(one.value) if one.name in coded else one.value,
        "origin": origins[what],
    }


def _trait_words(name: str) -> str:
    return {
        "name": _("name"),
        "given_name": _("given name"),
        "family_name": _("family name"),
        "patronymic": _("patronymic"),
        "email": _("address"),
        "phone": _("phone"),
        "country": _("country"),
        "region": _("region"),
        "city": _("city"),
        "postcode": _("postcode"),
        "street": _("street"),
        "language": _("language"),
        "birthday": _("birthday"),
        "time_zone": _("time zone"),
        "gender": _("gender"),
        "age_band": _("age band"),
        "address_kind": _("address kind"),
        "occupation": _("occupation"),
        "personality": _("personality"),
        "buying_behaviour": _("buying behaviour"),
        "shopping_age": _("shopping age"),
    }[name]


def _whole(text: str) -> int:
    return min(int(text), 100_000) if text.isascii() and text.isdigit() and len(text) < 9 else 0
