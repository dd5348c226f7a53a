"""`crm-mailer outbox webhooks`: what came, what was set aside, who does not hear us."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crm_mailer.app import App, telling
from crm_mailer.app import hooks as verbs
from crm_mailer.app.hook_signatures import Incoming, Proven
from crm_mailer.cli import group
from crm_mailer.home import make_home
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.settings import FILE_NAME, read_settings
from crm_mailer.store import suppressions

SETTINGS = """
[hooks.brevo]
secret = "a-secret-of-twenty-characters"

[webhooks.warehouse]
url = "http://127.0.0.1:9/in"
secret = "a-secret-of-twenty-characters"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with a request that cannot be read, one turned away, and a receiver that is dead."""
    folder = tmp_path_factory.mktemp("told") / "shop"
    make_home(folder)
    (folder / FILE_NAME).write_text(SETTINGS)
    app = App(folder, read_settings(folder, {}))
    [brevo] = app.settings.hooks
    verbs.keep(app, brevo, Incoming(headers={}, body=b"no json"), Proven(topic="", key="k"))
    verbs.digest(app)
    verbs.Refusals(app).note("brevo", "the secret is missing or wrong")
    telling.tell(app)
    with app.store.write() as connection:
        suppressions.add(connection, "anna@example.com", SuppressionReason.UNSUBSCRIBED,
                         source="test", at=app.clock.now())  # fmt: skip
    telling.tell(app)
    app.close()
    return folder


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(group, ["--home", str(home), "outbox", "webhooks", *arguments],
                              env={"COLUMNS": "200"})  # fmt: skip


def told(home: Path) -> Any:
    return json.loads(run(home, "--json").stdout)["data"]


def test_it_shows_what_came_and_who_does_not_hear(home: Path) -> None:
    shown = run(home).stdout
    for words in ("Told to us", "the body is no JSON", "the secret is missing", "warehouse",
                  "Connection refused", "customer.unsubscribed"):  # fmt: skip
        assert words in shown


def test_it_says_the_same_for_scripts(home: Path) -> None:
    found = told(home)
    assert found["in"]["failed"][0]["state"] == "failed"
    assert (found["out"][0]["name"], found["out"][0]["failures"]) == ("warehouse", 1)
    assert found["unheard"][0]["attempts"] == 1


def test_no_secret_is_shown(home: Path) -> None:
    assert "a-secret" not in run(home).stdout + run(home, "--json").stdout


def test_a_request_that_still_cannot_be_read_says_why(home: Path) -> None:
    shown = run(home, "--read", "1")
    assert shown.exit_code == 0
    assert "cannot be read: the body is no JSON" in " ".join(shown.output.split())


def test_a_receiver_is_tried_again_and_a_message_told_again(home: Path) -> None:
    assert run(home, "--enable", "warehouse", "--replay", "1").exit_code == 0
    found = told(home)
    assert (found["out"][0]["failures"], found["unheard"][0]["attempts"]) == (0, 0)


@pytest.mark.parametrize(
    "arguments",
    [["--replay", "99"], ["--read", "99"], ["--enable", "nobody"]],
    ids=["replay", "read", "enable"],
)
def test_what_is_not_there_is_said_with_what_to_do(home: Path, arguments: list[str]) -> None:
    shown = run(home, *arguments)
    assert shown.exit_code != 0
    assert "outbox webhooks" in f"{shown.output}{getattr(shown.exception, 'hint', '')}"
