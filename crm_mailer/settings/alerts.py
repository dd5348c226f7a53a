"""The table `[alerts]`: whom the program tells that a person should look at something."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import accounts
from crm_mailer.settings.typed import did_you_mean
from crm_mailer.settings.values import Settings, is_loopback

_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\"]+\Z")


def check(settings: Settings, path: Path) -> None:
    """See that alerts can arrive.

    Raises:
        SettingsError: an address that is none, or an account that is not there.
    """
    where, told = f"{path}: alerts", settings.alerts
    for one in told.mail:
        if not _ADDRESS.match(one):
            raise SettingsError(
                Sentence("{where}.mail: `{address}` is no mail address", where=where, address=one),
                hint=Sentence("such as {example}", example='mail = "ops@shop.example"'),
            )
    if told.webhook:
        accounts.check_address(told.webhook, f"{where}.webhook")
    names = [one.name for one in settings.accounts]
    if told.account and told.account not in names:
        raise SettingsError(
            Sentence(
                "{where}.account: there is no account `{account}`",
                where=where,
                account=told.account,
            ),
            hint=did_you_mean(
                told.account, names, Sentence("name one of your accounts, or leave it out")
            ),
        )


def check_stays_here(settings: Settings) -> None:
    """See that no alert leaves this machine, as CRM_MAILER_ENV=test wants it.

    Raises:
        SettingsError: the webhook names another machine.
    """
    url = settings.alerts.webhook
    if url and not is_loopback(urlsplit(url).hostname or ""):
        raise SettingsError(
            "alerts.webhook names another machine, but CRM_MAILER_ENV=test allows this one only",
            hint="unset it to tell for real",
        )
