"""Writes what we say to an SMTP server: commands as bytes that data cannot break out of."""

from __future__ import annotations

import base64
import re

#: What an address may hold on the wire: no blanks, controls, angle brackets or second line.
_SAFE = re.compile(r"[^\s<>@\x00-\x1f\x7f-\xff]+@[^\s<>@\x00-\x1f\x7f-\xff]+\Z")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
#: RFC 5321 4.5.3.1.3 without the angle brackets.
MAX_ADDRESS = 254


class UnsafeAddress(ValueError):
    """An address that cannot be written into a command."""


def mail(sender: str, *, size: int = 0, is_eight_bit: bool = False) -> bytes:
    """MAIL FROM; an empty `sender` is the null return path.

    Raises:
        UnsafeAddress: `sender` cannot be put on the wire.
    """
    extras = (f" SIZE={size}" if size else "") + (" BODY=8BITMIME" if is_eight_bit else "")
    return f"MAIL FROM:<{wire_address(sender) if sender else ''}>{extras}\r\n".encode("ascii")


def rcpt(recipient: str) -> bytes:
    """RCPT TO.

    Raises:
        UnsafeAddress: `recipient` cannot be put on the wire.
    """
    return f"RCPT TO:<{wire_address(recipient)}>\r\n".encode("ascii")


def wire_address(address: str) -> str:
    """The address in ASCII: an international domain in its `xn--` form.

    Raises:
        UnsafeAddress: it holds what no SMTP command may hold, or a local part outside ASCII.
    """
    local, _at, domain = address.rpartition("@")
    try:
        wire = f"{local}@{domain if domain.isascii() else domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        raise UnsafeAddress(f"the domain of {address!r} cannot be written") from None
    if not wire.isascii():
        raise UnsafeAddress(f"{address!r} has letters outside ASCII before the @")
    if not _SAFE.match(wire) or len(wire) > MAX_ADDRESS:
        raise UnsafeAddress(f"{address!r} is not an address that can be mailed")
    return wire


def auth_plain(user: str, password: str) -> bytes:
    """AUTH PLAIN with its initial response (RFC 4616). Never log it."""
    return b"AUTH PLAIN " + _b64(f"\0{user}\0{password}") + b"\r\n"


def auth_login(text: str) -> bytes:
    """One answer in AUTH LOGIN: the user name, then the password. Never log it."""
    return _b64(text) + b"\r\n"


def stuffed(content: bytes) -> bytes:
    """A message body as DATA takes it, without the final dot: CRLF only, dots doubled.

    A bare CR or LF would let one server see an end of data where another sees none.
    """
    ends = content.count(b"\r\n")
    if content.count(b"\n") != ends or content.count(b"\r") != ends:
        content = _BARE.sub(b"\r\n", content)
    content = content.replace(b"\r\n.", b"\r\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _b64(text: str) -> bytes:
    return base64.b64encode(text.encode("utf-8"))
