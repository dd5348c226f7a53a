"""One flight on one connection: its commands, its bytes, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from crm_mailer.delivering import commands, outcomes
from crm_mailer.delivering.account import Account
from crm_mailer.delivering.port import Flight
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.message import Message
from crm_mailer.model.sentence import Sentence


class Step(IntEnum):
    """What a mail on the wire waits for: the answer to ..."""

    RESET = 0
    MAIL = 1
    RCPT = 2
    DATA = 3
    #: The final dot, or the block that is the last one.
    DOT = 4
    #: A lone dot that ends what the server should never have begun.
    VOID = 5


#: The phase of each step, in their order.
PHASES = (Phase.MAIL, Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT, Phase.DOT)


class Trip:
    """One flight on a connection."""

    __slots__ = (
        "flight", "has_dot", "has_landed", "is_first", "is_in_body", "mail", "rcpt", "started",
        "step",
    )  # fmt: skip

    def __init__(self, flight: Flight, mail: bytes, rcpt: bytes) -> None:
        self.flight = flight
        self.mail = mail
        self.rcpt = rcpt
        self.step = Step.MAIL
        #: On the clock of the event loop; 0: its envelope has not left.
        self.started = 0.0
        #: Whether the connection is new: if it fails now, a newer one will fail as well.
        self.is_first = False
        #: Whether its final dot was written.
        self.has_dot = False
        #: Whether the final dot waits in our own memory, so that it has surely not left.
        self.is_in_body = False
        self.has_landed = False

    @property
    def phase(self) -> Phase:
        """Where it stands when the line breaks. Only in the phase DOT may the server have it."""
        if self.has_dot:
            return Phase.BODY if self.is_in_body else Phase.DOT
        return Phase.BODY if self.step is Step.DOT else PHASES[self.step]

    def envelope(self) -> bytes:
        """MAIL, RCPT and DATA."""
        return b"%b%bDATA\r\n" % (self.mail, self.rcpt)

    def body(self) -> bytes:
        """The message as DATA takes it, without the final dot."""
        message = self.flight.message
        if message.is_wire_ready and message.content.endswith(b"\r\n"):
            return message.content
        return commands.stuffed(message.content)

    def block(self) -> bytes:
        """The message as one counted block (RFC 3030)."""
        message = self.flight.message
        content = message.content if message.is_wire_ready else commands.lined(message.content)
        return b"BDAT %d LAST\r\n%b" % (len(content), content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What a server offers that we make use of."""

    place: str
    #: Commands may be sent ahead of answers (RFC 2920).
    pipelining: bool
    #: Mails go as counted blocks (RFC 3030).
    blocks: bool
    eight_bit: bool
    utf8: bool
    #: MAIL may tell the size (RFC 1870).
    size: bool
    #: The largest mail in octets; 0: the server does not say.
    max_size: int

    @classmethod
    def read(cls, account: Account, extensions: Mapping[str, str]) -> Offers:
        """From the answer to EHLO, as far as the account wants it."""
        size = extensions.get("SIZE", "")
        is_number = size.isascii() and size.isdigit() and len(size) < 19
        return cls(
            place=account.place,
            pipelining=account.pipelining and "PIPELINING" in extensions,
            blocks=account.bdat and "CHUNKING" in extensions,
            eight_bit="8BITMIME" in extensions,
            utf8="SMTPUTF8" in extensions,
            size="SIZE" in extensions,
            max_size=int(size) if is_number else 0,
        )


def prepared(flight: Flight, offers: Offers) -> Trip | Outcome:
    """The commands of a flight, or its outcome where we know that it cannot be sent here."""
    message, phase = flight.message, Phase.MAIL
    size = len(message.content)
    if 0 < offers.max_size < size:
        why = Sentence(
            "the mail has {size} bytes, the server takes {most}", size=size, most=offers.max_size
        )
        return _refused(phase, why, Blame.MESSAGE, offers.place, "5.3.4")
    is_utf8 = _needs_utf8(message)
    try:
        if is_utf8 and not offers.utf8:
            raise commands.NeedsUtf8
        mail = commands.mail(
            message.mail_from,
            size=size if offers.size else 0,
            is_eight_bit=offers.eight_bit and _is_eight_bit(message),
            is_utf8=is_utf8,
        )
        phase = Phase.RCPT
        return Trip(flight, mail, commands.rcpt(message.rcpt_to, is_utf8=is_utf8))
    except commands.NeedsUtf8:
        # not the customer's fault, whose address is good, nor ours
        why = Sentence(
            "an address has letters outside ASCII, and the server takes none (no SMTPUTF8)"
        )
        return _refused(Phase.MAIL, why, Blame.SITE, offers.place, "5.6.7")
    except commands.UnsafeAddress as error:
        if phase is Phase.MAIL:
            return outcomes.ours(
                phase, Sentence("our sender: {error}", error=error), host=offers.place
            )
        return _refused(phase, str(error), Blame.RECIPIENT, offers.place, "")


def _refused(phase: Phase, why: str, blame: Blame, place: str, status: str) -> Outcome:
    """An outcome that we decide ourselves, without asking the server."""
    return Outcome(
        kind=OutcomeKind.REFUSED, phase=phase, status=status, text=why, blame=blame, host=place
    )


def _is_eight_bit(message: Message) -> bool:
    """Our own writer uses seven bits, save in an address that needs more."""
    is_plain = message.is_wire_ready and not message.is_utf8
    return not is_plain and not message.content.isascii()


def _needs_utf8(message: Message) -> bool:
    recipient, sender = message.rcpt_to, message.mail_from
    if recipient.isascii() and sender.isascii():
        return message.is_utf8
    is_needed = commands.needs_utf8(recipient) or commands.needs_utf8(sender)
    return message.is_utf8 or is_needed
