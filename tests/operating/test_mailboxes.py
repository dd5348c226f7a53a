"""What ails a mailbox is seen, and is over when it works again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_mailer.app import App, listening, mailboxes, tokens
from crm_mailer.home import make_home
from crm_mailer.listening import ListenReport
from crm_mailer.model.errors import LoginRefused
from crm_mailer.settings import ImapSettings, read_settings
from crm_mailer.store import alerts
from tests.conftest import StandingClock
from tests.listening.conftest import letter
from tests.servers.imap_faults import HOST, PASSWORD, USER, BadServer, running


@pytest.fixture
def server() -> Iterator[BadServer]:
    with running(BadServer()) as one:
        yield one


@pytest.fixture
def shop(tmp_path: Path, clock: StandingClock, server: BadServer) -> Iterator[App]:
    make_home(tmp_path / "shop")
    (tmp_path / "shop" / "crm-mailer.toml").write_text(
        f'[mailboxes.care]\nhost = "{HOST}"\nport = {server.port}\nusername = "{USER}"\n'
        f'password = "{PASSWORD}"\ntls = "none"\nfirst_contact = "all"\nmove_done_to = "Done"\n'
    )
    app = App(tmp_path / "shop", read_settings(tmp_path / "shop", {}), clock)
    yield app
    app.close()


def care(shop: App) -> ImapSettings:
    return shop.settings.mailboxes[0]


def open_alerts(shop: App) -> dict[str, str]:
    with shop.store.read() as connection:
        return {one.cause: f"{one.message} {one.hint}" for one in alerts.list_open(connection)}


def watch_once(shop: App) -> None:
    """Until the first round that understood something."""
    stop = threading.Event()

    def after_round(_report: ListenReport) -> None:
        stop.set()

    listening.watch(shop, stop, care(shop), after_round)


def test_silence_of_15_minutes_is_an_alert_until_the_mailbox_is_read_again(
    shop: App, clock: StandingClock
) -> None:
    begun = clock.now()
    clock.forward(minutes=14)
    early = mailboxes.watchdog(shop, begun)
    clock.forward(minutes=2)
    fallen, again = mailboxes.watchdog(shop, begun), mailboxes.watchdog(shop, begun)
    raised = open_alerts(shop)
    mailboxes.fetch(shop)
    mailboxes.watchdog(shop, begun)

    assert (early, "care" in fallen, again) == ("", True, "")
    assert list(raised) == ["mailbox:care/silent"]
    assert open_alerts(shop) == {}


def test_a_daemon_that_has_just_begun_is_given_its_time(shop: App, clock: StandingClock) -> None:
    mailboxes.fetch(shop)
    clock.forward(days=3)

    assert mailboxes.watchdog(shop, clock.now()) == ""


def test_a_refused_login_is_an_alert_until_it_is_taken(
    shop: App, server: BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.servers.imap_faults.PASSWORD", "another")
    with pytest.raises(LoginRefused):
        watch_once(shop)
    refused = open_alerts(shop)
    monkeypatch.undo()
    server.inbox.put(letter("hello"))
    watch_once(shop)

    assert list(refused) == ["mailbox:care/login"]
    assert "mailboxes.care.password" in refused["mailbox:care/login"]
    assert open_alerts(shop) == {}


def test_mail_that_cannot_be_moved_is_an_alert_and_reading_goes_on(
    shop: App, server: BadServer
) -> None:
    server.refuses_folders = True
    server.inbox.put(letter("one"))
    watch_once(shop)
    refused = open_alerts(shop)
    server.refuses_folders = False
    server.inbox.put(letter("two"))
    watch_once(shop)

    assert list(refused) == ["mailbox:care/move"]
    assert open_alerts(shop) == {}
    assert (len(server.inbox.mails), len(server.folders["Done"].mails)) == (0, 2)


def with_command(shop: App, command: str) -> ImapSettings:
    (shop.home / "crm-mailer.toml").write_text(
        f'[imap]\nhost = "x.example"\nusername = "care"\n'
        f"[imap.oauth]\ntoken_command = '''{command}'''\n"
    )
    return read_settings(shop.home, {}).mailboxes[0]


def test_a_command_gives_a_token(shop: App) -> None:
    token = tokens.for_mailbox(shop, with_command(shop, "echo 'tok3n'"))

    assert token is not None
    assert token("") == "tok3n"


@pytest.mark.parametrize(
    "command", ["/nowhere/at/all", "false", "true", "echo two words", "echo 'unclosed"]
)
def test_a_command_that_gives_none_is_told(shop: App, command: str) -> None:
    token = tokens.for_mailbox(shop, with_command(shop, command))

    assert token is not None
    with pytest.raises(LoginRefused, match="token_command"):
        token("")


def test_a_file_gives_a_token_anew_at_each_login(shop: App) -> None:
    (shop.home / "crm-mailer.toml").write_text(
        '[imap]\nhost = "x.example"\nusername = "care"\noauth.token_file = "token"\n'
    )
    box = read_settings(shop.home, {}).mailboxes[0]
    token = tokens.for_mailbox(shop, box)
    assert token is not None
    (shop.home / "token").write_text("first\n")
    first = token("")
    (shop.home / "token").write_text("second\n")

    assert (first, token(first)) == ("first", "second")
