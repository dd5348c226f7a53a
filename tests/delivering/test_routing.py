from __future__ import annotations

import itertools

import pytest

from crm_mailer.delivering.routing import Lane, Outlet, Ways
from crm_mailer.delivering.sandbox import NullTransport
from crm_mailer.model.address import OTHER, PROVIDERS
from crm_mailer.model.campaign import Stream

ORDERS, NEWS = Stream.TRANSACTIONAL, Stream.MARKETING
LANES = [Lane(provider, stream) for provider in (*PROVIDERS, OTHER) for stream in Stream]


def outlet(name: str, *, streams: str = "", providers: str = "", rank: int = 0) -> Outlet:
    return Outlet(
        name=name,
        transport=NullTransport(),
        streams=frozenset(Stream(one) for one in streams.split()),
        providers=frozenset(providers.split()),
        rank=rank,
    )


def names(ways: Ways, lane: Lane) -> list[str]:
    return [one.name for one in ways.routes(lane)]


def test_one_account_takes_every_mail() -> None:
    ways = Ways(outlets=[outlet("smtp")])
    assert all(names(ways, lane) == ["smtp"] for lane in LANES)


def test_the_account_that_was_made_for_a_mail_goes_first() -> None:
    ways = Ways(
        outlets=[
            outlet("all"),
            outlet("news", streams="marketing"),
            outlet("gmail", providers="gmail"),
            outlet("gmail-news", streams="marketing", providers="gmail yahoo"),
        ]
    )
    assert names(ways, Lane("gmail", NEWS)) == ["gmail-news", "gmail", "news", "all"]
    assert names(ways, Lane("gmail", ORDERS)) == ["gmail", "all"]
    assert names(ways, Lane("yahoo", NEWS)) == ["gmail-news", "news", "all"]
    assert names(ways, Lane("other", NEWS)) == ["news", "all"]
    assert names(ways, Lane("other", ORDERS)) == ["all"]


def test_an_account_for_one_stream_never_takes_the_other() -> None:
    ways = Ways(outlets=[outlet("orders", streams="transactional"), outlet("all")])
    assert names(ways, Lane("qq", NEWS)) == ["all"]
    assert names(ways, Lane("qq", ORDERS)) == ["orders", "all"]


def test_of_equals_the_lower_rank_goes_first_then_the_name() -> None:
    ways = Ways(
        outlets=[outlet("c", rank=1), outlet("b", rank=1), outlet("a", rank=2), outlet("d")]
    )
    assert names(ways, Lane("icloud", NEWS)) == ["d", "b", "c", "a"]


def test_a_rank_never_beats_what_an_account_was_made_for() -> None:
    ways = Ways(outlets=[outlet("all", rank=0), outlet("gmail", providers="gmail", rank=1000)])
    assert names(ways, Lane("gmail", NEWS)) == ["gmail", "all"]


def test_a_mail_that_no_account_takes_has_no_route() -> None:
    ways = Ways(outlets=[outlet("gmail", providers="gmail")])
    assert ways.routes(Lane("yahoo", NEWS)) == ()


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_the_order_in_the_file_does_not_matter(lane: Lane) -> None:
    outlets = [
        outlet("a", providers="gmail qq"),
        outlet("b", streams="marketing", rank=2),
        outlet("c", streams="marketing", rank=1),
        outlet("d", rank=5),
    ]
    found = {
        tuple(names(Ways(outlets=list(order)), lane)) for order in itertools.permutations(outlets)
    }
    assert len(found) == 1
    assert "d" in found.pop()
