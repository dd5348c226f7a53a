"""Our reader of MIME structure against the standard library's, which is the oracle."""

from __future__ import annotations

import email
import email.policy
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm_mailer.listening import mime
from crm_mailer.listening.mime import Entity
from tests.listening.test_corpora import every_file

#: What breaks parsers, one upon another.
PIECES = st.sampled_from(
    [
        "Content-Type: multipart/mixed; boundary=b\n",
        "Content-Type: multipart/digest;boundary=b\n",
        'Content-Type: multipart/alternative;\r\n boundary="b c "\r\n',
        "--b\n",
        "--b--\n",
        "--b \t\r\n",
        "--b c\r\n",
        "--b c--",
        "--\n",
        "\n",
        "\r\n",
        "\r",
        "text\n",
        "From me\n",
        "From: a@b\n",
        ": \n",
        "Content-Type: multipart/mixed\n",
        "Content-Type: message/rfc822\n",
        " more\n",
        "\tmore\r\n",
        "Content-Type: message/delivery-status\n",
        "Content-Type: message/partial; id=1\n",
        "no header\n",
        'Content-Type: text/plain; charset="a;b"; name="x\\";y"\n',
        "Content-Type: ;charset\n",
        "Content-Type: text/plain; name*0=a; name*1*=%41; charset*=utf-8''x\n",
        "Content-Type: text\n",
        'Content-Disposition: attachment; filename=" a;b"\n',
        "Content-Transfer-Encoding: base64\n",
        "Content-Transfer-Encoding: x-uuencode\n",
        "Content-Transfer-Encoding: Quoted-Printable\n",
        "aGVs bG8=\n",
        "aGVsbG8\n",
        "=C3=A9 =\n",
        "begin 644 x\n#0V%T\n`\nend\n",
        "X: \udcff\udcfe\n",
        "\udce9",
        "Content-Type: text/pl\udce4in; boundary=\udce4\n",
        "\x0b\x0c\x1c\x85",
        "x" * 80 + "\n",
    ]
)


def differs(ours: Entity, theirs: Message) -> str:
    """Where the two readings part; empty where they do not."""
    children = theirs.get_payload() if theirs.is_multipart() else None
    told: list[tuple[str, object, object]] = [
        ("headers", ours.headers, list(theirs.raw_items())),
        ("type", ours.kind, theirs.get_content_type()),
        ("parameters", ours.params(), theirs.get_params([])),
        ("file name", ours.file_name, theirs.get_filename() or ""),
        ("children", ours.children is None, children is None),
    ]
    if children is None:
        told.append(("content", ours.content(), theirs.get_payload(decode=True)))
    for what, one, other in told:
        if one != other:
            return f"{what}: {one!r} is not {other!r}"
    pairs = zip(ours.children or [], children or [], strict=True)
    return next((found for one, other in pairs if (found := differs(one, other))), "")


def compare(text: str) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    theirs = email.message_from_bytes(raw, policy=email.policy.compat32)
    return differs(mime.parse(raw.decode("ascii", "surrogateescape")), theirs)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
@example("Content-Type: multipart/mixed; boundary=b\n\n--b\n--b--\n--b\n\nx\n--b--\n")
@example("A: b\nFrom me\n\nbody\n")
@example("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\ny\n--b--\nafter")
def test_a_mail_of_any_pieces_has_the_structure_that_the_library_sees(text: str) -> None:
    assert compare(text) == ""


@pytest.mark.shared
def test_real_mails_have_the_structure_that_the_library_sees(shared: Path) -> None:
    raws = [path.read_bytes() for path in every_file(shared / "corpora")]

    found = [compare(raw.decode("utf-8", "surrogateescape")) for raw in raws]

    assert [one for one in found if one] == []


@pytest.mark.parametrize(
    ("written", "content"),
    [
        pytest.param("aGVsbG8=", b"hello", id="whole"),
        pytest.param("aGVs\r\nbG8", b"hello", id="without padding"),
        pytest.param("aGVs!bG8=", b"hello", id="with a strange letter"),
        pytest.param("a", b"a", id="nothing to be read"),
    ],
)
def test_base64_is_read_as_far_as_it_can_be(written: str, content: bytes) -> None:
    entity = mime.parse(f"Content-Transfer-Encoding: base64\n\n{written}")

    assert entity.content() == content


def test_entities_within_entities_end_where_no_mail_goes() -> None:
    entity = mime.parse("Content-Type: message/rfc822\n\n" * 5_000)

    depth = 0
    while entity.children:
        entity, depth = entity.children[0], depth + 1

    assert depth == mime.DEPTH


def test_a_report_of_endless_groups_is_cut() -> None:
    entity = mime.parse("Content-Type: message/delivery-status\n\n" + "\n" * 100_000)

    assert len(entity.children or []) == mime.GROUPS
