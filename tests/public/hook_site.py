"""The public pages of a shop that other programs send to, and senders that sign with real keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from crm_mailer.app import App
from crm_mailer.app import hooks as verbs
from crm_mailer.public import server
from crm_mailer.settings import FILE_NAME, read_settings
from crm_mailer.store import hooks, suppressions, tables
from crm_mailer.web.serving import LOOPBACK
from tests.conftest import NOON, StandingClock
from tests.small_shop import small_shop

TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses-events"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
SECRET = "a-secret-of-twenty-characters"
SETTINGS = """
[hooks.ses]
certificates = "certificates"
topics = ["{topic}"]

[hooks.sendgrid]
public_key = "{public_key}"

[hooks.mailgun]
secret = "key-of-mailgun"

[hooks.postmark]
username = "postmark"
secret = "{secret}"

[hooks.brevo]
secret = "{secret}"

[hooks.shopify]
secret = "shpss_0123456789"

[hooks.woocommerce]
secret = "woo secret"

[hooks.erp]
kind = "orders"
secret = "{secret}"
"""


@dataclass(slots=True, kw_only=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True, kw_only=True)
class Site:
    """A served shop, and the keys of its senders."""

    app: App
    port: int
    clock: StandingClock
    sns_key: rsa.RSAPrivateKey
    curve_key: ec.EllipticCurvePrivateKey
    _number: int = field(default=0)

    def ask(
        self, path: str, body: bytes | str | None = b"", method: str = "POST", **headers: str
    ) -> Answer:
        """Header names are written with underscores."""
        line = HTTPConnection(LOOPBACK, self.port, timeout=20)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        line.request(method, path, body, told)
        answer = line.getresponse()
        found = Answer(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=answer.read(),
        )
        line.close()
        return found

    def fresh(self) -> str:
        """A word that was not there before."""
        self._number += 1
        return f"n{self._number}"

    def digest(self) -> verbs.HookReport:
        return verbs.digest(self.app)

    def suppressed(self) -> set[tuple[str, str]]:
        with self.app.store.read() as connection:
            return {(one.address, one.reason.value) for one in suppressions.list_(connection)}

    def kept(self, source: str) -> int:
        """Requests of a source, in whatever state."""
        with self.app.store.read() as connection:
            found = {one.source: one for one in hooks.figures(connection)}
        one = found.get(source)
        return one.new + one.done + one.failed if one else 0

    def rows(self, table: sa.Table) -> list[Any]:
        with self.app.store.read() as connection:
            return list(connection.execute(sa.select(table)))

    def count(self, table: sa.Table) -> int:
        with self.app.store.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0

    # -------------------------------------------------------------- senders

    def envelope(self, message: Any, **changed: Any) -> dict[str, Any]:
        """A signed envelope of Amazon SNS; what is `changed` is signed, too."""
        told: dict[str, Any] = {
            "Type": "Notification",
            "MessageId": f"22b80b92-{self.fresh()}",
            "TopicArn": TOPIC,
            "Message": message if isinstance(message, str) else json.dumps(message),
            "Timestamp": f"{self.clock.now():%Y-%m-%dT%H:%M:%S.000Z}",
            "SignatureVersion": "2",
            "SigningCertURL": CERTIFICATE_URL,
            "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
            **changed,
        }
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        if told["Type"] != "Notification":
            names = [
                "Message",
                "MessageId",
                "SubscribeURL",
                "Timestamp",
                "Token",
                "TopicArn",
                "Type",
            ]
        signed = "".join(f"{name}\n{told[name]}\n" for name in names if name in told)
        algorithm = hashes.SHA256() if told["SignatureVersion"] == "2" else hashes.SHA1()
        mac = self.sns_key.sign(signed.encode(), padding.PKCS1v15(), algorithm)
        return {**told, "Signature": base64.b64encode(mac).decode()}

    def ses(self, message: Any, **changed: Any) -> Answer:
        body = json.dumps(self.envelope(message, **changed))
        return self.ask("/hooks/ses", body, content_type="text/plain; charset=UTF-8")

    def sendgrid(self, events: Any, *, at: datetime | None = None) -> Answer:
        body = json.dumps(events).encode()
        said = str(int((at or self.clock.now()).timestamp()))
        mac = self.curve_key.sign(said.encode() + body, ec.ECDSA(hashes.SHA256()))
        return self.ask(
            "/hooks/sendgrid",
            body,
            content_type="application/json",
            X_Twilio_Email_Event_Webhook_Signature=base64.b64encode(mac).decode(),
            X_Twilio_Email_Event_Webhook_Timestamp=said,
        )

    def mailgun_block(self, at: datetime | None = None) -> dict[str, str]:
        said, token = str(int((at or self.clock.now()).timestamp())), f"token-{self.fresh()}"
        mac = hmac.new(b"key-of-mailgun", f"{said}{token}".encode(), hashlib.sha256)
        return {"timestamp": said, "token": token, "signature": mac.hexdigest()}

    def mailgun(self, event: Mapping[str, Any], block: Mapping[str, str] | None = None) -> Answer:
        body = {"signature": block or self.mailgun_block(), "event-data": event}
        return self.ask("/hooks/mailgun", json.dumps(body), content_type="application/json")

    def postmark(self, record: Mapping[str, Any]) -> Answer:
        login = base64.b64encode(f"postmark:{SECRET}".encode()).decode()
        return self.ask("/hooks/postmark", json.dumps(record), authorization=f"Basic {login}")

    def brevo(self, event: Any) -> Answer:
        return self.ask(f"/hooks/brevo/{SECRET}", json.dumps(event))

    def shopify(self, topic: str, payload: Any) -> Answer:
        body = json.dumps(payload, ensure_ascii=False).encode()
        return self.ask(
            "/hooks/shopify",
            body,
            content_type="application/json",
            X_Shopify_Topic=topic,
            X_Shopify_Webhook_Id=self.fresh(),
            X_Shopify_Hmac_Sha256=_mac(b"shpss_0123456789", body),
        )

    def woocommerce(self, topic: str, payload: Any) -> Answer:
        body = json.dumps(payload, ensure_ascii=False).encode()
        return self.ask(
            "/hooks/woocommerce",
            body,
            X_WC_Webhook_Topic=topic,
            X_WC_Webhook_Signature=_mac(b"woo secret", body),
        )

    def orders(self, payload: Any, **headers: str) -> Answer:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        told = {"authorization": f"Bearer {SECRET}", "content_type": "application/json", **headers}
        return self.ask("/orders", body, **told)


def _mac(secret: bytes, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest()).decode()


@contextmanager
def site(home: Path, *, digests: bool = False, public_url: str = "") -> Iterator[Site]:
    """A shop served on loopback. `digests`: what comes is read at once, as the daemon does."""
    small_shop(home, (), ())
    with (home / "campaigns" / "shop.yaml").open("a", encoding="utf-8") as shop:
        shop.write(f"\npublic_url: {public_url}\n" if public_url else "")
    sns_key = rsa.generate_private_key(65_537, 2048)
    curve_key = ec.generate_private_key(ec.SECP256R1())
    _certificate(home, sns_key)
    public_key = curve_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (home / FILE_NAME).write_text(
        SETTINGS.format(
            topic=TOPIC, public_key=base64.b64encode(public_key).decode(), secret=SECRET
        )
    )
    clock = StandingClock()
    app = App(home, read_settings(home, {}), clock)
    assert app.store
    running = server.start(app, port=0)
    over = threading.Event()
    reader = threading.Thread(target=_read, args=(app, over), daemon=True)
    if digests:
        reader.start()
    port = int(running.address.rstrip("/").rpartition(":")[2])
    yield Site(app=app, port=port, clock=clock, sns_key=sns_key, curve_key=curve_key)
    over.set()
    if digests:
        reader.join(10)
    running.stop()
    app.close()


def _read(app: App, over: threading.Event) -> None:
    while not over.wait(0.02):
        verbs.digest(app)
        time.sleep(0)


def _certificate(home: Path, key: rsa.RSAPrivateKey) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOON - timedelta(days=100))
        .not_valid_after(NOON + timedelta(days=100))
        .sign(key, hashes.SHA256())
    )
    folder = home / "certificates"
    folder.mkdir()
    (folder / "sns.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))


def customer_with_mail(one: Site, address: str) -> tuple[int, str]:
    """A customer to whom a marketing mail went yesterday; the mail's number and Message-ID."""
    at = NOON - timedelta(days=1)
    with one.app.store.write() as connection:
        customer = connection.execute(
            sa.insert(tables.customers)
            .values(email=address, email_key=address, name="Anna", language="en",
                    created_at=at, changed_at=at)
            .returning(tables.customers.c.id)
        ).scalar_one()  # fmt: skip
        touch = connection.execute(
            sa.insert(tables.touches)
            .values(campaign="win-back", step="hello", anchor=f"customer:{customer}",
                    customer_id=customer, stream="marketing", template="growth/win-back-1",
                    anchored_at=at, due_at=at, planned_at=at, settled_at=at, state="accepted")
            .returning(tables.touches.c.id)
        ).scalar_one()  # fmt: skip
        token = one.app.keys.make(_purpose(), touch)
        message_id = f"<{token}@shop.example>"
        connection.execute(
            sa.insert(tables.messages).values(
                touch_id=touch, message_id=message_id, rcpt_to=address, sha256="-", rendered_at=at
            )
        )
    return touch, message_id


def _purpose() -> Any:
    from crm_mailer.model.token import Purpose

    return Purpose.MESSAGE_ID
