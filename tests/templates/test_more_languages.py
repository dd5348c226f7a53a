"""The ten most used mails in Portuguese, French, German and Chinese, and one in Arabic."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from crm_mailer.model.campaign import Campaign, Step, Stream
from crm_mailer.model.customer import Gender
from crm_mailer.rendering.compose import Composed
from crm_mailer.rendering.samples import minimal_customer, sample_customer
from crm_mailer.store.bundled import bundled
from tests.templates.test_shipped_templates import (
    GROUNDS,
    LIBRARY,
    SHIPPED,
    composed,
    contrast,
    text_colors,
)

MOST_USED = (
    "during_sale/payment-reminder",
    "during_sale/payment-reminder-last",
    "during_sale/shipped",
    "during_sale/delayed",
    "after_sale/arrived",
    "after_sale/review-request",
    "after_sale/thanks-good-review",
    "care/welcome",
    "care/birthday",
    "growth/new-arrivals",
    "growth/win-back-1",
)
#: Languages beyond those in which every mail is written.
MORE = ("pt", "fr", "de", "zh", "ar")
MAILS = [
    pytest.param(campaign, step, code, id=f"{step.template}.{code}")
    for campaign in SHIPPED.campaigns.values()
    for step in campaign.steps
    for code in LIBRARY.languages(step.template)
    if code in MORE and step.template in MOST_USED
]
each_mail = pytest.mark.parametrize(("campaign", "step", "code"), MAILS)
INCLUDES = [
    pytest.param(path, id=path.relative_to(bundled("templates")).as_posix())
    for path in sorted(bundled("templates").glob("*/*.??.mjml"))
]
STOP = {
    "pt": "Cancelar o envio",
    "fr": "Se désabonner",
    "de": "Newsletter abbestellen",
    "zh": "退订资讯邮件",
}
REWARDS = re.compile(
    r"brinde|presente|cupom|desconto|prêmio|estrelas|cadeau|réduction|remise|récompense|étoiles|"
    r"Geschenk|Gutschein|Rabatt|Belohnung|Sterne|礼物|优惠|红包|返现|五星|奖",
    re.IGNORECASE,
)
#: Words of one language that must not stand in a text of another: slips of a copied file.
ENGLISH = re.compile(r"\b(the|your|you|and|with|order|this|email|reply)\b")


def facts(path: Path) -> list[str]:
    """What a file shows, decides and includes, without the subject and the language's own."""
    text = re.sub(r"<mj-title>.*?</mj-title>", "", path.read_text(encoding="utf-8"))
    found = re.findall(r"\{%.+?%\}|\{\{.+?\}\}|layout/[\w-]+", text)
    return sorted(one for one in found if one != "layout/right-to-left")


def test_the_most_used_mails_are_there_in_four_more_languages_and_one_in_arabic() -> None:
    missing = [
        (name, code)
        for name in MOST_USED
        for code in ("pt", "fr", "de", "zh")
        if code not in LIBRARY.names[name]
    ]

    assert missing == []
    assert "ar" in LIBRARY.names["during_sale/shipped"]
    assert len(MAILS) >= 4 * len(MOST_USED) + 1


@pytest.mark.parametrize("path", INCLUDES)
def test_a_file_includes_only_parts_in_its_own_language(path: Path) -> None:
    code = path.name.split(".")[-2]
    parts = re.findall(r'<mj-include path="[^"]*?\.([a-z]{2})\.mjml"', path.read_text("utf-8"))

    assert set(parts) <= {code}


@each_mail
def test_a_mail_tells_the_same_facts_as_in_english(
    campaign: Campaign, step: Step, code: str
) -> None:
    files = LIBRARY.names[step.template]

    assert facts(files[code]) == facts(files["en"])


@each_mail
def test_a_mail_reads_well_in_its_language(campaign: Campaign, step: Step, code: str) -> None:
    mail = composed(campaign, step, sample_customer(code))
    weight = 2 if code == "zh" else 1
    prefix = "(AD) " if campaign.stream is Stream.MARKETING and code == "zh" else ""

    assert mail.language.code == code
    assert mail.subject.startswith(prefix)
    assert 10 <= len(mail.subject.removeprefix(prefix)) * weight <= 70
    for text in (mail.subject, mail.text):
        for odd in ("None", "{{", "&nbsp;", " ,", "..", "г.", ", ,", "()"):
            assert odd not in text, (odd, text)
    own = mail.text.replace(SHIPPED.shop.postal_address, "").replace(SHIPPED.shop.reply_to, "")
    assert not ENGLISH.findall(re.sub(r"https?://\S+", "", own))
    assert mail.html.count("<h1") == 1
    assert min(contrast(c, g) for c in text_colors(mail.html) for g in GROUNDS) >= 4.5


@each_mail
def test_a_mail_holds_for_a_reader_of_whom_nothing_is_known(
    campaign: Campaign, step: Step, code: str
) -> None:
    mail = composed(campaign, step, minimal_customer(code), is_full=False)

    assert mail.language.code == code
    for odd in ("None", ", ,", "()", " .", "，，", "  "):
        assert odd not in mail.text, (odd, mail.text)
    assert not re.match(r"[,，]", mail.subject)


@each_mail
def test_marketing_says_how_to_stop_it_and_order_mail_does_not(
    campaign: Campaign, step: Step, code: str
) -> None:
    mail = composed(campaign, step, sample_customer(code))

    is_marketing = campaign.stream is Stream.MARKETING
    assert (STOP.get(code, "?") in mail.text) is is_marketing
    assert SHIPPED.shop.postal_address in mail.text


@each_mail
def test_the_mail_says_which_language_it_is_and_where_it_begins(
    campaign: Campaign, step: Step, code: str
) -> None:
    html = composed(campaign, step, sample_customer(code)).html

    direction = "rtl" if code == "ar" else "ltr"
    assert f'<html lang="{code}" dir="{direction}"' in html
    assert re.search(rf'role="article" lang="{code}" dir="{direction}"', html)
    assert (code == "ar") is ("direction:rtl" in html)
    assert (code != "ar") is ("direction:ltr" in html)


@pytest.mark.parametrize("code", ["pt", "fr", "de", "zh"])
@pytest.mark.parametrize("name", ["after_sale/review-request", "after_sale/thanks-good-review"])
def test_no_reward_is_offered_for_a_review(name: str, code: str) -> None:
    assert not REWARDS.search(LIBRARY.names[name][code].read_text(encoding="utf-8"))


class _Aligned(HTMLParser):
    """Collects what of the mail's content is set to an edge."""

    def __init__(self) -> None:
        super().__init__()
        self.edges: list[tuple[str, str]] = []
        self.isolated = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        style = given.get("style") or ""
        self.isolated += tag == "bdi"
        if tag in ("th", "td") and given.get("align") in ("left", "right"):
            self.edges.append((tag, given["align"] or ""))
        for edge in re.findall(r"text-align:(left|right)", style):
            # a column's own alignment is that of nothing: each text in it has one
            if tag == "div" and "mj-column" not in (given.get("class") or ""):
                self.edges.append((tag, edge))


@pytest.fixture
def arabic() -> Composed:
    campaign = next(
        one
        for one in SHIPPED.campaigns.values()
        if any(step.template == "during_sale/shipped" for step in one.steps)
    )
    reader = sample_customer("ar")._replace(gender=Gender.FEMALE)
    return composed(campaign, campaign.steps[0], reader)


def test_the_arabic_mail_is_mirrored(arabic: Composed) -> None:
    reader = _Aligned()
    reader.feed(arabic.html)

    texts = [edge for tag, edge in reader.edges if tag == "div"]
    assert texts
    assert set(texts) == {"right"}
    assert {edge for tag, edge in reader.edges if tag == "th"} == {"right"}
    values = [edge for tag, edge in reader.edges if tag == "td"]
    assert values.count("left") == 4
    assert "direction:ltr" not in arabic.html


def test_numbers_and_latin_names_keep_their_sequence_in_arabic(arabic: Composed) -> None:
    for value in ("AB-1027", "LP00451234567CN", "China Post", SHIPPED.shop.postal_address):
        assert f"<bdi>{value}</bdi>" in arabic.html
    assert arabic.text.startswith("Lotus Shop\n\nشحنتك في الطريق إليك\n\nعزيزتي أمينة،\n")
    assert "رقم التتبع: LP00451234567CN" in arabic.text
    assert "https://track.example/LP00451234567CN" in arabic.text
