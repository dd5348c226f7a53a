"""One attempt to hand over one message, and how it ended."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class OutcomeKind(StrEnum):
    """Four fates, and no fifth."""

    #: The server answered 2xx to the final dot.
    ACCEPTED = "accepted"
    #: Not now: 4xx, or the line was lost before the final dot.
    DEFERRED = "deferred"
    #: 5xx: this message will not be taken.
    REFUSED = "refused"
    #: The line was lost, or the answer unreadable, after the final dot.
    UNKNOWN = "unknown"


class Phase(StrEnum):
    """How far the conversation had come."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    QUIT = "quit"


class Blame(StrEnum):
    """Whose fault it is: only a recipient's own fault counts against a customer."""

    NOBODY = "nobody"
    MESSAGE = "message"
    RECIPIENT = "recipient"
    SITE = "site"
    US = "us"


class Outcome(NamedTuple):
    """What the server said, as evidence. `text` has no control characters."""

    kind: OutcomeKind
    phase: Phase
    code: int = 0
    #: RFC 3463 status such as 5.1.1; empty where the server gave none.
    status: str = ""
    text: str = ""
    blame: Blame = Blame.NOBODY
    host: str = ""
    took_ms: int = 0
    #: Whether the address is dead and both streams must stop.
    is_dead_address: bool = False


class EvidenceKind(StrEnum):
    """What may tell later how a mail in doubt ended."""

    BOUNCE = "bounce"
    REPLY = "reply"
    CLICK = "click"
    OPEN = "open"
    RELAY_LOG = "relay_log"
    OPERATOR = "operator"


class Verdict(StrEnum):
    """What evidence says of a mail in doubt."""

    #: The server had taken it.
    ACCEPTED = "accepted"
    #: The server had not: it may be sent again. Only a relay's log or a person can know.
    NOT_SENT = "not_sent"
