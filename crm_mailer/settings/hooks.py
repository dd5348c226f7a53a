"""Other programs: `[hooks.NAME]` tell us (providers, shops), `[webhooks.NAME]` are told by us."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crm_mailer.model.errors import SettingsError
from crm_mailer.model.hook import HookKind
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.webhook import EVENTS, PREFIX_OF_SECRETS
from crm_mailer.settings import accounts
from crm_mailer.settings.accounts import Declared
from crm_mailer.settings.fields import Field
from crm_mailer.settings.typed import did_you_mean
from crm_mailer.settings.values import HookSettings, Settings, WebhookSettings, is_loopback

IN, OUT = "hooks", "webhooks"
EXAMPLES = {IN: "[hooks.shopify]", OUT: "[webhooks.warehouse]"}
#: A secret that people choose themselves has at least so many characters.
LEAST_SECRET = 16
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
#: What each kind cannot do without. Amazon signs whatever any of its customers publishes: only the
#: topic says that it is ours.
_NEEDS = {HookKind.SES: ("certificates", "topics"), HookKind.SENDGRID: ("public_key",)}
_KINDS = tuple(kind.value for kind in HookKind)
#: Kinds whose secret people make up themselves.
_OWN_SECRET = frozenset({HookKind.POSTMARK, HookKind.BREVO, HookKind.ORDERS})

#: The settings of one table of each sort, named without it.
HOOK_FIELDS = (
    Field(name="kind", default="", what="what sends: " + " ".join(_KINDS) + "; empty: its name"),
    Field(name="secret", default="", what="what the sender signs with, or shows", is_secret=True),
    Field(name="public_key", default="", what="SendGrid's verification key"),
    Field(name="certificates", default="", what="Amazon SNS: file or folder of PEM certificates"),
    Field(name="topics", default="", what="Amazon SNS: only these topics", is_list=True),
    Field(name="username", default="", what="user name, where the sender logs in"),
    Field(name="platform", default="", what="platform's name of orders; empty: the usual one"),
)
WEBHOOK_FIELDS = (
    Field(name="url", default="", what="https address that is told"),
    Field(name="secret", default="", what="key of the signature, such as whsec_...",
          is_secret=True),
    Field(name="events", default="", what="only these: " + " ".join(EVENTS), is_list=True,
          choices=EVENTS),
    Field(name="private", default=False, what="true: may lie in a private network"),
)  # fmt: skip


def declared(tree: Mapping[str, Any], path: Path) -> list[Declared]:
    """The tables of both sorts in the file, by name.

    Raises:
        SettingsError: a name that cannot be one.
    """
    found = []
    for table, fields in ((IN, HOOK_FIELDS), (OUT, WEBHOOK_FIELDS)):
        tables = tree.get(table, {})
        if not isinstance(tables, dict) or not all(
            isinstance(one, dict) for one in tables.values()
        ):
            raise SettingsError(
                Sentence("{path}: each of {table} is a table of its own", path=path, table=table),
                hint=Sentence("such as {example}", example=EXAMPLES[table]),
            )
        found += [_declared(table, name, fields, path) for name in sorted(tables)]
    return found


def _declared(table: str, name: str, fields: tuple[Field, ...], path: Path) -> Declared:
    if not _NAME.match(name):
        raise SettingsError(
            Sentence(
                "{path}: [{table}]: `{name}` cannot be a name",
                path=path,
                table=f"{table}.{name}",
                name=name,
            ),
            hint=accounts.name_hint(EXAMPLES[table]),
        )
    prefix = f"{table}.{name}"
    own = tuple(replace(one, name=f"{prefix}.{one.name}") for one in fields)
    return Declared(name=name, prefix=prefix, kind=table, fields=own)


def check_variables(environment: Mapping[str, str], fields: list[Field]) -> None:
    """See that no variable is meant for a table that the file does not have.

    Raises:
        SettingsError: one is.
    """
    for table, what in ((IN, Sentence("hook")), (OUT, Sentence("webhook"))):
        accounts.check_variables(environment, fields, table, what, EXAMPLES[table])


def build_hooks(
    declared_: list[Declared], values: Mapping[str, Any], path: Path
) -> tuple[HookSettings, ...]:
    """The programs that send to us.

    Raises:
        SettingsError: one can never be believed.
    """
    return tuple(_hook(one, values, path) for one in declared_ if one.kind == IN)


def build_webhooks(
    declared_: list[Declared], values: Mapping[str, Any], path: Path
) -> tuple[WebhookSettings, ...]:
    """The addresses that we tell.

    Raises:
        SettingsError: one has no address, or no safe one.
    """
    made = tuple(
        WebhookSettings(name=one.name, **accounts.part(values, one.prefix))
        for one in declared_
        if one.kind == OUT
    )
    for one in made:
        where = f"{path}: {OUT}.{one.name}"
        accounts.check_address(one.url, f"{where}.url")
        if "@" in one.url.partition("//")[2].partition("/")[0]:
            raise SettingsError(
                Sentence("{where}.url holds a login", where=where),
                hint="the signature says who we are; see `secret`",
            )
        _check_key(one.secret, f"{where}.secret")
    return made


def _hook(one: Declared, values: Mapping[str, Any], path: Path) -> HookSettings:
    where = f"{path}: {one.prefix}"
    given = accounts.part(values, one.prefix)
    kind = given.pop("kind") or one.name
    if kind not in _KINDS:
        raise SettingsError(
            Sentence("{where}.kind: nothing of the kind `{kind}` is known", where=where, kind=kind),
            hint=did_you_mean(kind, _KINDS, Sentence("it may be {kinds}", kinds=", ".join(_KINDS))),
        )
    made = HookSettings(name=one.name, kind=HookKind(kind), **given)
    _check_hook(made, where)
    usual = one.name if made.kind is HookKind.ORDERS else kind
    return replace(made, platform=(made.platform or usual).lower())


def _check_hook(one: HookSettings, where: str) -> None:
    for key in _NEEDS.get(one.kind, ("secret",)):
        if not getattr(one, key):
            raise SettingsError(
                accounts.missing(where, key),
                hint="without it anybody could send; see docs/webhooks.md",
            )
    if one.kind in _OWN_SECRET and len(one.secret) < LEAST_SECRET:
        raise SettingsError(
            Sentence("{where}.secret is too short to keep anybody out", where=where),
            hint=Sentence(
                "use {number} characters or more, such as of `openssl rand -hex 20`",
                number=LEAST_SECRET,
            ),
        )


def _check_key(secret: str, where: str) -> None:
    """A key of 24 bytes or more in base64 behind `whsec_`, or any long text."""
    if secret.startswith(PREFIX_OF_SECRETS):
        try:
            is_long = len(base64.b64decode(secret[len(PREFIX_OF_SECRETS) :], validate=True)) >= 24
        except (binascii.Error, ValueError):
            is_long = False
    else:
        is_long = len(secret) >= LEAST_SECRET
    if not is_long:
        raise SettingsError(
            Sentence("{where} is missing or too short", where=where),
            hint=Sentence(
                "such as {prefix} with what `openssl rand -base64 32` prints",
                prefix=PREFIX_OF_SECRETS,
            ),
        )


def check_stays_here(settings: Settings) -> None:
    """See that no webhook leaves this machine, as CRM_MAILER_ENV=test wants it.

    Raises:
        SettingsError: one names another machine.
    """
    for one in settings.webhooks:
        if not is_loopback(urlsplit(one.url).hostname or ""):
            hint = Sentence("unset it to tell for real")
            raise accounts.leaves(f"{OUT}.{one.name}.url", one.url, hint)
