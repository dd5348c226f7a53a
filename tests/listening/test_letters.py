from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm_mailer.definitions.words_reader import read_words
from crm_mailer.listening import charsets, kinds, letters, matching, plain, quotes
from tests.conftest import NOON
from tests.listening.conftest import KEYS

WORDS = read_words()
HEAD = b"From: a@b.example\r\nSubject: x\r\n"
PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b\r\n", b"\r\n", b"--b\r\n", b"--b--\r\n",
        b"Content-Type: text/plain; charset=gb2312\r\n", b"Content-Type: text/html\r\n",
        b"Content-Transfer-Encoding: base64\r\n", b"Content-Type: message/rfc822\r\n",
        b"Content-Type: message/delivery-status\r\n", b"Final-Recipient: rfc822; a@b\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n", b"From: =?x?b?//8=?= <a@b>\r\n",
        b"Subject: =?utf-8?q?=ff?=\r\n", b"Date: Fri, 99 Xyz 99999 99:99 +9999\r\n",
        b"Return-Path: <>\r\n", b"<blockquote><div><p", b"=C3=", b"\xff\xfe\x00", b"> ", b"\n",
        b"Content-Type: text/plain; charset*0*=utf-8''x\r\n", b"Feedback-Type: abuse\r\n",
    ]
)  # fmt: skip


def read(raw: bytes) -> letters.Letter:
    return letters.read(raw)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=600), st.lists(PIECES, max_size=30).map(b"".join)))
@example(b"")
@example(b"\r\n\r\n")
@example(HEAD + b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n")
def test_any_bytes_are_read_and_get_exactly_one_kind(raw: bytes) -> None:
    letter = read(raw)
    proof = matching.prove(letter, KEYS)

    sorted_ = kinds.sort(letter, WORDS, proof, NOON)

    assert sorted_.kind.value
    assert proof is None


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400))
def test_own_text_never_says_what_the_mail_does_not(text: str) -> None:
    own = quotes.own_text(text)

    assert set(own.split()) <= set(text.replace("\xa0", " ").split())
    assert bool(own.strip()) == bool(text.strip())


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="<>/abdivpblockquote =\"'!-&;#x\n", max_size=400))
def test_any_html_becomes_text(html: str) -> None:
    assert isinstance(plain.from_html(html), str)


def test_hostile_mails_are_read_within_a_second_each() -> None:
    hostile = [
        HEAD + b"Content-Type: text/plain" + b"; a=b" * 100_000 + b"\r\n\r\nx",
        HEAD + b"To: " + b"a@b.example, " * 20_000 + b"\r\n\r\nx",
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
                 for n in range(1_500)),
        HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 100_000,
        HEAD + b"Content-Type: text/html\r\n\r\n<a " + b"b=c " * 200_000,
        HEAD + b"Content-Type: text/html\r\n\r\n" + b"<!--" * 60_000,
        HEAD + b"Content-Type: text/html\r\n\r\n" + b"<![CDATA[" * 30_000,
        HEAD + b"Content-Type: text/html\r\n\r\n" + b"&#" * 100_000,
        HEAD + b"X: y\r\n" * 50_000 + b"\r\nx",
        HEAD + b"\r\n" + b"> " * 300_000,
        HEAD + b"\r\n" + b"On " * 100_000 + b"wrote:\r\n",
        HEAD + b"\r\n" + b"a@b.example " * 40_000,
        HEAD + b"\r\n" + b"never " * 50_000,
        HEAD + b"Subject: " + b"=?utf-8?b?4pyT?= " * 20_000 + b"\r\n\r\nx",
    ]  # fmt: skip
    slow = []
    for number, raw in enumerate(hostile):
        begun = time.perf_counter()
        letter = read(raw)
        kinds.sort(letter, WORDS, matching.prove(letter, KEYS), NOON)
        if time.perf_counter() - begun > 3:
            slow.append((number, round(time.perf_counter() - begun, 1)))

    assert slow == []


def test_gb2312_is_read_as_the_wider_gb18030() -> None:
    text = "喆，包裹还没到"

    raw = b"Content-Type: text/plain; charset=gb2312\r\n\r\n" + text.encode("gb18030")

    assert read(raw).full_text == text


def test_undeclared_utf8_and_wrongly_declared_utf8_are_read() -> None:
    for declared in ("", "us-ascii", "iso-8859-1", "x-nonsense"):
        head = f"Content-Type: text/plain; charset={declared}\r\n\r\n" if declared else "\r\n"
        raw = b"From: a@b.example\r\n" + head.encode() + "Где посылка?".encode()

        assert read(raw).full_text == "Где посылка?"


def test_a_character_split_over_two_encoded_words_is_whole() -> None:
    raw = b"Subject: =?utf-8?B?0J/RgNC40LI=?=\r\n =?utf-8?B?0LXRgg==?=\r\n\r\nx"

    assert read(raw).subject == "Привет"


@pytest.mark.parametrize("codec", ["utf-8", "koi8-r", "cp1251"])
def test_raw_bytes_in_a_header_are_read(codec: str) -> None:
    assert read("Subject: Посылка не пришла\r\n\r\nx".encode(codec)).subject == "Посылка не пришла"


def test_raw_bytes_in_a_header_are_first_held_to_be_in_the_charset_of_the_body() -> None:
    head = "Subject: Ürün\r\nContent-Type: text/plain; charset=iso-8859-9\r\n\r\n"

    assert read((head + "Ürün gelmedi, şikayet").encode("iso-8859-9")).subject == "Ürün"


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1251", "Где мой заказ? Верните деньги"), ("koi8-r", "Посылка не пришла"),
        ("gb18030", "包裹还没有到，请退款"), ("big5", "包裹還沒有到，請退款給我"),
        ("cp932", "荷物がまだ届きません"), ("euc-jp", "荷物がまだ届きません"),
        ("cp949", "택배가 아직 안 왔어요"), ("cp1253", "Πού είναι το δέμα μου"),
        ("cp1256", "أين الطرد الخاص بي"), ("cp1252", "Où est ma commande, déjà payée"),
        ("cp1252", "Jürgen"), ("cp1250", "Gdzie jest paczka? ąęłżźć"),
    ],
)  # fmt: skip
def test_a_charset_that_nobody_named_is_guessed(codec: str, text: str) -> None:
    assert read(b"Subject: x\r\n\r\n" + text.encode(codec)).full_text == text


def test_a_codec_that_is_no_charset_is_not_used() -> None:
    assert charsets.codec_of("rot13") is None
    assert charsets.codec_of("zip") is None
    assert charsets.decode(b"uryyb", "rot_13") == "uryyb"


def test_the_sender_is_the_address_in_angle_brackets() -> None:
    raw = b'From: "boss@bank.example" <anna@example.com>\r\n\r\nx'

    assert read(raw).sender == "anna@example.com"


def test_an_attached_text_is_not_what_somebody_wrote() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee file\r\n--b\r\n"
        b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\n"
        b"broken refund\r\n--b--\r\n"
    )

    assert read(raw).full_text == "see file"


def test_html_alone_becomes_lines_with_quotes_marked() -> None:
    html = (
        "<html><head><style>p{}</style></head><body><p>It&nbsp;came.<br>Thanks</p>"
        '<div class="gmail_quote"><div class="gmail_attr">On Monday Shop wrote:</div>'
        "<blockquote>Not received?</blockquote></div></body></html>"
    )

    text = plain.from_html(html)

    assert text.splitlines()[:2] == ["It came.", "Thanks"]
    assert "> Not received?" in text
    assert quotes.own_text(text) == "It came.\nThanks"


def test_no_part_keeps_the_ends_of_lines_of_the_wire() -> None:
    mail = (
        b'Content-Type: multipart/report; boundary="B"\r\n\r\n--B\r\n\r\none\r\ntwo\r\n'
        b"--B\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: Hi\r\nFrom: a@b.example\r\n"
        b"--B--\r\n"
    )

    assert not any("\r" in part.text for part in letters.read(mail).parts)
