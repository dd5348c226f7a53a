from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_mailer.app import App
from crm_mailer.app import cases as verbs
from crm_mailer.model.moment import at_local
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import suppressions
from crm_mailer.store import tables as t
from tests.cli.conftest import Run
from tests.conftest import NOON
from tests.learning.shop import SmallShop

BLANK = "new ship date"


@pytest.fixture
def shop(app: App) -> SmallShop:
    """Anna complains about order A-1 (case 1) and asks when A-2 ships (task 1)."""
    shop = SmallShop(app.store)
    shop.reached(shop.order, "shipped", days_ago=9)
    shop.reached(shop.order, "arrived", days_ago=1)
    shop.wrote(
        "complaint", "nad.damaged", own_text="It came in pieces!", asks="refund", language="en",
        subject="Re: Your parcel", message_id="a1@mail.example", severity="P2",
    )  # fmt: skip
    second = shop.new_order("A-2", shop.anna)
    shop.wrote("question", "ask.hurry", own_text="when?", order_id=second, language="en",
               subject="A-2", message_id="a2@mail.example")  # fmt: skip
    change(shop, t.orders, second, promised_ship_at=NOON.replace(year=2096, day=9))
    verbs.learn(app)
    return shop


def change(shop: SmallShop, table: sa.Table, row: int, **values: Any) -> None:
    with shop.store.write() as connection:
        connection.execute(table.update().where(table.c.id == row).values(**values))


def told(run: Run, *arguments: str, input: str | None = None) -> Any:
    result = run(*arguments, "--json", input=input)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


def outbox(shop: SmallShop) -> list[Any]:
    with shop.store.read() as connection:
        return list(connection.execute(sa.select(t.agent_replies)))


@pytest.mark.usefixtures("shop")
def test_a_draft_is_shown_with_the_reason_for_it_and_nothing_is_sent(
    run: Run, shop: SmallShop
) -> None:
    shown = run("case", "reply", "1").stdout

    assert "Re: Your parcel" in shown
    assert "replies/nad-damaged" in shown
    assert "your order A-1 arrived damaged" in shown
    assert outbox(shop) == []


@pytest.mark.usefixtures("shop")
def test_a_question_has_the_answer_that_its_order_calls_for(run: Run, shop: SmallShop) -> None:
    draft = told(run, "case", "answer", "1")

    assert draft["template"] == "replies/hurry-in-time"
    assert "we ship it by November 9, 2096" in draft["text"]
    assert draft["blanks"] == []


def test_a_day_without_an_hour_is_that_day_for_every_reader(run: Run, shop: SmallShop) -> None:
    midnight = at_local(date(2026, 8, 3), 0, 0, ZoneInfo("Asia/Shanghai"))
    change(shop, t.order_events, 1, at=midnight)
    change(shop, t.orders, 1, placed_at=midnight, expected_at=midnight)
    change(shop, t.customers, shop.anna, time_zone="America/New_York", country="US")
    template = run.home / "templates" / "replies" / "days.en.mjml"
    template.write_text(
        "<mjml><mj-head><mj-title>Days</mj-title></mj-head><mj-body><mj-section><mj-column>"
        "<mj-text>{{ vars.shipped_on }}/{{ order.placed_on }}/{{ order.expected_on }}</mj-text>"
        "</mj-column></mj-section></mj-body></mjml>"
    )

    draft = told(run, "case", "reply", "1", "--template", "days")

    assert "/".join(["August 3, 2026"] * 3) in draft["text"]


def test_an_agent_is_told_days_by_the_shops_clock(run: Run, app: App, shop: SmallShop) -> None:
    change(shop, t.order_events, 2, at=at_local(date(2026, 8, 3), 0, 0, ZoneInfo("Asia/Shanghai")))
    shop.wrote("complaint", "nr.in_transit", own_text="Where is it?", language="en")
    verbs.learn(app)

    assert "arrived on 2026-08-03" in run("case", "show", "1").stdout


def test_an_answered_question_is_a_task_done(run: Run, shop: SmallShop) -> None:
    result = run("case", "answer", "1", "--send", "--by", "lin")

    assert result.exit_code == 0
    assert "mail 1 to anna@example.com is in the outbox" in result.stderr
    assert told(run, "case", "tasks") == []
    [kept] = outbox(shop)
    assert (kept.task_id, kept.by, kept.in_reply_to) == (1, "lin", "<a2@mail.example>")


def test_a_blank_must_be_filled_before_it_may_leave(run: Run, shop: SmallShop) -> None:
    late = ("case", "answer", "1", "--template", "hurry-late")

    refused = run(*late, "--send")
    done = run(*late, "--set", f"{BLANK}=12 May", "--set", "reason=a lack of boxes", "--send")

    assert refused.exit_code == 2
    assert f"[[{BLANK}]]" in str(refused.exception)
    assert done.exit_code == 0, done.output
    [kept] = outbox(shop)
    assert "The reason is a lack of boxes" in kept.text


def test_blanks_in_ones_own_words_are_filled_in_too(run: Run, shop: SmallShop) -> None:
    draft = told(run, "case", "reply", "1", "--text", "-", "--set", "day=Monday",
                 input="Until [[day]].\n")  # fmt: skip

    assert (draft["text"], draft["blanks"]) == ("Until Monday.\n", [])


def test_a_clash_with_the_parcels_state_is_said_and_asked_about(run: Run, shop: SmallShop) -> None:
    with shop.store.write() as connection:
        connection.execute(t.order_events.delete().where(t.order_events.c.state == "arrived"))
    change(shop, t.orders, shop.order, state="shipped", expected_at=NOON.replace(year=2096))

    draft = told(run, "case", "reply", "1")

    assert draft["template"] == "replies/clash-not-arrived"
    assert "has not been delivered yet" in draft["text"]
    assert any("the facts disagree" in note for note in draft["notes"])


def test_an_agents_own_words_go_as_they_are(run: Run, shop: SmallShop, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeffSubject: About your lamp\n\nДорогая Анна!\n", encoding="utf-8")

    run("case", "reply", "1", "--text", str(path), "--send")
    piped = run("case", "answer", "1", "--text", "-", "--send", input="Soon, Anna.\n")

    assert piped.exit_code == 0, piped.output
    assert [(one.subject, one.text) for one in outbox(shop)] == [
        ("About your lamp", "Дорогая Анна!\n"),
        ("Re: A-2", "Soon, Anna.\n"),
    ]


def test_words_from_the_editor_are_kept_until_they_are_sent(
    run: Run, shop: SmallShop, shop_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = shop_home / "editor.sh"
    editor.write_text('#!/bin/sh\nprintf "Subject: Mine\\n\\nMy own words.\\n" > "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))

    shown = run("case", "reply", "1", "--edit")
    kept = (shop_home / "drafts" / "case-1.txt").read_text(encoding="utf-8")
    run("case", "reply", "1", "--edit", "--send")

    assert kept == "Subject: Mine\n\nMy own words.\n"
    assert "your words are kept" in shown.stderr
    assert not (shop_home / "drafts" / "case-1.txt").exists()
    assert [one.text for one in outbox(shop)] == ["My own words.\n"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("case", "reply", "99"), "there is no case 99"),
        (("case", "answer", "99"), "there is no task 99"),
        (("case", "reply", "1", "--template", "nad-dammaged"), "no canned reply `nad-dammaged`"),
        (("case", "reply", "1", "--set", "nothing"), "`nothing` fills in nothing"),
        (("case", "reply", "1", "--text", "-", "--send"), "the answer is empty"),
        (("case", "reply", "1", "--template", "hurry-late", "--set", "day=1"), "no blank `day`"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_what_cannot_be_is_said(run: Run, arguments: tuple[str, ...], says: str) -> None:
    result = run(*arguments, input="")

    assert result.exit_code == 2
    assert says in str(result.exception)
    assert result.exception.hint or says == "the answer is empty"  # type: ignore[union-attr]


def test_a_customer_without_an_address_is_answered_where_they_bought(
    run: Run, shop: SmallShop
) -> None:
    change(shop, t.customers, shop.anna, email=None, email_key=None)

    shown, refused = run("case", "reply", "1"), run("case", "reply", "1", "--send")

    assert "your order A-1" in shown.stdout
    assert "no mail address is known" in str(refused.exception)
    assert refused.exception.hint == "answer on shop, then `crm-mailer case note 1 TEXT --answered`"  # type: ignore[union-attr]


def test_a_dead_address_gets_nothing_and_an_opt_out_from_marketing_does_not_matter(
    run: Run, shop: SmallShop
) -> None:
    def suppress(reason: SuppressionReason) -> None:
        with shop.store.write() as connection:
            suppressions.add(connection, "anna@example.com", reason, source="test", at=NOON)

    suppress(SuppressionReason.UNSUBSCRIBED)
    sent = run("case", "reply", "1", "--send")
    suppress(SuppressionReason.HARD_BOUNCE)
    refused = run("case", "answer", "1", "--send")

    assert sent.exit_code == 0, sent.output
    assert "dead" in str(refused.exception)


def test_a_marketplaces_relay_address_is_warned_of(run: Run, shop: SmallShop) -> None:
    address = "x1@marketplace.amazon.de"
    change(shop, t.customers, shop.anna, email=address, email_key=address, address_kind="relay")

    assert any("relay" in note for note in told(run, "case", "reply", "1")["notes"])


def test_the_letters_language_is_spoken_and_another_may_be_wished(
    run: Run, shop: SmallShop
) -> None:
    change(shop, t.replies, 1, language="de")
    german, chinese = (
        told(run, "case", "reply", "1", *more) for more in ((), ("--language", "zh"))
    )
    change(shop, t.replies, 1, language="fi")
    finnish = told(run, "case", "reply", "1")

    assert "Ihre Bestellung A-1" in german["text"]
    assert "您的订单 A-1" in chinese["text"]
    assert finnish["language"] == "en"


def test_the_agent_named_signs(run: Run, shop: SmallShop) -> None:
    assert "Mei, " in told(run, "case", "reply", "1", "--sign", "Mei")["text"].splitlines()[-1]


def test_a_letter_without_an_order_takes_the_one_that_must_be_meant_or_asks(
    run: Run, shop: SmallShop
) -> None:
    change(shop, t.cases, 1, order_id=None)
    several = told(run, "case", "reply", "1")
    change(shop, t.orders, 2, state="cancelled")
    one = told(run, "case", "reply", "1")

    assert "please add its number" in several["text"]
    assert any("several" in note for note in several["notes"])
    assert "order A-1" in one["text"]
    assert any("A-1 must be meant" in note for note in one["notes"])


def test_an_older_shop_without_canned_replies_is_told_how_to_get_them(
    run: Run, shop: SmallShop, shop_home: Path
) -> None:
    for path in (shop_home / "templates" / "replies").iterdir():
        path.unlink()

    refused = run("case", "reply", "1")
    run("init", str(shop_home))

    assert "no canned replies" in str(refused.exception)
    assert run("case", "reply", "1").exit_code == 0


def test_the_canned_replies_are_listed_with_what_they_are_for(run: Run, shop: SmallShop) -> None:
    listed = {one["name"]: one for one in told(run, "case", "templates")}

    assert "nad.damaged" in listed["replies/nad-damaged"]["codes"]
    assert "ask.hurry" in listed["replies/hurry-late"]["codes"]
    assert set(listed["replies/hurry-late"]["languages"]) >= {"en", "ru", "es", "de", "zh"}


def test_the_outbox_tells_of_an_answer_before_and_after_it_left(run: Run, shop: SmallShop) -> None:
    run("case", "reply", "1", "--send")
    waiting = told(run, "outbox", "show", "1")
    [listed] = told(run, "outbox", "list", "--campaign", "case")
    run("send")
    left = told(run, "outbox", "show", "1")

    assert waiting["subject"] == listed["subject"] == "Re: Your parcel"
    assert (waiting["touch"]["state"], waiting["has_content"]) == ("planned", False)
    assert (left["touch"]["state"], left["subject"]) == ("accepted", "Re: Your parcel")
    assert left["has_content"]
    assert "mail accepted" in run("case", "show", "1").stdout
