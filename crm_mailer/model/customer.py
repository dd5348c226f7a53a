"""A person who bought or may buy."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple


class Gender(StrEnum):
    """Told by the shop's data; never taken from a name without being marked as a guess."""

    FEMALE = "female"
    MALE = "male"


class Occupation(StrEnum):
    """What words in a delivery address suggest. Always inferred."""

    STUDENT_OR_TEACHER = "student_or_teacher"
    OFFICIAL = "official"
    HOSPITAL = "hospital"
    MILITARY = "military"
    COMPANY = "company"


class Personality(StrEnum):
    """By an agent's tag."""

    SILENT = "silent"
    TALKATIVE = "talkative"
    EASY_GOING = "easy_going"
    PROUD = "proud"
    TRICKY = "tricky"
    FAULT_FINDING = "fault_finding"
    HOT_TEMPERED = "hot_tempered"


class BuyingBehaviour(StrEnum):
    """By a rule where one fits, else by an agent's tag."""

    RATIONAL = "rational"
    BARGAIN_HUNTING = "bargain_hunting"
    IMPULSIVE = "impulsive"
    OPINION_LED = "opinion_led"
    VIP = "vip"
    CAUTIOUS = "cautious"
    EMOTIONAL = "emotional"
    CASUAL = "casual"


class ShoppingAge(StrEnum):
    """How long and how often a customer has bought: a rule on order history."""

    NOVICE = "novice"
    INTERMEDIATE = "intermediate"
    EXPERIENCED = "experienced"


#: So many paid orders, over so long a time, make an experienced shopper; one order a novice.
EXPERIENCED_ORDERS = 5
EXPERIENCED_FOR = timedelta(days=180)


class ConsentBasis(StrEnum):
    """Why marketing mail to a customer is lawful."""

    CONSENT = "consent"
    SOFT_OPT_IN = "soft_opt_in"
    CONTRACT = "contract"
    NONE = "none"


class Customer(NamedTuple):
    """All that the rooms know of one customer. Empty text means unknown.

    A tuple, since every mail reads one and a tuple is made ten times as fast.
    """

    id: int
    email: str | None
    name: str = ""
    given_name: str = ""
    family_name: str = ""
    patronymic: str = ""
    phone: str = ""
    gender: Gender | None = None
    is_gender_guessed: bool = False
    birth_year: int | None = None
    birth_month: int | None = None
    birth_day: int | None = None
    language: str = ""
    country: str = ""
    region: str = ""
    city: str = ""
    postcode: str = ""
    street: str = ""
    time_zone: str = ""
    address_kind: str = ""
    occupation: Occupation | None = None
    source_platform: str = ""
    is_flagged: bool = False
    created_at: datetime | None = None
    #: What the customer told on their own page, such as "language,birthday,": no file changes it.
    told_by_self: str = ""

    def is_own(self, name: str) -> bool:
        """Whether a field is the customer's own word."""
        told = self.told_by_self
        if not told:
            return False
        return ("birthday" if name.startswith("birth_") else name) in told.split(",")

    @property
    def has_birthday(self) -> bool:
        """Whether day and month are known; the year may be missing."""
        return self.birth_month is not None and self.birth_day is not None
