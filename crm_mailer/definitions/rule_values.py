"""Values of rules that are written well and that no customer can have."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import NamedTuple

from crm_mailer.definitions.problems import Problem, Severity, did_you_mean, nearest
from crm_mailer.definitions.tree import Key, Node
from crm_mailer.model import language, provinces
from crm_mailer.model.segment_blocks import Day
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.zones import BY_COUNTRY

#: What people write for countries, and what is meant.
_COUNTRY_MEANT = {"UK": "GB", "EN": "GB", "EL": "GR", "SU": "RU", "YU": "RS", "TP": "TL"}
#: Codes of countries without a clock of their own.
_COUNTRIES = frozenset({*BY_COUNTRY, "BV", "HM"})
#: Countries whose provinces are all known, and what else may stand there: armed forces, islands.
_WHOLE = {
    "US": {"aa", "ae", "ap", "as", "mp", "um", "vi", "american samoa", "virgin islands",
           "us virgin islands", "northern mariana islands"},
    "CA": {"nu", "nunavut"},
    "AU": {"jbt", "jervis bay territory", "norfolk island"},
}  # fmt: skip
#: What people write for languages, and what is meant.
_LANGUAGE_MEANT = {
    "cn": "zh", "jp": "ja", "kr": "ko", "ua": "uk", "cz": "cs", "dk": "da", "se": "sv", "gr": "el",
    "in": "id", "iw": "he", "br": "pt",
}  # fmt: skip


class Odd(NamedTuple):
    """What is wrong with a value, and the remedy."""

    what: str
    remedy: str


def odd_text(field: str, text: str, *, is_piece: bool = False) -> Odd | None:
    """Why no customer has this value; None: somebody may.

    Args:
        field: the field of the rule.
        text: what the rule says, written as values of this field are.
        is_piece: it is a piece of the value only.
    """
    match field:
        case "country" if not is_piece and text not in _COUNTRIES:
            what = Sentence("there is no country `{text}`", text=text)
            return Odd(what, _meant(text, _COUNTRY_MEANT, "RU"))
        case "language" if not is_piece and not _is_language(text):
            what = Sentence("there is no language `{text}`", text=text)
            return Odd(what, _meant(text, _LANGUAGE_MEANT, "ru"))
        case "mail_domain" if "@" in text:
            domain = text.rpartition("@")[2]
            remedy = Sentence("write `{domain}`", domain=domain) if domain else ""
            return Odd(Sentence("a mail domain has no @"), remedy)
        case _:
            return None


def odd_place(text: str) -> Odd | None:
    """Why nobody lives there; None: somebody may. `text`: a country, or `US-HI`, `US-Hawaii`."""
    country, _, province = text.partition("-")
    odd = odd_text("country", country)
    if odd is not None or country not in _WHOLE or not province:
        return odd
    name = provinces.one_name(country, province)
    if provinces.is_known(country, province) or name in _WHOLE[country]:
        return None
    what = Sentence("`{country}` has no province `{name}`", country=country, name=province)
    return Odd(what, did_you_mean(province, provinces.names_of(country)))


def doubts(node: Node, *path: Key, key: bool = False) -> Iterator[Problem]:
    """A warning for each place below `path` where nobody lives; `key`: places are the keys."""
    there = node.get(*path)
    if there is None:
        return
    if key:
        written = [(name, (*path, name)) for name in there.entries]
    elif there.kind == "list":
        written = [(one.text, (*path, place)) for place, one in enumerate(there.items)]
    else:
        written = [(word, path) for word in there.text.replace(",", " ").split()]
    for text, way in written:
        odd = odd_place(text.strip()) if text.strip() else None
        if odd is not None:
            yield node.problem(
                "CRM143", odd.what, *way, help=odd.remedy, severity=Severity.WARNING, key=key
            )


def odd_campaign(text: str, known: Collection[str] | None) -> Odd | None:
    """That no campaign of the shop has this id; None where they are not known here."""
    if known is None or text in known:
        return None
    remedy = did_you_mean(text, known) if nearest(text, known) else (
        "right only for a campaign whose file is gone and whose mails are meant"
    )  # fmt: skip
    return Odd(Sentence("there is no campaign `{id}`", id=text), remedy)


def is_turned(since: Day | None, until: Day | None) -> bool:
    """Whether a window ends before it begins; days ago move with the calendar, dates stay."""
    if isinstance(since, int) and isinstance(until, int):
        return since < until
    return isinstance(since, date) and isinstance(until, date) and since > until


def _is_language(text: str) -> bool:
    own = language.base(text)
    return len(own) != 2 or own in language.TWO_LETTERS


def _meant(text: str, meant: dict[str, str], example: str) -> str:
    found = meant.get(text)
    if found:
        return Sentence("did you mean `{name}`?", name=found)
    return Sentence("two letters by ISO, such as `{example}`", example=example)
