"""Logging in to an IMAP server: by password or token, and saying who we are where it is wanted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from imapclient.exceptions import IMAPClientError, LoginError

from crm_mailer.listening.imap_line import Client
from crm_mailer.listening.mailbox import Account
from crm_mailer.model.sentence import Sentence

#: What is said to a server that wants to know the program (RFC 2971).
WHO = {"name": "crm-mailer", "vendor": "crm-mailer"}


def log_in(client: Client, account: Account) -> None:
    """Log in as the account says.

    Raises:
        LoginError: the server does not take it, or cannot be asked in this way.
    """
    if account.token is not None and account.auth in ("auto", "xoauth2"):
        _by_token(client, account.username, account.token)
    elif _is_plain(client, account):
        client.plain_login(account.username, account.password)
    else:
        _by_login(client, account)
    client.ask_anew()
    if client.has_capability("ID"):
        # 163.com and 126.com refuse to open a folder for programs without a name
        with suppress(IMAPClientError):
            client.id_(WHO)


def _is_plain(client: Client, account: Account) -> bool:
    """AUTHENTICATE PLAIN takes any letters; LOGIN is what every server knows."""
    if account.auth != "auto":
        return account.auth == "plain"
    is_ascii = (account.username + account.password).isascii()
    is_login_off = client.offers("LOGINDISABLED")
    return (is_login_off or not is_ascii) and client.offers("AUTH=PLAIN")


def _by_login(client: Client, account: Account) -> None:
    if not (account.username + account.password).isascii():
        raise LoginError(
            Sentence("a user name or password with other letters than ASCII needs AUTH=PLAIN")
        )
    if client.offers("LOGINDISABLED"):
        raise LoginError(
            Sentence("it takes no password on this line; tls should be implicit or starttls")
        )
    client.login(account.username, account.password)


def _by_token(client: Client, username: str, token: Callable[[str], str]) -> None:
    """XOAUTH2; a token that has just run out is renewed once."""
    first = token("")
    try:
        _xoauth2(client, username, first)
    except LoginError:
        second = token(first)
        if second == first:
            raise
        _xoauth2(client, username, second)


def _xoauth2(client: Client, username: str, token: str) -> None:
    """A server that refuses first says why in a challenge, which wants an empty answer."""
    if not client.offers("AUTH=XOAUTH2"):
        raise LoginError(Sentence("it does not take tokens (no AUTH=XOAUTH2)"))
    answers = [f"user={username}\1auth=Bearer {token}\1\1".encode()]
    client.sasl_login("XOAUTH2", lambda _challenge: answers.pop() if answers else b"")
