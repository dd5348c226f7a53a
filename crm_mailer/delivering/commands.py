"""Writes what we say to an SMTP server: commands as bytes that data cannot break out of."""

from __future__ import annotations

import base64
import re

from crm_mailer.model import domains
from crm_mailer.model.sentence import Sentence

#: What an address may hold on the wire: no blanks, controls, angle brackets or second line.
_SAFE = re.compile(r"[^\s<>@\x00-\x1f\x7f-\x9f]+@[^\s<>@\x00-\x1f\x7f-\x9f]+\Z")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
#: RFC 5321 4.5.3.1.3 without the angle brackets, in octets.
MAX_ADDRESS = 254
#: RFC 3207 and others: the commands that have no parameters.
DATA, RESET, QUIT, DOT = b"DATA\r\n", b"RSET\r\n", b"QUIT\r\n", b".\r\n"


class UnsafeAddress(ValueError):
    """An address that cannot be written into a command."""


class NeedsUtf8(UnsafeAddress):
    """An address that only a server with SMTPUTF8 takes."""


def mail(sender: str, *, size: int = 0, is_eight_bit: bool = False, is_utf8: bool = False) -> bytes:
    """MAIL FROM; an empty `sender` is the null return path.

    Args:
        is_utf8: ask for SMTPUTF8, after which addresses and headers may be UTF-8 (RFC 6531).

    Raises:
        UnsafeAddress: `sender` cannot be put on the wire.
    """
    address = wire_address(sender, is_utf8=is_utf8) if sender else ""
    extras = f" SIZE={size}" if size else ""
    if is_eight_bit:
        extras += " BODY=8BITMIME"
    if is_utf8:
        extras += " SMTPUTF8"
    return f"MAIL FROM:<{address}>{extras}\r\n".encode()


def rcpt(recipient: str, *, is_utf8: bool = False) -> bytes:
    """RCPT TO.

    Raises:
        UnsafeAddress: `recipient` cannot be put on the wire.
    """
    return f"RCPT TO:<{wire_address(recipient, is_utf8=is_utf8)}>\r\n".encode()


def wire_address(address: str, *, is_utf8: bool = False) -> str:
    """The address as a command holds it.

    In ASCII with an international domain in its `xn--` form; untouched where the letters before
    the @ are outside ASCII too and the server takes UTF-8.

    Raises:
        NeedsUtf8: it has letters outside ASCII before the @, and `is_utf8` is not set.
        UnsafeAddress: it holds what no SMTP command may hold.
    """
    wire = address if address.isascii() else _outside_ascii(address, is_utf8=is_utf8)
    if not _SAFE.match(wire) or len(wire) > MAX_ADDRESS:
        raise UnsafeAddress(_not_an_address(address))
    return wire


def needs_utf8(address: str) -> bool:
    """Whether the part before the @ has letters outside ASCII."""
    return not address.isascii() and not address.rpartition("@")[0].isascii()


def auth_plain(user: str, password: str) -> bytes:
    """AUTH PLAIN with its initial response (RFC 4616). Never log it."""
    return b"AUTH PLAIN " + _b64(f"\0{user}\0{password}") + b"\r\n"


def auth_login(text: str) -> bytes:
    """One answer in AUTH LOGIN: the user name, then the password. Never log it."""
    return _b64(text) + b"\r\n"


def auth_xoauth2(user: str, token: str) -> bytes:
    """AUTH XOAUTH2 with its initial response, as Google and Microsoft define it. Never log it."""
    return b"AUTH XOAUTH2 " + _b64(f"user={user}\1auth=Bearer {token}\1\1") + b"\r\n"


def stuffed(content: bytes) -> bytes:
    """A message body as DATA takes it, without the final dot: CRLF only, dots doubled."""
    content = lined(content).replace(b"\r\n.", b"\r\n..")
    return b"." + content if content.startswith(b".") else content


def lined(content: bytes) -> bytes:
    """A message body with CRLF line ends only, the last one included.

    A bare CR or LF would let one server see an end of data where another sees none.
    """
    ends = content.count(b"\r\n")
    if content.count(b"\n") != ends or content.count(b"\r") != ends:
        content = _BARE.sub(b"\r\n", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _not_an_address(address: str) -> Sentence:
    return Sentence("{address!r} is not an address that can be mailed", address=address)


def _outside_ascii(address: str, *, is_utf8: bool) -> str:
    local, _at, domain = address.rpartition("@")
    if is_utf8 and not local.isascii():
        try:
            is_long = len(address.encode()) > MAX_ADDRESS
        except UnicodeError:
            is_long = True  # a lone surrogate: no letter at all
        if is_long:
            raise UnsafeAddress(_not_an_address(address))
        return address
    try:
        wire = f"{local}@{domain if domain.isascii() else domains.wire(domain)}"
    except UnicodeError:
        raise UnsafeAddress(
            Sentence("the domain of {address!r} cannot be written", address=address)
        ) from None
    if not wire.isascii():
        raise NeedsUtf8(
            Sentence("{address!r} has letters outside ASCII before the @", address=address)
        )
    return wire


def _b64(text: str) -> bytes:
    return base64.b64encode(text.encode("utf-8"))
