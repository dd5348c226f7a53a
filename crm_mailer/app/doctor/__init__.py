"""Verb of the operator: look at everything that has to be right before the first mail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from crm_mailer.app.doctor import links, machine, names, servers, work
from crm_mailer.app.doctor.findings import Finding, Grade, fault, ok
from crm_mailer.app.doctor.names import Domains
from crm_mailer.app.doctor.resolver import Dns, Resolver
from crm_mailer.app.rendering import signer
from crm_mailer.app.wiring import App
from crm_mailer.model import address as addresses
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings.values import is_loopback

__all__ = ["Finding", "Grade", "Resolver", "examine"]


def examine(
    app: App,
    *,
    now: datetime,
    resolver: Resolver | None = None,
    is_offline: bool = False,
) -> Iterator[Finding]:
    """Look at one thing after the other; each is told as soon as it is known.

    Args:
        app: the shop.
        now: the time of this machine.
        resolver: asked for names; None: that of this machine.
        is_offline: ask nobody outside.
    """
    yield from machine.python()
    yield from machine.clock(now)
    yield from machine.disk(app)
    yield from machine.secrets(app)
    yield from machine.database(app, now)
    yield from work.look(app, now)
    yield from _files(app)
    yield from machine.guard()
    if is_offline:
        return
    yield from servers.accounts(app, now)
    yield from servers.inboxes(app)
    yield from _safely("dkim", lambda: names.look(domains(app), resolver or Dns()))
    yield from links.one_click(app)


def domains(app: App) -> Domains:
    """Which names the shop's mails bear.

    Raises:
        SettingsError: a signing key cannot be read.
    """
    shop, settings = app.shop_or_default, app.settings
    own = signer(app)
    senders = [addresses.domain(one) for one in (shop.sender, shop.orders_sender) if one]
    return Domains(
        senders=senders,
        bounces=shop.bounce_domain,
        relays=[
            account.host
            for account in settings.accounts
            if account.kind == "smtp" and not is_loopback(account.host)
        ],
        signer=own.domain if own else "",
        keys=[(key.selector, key.public) for key in own.keys] if own else [],
        foreign=[one for one in dict.fromkeys(senders) if addresses.is_free(one)],
    )


def _files(app: App) -> Iterator[Finding]:
    """What marketers wrote."""
    errors = app.definitions.errors
    if errors:
        yield fault(
            "files",
            Sentence("{number} faults in the shop's files", number=len(errors)),
            Sentence("`crm-mailer check` names them"),
        )
    else:
        yield ok("files", Sentence("no fault in the shop's files"))


def _safely(what: str, looked: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from looked()
    except CrmMailerError as error:
        yield fault(what, str(error), error.hint)
