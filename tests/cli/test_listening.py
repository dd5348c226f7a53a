from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import App
from crm_mailer.listening import listen
from crm_mailer.store import tables
from tests.cli.conftest import Run
from tests.listening.conftest import letter
from tests.servers.imap_box import HOST, PASSWORD, USER, Box, free_port, pymap_box
from tests.servers.imap_faults import BadServer, running


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


def test_a_long_round_tells_what_it_did_so_far(
    run: Run, shop: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "PAUSE", 1)
    run("listen")
    box.put(letter("The lamp arrived broken. I want a refund."))

    listened = run("listen")

    assert "so far: 1 mail read, " in listened.output
    assert "1 mails" not in listened.output
    assert "1 cases" not in listened.output


def test_the_inbox_of_a_new_shop_is_empty(run: Run) -> None:
    assert json.loads(run("inbox", "list", "--json").stdout)["data"] == []
    assert run("inbox", "quarantine").exit_code == 0


def test_how_a_reply_was_matched_is_shown_everywhere(run: Run, shop: Path, box: Box) -> None:
    run("listen")
    box.put(letter("Order #70015, where is it?"))
    run("listen")

    assert json.loads(run("inbox", "list", "--json").stdout)["data"][0]["rung"] == "none"
    for verb in ("show", "explain"):
        assert "matched by" in run("inbox", verb, "1").output


def two_mailboxes(home: Path, good: BadServer, bad_port: int) -> None:
    written = [
        f'{table}\nhost = "{HOST}"\nport = {port}\nusername = "{user}"\npassword = "{PASSWORD}"\n'
        'tls = "none"\nfirst_contact = "all"\n'
        for table, user, port in (
            ("[imap]", "orders", bad_port), ("[mailboxes.returns]", USER, good.port)
        )
    ]  # fmt: skip
    (home / "crm-mailer.toml").write_text("\n".join(written))


@pytest.fixture
def server() -> Iterator[BadServer]:
    with running(BadServer()) as one:
        yield one


def test_a_mailbox_that_is_down_does_not_hinder_the_other(
    run: Run, shop_home: Path, server: BadServer
) -> None:
    two_mailboxes(shop_home, server, free_port())
    server.inbox.put(letter("The lamp arrived broken."))

    listened = run("listen", "--json")
    alone = run("listen", "--mailbox", "returns")
    status = json.loads(run("status", "--json").stdout)["data"]["mailboxes"]

    assert listened.exit_code == 69
    assert json.loads(listened.stdout)["data"]["fetched"]["new"] == 1
    assert alone.exit_code == 0
    assert [(one["name"], bool(one["trouble"])) for one in status] == [
        ("imap", True), ("returns", False)
    ]  # fmt: skip


def test_a_mailbox_that_is_not_there_is_told(run: Run, shop_home: Path, server: BadServer) -> None:
    two_mailboxes(shop_home, server, server.port)

    result = run("listen", "--mailbox", "retruns")

    assert result.exit_code == 2
    assert "imap, returns" in getattr(result.exception, "hint", "")


def test_what_is_missing_is_seen_and_brought_home(
    run: Run, app: App, shop_home: Path, server: BadServer
) -> None:
    two_mailboxes(shop_home, server, free_port())
    server.inbox.put(*(letter(f"number {n}") for n in range(3)))
    run("listen", "--mailbox", "returns")
    with app.store.write() as connection:
        lost = sa.update(tables.inbound).where(tables.inbound.c.uid == 2)
        connection.execute(lost.values(uidvalidity=0, digest="of other bytes"))

    seen = run("inbox", "reconcile", "--mailbox", "returns")
    fixed = run("inbox", "reconcile", "--mailbox", "returns", "--fetch", "--json")

    assert "lacks uid 2" in seen.output
    [told] = json.loads(fixed.stdout)["data"]
    assert (told["found"]["missing"], told["found"]["brought"]) == ([], 1)


def test_a_mail_that_the_server_would_not_give_can_be_tried_again(
    run: Run, shop_home: Path, server: BadServer
) -> None:
    two_mailboxes(shop_home, server, free_port())
    server.inbox.put(letter("one"), letter("two"), letter("three"))
    server.faults[2] = "drop"
    listened = run("listen", "--mailbox", "returns", "--json")
    listed = json.loads(run("inbox", "quarantine", "--json").stdout)["data"]
    still = run("inbox", "retry", str(listed[0]["id"]))
    server.faults.clear()
    retried = run("inbox", "retry", "--all")

    assert json.loads(listened.stdout)["data"]["understood"]["handled"] == 2
    assert [(one["uid"], one["is_fetched"]) for one in listed] == [(2, False)]
    assert still.exit_code == 69
    assert retried.exit_code == 0
    assert json.loads(run("inbox", "quarantine", "--json").stdout)["data"] == []
    assert len(json.loads(run("inbox", "list", "--json").stdout)["data"]) == 3


@pytest.mark.parametrize("words", [(), ("1", "--all")])
def test_a_retry_of_nothing_or_of_two_things_is_told(run: Run, words: tuple[str, ...]) -> None:
    assert run("inbox", "retry", *words).exit_code == 2


def test_what_was_understood_is_moved_where_the_shop_wants_it(
    run: Run, shop_home: Path, server: BadServer
) -> None:
    two_mailboxes(shop_home, server, free_port())
    with (shop_home / "crm-mailer.toml").open("a") as file:
        file.write('move_done_to = "Done"\n')
    server.inbox.put(letter("one"), letter("two"))

    listened = json.loads(run("listen", "--mailbox", "returns", "--json").stdout)["data"]

    assert listened["moved"] == 2
    assert (len(server.inbox.mails), len(server.folders["Done"].mails)) == (0, 2)


@pytest.mark.parametrize("verb", ["show", "explain", "retry"])
def test_a_number_that_is_not_there_is_told(run: Run, verb: str) -> None:
    assert run("inbox", verb, "99").exit_code == 2


def test_a_shops_own_words_are_read(app: App, shop_home: Path) -> None:
    (shop_home / "words").mkdir()
    (shop_home / "words" / "complaints.en.yaml").write_text(
        "language: en\nsigns:\n  nad.quality:\n    sure: [wobbles]\n"
    )

    assert any(sign.phrase == "wobbles" for lexicon in app.words.lexicons for sign in lexicon.signs)
