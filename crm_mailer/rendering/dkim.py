"""Signs mails (DKIM, RFC 6376), so that receivers can tell that they are the shop's own.

RSA with SHA-256, and on request a second signature with Ed25519 (RFC 8463). Headers are signed in
their `relaxed` form, bodies in their `simple` form: we encode bodies ourselves, so that no later
hop has a reason to change them.
"""

from __future__ import annotations

import base64
import hashlib
import re
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

log = structlog.get_logger()

#: What a receiver may rely on. Each is named once more than it occurs, so that nobody can add one.
SIGNED = (
    "from to cc subject date message-id reply-to in-reply-to references mime-version content-type "
    "content-transfer-encoding auto-submitted list-id list-unsubscribe list-unsubscribe-post "
    "feedback-id x-crm-send"
).split()
BLANKS = re.compile(r"[ \t]+")
#: RFC 8301: verifiers refuse fewer bits; 2048 are the rule today.
LEAST_BITS, USUAL_BITS = 1024, 2048
#: A domain name, or the labels of a selector.
LABELS = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*")
LINE = 72
#: One signature keeps a core busy for a third of a millisecond, outside of Python's lock.
THREADS = 2

HINTS = {
    "RSA": Sentence("`openssl genrsa -out dkim.pem 2048` makes one; see docs/running.md, Signing"),
    "Ed25519": Sentence("`openssl genpkey -algorithm ed25519 -out dkim-ed25519.pem` makes one"),
}


@dataclass(frozen=True, slots=True)
class Key:
    """A private key, the selector under which its public half stands in the DNS, and its kind."""

    selector: str
    algorithm: str
    sign: Callable[[bytes], bytes]
    #: The public half, as `p=` of the record in the DNS has it.
    public: str = ""


class Signer:
    """Signs for one domain.

    Args:
        domain: the one that receivers see behind `d=`; that of the sender or above it.
        keys: one or more; each makes a signature of its own.

    Raises:
        SettingsError: the domain or a selector could not stand in a header.
    """

    def __init__(self, domain: str, keys: Sequence[Key]) -> None:
        for name in (domain, *(key.selector for key in keys)):
            if not LABELS.fullmatch(name):
                raise SettingsError(
                    Sentence("`{name}` cannot be a domain or a selector of DKIM", name=name),
                    hint="letters, digits, hyphens and dots, such as shop.example and mail2026",
                )
        self.domain = domain
        self.keys = tuple(keys)
        self._pool: ThreadPoolExecutor | None = None

    def sign(self, head: bytes, body: bytes, now: datetime) -> bytes:
        """The signature headers, to be put before `head`.

        Args:
            head: header lines, each ended by CRLF, folded with a blank.
            body: what follows the empty line; it ends in one CRLF, not in empty lines,
                so that it is its own canonical form (RFC 6376, 3.4.3).
            now: the time that the signatures tell.
        """
        fields = relaxed(head)
        order, names = _plan(tuple(name for name, _line in fields))
        signed = "".join([fields[place][1] for place in order])
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        lines = ""
        for key in self.keys:
            tags = _tags(key, self.domain, now, names, digest)
            # its own lines hold single blanks only: unfolded, they are canonical
            text = f"{signed}dkim-signature:{''.join(tags)[1:]}"
            value = base64.b64encode(key.sign(text.encode("utf-8", "surrogateescape"))).decode()
            rows = [value[at : at + LINE] for at in range(0, len(value), LINE)]
            lines += "DKIM-Signature:" + "\r\n".join(tags) + "\r\n ".join(rows) + "\r\n"
        return lines.encode("ascii")

    def sign_all(self, mails: Sequence[tuple[bytes, bytes]], now: datetime) -> list[bytes]:
        """The signatures of many heads and bodies, in their order, made by two threads."""
        if len(mails) < 2 * THREADS:
            return [self.sign(head, body, now) for head, body in mails]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="dkim")
        size = -(-len(mails) // THREADS)
        parts = [mails[at : at + size] for at in range(0, len(mails), size)]

        def signed(part: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
            return [self.sign(head, body, now) for head, body in part]

        done = self._pool.map(signed, parts)
        return [signature for part in done for signature in part]


def read_key(path: Path, selector: str, *, is_ed25519: bool = False) -> Key:
    """A private key from a PEM file.

    Args:
        path: the file.
        selector: under which the public half stands: `selector._domainkey.domain`.
        is_ed25519: the kind that is expected; else RSA.

    Raises:
        SettingsError: it cannot be read, is no such key, or is too weak.
    """
    # slow to import, and most shops let their relay sign
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    wanted = "Ed25519" if is_ed25519 else "RSA"
    hint = HINTS[wanted]
    try:
        key = load_pem_private_key(_bytes(path, hint), password=None)
    except TypeError:
        raise SettingsError(
            Sentence("the key in {path} is encrypted", path=path),
            hint=Sentence(
                "write it without a password: `openssl pkey -in {name} -out dkim.pem`",
                name=path.name,
            ),
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError(
            Sentence("there is no private key in PEM form in {path}", path=path), hint=hint
        ) from None
    if is_ed25519 and isinstance(key, Ed25519PrivateKey):
        # RFC 8463: the hash is signed, not the text
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return Key(
            selector,
            "ed25519-sha256",
            lambda text: key.sign(hashlib.sha256(text).digest()),
            base64.b64encode(raw).decode(),
        )
    if not is_ed25519 and isinstance(key, RSAPrivateKey):
        told = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return Key(selector, "rsa-sha256", _rsa(key, path), base64.b64encode(told).decode())
    raise SettingsError(
        Sentence("the key in {path} is not of the kind {wanted}", path=path, wanted=wanted),
        hint=hint,
    )


def _bytes(path: Path, hint: str) -> bytes:
    try:
        content = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as error:
        raise SettingsError(
            Sentence("{path} cannot be read: {why}", path=path, why=error.strerror or error),
            hint=hint,
        ) from None
    if mode & stat.S_IROTH:
        log.warning("dkim_key_is_open", file=str(path), hint=f"chmod 600 {path}")
    return content


def _rsa(key: RSAPrivateKey, path: Path) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    if key.key_size < LEAST_BITS:
        raise SettingsError(
            Sentence(
                "the key in {path} has {key_size} bits; receivers refuse less than {least_bits}",
                path=path,
                key_size=key.key_size,
                least_bits=LEAST_BITS,
            ),
            hint=HINTS["RSA"],
        )
    if key.key_size < USUAL_BITS:
        log.warning("dkim_key_is_short", file=str(path), bits=key.key_size, hint=HINTS["RSA"])
    padding, kind = PKCS1v15(), SHA256()
    return lambda text: key.sign(text, padding, kind)


def relaxed(head: bytes) -> list[tuple[str, str]]:
    """Name and canonical line of each header (RFC 6376, 3.4.2)."""
    text = BLANKS.sub(" ", head.decode("utf-8", "surrogateescape").replace("\r\n ", " "))
    found = []
    for line in text.split("\r\n")[:-1]:
        name, _colon, value = line.partition(":")
        name = name.lower()
        found.append((name, f"{name}:{value.strip(' ')}\r\n"))
    return found


@lru_cache(maxsize=64)
def _plan(present: tuple[str, ...]) -> tuple[list[int], tuple[str, ...]]:
    """Which of the headers are signed, in which order, and the rows of the `h=` tag.

    One that occurs more than once is taken from the bottom up.
    """
    places: dict[str, list[int]] = {}
    for place, name in enumerate(present):
        places.setdefault(name, []).insert(0, place)
    order = [place for name in SIGNED for place in places.get(name, ())]
    rows, row = [], " h="
    named = [name for name in SIGNED for _ in range(len(places.get(name, ())) + 1)]
    for name in named:
        if len(row) + len(name) > LINE:
            rows.append(row)
            row = " "
        row += f"{name}:"
    return order, (*rows, f"{row.removesuffix(':')};")


def _tags(
    key: Key, domain: str, now: datetime, names: tuple[str, ...], digest: str
) -> tuple[str, ...]:
    """The rows of a signature up to its own `b=`."""
    return (
        f" v=1; a={key.algorithm}; c=relaxed/simple;",
        f" d={domain};",
        f" s={key.selector}; t={int(now.timestamp())};",
        *names,
        f" bh={digest};",
        " b=",
    )
