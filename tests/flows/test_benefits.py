"""Birthday free shipping, from the YAML file to the order that used it, by the commands."""

from __future__ import annotations

import re

import pytest

from tests.flows.conftest import SmallShop, order, text_of

ANNA, BORIS = "anna@example.com", "boris@example.com"
BENEFITS = """benefits:
  - id: birthday-free-shipping
    kind: free_shipping
    title: {en: Free shipping on your next order, ru: Бесплатная доставка следующего заказа}
    codes: {pattern: "BDAY-{8}"}
    valid_for: 30d
    limit: {per_customer: 1, per: 330d}
    cost: 4.50
"""
CODE = re.compile(r"BDAY-[A-Z2-9]{8}")


def gives(shop: SmallShop, benefits: str = BENEFITS) -> None:
    """The birthday mail gives free shipping."""
    (shop.home / "campaigns" / "benefits.yaml").write_text(benefits, encoding="utf-8")
    path = shop.home / "campaigns" / "lifecycle" / "birthday.yaml"
    text = path.read_text(encoding="utf-8").replace("    # benefit: birth", "    benefit: birth")
    path.write_text(text, encoding="utf-8")
    shop.goes_live("birthday")


def has_birthdays(shop: SmallShop) -> None:
    """Anna and Boris bought some time ago; tomorrow is their birthday."""
    shop.imports(
        order("A1", ANNA, placed_at="2026-09-01T09:00:00Z", birthday="1990-11-03"),
        order("A2", BORIS, "Борис Орлов", placed_at="2026-09-01T09:00:00Z", birthday="--11-03",
              language="ru"),
    )  # fmt: skip


def buys(shop: SmallShop, number: str, address: str, code: str, **facts: str) -> None:
    placed = f"{shop.now:%FT%TZ}"
    shop.imports(order(number, address, placed_at=placed, coupon=code, **facts))


def figures(shop: SmallShop) -> dict[str, int]:
    [line] = shop.told("benefit", "list")
    found: dict[str, int] = line["figures"]
    return found


def test_birthday_free_shipping_from_the_file_to_the_order(shop: SmallShop) -> None:
    gives(shop)
    has_birthdays(shop)
    assert shop.run("apply").exit_code == 0
    assert figures(shop)["granted"] == 0  # planning gives nothing

    shop.later(days=1)
    assert shop.run("send").exit_code == 0
    to_anna, to_boris = (text_of(shop.mails_to(one)[0]) for one in (ANNA, BORIS))
    [code], [other] = set(CODE.findall(to_anna)), set(CODE.findall(to_boris))
    assert code != other
    assert "Free shipping on your next order" in to_anna
    assert "3 December 2026" in to_anna
    assert "Бесплатная доставка" in to_boris
    assert "3 декабря 2026" in to_boris

    [number] = [one["id"] for one in shop.told("outbox", "list") if one["address"] == ANNA]
    shop.later(days=10)
    recipe = shop.told("outbox", "show", str(number), "--recipe")
    assert (recipe["fields"]["benefit.code"], recipe["differences"]) == (code, [])
    buys(shop, "B1", ANNA, code.lower(), shipping_fee="0.00")
    buys(shop, "B2", ANNA, f"SUMMER, {code}")  # a second time
    buys(shop, "B3", ANNA, other)  # somebody else's
    shop.later(days=40)
    buys(shop, "B4", BORIS, other)  # too late

    view = shop.told("benefit", "show", "birthday-free-shipping")
    assert (view["line"]["figures"]["granted"], view["line"]["figures"]["redeemed"]) == (2, 1)
    assert view["line"]["cost_cents"] == 450
    assert [(one["order_number"], one["use"], one["given_to"]) for one in view["uses"]] == [
        ("B4", "expired", ""),
        ("B3", "other_customer", BORIS),
        ("B2", "again", ""),
        ("B1", "redeemed", ""),
    ]
    told = shop.run("customer", "show", ANNA).output
    assert code in told
    assert "used" in told
    results = shop.told("campaign", "results", "birthday")
    assert results["benefits"] == {"birthday-free-shipping": [2, 1]}
    assert "2 given, 1 used" in shop.run("campaign", "results", "birthday").output


def test_a_benefit_that_must_be_allowed_waits_for_a_persons_word(shop: SmallShop) -> None:
    gives(shop, BENEFITS + "    approval: required\n")
    has_birthdays(shop)
    assert shop.run("apply").exit_code == 0
    assert {fate[1:] for who in (ANNA, BORIS) for fate in shop.fates(who)} == {("held", "")}
    [task] = shop.told("case", "tasks")
    assert task["kind"] == "approve_benefit"
    waiting = shop.told("benefit", "show", "birthday-free-shipping")["asking"]
    assert [one["email"] for one in waiting] == [ANNA, BORIS]

    name = "birthday-free-shipping"
    assert shop.run("benefit", "approve", name, ANNA, "--by", "Lin").exit_code == 0
    assert shop.run("benefit", "deny", name, BORIS, "--why", "sent two back").exit_code == 0
    shop.later(days=1)
    assert shop.run("send").exit_code == 0

    [mail] = shop.mails_to(ANNA)
    assert CODE.search(text_of(mail))
    assert shop.mails_to(BORIS) == []
    assert shop.fates(BORIS) == [("wish", "skipped", "benefit_denied")]
    assert "sent two back" in shop.run("benefit", "show", name).output


@pytest.mark.parametrize("mode", ["live", "manual"])
def test_a_release_keeps_what_must_be_allowed_and_says_so(shop: SmallShop, mode: str) -> None:
    gives(shop, BENEFITS + "    approval: required\n")
    path = shop.home / "campaigns" / "lifecycle" / "birthday.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("mode: live", f"mode: {mode}"))
    has_birthdays(shop)
    assert shop.run("apply").exit_code == 0

    released = shop.run("campaign", "release", "birthday")

    assert released.exit_code == 0
    assert "0 mails of birthday may leave when due" in released.stderr
    assert "2 mails go once their benefit is allowed" in released.stderr
    assert "`crm-mailer benefit show birthday-free-shipping`" in released.stderr
    assert {fate[1:] for who in (ANNA, BORIS) for fate in shop.fates(who)} == {("held", "")}
    shop.later(days=1)
    assert shop.run("send").exit_code == 0
    assert shop.sink.letters == []

    approved = shop.run("benefit", "approve", "birthday-free-shipping", ANNA)
    assert approved.exit_code == 0
    assert shop.run("send").exit_code == 0
    assert len(shop.mails_to(ANNA)) == 1  # it was released before, so that word was all it needed
    assert shop.mails_to(BORIS) == []
