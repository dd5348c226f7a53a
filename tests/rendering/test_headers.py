from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_mailer.rendering import headers
from crm_mailer.rendering.headers import Mailbox, Text, UnsafeHeader, Value, exact

Fields = list[tuple[str, Value]]


def parsed(written: bytes) -> EmailMessage:
    message = message_from_bytes(written + b"\r\nbody", policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def escapes(name: str, subject: str) -> list[str]:
    """What a reader of the mail would see that we did not mean."""
    fields: Fields = [
        ("From", Mailbox("Lotus Shop", "news@shop.example")),
        ("To", Mailbox(name, "anna@example.com")),
        ("Subject", Text(subject)),
        ("X-CRM-Send", exact("abc")),
    ]
    message = parsed(headers.block(fields))
    wrong = [] if message.keys() == [name for name, _value in fields] else ["names"]
    if str(make_header(decode_header(raw(message, "Subject")))) != headers.cleaned(Text(subject)):
        wrong.append("subject")
    to = message["To"]
    assert isinstance(to, AddressHeader)
    if [one.addr_spec for one in to.addresses] != ["anna@example.com"]:
        wrong.append("address")
    elif squeezed(to.addresses[0].display_name) != squeezed(headers.cleaned(Mailbox(name, ""))):
        wrong.append("name")
    if message.get_payload() != "body" or message.defects:
        wrong.append("body")
    return wrong


def squeezed(text: str) -> str:
    """Without blanks: Python 3.11 puts one between two encoded words, against RFC 2047."""
    return "".join(text.split())


def raw(message: EmailMessage, name: str) -> str:
    return next(str(value) for key, value in message.raw_items() if key == name).replace("\r\n", "")


@pytest.mark.parametrize(
    "text",
    [
        "Hello\r\nBcc: all@example.com",
        "Hello\n\nbody",
        "a\x0bb\x0cc\x85d\u2028e",
        "=?utf-8?q?Bcc=3A?= x",
        "=?utf-8?b?DQpCY2M6IHg=?=",
        "\u202etxt.exe",
        "x" * 5000,
        "Ж" * 5000,
        "👩\u200d🚀" * 100,
        "\ud800 lone",
        "\x00nul",
        'a "quoted" \\ name, with; <angles> (comment) @ : .',
        "   ",
        "",
        ".",
        ",",
        "word " * 200,
        "a=?b?=",
        "Ünïcode <evil@x.example>",
        '"',
        "\\",
        "()",
        "\u00a0nbsp\u00a0",
        "\ufeffbom",
    ],
)
def test_no_text_escapes_from_its_header(text: str) -> None:
    assert escapes(text, text) == []


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=200), st.text(max_size=400))
def test_no_generated_text_escapes(name: str, subject: str) -> None:
    assert escapes(name, subject) == []


@pytest.mark.parametrize(
    "written",
    [
        b"To: a\r\nBcc: x\r\n",
        b"To: a\nBcc: x\r\n",
        b"To: a\rBcc: x\r\n",
        b"To: a\x00\r\n",
        b"To: a\r\n\r\nbody\r\n",
        b"To: a\r\n \r\n",
        b"To: " + b"x" * 1000 + b"\r\n",
        b"To: \xff\r\n",
        b"To: a",
        b"To : a\r\n",
        b" folded first\r\n",
        b"Too: a\r\n",
        b"To: a\r\nTo: b\r\n",
        b"",
    ],
)
def test_the_guard_refuses_what_was_not_meant(written: bytes) -> None:
    with pytest.raises(UnsafeHeader):
        headers.guard(written, ["To"])


def test_lines_are_folded_between_words_and_encoded_words_are_short() -> None:
    written = headers.block(
        [("Subject", Text("слово " * 40)), ("X-Long", exact("a" * 50, "b" * 50))]
    )

    assert max(len(line) for line in written.split(b"\r\n")) <= 76
    assert parsed(written)["X-Long"] == "a" * 50 + " " + "b" * 50


@pytest.mark.parametrize(
    ("given", "wire"),
    [
        ("anna@example.com", "anna@example.com"),
        ("o'brien+tag@example.com", "o'brien+tag@example.com"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("анна@пример.example", "анна@xn--e1afmkfd.example"),
    ],
)
def test_an_address_goes_over_the_wire_in_ascii_where_that_will_do(given: str, wire: str) -> None:
    assert headers.address(given) == wire


@pytest.mark.parametrize(
    "text",
    ["", "anna", "a@b@c.example", "a b@c.example", "a@c.example\r\nRCPT TO:<x@y>",
     "<a@b.example>", '"a b"@c.example', "a@-x.example", "a" * 300 + "@b.example",
     "анна\u202e@example.com", "анна\u200b@example.com", "ан на@example.com",
     "ан\x00на@example.com", "анна@example.com, b@c.example", "анна\ud800@example.com",
     "=?utf-8?b?DQpCY2M6IHg=?=@b.example", "a=?b@c.example", "анна@[127.0.0.1]", "анна@b..example",
     "ж" * 40 + "@example.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UnsafeHeader):
        headers.address(text)


def test_only_an_address_makes_a_header_utf8() -> None:
    written = headers.block([("To", Mailbox("Анна", "анна@example.com")), ("Subject", Text("Ж"))])

    assert written.decode("utf-8") == (
        "To: =?utf-8?b?0JDQvdC90LA=?= <анна@example.com>\r\nSubject: =?utf-8?b?0JY=?=\r\n"
    )
    with pytest.raises(UnsafeHeader, match="X-Other is not ASCII"):
        headers.block([("To", Mailbox("", "анна@example.com")), ("X-Other", exact("ж"))])


def test_the_date_is_in_the_form_of_mail() -> None:
    assert headers.date(datetime(2026, 11, 2, 9, 5, tzinfo=UTC)) == exact(
        "Mon, 02 Nov 2026 09:05:00 +0000"
    )
