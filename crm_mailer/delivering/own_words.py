"""What the program itself writes down where no server has said anything.

The ledger keeps it in English beside what servers said; whoever shows it asks `heard` for the
sentence that it is, which can be said in another language.
"""

from __future__ import annotations

from crm_mailer.model.recalled import recalled
from crm_mailer.model.sentence import Sentence

#: Where something differs from time to time; other texts are known as they stand.
_PATTERNS = (
    Sentence("the sender died before it heard the answer (account {account})"),
    Sentence("the connection was lost ({why})"),
    Sentence("the name cannot be resolved ({why})"),
    Sentence("the certificate is not to be trusted: {why}"),
    Sentence("TLS failed: {why}"),
    Sentence("the server spoke unasked: {words}"),
    Sentence("the final dot was answered by {code}"),
    Sentence("a mail without recipients was answered by {code}"),
    Sentence("{command} was answered by {code}"),
    Sentence("our sender: {error}"),
)
#: The others of settling, of a conversation and of whoever stops one.
OTHERS = (
    Sentence("the sender died before it heard the answer"),
    Sentence("the sender is gone, and so is its journal"),
    Sentence("the machine stopped while this may have been sent"),
    Sentence("the server answered what was not asked"),
    Sentence("the server has closed the idle connection"),
    Sentence("the server closes the connection (421)"),
    Sentence("we stopped before the final dot"),
)


def heard(text: str) -> Sentence:
    """The sentence that a text of the ledger is; a server's words stay as they are."""
    return recalled(text, _PATTERNS)
