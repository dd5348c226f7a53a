from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest

from crm_mailer.home import make_home
from crm_mailer.model.errors import SettingsError
from crm_mailer.settings import FILE_NAME, Settings, read_settings

TWO = """
[smtp]
host = "relay.example"
warm_since = 2026-11-01
streams = ["transactional"]

[accounts.news-letter]
host = "bulk.example"
port = 2525
username = "shop"
per_minute = 600
rank = 3
pipelining = false
bdat = true

[accounts.amazon]
kind = "ses"
region = "eu-west-1"
access_key = "AKIAEXAMPLE"
secret_key = "hush"
providers = ["gmail", "yahoo"]

[limits]
gmail = 1200
other = 300
"""


def write(home: Path, text: str) -> Path:
    (home / FILE_NAME).write_text(text, encoding="utf-8")
    return home


def read(home: Path, text: str, **environment: str) -> Settings:
    return read_settings(
        write(home, text), {f"CRM_MAILER_{name}": value for name, value in environment.items()}
    )


def test_a_shop_with_one_server_has_one_account(tmp_path: Path) -> None:
    settings = read(tmp_path, '[smtp]\nhost = "relay.example"\n')
    assert settings.accounts == (settings.smtp,)
    assert (settings.smtp.name, settings.way_out) == ("smtp", "relay.example:587")


def test_accounts_of_the_file_come_after_the_first_one(tmp_path: Path) -> None:
    settings = read(tmp_path, TWO)
    first, amazon, letter = settings.accounts
    assert [one.name for one in settings.accounts] == ["smtp", "amazon", "news-letter"]
    assert (first.warm_since, first.streams) == (date(2026, 11, 1), ("transactional",))
    assert (amazon.kind, amazon.region, amazon.providers) == (
        "ses",
        "eu-west-1",
        ("gmail", "yahoo"),
    )
    assert (letter.port, letter.per_minute, letter.rank) == (2525, 600, 3)
    assert (letter.pipelining, letter.bdat) == (False, True)
    assert settings.limits == {"gmail": 1200, "other": 300}
    assert settings.way_out == (
        "smtp (relay.example:587), amazon (Amazon SES eu-west-1), news-letter (bulk.example:2525)"
    )


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.9", "::1"])
def test_a_password_may_go_in_clear_text_to_this_machine(tmp_path: Path, host: str) -> None:
    settings = read(tmp_path, f'[smtp]\nhost = "{host}"\nusername = "u"\ntls = "none"\n')
    assert settings.smtp.host == host


def test_a_relay_that_asks_for_no_login_needs_no_tls(tmp_path: Path) -> None:
    assert read(tmp_path, '[smtp]\nhost = "relay"\ntls = "none"\n').smtp.tls == "none"


def test_a_list_of_accounts_needs_no_first_one(tmp_path: Path) -> None:
    settings = read(tmp_path, '[accounts.bulk]\nhost = "bulk.example"\n')
    assert [one.name for one in settings.accounts] == ["bulk"]
    assert not settings.is_sandbox


@pytest.mark.parametrize("kind", ["folder", "null"])
def test_a_shop_whose_mails_stay_here_is_a_sandbox(tmp_path: Path, kind: str) -> None:
    settings = read(tmp_path, f'[accounts.trial]\nkind = "{kind}"\n')
    assert settings.is_sandbox
    assert not settings.leaves
    assert settings.accounts[0].kind == kind


def test_the_environment_names_an_account_with_underscores(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    settings = read(
        tmp_path,
        TWO,
        ACCOUNTS_NEWS_LETTER_PASSWORD_FILE=str(tmp_path / "secret"),
        ACCOUNTS_NEWS_LETTER_PORT="26",
        ACCOUNTS_AMAZON_SECRET_KEY="other",
        LIMITS_GMAIL="60",
        SMTP_STREAMS="transactional, marketing",
    )
    letter = settings.accounts[2]
    assert (letter.password, letter.port) == ("hunter2", 26)
    assert settings.accounts[1].secret_key == "other"
    assert settings.limits["gmail"] == 60
    assert settings.smtp.streams == ("transactional", "marketing")
    assert settings.origins["accounts.news-letter.port"] == "CRM_MAILER_ACCOUNTS_NEWS_LETTER_PORT"


def test_no_secret_of_an_account_is_shown(tmp_path: Path) -> None:
    text = TWO + (
        '[accounts.outlook]\nhost = "smtp.office365.com"\nusername = "a@b.example"\n'
        'password = "pass-word"\n[accounts.outlook.oauth]\ntoken_url = "https://login.example/t"\n'
        'client_id = "me"\nclient_secret = "client-hush"\nrefresh_token = "refresh-hush"\n'
    )
    settings = read(tmp_path, text)
    shown = repr(settings)
    for secret in ("hush", "AKIAEXAMPLE", "pass-word", "client-hush", "refresh-hush"):
        assert secret not in shown
    assert settings.accounts[-1].oauth.refresh_token == "refresh-hush"


def test_a_day_may_be_written_as_text_or_as_a_day(tmp_path: Path) -> None:
    for value in ("2026-11-01", '"2026-11-01"', "2026-11-01T08:00:00Z"):
        settings = read(tmp_path, f'[smtp]\nhost = "a.example"\nwarm_since = {value}\n')
        assert settings.smtp.warm_since == date(2026, 11, 1)


@pytest.mark.parametrize(
    ("value", "means"), [("yes", True), ("1", True), ("off", False), ("FALSE", False)]
)
def test_the_environment_says_yes_and_no_in_words(tmp_path: Path, value: str, means: bool) -> None:
    assert read(tmp_path, "", SMTP_BDAT=value).smtp.bdat is means


SMTP = '[smtp]\nhost = "a.example"\n'
OAUTH = SMTP + 'username = "u"\n'


@pytest.mark.parametrize(
    ("text", "says", "helps"),
    [
        ("workers = 65\n", "workers must lie between 0 and 64", ""),
        ("[accounts]\nbulk = 3\n", "each account is a table of its own", "[accounts.newsletter]"),
        ('[[accounts]]\nhost = "a"\n', "each account is a table of its own", ""),
        ('[accounts.Bulk]\nhost = "a"\n', "`Bulk` cannot be the name", "small letters"),
        ('[accounts."a.b"]\nhost = "a"\n', "`a.b` cannot be the name", ""),
        ('[accounts.smtp]\nhost = "a"\n', "`smtp` is taken", ""),
        ('[accounts.sandbox]\nhost = "a"\n', "`sandbox` is taken", ""),
        ("[accounts.bulk]\n", "accounts.bulk.host is missing", 'kind = "ses"'),
        ('[accounts.bulk]\nhost = "пошта..рф"\n', "пошта..рф, which is no name", "xn--"),
        ('[accounts.bulk]\nkind = "sess"\n', "kind must be one of smtp, ses", "`ses`"),
        ("[accounts.bulk]\nkind = 3\n", "kind must be text", ""),
        ('[accounts.bulk]\nhots = "a"\n', "unknown setting `accounts.bulk.hots`", "`host`"),
        (
            '[accounts.x]\nkind = "ses"\nqqqq = 1\n',
            "unknown setting",
            "kind ses has: kind, ca_file",
        ),
        ('[accounts.x]\nkind = "null"\nhost = "a"\n', "unknown setting `accounts.x.host`", ""),
        (SMTP + '[accounts.x.deep]\nkey = "a"\n', "unknown setting `accounts.x.deep.key`", ""),
        ('[accounts.x]\nkind = "ses"\naccess_key = "A"\n', "secret_key is missing", "both keys"),
        ('[accounts.x]\nkind = "ses"\nendpoint = "mail"\n', "endpoint is no web address", ""),
        ('[accounts.x]\nkind = "ses"\nendpoint = "http://[::1"\n', "no web address", ""),
        ('[accounts.x]\nkind = "ses"\nendpoint = "http://a.example"\n', "not encrypted", "https"),
        (SMTP + 'streams = ["marketting"]\n', "smtp.streams must be one of", "`marketing`"),
        (SMTP + "streams = 3\n", "smtp.streams must be a list of words", ""),
        (SMTP + "providers = [1]\n", "smtp.providers must be a list of words", ""),
        (SMTP + 'providers = ["gmial"]\n', "smtp.providers must be one of", "`gmail`"),
        (SMTP + 'bdat = "maybe"\n', "smtp.bdat must be true or false", ""),
        (SMTP + "bdat = 1\n", "smtp.bdat must be true or false", ""),
        (SMTP + 'warm_since = "soon"\n', "smtp.warm_since must be a day", "2026-11-01"),
        (SMTP + "warm_since = 5\n", "smtp.warm_since must be a day", ""),
        (SMTP + "rank = -1\n", "smtp.rank must lie between 0 and 1000", ""),
        (SMTP + "rank = true\n", "smtp.rank must be a whole number", ""),
        (SMTP + 'auth = "xoauth"\n', "smtp.auth must be one of", "`xoauth2`"),
        (OAUTH + 'tls = "none"\n', "smtp.tls is none", "ca_file"),
        (
            '[accounts.bulk]\nhost = "10.0.0.5"\nusername = "u"\ntls = "none"\n',
            "accounts.bulk.tls is none, and everybody on the way to 10.0.0.5",
            "starttls",
        ),
        (OAUTH + 'auth = "xoauth2"\n', "no token can be got", "oauth.token_file"),
        (OAUTH + 'auth = "plain"\noauth.token_file = "t"\n', "auth is plain", "xoauth2"),
        (SMTP + 'oauth.token_file = "t"\n', "smtp.username is missing", "login name"),
        (OAUTH + 'oauth.token_file = "t"\noauth.token_url = "https://a.example"\n', "both", ""),
        (OAUTH + 'oauth.token_url = "https://a.example"\n', "client_id is missing", ""),
        (OAUTH + 'oauth.token_url = "http://127.0.0.1/"\noauth.client_id = "c"\n', "not encr", ""),
        (OAUTH + 'oauth.token_url = "ftp://a.example"\n', "no web address", ""),
        ("[limits]\ngmial = 5\n", "unknown setting `limits.gmial`", "`limits.gmail`"),
        ("[limits]\ngmail = -5\n", "limits.gmail must lie between 0", ""),
        ('[limits]\ngmail = "fast"\n', "limits.gmail must be a whole number", ""),
        (
            SMTP + 'streams = ["transactional"]\n',
            "no account takes marketing mail",
            "leave `streams` and `providers` of one account empty",
        ),
        (
            SMTP + 'streams = ["transactional"]\n[accounts.b]\nkind = "null"\n'
            'providers = ["other", "qq", "icloud", "yahoo", "outlook"]\n',
            "no account takes marketing mail to gmail, mailru",
            "",
        ),
    ],
)
def test_what_cannot_work_is_told_with_its_place(
    tmp_path: Path, text: str, says: str, helps: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)
    assert str(tmp_path / FILE_NAME) in str(caught.value)
    assert caught.value.hint
    assert helps in caught.value.hint


def test_a_secret_that_belongs_to_no_account_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ACCOUNTS_NEWSLETTER_PASSWORD belongs to no") as caught:
        read(tmp_path, TWO, ACCOUNTS_NEWSLETTER_PASSWORD="hunter2")
    assert "CRM_MAILER_ACCOUNTS_NEWS_LETTER_PASSWORD" in caught.value.hint
    assert "hunter2" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[accounts.x]\nhost = "relay.example"\n', "accounts.x.host"),
        ('[accounts.x]\nkind = "ses"\n', "accounts.x.endpoint"),
        ('[accounts.x]\nkind = "ses"\nendpoint = "https://ses.example"\n', "accounts.x.endpoint"),
        (
            '[smtp]\nhost = "127.0.0.1"\nusername = "u"\noauth.token_url = "https://a.example"\n'
            'oauth.client_id = "c"\noauth.refresh_token = "r"\n',
            "smtp.oauth.token_url",
        ),
    ],
)
def test_test_mode_refuses_every_account_that_leaves(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(SettingsError, match="this machine only") as caught:
        read(tmp_path, text, ENV="test")
    assert str(caught.value).startswith(f"{where} is ")


def test_test_mode_allows_accounts_on_this_machine(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        '[smtp]\nhost = "localhost"\n[accounts.a]\nkind = "ses"\n'
        'endpoint = "http://127.0.0.1:5000"\n[accounts.b]\nkind = "folder"\n',
        ENV="test",
    )
    assert len(settings.accounts) == 3
    assert not settings.leaves


def test_a_new_shop_gets_a_file_that_names_every_setting(tmp_path: Path) -> None:
    make_home(tmp_path)
    text = (tmp_path / FILE_NAME).read_text(encoding="utf-8")
    shown = [line for line in text.splitlines() if " = " in line or line.startswith(("[", "# ["))]
    written = tomllib.loads("\n".join(line.removeprefix("# ") for line in shown))
    assert written["smtp"]["pipelining"] is True
    assert written["smtp"]["oauth"]["token_file"] == ""
    assert written["limits"]["gmail"] == 0
    assert written["accounts"]["newsletter"]["streams"] == ["marketing"]
    assert read_settings(tmp_path, {}).is_sandbox
