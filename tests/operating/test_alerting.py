"""Alerts that leave the program: once for each cause, daily, their end, and by a sound account."""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.app import App, alert_words, alerting
from crm_mailer.app.alerting import MAIL, WEBHOOK
from crm_mailer.model.alert_news import AGAIN, CALM, Cause, Change, News, Told, news
from crm_mailer.model.errors import NotPossible, SettingsError
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import FILE_NAME, read_settings
from crm_mailer.store import alerts, pauses
from crm_mailer.store.engine import Store
from tests.conftest import NOON, StandingClock
from tests.servers.smtp_sink import Letter, Sink, smtp_sink
from tests.small_shop import small_shop

LOGIN = Sentence("the mail server refuses our login: {why}", why="535 no")
HOUR = timedelta(hours=1)


class Chat:
    """A chat on loopback that answers as it is told to."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.code = 200
        self.says = b""
        self.url = ""


@pytest.fixture
def chat() -> Iterator[Chat]:
    one = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            one.heard.append(json.loads(body))
            self.send_response(one.code)
            self.send_header("Content-Length", str(len(one.says)))
            self.end_headers()
            self.wfile.write(one.says)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield one
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def sink() -> Iterator[Sink]:
    with smtp_sink() as one:
        yield one


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_shop(tmp_path_factory.mktemp("shop"), set(), set(), ("en",))


def shop(store: Store, home: Path, text: str) -> App:
    database = store.url.render_as_string(hide_password=False)
    (home / FILE_NAME).write_text(f'database = "{database}"\n{text}')
    return App(home, read_settings(home, {}), StandingClock())


def account(name: str, port: int, more: str = "") -> str:
    table = "smtp" if name == "smtp" else f"accounts.{name}"
    return f'[{table}]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n{more}\n'


def meet(app: App, cause: str, message: str = LOGIN) -> None:
    with app.store.write() as connection:
        alerts.raise_(connection, cause, message, hint="look at it", now=app.clock.now())


def end(app: App, cause: str) -> None:
    with app.store.write() as connection:
        alerts.end(connection, cause, app.clock.now())


def forward(app: App, by: timedelta) -> None:
    assert isinstance(app.clock, StandingClock)
    app.clock.moment += by


def read(letter: Letter) -> EmailMessage:
    found = email.message_from_bytes(letter.content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_an_alert_is_told_once_daily_and_when_it_is_over(
    store: Store, written: Path, sink: Sink, chat: Chat
) -> None:
    told = f'[alerts]\nmail = ["ops@shop.example", "Li@shop.example"]\nwebhook = "{chat.url}"\n'
    app = shop(store, written, account("smtp", sink.port) + told)
    meet(app, "hooks/care")
    counts = []
    for wait in (timedelta(0), HOUR, AGAIN, HOUR):
        forward(app, wait)
        alerting.warn(app)
        counts.append((len(sink.letters), len(chat.heard)))
    end(app, "hooks/care")
    alerting.warn(app)
    alerting.warn(app)

    assert counts == [(2, 1), (2, 1), (4, 2), (4, 2)]
    assert (len(sink.letters), len(chat.heard)) == (6, 3)
    assert [one["alerts"][0]["change"] for one in chat.heard] == ["new", "again", "over"]
    first = read(sink.letters[0])
    assert sink.recipients[:2] == ["ops@shop.example", "Li@shop.example"]
    assert first["Subject"] == "[Lotus Shop] the mail server refuses our login: 535 no"
    assert first["Auto-Submitted"] == "auto-generated"
    assert "→ look at it" in first.get_content()
    app.close()


def test_an_alert_goes_by_the_account_that_is_not_in_trouble(
    sqlite_store: Store, written: Path, sink: Sink
) -> None:
    with smtp_sink() as broken:
        settings = account("smtp", broken.port) + account("spare", sink.port, "rank = 9")
        app = shop(sqlite_store, written, settings + '[alerts]\nmail = "ops@shop.example"\n')
        meet(app, "account:smtp/auth")
        with app.store.write() as connection:
            for scope in (pauses.ALL, "account:smtp", "lane:other/transactional"):
                pauses.pause(connection, scope, now=NOON)

        alerting.warn(app)

        assert (len(broken.letters), len(sink.letters)) == (0, 1)
        app.close()


def test_where_one_account_is_down_the_next_one_sends(
    sqlite_store: Store, written: Path, sink: Sink
) -> None:
    settings = account("smtp", 1) + account("spare", sink.port, "rank = 9")
    app = shop(sqlite_store, written, settings + '[alerts]\nmail = "ops@shop.example"\n')
    meet(app, "campaign:sale/bounces")

    [done] = alerting.warn(app)

    assert (done.told, len(sink.letters)) == (1, 1)
    app.close()


def test_a_way_that_fails_rests_and_the_other_one_tells_of_it(
    sqlite_store: Store, written: Path, sink: Sink, chat: Chat
) -> None:
    told = f'[alerts]\nmail = "ops@shop.example"\nwebhook = "{chat.url}"\n'
    app = shop(sqlite_store, written, account("smtp", sink.port) + told)
    chat.code = 500
    meet(app, "hooks/care")
    for wait in (0, 10, 60, 60, 130, 0):
        forward(app, timedelta(seconds=wait))
        alerting.warn(app)
    tries, mails = len(chat.heard), [read(one)["Subject"] for one in sink.letters]
    chat.code = 200
    forward(app, HOUR)
    alerting.warn(app)
    alerting.warn(app)

    assert tries == 3  # at once, after one minute, after two more
    assert mails == [
        "[Lotus Shop] the mail server refuses our login: 535 no",
        "[Lotus Shop] alerts cannot be told by webhook: HTTP 500",
    ]
    assert read(sink.letters[-1])["Subject"].startswith("[Lotus Shop] over: alerts cannot")
    assert [one.cause for one in alerting.list_open(app)] == ["hooks/care"]
    app.close()


def test_an_address_that_gets_nothing_does_not_bring_the_others_the_same_again(
    sqlite_store: Store, written: Path, sink: Sink
) -> None:
    told = '[alerts]\nmail = ["ops@shop.example", "gone@shop.example"]\n'
    app = shop(sqlite_store, written, account("smtp", sink.port) + told)
    sink.unknown = {"gone@shop.example"}
    meet(app, "hooks/care")
    for _minutes in range(6):
        alerting.warn(app)
        forward(app, timedelta(minutes=10))
    open_ones = {one.cause for one in alerting.list_open(app)}
    sink.unknown = set()
    forward(app, AGAIN)
    alerting.warn(app)

    assert open_ones == {"hooks/care", "alerts/mail/gone@shop.example"}
    assert [read(one)["Subject"] for one in sink.letters[:2]] == [
        "[Lotus Shop] the mail server refuses our login: 535 no",
        "[Lotus Shop] alerts do not reach gone@shop.example: smtp: 550 no such user",
    ]
    assert sink.recipients[2:] == ["ops@shop.example", "gone@shop.example"]  # a day later
    assert [one.cause for one in alerting.list_open(app)] == ["hooks/care"]
    app.close()


def test_a_chat_that_says_no_with_a_yes_in_front_was_not_told(
    sqlite_store: Store, written: Path, chat: Chat
) -> None:
    app = shop(sqlite_store, written, f'[alerts]\nwebhook = "{chat.url}"\n')
    chat.says = b'{"errcode":310000,"errmsg":"keywords not in content"}'
    [refused] = alerting.try_out(app)
    chat.says = b'{"errcode":0,"errmsg":"ok"}'
    [taken] = alerting.try_out(app)

    assert refused.error == "310000 keywords not in content"
    assert (taken.told, taken.error) == (1, "")
    app.close()


def test_what_a_chat_takes_is_no_longer_than_it_takes() -> None:
    url = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x"
    many = [
        News(Change.NEW, Cause(f"c{one}", Sentence("邮箱登录失败"), "", NOON)) for one in range(200)
    ]
    told = json.loads(alert_words.body(url, "Lotus Shop", many, ZoneInfo("Asia/Shanghai")))
    words = told["text"]["content"]
    assert len(words.encode()) <= 2_048
    assert words.endswith("\n...")


def test_a_trial_shows_whether_alerts_arrive(
    sqlite_store: Store, written: Path, sink: Sink, chat: Chat
) -> None:
    told = f'[alerts]\nmail = "ops@shop.example"\nwebhook = "{chat.url}"\n'
    app = shop(sqlite_store, written, account("smtp", sink.port) + told)
    chat.code = 403

    done = {one.way: one for one in alerting.try_out(app)}

    assert (done[MAIL].error, done[WEBHOOK].error) == ("", "HTTP 403")
    assert read(sink.letters[0])["Subject"] == "[Lotus Shop] this is a trial: alerts arrive here"
    app.close()


def test_without_a_way_nobody_is_told(sqlite_store: Store, written: Path) -> None:
    app = shop(sqlite_store, written, "")

    assert alerting.warn(app) == []
    with pytest.raises(NotPossible, match="nobody outside"):
        alerting.try_out(app)
    app.close()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('mail = "ops"', "`ops` is no mail address"),
        ('webhook = "http://chat.example/x"', "is not encrypted"),
        ('webhook = "chat"', "is no web address"),
        ('account = "spar"', "there is no account `spar`"),
        ('mial = "ops@shop.example"', "mial"),
    ],
    ids=["no-address", "plain-http", "no-url", "no-account", "unknown-key"],
)
def test_wrong_settings_are_told(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / FILE_NAME).write_text(f"[alerts]\n{text}\n")

    with pytest.raises(SettingsError, match=complaint):
        read_settings(tmp_path, {})


CAUSE = Cause("a", "it broke", "", NOON)
OVER = CAUSE._replace(is_over=True)


@pytest.mark.parametrize(
    ("cause", "told", "after", "change"),
    [
        (CAUSE, None, HOUR, Change.NEW),
        (CAUSE, Told(NOON, NOON), AGAIN - HOUR, None),
        (CAUSE, Told(NOON, NOON), AGAIN, Change.AGAIN),
        (OVER, Told(NOON, NOON), HOUR, Change.OVER),
        (OVER, Told(NOON, NOON, is_over=True), AGAIN, None),
        (OVER, None, HOUR, None),
        (CAUSE, Told(NOON - HOUR, NOON, is_over=True), CALM / 2, None),
        (CAUSE, Told(NOON - HOUR, NOON, is_over=True), CALM, Change.NEW),
        (CAUSE, Told(NOON - HOUR, NOON - HOUR), HOUR, Change.NEW),
    ],
    ids=["new", "told", "a-day-later", "over", "over-and-told", "over-and-never-told",
         "back-at-once", "back", "over-unheard-and-back"],
)  # fmt: skip
def test_what_is_told_when(
    cause: Cause, told: Told | None, after: timedelta, change: Change | None
) -> None:
    found = list(news([cause], {} if told is None else {"a": told}, NOON + after))

    assert found == ([] if change is None else [News(change, cause)])


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("https://hooks.slack.com/services/T/B/x", {"text", "shop", "alerts"}),
        ("https://oapi.dingtalk.com/robot/send?access_token=x", {"msgtype", "text"}),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x", {"msgtype", "text"}),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/x", {"msg_type", "content"}),
    ],
    ids=["slack", "dingtalk", "wecom", "feishu"],
)
def test_each_chat_gets_the_shape_it_knows(url: str, keys: set[str]) -> None:
    body = alert_words.body(url, "Lotus Shop", [News(Change.NEW, CAUSE)], ZoneInfo("UTC"))

    assert json.loads(body).keys() == keys
    assert "it broke" in body.decode()
