"""The mailboxes that answers come to: `[imap]` and the tables `[mailboxes.NAME]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import accounts
from crm_mailer.settings.accounts import Declared
from crm_mailer.settings.fields import mailbox_fields
from crm_mailer.settings.values import ImapSettings, OauthSettings, Settings

TABLE = "mailboxes"
EXAMPLE = "[mailboxes.care]"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")

FIRST = Declared(name="imap", prefix="imap", kind="imap", fields=mailbox_fields("imap"))


def declared(tree: Mapping[str, Any], path: Path) -> list[Declared]:
    """The tables `[mailboxes.NAME]` of the file, by name.

    Raises:
        SettingsError: a name that cannot be one.
    """
    tables = tree.get(TABLE, {})
    if not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
        raise SettingsError(
            Sentence("{path}: each mailbox is a table of its own", path=path),
            hint=Sentence("such as {example}", example=EXAMPLE),
        )
    for name in tables:
        if name == FIRST.name:
            raise accounts.is_taken(path, TABLE, name, EXAMPLE)
        if not _NAME.match(name):
            raise SettingsError(
                Sentence(
                    "{path}: [{table}]: `{name}` cannot be the name of a mailbox",
                    path=path,
                    table=f"{TABLE}.{name}",
                    name=name,
                ),
                hint=accounts.name_hint(EXAMPLE),
            )
    prefixes = [(name, f"{TABLE}.{name}") for name in sorted(tables)]
    return [
        Declared(name=name, prefix=prefix, kind="imap", fields=mailbox_fields(prefix))
        for name, prefix in prefixes
    ]


def build(one: Declared, values: Mapping[str, Any]) -> ImapSettings:
    """The mailbox of a table."""
    oauth = OauthSettings(**accounts.part(values, f"{one.prefix}.oauth"))
    return ImapSettings(name=one.name, oauth=oauth, **accounts.part(values, one.prefix))


def table(mailbox: ImapSettings) -> str:
    """The table that a mailbox is written in."""
    return mailbox.name if mailbox.name == FIRST.name else f"{TABLE}.{mailbox.name}"


def check(settings: Settings, path: Path) -> None:
    """See that each mailbox can be read, and that none stands there twice.

    Raises:
        SettingsError: the message names the file, the table and the key.
    """
    seen: dict[tuple[str, str], str] = {}
    for one in settings.mailboxes:
        where = f"{path}: {table(one)}"
        if not one.host:
            raise SettingsError(accounts.missing(where, "host"), hint="name its IMAP server")
        accounts.check_host(one.host, where)
        _check_login(one, where)
        _check_first_contact(one, where)
        if one.move_done_to.casefold() == one.folder.casefold():
            raise SettingsError(
                Sentence("{where}.move_done_to is the folder that is read", where=where),
                hint="name another folder",
            )
        other = seen.setdefault((one.account, one.folder), table(one))
        if other != table(one):
            raise SettingsError(
                Sentence("{where} is the same mailbox as {other}", where=where, other=other),
                hint="remove one of the two tables",
            )


def _check_login(one: ImapSettings, where: str) -> None:
    if one.tls == "none":
        accounts.check_login_in_clear(one.host, one.username, where)
    oauth = one.oauth
    if one.auth in ("plain", "login") and oauth.is_set:
        raise SettingsError(
            Sentence(
                "{where}.auth is {auth}, but {where}.oauth is for xoauth2",
                where=where,
                auth=one.auth,
            ),
            hint='set auth = "xoauth2", or remove the oauth keys',
        )
    if one.auth == "xoauth2" and not oauth.is_set:
        raise SettingsError(
            Sentence("{where}.auth is xoauth2, but no token can be got", where=where),
            hint="set oauth.token_file, oauth.token_command, or oauth.token_url with client_id "
            "and refresh_token",
        )
    ways = ("token_file", "token_command", "token_url")
    if len(given := [name for name in ways if getattr(oauth, name)]) > 1:
        raise SettingsError(
            Sentence(
                "{where}.oauth has both {first} and {second}",
                where=where,
                first=given[0],
                second=given[1],
            ),
            hint="keep the one that is used",
        )
    if oauth.is_set and not one.username:
        raise SettingsError(
            accounts.missing(where, "username"),
            hint="a token is shown together with the login name",
        )
    if oauth.token_url:
        accounts.check_address(oauth.token_url, f"{where}.oauth.token_url", is_secret=True)
        for key in ("client_id", "refresh_token"):
            if not getattr(oauth, key):
                raise SettingsError(
                    accounts.missing(where, f"oauth.{key}"),
                    hint="token_url wants client_id and refresh_token",
                )


def _check_first_contact(one: ImapSettings, where: str) -> None:
    if one.first_contact in ("new", "all"):
        return
    try:
        date.fromisoformat(one.first_contact)
    except ValueError as error:
        raise SettingsError(
            Sentence(
                "{where}.first_contact is `{value}`",
                where=where,
                value=one.first_contact,
            ),
            hint="write new, all, or a day such as 2026-11-01",
        ) from error
