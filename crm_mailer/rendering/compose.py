"""One mail from one customer's facts: the path that sending, preview and tests share."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crm_mailer.model.campaign import Campaign, Step, Stream
from crm_mailer.model.customer import Customer
from crm_mailer.model.errors import RenderError
from crm_mailer.model.message import Message
from crm_mailer.model.order import Order
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.model.zones import home_zone
from crm_mailer.rendering import (
    assembly,
    clean,
    envelope,
    fields,
    formats,
    greetings,
    languages,
    plain,
)
from crm_mailer.rendering.assembly import Body
from crm_mailer.rendering.context import ShopFields, StepFields, localised
from crm_mailer.rendering.headers import Value
from crm_mailer.rendering.languages import Choice
from crm_mailer.rendering.library import CompiledTemplate, TemplateLibrary

TEST_MARK = "[Test] "
JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class NoLanguage(RenderError):
    """The template has no language for this customer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a mail is about. Without a campaign, `vars` are empty."""

    touch_id: int
    customer: Customer
    order: Order | None
    stream: Stream
    template: str
    campaign: Campaign | None = None
    step: Step | None = None
    place: int = 1
    places: int = 1
    is_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A mail in all its forms."""

    subject: str
    html: str
    text: str
    language: Choice
    message: Message


@dataclass(slots=True)
class Composer:
    """Writes mails of one shop; keeps what does not change from mail to mail."""

    library: TemplateLibrary
    shop: Shop
    keys: KeyRing
    _shop_fields: ShopFields = field(init=False)
    _vars: dict[tuple[str, str, str], Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._shop_fields = fields.shop_fields(self.shop)

    def compose(self, occasion: Occasion, now: datetime) -> Composed:
        """The mail.

        Raises:
            NoLanguage: the template speaks no language of the chain.
            RenderError: the template failed for this customer.
            UnsafeHeader: an address or a header is not fit to be sent.
        """
        choice = self._choice(occasion)
        template = self.library.get(occasion.template, choice.code)
        letter = self._envelope(occasion)
        values = self._values(occasion, choice.code, letter, now)
        subject = self._subject(occasion, template, values)
        values["subject"] = subject
        html = template.html.render(values)
        text = plain.tidy_rendered(template.text.render(values))
        content = assembly.message(
            self._headers(occasion, letter, subject, now),
            [template.text.body("plain", text), template.html.body("html", html)],
            letter.boundary,
        )
        kept = _snapshot(values, template) if occasion.stream is Stream.MARKETING else b""
        return Composed(
            subject=subject,
            html=html,
            text=text,
            language=choice,
            message=_message(letter, content, subject, template, kept),
        )

    def _headers(
        self, occasion: Occasion, letter: envelope.Envelope, subject: str, now: datetime
    ) -> list[tuple[str, Value]]:
        return envelope.fields(
            letter,
            self.shop,
            stream=occasion.stream,
            subject=subject,
            campaign=occasion.campaign.id if occasion.campaign else occasion.template,
            step=occasion.step.id if occasion.step else "",
            now=now,
        )

    def _choice(self, occasion: Occasion) -> Choice:
        available = self.library.languages(occasion.template)
        choice = languages.choose(occasion.customer, self.shop, available)
        if choice is not None:
            return choice
        if not available:
            self.library.get(occasion.template, "")  # says that there is no such template
        raise NoLanguage(
            f"the template `{occasion.template}` is written in {', '.join(available)}, "
            f"the customer reads {languages.wanted(occasion.customer, self.shop)}",
            hint="write it in that language, or add one to `fallback` in shop.yaml",
        )

    def compose_text(self, occasion: Occasion, written: str, now: datetime) -> Message:
        """A plain mail with what an agent wrote; a first line "Subject: ..." is its subject."""
        head, _line, rest = written.partition("\n")
        subject = self.shop.name
        if head.lower().startswith("subject:"):
            subject, written = head[8:].strip() or subject, rest
        letter = self._envelope(occasion)
        text = written.strip("\n") + "\n"
        is_foreign = sum(byte > 127 for byte in text.encode()) * 3 > len(text.encode())
        content = assembly.message(
            envelope.fields(
                letter,
                self.shop,
                stream=Stream.TRANSACTIONAL,
                subject=subject,
                campaign="case",
                step="",
                now=now,
                is_by_hand=True,
            ),
            [Body("plain", text, is_foreign)],
            letter.boundary,
        )
        return _message(letter, content, clean.line(subject, 255), None, b"")

    def _envelope(self, occasion: Occasion) -> envelope.Envelope:
        return envelope.address(
            self.shop,
            self.keys,
            touch_id=occasion.touch_id,
            stream=occasion.stream,
            to=occasion.customer.email or "",
            name=occasion.customer.name
            or f"{occasion.customer.given_name} {occasion.customer.family_name}".strip(),
        )

    def _values(
        self, occasion: Occasion, code: str, letter: envelope.Envelope, now: datetime
    ) -> dict[str, Any]:
        customer = occasion.customer
        place = home_zone(customer.time_zone, customer.country, self.shop.time_zone)
        locale = formats.locale_for(code, customer.country)
        values: dict[str, Any] = {
            "customer": fields.customer_fields(customer, code, locale),
            "greeting": greetings.greeting(customer, code),
            "shop": self._shop_fields,
            "unsubscribe_url": letter.unsubscribe_url,
            "step": StepFields(number=occasion.place, of=occasion.places),
            "vars": self._vars_for(occasion.campaign, code),
            "now_year": now.astimezone(place).year,
        }
        if occasion.order is not None:
            values["order"] = fields.order_fields(occasion.order, locale, place)
        return values

    def _vars_for(self, campaign: Campaign | None, code: str) -> Any:
        key = (campaign.id, campaign.version, code) if campaign else ("", "", code)
        if key not in self._vars:
            given = campaign.vars if campaign else {}
            chain = languages.chain(code, self.shop)
            self._vars[key] = _frozen({k: localised(v, chain) for k, v in given.items()})
        return self._vars[key]

    def _subject(
        self, occasion: Occasion, template: CompiledTemplate, values: dict[str, Any]
    ) -> str:
        own = occasion.step.subject if occasion.step else {}
        override = own.get(template.language, "")
        if override:
            subject = self.library.subject(override, values)
        else:
            subject = template.subject.render(values)
        if occasion.stream is Stream.MARKETING:
            subject = self.shop.subject_prefix.get(occasion.customer.country, "") + subject
        return clean.line((TEST_MARK if occasion.is_test else "") + subject, 255)


def _frozen(values: dict[str, Any]) -> Any:
    found = localised({"vars": values}, ())
    return found["vars"] if values else localised({}, ())


def _snapshot(values: dict[str, Any], template: CompiledTemplate) -> bytes:
    kept = fields.snapshot(values, template.used)
    kept["subject"] = values["subject"]
    # A small window: the usual one costs more to set up than so few bytes to compress.
    deflate = zlib.compressobj(1, zlib.DEFLATED, 10, 2)
    return deflate.compress(JSON.encode(kept).encode()) + deflate.flush()


def _message(
    letter: envelope.Envelope,
    content: bytes,
    subject: str,
    template: CompiledTemplate | None,
    kept: bytes,
) -> Message:
    return Message(
        touch_id=letter.touch_id,
        message_id=letter.message_id,
        mail_from=letter.mail_from,
        rcpt_to=letter.recipient,
        content=content,
        subject=subject,
        language=template.language if template else "",
        template=template.name if template else "",
        template_version=template.version if template else "",
        sha256=hashlib.sha256(content).hexdigest(),
        snapshot=kept,
    )
