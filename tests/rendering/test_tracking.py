"""Links and pictures of marketing mails that report: what is marked, and what stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape
from typing import Any

import pytest

from crm_mailer.model import tracking
from crm_mailer.model.campaign import Campaign, Kind, Mode, OrderAnchor, Step, Stream
from crm_mailer.model.message import Message
from crm_mailer.model.order import OrderState
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing, Purpose
from crm_mailer.model.tracking import Opens, Tracking
from crm_mailer.rendering import samples
from crm_mailer.rendering.compose import Composer, Occasion
from crm_mailer.rendering.library import TemplateLibrary
from tests.rendering.conftest import Write

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
BASE = "https://mail.shop.example"
CONTENT = """
<mj-text><h1>Hi</h1>
<p><a href="{{ shop.url }}/new?a=1&amp;b=2">New</a> <a href='{{ vars.page }}'>Page</a>
<a href="{{ shop.url }}/new?a=1&amp;b=2">New again</a></p>
<a href="{{ order.tracking_url }}">Parcel</a>
<a href="mailto:care@shop.example">Write</a> <a href="#top">Up</a>
<a href="{{ unsubscribe_url }}">Stop</a></mj-text>
<mj-button href="https://münchen.example/grün">Grün</mj-button>
"""
Compose = Callable[..., Message]


@pytest.fixture
def make(templates_with: Callable[..., Composer]) -> Compose:
    """The mail of a touch, as it is sent."""

    def make_it(
        content: str = CONTENT, *, country: str = "US", stream: Stream = Stream.MARKETING,
        composer: Composer | None = None, touch_id: int = 77, **wants: Any,
    ) -> Message:  # fmt: skip
        composer = composer or templates_with(content, **wants)
        step = Step(id="s1", template="a/b", offset=timedelta(days=4))
        plan = Campaign(
            id="shipped", name="Shipped", kind=Kind.LIFECYCLE, stream=stream, mode=Mode.LIVE,
            anchor=OrderAnchor(state=OrderState.SHIPPED), steps=(step,), version="v1",
            vars={"page": "https://blog.example/a"},
        )  # fmt: skip
        customer = samples.sample_customer("en")._replace(country=country)
        order = replace(
            samples.sample_order(customer, NOW), tracking_url="https://post.example/?n=AB1&l=en"
        )
        occasion = Occasion(
            touch_id=touch_id, customer=customer, order=order, stream=stream, template="a/b",
            campaign=plan, step=step,
        )  # fmt: skip
        [message] = composer.finish([composer.write(occasion, NOW)], NOW)
        return message

    return make_it


@pytest.fixture
def templates_with(
    write: Write, templates: Any, shop: Shop, keys: KeyRing
) -> Callable[..., Composer]:
    def composer(content: str, public_url: str = BASE, **wants: Any) -> Composer:
        write("a/b.en.mjml", content)
        told = replace(shop, public_url=public_url, tracking=Tracking(**wants))
        return Composer(TemplateLibrary(templates), told, keys, is_tracked=True)

    return composer


def parsed(message: Message) -> EmailMessage:
    found = message_from_bytes(message.content, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def page(message: Message) -> str:
    part = parsed(message).get_body(("html",))
    assert part is not None
    return str(part.get_content())


def hrefs(message: Message) -> list[str]:
    found = re.findall(r"""<a\b[^>]*?\shref=["']([^"']*)""", page(message), re.DOTALL)
    return [unescape(one) for one in found]


def followed(message: Message, address: str, keys: KeyRing) -> tuple[int | None, str]:
    """The touch that a tracked link proves, and where the link leads."""
    token, _, code = address.removeprefix(f"{BASE}/c/").partition("/")
    link = tracking.read_code(code)
    assert link is not None
    targets = dict((*message.links, *message.own_links))
    return keys.read_for(Purpose.CLICK, token, tracking.set_bytes(link)), targets[link]


def test_links_lead_past_us_and_to_where_they_led(make: Compose, keys: KeyRing) -> None:
    message = make()
    found = hrefs(message)

    assert [followed(message, one, keys) for one in found if one.startswith(f"{BASE}/c/")] == [
        (77, "https://shop.example/new?a=1&b=2"),
        (77, "https://blog.example/a"),
        (77, "https://shop.example/new?a=1&b=2"),
        (77, "https://post.example/?n=AB1&l=en"),
        (77, "https://xn--mnchen-3ya.example/gr%C3%BCn"),
    ]
    assert found[0] == found[2]
    assert [one for one in found if not one.startswith(f"{BASE}/c/")] == [
        "mailto:care@shop.example",
        "#top",
        f"{BASE}/u/{keys.make(Purpose.UNSUBSCRIBE, 77)}",
    ]


def test_only_what_is_this_mails_own_is_saved_with_it_alone(make: Compose) -> None:
    message = make()

    assert [target for _link, target in message.own_links] == ["https://post.example/?n=AB1&l=en"]
    assert [target for _link, target in message.links] == [
        "https://shop.example/new?a=1&b=2",
        "https://blog.example/a",
        "https://xn--mnchen-3ya.example/gr%C3%BCn",
    ]


def test_a_link_of_one_mail_proves_nothing_with_the_token_of_another(
    make: Compose, keys: KeyRing
) -> None:
    mine = hrefs(make())[0].removeprefix(f"{BASE}/c/").partition("/")
    other = hrefs(make("<mj-text><h1>Hi</h1><a href='https://x.example/'>X</a></mj-text>"))[0]
    foreign = tracking.read_code(other.rpartition("/")[2])
    assert foreign is not None

    assert keys.read_for(Purpose.CLICK, mine[0], tracking.set_bytes(foreign)) is None
    assert keys.read(Purpose.CLICK, mine[0]) is None


def test_the_text_part_shows_where_links_lead(make: Compose) -> None:
    part = parsed(make()).get_body(("plain",))
    assert part is not None
    text = part.get_content()

    assert "https://shop.example/new?a=1&b=2" in text
    assert "/c/" not in text


@pytest.mark.parametrize(
    ("country", "wants", "is_there"),
    [
        ("US", {}, True),
        ("DE", {}, False),
        ("GB", {}, False),
        ("", {}, False),
        ("DE", {"opens": Opens.ON}, True),
        ("US", {"opens": Opens.OFF}, False),
        ("US", {"off_in": frozenset({"US"})}, False),
    ],
    ids=["US", "DE", "GB", "unknown", "wanted in DE", "not wanted", "a country left out"],
)
def test_the_picture_is_where_no_law_asks_for_consent(
    make: Compose, keys: KeyRing, country: str, wants: dict[str, Any], is_there: bool
) -> None:
    picture = f'<img src="{BASE}/o/{keys.make(Purpose.OPEN, 77)}.gif"'

    assert (picture in page(make(country=country, **wants))) is is_there


@pytest.mark.parametrize(
    "how",
    [
        {"public_url": ""},
        {"public_url": "http://mail.shop.example"},
        {"clicks": False, "opens": Opens.OFF},
        {"stream": Stream.TRANSACTIONAL},
        {"off_in": frozenset({"US"})},
    ],
    ids=["no address", "no https", "nothing wanted", "order mail", "a country left out"],
)
def test_where_nothing_is_tracked_the_mail_is_as_it_was(
    make: Compose, templates_with: Callable[..., Composer], how: dict[str, Any]
) -> None:
    message = make(**how)
    wants = {key: value for key, value in how.items() if key != "stream"}
    plain = templates_with(CONTENT, **wants)
    plain.is_tracked, plain._tracker = False, None
    stream = how.get("stream", Stream.MARKETING)

    assert message.content == make(composer=plain, stream=stream).content
    assert message.links == message.own_links == ()


def test_a_link_that_nobody_sees_gives_scanners_away(make: Compose, keys: KeyRing) -> None:
    message = make(honeypot=True)
    found = re.search(r'<a href="([^"]*)" style="display:none"', page(message))
    assert found is not None

    assert followed(message, found[1], keys) == (77, "https://shop.example")
    assert tracking.is_hidden(tracking.read_code(found[1].rpartition("/")[2]) or 0)


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ('<a href="{% if order %}https://a.example{% endif %}">A</a>', "https://a.example"),
        (
            '{% for item in order["items"] %}<a href="https://a.example/{{ item.sku }}">A</a>'
            "{% endfor %}",
            "https://a.example/",
        ),
        ('<a href="https://u:p@a.example/">A</a>', "https://u:p@a.example/"),
        (
            '<a href="{{ order.carrier }}">A</a>',
            samples.sample_order(samples.sample_customer("en"), NOW).carrier,
        ),
        ('<a href="https://a.example/{{ customer.name | upper }}">A</a>', "https://a.example/"),
        (
            '{% set customer = customer %}<a href="https://a.example/{{ customer.city }}">A</a>',
            "https://a.example/",
        ),
    ],
    ids=["a decision", "a row of the order", "a user", "no web page", "a filter", "an own name"],
)
def test_what_is_not_understood_stays_as_it_is(make: Compose, content: str, kept: str) -> None:
    message = make(f"<mj-raw>{content}</mj-raw>")

    assert all(one.startswith(kept) for one in hrefs(message))
    assert message.links == message.own_links == ()


def test_a_link_inside_a_decision_is_led_past_us(make: Compose, keys: KeyRing) -> None:
    message = make(
        "<mj-raw>{% if order.note %}<a href='https://n.example'>N</a>{% else %}"
        "<a href='https://a.example/{{ order.number }}'>A</a>{% endif %}</mj-raw>"
    )
    [only] = hrefs(message)

    assert followed(message, only, keys)[1].startswith("https://a.example/")


def test_more_links_than_a_set_holds_are_told_apart(make: Compose, keys: KeyRing) -> None:
    targets = [f"https://a.example/{number}" for number in range(45)]
    body = "".join(f'<a href="{one}">A</a>' for one in targets)
    message = make(f"<mj-raw>{body}</mj-raw>", honeypot=True)
    found = [followed(message, one, keys)[1] for one in hrefs(message)]

    assert found == [*targets, "https://shop.example"]
    assert len({link for link, _target in message.links}) == 46


def test_lines_stay_short_and_fit_for_the_wire(make: Compose) -> None:
    content = make(honeypot=True).content

    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\r\n." not in content
