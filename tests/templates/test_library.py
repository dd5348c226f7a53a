"""The library: each occasion has its mail, each mail one thing to do, and none buys a review."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from crm_mailer.model.benefit import BenefitKind, Given
from crm_mailer.model.campaign import Campaign, FestivalAnchor, OrderAnchor, ReviewAnchor, Step
from crm_mailer.model.festivals import occurrences
from crm_mailer.model.order import OrderState
from crm_mailer.store.bundled import bundled
from tests.templates.test_shipped_templates import (
    KNOWN,
    LANGUAGES,
    LIBRARY,
    MAILS,
    NOW,
    OF_CAMPAIGNS,
    REWARDS,
    SHIPPED,
    composed,
    order,
    source,
)

each_mail = pytest.mark.parametrize(("campaign", "step", "code"), MAILS)
each_language = pytest.mark.parametrize("code", LANGUAGES)

#: What may happen between a shop and its customer -> the campaign that writes then.
OCCASIONS = {
    "placed, not paid": "payment-reminder",
    "paid, funds not cleared": "funds-pending",
    "paid, waiting to ship": "confirm-details",
    "delayed": "delayed",
    "out of stock": "out-of-stock",
    "back in stock for who waited": "restocked",
    "shipped": "shipped",
    "in transit long": "in-transit-long",
    "customs are slow": "customs-delay",
    "the post is on strike": "postal-strike",
    "arrived": "arrived",
    "asked for a review": "review-request",
    "good review": "thanks-for-review",
    "kind words": "thanks-for-praise",
    "bad review": "bad-review",
    "cancel request": "cancel-reason",
    "refunded": "refunded",
    "partly refunded": "partly-refunded",
    "care on the memory curve": "post-purchase-care",
    "signed up": "sign-up-confirmation",
    "first order": "welcome",
    "birthday": "birthday",
    "first order, years ago": "first-order-anniversary",
    "a festival": "festival-christmas",
    "new arrivals": "autumn-new-arrivals",
    "became a VIP": "vip-care",
    "grows": "upgrade",
    "cooled down": "win-back",
    "asked to be told": "back-in-stock-teapot",
    "used up": "replenishment",
    "the shop is closed": "holiday-notice-2027",
    "prices change": "price-change-2027",
}
#: What a shop keeps a canned reply for -> its template.
QUESTIONS = {
    "price": "ask-price",
    "wholesale": "ask-wholesale",
    "stock": "ask-stock",
    "details": "ask-product",
    "shipping time": "ask-shipping-time",
    "shipping method": "ask-shipping-method",
    "payment": "ask-payment",
    "VAT and pro-forma": "ask-invoice",
    "customs": "ask-customs",
    "too dear": "objection-price",
    "not needed": "objection-need",
    "not sure": "objection-doubt",
    "not now": "objection-time",
    "hurry, late": "hurry-late",
    "hurry, shipped": "hurry-shipped",
    "hurry, in time": "hurry-in-time",
    "order changed": "order-changed",
    "fault": "nad-quality",
    "replacement": "replacement-sent",
    "refund": "refund-sent",
    "wrong item": "order-wrong-item",
    "damaged": "nad-damaged",
    "return": "ask-return",
    "dispute": "dispute-agreed",
}
#: Mails that speak of a review, or could be taken for asking for one.
OF_REVIEWS = ("after_sale/bad-review", "after_sale/review-request", "after_sale/thanks-good-review")
NEAR_REVIEWS = ("after_sale/arrived", "care/care-1", "care/care-3", "care/care-5")
TAG = re.compile(r"<[^>]*>|\{[{%#].*?[}%#]\}", re.DOTALL)
REVIEW = re.compile(r"\breviews?\b|отзыв|\bopini(?:ón|ones)\b|reseña|valoraci", re.IGNORECASE)
#: Stars or their number are never suggested, and nothing is given for words.
BOUGHT = re.compile(
    r"\b(?:5|five)[ -]stars?|positive review|good review|"
    r"(?:5|пять|пяти) ?зв[её]зд|положительн\w+ отзыв|хорош\w+ отзыв|"
    r"(?:5|cinco) estrellas|(?:opinión|reseña|valoración) positiva|buena (?:opinión|reseña)",
    re.IGNORECASE,
)
#: What invites to an answer.
REPLY = re.compile(
    r"\breply\b|\banswer|writing back|"
    r"ответ|напишите|"
    r"\bresp[óou]\w+|\bcontest|\bescríb|\bdíg|\bcu[ée]nt",
    re.IGNORECASE,
)


def test_every_occasion_has_a_campaign_in_every_language() -> None:
    missing = {
        (occasion, code)
        for occasion, name in OCCASIONS.items()
        for code in LANGUAGES
        if name not in SHIPPED.campaigns
        or any(code not in LIBRARY.names[step.template] for step in SHIPPED.campaigns[name].steps)
    }

    assert missing == set()


def test_every_starter_campaign_is_for_an_occasion() -> None:
    others = {name for name in SHIPPED.campaigns if not name.startswith("festival-")}

    assert others == set(OCCASIONS.values()) - {"festival-christmas"}


def test_every_question_has_a_canned_reply_in_every_language() -> None:
    names = {
        what: set(LANGUAGES) - set(LIBRARY.names.get(f"replies/{name}", {}))
        for what, name in QUESTIONS.items()
    }

    assert names == {what: set() for what in QUESTIONS}


def test_no_order_hears_the_same_news_from_two_campaigns() -> None:
    at = [
        one.anchor.state
        for one in SHIPPED.campaigns.values()
        if isinstance(one.anchor, OrderAnchor) and one.steps[0].offset <= timedelta(hours=2)
    ]

    assert len(at) == len(set(at))
    assert {OrderState.OUT_OF_STOCK, OrderState.RESTOCKED, OrderState.IN_TRANSIT_LONG} <= set(at)


@each_mail
def test_a_mail_has_one_thing_to_do(campaign: Campaign, step: Step, code: str) -> None:
    mail = composed(campaign, step, KNOWN[code])

    buttons = mail.html.count('class="button"')
    assert buttons <= 1
    assert buttons == 1 or REPLY.search(mail.text) or step.template == "care/birthday"


@each_mail
def test_subject_and_preheader_fit_into_a_line_of_the_inbox(
    campaign: Campaign, step: Step, code: str
) -> None:
    found = re.search("<mj-preview>(.+?)</mj-preview>", source(step, code))

    assert found is not None
    assert 40 <= len(found[1]) <= 110
    assert len(composed(campaign, step, KNOWN[code]).subject) <= 60


@each_mail
def test_a_mail_is_written_plainly(campaign: Campaign, step: Step, code: str) -> None:
    mail = composed(campaign, step, KNOWN[code])

    for text in (mail.subject, mail.text):
        assert not re.search(r"!!|—|\.\.|\?\?|  \S| ,|\( ?\)", text)
        assert not re.search(r"\b[A-ZА-ЯЁ]{12,}\b", text)
    assert mail.subject.count("!") <= 1
    assert mail.text.count("!") <= 5


@each_mail
def test_a_mail_without_facts_has_no_holes(campaign: Campaign, step: Step, code: str) -> None:
    stranger = KNOWN[code]._replace(
        name="", given_name="", family_name="", patronymic="", street="", city="", country="",
        region="", postcode="", phone="",
    )  # fmt: skip

    mail = composed(campaign, step, stranger, is_full=False)

    for text in (mail.subject, mail.text):
        assert not re.search(r" [.,!?](?!\w)|\(\)|, ,|\bNone\b|:\s*\.", text), text


PART = {"en": "not the whole amount", "ru": "не вся сумма", "es": "No es el importe total"}
OF_A_PART = re.compile(r"\ba part\b|част[ьи]\b|una parte", re.IGNORECASE)


@each_language
@pytest.mark.parametrize("refunded", [870, 0], ids=["amount known", "amount unknown"])
def test_who_gets_a_part_of_the_money_back_is_told_that_it_is_a_part(
    code: str, refunded: int
) -> None:
    campaign = SHIPPED.campaigns["partly-refunded"]
    part = replace(order(is_full=True), refunded_minor=refunded)

    mail = composed(campaign, campaign.steps[0], KNOWN[code], about=part)

    assert OF_A_PART.search(mail.subject)
    assert OF_A_PART.search(mail.text)
    assert PART[code] in mail.text
    assert (("8.70" in mail.text) or ("8,70" in mail.text)) is bool(refunded)
    assert not re.search(r"\b0[.,]00\b", mail.text)


@each_language
def test_who_gets_all_of_the_money_back_hears_of_no_part(code: str) -> None:
    campaign = SHIPPED.campaigns["refunded"]

    mail = composed(campaign, campaign.steps[0], KNOWN[code])

    assert not OF_A_PART.search(re.sub("Por nuestra parte", "", mail.text))


@each_language
def test_nothing_is_offered_for_a_review_and_no_stars_are_asked_for(code: str) -> None:
    for name in (*OF_REVIEWS, *NEAR_REVIEWS):
        text = LIBRARY.names[name][code].read_text(encoding="utf-8")

        assert not BOUGHT.search(text), name
        assert name in NEAR_REVIEWS or not REWARDS.search(text), name


@each_language
def test_a_mail_that_gives_something_does_not_speak_of_reviews(code: str) -> None:
    giving = {
        name
        for name in OF_CAMPAIGNS
        if f"coupon.{code}.mjml" in LIBRARY.names[name][code].read_text(encoding="utf-8")
    }

    assert giving == {"care/birthday", "growth/upgrade", "growth/vip", "growth/win-back-1"}
    assert not any(
        REVIEW.search(LIBRARY.names[name][code].read_text(encoding="utf-8")) for name in giving
    )


@each_language
@pytest.mark.parametrize("name", ["birthday", "upgrade", "vip-care", "win-back"])
@pytest.mark.parametrize("has_code", [True, False], ids=["with code", "without code"])
def test_what_is_given_stands_in_the_mail_with_its_code_and_its_last_day(
    name: str, code: str, has_code: bool
) -> None:
    campaign = SHIPPED.campaigns[name]
    title = {"en": "Free shipping", "ru": "Бесплатная доставка", "es": "Envío gratis"}
    given = Given(title, BenefitKind.FREE_SHIPPING, "BDAY-7K2M9QXW" if has_code else "", NOW)

    mail = composed(campaign, campaign.steps[0], KNOWN[code], benefit=given)

    assert title[code] in mail.text
    assert ("BDAY-7K2M9QXW" in mail.text) is has_code
    assert "2011" in mail.text
    assert (
        "Your code" in mail.text or "Ваш код" in mail.text or "Su código" in mail.text
    ) is has_code
    plain = composed(campaign, campaign.steps[0], KNOWN[code])
    assert title[code] not in plain.text
    assert "2011" not in plain.text


def test_no_shipped_campaign_gives_what_the_shop_may_not_have() -> None:
    assert not any(step.benefit for one in SHIPPED.campaigns.values() for step in one.steps)


@pytest.mark.parametrize(
    ("country", "wished"),
    [
        ("RU", {"new-year", "womens-day"}),
        ("DE", {"christmas"}),
        ("GB", {"christmas"}),
        ("MX", {"christmas"}),
        ("CN", {"new-year", "chinese-new-year", "womens-day"}),
        ("SG", {"christmas", "chinese-new-year", "diwali"}),
        ("IN", {"diwali"}),
        ("SA", {"eid-al-fitr"}),
    ],
)
def test_a_country_is_wished_well_on_its_own_days(country: str, wished: set[str]) -> None:
    found = set()
    for one in SHIPPED.campaigns.values():
        if not isinstance(one.anchor, FestivalAnchor):
            continue
        days = occurrences(one.anchor.festival, NOW.date(), NOW.date() + timedelta(days=366))
        is_kept = any((country in day.countries) != day.is_for_others for day in days)
        if is_kept and fits(one, country):
            found.add(one.id.removeprefix("festival-"))

    assert found == wished


def fits(campaign: Campaign, country: str) -> bool:
    """Whether the campaign's audience has somebody of the country, by what its file says."""
    said = repr(campaign.audience)
    if "country" not in said:
        return True
    return (f"'{country}'" in said) is not ("Not(" in said)


def test_a_bad_review_is_answered_within_the_hour_and_only_the_good_ones_are_thanked() -> None:
    bad, good = SHIPPED.campaigns["bad-review"], SHIPPED.campaigns["thanks-for-review"]

    assert isinstance(bad.anchor, ReviewAnchor)
    assert isinstance(good.anchor, ReviewAnchor)
    assert bad.anchor.stars == (1, 2)
    assert good.anchor.stars == (4, 5)
    assert bad.steps[0].offset <= timedelta(hours=1)


@pytest.mark.parametrize("agent", ["", "Lin"])
@each_language
def test_a_vip_is_told_who_looks_after_them(code: str, agent: str) -> None:
    campaign = SHIPPED.campaigns["vip-care"]

    text = composed(
        campaign, campaign.steps[0], KNOWN[code], shop=replace(SHIPPED.shop, agent=agent)
    ).text

    assert ("Lin" in text) is bool(agent)
    assert "{" not in text


def test_french_breaks_no_line_before_a_question_mark() -> None:
    files = list(bundled("templates").rglob("*.fr.mjml"))
    said = {one.name: TAG.sub("", one.read_text(encoding="utf-8")) for one in files}

    assert len(files) > 20
    assert [
        name for name, text in said.items() if re.search(r"[^\S\n][?!:;»]|«[^\S\n]", text)
    ] == []
    assert [name for name, text in said.items() if re.search(r"[^\W\d_][?!]", text)] == []
