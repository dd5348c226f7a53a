"""Room 6: brings answers home from a mailbox and finds out what they are and say."""

from crm_mailer.listening.complaints import Understanding
from crm_mailer.listening.complaints import understand as understand_text
from crm_mailer.listening.fetch import FetchReport, FirstContact, Limits, fetch
from crm_mailer.listening.listen import ListenReport, log_by_hand, understand
from crm_mailer.listening.mailbox import Account, ImapMailbox, Mailbox
from crm_mailer.listening.watch import watch

__all__ = [
    "Account",
    "FetchReport",
    "FirstContact",
    "ImapMailbox",
    "Limits",
    "ListenReport",
    "Mailbox",
    "Understanding",
    "fetch",
    "log_by_hand",
    "understand",
    "understand_text",
    "watch",
]
