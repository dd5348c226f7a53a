"""Mails byte for byte as they were when somebody last looked at them: see `making.py`."""

from __future__ import annotations

import base64
import re
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from crm_mailer.rendering.dkim import Signer, read_key
from tests.golden.making import FOLDER, LETTER, MAILS, made

NAMES = [*MAILS, LETTER]
RENEW = "python -m tests.golden.making"
each_mail = pytest.mark.parametrize("name", NAMES)
#: Headers that a mail may have once, or not at all.
ONCE = {
    "Date", "From", "To", "Reply-To", "Subject", "Message-ID", "MIME-Version", "Content-Type",
    "Content-Transfer-Encoding", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id",
    "Precedence", "Auto-Submitted", "X-Auto-Response-Suppress", "Feedback-ID", "X-CRM-Send",
    "X-CRM-Test", "In-Reply-To", "References",
}  # fmt: skip


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


@each_mail
def test_a_mail_is_byte_for_byte_as_it_was(name: str) -> None:
    kept = (FOLDER / f"{name}.eml").read_bytes()

    assert made(name).content == kept, f"meant? then {RENEW}, and look at the difference"


def test_nothing_else_is_kept() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(NAMES)


@each_mail
def test_the_standard_library_reads_it_without_a_defect(name: str) -> None:
    message = parsed((FOLDER / f"{name}.eml").read_bytes())
    parts = [part for part in message.walk() if isinstance(part, MIMEPart)]

    assert [part.defects for part in parts] == [[]] * len(parts)
    kinds = [part.get_content_type() for part in parts]
    assert kinds == ["multipart/alternative", "text/plain", "text/html"]
    for value in message.values():
        assert value.defects == ()


@each_mail
def test_its_lines_can_travel_everywhere(name: str) -> None:
    content = (FOLDER / f"{name}.eml").read_bytes()
    lines = content.split(b"\r\n")

    assert content.isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")
    head, body = lines[: lines.index(b"")], lines[lines.index(b"") :]
    assert max(map(len, body)) <= 76
    # an address of a link cannot be folded
    assert max(len(line) for line in head if b"://" not in line and b"mailto:" not in line) <= 78
    assert not [line for line in lines if line.startswith(b".")]


@each_mail
def test_its_headers_are_ours_and_stand_once(name: str) -> None:
    message = parsed((FOLDER / f"{name}.eml").read_bytes())

    assert len(message.keys()) == len(set(message.keys()))
    assert set(message.keys()) <= ONCE
    is_marketing = name.startswith("marketing")
    assert ("List-Unsubscribe" in message) == is_marketing
    assert (message["Auto-Submitted"] == "auto-generated") == name.startswith("order")
    assert ("X-CRM-Test" in message) == name.endswith("test")
    assert message["Subject"].startswith("[Teste] ") == name.endswith("test")
    assert re.fullmatch(r"<[a-z2-7.]+@[a-z.-]+>", message["Message-ID"])


def test_hostile_data_break_out_of_nothing() -> None:
    message = parsed((FOLDER / "order-en-hostile.eml").read_bytes())
    html = message.get_body(("html",))
    assert html is not None

    assert "<script" not in html.get_content()
    assert "Bcc" not in message
    assert message["To"].addresses[0].addr_spec == "o'brien+test@example.com"


@pytest.mark.parametrize("name", ["order-ru-patronymic", "marketing-de", LETTER])
def test_a_signed_mail_is_verified(name: str, signer: tuple[Signer, bytes]) -> None:
    by, record = signer
    signed = made(name, by).content

    assert signed.endswith(made(name).content)
    assert dkim.verify(signed, dnsfunc=lambda asked, timeout=5: record)
    broken = signed.replace(b"Date: Mon", b"Date: Tue")
    assert not dkim.verify(broken, dnsfunc=lambda asked, timeout=5: record)


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signer, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path_factory.mktemp("keys") / "rsa.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    return Signer("lotus-shop.example", [read_key(path, "golden")]), record
