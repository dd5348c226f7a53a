"""Every setting by name: its default, what it is for, what it may be."""

from __future__ import annotations

from dataclasses import dataclass, replace

from crm_mailer.model.address import OTHER, PROVIDERS
from crm_mailer.model.campaign import Stream

PREFIX = "CRM_MAILER_"
#: Receiving provider groups, as `limits` and `providers` name them.
GROUPS = (*PROVIDERS, OTHER)
STREAMS = tuple(stream.value for stream in Stream)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One setting: its dotted name, default (which also gives its type) and what it is for."""

    name: str
    default: str | int | bool
    what: str
    is_secret: bool = False
    choices: tuple[str, ...] = ()
    #: Several words: a TOML list, or text with blanks or commas between them.
    is_list: bool = False
    is_date: bool = False
    #: The least and the most that a number may be.
    least: int = 0
    most: int = 1_000_000
    #: Kinds of account that have it; empty: all.
    kinds: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.replace(".", "_").replace("-", "_").upper()


KINDS = ("smtp", "ses", "folder", "null")
_SMTP, _SES, _NET, _FOLDER = ("smtp",), ("ses",), ("smtp", "ses"), ("folder",)

#: The settings of one account, named without the account.
ACCOUNT_FIELDS = (
    Field(name="host", default="", what="mail server; empty: sandbox, nothing leaves", kinds=_SMTP),
    Field(name="port", default=587, what="its port", least=1, most=65_535, kinds=_SMTP),
    Field(name="username", default="", what="login name", kinds=_SMTP),
    Field(name="password", default="", what="login password", is_secret=True, kinds=_SMTP),
    Field(name="auth", default="auto", what="how to log in: auto, plain, login or xoauth2",
          choices=("auto", "plain", "login", "xoauth2"), kinds=_SMTP),
    Field(name="tls", default="starttls", what="starttls, implicit, opportunistic or none",
          choices=("starttls", "implicit", "opportunistic", "none"), kinds=_SMTP),
    Field(name="ca_file", default="", what="certificates to trust besides the system's",
          kinds=_NET),
    Field(name="hello", default="", what="our name in EHLO; empty: this host's", kinds=_SMTP),
    Field(name="connections", default=4, what="connections at a time", least=1, most=100,
          kinds=_NET),
    Field(name="messages_per_connection", default=1000, what="mails before a new connection",
          least=1, kinds=_SMTP),
    Field(name="pipelining", default=True, what="false for a server that does it wrong",
          kinds=_SMTP),
    Field(name="bdat", default=False, what="true: BDAT where the server has CHUNKING",
          kinds=_SMTP),
    Field(name="per_minute", default=0, what="mails a minute; 0: no limit"),
    Field(name="warm_since", default="", what="first day of warming up, such as 2026-11-01",
          is_date=True),
    Field(name="streams", default="", what="only transactional or marketing mail; empty: both",
          is_list=True, choices=STREAMS),
    Field(name="providers", default="", what="only to these: " + " ".join(GROUPS),
          is_list=True, choices=GROUPS),
    Field(name="rank", default=0, what="of accounts that fit alike the lowest goes first",
          most=1_000),
    Field(name="region", default="", what="region such as eu-west-1; empty: boto3's own",
          kinds=_SES),
    Field(name="access_key", default="", what="access key id; empty: boto3's own chain",
          is_secret=True, kinds=_SES),
    Field(name="secret_key", default="", what="secret access key", is_secret=True, kinds=_SES),
    Field(name="endpoint", default="", what="another address than the region's", kinds=_SES),
    Field(name="configuration_set", default="", what="name of a configuration set", kinds=_SES),
    Field(name="folder", default="", what="folder of the mails; empty: in `outbox`, by name",
          kinds=_FOLDER),
    Field(name="oauth.token_file", default="", what="file with a token that another program renews",
          kinds=_SMTP),
    Field(name="oauth.token_url", default="", what="https address that renews tokens", kinds=_SMTP),
    Field(name="oauth.client_id", default="", what="our id there", kinds=_SMTP),
    Field(name="oauth.client_secret", default="", what="our secret there", is_secret=True,
          kinds=_SMTP),
    Field(name="oauth.refresh_token", default="", what="what access tokens are got with",
          is_secret=True, kinds=_SMTP),
    Field(name="oauth.scope", default="", what="scope, where the service wants it named",
          kinds=_SMTP),
)  # fmt: skip


def account_fields(prefix: str, kind: str) -> tuple[Field, ...]:
    """The settings of an account of this kind, named `prefix.host` and so on."""
    return tuple(
        replace(one, name=f"{prefix}.{one.name}")
        for one in ACCOUNT_FIELDS
        if not one.kinds or kind in one.kinds
    )


def kind_field(prefix: str) -> Field:
    """The setting that says what kind of account `prefix` is."""
    return Field(
        name=f"{prefix}.kind", default="smtp", what="smtp, ses, folder or null", choices=KINDS
    )


#: The settings of one mailbox, named without the mailbox.
MAILBOX_FIELDS = (
    Field(name="host", default="", what="server of the mailbox that customers answer to"),
    Field(name="port", default=993, what="its port", least=1, most=65_535),
    Field(name="username", default="", what="login name"),
    Field(name="password", default="", what="login or app password", is_secret=True),
    Field(name="auth", default="auto", what="how to log in: auto, plain, login or xoauth2",
          choices=("auto", "plain", "login", "xoauth2")),
    Field(name="tls", default="implicit", what="implicit, starttls or none",
          choices=("implicit", "starttls", "none")),
    Field(name="ca_file", default="", what="certificates to trust besides the system's"),
    Field(name="folder", default="INBOX", what="folder to read"),
    Field(name="first_contact", default="new",
          what="what to read at first contact: new, all, or a day such as 2026-11-01"),
    Field(name="move_done_to", default="",
          what="folder for mails that were understood; empty: nothing is moved"),
    Field(name="oauth.token_file", default="",
          what="file with a token that another program renews"),
    Field(name="oauth.token_command", default="", what="command that prints a token"),
    Field(name="oauth.token_url", default="", what="https address that renews tokens"),
    Field(name="oauth.client_id", default="", what="our id there"),
    Field(name="oauth.client_secret", default="", what="our secret there", is_secret=True),
    Field(name="oauth.refresh_token", default="", what="what access tokens are got with",
          is_secret=True),
    Field(name="oauth.scope", default="", what="scope, where the service wants it named"),
)  # fmt: skip


def mailbox_fields(prefix: str) -> tuple[Field, ...]:
    """The settings of a mailbox, named `prefix.host` and so on."""
    return tuple(replace(one, name=f"{prefix}.{one.name}") for one in MAILBOX_FIELDS)


FIELDS = (
    Field(name="database", default="", what="database address; empty: crm-mailer.db here"),
    Field(name="clock", default="", what="for rehearsals: the moment the program believes it is"),
    Field(name="language", default="", what="language of messages to people: en or zh_CN"),
    Field(name="encodings", default="", what="encodings to try for exports, such as gb18030",
          is_list=True),
    Field(name="outbox", default="outbox", what="folder of the sandbox's mails"),
    Field(name="log_level", default="info", what="debug, info, warning or error",
          choices=("debug", "info", "warning", "error")),
    Field(name="log_format", default="logfmt", what="logfmt (key=value) or json",
          choices=("logfmt", "json")),
    Field(name="workers", default=0, what="processes that send; 0: the daemon itself sends",
          most=64),
    Field(name="studio.hosts", default="",
          what="names by which a proxy asks for the studio, such as crm.shop.example",
          is_list=True),
    Field(name="studio.https", default=False, what="true: people reach it by https only"),
    *account_fields("smtp", "smtp"),
    *(Field(name=f"limits.{group}", default=0, what="mails a minute to it; 0: no limit")
      for group in GROUPS),
    Field(name="guards.policy", default=3, what="5.7.x in a row before a lane is paused", least=1),
    Field(name="guards.doubts", default=5, what="in doubt among 1,000 before an account rests",
          least=1),
    Field(name="guards.template_errors", default=5, what="percent before a campaign is paused",
          least=1, most=100),
    Field(name="guards.dead_addresses", default=2,
          what="percent of the first 500 before a campaign is paused", least=1, most=100),
    Field(name="guards.dead_addresses_later", default=5, what="the same of any 1,000", least=1,
          most=100),
    Field(name="guards.spam_warn", default=10, what="spam reports among 10,000: an alert", least=1),
    Field(name="guards.spam_half", default=20, what="the same: half the pace", least=1),
    Field(name="guards.spam_stop", default=30, what="the same: marketing stops", least=1),
    Field(name="guards.complaints", default=30,
          what="complaints among 10,000 mails of a campaign in a week: an alert", least=1),
    Field(name="guards.complaints_least", default=3, what="the least number of them", least=1),
    Field(name="dkim.domain", default="", what="domain that signs; empty: the relay signs"),
    Field(name="dkim.selector", default="", what="selector of the RSA key"),
    Field(name="dkim.key_file", default="", what="RSA key in PEM form, 2048 bits"),
    Field(name="dkim.ed25519_selector", default="", what="selector of a second signature"),
    Field(name="dkim.ed25519_key_file", default="", what="its Ed25519 key in PEM form"),
    *mailbox_fields("imap"),
    Field(name="alerts.mail", default="", what="addresses that are told what to look at",
          is_list=True),
    Field(name="alerts.webhook", default="", what="https address of a chat that is told",
          is_secret=True),
    Field(name="alerts.private", default=False, what="true: it may lie in a private network"),
    Field(name="alerts.account", default="", what="account that sends them; empty: a sound one"),
    Field(name="retention.raw_mails_days", default=180, what="days that mails stay as they came",
          least=30, most=36_500),
    Field(name="retention.events_months", default=25, what="months that opens and clicks stay",
          least=6, most=1_200),
    Field(name="retention.requests_days", default=90,
          what="days that requests for links and pictures stay as they came", least=7, most=36_500),
    Field(name="retention.logs_days", default=30,
          what="days that past alerts, acts of planning and webhooks that were done stay",
          least=7, most=36_500),
    Field(name="secret_key", default="", what="key of our tokens; empty: made by init",
          is_secret=True),
)  # fmt: skip
BY_NAME = {field.name: field for field in FIELDS}
