"""Puts random names, subjects and addresses through the header writer and reads them back.

    python benchmarks/header_fuzz.py --headers 1000000

An escape is a header that is not exactly what was meant when the standard library reads it, with
its old and its new policy: another number or another name of headers, a bare line break, a line
over 998 octets, or other words than the cleaned ones. The last line printed is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader
from pathlib import Path

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from crm_mailer.rendering import headers
from crm_mailer.rendering.headers import Mailbox, Text, UnsafeHeader, Value, exact

NAMES = ["From", "To", "Subject", "X-CRM-Send"]
#: What has broken header writers before.
PIECES = [
    "\r\n", "\n", "\r", "\n\n", "\r\nBcc: all@x.example\r\n", "\r\n\r\nbody", "\x00", "\x0b",
    "\x0c", "\x1c", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u202d",
    "\u2066", "\u2069", "\u061c", "\ufeff", "\ud800", "\udfff", "\ud83d",
    "=?utf-8?q?a=0D=0ABcc:_e@x?=", "=?utf-8?b?DQpCY2M6IHg=?=", "=?", "?=", "=", "?", "_", '"',
    "\\", '\\"', "'", "<", ">", "<evil@x.example>", "(", ")", "(comment", ",", ";", ":", "@",
    ".", "..", "[", "]", " ", "  ", "\t", "\u00a0", "\u3000", "e\u0301", "é", "Жук", "中文",
    "日本語", "한국어", "عربي", "👩\u200d🚀", "🇩🇪", "\u0300" * 9, "x" * 70, "x" * 1000, "Ж" * 300,
    "Anna", "O'Brien", "Bcc: ", "Subject: ", "group: a@b, c@d;", "--", "%0d%0a", "&#13;&#10;",
    "\\r\\n", "word " * 30, "=?utf-8?b?",
]  # fmt: skip
SOUND = [
    "anna@example.com", "o'brien+tag@example.com", "a@b.example", "анна@пример.рф",
    "anna@bücher.example", "用户@例子.example", "josé@example.com", "x" * 64 + "@example.com",
    "a_b-c.d@sub.sub.example.com",
]  # fmt: skip
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\x00")


@dataclass(slots=True)
class Result:
    """How many names and subjects were tried, and what went wrong with which."""

    headers: int = 0
    addresses: int = 0
    refused: int = 0
    escapes: list[tuple[str, tuple[str, str, str]]] = field(default_factory=list)


def run(count: int, seed: int = 7) -> Result:
    """Try `count` names and subjects, one of each a mail, with as many addresses."""
    chance = random.Random(seed)
    result = Result()
    while result.headers < count:
        tried = _text(chance), _text(chance), _address(chance)
        result.headers += 2
        result.addresses += 1
        try:
            wire = headers.address(tried[2])
        except UnsafeHeader:
            result.refused += 1
            wire = "anna@example.com"
        result.escapes += [(what, tried) for what in _escapes(tried[0], tried[1], wire)]
    return result


def _escapes(name: str, subject: str, address: str) -> list[str]:
    try:
        return list(escapes(name, subject, address))
    except Exception as error:  # a reader that breaks on a header is an escape too
        return [repr(error)]


def escapes(name: str, subject: str, address: str) -> Iterator[str]:
    """What a reader would see that was not meant."""
    fields: list[tuple[str, Value]] = [
        ("From", Mailbox("Lotus Shop", "news@shop.example")),
        ("To", Mailbox(name, address)),
        ("Subject", Text(subject)),
        ("X-CRM-Send", exact("abc")),
    ]
    written = headers.block(fields)
    if BARE.search(written) or max(map(len, written.split(b"\r\n"))) > 998:
        yield "lines"
    if any("=?" in line and len(line) > 76 for line in written.decode().split("\r\n")):
        yield "encoded words"  # RFC 2047: at most 76 on such a line
    if not written.isascii() and address.isascii():
        yield "octets"
    said = headers.cleaned(Mailbox(name, "")), headers.cleaned(Text(subject))
    yield from _old_reader(written, said, address)
    yield from _new_reader(written, said, address)


def _old_reader(written: bytes, said: tuple[str, str], address: str) -> Iterator[str]:
    message = message_from_bytes(written + b"\r\nbody", policy=policy.compat32)
    if message.keys() != NAMES or message.get_payload() != "body" or message.defects:
        yield "old: headers"
        return
    lines = written.replace(b"\r\n ", b" ").decode("utf-8").split("\r\n")
    if str(make_header(decode_header(lines[2].partition(":")[2].lstrip(" ")))) != said[1]:
        yield "old: subject"
    phrase, _space, end = lines[1].partition(":")[2].strip(" ").rpartition(" ")
    if end != (f"<{address}>" if said[0] else address):
        yield "old: address"
    if _unquoted(phrase) != said[0]:
        yield "old: name"


def _unquoted(phrase: str) -> str:
    if phrase.startswith('"') and phrase.endswith('"'):
        return re.sub(r"\\(.)", r"\1", phrase[1:-1])
    return str(make_header(decode_header(phrase))) if phrase else ""


def _new_reader(written: bytes, said: tuple[str, str], address: str) -> Iterator[str]:
    message = message_from_bytes(written + b"\r\nbody", policy=policy.default)
    if message.keys() != NAMES or message.get_payload() != "body" or message.defects:
        yield "new: headers"
        return
    if _squeezed(str(message["Subject"])) != _squeezed(said[1]):
        yield "new: subject"
    if not address.isascii():
        return  # this reader knows UTF-8 in headers only behind its own policy
    to = message["To"]
    assert isinstance(to, AddressHeader)
    if [one.addr_spec for one in to.addresses] != [address]:
        yield "new: address"
    elif _squeezed(to.addresses[0].display_name) != _squeezed(said[0]):
        yield "new: name"


def _squeezed(text: str) -> str:
    """Without blanks: Python 3.11 puts one between two encoded words, against RFC 2047."""
    return "".join(text.split())


def _text(chance: random.Random) -> str:
    letters = (0x20, 0x7E), (0, 0x24F), (0x370, 0x52F), (0x4E00, 0x9FFF), (0, 0x10FFFF)
    parts: list[str] = []
    for _ in range(chance.randint(0, 12)):
        if chance.random() < 0.6:
            parts.append(chance.choice(PIECES))
        else:
            low, high = chance.choice(letters)
            parts.append(
                "".join(chr(chance.randint(low, high)) for _ in range(chance.randint(1, 8)))
            )
    return "".join(parts)


def _address(chance: random.Random) -> str:
    sound = chance.choice(SOUND)
    if chance.random() < 0.5:
        return sound
    place = chance.randint(0, len(sound))
    return sound[:place] + chance.choice(PIECES) + sound[place:]


def main() -> int:
    """Run, tell, and fail where anything escaped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--headers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    began = time.perf_counter()
    result = run(given.headers, given.seed)
    for what, tried in result.escapes[:10]:
        print(what, ascii(tried))
    print(
        json.dumps(
            {
                "bench": "header_fuzz",
                "headers": result.headers,
                "escapes": len(result.escapes),
                "addresses": result.addresses,
                "refused_addresses": result.refused,
                "seconds": round(time.perf_counter() - began, 1),
                "seed": given.seed,
            }
        )
    )
    return 1 if result.escapes else 0


if __name__ == "__main__":
    sys.exit(main())
