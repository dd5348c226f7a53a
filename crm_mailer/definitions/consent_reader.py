"""Reads the section `consent:` of shop.yaml: to whom the law lets the shop write, by country."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

from pydantic import Field

from crm_mailer.definitions.files import Node, Strict
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.written import Country, Duration
from crm_mailer.model.consent import (
    OTHERS,
    RECORDED,
    ConsentRules,
    CountryRule,
    WriteTo,
)
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.tracking import ASKING

_SOFT = CountryRule(write_to=WriteTo.BUYERS)
#: What holds by law until a shop says otherwise. Months are counted short: a day less never harms.
LAWS = {
    # ePrivacy directive, article 13 (2); PECR, regulation 22 (3); Swiss UWG, article 3 (1) o
    **dict.fromkeys(ASKING, _SOFT),
    # S.I. 336/2011, regulation 13 (11): within twelve months of the sale or of the last mail
    "IE": CountryRule(after_purchase=timedelta(days=365), is_renewed=True),
    # CASL, section 10 (10): two years after a purchase, six months after an inquiry
    "CA": CountryRule(after_purchase=timedelta(days=730), after_inquiry=timedelta(days=180)),
    # Measures on Internet E-mail Services (2006), article 13
    "CN": CountryRule(write_to=WriteTo.CONSENTING),
    # Network Act, article 50 (1), and its decree, article 61: six months after a deal
    "KR": CountryRule(after_purchase=timedelta(days=180)),
    # CAN-SPAM: until somebody says no
    "US": CountryRule(write_to=WriteTo.ANYBODY),
    OTHERS: _SOFT,
}


class CountryShape(Strict):
    """To whom the shop may write who said nothing."""

    write_to: Literal["anybody", "buyers", "consenting"] = "buyers"
    after_purchase: Duration | None = None
    after_inquiry: Duration | None = None
    renewed: bool = False


class ConsentShape(Strict):
    """Whether the law of each customer's country is kept, and where the shop knows better."""

    rules: Literal["by_country", "recorded"] = "recorded"
    countries: dict[Country, CountryShape] = Field(default_factory=dict)
    others: CountryShape | None = None


def consent_rules(shape: ConsentShape) -> ConsentRules:
    """The rules that a section says; countries of which it says nothing keep the law's."""
    if shape.rules == "recorded":
        return RECORDED
    own = {country: _rule(one) for country, one in shape.countries.items()}
    if shape.others is not None:
        own[OTHERS] = _rule(shape.others)
    return ConsentRules({**LAWS, **own})


def consent_faults(node: Node, shape: ConsentShape) -> Iterator[Problem]:
    """What has no meaning in a section that is well formed."""
    places: list[tuple[tuple[str, ...], CountryShape]] = [
        (("countries", country), one) for country, one in shape.countries.items()
    ]
    if shape.others is not None:
        places.append((("others",), shape.others))
    if places and shape.rules == "recorded":
        message = Sentence("`{key}` counts only with `rules: by_country`", key=places[0][0][0])
        yield node.problem("CRM107", message, "consent", places[0][0][0])
    for place, one in places:
        for key in ("after_purchase", "after_inquiry"):
            length = getattr(one, key)
            if length is None:
                continue
            if one.write_to != "buyers":
                message = Sentence(
                    "`{key}` has no meaning with `write_to: {whom}`", key=key, whom=one.write_to
                )
                yield node.problem("CRM107", message, "consent", *place, key)
            elif length <= timedelta(0):
                message = Sentence("`{key}` must be longer than nothing, such as 365d", key=key)
                yield node.problem("CRM107", message, "consent", *place, key)
        if one.renewed and one.after_purchase is None:
            message = Sentence("`renewed` needs `after_purchase`: what has no end is not renewed")
            yield node.problem("CRM107", message, "consent", *place, "renewed")


def _rule(shape: CountryShape) -> CountryRule:
    return CountryRule(
        write_to=WriteTo(shape.write_to),
        after_purchase=shape.after_purchase,
        after_inquiry=shape.after_inquiry,
        is_renewed=shape.renewed,
    )
