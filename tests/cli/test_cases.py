from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from crm_mailer.app import App
from crm_mailer.app import cases as verbs
from crm_mailer.cli import Doors
from crm_mailer.cli.cases import feedback
from crm_mailer.model.case import Channel
from crm_mailer.model.errors import NotPossible
from crm_mailer.store import suppressions
from tests.cli.conftest import Run
from tests.learning.shop import SmallShop


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
