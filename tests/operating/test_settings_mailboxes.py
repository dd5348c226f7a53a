from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.model.errors import SettingsError
from crm_mailer.settings import FILE_NAME, Settings, read_settings

CARE = '[mailboxes.care]\nhost = "imap.example"\nusername = "care@x.example"\n'
IMAP = '[imap]\nhost = "imap.example"\n'


def read(home: Path, text: str, **environment: str) -> Settings:
    (home / FILE_NAME).write_text(text, encoding="utf-8")
    return read_settings(home, environment)


def test_a_shop_without_mailboxes_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, "").mailboxes == ()


def test_the_first_mailbox_and_further_ones_are_read(tmp_path: Path) -> None:
    settings = read(
        tmp_path, f'[imap]\nhost = "imap.shop.example"\n{CARE}move_done_to = "Done"\n',
        CRM_MAILER_MAILBOXES_CARE_PASSWORD="s3cret",
    )  # fmt: skip

    assert [one.name for one in settings.mailboxes] == ["imap", "care"]
    care = settings.mailboxes[1]
    assert (care.port, care.password, care.move_done_to) == (993, "s3cret", "Done")
    assert care.account == "care@x.example"
    assert "s3cret" not in repr(settings)


def test_a_mailbox_may_stand_in_the_environment_alone(tmp_path: Path) -> None:
    settings = read(tmp_path, "", CRM_MAILER_IMAP_HOST="imap.example")

    assert [one.place for one in settings.mailboxes] == ["imap.example:993"]


@pytest.mark.parametrize(
    ("text", "says", "helps"),
    [
        ('[mailboxes.Care]\nhost = "x"\n', "cannot be the name", "[mailboxes.care]"),
        ('[mailboxes.imap]\nhost = "x"\n', "is taken", ""),
        ("mailboxes = 3\n", "table of its own", "[mailboxes.care]"),
        ("[mailboxes.care]\nport = 143\n", "mailboxes.care.host is missing", ""),
        ('[mailboxes.care]\nhost = "пошта_x.рф"\n', "пошта_x.рф, which is no name", "xn--"),
        (CARE + 'folders = "x"\n', "unknown setting", "did you mean `folder`?"),
        (CARE + "port = 0\n", "must lie between", ""),
        (CARE + 'tls = "ssl"\n', "must be one of", "implicit"),
        (CARE + 'first_contact = "yesterday"\n', "first_contact is `yesterday`", "2026-11-01"),
        (CARE + 'move_done_to = "inbox"\n', "move_done_to is the folder that is read", ""),
        (CARE + 'tls = "none"\n', "mailboxes.care.tls is none, and everybody", "starttls"),
        (CARE + 'auth = "xoauth2"\n', "no token can be got", "token_command"),
        (CARE + 'auth = "plain"\noauth.token_file = "t"\n', "is for xoauth2", ""),
        (CARE + 'oauth.token_file = "t"\noauth.token_command = "c"\n', "has both", ""),
        (CARE + 'oauth.token_url = "http://x.example/t"\n', "is not encrypted", "https://"),
        (CARE + 'oauth.token_url = "https://x.example/t"\n', "client_id is missing", ""),
        (IMAP + 'oauth.token_file = "t"\n', "imap.username is missing", ""),
        (CARE + CARE.replace(".care]", ".same]"), "is the same mailbox", "remove one"),
    ],
)
def test_what_is_wrong_with_a_mailbox_is_told_with_its_place(
    tmp_path: Path, text: str, says: str, helps: str
) -> None:
    with pytest.raises(SettingsError) as told:
        read(tmp_path, text)

    assert says in str(told.value)
    assert helps in told.value.hint


def test_a_variable_of_a_mailbox_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="belongs to no mailbox"):
        read(tmp_path, CARE, CRM_MAILER_MAILBOXES_CARR_PASSWORD="x")
