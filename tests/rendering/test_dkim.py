from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import dkim
import pytest
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import SettingsError
from crm_mailer.model.message import Message
from crm_mailer.model.shop import Shop
from crm_mailer.rendering import samples
from crm_mailer.rendering.compose import Composer, Occasion
from crm_mailer.rendering.dkim import Signer, read_key
from tests.rendering.conftest import Write

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)
#: Two Mersenne primes: a key that nobody should use.
P, Q, E = 2**521 - 1, 2**127 - 1, 65537
D = pow(E, -1, (P - 1) * (Q - 1))
WEAK = rsa.RSAPrivateNumbers(
    P, Q, D, rsa.rsa_crt_dmp1(D, P), rsa.rsa_crt_dmq1(D, Q), rsa.rsa_crt_iqmp(P, Q),
    rsa.RSAPublicNumbers(E, P * Q),
).private_key(unsafe_skip_rsa_key_validation=True)  # fmt: skip
PUBLIC = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
CURVE = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


def saved(path: Path, key: PrivateKey, *, password: bytes = b"", mode: int = 0o600) -> Path:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    path.chmod(mode)
    return path


def record(key: PrivateKey) -> bytes:
    """What stands in the DNS for a key (RFC 6376, RFC 8463)."""
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


def dns(name: bytes, timeout: int = 5) -> bytes | None:
    return {
        b"mail2026._domainkey.shop.example.": record(RSA),
        b"ed2026._domainkey.shop.example.": record(EDWARDS),
    }.get(name)


def verified(content: bytes) -> list[bool]:
    """Whether each signature holds."""
    count = content.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    return [holds(content, number) for number in range(count)]


def holds(content: bytes, number: int) -> bool:
    try:
        return bool(dkim.DKIM(content).verify(idx=number, dnsfunc=dns))
    except dkim.DKIMException:
        return False


class VerifyKey:
    """The one call of PyNaCl that dkimpy makes, answered by `cryptography`."""

    def __init__(self, text: bytes, encoder: object) -> None:
        self.key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(text))

    def verify(self, text: bytes, signature: bytes) -> None:
        self.key.verify(signature, text)


@pytest.fixture(autouse=True)
def _nacl(monkeypatch: pytest.MonkeyPatch) -> None:
    nacl = SimpleNamespace(
        signing=SimpleNamespace(VerifyKey=VerifyKey),
        encoding=SimpleNamespace(Base64Encoder=None),
        exceptions=SimpleNamespace(BadSignatureError=InvalidSignature, ValueError=ValueError),
    )
    monkeypatch.setattr(dkim, "nacl", nacl, raising=False)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    keys = [
        read_key(saved(tmp_path / "rsa.pem", RSA), "mail2026"),
        read_key(saved(tmp_path / "ed.pem", EDWARDS), "ed2026", is_ed25519=True),
    ]
    return Signer("shop.example", keys)


def letter(number: int = 1, **changes: object) -> Occasion:
    basis = Occasion(
        touch_id=number, customer=samples.sample_customer("en"), order=None,
        stream=Stream.MARKETING, template="a/b")  # fmt: skip
    return basis._replace(**changes)  # type: ignore[arg-type]


@pytest.fixture
def composer(
    write: Write, compose_with: Callable[[], Composer], shop: Shop, signer: Signer
) -> Composer:
    write("a/b.en.mjml", "<mj-text>.Ünï {{ greeting }}\n.\nFrom here</mj-text>")
    found = compose_with()
    found.shop = replace(shop, public_url="https://u.shop.example")
    found.signer = signer
    return found


@pytest.fixture
def message(composer: Composer) -> Message:
    return composer.compose(letter(), NOW).message


def test_both_signatures_are_verified_by_others(message: Message) -> None:
    assert verified(message.content) == [True, True]
    assert message.is_wire_ready
    assert b"\n." not in message.content
    assert max(map(len, message.content.partition(b"\r\nFrom:")[0].split(b"\r\n"))) <= 78


@pytest.mark.parametrize("code", ["en", "ru"])
@pytest.mark.parametrize("stream", list(Stream))
@pytest.mark.parametrize("email", ["anna@example.com", "анна@example.com"])
def test_every_kind_of_mail_is_signed(
    composer: Composer, code: str, stream: Stream, email: str
) -> None:
    customer = samples.sample_customer(code)._replace(email=email)
    mail = letter(customer=customer, stream=stream)

    assert verified(composer.compose(mail, NOW).message.content) == [True, True]


@pytest.mark.parametrize("text", ["Привет\n\n\n", "Hello", "", " ", "\n", "x\n \n"])
def test_what_an_agent_wrote_is_signed(composer: Composer, text: str) -> None:
    mail = letter(stream=Stream.TRANSACTIONAL, template="", written=text)

    [message] = composer.finish([composer.write(mail, NOW)], NOW)

    assert verified(message.content) == [True, True]


def test_any_changed_byte_of_head_or_body_breaks_the_signatures(message: Message) -> None:
    content = message.content
    places = [
        place
        for place in range(content.index(b"\r\nFrom: ") + 2, len(content), 41)
        if content[place] not in b" \t\r\n:" and not is_unsigned(content, place)
    ]

    held = [place for place in places if any(verified(changed_at(content, place)))]

    assert len(places) > 50
    assert held == []


def changed_at(content: bytes, place: int) -> bytes:
    other = b"x" if content[place : place + 1].lower() != b"x" else b"y"
    return content[:place] + other + content[place + 1 :]


def is_unsigned(content: bytes, place: int) -> bool:
    """Whether the place lies in a header that no reader relies on."""
    line = content[: place + 1].rpartition(b"\r\n")[2]
    return line.startswith((b"X-Auto-Response", b"Precedence"))


@pytest.mark.parametrize(
    "name",
    ["From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References",
     "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "List-Id", "List-Unsubscribe",
     "List-Unsubscribe-Post", "Feedback-ID"],
)  # fmt: skip
def test_no_second_header_can_be_added(message: Message, name: str) -> None:
    added = f"{name}: <evil@x.example>\r\n".encode()
    head, _empty, body = message.content.partition(b"\r\n\r\n")

    assert verified(added + message.content) == [False, False]
    assert verified(head + b"\r\n" + added + b"\r\n" + body) == [False, False]


def test_a_relay_may_fold_and_space_headers_anew(message: Message) -> None:
    changed = re.sub(rb"\r\nSubject: ", b"\r\nSUBJECT:   \r\n\t", message.content, count=1)

    assert changed != message.content
    assert verified(changed) == [True, True]


def test_a_batch_is_signed_in_its_order(composer: Composer) -> None:
    mails = [composer.write(letter(number), NOW) for number in range(1, 51)]

    messages = composer.finish(mails, NOW)

    assert [one.touch_id for one in messages] == list(range(1, 51))
    assert all(verified(one.content) == [True, True] for one in messages[::7])
    assert composer.finish(mails, NOW) == messages


def test_the_time_is_told_and_the_body_is_signed_as_a_whole(message: Message) -> None:
    head = message.content.partition(b"\r\n\r\n")[0]

    assert b"t=1793611800;" in head
    assert b" l=" not in head
    assert head.count(b"c=relaxed/simple;\r\n d=shop.example;") == 2


@pytest.mark.parametrize(
    ("make", "is_ed25519", "said"),
    [
        (lambda path: path / "none.pem", False, "cannot be read: No such file"),
        (lambda path: path, False, "cannot be read: Is a directory"),
        (lambda path: saved(path / "k", EDWARDS), False, "is not of the kind RSA"),
        (lambda path: saved(path / "k", RSA), True, "is not of the kind Ed25519"),
        (lambda path: saved(path / "k", CURVE), False, "is not of the kind RSA"),
        (lambda path: saved(path / "k", RSA, password=b"secret"), False, "is encrypted"),
        (lambda path: written(path / "k", b""), False, "no private key in PEM form"),
        (lambda path: written(path / "k", b"\xff\x00 hello"), False, "no private key in PEM form"),
        (lambda path: written(path / "k", PUBLIC), False, "no private key in PEM form"),
        (lambda path: saved(path / "k", WEAK), False, "has 648 bits; receivers refuse less"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_used_is_told_with_a_remedy(
    tmp_path: Path, make: Callable[[Path], Path], is_ed25519: bool, said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        read_key(make(tmp_path), "s", is_ed25519=is_ed25519)

    assert caught.value.hint


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("key", "mode", "event"),
    [(SHORT, 0o600, "dkim_key_is_short"), (RSA, 0o644, "dkim_key_is_open"), (RSA, 0o600, None)],
)
def test_a_short_key_and_an_open_file_are_warned_of(
    tmp_path: Path, key: rsa.RSAPrivateKey, mode: int, event: str | None
) -> None:
    with structlog.testing.capture_logs() as logged:
        read_key(saved(tmp_path / "k", key, mode=mode), "s")

    assert [one["event"] for one in logged] == ([event] if event else [])


@pytest.mark.parametrize("name", ["", "a b", "x;y", "x\r\n", "-a", "ключ"])
def test_a_domain_or_selector_that_could_not_stand_in_a_header_is_refused(
    signer: Signer, name: str
) -> None:
    with pytest.raises(SettingsError, match="cannot be a domain or a selector"):
        Signer(name, signer.keys)
    with pytest.raises(SettingsError, match="cannot be a domain or a selector"):
        Signer("shop.example", [replace(signer.keys[0], selector=name)])
