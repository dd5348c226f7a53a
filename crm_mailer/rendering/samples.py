"""Made-up customers and an order: for previews without a customer, and to try templates on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from crm_mailer.model import language
from crm_mailer.model.benefit import Benefit, CodeSource, Given, code_from
from crm_mailer.model.customer import Customer, Gender
from crm_mailer.model.order import Order, OrderItem, OrderState

#: How long after it was placed a made-up order is paid, promised to leave, and expected to arrive.
PAYING, PROMISED, EXPECTED = timedelta(minutes=20), timedelta(days=5), timedelta(days=16)
#: Language -> given name, family name, patronymic, gender, country, city, zone.
PEOPLE: dict[str, tuple[str, str, str, Gender, str, str, str]] = {
    "en": ("Anna", "Walker", "", Gender.FEMALE, "GB", "Leeds", "Europe/London"),
    "ru": ("Анна", "Петрова", "Сергеевна", Gender.FEMALE, "RU", "Казань", "Europe/Moscow"),
    "es": ("Ana", "García López", "", Gender.FEMALE, "ES", "Sevilla", "Europe/Madrid"),
    "pt": ("Ana", "Oliveira", "", Gender.FEMALE, "BR", "Recife", "America/Recife"),
    "fr": ("Anne", "Lefèvre", "", Gender.FEMALE, "FR", "Nantes", "Europe/Paris"),
    "de": ("Anna", "Schröder", "", Gender.FEMALE, "DE", "Leipzig", "Europe/Berlin"),
    "zh": ("小安", "王", "", Gender.FEMALE, "CN", "杭州", "Asia/Shanghai"),
    "ar": ("أمينة", "الحسن", "", Gender.FEMALE, "AE", "دبي", "Asia/Dubai"),
}


def sample_customer(code: str) -> Customer:
    """A made-up reader of a language."""
    given, family, patronymic, gender, country, city, zone = PEOPLE.get(
        language.base(code), PEOPLE["en"]
    )
    whole = f"{family}{given}" if language.base(code) == "zh" else f"{given} {family}"
    return Customer(
        id=0,
        email="anna@example.com",
        name=whole,
        given_name=given,
        family_name=family,
        patronymic=patronymic,
        gender=gender,
        birth_month=3,
        birth_day=14,
        language=code,
        country=country,
        city=city,
        time_zone=zone,
    )


def formal_customer(code: str) -> Customer:
    """A Russian who is called by name and patronymic, in whatever language."""
    return sample_customer("ru")._replace(language=code, gender=Gender.FEMALE)


def long_customer(code: str) -> Customer:
    """A reader whose names are as long as names get."""
    given, family = "Maximiliane-Friederike Alexandra", "von Wolfenstein-Hohenschwangau-Überlingen"
    return sample_customer(code)._replace(
        name=f"{given} {family}",
        given_name=given,
        family_name=family,
        patronymic="",
        city="Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch",
    )


def minimal_customer(code: str) -> Customer:
    """A reader of whom nothing but the address is known."""
    return Customer(id=0, email="buyer@example.com", language=code)


def hostile_customer(code: str) -> Customer:
    """A reader whose data try to break the mail."""
    return Customer(
        id=0,
        email="o'brien+test@example.com",
        name='</td><script>alert("x")</script>\r\nBcc: all@example.com',
        given_name="{{ shop }} \u202eannA\u202c =?utf-8?q?x?=",
        family_name="W" * 300,
        language=code,
        country="XX",
        city="\x00\x1b[31mnowhere",
        street='" onclick="x',
    )


#: How long after it was placed a made-up order comes into a state.
AGES = {
    OrderState.PLACED: timedelta(0),
    OrderState.FUNDS_PENDING: PAYING,
    OrderState.PAID: PAYING,
    OrderState.OUT_OF_STOCK: timedelta(days=2),
    OrderState.CANCEL_REQUESTED: timedelta(days=2),
    OrderState.EXPIRED: timedelta(days=3),
    OrderState.CANCELLED: timedelta(days=3),
    OrderState.RESTOCKED: timedelta(days=4),
    OrderState.SHIPPED: timedelta(days=4),
    OrderState.DELAYED: PROMISED + timedelta(days=1),
    OrderState.ARRIVED: timedelta(days=14),
    OrderState.RECEIVED: timedelta(days=15),
    OrderState.REVIEWED: timedelta(days=18),
    OrderState.IN_TRANSIT_LONG: EXPECTED + timedelta(days=4),
    OrderState.DISPUTED: timedelta(days=20),
    OrderState.ARBITRATION: timedelta(days=25),
    OrderState.DISPUTE_DECIDED: timedelta(days=30),
    OrderState.PARTLY_REFUNDED: timedelta(days=21),
    OrderState.REFUNDED: timedelta(days=21),
}
UNPAID = frozenset({OrderState.PLACED, OrderState.EXPIRED})
UNSHIPPED = UNPAID | {
    OrderState.FUNDS_PENDING,
    OrderState.PAID,
    OrderState.DELAYED,
    OrderState.OUT_OF_STOCK,
    OrderState.RESTOCKED,
    OrderState.CANCEL_REQUESTED,
    OrderState.CANCELLED,
}
#: What went back, of the lines below: one of the cups, or everything.
REFUNDS = {OrderState.PARTLY_REFUNDED: 870, OrderState.REFUNDED: 4730}


def sample_order(
    customer: Customer, since: datetime, state: OrderState = OrderState.SHIPPED
) -> Order:
    """An order with two lines that is in `state` since then: only what is true of it by then."""
    placed = since - AGES[state]
    order = Order(
        id=0,
        platform="sample",
        number="8101234567890",
        customer_id=customer.id,
        state=state,
        placed_at=placed,
        paid_at=placed + PAYING,
        currency="USD",
        amount_minor=4730,
        refunded_minor=REFUNDS.get(state, 0),
        payment_method="Visa",
        promised_ship_at=placed + PROMISED,
        carrier="Cainiao",
        tracking_number="LP00123456789CN",
        tracking_url="https://tracking.example.com/LP00123456789CN",
        expected_at=placed + EXPECTED,
        items=(
            OrderItem(sku="LAMP-01", title="Bamboo desk lamp", quantity=1, price_minor=2990),
            OrderItem(sku="CUP-04", title="Ceramic tea cup", quantity=2, price_minor=870),
        ),
    )
    if state in UNPAID:
        order = replace(order, paid_at=None, payment_method="")
    if state in UNSHIPPED:
        order = replace(order, carrier="", tracking_number="", tracking_url="")
    return order


#: What a made-up code has where chance has its place.
SAMPLE_LETTERS = "SAMPLE23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def sample_benefit(benefit: Benefit, now: datetime) -> Given:
    """What a mail would give, with a code that no shop takes where each reader has an own one."""
    match benefit.source:
        case CodeSource.SHARED:
            code = benefit.code
        case CodeSource.PATTERN:
            code = code_from(benefit.code, SAMPLE_LETTERS * 3)
        case CodeSource.POOL:
            code = "SAMPLE-CODE"
        case CodeSource.NONE:
            code = ""
    return Given(benefit.title, benefit.kind, code, now + benefit.valid_for)


def minimal_order(order: Order) -> Order:
    """The same order with only what every export has."""
    return replace(
        order,
        paid_at=None,
        refunded_minor=0,
        payment_method="",
        promised_ship_at=None,
        carrier="",
        tracking_number="",
        tracking_url="",
        expected_at=None,
        items=(),
    )
