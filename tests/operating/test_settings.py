from __future__ import annotations

from pathlib import Path

import pytest

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
