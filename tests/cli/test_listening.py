from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_mailer.app import App
from tests.cli.conftest import Run
from tests.listening.conftest import letter
from tests.servers.imap_box import HOST, PASSWORD, USER, Box, free_port, pymap_box


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with pymap_box() as running:
        yield running


@pytest.fixture
def shop(shop_home: Path, box: Box) -> Path:
    """The shop, with its mailbox configured and looked at once."""
    configure(shop_home, box.port)
    return shop_home


def configure(home: Path, port: int, password: str = PASSWORD) -> None:
    (home / "crm-mailer.toml").write_text(
        f'[imap]\nhost = "{HOST}"\nport = {port}\nusername = "{USER}"\n'
        f'password = "{password}"\ntls = "none"\n'
    )


def test_without_a_mailbox_the_remedy_is_told(run: Run) -> None:
    result = run("listen")

    assert result.exit_code == 78
    assert "imap.host" in getattr(result.exception, "hint", "")


def test_a_wrong_password_is_told(run: Run, shop_home: Path, box: Box) -> None:
    configure(shop_home, box.port, password="wrong")

    assert run("listen").exit_code == 77


def test_a_server_that_is_down_is_told(run: Run, shop_home: Path) -> None:
    configure(shop_home, free_port())

    assert run("listen").exit_code == 69


def test_a_wrong_day_of_first_contact_is_told(run: Run, shop: Path) -> None:
    assert run("listen", "--since", "yesterday").exit_code == 78


def test_a_complaint_comes_home_and_explains_itself(run: Run, shop: Path, box: Box) -> None:
    run("listen")
    box.put(letter("The lamp arrived broken. I want a refund."))

    listened = run("listen", "--json")
    listed = run("inbox", "list", "--intent", "complaint")
    shown = run("inbox", "show", "1")
    explained = run("inbox", "explain", "1")

    assert json.loads(listened.stdout)["data"]["understood"]["kinds"] == {"human": 1}
    assert "nad.damaged" in listed.output
    assert "damaged goods" in shown.output
    assert "arrived broken" in explained.output
    assert "+3.0" in explained.output


def test_the_inbox_of_a_new_shop_is_empty(run: Run) -> None:
    assert json.loads(run("inbox", "list", "--json").stdout)["data"] == []
    assert run("inbox", "quarantine").exit_code == 0


@pytest.mark.parametrize("verb", ["show", "explain", "retry"])
def test_a_number_that_is_not_there_is_told(run: Run, verb: str) -> None:
    assert run("inbox", verb, "99").exit_code == 2


def test_a_shops_own_words_are_read(app: App, shop_home: Path) -> None:
    (shop_home / "words").mkdir()
    (shop_home / "words" / "complaints.en.yaml").write_text(
        "language: en\nsigns:\n  nad.quality:\n    sure: [wobbles]\n"
    )

    assert any(sign.phrase == "wobbles" for lexicon in app.words.lexicons for sign in lexicon.signs)
