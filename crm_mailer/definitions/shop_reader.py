"""Reads campaigns/shop.yaml: who writes, in which languages, and when it may."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from crm_mailer.definitions.cases_reader import CasesShape, faults_of, rules_of
from crm_mailer.definitions.consent_reader import ConsentShape, consent_faults, consent_rules
from crm_mailer.definitions.files import Node, Strict, read_yaml, validate
from crm_mailer.definitions.foreign_words import in_words
from crm_mailer.definitions.health_reader import HealthFile, rules
from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.definitions.rule_values import doubts
from crm_mailer.definitions.when_reader import LeapDay, Place
from crm_mailer.definitions.written import (
    Color,
    Country,
    Host,
    Language,
    MailAddress,
    Slug,
    Text,
    TimeOfDay,
    TimeZone,
    Url,
)
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.shop import ReturnPath, Shop
from crm_mailer.model.tracking import Opens, Tracking

#: What a law wants before the subject of advertising, by the reader's country; a shop's own words
#: stand in their place, and an empty text takes them away. China: Measures on Internet E-mail
#: Services (2006), article 13. Korea: Network Act, article 50, and its decree, annex 6.
LEGAL_PREFIXES = {"CN": "(AD)", "KR": "(광고)"}


class QuietHours(Strict):
    """Whole hours, local to the customer; may go over midnight."""

    from_: Annotated[int, Field(alias="from", ge=0, le=24)] = 21
    until: Annotated[int, Field(ge=0, le=24)] = 8


class Cap(Strict):
    """How many marketing mails a customer may get."""

    count: Annotated[int, Field(ge=1, le=100)] = 3
    days: Annotated[int, Field(ge=1, le=365)] = 7
    month: Annotated[int, Field(ge=1, le=100)] = 8


Switch = Literal["on", "off"]


class TrackingShape(Strict):
    """What marketing mails report: clicks, openings; nothing where `off_in` says so."""

    clicks: Switch = "on"
    opens: Literal["on", "off", "auto"] = "auto"
    honeypot: Switch = "off"
    off_in: tuple[Country, ...] = ()


class ShopFile(Strict):
    """The shape of shop.yaml."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    url: Url = ""
    postal_address: Text = ""
    sender: MailAddress = ""
    orders_sender: MailAddress = ""
    reply_to: MailAddress = ""
    bounce_domain: Host = ""
    return_path: Literal["domain", "plus", "none"] = "domain"
    public_url: Url = ""
    static_url: Url = ""
    logo_url: Url = ""
    color: Color = "#0b6e6e"
    phone: Text = ""
    agent: Text = ""
    time_zone: TimeZone = "Asia/Shanghai"
    time_zones: dict[Place, TimeZone] = Field(default_factory=dict)
    leap_day: LeapDay = (2, 28)
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "CN"
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    languages: tuple[Language, ...] = ("en",)
    fallback: tuple[Language, ...] = ("en",)
    quiet_hours: QuietHours = QuietHours()
    send_at: TimeOfDay = (10, 0)
    cap: Cap = Cap()
    subject_prefix: dict[Country, str] = Field(default_factory=dict)
    topics: dict[Slug, Annotated[dict[Language, Text], Field(min_length=1)]] = Field(
        default_factory=dict, max_length=20
    )
    order_number_pattern: Text = ""
    health: HealthFile = HealthFile()
    cases: CasesShape = CasesShape()
    tracking: TrackingShape = TrackingShape()
    consent: ConsentShape = ConsentShape()


def read_shop(path: Path, problems: list[Problem], shown: str = "") -> Shop | None:
    """The shop that the file describes; None, and `problems`, when it is wrong."""
    try:
        node = read_yaml(path, shown)
        shape = validate(node, ShopFile)
    except DefinitionError as error:
        problems.extend(error.problems)
        return None
    faults = list(_faults(node, shape))
    problems.extend(faults)
    return None if any(fault.is_error for fault in faults) else _shop(shape)


def _shop(shape: ShopFile) -> Shop:
    apart = {
        "quiet_hours", "cap", "cases", "health", "time_zones", "subject_prefix", "tracking",
        "consent", "return_path",
    }  # fmt: skip
    return Shop(
        **shape.model_dump(exclude=apart),
        subject_prefix=_prefixes(shape.subject_prefix),
        time_zones=tuple(sorted(shape.time_zones.items())),
        quiet_from=shape.quiet_hours.from_,
        quiet_until=shape.quiet_hours.until,
        cap_count=shape.cap.count,
        cap_days=shape.cap.days,
        cap_month=shape.cap.month,
        health=rules(shape.health),
        cases=rules_of(shape.cases),
        tracking=_tracking(shape.tracking),
        consent=consent_rules(shape.consent),
        return_path=ReturnPath(shape.return_path),
    )


def _tracking(shape: TrackingShape) -> Tracking:
    return Tracking(
        clicks=shape.clicks == "on",
        opens=Opens(shape.opens),
        honeypot=shape.honeypot == "on",
        off_in=frozenset(shape.off_in),
    )


def _prefixes(own: dict[str, str]) -> dict[str, str]:
    """The law's words and the shop's own, each with the blank that parts it from the subject."""
    found = {**LEGAL_PREFIXES, **own}
    return {country: f"{text} " if text else "" for country, text in found.items()}


def _faults(node: Node, shape: ShopFile) -> list[Problem]:
    faults = []
    try:
        re.compile(shape.order_number_pattern)
    except re.error as error:
        message = Sentence(
            "`order_number_pattern` is no regular expression: {error}", error=in_words(error)
        )
        faults.append(node.problem("CRM107", message, "order_number_pattern"))
    quiet = shape.quiet_hours
    length = quiet.until - quiet.from_
    if (length if length >= 0 else length + 24) > 18:
        message = Sentence(
            "quiet from {start} until {end} leaves less than six hours a day",
            start=quiet.from_,
            end=quiet.until,
        )
        faults.append(node.problem("CRM107", message, "quiet_hours"))
    if not shape.sender:
        faults.append(
            node.problem(
                "CRM129",
                "`sender` is missing: mails need an address to come from",
                help="add `sender: hello@your-shop.com`",
                severity=Severity.WARNING,
            )
        )
    if not shape.languages:
        faults.append(node.problem("CRM107", "`languages` is empty", "languages"))
    if not set(shape.fallback) & set(shape.languages):
        message = Sentence("`fallback` names none of the shop's `languages`")
        faults.append(node.problem("CRM125", message, "fallback", severity=Severity.WARNING))
    return [
        *faults,
        *doubts(node, "country"),
        *doubts(node, "time_zones", key=True),
        *doubts(node, "subject_prefix", key=True),
        *doubts(node, "tracking", "off_in"),
        *faults_of(node, shape.cases),
        *consent_faults(node, shape.consent),
    ]
