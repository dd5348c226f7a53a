"""Delivering: hands mails over, keeps the servers' words, loses none and doubles none."""

from crm_mailer.delivering.account import Account, Deadlines, Tls
from crm_mailer.delivering.deliver import Pace, Wanted, deliver
from crm_mailer.delivering.pacing import LaneFault, rest_after
from crm_mailer.delivering.permission import Rules
from crm_mailer.delivering.recover import recover
from crm_mailer.delivering.report import DeliverReport
from crm_mailer.delivering.transport import (
    FolderTransport,
    NullTransport,
    SmtpTransport,
    Transport,
)

__all__ = [
    "Account",
    "Deadlines",
    "DeliverReport",
    "FolderTransport",
    "LaneFault",
    "NullTransport",
    "Pace",
    "Rules",
    "SmtpTransport",
    "Tls",
    "Transport",
    "Wanted",
    "deliver",
    "recover",
    "rest_after",
]
