"""One mail from one customer's facts: the path that sending, preview and tests share."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from babel import Locale

from crm_mailer.model.agent_reply import AgentReply
from crm_mailer.model.benefit import Given
from crm_mailer.model.campaign import Campaign, Step, Stream
from crm_mailer.model.customer import Customer
from crm_mailer.model.errors import RenderError
from crm_mailer.model.message import Message
from crm_mailer.model.moment import zone
from crm_mailer.model.order import Order
from crm_mailer.model.sentence import Sentence
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
    headers,
    languages,
    letters,
    plain,
    plurals,
    tracking,
)
from crm_mailer.rendering.context import BenefitFields, ShopFields, StepFields, localised
from crm_mailer.rendering.dkim import Signer
from crm_mailer.rendering.envelope import Envelope
from crm_mailer.rendering.fields import EVERY_FIELD, EVERY_ORDER_FIELD
from crm_mailer.rendering.headers import UnsafeHeader
from crm_mailer.rendering.languages import Choice
from crm_mailer.rendering.library import (
    CompiledTemplate,
    Forme,
    Part,
    TemplateLibrary,
)
from crm_mailer.rendering.tracking import Link, Marks, Tracker

#: The fields of the customer and of the order, all of them.
_EVERYTHING: tuple[Collection[str], Collection[str]] = (EVERY_FIELD, EVERY_ORDER_FIELD)


class NoLanguage(RenderError):
    """The template has no language for this customer."""


class Occasion(NamedTuple):
    """What a mail is about.

    Without a campaign, `vars` are empty; without a template, the mail is what an agent wrote.
    """

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
    written: str = ""
    answer: AgentReply | None = None
    benefit: Given | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A mail as people look at it."""

    subject: str
    html: str
    text: str
    language: Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed(Shown):
    """A mail in all its forms."""

    message: Message


class Unsigned(NamedTuple):
    """A mail that lacks nothing but its signature."""

    letter: Envelope
    subject: str
    head: bytes
    body: Sequence[str]
    template: CompiledTemplate | None = None
    snapshot: bytes = b""
    #: Of a letter without a template.
    language: str = ""
    #: Links that are led past us: of all mails of its kind, and of its own.
    links: tuple[Link, ...] = ()
    own_links: tuple[Link, ...] = ()


@dataclass(slots=True)
class Composer:
    """Writes mails of one shop; keeps what does not change from mail to mail."""

    library: TemplateLibrary
    shop: Shop
    keys: KeyRing
    signer: Signer | None = None
    #: Whether marketing mails report what the shop wants to know; looked at, none does.
    is_tracked: bool = False
    _tracker: Tracker | None = field(default=None, init=False)
    _shop_fields: ShopFields = field(init=False)
    _vars: dict[tuple[str, str, str], Any] = field(default_factory=dict, init=False)
    _formes: dict[tuple[str, ...], Forme] = field(default_factory=dict, init=False)
    _heads: dict[tuple[Any, ...], bytes] = field(default_factory=dict, init=False)
    _choices: dict[tuple[str, ...], Choice] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._shop_fields = fields.shop_fields(self.shop)
        self._tracker = tracking.tracker(self.shop) if self.is_tracked else None

    def compose(self, occasion: Occasion, now: datetime) -> Composed:
        """The mail as it is sent and as people look at it.

        Raises:
            NoLanguage: the template speaks no language of the chain.
            RenderError: the template failed for this customer.
            UnsafeHeader: an address or a header is not fit to be sent.
        """
        shown = self.show(occasion, now)
        [message] = self.finish([self.write(occasion, now)], now)
        return Composed(
            subject=message.subject,
            html=shown.html,
            text=shown.text,
            language=shown.language,
            message=message,
        )

    def show(self, occasion: Occasion, now: datetime) -> Shown:
        """The mail's forms, without the bytes that are sent.

        Raises:
            NoLanguage: the template speaks no language of the chain.
            RenderError: the template failed for this customer.
            UnsafeHeader: an address is not fit to be sent.
        """
        choice = self._choice(occasion)
        template = self.library.get(occasion.template, choice.code)
        values = self._values(occasion, choice.code, self._envelope(occasion), now)
        values |= envelope.page_links(self.shop, self.keys, occasion.touch_id, template.used)
        values["subject"] = subject = self._subject(occasion, template.subject, values)
        return Shown(
            subject=subject,
            html=template.html.render(values),
            text=plain.tidy_rendered(template.text.render(values)),
            language=choice,
        )

    def own_subject(self, occasion: Occasion, code: str, now: datetime) -> str:
        """The subject that the occasion's step writes itself in a language, without a template.

        Raises:
            RenderError: it is broken or fails for this customer.
        """
        text = occasion.step.subject[code] if occasion.step is not None else ""
        values = self._values(occasion, code, self._envelope(occasion), now)
        return self.library.subject(text, values)

    def write(self, occasion: Occasion, now: datetime) -> Unsigned:
        """The mail as it is sent.

        Raises:
            NoLanguage: the template speaks no language of the chain.
            RenderError: the template failed for this customer.
            UnsafeHeader: an address or a header is not fit to be sent.
        """
        [found] = self.write_all([occasion], now)
        if isinstance(found, Exception):
            raise found
        return found

    def write_all(
        self, occasions: Iterable[Occasion], now: datetime
    ) -> list[Unsigned | RenderError | UnsafeHeader]:
        """The mails as they are sent, or why one cannot be made, in the same order.

        They are made in step: one step of all mails, then the next step. So the code of a step
        stays in the processor's cache, which makes a batch a quarter faster.
        """
        found: dict[int, Unsigned | RenderError | UnsafeHeader] = {}
        mails = [self._steps(occasion, now) for occasion in occasions]
        waiting = list(enumerate(mails))
        while waiting:
            unfinished = []
            for place, steps in waiting:
                try:
                    mail = next(steps)
                except (RenderError, UnsafeHeader) as error:
                    found[place] = error
                    continue
                if mail is None:
                    unfinished.append((place, steps))
                else:
                    found[place] = mail
            waiting = unfinished
        return [found[place] for place in range(len(mails))]

    def _steps(self, occasion: Occasion, now: datetime) -> Iterator[Unsigned | None]:
        """The steps of writing a mail; the last gives it."""
        if not occasion.template:
            yield self._write_text(occasion, now)
            return
        is_marketing = occasion.stream is Stream.MARKETING
        marks = None
        if self._tracker is not None and is_marketing:
            marks = self._tracker.of(occasion.customer.country)
        forme = self._forme(occasion, self._choice(occasion).code, marks)
        letter = self._envelope(occasion)
        yield None
        used = _EVERYTHING
        if not self._has_own_subject(occasion):
            used = forme.of_customer, forme.of_order
        values = self._values(occasion, forme.template.language, letter, now, used)
        values |= envelope.page_links(self.shop, self.keys, occasion.touch_id, forme.template.used)
        yield None
        values["subject"] = subject = self._subject(occasion, forme.subject, values)
        tracked = forme.tracked
        own_links = tracked.put(values, occasion.touch_id, self.keys) if tracked is not None else ()
        yield None
        text = forme.text_body(values)
        yield None
        html = forme.html_body(values)
        yield None
        own = envelope.own_fields(letter, stream=occasion.stream, subject=subject, now=now)
        if occasion.is_test:
            own.append(envelope.TEST)
        own.append(assembly.kind(letter.boundary))
        head = self._head(occasion, letter) + headers.block(own)
        yield None
        body = assembly.alternatives([text, html], letter.boundary)
        snapshot = forme.snapshot.of(values) if is_marketing else b""
        links = tracked.links if tracked is not None else ()
        mail = letter, subject, head, body, forme.template, snapshot, "", links, own_links
        yield _new(Unsigned, mail)

    def _write_text(self, occasion: Occasion, now: datetime) -> Unsigned:
        """A plain letter that an agent wrote."""
        letter = self._envelope(occasion)
        if occasion.answer is not None:
            language = occasion.answer.language
            done = letters.write(occasion.answer, letter, self.shop, now)
        else:
            language = ""
            done = letters.write_plain(occasion.written, letter, self.shop, now)
        return Unsigned(letter, done.subject, done.head, done.body, language=language)

    def finish(self, mails: Iterable[Unsigned], now: datetime) -> list[Message]:
        """The mails with their signatures, in the same order."""
        if self.signer is None:
            return [_message(mail, _wire(mail), b"") for mail in mails]
        waiting = list(mails)
        bodies = list(map(_wire, waiting))
        heads = [mail.head for mail in waiting]
        signatures = self.signer.sign_all(list(zip(heads, bodies, strict=True)), now)
        return list(map(_message, waiting, bodies, signatures))

    def _forme(self, occasion: Occasion, code: str, marks: Marks | None) -> Forme:
        """The template, ready for the campaign."""
        campaign = occasion.campaign
        seen = marks.key if marks is not None else ""
        key = (campaign.id, campaign.version, seen) if campaign else ("", "", seen)
        place = (occasion.template, code, *key)
        if place not in self._formes:
            known = {"shop": self._shop_fields, "vars": self._vars_for(campaign, code)}
            if campaign is not None and not campaign.gives_anything:
                known["benefit"] = None
            template = self.library.get(occasion.template, code)
            self._formes[place] = self.library.forme(template, key, known, marks)
        return self._formes[place]

    def _head(self, occasion: Occasion, letter: Envelope) -> bytes:
        """The headers that all mails of a step share."""
        campaign = occasion.campaign.id if occasion.campaign else occasion.template
        step = occasion.step.id if occasion.step else ""
        place = campaign, step, occasion.stream
        if place not in self._heads:
            shared = envelope.shared_fields(
                letter, self.shop, stream=occasion.stream, campaign=campaign, step=step
            )
            self._heads[place] = headers.block(shared)
        return self._heads[place]

    def _choice(self, occasion: Occasion) -> Choice:
        campaign = occasion.campaign
        key = (campaign.id, campaign.version) if campaign else ("", "")
        place = occasion.template, occasion.customer.language, occasion.customer.country, *key
        choice = self._choices.get(place)
        if choice is None:
            choice = self._choices[place] = self._chosen(occasion)
        return choice

    def _chosen(self, occasion: Occasion) -> Choice:
        available = self.library.languages(occasion.template)
        customer, campaign = occasion.customer, occasion.campaign
        own, country = customer.language, customer.country
        vars = campaign.vars if campaign else languages.NOTHING
        choice = languages.choose(own, country, self.shop, available, vars)
        if choice is not None:
            return choice
        if not available:
            self.library.get(occasion.template, "")  # says that there is no such template
        raise NoLanguage(
            Sentence(
                "the template `{template}` is written in {available}, the customer reads {wanted}",
                template=occasion.template,
                available=", ".join(available),
                wanted=languages.wanted(own, country, self.shop),
            ),
            hint="write it in that language, or add one to `fallback` in shop.yaml",
        )

    def _envelope(self, occasion: Occasion) -> Envelope:
        return envelope.address(
            self.shop,
            self.keys,
            touch_id=occasion.touch_id,
            stream=occasion.stream,
            to=occasion.customer.email or "",
            name=occasion.customer.name
            or f"{occasion.customer.given_name} {occasion.customer.family_name}".strip(),
        )

    def _has_own_subject(self, occasion: Occasion) -> bool:
        return occasion.step is not None and bool(occasion.step.subject)

    def _values(
        self,
        occasion: Occasion,
        code: str,
        letter: Envelope,
        now: datetime,
        used: tuple[Collection[str], Collection[str]] = _EVERYTHING,
    ) -> dict[str, Any]:
        customer = occasion.customer
        place = home_zone(
            customer.time_zone,
            customer.country,
            self.shop.time_zone,
            region=customer.region,
            overrides=self.shop.time_zones,
        )
        locale = formats.locale_for(code, customer.country)
        values: dict[str, Any] = {
            "customer": fields.customer_fields(customer, code, locale, used[0]),
            "greeting": greetings.greeting(customer, code),
            "shop": self._shop_fields,
            "unsubscribe_url": letter.unsubscribe_url,
            **envelope.NO_PAGES,
            "step": _step(occasion.place, occasion.places),
            "vars": self._vars_for(occasion.campaign, code),
            "now_year": _year(now, place),
            plurals.NAME: plurals.of(locale),
            "benefit": self._benefit(occasion, code, locale, place),
        }
        if occasion.order is not None:
            values["order"] = fields.order_fields(
                occasion.order, locale, place, zone(self.shop.time_zone), used[1]
            )
        return values

    def _benefit(
        self, occasion: Occasion, code: str, locale: Locale, place: ZoneInfo
    ) -> BenefitFields | None:
        if occasion.benefit is None:
            return None
        chain = languages.chain(code, self.shop)
        return fields.benefit_fields(occasion.benefit, chain, locale, place)

    def _vars_for(self, campaign: Campaign | None, code: str) -> Any:
        key = (campaign.id, campaign.version, code) if campaign else ("", "", code)
        if key not in self._vars:
            given = campaign.vars if campaign else {}
            chain = languages.chain(code, self.shop)
            self._vars[key] = _frozen({k: localised(v, chain) for k, v in given.items()})
        return self._vars[key]

    def _subject(self, occasion: Occasion, usual: Part, values: dict[str, Any]) -> str:
        own = occasion.step.subject if occasion.step else {}
        override = own.get(usual.draft.language, "") if own else ""
        subject = self.library.subject(override, values) if override else usual.render(values)
        if occasion.stream is Stream.MARKETING:
            subject = self.shop.subject_prefix.get(occasion.customer.country, "") + subject
        if occasion.is_test:
            subject = languages.test_mark(usual.draft.language) + subject
        return clean.line(subject, 255)


@lru_cache(maxsize=1024)
def _step(number: int, of: int) -> StepFields:
    return StepFields(number=number, of=of)


@lru_cache(maxsize=1024)
def _year(now: datetime, place: ZoneInfo) -> int:
    return now.astimezone(place).year


def _frozen(values: dict[str, Any]) -> Any:
    found = localised({"vars": values}, ())
    return found["vars"] if values else localised({}, ())


def _wire(mail: Unsigned) -> bytes:
    """The body in one."""
    return "".join(mail.body).encode("ascii")


def _message(mail: Unsigned, body: bytes, signature: bytes) -> Message:
    letter, template = mail.letter, mail.template
    content = b"".join((signature, mail.head, b"\r\n", body))
    kind = (template.language, template.name, template.version) if template else None
    return _new(
        Message,
        (
            letter.touch_id,
            letter.message_id,
            letter.mail_from,
            letter.recipient,
            content,
            mail.subject,
            *(kind or (mail.language, "", "")),
            hashlib.sha256(content).hexdigest(),
            mail.snapshot,
            True,
            not mail.head.isascii(),
            mail.links,
            mail.own_links,
        ),
    )


#: Makes a tuple with names as quickly as one without: each mail makes several.
_new = tuple.__new__
