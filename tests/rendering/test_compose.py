from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from typing import Any

import pytest

from crm_mailer.model.campaign import (
    Campaign,
    Kind,
    Mode,
    OrderAnchor,
    Step,
    Stream,
)
from crm_mailer.model.errors import RenderError
from crm_mailer.model.order import OrderState
from crm_mailer.model.shop import ReturnPath, Shop
from crm_mailer.model.token import SHAPE, KeyRing, Purpose
from crm_mailer.rendering import assembly, headers, samples
from crm_mailer.rendering.compose import Composed, Composer, NoLanguage, Occasion
from crm_mailer.rendering.headers import UnsafeHeader
from tests.rendering.conftest import Write

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
Make = Callable[[], Composer]
TEXT = {
    "en": "<mj-text><h1>Hi</h1><p>{{ greeting }} {{ order.number }} {{ vars.gift }}</p>"
    '<a href="{{ unsubscribe_url }}">Stop</a></mj-text>',
    "ru": "<mj-text><p>{{ greeting }} Ваш заказ {{ order.number }} уже в пути, {{ vars.gift }}</p>"
    '<a href="{{ unsubscribe_url }}">Отписаться</a></mj-text>',
}


@pytest.fixture(autouse=True)
def _templates(write: Write) -> None:
    for code, content in TEXT.items():
        write(f"a/b.{code}.mjml", content, title="Order {{ order.number }} für {{ customer.name }}")


def campaign(**changes: Any) -> Campaign:
    step = Step(id="s1", template="a/b", offset=timedelta(days=4))
    basis = Campaign(
        id="shipped",
        name="Shipped",
        kind=Kind.LIFECYCLE,
        stream=Stream.TRANSACTIONAL,
        mode=Mode.LIVE,
        anchor=OrderAnchor(state=OrderState.SHIPPED),
        steps=(step,),
        vars={"gift": {"en": "a cup", "ru": "чашка"}},
        version="v1",
    )
    return replace(basis, **changes)


def occasion(code: str = "en", stream: Stream = Stream.MARKETING, **changes: Any) -> Occasion:
    customer = changes.pop("customer", samples.sample_customer(code))
    plan = changes.pop("campaign", campaign())
    basis = Occasion(
        touch_id=77,
        customer=customer,
        order=samples.sample_order(customer, NOW),
        stream=stream,
        template="a/b",
        campaign=plan,
        step=plan.steps[0],
    )
    return basis._replace(**changes)


def parsed(content: bytes) -> EmailMessage:
    """The mail as the standard library reads it; defects anywhere are an error."""
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert part.defects == []
        assert [one for value in part.values() for one in value.defects] == []
    return message


def lines(part: MIMEPart) -> list[str]:
    content: str = part.get_content()
    return content.splitlines()


def composed(make: Make, *arguments: Any, **changes: Any) -> tuple[Composed, EmailMessage]:
    mail = make().compose(occasion(*arguments, **changes), NOW)
    return mail, parsed(mail.message.content)


@pytest.mark.parametrize("code", ["en", "ru"])
def test_a_mail_reads_back_without_a_defect(compose_with: Make, code: str) -> None:
    mail, message = composed(compose_with, code)

    text, html = message.iter_parts()
    assert message.get_content_type() == "multipart/alternative"
    assert lines(text) == mail.text.splitlines()
    assert lines(html) == mail.html.splitlines()
    assert message["Subject"] == mail.subject
    assert "8101234567890" in mail.text


def test_every_line_is_short_seven_bit_and_ends_in_crlf(compose_with: Make) -> None:
    for code in TEXT:
        content = compose_with().compose(occasion(code), NOW).message.content

        assert content.isascii()
        assert content.endswith(b"--\r\n")
        assert b"\n" not in content.replace(b"\r\n", b"")
        assert b"\r" not in content.replace(b"\r\n", b"")
        head, body = content.split(b"\r\n\r\n", 1)
        assert max(len(line) for line in body.split(b"\r\n")) <= 76
        assert max(len(line) for line in head.split(b"\r\n")) <= 100


def test_marketing_can_be_unsubscribed_by_mail(compose_with: Make, keys: KeyRing) -> None:
    mail, message = composed(compose_with)
    token = keys.make(Purpose.UNSUBSCRIBE, 77)

    assert message["List-Unsubscribe"] == (
        f"<mailto:care@shop.example?subject=unsubscribe%20{token}>"
    )
    assert message["List-Unsubscribe-Post"] is None
    assert message["Precedence"] == "bulk"
    assert message["List-Id"] == "<marketing.shop.example>"
    assert message["Auto-Submitted"] is None
    assert f"mailto:care@shop.example?subject=unsubscribe%20{token}" in mail.text


def test_with_a_public_page_one_click_comes_first(
    compose_with: Make, shop: Shop, keys: KeyRing
) -> None:
    composer = compose_with()
    composer.shop = replace(shop, public_url="https://u.shop.example/")
    mail = composer.compose(occasion(), NOW)
    message = parsed(mail.message.content)
    token = keys.make(Purpose.UNSUBSCRIBE, 77)

    assert message["List-Unsubscribe"].split(", ")[0] == f"<https://u.shop.example/u/{token}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"Stop: https://u.shop.example/u/{token}" in mail.text


def test_order_mail_comes_from_its_own_sender_and_is_marked(compose_with: Make) -> None:
    _mail, message = composed(compose_with, stream=Stream.TRANSACTIONAL)

    assert message["From"] == "Lotus Shop <orders@shop.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] is None
    assert message["Precedence"] is None


def test_tokens_lead_back_to_the_touch(compose_with: Make, shop: Shop, keys: KeyRing) -> None:
    composer = compose_with()
    composer.shop = replace(shop, bounce_domain="bounce.shop.example")
    mail = composer.compose(occasion(), NOW)
    message = parsed(mail.message.content)

    sender, _at, domain = mail.message.mail_from.partition("@")
    assert (keys.read(Purpose.VERP, sender.removeprefix("b-")), domain) == (
        77,
        "bounce.shop.example",
    )
    assert keys.read(Purpose.MESSAGE_ID, message["X-CRM-Send"]) == 77
    assert message["Message-ID"] == f"<{message['X-CRM-Send']}@shop.example>"
    assert message["Feedback-ID"] == "shipped:s1:marketing:shopexample"


@pytest.mark.parametrize("path", ReturnPath)
def test_bounces_find_their_mail_also_without_a_domain_of_their_own(
    compose_with: Make, shop: Shop, keys: KeyRing, path: ReturnPath
) -> None:
    composer = compose_with()
    composer.shop = replace(shop, bounce_domain="b.shop.example", return_path=path)

    mail_from = composer.compose(occasion(), NOW).message.mail_from

    token = SHAPE.search(mail_from)
    if path is ReturnPath.NONE:
        assert (token, mail_from) == (None, shop.sender)
    else:
        assert token is not None
        assert keys.read(Purpose.VERP, token[0]) == 77
    assert mail_from.startswith("news+b-") == (path is ReturnPath.PLUS)


def test_an_address_of_the_shop_outside_ascii_is_written_for_the_wire(
    compose_with: Make, shop: Shop
) -> None:
    composer = compose_with()
    composer.shop = replace(shop, public_url="https://магазин.example/почта")

    message = parsed(composer.compose(occasion(), NOW).message.content)

    start = "<https://xn--80aairftm.example/%D0%BF%D0%BE%D1%87%D1%82%D0%B0/u/"
    assert message["List-Unsubscribe"].startswith(start)


def test_days_are_those_of_the_readers_country_where_no_zone_is_known(compose_with: Make) -> None:
    late = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    customer = samples.sample_customer("en")._replace(time_zone="", country="NZ")
    order = replace(samples.sample_order(customer, NOW), placed_at=late)
    subject = {"en": "{{ order.placed_on }}, {{ now_year }}"}
    step = Step(id="s1", template="a/b", offset=timedelta(0), subject=subject)
    mail = compose_with().compose(occasion(customer=customer, order=order, step=step), late)

    assert mail.subject == "1 January 2027, 2027"


def test_the_same_touch_gives_the_same_bytes(compose_with: Make) -> None:
    first, second = (compose_with().compose(occasion(), NOW).message for _ in range(2))

    assert first == second


def test_a_thousand_customers_get_a_thousand_different_mails(compose_with: Make) -> None:
    composer = compose_with()
    for number in range(1000):
        customer = samples.sample_customer("en")._replace(given_name=f"N{number}x")
        mail = composer.compose(occasion(customer=customer, touch_id=number), NOW)

        assert f"Dear N{number}x," in mail.text
        assert f"Dear N{number}x," in mail.html


def test_hostile_data_stays_text(compose_with: Make) -> None:
    customer = samples.hostile_customer("en")
    mail, message = composed(compose_with, customer=customer)

    assert "Bcc" not in message
    assert "<script" not in mail.html
    assert message["To"] == customer.email
    assert "\u202e" not in mail.subject


def test_a_step_may_have_its_own_subject(compose_with: Make) -> None:
    step = Step(
        id="s1",
        template="a/b",
        offset=timedelta(0),
        subject={"en": "For {{ customer.given_name }}"},
    )
    mail, _message = composed(compose_with, step=step)

    assert mail.subject == "For Anna"
    assert "<title>For Anna</title>" in mail.html


def test_a_broken_subject_of_a_step_is_an_error(compose_with: Make) -> None:
    step = Step(id="s1", template="a/b", offset=timedelta(0), subject={"en": "{{ customer.nick }}"})

    with pytest.raises(RenderError, match="nick"):
        composed(compose_with, step=step)


def test_chinese_law_gets_its_prefix_and_a_test_its_mark(compose_with: Make) -> None:
    customer = samples.sample_customer("en")._replace(country="CN")
    mail, _message = composed(compose_with, customer=customer, is_test=True)

    assert mail.subject == "[Test] (AD) Order 8101234567890 für Anna Walker"


def test_the_campaigns_values_come_in_the_readers_language(compose_with: Make) -> None:
    composer = compose_with()
    said = [composer.compose(occasion(code), NOW).text for code in ("ru", "en")]

    assert ["чашка" in said[0], "a cup" in said[1]] == [True, True]


def test_a_reader_of_another_language_gets_the_fallback(compose_with: Make) -> None:
    mail, _message = composed(compose_with, "fr")

    assert (mail.language.code, mail.language.wanted, mail.language.is_fallback) == (
        "en",
        "fr",
        True,
    )


def test_a_language_that_the_shop_does_not_list_is_written_all_the_same(
    compose_with: Make, write: Write
) -> None:
    write("a/b.de.mjml", TEXT["ru"], title="Bestellung {{ order.number }}")
    gift = {"gift": {"en": "a cup", "ru": "чашка", "de": "eine Tasse"}}

    mail = compose_with().compose(occasion("de", campaign=campaign(vars=gift)), NOW)

    assert mail.language.code == "de"
    assert "eine Tasse" in mail.text


def test_a_mail_is_of_one_piece_or_falls_back(compose_with: Make, write: Write) -> None:
    write("a/b.de.mjml", TEXT["ru"], title="Bestellung {{ order.number }}")
    write("a/b.es.mjml", TEXT["ru"], title="Pedido {{ order.number }}")
    composer = compose_with()
    composer.shop = replace(composer.shop, languages=("en", "es"))

    # `gift` is there in English and Russian
    german = composer.show(occasion("de", campaign=campaign()), NOW)
    spanish = composer.show(occasion("es", campaign=campaign()), NOW)
    bare = composer.show(occasion("de", campaign=campaign(vars={"gift": "7"}, version="v2")), NOW)

    assert (german.language.code, german.language.is_fallback) == ("en", True)
    assert spanish.language.code == "es"  # the shop lists it: `check` asks for the text
    assert bare.language.code == "de"


def test_without_a_fallback_there_is_no_mail(compose_with: Make, shop: Shop) -> None:
    composer = compose_with()
    composer.shop = replace(shop, fallback=())

    with pytest.raises(NoLanguage, match="written in en, ru"):
        composer.compose(occasion("fr"), NOW)


def test_a_template_that_does_not_exist_is_told(compose_with: Make) -> None:
    with pytest.raises(RenderError, match="no template `a/c`") as caught:
        composed(compose_with, template="a/c")

    assert caught.value.hint == "did you mean `a/b`?"


@pytest.mark.parametrize("email", [None, "nobody", "анна@", "a@b.example\r\nBcc: c@d.example"])
def test_no_mail_is_made_for_what_is_no_address(compose_with: Make, email: str | None) -> None:
    customer = samples.sample_customer("en")._replace(email=email)

    with pytest.raises(UnsafeHeader):
        composed(compose_with, customer=customer)


def test_only_a_reader_with_letters_outside_ascii_before_the_at_needs_smtputf8(
    compose_with: Make,
) -> None:
    customer = samples.sample_customer("en")._replace(email="анна@пример.рф")
    message = compose_with().compose(occasion(customer=customer), NOW).message
    other = compose_with().compose(occasion(), NOW).message

    assert (message.is_utf8, other.is_utf8) == (True, False)
    assert message.rcpt_to == "анна@xn--e1afmkfd.xn--p1ai"
    assert f"<{message.rcpt_to}>".encode() in message.content.partition(b"\r\n\r\n")[0]
    assert message.content.partition(b"\r\n\r\n")[2].isascii()


def test_a_mailbox_with_signs_of_urls_is_quoted_in_the_unsubscribe_link(
    compose_with: Make, shop: Shop
) -> None:
    composer = compose_with()
    composer.shop = replace(shop, reply_to="a?b&c%d+e@shop.example")

    message = parsed(composer.compose(occasion(), NOW).message.content)

    assert message["List-Unsubscribe"].startswith(
        "<mailto:a%3Fb%26c%25d+e@shop.example?subject=unsubscribe%20"
    )


def test_the_snapshot_holds_the_fields_that_were_used(compose_with: Make) -> None:
    mail, _message = composed(compose_with)

    kept = json.loads(zlib.decompress(mail.message.snapshot))

    assert kept["order.number"] == "8101234567890"
    assert kept["greeting"] == "Dear Anna,"
    assert "customer.city" not in kept


def test_what_an_agent_wrote_goes_out_as_it_is(compose_with: Make) -> None:
    composer = compose_with()
    written = "Subject: Ваш заказ\n\nДобрый день!\n.\nЛинь"
    letter = occasion(stream=Stream.TRANSACTIONAL, template="", written=written)
    [message] = composer.finish([composer.write(letter, NOW)], NOW)
    mail = parsed(message.content)

    assert mail["Subject"] == message.subject == "Ваш заказ"
    assert lines(mail) == ["Добрый день!", ".", "Линь"]
    assert mail["Auto-Submitted"] is None


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "x" * 300,
        "trailing \nblank\t\n",
        ".\n..",
        "From here",
        "a=b=C3",
        "é" * 99,
        "\r\nx\ry",
    ],
)
@pytest.mark.parametrize("is_base64", [False, True])
def test_a_body_comes_back_as_it_was(text: str, is_base64: bool) -> None:
    head = headers.block([assembly.VERSION, *assembly.content("plain", is_base64)])
    content = head + b"\r\n" + assembly.encoded(text, is_base64).encode("ascii")

    assert lines(parsed(content)) == text.splitlines()
    assert b" \r\n" not in content
    assert b"\t\r\n" not in content
    assert b"\n." not in content
    assert b"\nFrom " not in content


def test_the_snapshot_of_a_long_order_is_packed_and_holds_its_lines(
    write: Write, compose_with: Make
) -> None:
    write("a/d.en.mjml", "<mj-text>{% for i in order.items %}{{ i.title }}{% endfor %}"
          "{{ step.number }} {{ vars.gift }} {{ shop.name }}</mj-text>")  # fmt: skip
    customer = samples.sample_customer("en")
    order = samples.sample_order(customer, NOW)
    long = replace(order, items=order.items * 20)
    composer = compose_with()

    short_one, long_one = (
        composer.write(occasion(template="a/d", order=one), NOW).snapshot for one in (order, long)
    )

    assert json.loads(zlib.decompress(short_one)) == {
        "order.items": [["Bamboo desk lamp", "LAMP-01", 1, "US$29.90"],
                        ["Ceramic tea cup", "CUP-04", 2, "US$8.70"]],
        "step.number": 1,
        "subject": "Subject",
    }  # fmt: skip
    assert len(json.loads(zlib.decompress(long_one))["order.items"]) == 40
    assert len(long_one) < 400


def test_mails_made_together_are_those_made_one_by_one(compose_with: Make) -> None:
    composer = compose_with()
    codes = ("en", "ru", "fr", "en")
    mails = [
        occasion(touch_id=number, customer=samples.sample_customer(code))
        for number, code in enumerate(codes)
    ]

    together = composer.write_all(mails, NOW)

    assert together == [composer.write(mail, NOW) for mail in mails]


def test_a_mail_that_cannot_be_made_leaves_the_others_in_their_places(compose_with: Make) -> None:
    composer = compose_with()
    nobody = samples.sample_customer("en")._replace(email="nobody")

    good, header, template, last = composer.write_all(
        [occasion(), occasion(customer=nobody), occasion(template="a/c"), occasion()], NOW
    )

    assert good == last
    assert isinstance(header, UnsafeHeader)
    assert isinstance(template, RenderError)


@pytest.mark.parametrize(
    "text",
    [
        "{% set who = customer %}{{ who.city }}",
        "{% for who in [customer] %}{{ who.city }}{% endfor %}",
        "{% with who = customer %}{{ who.city }}{% endwith %}",
        "{% set who = customer or order %}{{ who.city }}",
        "{{ customer['city'] }}",
        "{% set parcel = order %}{{ parcel.carrier }}",
        "{% for parcel in (order,) %}{{ parcel.expected_on }}{% endfor %}",
        "{% for item in order['items'] %}{{ item.title }} {{ item.price }}{% endfor %}",
    ],
)
def test_what_a_template_takes_by_another_name_is_in_the_mail_as_in_the_preview(
    compose_with: Make, write: Write, text: str
) -> None:
    write("a/b.en.mjml", f"<mj-text><p>[{text}]</p></mj-text>")

    mail, message = composed(compose_with)

    [said] = re.findall(r"\[(.+)\]", mail.text)
    body = message.get_body(("plain",))
    assert body is not None
    assert f"[{said}]" in body.get_content()
