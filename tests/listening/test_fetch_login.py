"""Ways to log in: passwords, tokens, and servers that want to know the program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm_mailer.listening import ImapMailbox
from crm_mailer.model.errors import LoginRefused, MailboxError, ServiceDown
from tests.servers import imap_faults
from tests.servers.imap_faults import BadServer, running


@pytest.fixture
def server() -> Iterator[BadServer]:
    with running(BadServer()) as one:
        yield one


class Tokens:
    """Gives these, one after another; the last for ever."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.refused: list[str] = []

    def __call__(self, refused: str) -> str:
        if refused:
            self.refused.append(refused)
            self.tokens = self.tokens[1:] or self.tokens
        return self.tokens[0]


def test_a_token_opens_the_mailbox(server: BadServer) -> None:
    server.tokens = {"good"}

    with ImapMailbox(server.account(token=Tokens("good"), password="")) as mailbox:
        assert mailbox.open().uidvalidity == 7

    assert not server.verbs("LOGIN")


def test_a_token_that_ran_out_is_renewed_once(server: BadServer) -> None:
    server.tokens = {"new"}
    tokens = Tokens("old", "new")

    with ImapMailbox(server.account(token=tokens)) as mailbox:
        mailbox.open()

    assert tokens.refused == ["old"]
    assert len(server.verbs("AUTHENTICATE")) == 2


def test_a_token_that_cannot_be_renewed_is_refused_and_shows_nowhere(server: BadServer) -> None:
    account = server.account(token=Tokens("tok3n"))

    with pytest.raises(LoginRefused) as told, ImapMailbox(account):
        pass

    assert "tok3n" not in f"{told.value} {told.value.hint} {account!r}"
    assert len(server.verbs("AUTHENTICATE")) == 1


@pytest.mark.parametrize("error", [LoginRefused("no token"), ServiceDown("no answer")])
def test_what_ails_the_source_of_tokens_is_told(
    server: BadServer, error: MailboxError | ServiceDown
) -> None:
    def token(_refused: str) -> str:
        raise error

    with pytest.raises(type(error), match=str(error)), ImapMailbox(server.account(token=token)):
        pass


def test_a_server_without_tokens_is_told_apart_from_a_wrong_one(server: BadServer) -> None:
    server.capabilities = "IMAP4rev1"

    with (
        pytest.raises(LoginRefused, match="does not take tokens"),
        ImapMailbox(server.account(token=Tokens("good"))),
    ):
        pass


def test_a_password_in_any_letters_goes_by_plain(
    monkeypatch: pytest.MonkeyPatch, server: BadServer
) -> None:
    monkeypatch.setattr(imap_faults, "PASSWORD", "пароль-密码")

    with ImapMailbox(server.account(password="пароль-密码")) as mailbox:
        mailbox.open()

    assert server.verbs("AUTHENTICATE") == ["AUTHENTICATE PLAIN"]


def test_a_password_in_any_letters_that_cannot_be_said_is_told(server: BadServer) -> None:
    server.capabilities = "IMAP4rev1"

    with (
        pytest.raises(LoginRefused, match="AUTH=PLAIN") as told,
        ImapMailbox(server.account(password="пароль")),
    ):
        pass

    assert "пароль" not in str(told.value)


def test_a_password_is_not_said_in_the_clear_where_the_server_forbids_it(
    server: BadServer,
) -> None:
    server.capabilities = "IMAP4rev1 LOGINDISABLED STARTTLS"

    with pytest.raises(LoginRefused, match="implicit or starttls"), ImapMailbox(server.account()):
        pass

    assert not server.verbs("LOGIN", "AUTHENTICATE")


@pytest.mark.parametrize(
    ("auth", "capabilities", "verb"),
    [
        ("auto", "IMAP4rev1 AUTH=PLAIN", "LOGIN"),
        ("auto", "IMAP4rev1 AUTH=PLAIN LOGINDISABLED", "AUTHENTICATE"),
        ("plain", "IMAP4rev1 AUTH=PLAIN", "AUTHENTICATE"),
        ("login", "IMAP4rev1 AUTH=PLAIN", "LOGIN"),
    ],
)
def test_the_way_to_log_in_fits_the_server_and_the_settings(
    server: BadServer, auth: str, capabilities: str, verb: str
) -> None:
    server.capabilities = capabilities

    with ImapMailbox(server.account(auth=auth)) as mailbox:
        mailbox.open()

    assert server.verbs(verb)


def test_163_hears_who_we_are_before_a_folder_is_opened(server: BadServer) -> None:
    server.wants_id = True
    server.capabilities = "IMAP4rev1 ID UIDPLUS"

    with ImapMailbox(server.account()) as mailbox:
        assert mailbox.open().uidnext == 1

    assert server.ids == ['("name" "crm-mailer" "vendor" "crm-mailer")']


def test_where_id_is_unknown_the_refusal_of_163_is_told_with_the_remedy(server: BadServer) -> None:
    server.wants_id = True
    server.capabilities = "IMAP4rev1"

    with (
        ImapMailbox(server.account()) as mailbox,
        pytest.raises(MailboxError, match="Unsafe Login") as told,
    ):
        mailbox.open()

    assert "163 and 126" in told.value.hint
