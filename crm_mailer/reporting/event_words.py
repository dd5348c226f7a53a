"""What started a mail, in words: `order:17:shipped` is "order 1002 shipped"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crm_mailer.model.sentence import Sentence
from crm_mailer.store import stories
from crm_mailer.store.engine import Connection


def of_anchors(connection: Connection, anchors: Iterable[str]) -> dict[str, str]:
    """Each anchor in words; one of which nothing is known stays as it is."""
    wanted = set(anchors)
    ids = [int(number) for kind, number, _rest in map(_parts, wanted)
           if kind == "order" and number.isdecimal()]  # fmt: skip
    orders = stories.order_numbers(connection, ids)
    return {one: in_words(one, orders) for one in wanted}


def in_words(anchor: str, orders: Mapping[int, str]) -> str:
    """One anchor in words; `orders` has the number of each order by its id."""
    kind, what, rest = _parts(anchor)
    match kind:
        case "order" if what.isdecimal() and int(what) in orders:
            state = Sentence(rest.replace("_", " "))
            return Sentence("order {number} {state}", number=orders[int(what)], state=state)
        case "segment":
            return Sentence("came into {segment}", segment=what)
        case "birthday":
            return Sentence("birthday {year}", year=what)
        case "first_order" if what:
            return Sentence("anniversary {number} of the first order", number=what)
        case "first_order":
            return Sentence("the first order")
        case "reply":
            return Sentence("reply {number}", number=what)
        case "review":
            return Sentence("review {number}", number=what)
        case "date" | "monthly":
            return what
        case "festival":
            return f"{what} {rest}"
        case _:
            return anchor


def _parts(anchor: str) -> tuple[str, str, str]:
    kind, _colon, rest = anchor.partition(":")
    what, _colon, more = rest.partition(":")
    return kind, what, more
