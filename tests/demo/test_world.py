from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes

import pytest

from crm_mailer.demo.story import START
from crm_mailer.demo.world import World

MAIL = b"""From: Lotus Shop <orders@lotus-shop.example>\r
To: <%b>\r
Subject: Your order %d is on its way\r
Message-ID: <m%d@lotus-shop.example>\r
Date: Thu, 01 Sep 2011 10:00:00 +0000\r
Auto-Submitted: auto-generated\r
Content-Type: text/plain; charset=utf-8\r
\r
It has left our warehouse.\r
"""


@pytest.fixture(scope="module")
def world() -> World:
    """A world whose people got a few order mails each in the middle of its time."""
    return lived(World(7))


def lived(world: World) -> World:
    world.tick(START + timedelta(days=40))
    for number, address in enumerate(list(world.people)[:1500]):
        if not world.refuse(address):
            world.receive(address, "orders@x.example", MAIL % (address.encode(), number, number))
    world.read()
    return world


def test_some_addresses_are_dead_and_some_are_greylisted(world: World) -> None:
    assert world.counts["refused: no such user"] > 0
    assert world.counts["deferred: greylisting"] > 0
    assert world.refuse("nobody@nowhere.example").startswith("550 5.1.1")


def test_a_greylisted_address_is_taken_at_the_second_try() -> None:
    fresh = World(7)
    address = next(one for one in fresh.people if fresh.refuse(one).startswith("451"))
    assert fresh.refuse(address) == ""


def test_answers_of_many_kinds_are_under_way(world: World) -> None:
    kinds = {label.partition(":")[0] for label in world.counts}
    assert {"complaint", "question", "thanks", "out of office"} <= kinds


def test_answers_arrive_in_time_and_read_as_mail(world: World) -> None:
    first = world.tick(START + timedelta(days=41))
    rest = world.tick(START + timedelta(days=60))
    times = [at for at, _raw in first + rest]
    assert times == sorted(times)
    assert all(at <= START + timedelta(days=41) for at, _raw in first)
    for _at, raw in first:
        message = message_from_bytes(raw)
        assert message["From"]
        assert message.defects == []


def test_the_same_seed_answers_the_same() -> None:
    one, two = lived(World(7)), lived(World(7))
    until = START + timedelta(days=60)
    assert one.counts == two.counts
    assert one.tick(until) == two.tick(until)


def test_an_order_that_went_wrong_is_complained_about_once(world: World) -> None:
    for _time in range(3):
        lived(world)
    written = sum(n for label, n in world.counts.items() if label.startswith(("compl", "confirm")))
    assert written == len(world.complained) > 0
