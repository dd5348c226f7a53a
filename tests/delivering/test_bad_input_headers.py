"""Addresses, names and subjects that nobody would expect, from the database to the wire."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.utils import getaddresses
from typing import Any

import pytest

from crm_mailer.delivering import DeliverReport
from crm_mailer.model.campaign import Stream
from tests.delivering.odd_shop import OddShop, is_fit_to_show, number_of, odd_shop, parsed
from tests.servers.smtp_faults import fault_server

USUAL = "anna@example.com"
#: What we say to a server, and nothing else.
COMMAND = re.compile(
    rb"(EHLO shop\.example|MAIL FROM:<[\x21-\x7e]*>( [A-Z0-9=]+)*|RCPT TO:<[\x21-\x7e]+>|DATA|RSET|"
    rb"QUIT|NOOP)\r\n"
)

#: Address in the customer's row -> what may stand in RCPT TO; nothing: it must not leave.
ADDRESSES: list[tuple[str | None, tuple[str, ...]]] = [
    ("anna@example.com", ("anna@example.com",)),
    ("Anna.Lee@Example.COM", ("Anna.Lee@Example.COM", "Anna.Lee@example.com")),
    ("anna+order@example.com", ("anna+order@example.com",)),
    ("o'brien@example.com", ("o'brien@example.com",)),
    ("anna%example.net@example.com", ("anna%example.net@example.com",)),
    ("example.net!anna@example.com", ("example.net!anna@example.com",)),
    ("anna@bücher.example", ("anna@xn--bcher-kva.example",)),
    ("anna@例え.jp", ("anna@xn--r8jz45g.jp",)),
    ("anna@пример.рф", ("anna@xn--e1afmkfd.xn--p1ai",)),
    ("anna@xn--bcher-kva.example", ("anna@xn--bcher-kva.example",)),
    ("anna@faß.de", ("anna@xn--fa-hia.de",)),  # not `fass.de`, which is somebody else's
    ("anna@παράδειγμας.gr", ("anna@xn--hxajbheg2az3als.gr",)),
    ("a" * 64 + "@example.com", ("a" * 64 + "@example.com",)),
    # nobody to write to
    (None, ()),
    ("", ()),
    (" ", ()),
    ("@", ()),
    ("anna", ()),
    ("anna@", ()),
    ("@example.com", ()),
    ("postmaster", ()),
    ("<>", ()),
    # a second command, a second recipient, the end of the mail
    ("anna@example.com\r\nRCPT TO:<evil@example.net>", ()),
    ("anna@example.com>\r\nRCPT TO:<evil@example.net", ()),
    ("anna@example.com\nDATA", ()),
    ("anna@example.com\rQUIT", ()),
    ("anna@example.com\r\n", ()),
    ("\r\nanna@example.com", ()),
    ("anna\r\n@example.com", ()),
    ("anna@exam\nple.com", ()),
    ("anna@example.com\u2028RSET", ()),
    ("anna@example.com\u2029", ()),
    ("anna@example.com\x85RSET", ()),
    ("anna@example.com\x0bRSET", ()),
    ("anna@example.com\x0cRSET", ()),
    ("anna@example.com\x1cRSET", ()),
    ("anna@example.com, bob@example.com", ()),
    ("anna@example.com,bob@example.com", ()),
    ("anna@example.com;bob@example.com", ()),
    ("anna@example.com bob@example.com", ()),
    ("anna@example.com?bcc=evil@example.net", ()),
    ("mailto:anna@example.com", ()),
    # controls and what cannot be seen
    ("an\x00na@example.com", ()),
    ("anna@exam\x00ple.com", ()),
    ("anna\t@example.com", ()),
    ("anna@example.com\x7f", ()),
    ("anna\x1b[31m@example.com", ()),
    ("anna\x08\x08@example.com", ()),
    ("\u202eanna@example.com", ()),
    ("anna@\u202eelpmaxe.com", ()),
    ("anna\u200b@example.com", ()),
    ("anna@exam\u200bple.com", ()),
    ("anna\u00a0@example.com", ()),
    ("anna@exam\u00adple.com", ("anna@example.com",)),
    # blanks around it: cleaned, or not sent
    (" anna@example.com", (USUAL,)),
    ("anna@example.com ", (USUAL,)),
    ("anna@example.com\t", (USUAL,)),
    ("an na@example.com", ()),
    ("anna@exam ple.com", ()),
    # forms of the old grammar
    ("<anna@example.com>", ()),
    ("anna@example.com>", ()),
    ("Anna Lee <anna@example.com>", ()),
    ('"Anna" <anna@example.com>', ()),
    ('"anna lee"@example.com', ()),
    ('"an\\"na"@example.com', ()),
    ("anna\\@example.com", ()),
    ("anna(comment)@example.com", ()),
    ("anna@example.com (comment)", ()),
    ("@relay.example:anna@example.com", ()),
    ("@a.example,@b.example:anna@example.com", ()),
    ("friends: anna@example.com;", ()),
    ("anna@[127.0.0.1]", ()),
    ("anna@[IPv6:::1]", ()),
    # dots
    ("anna@example.com.", (USUAL,)),
    ("anna@.example.com", ()),
    ("anna@example..com", ()),
    (".anna@example.com", ()),
    ("anna.@example.com", ()),
    ("an..na@example.com", ()),
    ("anna@@example.com", ()),
    ("anna@example.com@example.net", ()),
    # domains that are none
    ("root@localhost", ()),
    ("anna@127.0.0.1", ()),
    ("a" * 65 + "@example.com", ()),
    ("anna@" + "a." * 124 + "com", ()),
    ("anna@-example.com", ()),
    ("anna@example-.com", ()),
    ("anna@exam_ple.com", ()),
    ("anna@" + "a" * 64 + ".com", ()),
    ("anna@" + "a." * 150 + "com", ()),
    ("a" * 250 + "@example.com", ()),
    ("anna@🙂.example", ()),
    ("anna@example。com", (USUAL,)),
    ("anna@ｅxample.com", (USUAL,)),
    ("anna＠example.com", ()),
    # letters before the @ need SMTPUTF8, which this server does not offer
    ("анна@example.com", ()),
    ("añña@example.com", ()),
    ("🙂@example.com", ()),
    ("an\u0301na@example.com", ()),
    # other languages than mail's
    ("'; DROP TABLE touches;--@example.com", ()),
    ("{{ 7*7 }}@example.com", ()),
    ("=?utf-8?q?a=0D=0ABcc:_e=40x?=@example.com", ()),
    ("x" * 10_000, ()),
]  # fmt: skip

#: Text that tries to be more than text.
HOSTILE: list[str] = [
    "a\r\nBcc: evil@example.net",
    "a\nBcc: evil@example.net",
    "a\rBcc: evil@example.net",
    "a\r\n\r\n<html>another mail</html>",
    "\r\nSubject: another one",
    "\r\n\tfolded",
    "\r\n.\r\nMAIL FROM:<evil@example.net>",
    ".",
    "..",
    ".\r\n.\r\nQUIT\r\n",
    "=?utf-8?q?a=0D=0ABcc:_evil=40example.net?=",
    "=?utf-8?b?YQ0KQmNjOiBldmlsQGV4YW1wbGUubmV0?=",
    "=?utf-8?q?a=0ABcc:_e=40x?= =?utf-8?q?b?=",
    "=?us-ascii?q?=0D=0A=0D=0Abody?=",
    "=?",
    "?=",
    "=?utf-8?q?",
    "=?utf-8?x?unknown?=",
    "a\x0bBcc: evil@example.net",
    "a\x0cBcc: evil@example.net",
    "a\x1cBcc: evil@example.net",
    "a\x1d\x1e\x1fBcc: evil@example.net",
    "a\x85Bcc: evil@example.net",
    "a\u2028Bcc: evil@example.net",
    "a\u2029Bcc: evil@example.net",
    "nul\x00byte",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "back\x08\x08\x08\x08space",
    "del\x7f",
    "c1 \x9b31m",
    "\u202egnirts",
    "\u2066isolated\u2069 \u200emarks\u200f",
    "\ufeffwith a mark of order",
    "zero\u200bwidth\u200djoined",
    "e\u0301 composed or not",
    "日本語のとても長い件名" * 20,
    "Ж" * 400,
    "🙂" * 300,
    "👩\u200d👩\u200d👧\u200d👦" * 40,
    "x" * 10_000,
    "word " * 2_000,
    "x" * 998,
    "Z\u0351\u036b\u0343" + "\u0353" * 500,
    "عنوان من اليمين",
    "tags \U000e0041\U000e0042",
    '"quoted" and \\ back \\" slash',
    "Lee, Anna",
    "Anna <evil@example.net>",
    "evil@example.net",
    "(a comment)",
    "friends: a@b.example;",
    "Anna (Lee",
    '"',
    "\\",
    "<>",
    "{{ 7*7 }}",
    "{% raw %}",
    "{# gone #}",
    "<script>alert(1)</script>",
    "<mj-raw>",
    "&lt;b&gt; &amp;",
    "%0d%0aBcc: evil@example.net",
    "\\r\\nBcc: evil@example.net",
    "'; DROP TABLE touches;--",
    "=HYPERLINK(1)",
    "\t\ttabs\t\t",
    "   ",
    "",
    "To: evil@example.net",
    "Content-Transfer-Encoding: base64",
    "--=_boundary--",
]

#: Left out; or it waits for an address; or RFC 6531: the server takes no such local part.
NOT_SENT = {("skipped", "header_guard"), ("planned", "no_address"), ("refused", "5.6.7")}
NAMED = [ascii(text)[1:25] for text in HOSTILE]
NAMED_ADDRESSES = [ascii(address)[1:25] for address, _wire in ADDRESSES]


@dataclass
class Sent:
    """What one round over all rows left behind."""

    shop: OddShop
    #: Touch -> what the server got of it.
    letters: dict[int, bytes]
    #: Address, name or subject by kind and place -> touch.
    numbers: dict[tuple[str, int], int]
    commands: list[bytes]
    report: DeliverReport

    def letter(self, kind: str, place: int) -> Any:
        return parsed(self.letters[self.numbers[kind, place]])

    @property
    def recipients(self) -> list[str]:
        return [line[9:-3].decode() for line in self.commands if line.startswith(b"RCPT TO:<")]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    with odd_shop(tmp_path_factory.mktemp("odd")) as shop:
        numbers = {("usual", 0): shop.plan(), ("usual", 1): shop.plan(stream=Stream.MARKETING)}
        for place, (address, _wire) in enumerate(ADDRESSES):
            numbers["address", place] = shop.plan(address, subject=f"row {place}")
        for place, text in enumerate(HOSTILE):
            numbers["name", place] = shop.plan(name=text, stream=Stream.MARKETING)
            numbers["subject", place] = shop.plan(subject=text)
        with fault_server(extensions=("8BITMIME", "PIPELINING", "SIZE 1000000")) as server:
            report = shop.send(server.port)
        letters = {number_of(letter): letter for letter in server.box}
        assert len(letters) == len(server.box)
        yield Sent(shop, letters, numbers, server.log, report)


def test_all_rows_together_are_one_sound_round(sent: Sent) -> None:
    assert len(ADDRESSES) + 2 * len(HOSTILE) >= 150
    assert sent.report.lane_fault is None
    assert sent.report.accounted == sent.report.claimed == len(sent.numbers)
    assert set(sent.report.outcomes) == {"accepted", "refused"}
    assert sent.shop.is_sound()


def test_the_server_hears_nothing_but_our_own_commands(sent: Sent) -> None:
    assert [line for line in sent.commands if not COMMAND.fullmatch(line)] == []


@pytest.mark.parametrize("place", range(len(ADDRESSES)), ids=NAMED_ADDRESSES)
def test_an_odd_address_is_mailed_as_it_should_be_or_not_at_all(sent: Sent, place: int) -> None:
    address, allowed = ADDRESSES[place]
    number = sent.numbers["address", place]
    fate = sent.shop.fate(number)
    if number in sent.letters:
        kept = sent.shop.message(number).rcpt_to
        assert fate.state == "accepted"
        assert kept in allowed
        assert [at for _name, at in getaddresses([sent.letter("address", place)["To"]])] == [kept]
        assert sent.recipients.count(kept) >= 1
    else:
        assert allowed != (address,)
        assert fate[:2] in NOT_SENT
        assert address is None or address not in sent.recipients
    if not (address or "").isprintable():
        assert is_fit_to_show(sent.shop.shown("outbox", "show", str(number)))


@pytest.mark.parametrize("place", range(len(HOSTILE)), ids=NAMED)
def test_a_hostile_name_ends_as_harmless_text(sent: Sent, place: int) -> None:
    letter = sent.letter("name", place)
    _same_headers(letter, sent.letter("usual", 1))
    assert [at for _name, at in getaddresses([_decoded(letter["To"])])][-1:] == [USUAL]
    assert len(getaddresses([letter["To"]])) == 1
    assert is_fit_to_show(_decoded(letter["To"]))
    _harmless_body(letter)


@pytest.mark.parametrize("place", range(len(HOSTILE)), ids=NAMED)
def test_a_hostile_subject_ends_as_harmless_text(sent: Sent, place: int) -> None:
    letter, number = sent.letter("subject", place), sent.numbers["subject", place]
    _same_headers(letter, sent.letter("usual", 0))
    subject = _decoded(letter["Subject"] or "")
    assert subject in _cleaned(HOSTILE[place])
    assert len(subject) <= 255
    _harmless_body(letter)
    assert sent.shop.message(number).subject == subject
    if not HOSTILE[place].isprintable():
        assert is_fit_to_show(sent.shop.shown("outbox", "show", str(number)))


def test_the_list_of_all_rows_is_fit_to_show(sent: Sent) -> None:
    shown = sent.shop.shown("outbox", "list", "--limit", "1000")

    assert is_fit_to_show(shown)
    assert len(shown.splitlines()) > len(sent.numbers)


def _same_headers(letter: Any, usual: Any) -> None:
    """The headers of any other mail, each once, each short, and nothing the parser stumbles at."""
    assert letter.keys() == usual.keys()
    assert letter.defects == []
    head = letter.as_bytes().partition(b"\n\n")[0]
    assert head.isascii()
    assert max(map(len, head.splitlines())) <= 998
    assert letter["Bcc"] is None


def _harmless_body(letter: Any) -> None:
    for part in letter.walk():
        assert part.defects == []
        if not part.is_multipart():
            text = part.get_payload(decode=True).decode("utf-8")
            assert "<script>" not in text or part.get_content_subtype() == "plain"
            assert "\x00" not in text
            assert "\x1b" not in text


def _decoded(value: str) -> str:
    """As a reader sees it: folds undone, encoded words read."""
    return str(make_header(decode_header(re.sub(r"\r?\n(?=[ \t])", "", value))))


def _cleaned(text: str) -> tuple[str, ...]:
    """What may stand for `text`: a part of it without what cannot be seen, and in one line."""
    plain = unicodedata.normalize("NFC", text)
    plain = plain.replace("\0", "")
    shown = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in plain)
    without = "".join(c for c in shown if unicodedata.category(c) != "Cf")
    return tuple(
        part
        for one in (shown, without)
        for cut in (" ".join(one.split()),)
        for part in (cut, cut[:255].rstrip())
    )
