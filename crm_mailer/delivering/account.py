"""A mail server we may send through, and how patient we are with it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from enum import StrEnum

from crm_mailer.delivering.oauth import TokenSource
from crm_mailer.model import domains
from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence


class Tls(StrEnum):
    """How the connection is protected."""

    #: STARTTLS or nothing is sent.
    REQUIRED = "starttls"
    #: TLS from the first byte (port 465).
    IMPLICIT = "implicit"
    #: STARTTLS where offered, without asking who the server is; never with a password in clear.
    OPPORTUNISTIC = "opportunistic"
    #: Never; a login only where the server is this machine.
    NONE = "none"


class Auth(StrEnum):
    """How we log in."""

    #: XOAUTH2 where there is a source of tokens, else PLAIN or LOGIN, as the server offers.
    AUTO = "auto"
    PLAIN = "plain"
    LOGIN = "login"
    XOAUTH2 = "xoauth2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds for whole stages: a server that drips single bytes gains nothing.

    RFC 5321 4.5.3.2 gives the measure; a short wait at the final dot makes doubtful mails.
    """

    connect: float = 30
    banner: float = 60
    command: float = 120
    data: float = 120
    body: float = 180
    dot: float = 600
    reset: float = 20
    quit: float = 5

    @property
    def shortest(self) -> float:
        """The smallest of them, which says how often they must be looked at."""
        stages = (self.banner, self.command, self.data, self.body, self.dot, self.reset, self.quit)
        return min(stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One login at one mail server."""

    host: str
    port: int = 587
    username: str = ""
    password: str = field(default="", repr=False)
    auth: Auth = Auth.AUTO
    #: Where access tokens for XOAUTH2 come from.
    oauth: TokenSource | None = field(default=None, repr=False)
    #: None: required when there is a login, opportunistic when there is none.
    tls: Tls | None = None
    #: More certificates to trust than the system's.
    ca_file: str = ""
    #: Our name in EHLO; empty: this host's name, or its address.
    hello: str = ""
    connections: int = 4
    #: After so many mails a connection is closed and a new one opened.
    messages_per_connection: int = 1000
    #: Send commands ahead of answers where the server offers it (RFC 2920); off for odd servers.
    pipelining: bool = True
    #: Send mails as counted blocks where the server offers CHUNKING (RFC 3030).
    bdat: bool = False
    deadlines: Deadlines = Deadlines()

    @property
    def place(self) -> str:
        """Host and port, as messages name it."""
        return f"{self.host}:{self.port}"

    @property
    def wire_host(self) -> str:
        """Its host as the DNS and certificates know it."""
        return domains.wire_place(self.host)

    @property
    def policy(self) -> Tls:
        """What holds for TLS."""
        return self.tls or (Tls.REQUIRED if self.username else Tls.OPPORTUNISTIC)

    def context(self) -> ssl.SSLContext:
        """TLS settings: verified, except where encryption is only taken along.

        Raises:
            SettingsError: `ca_file` holds no certificates.
        """
        if self.policy is Tls.NONE:
            # Reading the system's certificates takes 30 ms; without TLS nobody asks for them.
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context = ssl.create_default_context()
        if self.ca_file:
            try:
                context.load_verify_locations(cafile=self.ca_file)
            except OSError as error:  # ssl.SSLError is one
                raise SettingsError(
                    Sentence(
                        "no certificates can be read from {ca_file}: {why}",
                        ca_file=self.ca_file,
                        why=error,
                    ),
                    hint="smtp.ca_file names a file of certificates in PEM form",
                ) from error
        if self.policy is Tls.OPPORTUNISTIC and not self.username:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
