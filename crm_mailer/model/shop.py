"""The shop: who writes, in which languages, and when it may."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from crm_mailer.model.consent import RECORDED, ConsentRules
from crm_mailer.model.health import HealthRules
from crm_mailer.model.sla import CaseRules
from crm_mailer.model.tracking import Tracking


class ReturnPath(StrEnum):
    """To which address servers return what they cannot deliver."""

    #: One of `bounce_domain`, where there is one; else the sender.
    DOMAIN = "domain"
    #: The sender with a token behind a plus sign, where the provider takes such addresses.
    PLUS = "plus"
    #: The sender: the mail is told by what the bounce quotes of it.
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What `campaigns/shop.yaml` says. Hours are local to the customer, 0..24."""

    name: str
    url: str = ""
    postal_address: str = ""
    #: Address of the marketing stream.
    sender: str = ""
    #: Address of the transactional stream.
    orders_sender: str = ""
    #: Where customers' answers go.
    reply_to: str = ""
    #: Domain of bounce addresses; empty: no return path of our own.
    bounce_domain: str = ""
    #: How bounces find their mail.
    return_path: ReturnPath = ReturnPath.DOMAIN
    #: https address of the public app; empty: mailto only.
    public_url: str = ""
    #: Base address of template images.
    static_url: str = ""
    logo_url: str = ""
    color: str = "#0b6e6e"
    phone: str = ""
    agent: str = ""
    time_zone: str = "Asia/Shanghai"
    #: Where customers' clocks hang in spite of what is known: ("RU", zone), ("US-HI", zone).
    time_zones: tuple[tuple[str, str], ...] = ()
    #: Month and day on which those born on 29 February celebrate in other years.
    leap_day: tuple[int, int] = (2, 28)
    country: str = "CN"
    currency: str = "USD"
    languages: tuple[str, ...] = ("en",)
    fallback: tuple[str, ...] = ("en",)
    quiet_from: int = 21
    quiet_until: int = 8
    send_at: tuple[int, int] = (10, 0)
    #: Marketing mails a customer may get: at most `cap_count` in `cap_days` days, and one a day.
    cap_count: int = 3
    cap_days: int = 7
    #: And at most so many in 30 days.
    cap_month: int = 8
    subject_prefix: dict[str, str] = field(default_factory=dict)
    #: What marketing mails are about, each with its name by language: customers choose among them.
    topics: dict[str, dict[str, str]] = field(default_factory=dict)
    order_number_pattern: str = ""
    #: By which limits the report on the shop's health judges.
    health: HealthRules = field(default_factory=HealthRules)
    #: How fast unhappy customers are answered, and in which hours.
    cases: CaseRules = field(default_factory=CaseRules)
    #: What makes marketing mail lawful, by country.
    consent: ConsentRules = RECORDED
    #: What marketing mails report of themselves, where there is a `public_url`.
    tracking: Tracking = field(default_factory=Tracking)
