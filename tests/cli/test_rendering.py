from __future__ import annotations

import json
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from crm_mailer.app import App
from crm_mailer.model.chance import arm_of
from crm_mailer.store.tables import customers
from tests.cli.conftest import Run
from tests.conftest import NOON


@pytest.fixture
def anna(app: App) -> App:
    with app.store.write() as connection:
        connection.execute(customers.insert().values(
            id=7, email="anna@example.com", email_key="anna@example.com", given_name="Анна",
            patronymic="Петровна", language="ru", created_at=NOON, changed_at=NOON))  # fmt: skip
    return app


def test_preview_shows_the_mail_as_the_customer_gets_it(run: Run, anna: App) -> None:
    result = run("preview", "shipped", "--customer", "anna@example.com")

    assert result.exit_code == 0
    assert "Здравствуйте, Анна Петровна!" in result.output
    assert "step 1 of 1" in result.output
    assert "the order is made up" in result.output


def test_preview_writes_the_files_it_is_asked_for(run: Run, app: App, tmp_path: Path) -> None:
    eml, html = tmp_path / "a.eml", tmp_path / "a.html"

    result = run("preview", "shipped", "--eml", str(eml), "--html", str(html), "--text")

    message = message_from_bytes(eml.read_bytes(), policy=policy.default)
    assert result.exit_code == 0
    assert message["Subject"] == "Your order 8101234567890 is on its way"
    assert html.read_text().startswith("<!doctype html>")
    assert "Headers" not in result.output


def test_preview_speaks_json(run: Run, app: App) -> None:
    result = run("preview", "win-back", "--language", "es", "--json")

    mail = json.loads(result.stdout)["data"]
    assert mail["language"] == "es"
    assert mail["place"].startswith("step 1 of")
    assert dict(mail["headers"])["Precedence"] == "bulk"


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (["shiped"], "no campaign `shiped`", "did you mean `shipped`?"),
        (["shipped", "--step", "x"], "no step `x`", "on-its-way"),
        (["shipped", "--customer", "ana@example.com"], "no customer", "anna@example.com"),
        (["shipped", "--order", "404"], "no order `404`", ""),
        (["shipped", "--arm", "b"], "has no A/B test", ""),
    ],
)
def test_what_does_not_exist_is_told_with_what_is_near(
    run: Run, anna: App, arguments: list[str], said: str, hint: str
) -> None:
    result = run("preview", *arguments)

    assert result.exit_code == 2
    assert said in str(result.exception)
    assert hint in getattr(result.exception, "hint", "")


def test_a_file_that_cannot_be_written_is_told(run: Run, app: App) -> None:
    result = run("preview", "shipped", "--eml", "/nowhere/a.eml")

    assert result.exit_code == 73
    assert "/nowhere/a.eml" in str(result.exception)


@pytest.fixture
def tested(app: App) -> str:
    """The id of a campaign whose first mail is written in three ways."""
    path = app.home / "campaigns" / "lifecycle" / "win-back.yaml"
    first = "    template: growth/win-back-1\n"
    trial = (
        "    test:\n      arms:\n        - {id: plain}\n"
        "        - {id: question, subject: {en: Still there?}}\n"
        "        - {id: other, template: growth/win-back-2}\n"
    )
    path.write_text(path.read_text().replace(first, first + trial))
    return "win-back"


def test_each_arm_of_a_test_can_be_looked_at(run: Run, app: App, tested: str) -> None:
    mails = {
        arm: json.loads(run("preview", tested, "--arm", arm, "--json").stdout)["data"]
        for arm in ("plain", "question", "other")
    }

    assert mails["question"]["subject"] == "Still there?"
    assert mails["question"]["place"].endswith("arm question")
    assert mails["plain"]["subject"] != "Still there?"
    assert mails["plain"]["text"] == mails["question"]["text"]
    assert mails["plain"]["text"] != mails["other"]["text"]


def test_a_customer_is_shown_their_own_arm(run: Run, anna: App, tested: str) -> None:
    arms = anna.definitions.campaigns[tested].steps[0].trial
    assert arms is not None
    own = arm_of(7, arms.arms, campaign=tested, step=anna.definitions.campaigns[tested].steps[0].id)

    mail = json.loads(run("preview", tested, "--customer", "7", "--json").stdout)["data"]

    assert mail["place"].endswith(f"arm {own.id}")


def test_an_arm_that_is_not_there_is_told(run: Run, app: App, tested: str) -> None:
    result = run("preview", tested, "--arm", "qestion")

    assert result.exit_code == 2
    assert "no arm `qestion`" in str(result.exception)
    assert "question" in getattr(result.exception, "hint", "")
