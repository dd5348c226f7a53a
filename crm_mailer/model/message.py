"""A touch, rendered: bytes with a Message-ID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from crm_mailer.model.touch import SkipReason, Touch


class Message(NamedTuple):
    """What goes over the wire, and what is kept of it.

    `content` has CRLF line ends and is not yet dot-stuffed. `snapshot` is the compressed JSON of
    the fields that the mail used. `is_wire_ready` says that our own writer made it: no bare CR or
    LF, and no line begins with a dot. `is_utf8` says that a header holds an address outside ASCII,
    which only a server with SMTPUTF8 takes.
    """

    touch_id: int
    message_id: str
    mail_from: str
    rcpt_to: str
    content: bytes
    subject: str
    language: str
    template: str
    template_version: str
    sha256: str
    snapshot: bytes = b""
    is_wire_ready: bool = False
    is_utf8: bool = False
    #: Number and target of each link that is led past us: those that all mails of the campaign
    #: have, and those of this mail alone.
    links: tuple[tuple[int, str], ...] = ()
    own_links: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRendered:
    """A touch that cannot become a message: it is skipped with this reason."""

    touch_id: int
    reason: SkipReason
    detail: str = ""


class Renderer(Protocol):
    """Port: turns claimed touches into messages at the moment of hand-over."""

    def look_up(self, touches: Sequence[Touch]) -> None:
        """Read at once what these touches need; they are rendered next, a few at a time."""
        ...

    def render_batch(self, touches: Sequence[Touch]) -> list[Message | NotRendered]:
        """One result for each touch, in the same order."""
        ...
