"""A link from the campaign's file to the customer's story: sent, followed, judged, told."""

from __future__ import annotations

import re
import time
from email.message import EmailMessage
from html import unescape
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from crm_mailer.app import App
from crm_mailer.public import server
from crm_mailer.settings import read_settings
from tests.conftest import StandingClock
from tests.flows.conftest import SmallShop, order

ANNA = "anna@example.com"
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
LINK = re.compile(r'<a\b[^>]*?\shref="(https://mail\.lotus-shop\.example/c/[^"]*)"', re.DOTALL)
PICTURE = re.compile(r'<img src="(https://mail\.lotus-shop\.example/o/[^"]*)"')


@pytest.fixture
def mail(shop: SmallShop) -> EmailMessage:
    """Anna's mail with one link to the shop, tracked in every way; it left at 10:00."""
    settings = shop.home / "campaigns" / "shop.yaml"
    text = settings.read_text(encoding="utf-8").replace("# public_url:", "public_url:")
    settings.write_text(f"{text}\ntracking: {{opens: on, honeypot: on}}\n", encoding="utf-8")
    template = shop.home / "templates" / "care" / "birthday.en.mjml"
    body = template.read_text(encoding="utf-8")
    link = '<mj-button href="{{ shop.url }}/gifts?x=1&amp;y=2">Have a look</mj-button>'
    template.write_text(body.replace("</mj-column>", f"{link}</mj-column>", 1), encoding="utf-8")
    shop.goes_live("birthday")
    shop.imports(order("A1", ANNA, placed_at="2026-09-01T09:00:00Z", birthday="1990-11-02"))
    shop.later(minutes=30)
    assert shop.run("apply").exit_code == 0
    assert shop.run("send").exit_code == 0
    [found] = shop.mails_to(ANNA)
    return found


def page(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


def follow(shop: SmallShop, *urls: str, agent: str = PERSON) -> list[str]:
    """Ask for these addresses; where each leads. Then the shop digests what it saw."""
    app = App(shop.home, read_settings(shop.home, shop.settings), StandingClock(shop.now))
    running = server.start(app, port=0)
    while not running.server.started:
        time.sleep(0.02)
    line = HTTPConnection("127.0.0.1", int(running.address.rstrip("/").rpartition(":")[2]))
    led = []
    for url in urls:
        path = urlsplit(unescape(url)).path
        line.request("GET", path, headers={"Host": "mail.lotus-shop.example", "User-Agent": agent})
        answer = line.getresponse()
        answer.read()
        led.append(answer.headers.get("location", ""))
    line.close()
    assert running.stop()
    app.close()
    shop.later(seconds=30)
    shop.listens()
    return led


def story(shop: SmallShop) -> list[str]:
    events = shop.told("customer", "show", ANNA)["events"]
    return [one["text"] for one in events if one["kind"] == "signal"]


def test_a_person_who_opens_and_clicks_stands_in_the_story(
    shop: SmallShop, mail: EmailMessage
) -> None:
    [link, *_trap] = LINK.findall(page(mail))
    [picture] = PICTURE.findall(page(mail))
    shop.later(hours=2)

    assert follow(shop, picture, link) == ["", "https://lotus-shop.example/gifts?x=1&y=2"]
    assert sorted(story(shop)) == ["clicked in a mail of birthday", "opened a mail of birthday"]
    results = shop.run("campaign", "results", "birthday").stdout
    assert re.search(r"wish +any link +1 +1 +0\n", results), results
    assert re.search(r"wish +https://lotus-shop\S+ +1 +1 +0\n", results), results
    assert re.search(r"wish +openings +1 +1 +0\n", results), results


def test_a_scanner_that_follows_the_hidden_link_is_no_person(
    shop: SmallShop, mail: EmailMessage
) -> None:
    links = LINK.findall(page(mail))
    assert len(links) == 2
    shop.later(hours=2)

    assert follow(shop, *links)[1] == "https://lotus-shop.example"
    assert story(shop) == ["a program opened a mail of birthday"]
