"""Delivering: hands mails over, keeps the servers' words, loses none and doubles none."""

from crm_mailer.delivering.account import Account, Deadlines, Tls
from crm_mailer.delivering.deliver import deliver
from crm_mailer.delivering.faults import LaneFault, rest_after
from crm_mailer.delivering.permission import Rules
from crm_mailer.delivering.port import Transport
from crm_mailer.delivering.recover import recover
from crm_mailer.delivering.report import DeliverReport, Progress
from crm_mailer.delivering.routing import Lane, Outlet, Ways
from crm_mailer.delivering.sandbox import FolderTransport, NullTransport
from crm_mailer.delivering.signs import GuardLimits
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.delivering.terms import Pace, Wanted

__all__ = [
    "Account",
    "Deadlines",
    "DeliverReport",
    "FolderTransport",
    "GuardLimits",
    "Lane",
    "LaneFault",
    "NullTransport",
    "Outlet",
    "Pace",
    "Progress",
    "Rules",
    "SmtpTransport",
    "Tls",
    "Transport",
    "Wanted",
    "Ways",
    "deliver",
    "recover",
    "rest_after",
]
