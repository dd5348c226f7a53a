"""Room 6: brings answers home from a mailbox and finds out what they are and say."""

from crm_mailer.listening.complaints import Understanding
from crm_mailer.listening.complaints import understand as understand_text
from crm_mailer.listening.fetch import FetchReport, FirstContact, Limits, fetch
from crm_mailer.listening.imap import ImapMailbox
from crm_mailer.listening.imap_mover import ImapMover
from crm_mailer.listening.listen import ListenReport, hear, log_by_hand, understand
from crm_mailer.listening.mailbox import Account, Mailbox, Mover
from crm_mailer.listening.moving import has_done, move_done
from crm_mailer.listening.ourfaults import FaultLimits
from crm_mailer.listening.reconcile import Comparison, bring, compare
from crm_mailer.listening.watch import watch

__all__ = [
    "Account",
    "Comparison",
    "FaultLimits",
    "FetchReport",
    "FirstContact",
    "ImapMailbox",
    "ImapMover",
    "Limits",
    "ListenReport",
    "Mailbox",
    "Mover",
    "Understanding",
    "bring",
    "compare",
    "fetch",
    "has_done",
    "hear",
    "log_by_hand",
    "move_done",
    "understand",
    "understand_text",
    "watch",
]
