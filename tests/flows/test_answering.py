"""An unhappy answer to a campaign, and what an agent writes back: in one thread, over real SMTP."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from python_calamine import CalamineWorkbook

from tests.flows.conftest import SmallShop, answer, bounce, order, parsed, text_of

ANNA = "anna@example.ru"
CARE = "care@lotus-shop.example"
GONE = "посылка не пришла, верните деньги"
LATEST, DATE = "покинула страну отправления 14 июля", "20 ноября"


def parcel(number: str = "A1") -> dict[str, str]:
    return order(
        number, ANNA, name="Анна Петрова", language="ru", country="RU",
        placed_at="2026-07-01T08:00:00Z", paid_at="2026-07-01T09:00:00Z",
        shipped_at="2026-07-05T09:00:00Z", carrier="Cainiao", tracking_number="LP00123456789CN",
        tracking_url="https://track.example/LP00123456789CN",
    )  # fmt: skip


def win_back(shop: SmallShop) -> EmailMessage:
    """The shop's first win-back mail to Anna."""
    shop.goes_live("win-back")
    shop.imports(parcel())
    assert shop.run("segment", "run").exit_code == 0
    shop.works()
    shop.later(days=4)
    shop.works()
    [mail] = shop.mails_to(ANNA)
    return mail


@pytest.fixture
def asked(shop: SmallShop) -> EmailMessage:
    """Anna's answer to the win-back mail, as the shop's mailbox got it."""
    letter = answer(win_back(shop), GONE, sender=ANNA)
    shop.gets(letter)
    shop.listens()
    return parsed(letter)


def reply(shop: SmallShop, *more: str) -> str:
    done = shop.run("case", "reply", "1", "--set", f"1={LATEST}", "--set", f"date={DATE}", *more)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.usefixtures("asked")
def test_an_unhappy_answer_to_a_win_back_mail_has_a_draft_in_its_language_with_the_facts(
    shop: SmallShop,
) -> None:
    [case] = shop.told("case", "list")
    draft = shop.told("case", "reply", "1")

    assert (case["severity"], case["reason"]) == ("P2", "nr.in_transit")
    assert case["due_at"] > shop.now.isoformat()
    assert (draft["language"], draft["template"]) == ("ru", "replies/nr-in-transit")
    assert draft["subject"].startswith("Re: ")
    for fact in ("Анна", "A1", "LP00123456789CN", "5 июля", "вернуть деньги"):
        assert fact in draft["text"], fact
    assert draft["blanks"] == ["latest tracking entry and its date", "date"]


@pytest.mark.usefixtures("asked")
def test_marketing_waits_while_the_answer_is_owed_and_after_it(shop: SmallShop) -> None:
    reply(shop, "--send")
    shop.later(days=7)
    shop.works()

    assert [mail["Subject"][:4] for mail in shop.mails_to(ANNA)[1:]] == ["Re: "]


@pytest.mark.usefixtures("asked")
def test_the_complaint_stands_in_the_excel_report_with_its_words(shop: SmallShop) -> None:
    file = shop.home / "complaints.xlsx"

    done = shop.run("report", "complaints", "--xlsx", str(file))

    assert done.exit_code == 0, done.output
    book = CalamineWorkbook.from_path(str(file))
    rows = [row for name in book.sheet_names for row in book.get_sheet_by_name(name).to_python()]
    [row] = [row for row in rows if any(GONE in str(cell) for cell in row)]
    assert {"win-back", "RU"} <= {str(cell) for cell in row}
    assert any("not received" in str(cell) for cell in row)


def test_the_answer_arrives_in_the_customers_thread(shop: SmallShop, asked: EmailMessage) -> None:
    reply(shop, "--send", "--by", "lin")
    assert shop.run("send").exit_code == 0

    first, written = shop.mails_to(ANNA)
    assert written["In-Reply-To"] == asked["Message-ID"]
    assert written["References"].split() == [first["Message-ID"], asked["Message-ID"]]
    assert written["Subject"] == asked["Subject"]
    assert written["Reply-To"] == CARE
    assert written["List-Unsubscribe"] is written["Auto-Submitted"] is None
    assert LATEST in text_of(written)
    body = written.get_body(("html",))
    assert body is not None
    assert '<a href="https://track.example/LP00123456789CN">' in body.get_content()
    [case] = shop.told("case", "list")
    assert case["state"] == "waiting_customer"
    assert ("reply", "accepted", "") in shop.fates(ANNA)


@pytest.mark.usefixtures("asked")
def test_a_second_press_sends_nothing_and_a_second_letter_is_answered_in_the_same_thread(
    shop: SmallShop,
) -> None:
    reply(shop, "--send")
    pressed = shop.run("case", "reply", "1", "--set", "1=a", "--set", "2=b", "--send")
    shop.run("send")
    [_first, ours] = shop.mails_to(ANNA)
    again = parsed(answer(ours, "Хорошо, верните деньги, посылка так и не пришла", sender=ANNA))
    shop.gets(again.as_bytes())
    shop.listens()
    reply(shop, "--send")
    shop.run("send")

    assert pressed.exit_code == 2
    assert "answered already" in str(pressed.exception)
    last = shop.mails_to(ANNA)[-1]
    assert len(shop.mails_to(ANNA)) == 3
    assert last["References"].split()[-2:] == [ours["Message-ID"], again["Message-ID"]]
    assert last["References"].split()[0] == shop.mails_to(ANNA)[0]["Message-ID"]


@pytest.mark.usefixtures("asked")
def test_an_answer_that_comes_back_makes_the_case_ours_again_once(shop: SmallShop) -> None:
    reply(shop, "--send")
    shop.run("send")
    letter = shop.sink.letters[-1]
    shop.gets(bounce(shop.mails_to(ANNA)[-1], letter))
    shop.listens()
    shop.listens()

    [case] = shop.told("case", "list")
    shown = shop.run("case", "show", "1").output
    refused = shop.run("case", "reply", "1", "--again", "--set", "1=a", "--set", "2=b", "--send")
    assert case["state"] == "open"
    assert shown.count("did not get through") == 1
    assert "dead" in str(refused.exception)
