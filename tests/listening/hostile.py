"""Mails made to crash, hang or fill a reader: RELIABILITY 5.4 and worse; also run as a child."""

from __future__ import annotations

import base64
import io
import json
import random
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

HEAD = b"From: a@b.example\r\nTo: care@shop.example\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
TEXT = HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
HTML = HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n"
MB = 1024 * 1024


def mails() -> dict[str, Callable[[], bytes]]:
    """A name and a maker of each: together they would fill the memory that is measured."""
    return {
        "nothing": lambda: b"",
        "line breaks": lambda: b"\r\n" * MB,
        "zeros": lambda: b"\0" * MB,
        "zeros in headers": lambda: b"From: a\0@b.example\r\nSub\0ject: \0\r\n\r\n\0x\0",
        "random bytes": lambda: random.Random(1).randbytes(MB),
        "25 megabytes of text": lambda: TEXT + b"refund " * (25 * MB // 7),
        "25 megabytes on one line": lambda: TEXT + b"x" * 25 * MB,
        "25 megabytes of base64": lambda: HEAD
        + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(b"hello " * (18 * MB // 6)),
        "an attached bomb": _bomb,
        "a packed body": lambda: HEAD
        + b"Content-Encoding: gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(zlib.compress(b"0" * 50 * MB)),
        "1,000 parts": lambda: _multipart([b"Content-Type: text/plain\r\n\r\nx\r\n"] * 1_000),
        "30,000 parts": lambda: _multipart([b"\r\nx\r\n"] * 30_000),
        "100 large parts": lambda: _multipart([b"\r\n" + b"word " * 2_000 + b"\r\n"] * 100),
        "1,500 nested parts": lambda: b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
            for n in range(1_500)
        ),
        "one boundary for all": lambda: HEAD
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" * 10_000,
        "mails in mails": lambda: (HEAD + b"Content-Type: message/rfc822\r\n\r\n") * 3_000,
        "a long boundary": lambda: HEAD
        + b"Content-Type: multipart/mixed; boundary=" + b"b" * 60_000
        + b"\r\n\r\n--" + b"b" * 60_000,
        "endless headers": lambda: HEAD + b"X: y\r\n" * 100_000 + b"\r\nx",
        "headers without end": lambda: HEAD + b"X-Long: y\r\n" * 2 * MB,
        "one header of a megabyte": lambda: HEAD + b"X-Long: " + b"y" * MB + b"\r\n\r\nx",
        "a folded header": lambda: HEAD + b"X-Long: y" + b"\r\n y" * 100_000 + b"\r\n\r\nx",
        "100,000 parameters": lambda: HEAD
        + b"Content-Type: text/plain" + b"; a=b" * 100_000 + b"\r\n\r\nx",
        "numbered parameters": lambda: HEAD
        + b"Content-Type: text/plain"
        + b"".join(b"; a*%d*=%%41" % n for n in range(8_000)) + b"\r\n\r\nx",
        "a million addresses": lambda: HEAD + b"Cc: " + b"a@b.example, " * 1_000_000 + b"\r\n\r\nx",
        "addresses in brackets": lambda: HEAD + b"Cc: " + b"<" * 60_000 + b"\r\n\r\nx",
        "comments in comments": lambda: HEAD + b"Cc: " + b"(" * 60_000 + b"\r\n\r\nx",
        "quotes without end": lambda: HEAD + b'Cc: "' + b'\\"' * 30_000 + b"\r\n\r\nx",
        "100,000 references": lambda: HEAD
        + b"References: " + b"<aaaaaaaaaaaaaaaaaaaaa@b>\r\n " * 100_000 + b"\r\n\r\nx",
        "20,000 encoded words": lambda: HEAD
        + b"X: " + b"=?utf-8?b?4pyT?= " * 20_000 + b"\r\n\r\nx",
        "encoded words without end": lambda: HEAD + b"X: " + b"=?utf-8?q?" * 6_000 + b"\r\n\r\nx",
        "a codec that is no charset": lambda: _in_charset(b"zlib"),
        "a charset by a path": lambda: _in_charset(b"../../etc/passwd"),
        "a charset of zeros": lambda: _in_charset(b"utf-8\0\0"),
        "idna as a charset": lambda: _in_charset(b"idna") + b"x" * 200_000,
        "punycode as a charset": lambda: _in_charset(b"punycode") + b"a-" * 100_000,
        "unicode escapes": lambda: _in_charset(b"unicode_escape") + b"\\N{" * 50_000,
        "utf-7": lambda: _in_charset(b"utf-7") + b"+" * 200_000,
        "hz": lambda: _in_charset(b"hz") + b"~{" * 100_000,
        "iso-2022-jp": lambda: _in_charset(b"iso-2022-jp") + b"\x1b$B" * 100_000,
        "utf-32 of odd length": lambda: _in_charset(b"utf-32") + b"\xff\xfe\0\0\xff",
        "bytes of no charset": lambda: TEXT.replace(b"; charset=utf-8", b"")
        + random.Random(2).randbytes(500_000),
        "an unknown encoding": lambda: HEAD + b"Content-Transfer-Encoding: x-bomb\r\n\r\nx",
        "uuencode": lambda: HEAD
        + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n" + b"M" * MB,
        "broken base64": lambda: HEAD
        + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=A" * 400_000,
        "broken quoted-printable": lambda: HEAD
        + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * MB,
        "equal signs and breaks": lambda: HEAD
        + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=\r\n" * 300_000,
        "a date from nowhere": lambda: HEAD
        + b"Date: Fri, 99 Xyz 99999999999 99:99 +99999\r\n\r\nx",
        "100,000 elements": lambda: HTML + b"<div>" * 100_000,
        "elements that end twice": lambda: HTML + b"<b>" * 10_000 + b"</i></b>" * 10_000,
        "200,000 attributes": lambda: HTML + b"<a " + b"b=c " * 200_000,
        "comments": lambda: HTML + b"<!--" * 60_000,
        "declarations": lambda: HTML + b"<![CDATA[" * 30_000,
        "entities": lambda: HTML + b"&#" * 100_000 + b"&lt" * 50_000,
        "angle brackets": lambda: HTML + b"<" * 250_000,
        "scripts": lambda: HTML
        + b"<script>while(1){}</script><img src=x onerror=alert(1)><iframe src=javascript:1>" * 500,
        "a script without end": lambda: HTML + b"<script>" + b"</scrip" * 30_000,
        "quotes in quotes": lambda: HTML + b"<blockquote>" * 5_000 + b"x",
        "styles": lambda: HTML + b'<p style="' + b"border:none;" * 20_000 + b'">x',
        "marked lines": lambda: TEXT + b"> " * 300_000,
        "lines that begin a quote": lambda: TEXT + b"On " * 100_000 + b"wrote:\r\n",
        "headers of quotes": lambda: TEXT + b"On 2024 <a@b.example>\r\n" * 20_000,
        "wrote, wrote": lambda: TEXT + b"x 12:30 wrote:\r\n" * 30_000,
        "from, from": lambda: TEXT + b"From: a@b.example\r\n" * 30_000,
        "dashes": lambda: TEXT + b"-" * 500_000,
        "one sign again and again": lambda: TEXT + b"never " * 80_000,
        "refund, refund": lambda: TEXT + b"refund! " * 60_000,
        "dots": lambda: TEXT + b"." * 500_000 + "。".encode() * 100_000,
        "chinese without end": lambda: TEXT + "退款".encode() * 80_000,
        "accents on one letter": lambda: TEXT + b"e" + "\u0301".encode() * 200_000,
        "directions": lambda: TEXT + "\u202e\u2066".encode() * 60_000,
        "away, away": lambda: TEXT + b"I am away until 12 august 2026 " * 20_000,
        "dates": lambda: TEXT + b"1.1.1.1.1" * 50_000 + b"12 de " * 50_000,
        "addresses": lambda: TEXT + b"a@b.example " * 80_000,
        "at signs": lambda: TEXT + b"@" * 300_000 + b"a." * 100_000,
        "order numbers": lambda: TEXT + b"#" + b"1" * 500_000,
        "confirm, confirm": lambda: TEXT + b"confirm your message delivery human " * 10_000,
        "a forged report": lambda: _report(b"Final-Recipient: rfc822; a@b\r\n" * 5_000),
        "a report without end": lambda: _report(b"Diagnostic-Code: smtp; " + b"5.1.1 " * 50_000),
        "a report of groups": lambda: _report(b"Action: failed\r\n\r\n" * 20_000),
        "a forged spam report": lambda: HEAD
        + b"Content-Type: message/feedback-report\r\n\r\n" + b"Feedback-Type: abuse\r\n" * 20_000,
        "a transcript": lambda: HEAD.replace(b"a@b.example", b"MAILER-DAEMON@b.example")
        + b"\r\n" + b"<a@b.example>: 550 5.1.1 user unknown\r\n" * 15_000,
    }  # fmt: skip


def _in_charset(name: bytes) -> bytes:
    return HEAD + b"Content-Type: text/plain; charset=" + name + b"\r\n\r\n\xff\xfex"


def _multipart(parts: list[bytes]) -> bytes:
    head = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + b"".join(b"--b\r\n" + part for part in parts) + b"--b--\r\n"


def _report(fields: bytes) -> bytes:
    head = HEAD + b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    return (
        head + b"--b\r\nContent-Type: message/delivery-status\r\n\r\n" + fields + b"\r\n--b--\r\n"
    )


def _bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"0" * 30 * MB)
    head = b"Content-Type: application/zip; name=a.zip\r\nContent-Disposition: attachment\r\n"
    body = base64.encodebytes(packed.getvalue())
    return _multipart([head + b"Content-Transfer-Encoding: base64\r\n\r\n" + body])


def main() -> None:
    """Read each, and print its kind, the seconds that it took, and the most memory in all."""
    from crm_mailer.definitions.words_reader import read_words
    from crm_mailer.listening import kinds, letters, matching
    from crm_mailer.listening.complaints import understand
    from tests.conftest import NOON
    from tests.listening.conftest import KEYS

    words = read_words()
    told = {}
    for name, make in mails().items():
        raw = make()
        begun = time.process_time()
        letter = letters.read(raw)
        proof = matching.prove(letter, KEYS)
        found = kinds.sort(letter, words, proof, NOON)
        matching.order_numbers(f"{letter.subject}\n{found.full_text}", r"#(\d{4,})")
        understand(found.own_text, words)
        told[name] = (found.kind.value, round(time.process_time() - begun, 2))
        del raw, letter, found
    # not ru_maxrss: that of the process which started this one would count, too
    status = Path("/proc/self/status").read_text()
    memory = int(status.partition("VmHWM:")[2].split()[0]) * 1024 // MB
    sys.stdout.write(json.dumps({"mails": told, "memory": memory}))


if __name__ == "__main__":
    main()
