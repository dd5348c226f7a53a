"""What is sent, and what people are shown, of every shipped mail."""

from __future__ import annotations

import email
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import Message as Parsed
from email.policy import Policy

import pytest

from crm_mailer.definitions import library as definitions
from crm_mailer.model.campaign import Campaign, OrderAnchor, Step, Stream
from crm_mailer.model.customer import Customer
from crm_mailer.model.message import Message
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering import engine, samples
from crm_mailer.rendering.compose import Composed, Composer, Occasion
from crm_mailer.rendering.faults import TemplateFault
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.store.bundled import bundled
from tests.rendering.conftest import Write

LANGUAGES = ("en", "ru", "es")
PEOPLE = (samples.sample_customer, samples.minimal_customer, samples.hostile_customer)
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
LIBRARY = TemplateLibrary(bundled("templates"))
SHIPPED = definitions.load(bundled("campaigns"), LIBRARY.names)
SHOP = replace(SHIPPED.shop, public_url="https://u.shop.example", bounce_domain="b.shop.example")
COMPOSER = Composer(LIBRARY, SHOP, KeyRing({1: b"k" * 32}, 1))
STEPS = [(campaign, step) for campaign in SHIPPED.campaigns.values() for step in campaign.steps]
each_step = pytest.mark.parametrize(
    ("campaign", "step"), [pytest.param(*one, id=f"{one[0].id}.{one[1].id}") for one in STEPS]
)
each_reader = pytest.mark.parametrize("make", PEOPLE)
each_language = pytest.mark.parametrize("code", LANGUAGES)


def about(campaign: Campaign, step: Step, customer: Customer) -> Occasion:
    order = samples.sample_order(customer, NOW)
    if not customer.country:
        order = samples.minimal_order(order)
    return Occasion(
        touch_id=7,
        customer=customer,
        order=order if isinstance(campaign.anchor, OrderAnchor) else None,
        stream=campaign.stream,
        template=step.template,
        campaign=campaign,
        step=step,
        place=2,
        places=5,
    )


def composed(campaign: Campaign, step: Step, customer: Customer) -> Composed:
    return COMPOSER.compose(about(campaign, step, customer), NOW)


def parts(content: bytes) -> tuple[str, str]:
    """Text and HTML as a reader decodes them."""
    _whole, first, second = email.message_from_bytes(content).walk()
    return decoded(first), decoded(second)


def decoded(part: Parsed) -> str:
    raw = part.get_payload(decode=True)
    assert isinstance(raw, bytes)
    return raw.decode("utf-8").replace("\r\n", "\n")


def check_bytes(message: Message) -> None:
    """What any server on the way may rely on."""
    content = message.content
    assert message.is_wire_ready
    assert content.isascii() is not message.is_utf8
    assert b"\0" not in content
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", content)
    assert b"\n." not in content
    assert b"\nFrom " not in content
    head, _empty, body = content.partition(b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert not re.search(rb"[ \t]\r\n", body)


def check_parsed(content: bytes, policy: Policy) -> None:
    for part in email.message_from_bytes(content, policy=policy).walk():
        assert part.defects == []
        for value in part.values():
            assert getattr(value, "defects", ()) == ()


@each_language
@each_reader
@each_step
def test_what_is_sent_is_what_is_shown(
    campaign: Campaign, step: Step, make: Callable[[str], Customer], code: str
) -> None:
    mail = composed(campaign, step, make(code))
    content = mail.message.content

    text, html = parts(content)

    assert text.removesuffix("\n") == mail.text.removesuffix("\n")
    assert html == mail.html
    check_bytes(mail.message)
    check_parsed(content, policy.default)
    check_parsed(content, policy.compat32)


@each_step
def test_a_mail_of_any_stream_has_the_headers_that_providers_ask_for(
    campaign: Campaign, step: Step
) -> None:
    message = email.message_from_bytes(
        composed(campaign, step, samples.sample_customer("en")).message.content
    )
    is_marketing = campaign.stream is Stream.MARKETING

    assert len(message.keys()) == len(set(message.keys()))
    assert (message["List-Unsubscribe"] is not None) is is_marketing
    assert message["List-Unsubscribe-Post"] == (
        "List-Unsubscribe=One-Click" if is_marketing else None
    )
    assert message["Auto-Submitted"] == (None if is_marketing else "auto-generated")
    assert message["Precedence"] == ("bulk" if is_marketing else None)
    *slugs, sender = message["Feedback-ID"].split(":")
    assert len(slugs) == 3
    assert re.fullmatch("[a-z0-9]{5,15}", sender)
    if is_marketing:
        assert re.fullmatch(
            r"<https://u\.shop\.example/u/[a-z2-7.]+>,\s<mailto:[^>\s]+\?subject=unsubscribe%20[a-z2-7.]+>",
            message["List-Unsubscribe"].replace("\r\n", ""),
        )
        assert message["List-Id"] == f"<marketing.{SHOP.sender.partition('@')[2]}>"


def test_another_process_writes_the_same_bytes() -> None:
    campaign, step = STEPS[0]
    customer = samples.sample_customer("ru")
    other = Composer(TemplateLibrary(bundled("templates")), SHOP, COMPOSER.keys)

    [message] = other.finish([other.write(about(campaign, step, customer), NOW)], NOW)

    assert message == composed(campaign, step, customer).message


def occasion(**changes: object) -> Occasion:
    basis = Occasion(
        touch_id=1, customer=samples.sample_customer("en"), order=None, stream=Stream.MARKETING,
        template="a/b")  # fmt: skip
    return basis._replace(**changes)  # type: ignore[arg-type]


def test_a_fault_is_found_at_its_place_when_sending_too(
    write: Write, compose_with: Callable[[], Composer]
) -> None:
    write("a/b.en.mjml", "<mj-text>fine</mj-text>\n<mj-text>{{ order.number }}</mj-text>")

    with pytest.raises(TemplateFault) as sent:
        compose_with().write(occasion(), NOW)
    with pytest.raises(TemplateFault) as shown:
        compose_with().show(occasion(), NOW)

    assert str(sent.value) == str(shown.value)
    assert sent.value.problem.line == 6


@pytest.mark.parametrize("letter", ["x", "é"])
def test_the_limit_counts_what_the_reader_gets_not_its_encoding(
    write: Write,
    compose_with: Callable[[], Composer],
    monkeypatch: pytest.MonkeyPatch,
    letter: str,
) -> None:
    monkeypatch.setattr(engine, "MAX_OUTPUT", 300_000)
    loop = "{% for i in range(90) %}{{ customer.city }}{% endfor %}"
    write("a/b.en.mjml", f"<mj-text>{loop * 5}</mj-text>")
    write("a/c.en.mjml", f"<mj-text>{loop * 10}</mj-text>")
    # 450 times 500 letters fit, thrice as much after encoding; 900 times do not
    mail = occasion(customer=samples.sample_customer("en")._replace(city=letter * 500))
    composer = compose_with()

    [message] = composer.finish([composer.write(mail, NOW)], NOW)
    assert parts(message.content)[1] == composer.show(mail, NOW).html
    with pytest.raises(TemplateFault, match="grew beyond"):
        composer.write(mail._replace(template="a/c"), NOW)


def test_values_of_a_campaign_are_those_of_its_version(
    write: Write, compose_with: Callable[[], Composer]
) -> None:
    write("a/b.en.mjml", "<mj-text>{{ vars.gift }}</mj-text>")
    campaign = next(iter(SHIPPED.campaigns.values()))
    composer = compose_with()

    found = []
    for version, gift in (("1", "a cup"), ("2", "a pot"), ("1", "a cup")):
        one = replace(campaign, vars={"gift": gift}, version=version)
        [message] = composer.finish([composer.write(occasion(campaign=one), NOW)], NOW)
        found.append(gift in parts(message.content)[0])

    assert found == [True, True, True]
