"""The canned replies: every one in every language, with all facts of an order and with none."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from crm_mailer.model.order import Order, OrderState
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering import check_templates, replies
from crm_mailer.rendering.replies import Filled, Known
from crm_mailer.store.bundled import bundled
from tests.templates.test_shipped_templates import KNOWN, LIBRARY, NOW, REWARDS, SHIPPED, order

MAIN, OTHERS = {"en", "ru", "es"}, {"pt", "fr", "de", "zh"}
CANNED = {name: files for name, files in LIBRARY.names.items() if name.startswith("replies/")}
EACH = [
    pytest.param(name, code, id=f"{name}.{code}")
    for name, codes in CANNED.items()
    for code in codes
]
each_reply = pytest.mark.parametrize(("name", "code"), EACH)
STATES = {
    OrderState.SHIPPED: NOW - timedelta(days=9),
    OrderState.ARRIVED: NOW - timedelta(days=1),
}


def filled(name: str, code: str, *, is_full: bool, about: Order | None = None) -> Filled:
    reader = KNOWN.get(code, KNOWN["en"])._replace(language=code)
    if not is_full:
        reader = reader._replace(
            name="", given_name="", family_name="", patronymic="", street="", country=""
        )
    known = Known(order=about or order(is_full=True), states=STATES) if is_full else Known()
    keys = KeyRing(keys={1: b"k" * 32}, current=1)
    return replies.fill(LIBRARY, SHIPPED.shop, keys, name, reader, known, NOW)


def test_every_reply_is_there_in_the_main_languages_and_the_most_used_in_all() -> None:
    assert len(CANNED) >= 55
    assert all(set(codes) >= MAIN for codes in CANNED.values())
    assert sum(set(codes) >= OTHERS for codes in CANNED.values()) >= 10


def test_the_checker_finds_no_fault_in_them() -> None:
    problems = check_templates(bundled("templates"), {})

    assert [str(one) for one in problems if "/replies/" in one.file] == []


@each_reply
@pytest.mark.parametrize("is_full", [True, False])
def test_a_reply_reads_well(name: str, code: str, is_full: bool) -> None:
    draft = filled(name, code, is_full=is_full)

    assert draft.language.code == code
    assert 100 <= len(draft.text) * (3 if code == "zh" else 1) <= 1_700
    assert 5 <= len(draft.subject) * (3 if code == "zh" else 1) <= 180
    for text in (draft.subject, draft.text):
        for odd in ("None", "{{", "{%", "г..", "..", "  ", ", ,", "()", " )", "—"):
            assert odd not in text, (odd, text)
        assert not re.search(r" [.,]" if code != "fr" else r" [.,](?!\w)", text), text
    assert SHIPPED.shop.name in draft.text.splitlines()[-1]


@each_reply
def test_an_order_that_is_not_known_leaves_no_hole(name: str, code: str) -> None:
    text = filled(name, code, is_full=False).text

    asks = LIBRARY.names[name][code].read_text(encoding="utf-8").count("reply-order-number")
    assert "0.00" not in text
    assert asks <= 1
    assert not re.search(r"(?:order|заказ|pedido|commande|Bestellung)\s*:?\s*\d", text)


@pytest.mark.parametrize("name", sorted(CANNED))
def test_a_reply_leaves_the_same_blanks_in_every_language(name: str) -> None:
    found = {
        tuple(sorted(re.findall(r"\[\[.+?\]\]", path.read_text(encoding="utf-8"))))
        for path in CANNED[name].values()
    }

    assert len(found) == 1


@pytest.mark.parametrize("name", sorted(CANNED))
def test_a_reply_tells_the_same_facts_in_every_language(name: str) -> None:
    found = {
        tuple(sorted(re.findall(r"\{%.+?%\}|\{\{.+?\}\}|reply-\w+", path.read_text("utf-8"))))
        for path in CANNED[name].values()
    }

    assert len(found) == 1


@pytest.mark.parametrize("code", sorted(MAIN))
@pytest.mark.parametrize("name", ["replies/threat-review", "replies/review", "replies/praise"])
def test_nothing_is_offered_for_a_review(name: str, code: str) -> None:
    assert not REWARDS.search(CANNED[name][code].read_text(encoding="utf-8"))


def test_the_goods_are_named_where_there_is_one_kind_only() -> None:
    two = order(is_full=True)
    one = replace(two, items=two.items[:1])

    assert (
        "White <b>heart</b> & co"
        in filled("replies/nad-quality", "en", is_full=True, about=one).text
    )
    assert "heart" not in filled("replies/nad-quality", "en", is_full=True, about=two).text
