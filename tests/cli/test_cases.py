from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from crm_mailer.app import App, rounds
from crm_mailer.app import cases as verbs
from crm_mailer.cli import Doors
from crm_mailer.cli.cases import feedback
from crm_mailer.model.case import CaseEventKind, Channel
from crm_mailer.model.errors import CrmMailerError, NotPossible
from crm_mailer.store import suppressions
from crm_mailer.store.tables import orders
from tests.cli.conftest import Run
from tests.conftest import StandingClock
from tests.learning.shop import NOW, SmallShop


@pytest.fixture(autouse=True)
def _the_commands_keep_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", NOW.isoformat())


@pytest.fixture
def shop(app: App) -> SmallShop:
    """A customer with an order and a complaint that became case 1."""
    shop = SmallShop(app.store)
    evidence = [{"code": "nad.damaged", "weight": 3.0, "words": "in pieces"}]
    shop.wrote("complaint", "nad.damaged", own_text="It came in pieces!", evidence=evidence)
    shop.wrote("question", "ask.tracking", own_text="and where is A-2?",
               order_id=shop.new_order("A-2", shop.anna))  # fmt: skip
    verbs.learn(app)
    return shop


def test_the_list_shows_what_is_owed_to_whom(shop: SmallShop, run: Run) -> None:
    shown = run("case", "list").stdout

    assert "damaged goods" in shown
    assert "Anna Petrova" in shown
    assert "A-1" in shown


def test_the_list_is_there_for_scripts(shop: SmallShop, run: Run) -> None:
    [line] = json.loads(run("case", "list", "--json").stdout)["data"]

    assert (line["number"], line["severity"], line["reason"]) == (1, "P2", "nad.damaged")


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--state", "new"), 1),
        (("--state", "closed"), 0),
        (("--state", "all"), 1),
        (("--owner", "Wei"), 0),
    ],
)
def test_the_list_can_be_narrowed(
    shop: SmallShop, run: Run, options: tuple[str, ...], count: int
) -> None:
    shown = run("case", "list", *options, "--json").stdout

    assert len(json.loads(shown)["data"]) == count


def test_an_empty_list_says_so(app: App, run: Run) -> None:
    assert app.store

    assert "no case is open" in run("case", "list").stderr


def test_one_page_tells_all_about_a_case(shop: SmallShop, run: Run) -> None:
    shown = run("case", "show", "1").stdout

    for words in ("damaged goods", "anna@example.com", "It came in pieces!", "“in pieces”",
                  "answer fast (1/11)", "Timeline"):  # fmt: skip
        assert words in shown


def test_a_case_page_is_there_for_scripts(shop: SmallShop, run: Run) -> None:
    data = json.loads(run("case", "show", "1", "--json").stdout)["data"]

    assert data["next_step"]["number"] == 1
    assert data["wrote"][0]["evidence"][0]["words"] == "in pieces"


def test_a_case_is_worked_on_from_note_to_close(shop: SmallShop, run: Run) -> None:
    run("case", "assign", "1", "Wei", "--by", "Li")
    run("case", "note", "1", "asked for photos", "--answered", "--by", "Wei")
    run("case", "close", "1", "--resolved", "--reason", "sent a new one", "--by", "Wei")

    again = run("case", "close", "1", "--resolved", "--by", "Wei")
    reopened = run("case", "reopen", "1", "--by", "Wei")

    assert again.exit_code == 2
    assert "case 1 is open; an answer is due" in reopened.stderr
    assert shop.cases()[0].owner == "Wei"
    assert [event.by for event in shop.events("answered")] == ["Wei"]


def test_a_case_is_opened_by_hand(shop: SmallShop, run: Run) -> None:
    done = run("case", "open", "--customer", "Anna@Example.com", "--reason", "pay.double",
               "--order", "A-2", "--text", "rang us", "--channel", "phone")  # fmt: skip

    assert "crm-mailer case show 2" in done.stderr
    assert shop.cases()[1].channel == "phone"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("--customer", "anna@example.com", "--reason", "nad.dammaged"), "nad.dammaged",
         "did you mean nad.damaged"),
        (("--customer", "zoe@example.org", "--reason", "other"), "zoe@example.org",
         "customer list"),
        (("--customer", "anna@exmple.com", "--reason", "other"), "anna@exmple.com",
         "did you mean anna@example.com"),
        (("--customer", "anna@example.com", "--reason", "other", "--order", "Z"), "'Z'",
         "customer show"),
    ],
)  # fmt: skip
def test_what_is_misspelt_is_named_with_a_remedy(
    shop: SmallShop, run: Run, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    done = run("case", "open", *arguments)

    assert done.exit_code == 2
    assert message in str(done.exception)
    assert hint in done.exception.hint  # type: ignore[union-attr]


def test_a_case_that_is_not_there_is_an_error(app: App, run: Run) -> None:
    assert app.store

    assert run("case", "show", "77").exit_code == 2


def test_a_task_is_listed_until_it_is_done(shop: SmallShop, run: Run) -> None:
    before = run("case", "tasks").stdout
    run("case", "done", "1")

    after = json.loads(run("case", "tasks", "--json").stdout)["data"]

    assert "and where is A-2?" in before
    assert after == []


def test_feedback_without_words_is_refused(shop: SmallShop, app: App) -> None:
    with pytest.raises(NotPossible, match="no words"):
        verbs.log_feedback(app, email="anna@example.com", channel=Channel.CHAT, text=" ")


def test_what_was_said_on_the_telephone_becomes_a_case(shop: SmallShop, app: App) -> None:
    logged = verbs.log_feedback(
        app,
        email="anna@example.com",
        channel=Channel.PHONE,
        text="the mug broke after two days, very poor quality, I want my money back",
        order="A-2",
        rating=1,
    )

    assert logged.case == 2
    assert [(one.channel, one.order_id) for one in shop.cases()][1] == ("phone", 2)
    assert [line.rating for line in shop.feedback()] == [None, None, 1]


def test_the_wish_for_no_more_mail_is_obeyed_at_once(shop: SmallShop, run: Run, app: App) -> None:
    done = run("customer", "feedback", "anna@example.com", "please stop sending me emails",
               "--channel", "phone")  # fmt: skip

    assert "no more marketing mail" in done.stderr
    with app.store.read() as connection:
        assert [one.reason for one in suppressions.find(connection, "anna@example.com")] == [
            "unsubscribed"
        ]


def test_the_feedback_command_says_which_case_it_became(shop: SmallShop, run: Run) -> None:
    done = CliRunner().invoke(
        feedback,
        ["anna@example.com", "--channel", "chat", "--rating", "2", "it is not what I thought"],
        obj=Doors(str(run.home), is_debug=False),
    )

    assert done.exit_code == 0
    assert "crm-mailer case show" in done.stderr


@pytest.mark.parametrize("rating", ["0", "6", "five"])
def test_stars_go_from_one_to_five(run: Run, rating: str) -> None:
    done = CliRunner().invoke(
        feedback,
        ["a@example.com", "--channel", "chat", "--rating", rating, "x"],
        obj=Doors(str(run.home), is_debug=False),
    )

    assert done.exit_code == 2


def data(run: Run, *arguments: str) -> Any:
    return json.loads(run("case", *arguments, "--json").stdout)["data"]


def test_a_case_is_worked_on_from_taking_to_choosing(shop: SmallShop, run: Run) -> None:
    run("case", "take", "1", "--by", "Wei")
    run("case", "step", "1", "welcome", "listen", "--by", "Wei")
    run("case", "offer", "1", "replacement", "partial_refund", "--by", "Wei")
    run("case", "evidence", "1", "--link", "https://x.example/a.jpg", "--tracking", "RB1234CN")
    done = run("case", "choose", "1", "partial_refund", "--amount", "5.50")

    file = data(run, "show", "1")
    assert "partial refund, 5.50 USD" in done.stderr
    assert file["offered"] == ["replacement", "partial_refund"]
    assert [one["ref"] for one in file["evidence"]] == [
        "link:https://x.example/a.jpg", "tracking:RB1234CN",
    ]  # fmt: skip
    assert [one["step"] for one in file["checklist"] if one["done_at"]] == [
        "welcome", "listen", "explain", "offer",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "again",
    [
        ("step", "1", "welcome"),
        ("offer", "1", "coupon"),
        ("evidence", "1", "--tracking", "RB1234CN"),
    ],
    ids=lambda words: words[0],
)
def test_what_is_noted_twice_is_said_to_stand_there(
    shop: SmallShop, run: Run, again: tuple[str, ...]
) -> None:
    first, second = run("case", *again), run("case", *again)

    assert "✓ 1 new" in first.stderr
    assert "nothing new" in second.stderr
    assert second.exit_code == 0


def test_a_photo_is_copied_into_the_shops_folder(shop: SmallShop, run: Run, tmp_path: Path) -> None:
    photo = tmp_path / "моя чашка.jpg"
    photo.write_bytes(b"picture")

    run("case", "evidence", "1", "--file", str(photo))
    again = run("case", "evidence", "1", "--file", str(photo))
    photo.unlink()

    [one] = data(run, "show", "1")["evidence"]
    assert (run.home / one["ref"].removeprefix("file:")).read_bytes() == b"picture"
    assert "nothing new" in again.stderr


def test_a_dispute_is_kept_with_its_deadline_in_the_shops_time(shop: SmallShop, run: Run) -> None:
    done = run("case", "dispute", "1", "--number", "D-1", "--deadline", "2026-11-07 18:00",
               "--arbitration", "opened")  # fmt: skip

    shown = run("case", "show", "1").stdout
    assert "2026-11-07 18:00 CST" in done.stderr
    assert "D-1, arbitration opened" in shown
    assert "Work list of a serious case" in shown


def test_the_case_is_put_right_by_hand(shop: SmallShop, run: Run) -> None:
    done = run("case", "set", "1", "--reason", "safety", "--channel", "chat", "--time",
               "19:00-21:00", "--satisfaction", "4")  # fmt: skip

    shown = run("case", "show", "1").stdout
    assert "case 1 is P1, due 2026-11-03 11:00 CST" in done.stderr
    assert "chat; best 19:00-21:00 of their day" in shown
    assert "4 of 5" in shown


def test_two_cases_go_on_as_one(shop: SmallShop, run: Run) -> None:
    run("case", "open", "--customer", "1", "--reason", "other", "--order", "A-2")

    first, second = (run("case", "merge", "2", "1") for _turn in range(2))

    assert first.exit_code == second.exit_code == 0
    assert [line["number"] for line in data(run, "list")] == [1]
    assert "merged into  case 1" in run("case", "show", "2").stdout


BAD = [
    (("take", "9"), "no case 9", "case list"),
    (("assign", "1", " "), "1 to 60 letters", "case assign"),
    (("choose", "1", "partial_refund"), "how much", "--amount"),
    (("choose", "1", "refund", "--amount", "12,50 USD"), "no amount", "12.50 USD"),
    (("choose", "1", "refund", "--amount", "0 USD"), "is nothing", "leave --amount out"),
    (("choose", "1", "refund", "--amount", "-5 USD"), "no amount", "12.50 USD"),
    (("choose", "1", "refund", "--amount", "1.505 USD"), "more exact", "leave --amount out"),
    (("choose", "1", "refund", "--amount", "10.5 JPY"), "more exact", "leave --amount out"),
    (("evidence", "1"), "no evidence", "--link"),
    (("evidence", "1", "--link", "photo.jpg"), "no web address", "https://"),
    (("evidence", "1", "--tracking", "?"), "no tracking number", "RB123456789CN"),
    (("evidence", "1", "--file", "/nowhere/a.jpg"), "/nowhere/a.jpg", "path"),
    (("evidence", "9", "--file", "/etc/hostname"), "no case 9", "case list"),
    (("evidence", "1", "--file", "/etc"), "is no file", "one photo"),
    (("dispute", "1"), "what about", "--number"),
    (("dispute", "1", "--deadline", "tomorrow"), "no time", "2026-11-07 18:00"),
    (("dispute", "1", "--deadline", "2020-01-01"), "is over", "marketplace"),
    (("dispute", "1", "--liable"), "once the arbitration is decided", "--arbitration"),
    (("set", "1"), "nothing is given", "case set --help"),
    (("set", "1", "--reason", "nad.demaged"), "nad.demaged", "nad.damaged"),
    (("set", "1", "--time", "evenings"), "no time of day", "19:00-21:00"),
    (("merge", "1", "1"), "itself", "case show"),
    (("merge", "1", "9"), "no case 9", "case list"),
    (("export", "1", "case.pdf"), "which format", ".html"),
    (("export", "1", "/nowhere/case.html"), "/nowhere/case.html", "rights"),
    (("export", "9", "case.html"), "no case 9", "case list"),
]


@pytest.mark.parametrize(("command", "message", "hint"), BAD, ids=lambda one: " ".join(one)[:40])
def test_what_cannot_be_is_refused_with_a_remedy(
    shop: SmallShop, run: Run, command: tuple[str, ...], message: str, hint: str
) -> None:
    done = run("case", *command)

    assert isinstance(done.exception, CrmMailerError)
    assert message in str(done.exception)
    assert hint in done.exception.hint
    assert [case.state for case in shop.cases()] == ["new"]
    assert not any(shop.events(kind) for kind in CaseEventKind if kind not in ("opened", "reply"))


@pytest.mark.parametrize(
    "command",
    [("offer", "1", "flowers"), ("step", "1", "dance"), ("close", "1", "--satisfaction", "6")],
    ids=lambda words: words[0],
)
def test_unknown_words_name_the_known_ones(
    shop: SmallShop, run: Run, command: tuple[str, ...]
) -> None:
    assert run("case", *command).exit_code == 2


@pytest.mark.parametrize("name", ["case.md", "case.html", "case.json"])
def test_an_export_has_every_word(shop: SmallShop, run: Run, tmp_path: Path, name: str) -> None:
    long = "первая строка\n" + "ещё строка\n" * 300 + "<script>последняя</script> | конец"
    shop.wrote("other", own_text="short", full_text=long)
    run("case", "note", "1", "called her", "--by", "Wei")

    done = run("case", "export", "1", str(tmp_path / name))

    text = (tmp_path / name).read_text(encoding="utf-8")
    assert "written" in done.stderr
    assert all(words in text for words in ("первая строка", "последняя", "called her", "A-1"))
    assert ("<script>" in text) is not name.endswith(".html")


def test_an_export_writes_over_nothing_unless_told(
    shop: SmallShop, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "case.md"
    file.write_text("mine")

    refused = run("case", "export", "1", str(file))
    kept = file.read_text()
    run("case", "export", "1", str(file), "--force")

    assert (refused.exit_code, kept) == (73, "mine")
    assert file.read_text().startswith("# Case 1")


def test_the_daemons_turn_tells_of_late_cases_once(shop: SmallShop, app: App) -> None:
    clock = app.clock
    assert isinstance(clock, StandingClock)
    clock.forward(days=3)

    told = [rounds.learn(app) for _turn in range(2)]

    assert told == ["late cases told of 1", ""]
    assert [event.ref for event in shop.events("escalated")] == ["first_response/breach"]


def test_hours_that_change_in_the_shops_file_change_what_is_due(
    shop: SmallShop, app: App, run: Run
) -> None:
    before = shop.cases()[0].due_at
    path = app.home / "campaigns" / "shop.yaml"
    path.write_text(path.read_text().replace('until: "18:00"', 'until: "22:00"'))
    app.reload()

    verbs.escalate(app)

    assert before - shop.cases()[0].due_at == timedelta(hours=2)


def test_the_page_fits_eighty_columns_and_offers_the_blacklist(
    shop: SmallShop, app: App, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shop.wrote("complaint", "threat.review", own_text="pay me or one star")
    verbs.learn(app)

    for language in ("en", "zh_CN"):
        monkeypatch.setenv("CRM_MAILER_LANGUAGE", language)
        shown = run("case", "show", "1").stdout
        assert max(cell_len(line) for line in shown.splitlines()) <= 80
        assert "--kind blackmail --case 1" in " ".join(shown.split())


def test_a_list_that_is_cut_says_how_much_there_is(shop: SmallShop, app: App, run: Run) -> None:
    for number in range(2):
        boris = shop.customer(f"Boris {number}", f"boris{number}@example.com")
        order = shop.new_order(f"B-{number}", boris)
        shop.wrote("complaint", "nad.damaged", customer_id=boris, order_id=order)
        shop.wrote("question", "ask.tracking", customer_id=boris,
                   order_id=shop.new_order(f"C-{number}", boris))  # fmt: skip
    verbs.learn(app)

    cases = run("case", "list", "--limit", "2", "--json")
    tasks = run("case", "tasks", "--limit", "1")

    assert len(json.loads(cases.stdout)["data"]) == 2
    assert "the first 2 of 3; --limit shows more" in cases.stderr
    assert "the first 1 of 3; --limit shows more" in tasks.stderr
    assert "--limit" not in run("case", "list").stderr


def test_a_case_page_is_chinese_down_to_what_the_program_noted(
    shop: SmallShop, app: App, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    boris = shop.customer("Boris", "boris@example.com")
    order = shop.new_order("B-1", boris)
    shop.reached(order, "paid", days_ago=9)
    shop.wrote("complaint", "nad.damaged", customer_id=boris, order_id=order)
    verbs.learn(app)
    run("case", "set", "2", "--severity", "P1", "--by", "Wei")
    run("case", "step", "2", "listen", "--by", "Wei")
    run("case", "offer", "2", "partial_refund", "--by", "Wei")
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "zh_CN")

    shown = run("case", "show", "2").stdout

    assert "客户说货已到手，但我们的记录中没有送达" in shown
    assert "紧急程度 由 P2 改为 P1" in shown
    for english in ("the customer writes", "is now", "partial refund", "the facts disagree"):
        assert english not in shown


def test_why_an_order_is_not_paid_is_noted_by_hand(shop: SmallShop, run: Run) -> None:
    shop.new_order("U-1", shop.anna, state="placed")

    noted = run("case", "unpaid", "U-1", "card_trouble")
    listed = run("report", "worklist", "unpaid").stdout

    assert "order U-1 is not paid: card trouble" in noted.stderr
    assert "card trouble" in listed


@pytest.mark.parametrize(
    ("number", "options", "said"),
    [
        ("A-1", (), "order A-1 is"),
        ("none", (), "there is no order `none`"),
        ("T-1", (), "there are several orders `T-1`: ebay, shop"),
        ("T-1", ("--platform", "etsy"), "there is no order `T-1`"),
    ],
)
def test_a_reason_is_noted_only_where_it_belongs(
    shop: SmallShop, run: Run, number: str, options: tuple[str, ...], said: str
) -> None:
    twin = shop.new_order("T-1", shop.anna, state="placed")
    with shop.store.write() as connection:
        connection.execute(orders.update().where(orders.c.id == twin).values(platform="ebay"))
    shop.new_order("T-1", shop.anna, state="placed")

    assert said in str(run("case", "unpaid", number, "price", *options).exception)
