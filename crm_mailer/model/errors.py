"""Every error that people see: one tree, each with a hint that says what to do.

CrmMailerError                     exit code 70
├─ DefinitionError                 78  what a marketer wrote is wrong (carries problems)
├─ SettingsError                   78
├─ SourceError                     65  an export that cannot be read
├─ NotFound                         2  a customer, campaign, case ... that does not exist
├─ NotPossible                      2  a thing that exists, but not in a state that allows it
├─ StoreError                      73
│  ├─ SchemaBehind · SchemaAhead   78
│  ├─ Unreconciled                 78  a restored copy, which does not know what left since
│  ├─ AlreadyRunning               75
│  ├─ LeaseLost                    75  work that passed to another process meanwhile
│  ├─ StoreBusy                    75
│  ├─ StoreDown                    69  a PostgreSQL server does not answer
│  └─ StoreRefused                 77
├─ CannotWrite                     73  a file or folder that is not the database
├─ RenderError                     65  template, line, variable
├─ ServiceDown                     69  an SMTP or IMAP server does not answer
└─ MailboxError                    69
   ├─ LoginRefused                 77
   ├─ FetchBroken                  69
   └─ MailboxReplaced              69
"""

from __future__ import annotations

from typing import Any

from crm_mailer.model.sentence import Sentence, sentence


class CrmMailerError(Exception):
    """Something went wrong that a person can understand.

    What it says is a `Sentence`, so that whoever shows it can say it in the reader's language;
    so is its hint, which says what to do.
    """

    exit_code = 70

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        said = message or (self.__doc__ or "").strip().splitlines()[0].rstrip(".")
        super().__init__(sentence(said))
        self._hint = sentence(hint)

    @property
    def hint(self) -> Sentence:
        """What to do."""
        return self._hint

    @hint.setter
    def hint(self, text: str) -> None:
        self._hint = sentence(text)

    def __str__(self) -> Sentence:
        """What went wrong, still as a sentence: Exception would make plain text of it."""
        said: Sentence = self.args[0]
        return said


class DefinitionError(CrmMailerError):
    """A campaign, segment, curve or template file is wrong."""

    exit_code = 78
    #: The faults, each with its place; see `definitions.problems`.
    problems: tuple[Any, ...] = ()


class SettingsError(CrmMailerError):
    """The configuration is wrong or incomplete."""

    exit_code = 78


class SourceError(CrmMailerError):
    """An export file cannot be read."""

    exit_code = 65


class NotFound(CrmMailerError):
    """There is nothing by this name."""

    exit_code = 2


class NotPossible(CrmMailerError):
    """This cannot be done as things stand."""

    exit_code = 2


class StoreError(CrmMailerError):
    """The database cannot do this."""

    exit_code = 73


class SchemaBehind(StoreError):
    """The database is older than the program."""

    exit_code = 78


class SchemaAhead(StoreError):
    """The database was written by a newer program."""

    exit_code = 78


class Unreconciled(StoreError):
    """The database is not the one from which mails left last."""

    exit_code = 78


class AlreadyRunning(StoreError):
    """Another daemon works on this database."""

    exit_code = 75


class LeaseLost(StoreError):
    """Another process does this work now."""

    exit_code = 75


class StoreBusy(StoreError):
    """The database is locked by another program."""

    exit_code = 75


class StoreDown(StoreError):
    """The database server does not answer."""

    exit_code = 69


class StoreRefused(StoreError):
    """The database server refuses the user name or the password."""

    exit_code = 77


class CannotWrite(CrmMailerError):
    """A file or folder cannot be written."""

    exit_code = 73


class RenderError(CrmMailerError):
    """A template cannot be rendered."""

    exit_code = 65


class ServiceDown(CrmMailerError):
    """A mail server does not answer."""

    exit_code = 69


class MailboxError(CrmMailerError):
    """The mailbox cannot be read."""

    exit_code = 69


class LoginRefused(MailboxError):
    """The server refuses the user name or the password."""

    exit_code = 77


class FetchBroken(MailboxError):
    """The mail server stumbled over a mail; after another connection the others come."""


class MailboxReplaced(MailboxError):
    """The mailbox has a new UIDVALIDITY."""
