"""What goes wrong with an IMAP server, in words that name the server and the remedy."""

from __future__ import annotations

import imaplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from imapclient.exceptions import CapabilityError, IMAPClientError, LoginError

from crm_mailer.listening.mailbox import Account
from crm_mailer.model.errors import LoginRefused, MailboxError, ServiceDown, SettingsError
from crm_mailer.model.sentence import Sentence


@contextmanager
def plain_errors(account: Account, folder: str = "") -> Iterator[None]:
    """Turn what the libraries raise into our own errors.

    Args:
        account: the mailbox, named in the message.
        folder: the folder in question; empty: the one that is read.

    Raises:
        LoginRefused: user name, password or token is wrong.
        SettingsError: the folder is not there.
        ServiceDown: no answer, or the line was lost.
        MailboxError: the server answers, but not with what was asked for.
    """
    place, table = f"{account.host}:{account.port}", account.table
    key = "move_done_to" if folder else "folder"
    folder = folder or account.folder
    try:
        yield
    except LoginError as error:
        raise LoginRefused(
            Sentence(
                "{place} refuses the login of {username}: {said}",
                place=place,
                username=account.username,
                said=said(error),
            ),
            hint=Sentence(
                "check {table}.username and {table}.password; Gmail, QQ, 163 and Outlook want "
                "an app password or a token",
                table=table,
            ),
        ) from error
    except ssl.SSLError as error:
        raise ServiceDown(
            Sentence("no safe connection to {place}: {said}", place=place, said=said(error)),
            hint=Sentence(
                "check {table}.tls and {table}.port (implicit: 993, starttls: 143) and "
                "{table}.ca_file",
                table=table,
            ),
        ) from error
    except (TimeoutError, socket.gaierror, ConnectionError) as error:
        raise ServiceDown(
            Sentence(
                "the mailbox server {place} does not answer: {said}", place=place, said=said(error)
            ),
            hint=Sentence(
                "check {table}.host and {table}.port; nothing is lost, reading goes on later",
                table=table,
            ),
        ) from error
    except imaplib.IMAP4.readonly as error:
        raise MailboxError(
            Sentence(
                "{place} lets {username} only read {folder}, so nothing is moved",
                place=place,
                username=account.username,
                folder=account.folder,
            ),
            hint=Sentence(
                "give the login more rights, or remove {table}.move_done_to", table=table
            ),
        ) from error
    except (imaplib.IMAP4.abort, OSError) as error:
        raise ServiceDown(
            Sentence("the line to {place} was lost: {said}", place=place, said=said(error)),
            hint="nothing is lost, reading goes on from where it was",
        ) from error
    except (CapabilityError, IMAPClientError, imaplib.IMAP4.error) as error:
        if any(code in str(error) for code in ("[NONEXISTENT]", "[TRYCREATE]")):  # RFC 5530
            raise SettingsError(
                Sentence(
                    "{place} has no folder {folder} for {username}",
                    place=place,
                    folder=folder,
                    username=account.username,
                ),
                hint=Sentence("correct {table}.{key} in crm-mailer.toml", table=table, key=key),
            ) from error
        raise MailboxError(
            Sentence(
                "{place} cannot do what was asked of the folder {folder}: {said}",
                place=place,
                folder=folder,
                said=said(error),
            ),
            hint=Sentence(
                "check {table}.{key}; 163 and 126 want IMAP switched on in the web mail's settings",
                table=table,
                key=key,
            ),
        ) from error
    except (KeyError, IndexError, TypeError, ValueError, AssertionError, MemoryError) as error:
        raise MailboxError(
            Sentence(
                "{place} answered in a way that cannot be read: {name} {said}",
                place=place,
                name=type(error).__name__,
                said=said(error),
            ),
            hint="nothing is lost, reading goes on from where it was",
        ) from error


def said(error: BaseException) -> str:
    """An error's text on one line, without what a terminal would obey."""
    told = str(error)
    if isinstance(told, Sentence):
        return told
    text = " ".join(told.split())[:200]
    if text.startswith(("b'", 'b"')):  # imaplib passes on the bytes of the server
        text = text[2:-1]
    return "".join(c for c in text if c.isprintable()) or type(error).__name__
