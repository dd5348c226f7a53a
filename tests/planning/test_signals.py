from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_network

import pytest

from crm_mailer.model.curve import Signal
from crm_mailer.planning.signals import Hit, judge
from tests.planning.people import NOON

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
SECOND = timedelta(seconds=1)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def kinds(*hits: Hit, links: int = 5, ordered_at: datetime | None = None) -> set[Signal]:
    found = judge(
        hits,
        delivered_at=NOON,
        links=links,
        ordered_at=ordered_at,
        prefetchers=[ip_network("17.0.0.0/8"), ip_network("2a02:26f7::/32")],
    )
    return {one.kind for one in found}


@pytest.mark.parametrize(
    ("hit", "kind"),
    [
        (Hit(at=at(60), agent=CHROME), Signal.HUMAN_OPEN),
        (Hit(at=at(60), agent=GMAIL, address="66.249.84.1"), Signal.HUMAN_OPEN),
        (Hit(at=at(60), agent="Mozilla/5.0"), Signal.MACHINE_OPEN),
        (Hit(at=at(60), agent=CHROME, address="17.58.1.2"), Signal.MACHINE_OPEN),
        (Hit(at=at(60), agent=CHROME, address="2a02:26f7::1"), Signal.MACHINE_OPEN),
        (Hit(at=at(60), agent=CHROME, address="no address"), Signal.HUMAN_OPEN),
        (Hit(at=at(60), agent="Barracuda Sentinel"), Signal.MACHINE_OPEN),
        (Hit(at=at(60), link="/shop", agent=CHROME), Signal.CLICK),
        (Hit(at=at(9), link="/shop", agent=CHROME), Signal.MACHINE_OPEN),
        (Hit(at=at(60), link="/shop", agent=CHROME, method="HEAD"), Signal.MACHINE_OPEN),
        (Hit(at=at(60), link="/shop", agent="python-requests/2.32"), Signal.MACHINE_OPEN),
        (Hit(at=at(60), link="/x", agent=CHROME, is_hidden=True), Signal.MACHINE_OPEN),
    ],
)
def test_people_are_told_from_machines(hit: Hit, kind: Signal) -> None:
    assert kinds(hit) == {kind}


def test_three_links_within_two_seconds_are_a_scanners() -> None:
    burst = [Hit(at=at(60 + n), link=f"/{n}", agent=CHROME, address="1.2.3.4") for n in range(3)]
    slow = [Hit(at=at(60 + 5 * n), link=f"/{n}", agent=CHROME) for n in range(3)]

    assert kinds(*burst) == {Signal.MACHINE_OPEN}
    assert kinds(*slow) == {Signal.CLICK}


def test_all_links_at_once_are_a_scanners_where_there_are_two() -> None:
    both = [Hit(at=at(60), link=link, agent=CHROME, address="1.2.3.4") for link in "ab"]

    assert kinds(*both, links=2) == {Signal.MACHINE_OPEN}
    assert kinds(both[0], links=1) == {Signal.CLICK}


def test_a_person_who_clicks_after_a_scanner_is_heard() -> None:
    scanner = [Hit(at=at(3), link=f"/{n}", agent=CHROME, address="1.2.3.4") for n in range(5)]
    person = Hit(at=at(3600), link="/2", agent=CHROME, address="5.6.7.8")

    found = judge([*scanner, person], delivered_at=NOON, links=5)

    assert [(one.kind, one.at) for one in found] == [
        (Signal.MACHINE_OPEN, at(3)), (Signal.CLICK, at(3600))]  # fmt: skip


def test_a_click_that_an_order_follows_was_a_persons() -> None:
    hit = Hit(at=at(5), link="/shop", agent=CHROME)

    assert kinds(hit, ordered_at=at(600)) == {Signal.CLICK}
    assert kinds(hit, ordered_at=at(1)) == {Signal.MACHINE_OPEN}


def test_each_kind_counts_once_with_its_first_moment() -> None:
    hits = [Hit(at=at(n), agent=CHROME) for n in (300, 100, 200)]

    assert [one.at for one in judge(hits, delivered_at=NOON, links=0)] == [at(100)]
    assert judge([], delivered_at=NOON, links=0) == []
