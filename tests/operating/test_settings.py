from __future__ import annotations

import re
from pathlib import Path

import pytest

from crm_mailer.i18n import say
from crm_mailer.model.errors import SettingsError
from crm_mailer.settings import FIELDS, FILE_NAME, read_settings


def write(home: Path, text: str) -> Path:
    (home / FILE_NAME).write_text(text, encoding="utf-8")
    return home


def test_a_shop_without_a_file_is_a_sandbox(tmp_path: Path) -> None:
    settings = read_settings(tmp_path, {})
    assert settings.is_sandbox
    assert settings.smtp.port == 587
    assert settings.origins["smtp.port"] == "default"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    home = write(tmp_path, '[smtp]\nhost = "a.example"\nport = 25\n')
    settings = read_settings(home, {"CRM_MAILER_SMTP_HOST": "b.example"})
    assert (settings.smtp.host, settings.smtp.port) == ("b.example", 25)
    assert settings.origins["smtp.host"] == "CRM_MAILER_SMTP_HOST"
    assert settings.origins["smtp.port"].endswith(FILE_NAME)


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    settings = read_settings(tmp_path, {"CRM_MAILER_SMTP_PASSWORD_FILE": str(tmp_path / "secret")})
    assert settings.smtp.password == "hunter2"
    assert "hunter2" not in repr(settings)


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CRM_MAILER_SMTP_PASSWORD_FILE"):
        read_settings(tmp_path, {"CRM_MAILER_SMTP_PASSWORD_FILE": "/nowhere/at/all"})


@pytest.mark.parametrize(
    ("text", "says", "helps"),
    [
        ('[smtp]\nhots = "x"\n', "unknown setting `smtp.hots`", "did you mean `smtp.host`?"),
        ("[smtp]\nport = true_\n", "crm-mailer.toml", "line"),
        ('[smtp]\nport = "many"\n', "smtp.port must be a whole number", ""),
        ('[smtp]\ntls = "ssl"\n', "must be one of starttls", ""),
        ("\x00", "crm-mailer.toml", ""),
        ("workers = " + "1" * 5_000, "a value in it is too long or too deep", "docs/settings.md"),
        ("a = " + "[" * 5_000, "a value in it is too long or too deep", "docs/settings.md"),
        ('smtp = "mail.example"\n', "unknown setting `smtp`", "it is a table: write [smtp]"),
    ],
)
def test_a_wrong_file_ends_in_one_clear_message(
    tmp_path: Path, text: str, says: str, helps: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(write(tmp_path, text), {})
    assert says in str(caught.value)
    assert helps in caught.value.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("spam_warn = 50\nspam_half = 20\nspam_stop = 10\n", "spam_warn.* is above .*spam_half"),
        ("spam_half = 20\nspam_stop = 10\n", "spam_half.* is above .*spam_stop"),
        ("spam_warn = 20\nspam_stop = 10\n", "spam_warn.* is above .*spam_stop"),
    ],
)
def test_spam_steps_that_are_upside_down_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read_settings(write(tmp_path, f"[guards]\n{text}"), {})


@pytest.mark.parametrize("text", ["spam_stop = 5\n", "spam_warn = 7\nspam_half = 7\n"])
def test_a_step_below_a_default_or_at_another_is_taken(tmp_path: Path, text: str) -> None:
    assert read_settings(write(tmp_path, f"[guards]\n{text}"), {}).guards.spam_warn <= 10


def test_a_file_that_is_not_text_ends_in_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"\xff\xfe\x00database")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path, {})


@pytest.mark.parametrize("host", ["smtp.example.com", "10.0.0.1", "8.8.8.8"])
def test_test_mode_refuses_every_other_machine(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="this machine only"):
        read_settings(tmp_path, {"CRM_MAILER_ENV": "test", "CRM_MAILER_SMTP_HOST": host})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_test_mode_allows_this_machine(tmp_path: Path, host: str) -> None:
    settings = read_settings(tmp_path, {"CRM_MAILER_ENV": "test", "CRM_MAILER_SMTP_HOST": host})
    assert settings.smtp.host == host


def test_every_setting_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    missing = [
        field.name
        for field in FIELDS
        if f"`{field.name}`" not in text and f"`{field.name.partition('.')[2]}`" not in text
    ]
    assert missing == [], "python -m tests.docs.reference writes the page anew"


@pytest.mark.parametrize(
    "text",
    ["x =", "x", "= 3", "a=1\na=2", "[a", "[[a]", "[a]\n[a]", 'a="\\q"', 'a="x', 'a="\\ux"',
     'a="\\ud800"', "a=[1", "a={b=1", "a={b=1,b=2}", "a=2026-02-31", "a=1 b", "a.b=1\na.b.c=2",
     "a=[]\n[[a]]", 'a="\x01"', "# \x01", "a=\'\'\'x", "a = tru", "[fruit]\nx.y=1\n[fruit.x]",
     "[a.b]\n[a]\nb.c=1", "[\u00e9]"],
)  # fmt: skip
def test_a_fault_of_the_file_is_told_in_the_language_of_the_reader(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(write(tmp_path, text), {})
    told = say(str(caught.value), "zh_CN").removeprefix(f"{tmp_path}/{FILE_NAME}")
    assert re.fullmatch("：.*[\u4e00-\u9fff].*（(第 [0-9]+ 行，第 [0-9]+ 列|在文件末尾)）", told), (
        told
    )
    assert not re.search("[A-Za-z]{3}", told.replace("Unicode", "").replace("fruit", "")), told


def test_a_secret_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="secret cannot be read: it is not UTF-8 text"):
        read_settings(tmp_path, {"CRM_MAILER_SMTP_PASSWORD_FILE": str(tmp_path / "secret")})
