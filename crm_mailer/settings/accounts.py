"""The accounts that mails leave by: `[smtp]` and the tables `[accounts.NAME]`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crm_mailer.model import domains
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings.fields import GROUPS, PREFIX, Field, account_fields, kind_field
from crm_mailer.settings.typed import did_you_mean, find_value
from crm_mailer.settings.values import AccountSettings, OauthSettings, Settings, is_loopback

TABLE = "accounts"
EXAMPLE = "[accounts.newsletter]"
#: What a variable may belong to.
ACCOUNT = Sentence("account")
#: Names that already mean something: the table `[smtp]`, and the way out of a shop without any.
TAKEN = ("smtp", "sandbox")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A table of the file: which settings it may have."""

    name: str
    prefix: str
    kind: str
    fields: tuple[Field, ...]


FIRST = Declared(name="smtp", prefix="smtp", kind="smtp", fields=account_fields("smtp", "smtp"))


def declared(
    tree: Mapping[str, Any], written: Mapping[str, Any], environment: Mapping[str, str], path: Path
) -> list[Declared]:
    """The tables `[accounts.NAME]` of the file, by name.

    Raises:
        SettingsError: a name that cannot be one, or an unknown kind.
    """
    tables = tree.get(TABLE, {})
    if not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
        raise SettingsError(
            Sentence("{path}: each account is a table of its own", path=path),
            hint=Sentence("such as {example}", example=EXAMPLE),
        )
    return [_declared(name, written, environment, path) for name in sorted(tables)]


def _declared(
    name: str, written: Mapping[str, Any], environment: Mapping[str, str], path: Path
) -> Declared:
    if name in TAKEN:
        raise is_taken(path, TABLE, name, EXAMPLE)
    if not _NAME.match(name):
        raise SettingsError(
            Sentence(
                "{path}: [{table}]: `{name}` cannot be the name of an account",
                path=path,
                table=f"{TABLE}.{name}",
                name=name,
            ),
            hint=name_hint(EXAMPLE),
        )
    prefix = f"{TABLE}.{name}"
    field = kind_field(prefix)
    kind, _origin = find_value(field, written, environment, path)
    return Declared(
        name=name, prefix=prefix, kind=kind, fields=(field, *account_fields(prefix, kind))
    )


def is_taken(path: Path, table: str, name: str, example: str) -> SettingsError:
    """The error that a name means something else already."""
    where = f"{table}.{name}"
    return SettingsError(
        Sentence("{path}: [{table}]: `{name}` is taken", path=path, table=where, name=name),
        hint=name_hint(example),
    )


def name_hint(example: str) -> Sentence:
    """What a table may be called."""
    return Sentence("use small letters, digits and dashes, such as {example}", example=example)


def hint_for(name: str, further: Iterable[Declared]) -> str:
    """What an unknown setting of a known account should have been; empty for other settings."""
    for one in further:
        if name.startswith(one.prefix + "."):
            known = [field.name.removeprefix(one.prefix + ".") for field in one.fields]
            wrong = name.removeprefix(one.prefix + ".")
            has = Sentence("kind {kind} has: {names}", kind=one.kind, names=", ".join(known))
            return did_you_mean(wrong, known, has)
    return ""


def check_variables(
    environment: Mapping[str, str],
    fields: Iterable[Field],
    table: str = TABLE,
    what: str = ACCOUNT,
    example: str = EXAMPLE,
) -> None:
    """See that no variable is meant for an account that the file does not have.

    Raises:
        SettingsError: one is.
    """
    known = {field.variable for field in fields}
    start = f"{PREFIX}{table.upper()}_"
    for name in environment:
        if name.startswith(start) and not {name, name.removesuffix("_FILE")} & known:
            raise SettingsError(
                Sentence("{name} belongs to no {what} of crm-mailer.toml", name=name, what=what),
                hint=did_you_mean(
                    name,
                    known,
                    Sentence("name the {what} there: {example}", what=what, example=example),
                ),
            )


def part(values: Mapping[str, Any], group: str) -> dict[str, Any]:
    """The values of one table, named without it; tables within it are left out."""
    start = group + "."
    names = (name for name in values if name.startswith(start))
    return {
        name.removeprefix(start): values[name] for name in names if "." not in name[len(start) :]
    }


def build(one: Declared, values: Mapping[str, Any]) -> AccountSettings:
    """The account of a table."""
    given = part(values, one.prefix) | {"kind": one.kind}
    oauth = OauthSettings(**part(values, f"{one.prefix}.oauth"))
    return AccountSettings(name=one.name, oauth=oauth, **given)


# ---------------------------------------------------------------------------- checks


def check(settings: Settings, path: Path) -> None:
    """See that each account can work, and that every mail has one.

    Raises:
        SettingsError: the message names the file, the table and the key.
    """
    for account in settings.accounts:
        where = f"{path}: {table(account)}"
        if account.kind == "smtp":
            _check_smtp(account, where)
        if account.kind == "ses":
            _check_ses(account, where)
    if settings.accounts:
        _check_lanes(settings.accounts, path)


def table(account: AccountSettings) -> str:
    """The table that an account is written in."""
    return account.name if account.name == FIRST.name else f"{TABLE}.{account.name}"


def missing(where: str, key: str) -> Sentence:
    """That a table lacks a setting."""
    return Sentence("{where}.{key} is missing", where=where, key=key)


def _check_smtp(account: AccountSettings, where: str) -> None:
    if not account.host:
        raise SettingsError(
            missing(where, "host"),
            hint='name the mail server, or say what else it is: kind = "ses", "folder" or "null"',
        )
    check_host(account.host, where)
    if account.tls == "none":
        check_login_in_clear(account.host, account.username, where)
    oauth = account.oauth
    if account.auth in ("plain", "login") and oauth.is_set:
        raise SettingsError(
            Sentence(
                "{where}.auth is {auth}, but {where}.oauth is for xoauth2",
                where=where,
                auth=account.auth,
            ),
            hint='set auth = "xoauth2", or remove the oauth keys',
        )
    if account.auth == "xoauth2" and not oauth.is_set:
        raise SettingsError(
            Sentence("{where}.auth is xoauth2, but no token can be got", where=where),
            hint="set oauth.token_file, or oauth.token_url with client_id and refresh_token",
        )
    if oauth.is_set:
        _check_oauth(account, where)


def check_host(host: str, where: str) -> None:
    """See that a name in letters outside ASCII is one that the DNS can have.

    Raises:
        SettingsError: it is not.
    """
    try:
        domains.wire_place(host)
    except UnicodeError:
        raise SettingsError(
            Sentence(
                "{where}.host is {host}, which is no name of a server", where=where, host=host
            ),
            hint="write it as the provider does, or in its xn-- form",
        ) from None


def check_login_in_clear(host: str, username: str, where: str) -> None:
    """See that no password goes in clear text to another machine.

    Raises:
        SettingsError: it would.
    """
    if username and not is_loopback(host.casefold()):
        raise SettingsError(
            Sentence(
                "{where}.tls is none, and everybody on the way to {host} could read the password",
                where=where,
                host=host,
            ),
            hint='set tls = "starttls" or "implicit" (and ca_file for a certificate of your own), '
            "or remove username and password",
        )


def _check_oauth(account: AccountSettings, where: str) -> None:
    oauth = account.oauth
    if oauth.token_file and oauth.token_url:
        raise SettingsError(
            Sentence(
                "{where}.oauth has both {first} and {second}",
                where=where,
                first="token_file",
                second="token_url",
            ),
            hint="keep the one that is used",
        )
    if not account.username:
        raise SettingsError(
            missing(where, "username"),
            hint="a token is shown together with the login name",
        )
    if oauth.token_url:
        check_address(oauth.token_url, f"{where}.oauth.token_url", is_secret=True)
        for key in ("client_id", "refresh_token"):
            if not getattr(oauth, key):
                raise SettingsError(
                    missing(where, f"oauth.{key}"),
                    hint="token_url wants client_id and refresh_token",
                )


def _check_ses(account: AccountSettings, where: str) -> None:
    if bool(account.access_key) != bool(account.secret_key):
        raise SettingsError(
            missing(where, "secret_key" if account.access_key else "access_key"),
            hint="set both keys, or neither: then boto3 looks for them in its own places",
        )
    if account.endpoint:
        check_address(account.endpoint, f"{where}.endpoint")


def check_address(address: str, where: str, *, is_secret: bool = False) -> None:
    """An https address; plain http on this machine only, and never for secrets."""
    try:
        url = urlsplit(address)
        host, _port = url.hostname or "", url.port
    except ValueError:
        url, host = urlsplit(""), ""
    if not host or url.scheme not in ("https", "http"):
        raise SettingsError(
            Sentence("{where} is no web address", where=where),
            hint=Sentence("such as {example}", example="https://example.com/"),
        )
    if url.scheme == "http" and (is_secret or not is_loopback(host)):
        raise SettingsError(
            Sentence("{where} is not encrypted", where=where), hint="use an address with https://"
        )


def _check_lanes(accounts: Iterable[AccountSettings], path: Path) -> None:
    for stream in Stream:
        left = [
            group
            for group in GROUPS
            if not any(account.takes(stream, group) for account in accounts)
        ]
        if left:
            raise SettingsError(
                _untaken(path, stream, left),
                hint="leave `streams` and `providers` of one account empty: it takes the rest",
            )


def _untaken(path: Path, stream: Stream, groups: list[str]) -> Sentence:
    if len(groups) == len(GROUPS):
        return Sentence("{path}: no account takes {stream} mail", path=path, stream=stream.value)
    return Sentence(
        "{path}: no account takes {stream} mail to {groups}",
        path=path,
        stream=stream.value,
        groups=", ".join(groups),
    )


def check_stays_here(settings: Settings) -> None:
    """See that nothing can leave this machine, as CRM_MAILER_ENV=test wants it.

    Raises:
        SettingsError: an account names another machine.
    """
    for account in settings.accounts:
        where = table(account)
        key = "host" if account.kind == "smtp" else "endpoint"
        if not account.stays_here:
            raise leaves(f"{where}.{key}", getattr(account, key) or Sentence("Amazon's own"))
        token_url = account.oauth.token_url
        if token_url and not is_loopback(urlsplit(token_url).hostname or ""):
            raise leaves(f"{where}.oauth.token_url", token_url)


def leaves(
    where: str, place: str, hint: str = Sentence("unset it to send for real")
) -> SettingsError:
    """The error that something would reach another machine."""
    return SettingsError(
        Sentence(
            "{where} is {place}, but CRM_MAILER_ENV=test allows this machine only",
            where=where,
            place=place,
        ),
        hint=hint,
    )
