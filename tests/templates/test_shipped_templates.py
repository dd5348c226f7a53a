"""The starter set: every mail in every language, for a customer we know and one we hardly know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from crm_mailer.definitions import library as definitions
from crm_mailer.model.benefit import Given
from crm_mailer.model.campaign import Campaign, Mode, OrderAnchor, Step, Stream
from crm_mailer.model.customer import Customer
from crm_mailer.model.order import Order, OrderItem, OrderState
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering.compose import Composed, Composer, Occasion
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.store.bundled import bundled

LANGUAGES = ("en", "ru", "es")
NOW = datetime(2011, 10, 4, 12, 0, tzinfo=UTC)
LIBRARY = TemplateLibrary(bundled("templates"))
#: Canned replies belong to cases and tasks: test_shipped_replies.py.
OF_CAMPAIGNS = {name for name in LIBRARY.names if not name.startswith("replies/")}
SHIPPED = definitions.load(bundled("campaigns"), LIBRARY.names)
COMPOSER = Composer(LIBRARY, SHIPPED.shop, KeyRing(keys={1: b"k" * 32}, current=1))
MAILS = [
    pytest.param(campaign, step, code, id=f"{step.template}.{code}")
    for campaign in SHIPPED.campaigns.values()
    for step in campaign.steps
    for code in LANGUAGES
]
each_mail = pytest.mark.parametrize(("campaign", "step", "code"), MAILS)

KNOWN = {
    "en": Customer(
        id=1, email="anna@example.com", name="Anna Smith", given_name="Anna", family_name="Smith",
        language="en", country="GB", city="Leeds", street="12 Rose Lane", postcode="LS1 4AP",
        phone="+44 7700 900123",
    ),
    "ru": Customer(
        id=2, email="anna@example.com", name="Анна Петровна Смирнова", given_name="Анна",
        family_name="Смирнова", patronymic="Петровна", language="ru", country="RU", city="Тверь",
        region="Тверская область", street="ул. Ленина, д. 5", postcode="170100",
    ),
    "es": Customer(
        id=3, email="ana@example.com", name="Ana García", given_name="Ana", family_name="García",
        language="es", country="MX", city="Guadalajara", street="Av. Juárez 120", postcode="44100",
    ),
}  # fmt: skip
#: Darkest and lightest ground that text stands on.
GROUNDS = ("#ffffff", "#f5f5f2")
STOP = re.compile("Unsubscribe from|Отписаться от|Darse de baja")
REWARDS = re.compile(
    r"gift|coupon|discount|refund|reward|5 stars|five stars|"
    r"подар|купон|скидк|бонус|звёзд|звезд|пять|"
    r"regalo|cup[oó]n|descuento|reembolso|premio|estrella",
    re.IGNORECASE,
)


def order(*, is_full: bool) -> Order:
    if not is_full:
        return Order(
            id=1, platform="shop", number="1", customer_id=1, state=OrderState.PLACED, placed_at=NOW
        )
    lines = (
        OrderItem(sku="85123A", title="White <b>heart</b> & co", quantity=2, price_minor=1290),
        OrderItem(sku="71053", price_minor=2000),
    )
    return Order(
        id=1, platform="shop", number="AB-1027", customer_id=1, state=OrderState.SHIPPED,
        placed_at=NOW, paid_at=NOW, amount_minor=4580, payment_method="Visa",
        promised_ship_at=NOW, carrier="China Post", tracking_number="LP00451234567CN",
        tracking_url="https://track.example/LP00451234567CN", expected_at=NOW, items=lines,
    )  # fmt: skip


def composed(
    campaign: Campaign,
    step: Step,
    customer: Customer,
    *,
    is_full: bool = True,
    about: Order | None = None,
    benefit: Given | None = None,
    shop: Shop | None = None,
) -> Composed:
    composer = COMPOSER if shop is None else replace(COMPOSER, shop=shop)
    has_order = isinstance(campaign.anchor, OrderAnchor)
    occasion = Occasion(
        touch_id=7,
        customer=customer,
        order=(about or order(is_full=is_full)) if has_order else None,
        stream=campaign.stream,
        template=step.template,
        campaign=campaign,
        step=step,
        benefit=benefit,
    )
    return composer.compose(occasion, NOW)


def source(step: Step, code: str) -> str:
    return LIBRARY.names[step.template][code].read_text(encoding="utf-8")


def luminance(color: str) -> float:
    """Relative luminance of sRGB (WCAG 2)."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def text_colors(html: str) -> Iterator[str]:
    """Colours of text in the tags, without the white of buttons and of the hidden preheader."""
    yield from set(re.findall(r"[\";]color:(#[0-9a-f]{6})", html)) - {"#ffffff"}


def test_every_template_is_there_in_each_language() -> None:
    assert {name: set(LANGUAGES) - set(LIBRARY.names[name]) for name in OF_CAMPAIGNS} == {
        name: set() for name in OF_CAMPAIGNS
    }


def test_the_shipped_campaigns_have_no_faults_and_are_drafts() -> None:
    assert [str(problem) for problem in SHIPPED.problems] == []
    assert {campaign.mode for campaign in SHIPPED.campaigns.values()} == {Mode.DRAFT}


def test_every_template_is_used_by_a_campaign() -> None:
    used = {step.template for one in SHIPPED.campaigns.values() for step in one.steps}

    assert used == OF_CAMPAIGNS


def test_every_campaign_file_begins_with_what_it_is_for_and_what_ends_it() -> None:
    heads = [
        (bundled("campaigns").parent / campaign.path).read_text(encoding="utf-8").splitlines()[:2]
        for campaign in SHIPPED.campaigns.values()
    ]

    assert all(line.startswith("# ") for head in heads for line in head)


@each_mail
def test_a_mail_is_complete_for_a_customer_we_know(
    campaign: Campaign, step: Step, code: str
) -> None:
    mail = composed(campaign, step, KNOWN[code])

    assert mail.language.code == code
    assert 10 <= len(mail.subject) <= 78
    assert mail.html.count("<h1") == 1
    assert len(mail.html.encode()) < 102_000
    assert f'lang="{code}"' in mail.html
    for text in (mail.html, mail.text):
        assert "None" not in text
        assert "{{" not in text
        assert "г.." not in text


@each_mail
def test_a_mail_holds_for_a_customer_of_whom_we_know_nothing(
    campaign: Campaign, step: Step, code: str
) -> None:
    stranger = Customer(id=9, email="x@example.com", language=code)

    mail = composed(campaign, step, stranger, is_full=False)

    assert ", ," not in mail.text
    assert not mail.subject.startswith(",")
    assert "()" not in mail.text


@each_mail
def test_marketing_says_how_to_stop_it_and_order_mail_does_not(
    campaign: Campaign, step: Step, code: str
) -> None:
    mail = composed(campaign, step, KNOWN[code])

    assert SHIPPED.shop.postal_address in mail.html
    is_marketing = campaign.stream is Stream.MARKETING
    assert bool(STOP.search(mail.html)) is is_marketing


@each_mail
def test_small_print_is_large_enough_and_dark_enough(
    campaign: Campaign, step: Step, code: str
) -> None:
    html = composed(campaign, step, KNOWN[code]).html

    sizes = re.findall(r"font-size:(\d+)px;[^\"]*?line-height:(\d+)px", html)
    body = [(int(size), int(line)) for size, line in sizes if int(size) > 1]
    assert min(size for size, _line in body) >= 14
    assert min(line / size for size, line in body) >= 1.2
    assert max(body.count(pair) for pair in body) == body.count((16, 26))
    assert min(contrast(c, g) for c in text_colors(html) for g in GROUNDS) >= 4.5


@each_mail
def test_no_mail_needs_pictures_or_plain_http(campaign: Campaign, step: Step, code: str) -> None:
    mail = composed(campaign, step, KNOWN[code])

    assert "http://" not in mail.html.replace("http://www.w3.org", "")
    assert all("alt=" in tag for tag in re.findall(r"<img[^>]*>", mail.html))


@each_mail
def test_the_preheader_adds_to_the_subject(campaign: Campaign, step: Step, code: str) -> None:
    found = re.search(r"<mj-preview>(.+?)</mj-preview>", source(step, code))

    assert found is not None
    assert found[1] != composed(campaign, step, KNOWN[code]).subject


@pytest.mark.parametrize("image", ["", "https://cdn.example/teapot.png"])
def test_a_product_stands_once_in_the_html_and_in_the_text_with_or_without_its_picture(
    image: str,
) -> None:
    campaign = SHIPPED.campaigns["autumn-new-arrivals"]
    product = {"title": "Teapot", "price": "US$5", "url": "https://shop.example/t", "image": image}
    shown = {**campaign.vars, "products": [product]}
    changed = replace(campaign, vars=shown, version=f"changed {image}")

    mail = composed(changed, changed.steps[0], KNOWN["en"])

    assert mail.text.count("US$5") == mail.html.count("US$5") == 1
    assert (image in mail.html) if image else ("<img" not in mail.html)


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("name", ["after_sale/review-request", "after_sale/thanks-good-review"])
def test_no_reward_is_offered_for_a_review(name: str, code: str) -> None:
    text = LIBRARY.names[name][code].read_text(encoding="utf-8")

    assert not REWARDS.search(text)


def test_white_can_be_read_on_the_shipped_accent_colour() -> None:
    assert contrast("#ffffff", SHIPPED.shop.color) >= 4.5
