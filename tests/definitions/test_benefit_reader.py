from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from crm_mailer.definitions.benefit_reader import read_benefits
from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.problems import Problem
from crm_mailer.model.benefit import Benefit, BenefitKind, CodeSource, OnEmpty, Proof
from crm_mailer.model.shop import Shop
from crm_mailer.store.bundled import bundled

BEGIN = "benefits:\n  - id: gift\n    kind: coupon\n    title: {en: A gift}\n"
SHOP = Shop(name="Lotus", postal_address="1 Lake Road", sender="a@lotus.example")


def read(tmp_path: Path, text: str) -> tuple[dict[str, Benefit], list[Problem]]:
    path = tmp_path / "benefits.yaml"
    path.write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    return read_benefits(path, problems, "campaigns/benefits.yaml"), problems


def test_a_benefit_says_what_is_given_and_within_which_limits(tmp_path: Path) -> None:
    found, problems = read(
        tmp_path,
        """benefits:
  - id: birthday
    kind: free_shipping
    title: {en: Free shipping, ru: Бесплатная доставка}
    codes: {pattern: "BDAY-{8}"}
    valid_for: 2w
    limit: {total: 500, per_customer: 1, per: 365d}
    approval: required
    on_empty: send_without
    redeemed_by: [code, free_shipping]
    cost: 4.50
""",
    )

    assert problems == []
    assert found["birthday"] == Benefit(
        id="birthday",
        kind=BenefitKind.FREE_SHIPPING,
        title={"en": "Free shipping", "ru": "Бесплатная доставка"},
        source=CodeSource.PATTERN,
        code="BDAY-{8}",
        valid_for=timedelta(days=14),
        total=500,
        per_customer=1,
        per=timedelta(days=365),
        needs_approval=True,
        on_empty=OnEmpty.SEND_WITHOUT,
        proofs=frozenset({Proof.CODE, Proof.FREE_SHIPPING}),
        cost_cents=450,
    )


def test_where_codes_come_from(tmp_path: Path) -> None:
    sources = {
        "    codes: pool\n": (CodeSource.POOL, ""),
        "    code: WELCOME10\n": (CodeSource.SHARED, "WELCOME10"),
        '    codes: {pattern: "G{6}"}\n': (CodeSource.PATTERN, "G{6}"),
    }
    for text, expected in sources.items():
        found, problems = read(tmp_path, BEGIN + text)
        assert (found["gift"].source, found["gift"].code, problems) == (*expected, [])


@pytest.mark.parametrize("text", ["", "# nothing\n", "benefits: []\n"])
def test_a_shop_may_give_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == ({}, [])
    assert read_benefits(tmp_path / "missing.yaml", []) == {}


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("    codes: all\n", "CRM190", "`codes` is pool or {pattern: ...}"),
        ('    codes: {pattern: "G{3}"}\n', "CRM190", "3 letters to chance"),
        ('    codes: {pattern: "GIFT"}\n', "CRM190", "no place for chance"),
        ("    codes: {patern: x}\n", "CRM104", "unknown key `patern`"),
        ("    code: a b\n", "CRM190", "`a b` is no code"),
        ("    code: X\n    codes: pool\n", "CRM190", "only one of them"),
        ("    codes: pool\n    limit: {per: 30d}\n", "CRM190", "`per_customer` counts"),
        ("    codes: pool\n    limit: {total: 0}\n", "CRM107", "at least 1"),
        ("    codes: pool\n    redeemed_by: [free_shipping]\n", "CRM190", "does not show"),
        ("    redeemed_by: [code]\n", "CRM190", "no code that an order could show"),
        ("    codes: pool\n    redeemed_by: [hand]\n", "CRM107", "`hand` is not known"),
        ("    codes: pool\n    valid_for: soon\n", "CRM110", "`soon` is no duration"),
        ("    codes: pool\n    approval: maybe\n", "CRM107", "`maybe` is not known"),
        ("    codes: pool\n    prize: 3\n", "CRM104", "unknown key `prize`"),
    ],
)
def test_a_wrong_benefit_is_named_with_its_place(
    tmp_path: Path, text: str, code: str, message: str
) -> None:
    found, problems = read(tmp_path, BEGIN + text)

    assert found == {}
    assert [one.code for one in problems if message in one.message] == [code]
    assert all(one.file == "campaigns/benefits.yaml" and one.line > 1 for one in problems)


def test_two_benefits_may_not_share_an_id_or_a_code(tmp_path: Path) -> None:
    two = "    code: SAVE\n  - {id: gift, kind: gift, title: {en: B}, code: SAVE2}\n"
    three = "  - {id: other, kind: gift, title: {en: C}, code: save}\n"

    found, problems = read(tmp_path, BEGIN + two + three)

    assert list(found) == ["gift"]
    assert [(one.code, one.line) for one in problems] == [("CRM118", 6), ("CRM190", 7)]


def test_a_benefit_that_no_order_can_show_is_warned_of(tmp_path: Path) -> None:
    found, problems = read(tmp_path, BEGIN)

    assert list(found) == ["gift"]
    assert [(one.code, one.is_error) for one in problems] == [("CRM190", False)]


def test_the_starter_benefits_are_right(tmp_path: Path) -> None:
    problems: list[Problem] = []

    found = read_benefits(bundled("campaigns") / "benefits.yaml", problems)

    assert (len(found), problems) == (3, [])


# ------------------------------------------------------------------ campaigns that name one

CAMPAIGN = """id: wish
name: Wish
anchor: {birthday: {days_before: 0}}
steps:
  - {id: first, template: care/birthday, after: 0d}
  - {id: second, template: care/birthday, after: 1d}
"""


def campaign(tmp_path: Path, text: str) -> tuple[dict[str, str], list[Problem]]:
    gifts, _problems = read(tmp_path, BEGIN + "    codes: pool\n" + "  - {id: other, kind: gift, "
                            "title: {en: B}, code: B}\n")  # fmt: skip
    known = Known(shop=SHOP, templates={"care/birthday": ("en",)}, benefits=gifts)
    path = tmp_path / "wish.yaml"
    path.write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    found = read_campaign(path, known, problems)
    steps = found.steps if found else ()
    return {one.id: one.benefit.id if one.benefit else "" for one in steps}, problems


def test_steps_give_what_their_campaign_gives_unless_they_say_otherwise(tmp_path: Path) -> None:
    own = CAMPAIGN.replace("after: 1d}", "after: 1d, benefit: other}")

    assert campaign(tmp_path, CAMPAIGN)[0] == {"first": "", "second": ""}
    assert campaign(tmp_path, "benefit: gift\n" + CAMPAIGN)[0] == {
        "first": "gift",
        "second": "gift",
    }
    assert campaign(tmp_path, "benefit: gift\n" + own)[0] == {"first": "gift", "second": "other"}


def test_a_benefit_that_there_is_not_is_named_with_the_nearest(tmp_path: Path) -> None:
    _steps, [problem] = campaign(tmp_path, "benefit: gifts\n" + CAMPAIGN)

    assert (problem.code, problem.line, problem.help) == ("CRM191", 1, "did you mean `gift`?")


def test_order_mail_gives_nothing(tmp_path: Path) -> None:
    order = CAMPAIGN.replace("{birthday: {days_before: 0}}", "{order: shipped}")

    _steps, problems = campaign(tmp_path, "stream: transactional\nbenefit: gift\n" + order)

    assert "CRM192" in [one.code for one in problems]
