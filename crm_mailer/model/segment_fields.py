"""What a rule may ask of a customer: the fields, what each may be compared with, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crm_mailer.model.address import AddressKind
from crm_mailer.model.customer import (
    BuyingBehaviour,
    Gender,
    Occupation,
    Personality,
    ShoppingAge,
)
from crm_mailer.model.order import OrderState
from crm_mailer.model.score import ChurnState, RfmSegment, ValueClass
from crm_mailer.model.segment import Compare
from crm_mailer.model.segment_blocks import Purchase

__all__ = ["BLOCKS", "FIELDS", "Field", "FieldType", "Operator", "Purchase", "fits"]


class Operator(StrEnum):
    """How a field is compared. Every one but `unknown` is false for an unknown value."""

    IS = "is"
    IS_NOT = "is_not"
    IN = "in"
    NOT_IN = "not_in"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    ABOVE = "above"
    BELOW = "below"
    #: Both ends belong to it.
    BETWEEN = "between"
    #: A piece of the text; upper and lower case count.
    CONTAINS = "contains"
    KNOWN = "known"
    UNKNOWN = "unknown"
    #: The beginning of the text; upper and lower case count.
    BEGINS_WITH = "begins_with"
    #: Days: earlier than that one; that one or later; later; that one or earlier.
    BEFORE = "before"
    SINCE = "since"
    AFTER = "after"
    UNTIL = "until"


class FieldType(StrEnum):
    """What kind of value a field has."""

    TEXT = "text"
    #: One of the field's `choices`.
    CHOICE = "choice"
    #: A whole number.
    NUMBER = "number"
    #: US dollars in a rule, cents in the store.
    MONEY = "money"
    #: true or false, always known.
    FLAG = "flag"
    #: A day of the shop's calendar.
    DATE = "date"
    #: Blocks: a `Purchase`, a `Contact`, a `Move`, a `Passage`, a `Listed`.
    PURCHASE = "purchase"
    CONTACT = "contact"
    MOVE = "move"
    PASSAGE = "passage"
    LIST = "list"


BLOCKS = (
    FieldType.PURCHASE,
    FieldType.CONTACT,
    FieldType.MOVE,
    FieldType.PASSAGE,
    FieldType.LIST,
)


_PRESENCE = (Operator.KNOWN, Operator.UNKNOWN)
_EQUAL = (Operator.IS, Operator.IS_NOT, Operator.IN, Operator.NOT_IN)
_SIZE = (
    Operator.AT_LEAST,
    Operator.AT_MOST,
    Operator.ABOVE,
    Operator.BELOW,
    Operator.BETWEEN,
)
_OPERATORS: dict[FieldType, tuple[Operator, ...]] = {
    FieldType.TEXT: (*_EQUAL, Operator.CONTAINS, Operator.BEGINS_WITH, *_PRESENCE),
    FieldType.CHOICE: (*_EQUAL, *_PRESENCE),
    FieldType.NUMBER: (*_EQUAL, *_SIZE, *_PRESENCE),
    FieldType.MONEY: (*_EQUAL, *_SIZE, *_PRESENCE),
    FieldType.FLAG: (Operator.IS,),
    FieldType.DATE: (
        Operator.IS,
        Operator.BEFORE,
        Operator.SINCE,
        Operator.AFTER,
        Operator.UNTIL,
        Operator.BETWEEN,
        *_PRESENCE,
    ),
    **dict.fromkeys(BLOCKS, (Operator.IS,)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that rules may ask.

    `is_many`: a customer can have several values; one that fits is enough.
    """

    name: str
    type: FieldType
    doc: str
    choices: tuple[str, ...] = ()
    #: A regular expression that a text must fit as a whole, and an example of one.
    pattern: str = ""
    example: str = ""
    lowest: int = 0
    highest: int = 1_000_000_000
    is_many: bool = False

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The comparisons that make sense. Of many values, `not:` says what `is_not` cannot."""
        operators = _OPERATORS[self.type]
        if self.is_many:
            unclear = (Operator.IS_NOT, Operator.NOT_IN)
            return tuple(operator for operator in operators if operator not in unclear)
        return operators


def _choice(name: str, values: type[StrEnum], doc: str, *, is_many: bool = False) -> Field:
    choices = tuple(value.value for value in values)
    return Field(name=name, type=FieldType.CHOICE, doc=doc, choices=choices, is_many=is_many)


def _number(name: str, lowest: int, highest: int, doc: str, *, is_many: bool = False) -> Field:
    return Field(
        name=name,
        type=FieldType.NUMBER,
        doc=doc,
        lowest=lowest,
        highest=highest,
        is_many=is_many,
    )


def _text(name: str, doc: str, *, pattern: str = "", example: str = "") -> Field:
    return Field(name=name, type=FieldType.TEXT, doc=doc, pattern=pattern, example=example)


def _flag(name: str, doc: str) -> Field:
    return Field(name=name, type=FieldType.FLAG, doc=doc)


def _date(name: str, doc: str) -> Field:
    return Field(name=name, type=FieldType.DATE, doc=doc)


def _block(name: str, type_: FieldType, doc: str) -> Field:
    return Field(name=name, type=type_, doc=doc)


_CENTURY = 36_500

FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        _text("country", "country of delivery, two letters", pattern="[A-Z]{2}", example="RU"),
        _text(
            "language",
            "language the customer reads",
            pattern="[a-z]{2,3}(-[A-Za-z]{2,8})*",
            example="ru",
        ),
        _text("region", "state or province of delivery"),
        _text("city", "city of delivery"),
        _text("postcode", "postcode of delivery"),
        _text("time_zone", "time zone as told", example="Europe/Moscow"),
        _choice("gender", Gender, "as told by the shop's data"),
        _number("age", 0, 150, "full years; known only with a year of birth"),
        _text("age_band", "age as a given band, such as 25-34"),
        _choice("address_kind", AddressKind, "what the mail address tells about its owner"),
        _text("mail_domain", "the mail address after the @", example="mail.ru"),
        _flag("has_email", "a mail address is known"),
        _flag("is_suppressed", "the address must not get marketing mail (unsubscribed, dead ...)"),
        _choice("occupation", Occupation, "what words in the delivery address suggest"),
        _choice("personality", Personality, "by an agent's tag"),
        _choice("buying_behaviour", BuyingBehaviour, "by RFM (vip) or by an agent's tag"),
        _choice("shopping_age", ShoppingAge, "how long and how often the customer has bought"),
        _text("platform", "where the customer came from, such as aliexpress"),
        _flag("is_flagged", "a buyer to beware of"),
        Field(name="tag", type=FieldType.TEXT, doc="any tag set by an agent", is_many=True),
        _number("r", 1, 5, "recency mark; unknown without a paid order"),
        _number("f", 1, 5, "frequency mark; unknown without a paid order"),
        _number("m", 1, 5, "money mark; unknown without a paid order"),
        _number("rfm_total", 3, 15, "R + F + M"),
        _choice("rfm_segment", RfmSegment, "one of ten groups by R and F"),
        _choice("value_class", ValueClass, "one of eight groups by R, F and M (high is 4 or 5)"),
        _number("days_since_last", 0, _CENTURY, "days since the last paid order"),
        _number("first_order_days_ago", 0, _CENTURY, "days since the first paid order"),
        _date("last_order_on", "day of the last paid order"),
        _date("first_order_on", "day of the first paid order"),
        _number("order_count", 0, 1_000_000, "paid orders; 0 without any"),
        Field(name="spent_usd", type=FieldType.MONEY, doc="money spent in US dollars, net"),
        _choice("churn", ChurnState, "how far the customer has gone, by the shop's own half-life"),
        _number("chance_percent", 0, 100, "chance of an order within 90 days, in percent"),
        Field(name="clv_usd", type=FieldType.MONEY, doc="worth of the next twelve months"),
        _number("known_for_days", 0, _CENTURY, "days since the customer became known to the shop"),
        _date("known_since", "day on which the customer became known to the shop"),
        _number("birthday_in_days", 0, 366, "days to the next birthday, in the customer's zone"),
        _block("bought", FieldType.PURCHASE, "paid orders: goods, days, how many, for how much"),
        _block("mailed", FieldType.CONTACT, "mails to the customer that a server took"),
        _block("clicked", FieldType.CONTACT, "links of our mails that the customer followed"),
        _block("opened", FieldType.CONTACT, "mails that a person opened (machines do not count)"),
        _block("replied", FieldType.CONTACT, "mails that the customer wrote"),
        _block("rose", FieldType.MOVE, "a mark is higher than it was"),
        _block("fell", FieldType.MOVE, "a mark is lower than it was"),
        _block("entered", FieldType.PASSAGE, "came into a segment"),
        _block("left", FieldType.PASSAGE, "left a segment"),
        _block("list", FieldType.LIST, "being on a list of addresses, a CSV file"),
        _choice("order_state", OrderState, "present state of any order", is_many=True),
        _flag("has_open_case", "someone owes them a follow-up"),
        _flag("is_left_alone", "a memory curve paused after misses, and nothing was heard since"),
        _number("reviewed_stars", 1, 5, "stars of any review they wrote", is_many=True),
    )
}


def fits(rule: Compare, value: Any) -> bool:
    """Whether one value of the rule's field passes its comparison; None is unknown."""
    wanted = rule.value
    operator = Operator(rule.op)
    if operator is Operator.KNOWN or operator is Operator.UNKNOWN or value is None:
        return (operator is Operator.UNKNOWN) == (value is None) and operator in _PRESENCE
    tests: dict[Operator, Callable[[], bool]] = {
        Operator.IS: lambda: value == wanted,
        Operator.IS_NOT: lambda: value != wanted,
        Operator.IN: lambda: value in wanted,
        Operator.NOT_IN: lambda: value not in wanted,
        Operator.AT_LEAST: lambda: value >= wanted,
        Operator.AT_MOST: lambda: value <= wanted,
        Operator.ABOVE: lambda: value > wanted,
        Operator.BELOW: lambda: value < wanted,
        Operator.BETWEEN: lambda: wanted[0] <= value <= wanted[1],
        Operator.CONTAINS: lambda: wanted in value,
        Operator.BEGINS_WITH: lambda: value.startswith(wanted),
        Operator.BEFORE: lambda: value < wanted,
        Operator.SINCE: lambda: value >= wanted,
        Operator.AFTER: lambda: value > wanted,
        Operator.UNTIL: lambda: value <= wanted,
    }
    return bool(tests[operator]())
