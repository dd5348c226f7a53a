"""From an export to a mail, and from its answer to a case: every room by its command."""

from __future__ import annotations

from dataclasses import replace

from tests.flows.conftest import BROKEN, CARE, SmallShop, answer, bounce, order, text_of

ANNA = "anna@example.com"
BORIS = "boris@example.com"
PAID = {"placed_at": "2026-10-20T08:00:00Z", "paid_at": "2026-10-20T09:00:00Z"}
ARRIVED = {"shipped_at": "2026-10-25T09:00:00Z", "arrived_at": "2026-11-02T09:45:00Z"}


def unpaid(number: str, address: str, **facts: str) -> dict[str, str]:
    return order(number, address, state="placed", **facts)


def arrived(number: str, address: str, **facts: str) -> dict[str, str]:
    return order(number, address, **PAID, **ARRIVED, **facts)


def test_an_unpaid_order_is_reminded_in_its_buyers_language(shop: SmallShop) -> None:
    shop.goes_live("payment-reminder")
    shop.imports(unpaid("A1", ANNA), unpaid("A2", BORIS, customer_name="Борис", language="ru"))

    shop.works()

    [to_anna], [to_boris] = shop.mails_to(ANNA), shop.mails_to(BORIS)
    assert "A1" in to_anna["Subject"]
    assert "Борис" in text_of(to_boris)
    assert to_anna["Reply-To"] == CARE
    assert to_anna["List-Unsubscribe"] is None
    assert {letter.mail_from.partition("@")[2] for letter in shop.sink.letters} == {
        "bounce.lotus-shop.example"
    }


def test_a_payment_that_a_second_import_tells_of_ends_the_reminders(shop: SmallShop) -> None:
    shop.goes_live("payment-reminder")
    shop.imports(unpaid("A1", ANNA), unpaid("A2", BORIS))
    shop.works()

    shop.later(hours=2)
    counts = shop.imports(order("A1", ANNA, paid_at="2026-11-02T11:00:00Z"), unpaid("A2", BORIS))
    shop.later(hours=10)
    shop.works()

    assert (counts["orders_changed"], counts["orders_unchanged"]) == (1, 1)
    assert shop.fates(ANNA) == [("first", "accepted", ""), ("last", "skipped", "exited")]
    assert [len(shop.mails_to(one)) for one in (ANNA, BORIS)] == [1, 2]


def test_a_complaint_becomes_a_case_that_ends_what_its_campaign_says(shop: SmallShop) -> None:
    shop.goes_live("post-purchase-care")
    shop.imports(arrived("A1", ANNA), arrived("A2", BORIS))
    shop.works()
    shop.later(days=1)
    shop.works()
    [care] = shop.mails_to(ANNA)

    shop.gets(answer(care, BROKEN, sender=ANNA))
    shop.listens()
    shop.later(days=1)
    shop.works()

    [case] = shop.told("case", "list")
    assert (case["reason"], case["customer"]) == ("nad.damaged", "Anna Lee")
    assert case["order_number"] == "A1"
    assert [len(shop.mails_to(one)) for one in (ANNA, BORIS)] == [1, 2]
    assert shop.fates(ANNA)[1] == ("tip", "skipped", "case_open")


def test_marketing_waits_until_the_case_is_closed(shop: SmallShop) -> None:
    shop.goes_live("post-purchase-care")
    path = shop.home / "campaigns" / "lifecycle" / "post-purchase-care.yaml"
    path.write_text(path.read_text("utf-8").replace(", case.open]", "]"), encoding="utf-8")
    shop.imports(arrived("A1", ANNA))
    shop.later(days=1)
    shop.works()
    shop.gets(answer(shop.mails_to(ANNA)[0], BROKEN, sender=ANNA))
    shop.listens()
    shop.imports(arrived("A2", ANNA))

    shop.later(days=1)
    shop.works()
    fates = shop.fates(ANNA)
    assert shop.run("case", "close", "1", "--resolved", "--by", "Lin").exit_code == 0
    shop.later(hours=7)
    shop.works()

    of_the_broken_order, of_the_other = fates[1], fates[-4]
    assert of_the_broken_order == ("tip", "skipped", "case_open")
    assert of_the_other == ("tip", "planned", "case_open")
    assert len(shop.mails_to(ANNA)) == 2
    assert shop.fates(ANNA)[-4] == ("tip", "accepted", "")


def test_a_wish_for_no_more_mail_is_kept_by_the_next_plan(shop: SmallShop) -> None:
    shop.goes_live("post-purchase-care", "shipped")
    shop.imports(arrived("A1", ANNA))
    shop.later(days=1)
    shop.works()
    [care] = shop.mails_to(ANNA)

    shop.gets(answer(care, "unsubscribe", sender=ANNA))
    shop.listens()
    shop.later(days=1)
    shop.imports(arrived("A1", ANNA), order("A3", ANNA, shipped_at="2026-11-04T09:50:00Z"))
    shop.works()

    shipped, marketing = shop.mails_to(ANNA)[1:], shop.fates(ANNA)[1:5]
    assert {(state, reason) for _step, state, reason in marketing[:1]} == {
        ("skipped", "unsubscribed")
    }
    assert [mail["Subject"] for mail in shipped if "A3" in mail["Subject"]]
    assert len(shipped) == 1


def test_an_address_that_bounces_gets_no_mail_of_any_kind(shop: SmallShop) -> None:
    shop.goes_live("payment-reminder")
    shop.imports(unpaid("A1", ANNA))
    shop.works()
    [reminder], [letter] = shop.mails_to(ANNA), shop.sink.letters

    shop.gets(bounce(reminder, letter))
    shop.listens()
    shop.later(hours=12)
    shop.works()

    assert shop.fates(ANNA) == [("first", "accepted", ""), ("last", "skipped", "hard_bounce")]
    assert len(shop.sink.letters) == 1
    assert shop.told("outbox", "show", "1")["bounces"][0]["status"] == "5.1.1"


def test_a_forged_bounce_of_an_address_that_had_no_mail_changes_nothing(shop: SmallShop) -> None:
    shop.goes_live("payment-reminder")
    shop.imports(unpaid("A1", ANNA), order("A2", BORIS, **PAID))
    shop.works()
    [reminder], [letter] = shop.mails_to(ANNA), shop.sink.letters
    sender = f"b-{'a' * 15}.{'b' * 16}@bounce.lotus-shop.example"
    del reminder["Message-ID"]

    shop.gets(bounce(reminder, replace(letter, mail_from=sender, rcpt_to=BORIS)))
    shop.listens()
    shop.imports(unpaid("A3", BORIS))
    shop.works()

    assert shop.told("status")["figures"]["suppressions"] == 0
    assert len(shop.mails_to(BORIS)) == 1


def test_nothing_happens_twice_when_every_command_is_run_again(shop: SmallShop) -> None:
    shop.goes_live("payment-reminder", "post-purchase-care", "shipped", "welcome")
    orders = (unpaid("A1", ANNA), arrived("A2", BORIS), arrived("A3", "cara@example.com"))
    shop.imports(*orders)
    shop.later(days=1)
    shop.works()
    care = shop.mails_to(BORIS)[-1]
    shop.gets(answer(care, BROKEN, sender=BORIS))
    shop.works()
    shop.works()
    before = summary(shop)

    counts = shop.imports(*orders)
    shop.gets(answer(care, BROKEN, sender=BORIS))
    shop.works()
    shop.works()

    assert counts["orders_unchanged"] == 3
    assert summary(shop) == before
    assert before["cases"] == 1


def summary(shop: SmallShop) -> dict[str, object]:
    return {
        "mails": sorted(shop.sink.recipients),
        "cases": len(shop.told("case", "list")),
        "touches": shop.told("outbox", "audit")["states"],
        "suppressed": shop.told("status")["figures"]["suppressions"],
    }
