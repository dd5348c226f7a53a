"""What the settings are once read: frozen values, in which no secret shows."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlsplit

from crm_mailer.model.campaign import Stream
from crm_mailer.model.hook import HookKind


@dataclass(frozen=True, slots=True, kw_only=True)
class OauthSettings:
    """Where access tokens come from: a file, a command, or an address that renews them."""

    token_file: str = ""
    token_command: str = ""
    token_url: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    scope: str = ""

    @property
    def is_set(self) -> bool:
        """Whether there is any."""
        return bool(self.token_file or self.token_command or self.token_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """One way out. What another kind of account has stays at its default."""

    name: str
    kind: str = "smtp"
    host: str = ""
    port: int = 587
    username: str = ""
    password: str = field(default="", repr=False)
    auth: str = "auto"
    tls: str = "starttls"
    ca_file: str = ""
    hello: str = ""
    connections: int = 4
    messages_per_connection: int = 1000
    pipelining: bool = True
    bdat: bool = False
    per_minute: int = 0
    warm_since: date | None = None
    streams: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    rank: int = 0
    region: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    endpoint: str = ""
    configuration_set: str = ""
    folder: str = ""
    oauth: OauthSettings = OauthSettings()

    @property
    def stays_here(self) -> bool:
        """Whether its mails cannot leave this machine."""
        if self.kind == "smtp":
            return is_loopback(self.host)
        if self.kind == "ses":
            return is_loopback(urlsplit(self.endpoint).hostname or "")
        return True

    @property
    def writes_files(self) -> bool:
        """Whether nobody is asked to take its mails."""
        return self.kind in ("folder", "null")

    @property
    def place(self) -> str:
        """Where its mails go, as people read it."""
        if self.kind == "smtp":
            return f"{self.host}:{self.port}"
        if self.kind == "ses":
            return self.endpoint or f"Amazon SES {self.region}".rstrip()
        return self.kind

    def takes(self, stream: Stream, provider: str) -> bool:
        """Whether mails of this stream to this provider group may leave by it."""
        is_stream = not self.streams or stream.value in self.streams
        return is_stream and (not self.providers or provider in self.providers)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """When sending is stopped by itself."""

    policy: int
    doubts: int
    template_errors: int
    dead_addresses: int
    dead_addresses_later: int
    spam_warn: int
    spam_half: int
    spam_stop: int
    complaints: int
    complaints_least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioSettings:
    """How people reach the studio."""

    hosts: tuple[str, ...]
    https: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """How long rows are kept that nothing needs for ever."""

    raw_mails_days: int = 180
    events_months: int = 25
    requests_days: int = 90
    logs_days: int = 30


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
    """One mailbox and how to reach it."""

    name: str
    host: str = ""
    port: int = 993
    username: str = ""
    password: str = field(default="", repr=False)
    auth: str = "auto"
    tls: str = "implicit"
    ca_file: str = ""
    folder: str = "INBOX"
    first_contact: str = "new"
    move_done_to: str = ""
    oauth: OauthSettings = OauthSettings()

    @property
    def place(self) -> str:
        """Where it is, as people read it."""
        return f"{self.host}:{self.port}"

    @property
    def account(self) -> str:
        """How it is known in the database: user and server."""
        return self.username if "@" in self.username else f"{self.username}@{self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """A program that sends to us, and how we know that it is the one."""

    name: str
    kind: HookKind
    secret: str = field(default="", repr=False)
    public_key: str = ""
    certificates: str = ""
    topics: tuple[str, ...] = ()
    username: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """Who is told outside the program that a person should look at something; nobody by default."""

    mail: tuple[str, ...] = ()
    webhook: str = field(default="", repr=False)
    private: bool = False
    #: The account that sends the mail; empty: one without trouble.
    account: str = ""

    @property
    def is_on(self) -> bool:
        """Whether anybody is told."""
        return bool(self.mail or self.webhook)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """An address that we tell what happens. No `events`: all of them."""

    name: str
    url: str
    secret: str = field(default="", repr=False)
    events: tuple[str, ...] = ()
    private: bool = False

    def wants(self, event: str) -> bool:
        """Whether it is told of this."""
        return not self.events or event in self.events


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that an operator sets. `origins` says where each value came from."""

    database: str
    clock: str
    language: str
    encodings: tuple[str, ...]
    outbox: str
    log_level: str
    log_format: str
    workers: int
    secret_key: str = field(repr=False)
    studio: StudioSettings
    #: The table `[smtp]`, whether it names a server or not.
    smtp: AccountSettings
    #: Every way out: `[smtp]` where it names a server, then the further accounts.
    accounts: tuple[AccountSettings, ...]
    #: Receiving provider group -> mails a minute; groups without a limit are left out.
    limits: Mapping[str, int]
    guards: GuardSettings
    dkim: DkimSettings
    #: The table `[imap]`, whether it names a server or not.
    imap: ImapSettings
    #: Every mailbox: `[imap]` where it names a server, then the further ones.
    mailboxes: tuple[ImapSettings, ...]
    origins: Mapping[str, str]
    #: Programs that send to us, and addresses that we tell.
    hooks: tuple[HookSettings, ...] = ()
    webhooks: tuple[WebhookSettings, ...] = ()
    #: How long rows are kept.
    retention: RetentionSettings = RetentionSettings()
    alerts: AlertSettings = AlertSettings()

    @property
    def is_sandbox(self) -> bool:
        """Whether mails stay on this machine, since no mail server is configured."""
        return all(account.writes_files for account in self.accounts)

    @property
    def leaves(self) -> bool:
        """Whether a mail can reach another machine."""
        return not all(account.stays_here for account in self.accounts)

    @property
    def way_out(self) -> str:
        """Where mails go, as people read it; empty in a sandbox."""
        if self.is_sandbox:
            return ""
        if len(self.accounts) == 1:
            return self.accounts[0].place
        return ", ".join(f"{account.name} ({account.place})" for account in self.accounts)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its address or as `localhost`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
