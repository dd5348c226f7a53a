from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
import trustme

from crm_mailer.app import App, delivering, operating
from crm_mailer.app.ways import ways
from crm_mailer.delivering.oauth import RefreshedToken, TokenFile
from crm_mailer.delivering.sandbox import FolderTransport, NullTransport
from crm_mailer.delivering.ses import SesTransport
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import SettingsError
from crm_mailer.settings import FILE_NAME, read_settings
from crm_mailer.store.tables import deliveries, touches
from tests.cli.conftest import Run
from tests.conftest import StandingClock
from tests.delivering.letters import plan, states
from tests.servers.http_faults import answer, web_server
from tests.servers.smtp_faults import fault_server, reply
from tests.servers.smtp_sink import smtp_sink

Opened = Callable[[str], App]

FULL = """
[smtp]
host = "relay.example"
username = "shop"
password = "x"
per_minute = 60
oauth.token_file = "token"

[accounts.bulk]
host = "bulk.example"
port = 465
tls = "implicit"
auth = "login"
connections = 9
messages_per_connection = 50
pipelining = false
bdat = true
hello = "shop.example"
streams = ["marketing"]
providers = ["gmail"]
rank = 7
warm_since = 2026-11-01

[accounts.office]
host = "office.example"
username = "u"
[accounts.office.oauth]
token_url = "https://login.example/token"
client_id = "me"
refresh_token = "r"

[accounts.paper]
kind = "folder"
[accounts.elsewhere]
kind = "folder"
folder = "../there"
[accounts.void]
kind = "null"

[limits]
gmail = 100
"""


@pytest.fixture
def opened(shop_home: Path, clock: StandingClock) -> Iterator[Opened]:
    """Opens the shop with these settings."""
    apps: list[App] = []

    def open_with(text: str) -> App:
        (shop_home / FILE_NAME).write_text(text, encoding="utf-8")
        apps.append(App(shop_home, read_settings(shop_home, {}), clock))
        return apps[-1]

    yield open_with
    for app in apps:
        app.close()


def letters(
    app: App,
    number: int,
    *,
    stream: Stream = Stream.TRANSACTIONAL,
    provider: str = "other",
) -> None:
    """Letters that an agent wrote: they need no template."""
    ids = plan(app.store, number, app.clock.now(), stream=stream, expires_after=None)
    values = {"kind": "case_reply", "template": "", "detail": "Sorry.", "provider": provider}
    with app.store.write() as connection:
        connection.execute(sa.update(touches).where(touches.c.id.in_(ids)).values(values))


def smtp(port: int, more: str = "") -> str:
    return f'host = "127.0.0.1"\nport = {port}\ntls = "none"\nconnections = 1\n{more}\n'


def test_every_setting_of_an_account_reaches_its_way_out(opened: Opened) -> None:
    app = opened(FULL)
    found = {outlet.name: outlet for outlet in ways(app).outlets}

    assert list(found) == ["smtp", "bulk", "elsewhere", "office", "paper", "void"]
    bulk = found["bulk"]
    assert (set(bulk.streams), set(bulk.providers)) == ({Stream.MARKETING}, {"gmail"})
    assert (bulk.rank, bulk.per_minute, str(bulk.warm_since)) == (7, None, "2026-11-01")
    assert isinstance(bulk.transport, SmtpTransport)
    account = bulk.transport.account
    assert (account.place, account.policy, account.auth) == (
        "bulk.example:465",
        "implicit",
        "login",
    )
    assert (account.connections, account.messages_per_connection) == (9, 50)
    assert (account.pipelining, account.bdat, account.hello) == (False, True, "shop.example")
    assert (found["smtp"].per_minute, found["smtp"].streams) == (60, frozenset())
    assert isinstance(found["void"].transport, NullTransport)
    assert ways(app).limits == {"gmail": 100}


def test_tokens_come_from_a_file_or_an_address(opened: Opened, shop_home: Path) -> None:
    found = {one.name: one.transport for one in ways(opened(FULL)).outlets}
    first, office = found["smtp"], found["office"]
    assert isinstance(first, SmtpTransport)
    assert isinstance(office, SmtpTransport)
    assert isinstance(first.account.oauth, TokenFile)
    assert first.account.oauth.path == shop_home / "token"
    assert isinstance(office.account.oauth, RefreshedToken)


def test_folders_of_accounts_lie_in_the_outbox_by_name(opened: Opened, shop_home: Path) -> None:
    found = {one.name: one.transport for one in ways(opened(FULL)).outlets}
    paper, elsewhere = found["paper"], found["elsewhere"]
    assert isinstance(paper, FolderTransport)
    assert isinstance(elsewhere, FolderTransport)
    assert paper.folder == shop_home / "outbox" / "paper"
    assert elsewhere.folder.resolve() == shop_home.parent / "there"


def test_ways_are_made_once_so_that_tokens_live_longer_than_a_round(opened: Opened) -> None:
    app = opened(FULL)
    assert ways(app) is ways(app)


def test_a_shop_without_accounts_has_the_sandbox(app: App) -> None:
    (outlet,) = ways(app).outlets
    assert outlet.name == "sandbox"
    assert isinstance(outlet.transport, FolderTransport)
    assert outlet.transport.folder == app.outbox_folder


def test_order_mail_and_marketing_leave_by_their_own_accounts(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "en")
    with smtp_sink() as orders, smtp_sink() as news:
        app = opened(
            "[smtp]\n" + smtp(orders.port, 'streams = ["transactional"]')
            + "[accounts.news]\n" + smtp(news.port, 'streams = ["marketing"]')
        )  # fmt: skip
        letters(app, 3)
        letters(app, 2, stream=Stream.MARKETING)
        report = delivering.send(app)

    assert report.outcomes == {"accepted": 5}
    assert (len(orders.letters), len(news.letters)) == (3, 2)
    assert {name: dict(one) for name, one in report.by_outlet.items()} == {
        "smtp": {"accepted": 3},
        "news": {"accepted": 2},
    }


def test_an_account_for_a_provider_takes_its_mails(opened: Opened) -> None:
    with smtp_sink() as usual, smtp_sink() as gmail:
        app = opened(
            "[smtp]\n" + smtp(usual.port)
            + "[accounts.gmail]\n" + smtp(gmail.port, 'providers = ["gmail"]')
        )  # fmt: skip
        letters(app, 2)
        letters(app, 3, provider="gmail")
        delivering.send(app)
    assert (len(usual.letters), len(gmail.letters)) == (2, 3)


REFUSING = {"AUTH": lambda: reply("535 5.7.8 wrong password")}


@contextmanager
def refusing_login() -> Iterator[int]:
    with fault_server(REFUSING, extensions=("AUTH PLAIN",)) as server:
        yield server.port


def test_where_one_account_fails_another_takes_the_mails(
    opened: Opened, clock: StandingClock
) -> None:
    with refusing_login() as wrong, smtp_sink() as second:
        app = opened(
            "[smtp]\n" + smtp(wrong, 'username = "u"\npassword = "x"')
            + "[accounts.spare]\n" + smtp(second.port, "rank = 1")
        )  # fmt: skip
        letters(app, 5)
        report = delivering.send(app)
        rests = delivering.resting_accounts(app)
        status = operating.status(app)
        letters(app, 1)
        again = delivering.send(app)

    assert (report.outcomes, list(report.faults)) == ({"accepted": 5}, ["smtp"])
    assert len(second.letters) == 6
    assert list(rests) == ["smtp"]
    assert delivering.resting(app) is None
    assert "refuses our login" in status.resting
    assert status.mail_server.startswith("smtp (127.0.0.1:")
    assert not again.faults
    assert states(app.store) == {"accepted": 6}


def test_a_mail_that_may_have_left_is_never_given_to_another_account(opened: Opened) -> None:
    with fault_server({"DOT": reply("")}) as first, smtp_sink() as second:
        app = opened(
            "[smtp]\n" + smtp(first.port) + "[accounts.spare]\n" + smtp(second.port, "rank = 1")
        )
        letters(app, 1)
        delivering.send(app)
        with app.store.read() as connection:
            found = connection.scalar(sa.select(deliveries.c.outcome))
    assert found == "unknown"
    assert second.letters == []


def test_when_every_account_rests_nothing_is_tried(opened: Opened, clock: StandingClock) -> None:
    with refusing_login() as wrong:
        login = 'username = "u"\npassword = "x"'
        app = opened("[smtp]\n" + smtp(wrong, login) + "[accounts.spare]\n" + smtp(wrong, login))
        letters(app, 1)
        first = delivering.send(app)
        second = delivering.send(app)
        rest = delivering.resting(app)
        clock.forward(minutes=6)
        third = delivering.send(app)

    assert sorted(first.faults) == ["smtp", "spare"]
    assert "smtp.username" in first.faults["smtp"].hint
    assert "[accounts.spare]" in first.faults["spare"].hint
    assert "refuses our login" in second.resting
    assert rest is not None
    assert sorted(third.faults) == ["smtp", "spare"]
    assert states(app.store) == {"planned": 1}


@pytest.mark.parametrize(
    ("before", "after", "is_tried"),
    [("x", "x", False), ("x", "mended", True)],
    ids=["as it was", "another password"],
)
def test_a_new_start_lets_an_account_rest_on_unless_a_person_has_changed_it(
    opened: Opened, clock: StandingClock, before: str, after: str, is_tried: bool
) -> None:
    with fault_server(REFUSING, extensions=("AUTH PLAIN",)) as server:
        login = 'username = "u"\npassword = "{}"'
        app = opened("[smtp]\n" + smtp(server.port, login.format(before)))
        letters(app, 1)
        delivering.send(app)
        app.close()
        clock.forward(minutes=1)
        app = opened("[smtp]\n" + smtp(server.port, login.format(after)))
        delivering.recover(app)
        delivering.send(app)

    assert server.verbs.count("AUTH") == 1 + is_tried


@pytest.mark.parametrize("is_mended", [False, True], ids=["as it was", "other certificates"])
def test_other_content_of_a_file_that_an_account_names_is_tried_at_a_new_start(
    opened: Opened, clock: StandingClock, tmp_path: Path, is_mended: bool
) -> None:
    ours = tmp_path / "ours.pem"
    trustme.CA().cert_pem.write_to_path(str(ours))
    with fault_server(REFUSING, extensions=("AUTH PLAIN",)) as server:
        more = f'username = "u"\npassword = "x"\nca_file = "{ours}"'
        app = opened("[smtp]\n" + smtp(server.port, more))
        letters(app, 1)
        delivering.send(app)
        app.close()
        clock.forward(minutes=1)
        if is_mended:
            with ours.open("a") as file:
                file.write("# one more\n")
        app = opened("[smtp]\n" + smtp(server.port, more))
        delivering.recover(app)
        delivering.send(app)

    assert server.verbs.count("AUTH") == 1 + is_mended


@pytest.mark.parametrize("is_renewed", [False, True], ids=["as it was", "another token"])
def test_a_renewed_token_in_the_shops_folder_is_tried_at_a_new_start(
    opened: Opened, clock: StandingClock, is_renewed: bool
) -> None:
    with fault_server(REFUSING, extensions=("AUTH XOAUTH2",)) as server:
        settings = "[smtp]\n" + smtp(server.port, 'username = "u"\noauth.token_file = "token"')
        app = opened(settings)
        (app.home / "token").write_text("first")
        letters(app, 1)
        delivering.send(app)
        app.close()
        asked = server.verbs.count("AUTH")
        clock.forward(minutes=1)
        if is_renewed:
            (app.home / "token").write_text("second")
        app = opened(settings)
        delivering.recover(app)
        delivering.send(app)

    assert asked
    assert (server.verbs.count("AUTH") > asked) is is_renewed


def test_what_an_account_is_set_up_with_cannot_be_read_from_its_rest(opened: Opened) -> None:
    with refusing_login() as wrong:
        app = opened("[smtp]\n" + smtp(wrong, 'username = "u"\npassword = "qwerty"'))
        letters(app, 1)
        delivering.send(app)
    rest = delivering.resting_accounts(app)["smtp"]

    assert rest.mark
    assert "qwerty" not in repr(rest)


def test_a_folder_that_could_not_be_written_is_tried_at_a_new_start(opened: Opened) -> None:
    app = opened("")
    letters(app, 1)
    app.outbox_folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(app.outbox_folder, ignore_errors=True)
    app.outbox_folder.write_text("in the way")
    delivering.send(app)
    rested = delivering.resting(app)
    app.outbox_folder.unlink()
    delivering.recover(app)
    delivering.send(app)

    assert rested is not None
    assert states(app.store) == {"accepted": 1}


def test_mails_leave_by_ses(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3", reason="boto3 is not installed")
    with web_server(answer(200, {"MessageId": "0102-xyz"})) as server:
        app = opened(
            '[accounts.amazon]\nkind = "ses"\nregion = "eu-west-1"\naccess_key = "A"\n'
            f'secret_key = "S"\nendpoint = "{server.address}"\n'
        )
        (transport,) = [one.transport for one in ways(app).outlets]
        assert isinstance(transport, SesTransport)
        letters(app, 1)
        report = delivering.send(app)
        with app.store.read() as connection:
            text = connection.scalar(sa.select(deliveries.c.text))
    assert report.outcomes == {"accepted": 1}
    assert text == "0102-xyz"
    (_head, body) = server.requests[0]
    assert json.loads(body)["Destination"] == {"ToAddresses": ["customer1@example.com"]}


def test_a_rehearsal_with_a_clock_of_its_own_must_not_reach_another_machine(
    opened: Opened,
) -> None:
    with pytest.raises(SettingsError, match="nothing may leave"):
        opened('clock = "2026-11-02"\n[accounts.bulk]\nhost = "bulk.example"\n')


def test_a_wrong_account_ends_in_one_clear_message(run: Run, shop_home: Path) -> None:
    (shop_home / FILE_NAME).write_text('[accounts.bulk]\nstreams = ["marketting"]\n')
    result = run("send")
    assert result.exit_code == 78
    assert "accounts.bulk.streams must be one of" in str(result.exception)
