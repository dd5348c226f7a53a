"""What is stopped or in trouble, in words, and the page that is about it."""

from __future__ import annotations

from urllib.parse import quote

from crm_mailer.i18n import _


def name_of(scope: str) -> str:
    """What a scope such as `lane:gmail/marketing` is called by people."""
    kind, _colon, name = scope.partition(":")
    if kind == "campaign":
        return _("campaign {name}").format(name=name)
    if kind == "lane":
        return _("lane {name}").format(name=name)
    if kind == "account":
        return _("account {name}").format(name=name)
    return _("all sending")


def link_of(cause: str) -> str:
    """The page about a cause such as `campaign:spring/bounces`; empty where there is none."""
    kind, _colon, rest = cause.partition(":")
    if kind == "campaign":
        return f"/campaigns/{quote(rest.partition('/')[0])}"
    if kind in ("lane", "account"):
        return "/outbox/stops"
    if kind in ("case", "complaints", "agent"):
        return "/cases"
    return "/replies" if kind == "mailbox" else ""
