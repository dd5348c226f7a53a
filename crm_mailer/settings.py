"""Reads crm-mailer.toml and CRM_MAILER_* into frozen Settings; knows where each value came from.

Order: environment, then the file, then the default. A secret may also be named by a file
(`CRM_MAILER_SMTP_PASSWORD_FILE`), so that it never stands in a process list.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from crm_mailer.model.errors import SettingsError

FILE_NAME = "crm-mailer.toml"
PREFIX = "CRM_MAILER_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One setting: its dotted name, default (which also gives its type) and what it is for."""

    name: str
    default: str | int | bool
    what: str
    is_secret: bool = False
    choices: tuple[str, ...] = ()
    #: The least and the most that a number may be.
    least: int = 0
    most: int = 1_000_000

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.replace(".", "_").upper()


FIELDS = (
    Field(name="database", default="", what="database address; empty: crm-mailer.db here"),
    Field(name="clock", default="", what="for rehearsals: the moment the program believes it is"),
    Field(name="language", default="", what="language of messages to people: en or zh_CN"),
    Field(name="encodings", default="", what="encodings to try for exports, such as gb18030"),
    Field(name="outbox", default="outbox", what="folder of the sandbox's mails"),
    Field(name="log_level", default="info", what="debug, info, warning or error",
          choices=("debug", "info", "warning", "error")),
    Field(name="smtp.host", default="", what="mail server; empty: sandbox, nothing leaves"),
    Field(name="smtp.port", default=587, what="its port", least=1, most=65_535),
    Field(name="smtp.username", default="", what="login name"),
    Field(name="smtp.password", default="", what="login password", is_secret=True),
    Field(name="smtp.tls", default="starttls", what="starttls, implicit, opportunistic or none",
          choices=("starttls", "implicit", "opportunistic", "none")),
    Field(name="smtp.ca_file", default="", what="certificates to trust besides the system's"),
    Field(name="smtp.hello", default="", what="our name in EHLO; empty: this host's"),
    Field(name="smtp.connections", default=4, what="connections at a time", least=1, most=100),
    Field(name="smtp.per_minute", default=0, what="mails a minute; 0: no limit"),
    Field(name="dkim.domain", default="", what="domain that signs; empty: the relay signs"),
    Field(name="dkim.selector", default="", what="selector of the RSA key"),
    Field(name="dkim.key_file", default="", what="RSA key in PEM form, 2048 bits"),
    Field(name="dkim.ed25519_selector", default="", what="selector of a second signature"),
    Field(name="dkim.ed25519_key_file", default="", what="its Ed25519 key in PEM form"),
    Field(name="imap.host", default="", what="server of the mailbox that customers answer to"),
    Field(name="imap.port", default=993, what="its port", least=1, most=65_535),
    Field(name="imap.username", default="", what="login name"),
    Field(name="imap.password", default="", what="login or app password", is_secret=True),
    Field(name="imap.tls", default="implicit", what="implicit, starttls or none",
          choices=("implicit", "starttls", "none")),
    Field(name="imap.ca_file", default="", what="certificates to trust besides the system's"),
    Field(name="imap.folder", default="INBOX", what="folder to read"),
    Field(name="imap.first_contact", default="new",
          what="what to read at first contact: new, all, or a day such as 2026-11-01"),
    Field(name="secret_key", default="", what="key of our tokens; empty: made by init",
          is_secret=True),
)  # fmt: skip
BY_NAME = {field_.name: field_ for field_ in FIELDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """How to reach the mail server."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    tls: str
    ca_file: str
    hello: str
    connections: int
    per_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSettings:
    """With what our mails are signed."""

    domain: str
    selector: str
    key_file: str
    ed25519_selector: str
    ed25519_key_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapSettings:
    """How to reach the mailbox."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    tls: str
    ca_file: str
    folder: str
    first_contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that an operator sets. `origins` says where each value came from."""

    database: str
    clock: str
    language: str
    encodings: tuple[str, ...]
    outbox: str
    log_level: str
    secret_key: str = field(repr=False)
    smtp: SmtpSettings
    dkim: DkimSettings
    imap: ImapSettings
    origins: Mapping[str, str]

    @property
    def is_sandbox(self) -> bool:
        """Whether mails stay on this machine, since no mail server is configured."""
        return not self.smtp.host


def read_settings(home: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of the shop in `home`.

    Raises:
        SettingsError: an unknown name, a wrong type, an unreadable secret file.
    """
    environment = os.environ if environment is None else environment
    path = home / FILE_NAME
    written = _flat(_read_file(path), path)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for field_ in FIELDS:
        values[field_.name], origins[field_.name] = _one(field_, written, environment, path)
    if environment.get(PREFIX + "ENV") == "test":
        _only_loopback(str(values["smtp.host"]))
    return _build(values, origins)


def _build(values: dict[str, Any], origins: dict[str, str]) -> Settings:
    part = {
        group: {
            name.removeprefix(group + "."): value
            for name, value in values.items()
            if name.startswith(group + ".")
        }
        for group in ("smtp", "dkim", "imap")
    }
    return Settings(
        database=values["database"],
        clock=values["clock"],
        language=values["language"],
        encodings=tuple(values["encodings"].replace(",", " ").split()),
        outbox=values["outbox"],
        log_level=values["log_level"],
        secret_key=values["secret_key"],
        smtp=SmtpSettings(**part["smtp"]),
        dkim=DkimSettings(**part["dkim"]),
        imap=ImapSettings(**part["imap"]),
        origins=origins,
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}", hint="correct the line that it names") from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path} cannot be read: it is not UTF-8 text (byte {error.start})",
            hint="save the file with the encoding UTF-8",
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}", hint="look at the file's rights"
        ) from error


def _flat(tree: dict[str, Any], path: Path) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    for name in flat:
        if name not in BY_NAME:
            near = difflib.get_close_matches(name, BY_NAME, 1)
            raise SettingsError(
                f"{path}: unknown setting `{name}`",
                hint=f"did you mean `{near[0]}`?" if near else "see docs/running.md for the list",
            )
    return flat


def _one(
    field_: Field, written: dict[str, Any], environment: Mapping[str, str], path: Path
) -> tuple[str | int | bool, str]:
    variable = field_.variable
    if variable in environment:
        return _typed(field_, environment[variable], variable), variable
    if variable + "_FILE" in environment:
        secret = Path(environment[variable + "_FILE"])
        try:
            return _typed(field_, secret.read_text(encoding="utf-8").strip(), variable), str(secret)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{variable}_FILE: {secret} cannot be read: {error}",
                hint="name a readable text file, or unset the variable",
            ) from error
    if field_.name in written:
        return _typed(field_, written[field_.name], f"{path}: {field_.name}"), str(path)
    return field_.default, "default"


def _typed(field_: Field, value: Any, where: str) -> str | int | bool:
    if isinstance(field_.default, int):
        return _number(field_, value, where)
    if isinstance(value, date):  # TOML has days and moments of its own
        value = value.isoformat()
    if not isinstance(value, str):
        shown = "" if field_.is_secret else f", not {value!r}"
        raise SettingsError(
            f"{where} must be text{shown}", hint='write it in quotes: name = "value"'
        )
    if field_.choices and value not in field_.choices:
        raise SettingsError(
            f"{where} must be one of {', '.join(field_.choices)}, not {value!r}",
            hint=_nearest(value, field_.choices),
        )
    return value


def _number(field_: Field, value: Any, where: str) -> int:
    try:
        if not isinstance(value, (int, str)) or isinstance(value, bool):
            raise ValueError(value)
        number = int(value)
    except ValueError:
        raise SettingsError(
            f"{where} must be a whole number, not {value!r}", hint=f"such as {field_.default}"
        ) from None
    if not field_.least <= number <= field_.most:
        raise SettingsError(
            f"{where} must lie between {field_.least} and {field_.most}, not at {number}",
            hint=f"the default is {field_.default}",
        )
    return number


def _nearest(value: str, choices: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(value, choices, 1)
    return f"did you mean `{near[0]}`?" if near else ""


def _only_loopback(host: str) -> None:
    if not host or host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise SettingsError(
            f"smtp.host is {host}, but {PREFIX}ENV=test allows this machine only",
            hint="unset it to send for real",
        )
