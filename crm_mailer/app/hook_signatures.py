"""Whether a request comes from whom it says: each kind of sender proves it in its own way.

Signatures are taken over the bytes as they came and compared in constant time. Nothing is fetched:
what a signature is checked with stands in the settings or in files that they name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crm_mailer.app import hook_keys
from crm_mailer.model.hook import HookKind, NotJson, read_json
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import HookSettings

#: How long each sender goes on trying: a request that is older was kept by somebody.
OLDEST = {
    HookKind.SES: timedelta(hours=2),
    HookKind.MAILGUN: timedelta(hours=9),
    HookKind.SENDGRID: timedelta(hours=25),
}
#: How far ahead of ours a sender's clock may be.
AHEAD = timedelta(minutes=5)
#: Where Amazon keeps the certificates of SNS.
_SNS_HOST = re.compile(r"sns\.[a-z0-9-]{3,30}\.amazonaws\.com(?:\.cn)?")
_SNS_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip
_SNS_SIGNED["UnsubscribeConfirmation"] = _SNS_SIGNED["SubscriptionConfirmation"]
#: The first body that WooCommerce sends: it asks whether anybody is there, and signs nothing.
_PING = re.compile(rb"webhook_id=[0-9]{1,12}")


class Refused(Exception):
    """It is not from whom it says, or it is old; the reason is ours, never the sender's to know."""


class Ping(Exception):
    """Only asks whether anybody is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request as it came. Header names are in small letters."""

    headers: Mapping[str, str]
    body: bytes
    #: What followed the name in the path.
    path_secret: str = ""

    def get(self, name: str) -> str:
        """A header; empty where there is none."""
        return self.headers.get(name, "")

    @property
    def digest(self) -> str:
        """The name of the bytes."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a request is, once it is known to be real. `key`: the same request has the same."""

    topic: str
    key: str


def prove(hook: HookSettings, request: Incoming, home: Path, now: datetime) -> Proven:
    """See that the request is from the sender of this table.

    Args:
        hook: the table of the settings.
        request: as it came.
        home: the folder that paths in the settings begin at.
        now: the present instant.

    Raises:
        Refused: it is not, or is too old.
        Ping: it is a greeting without content.
    """
    return _PROOFS[hook.kind](hook, request, home, now)


def is_same(shown: str, secret: str) -> bool:
    """Whether a secret was shown; how long that takes does not tell how much was right."""
    return bool(secret) and hmac.compare_digest(shown.encode(), secret.encode())


def bearer(request: Incoming) -> str:
    """The token that is shown; empty where there is none."""
    scheme, _blank, token = request.get("authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


# ------------------------------------------------------------------ Amazon SES by way of SNS


def _sns(hook: HookSettings, request: Incoming, home: Path, now: datetime) -> Proven:
    envelope = _json(request)
    names = _SNS_SIGNED.get(str(envelope.get("Type")))
    if names is None or not isinstance(envelope.get("MessageId"), str):
        raise Refused(Sentence("no envelope of Amazon SNS"))
    if str(envelope.get("TopicArn")) not in hook.topics:
        raise Refused(Sentence("a topic that `topics` does not name"))
    signed = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
    _check_place(str(envelope.get("SigningCertURL", "")))
    version, shown = str(envelope.get("SignatureVersion")), str(envelope.get("Signature", ""))
    place = home / hook.certificates
    if not hook_keys.fits_certificates(place, version, _base64(shown), signed.encode(), now):
        raise Refused(Sentence("the signature does not fit any of our certificates"))
    _check_age(hook.kind, _instant(envelope.get("Timestamp")), now)
    return Proven(topic=str(envelope["Type"]), key=envelope["MessageId"][:200])


def _check_place(url: str) -> None:
    """The certificate lies here already; its address only says that it is one of Amazon's."""
    try:
        where = urlsplit(url)
    except ValueError:
        raise Refused(Sentence("the certificate's address is none")) from None
    if where.scheme != "https" or not _SNS_HOST.fullmatch(where.hostname or ""):
        raise Refused(Sentence("the certificate's address is not Amazon's"))


# ------------------------------------------------------------------ the others


def _sendgrid(hook: HookSettings, request: Incoming, _home: Path, now: datetime) -> Proven:
    said = request.get("x-twilio-email-event-webhook-timestamp")
    signature = _base64(request.get("x-twilio-email-event-webhook-signature"))
    try:
        fits = hook_keys.fits_curve(hook.public_key, signature, said.encode() + request.body)
    except hook_keys.NoKey as error:
        raise Refused(str(error)) from error
    if not fits:
        raise Refused(Sentence("the signature does not fit"))
    _check_age(hook.kind, _instant(said), now)
    return Proven(topic="", key=request.digest)


def _mailgun(hook: HookSettings, request: Incoming, _home: Path, now: datetime) -> Proven:
    block = _json(request).get("signature")
    if not isinstance(block, dict):
        raise Refused(Sentence("there is no signature"))
    said, token, shown = (str(block.get(n, "")) for n in ("timestamp", "token", "signature"))
    mac = hmac.new(hook.secret.encode(), f"{said}{token}".encode(), hashlib.sha256)
    if not is_same(shown, mac.hexdigest()):
        raise Refused(Sentence("the signature does not fit"))
    _check_age(hook.kind, _instant(said), now)
    # the signature does not cover what it stands beside: a token that comes again with another
    # event is a forgery, see `hooks.keep`
    return Proven(topic="", key=token[:200])


def _login(hook: HookSettings, request: Incoming, _home: Path, _now: datetime) -> Proven:
    """By a secret in the path, a bearer token, or user name and password."""
    name, password = _basic(request)
    is_named = not hook.username or is_same(name, hook.username)
    shown = [request.path_secret, bearer(request), password if is_named else ""]
    if not any(one for one in [is_same(word, hook.secret) for word in shown]):
        raise Refused(Sentence("the secret is missing or wrong"))
    return Proven(topic="", key=request.digest)


def _shopify(hook: HookSettings, request: Incoming, _home: Path, _now: datetime) -> Proven:
    _check_hmac(hook, request, "x-shopify-hmac-sha256")
    topic = request.get("x-shopify-topic").lower()
    return Proven(topic=topic, key=f"{topic}:{request.digest}")


def _woocommerce(hook: HookSettings, request: Incoming, _home: Path, _now: datetime) -> Proven:
    if not request.get("x-wc-webhook-signature") and _PING.fullmatch(request.body):
        raise Ping
    _check_hmac(hook, request, "x-wc-webhook-signature")
    topic = request.get("x-wc-webhook-topic").lower()
    return Proven(topic=topic, key=f"{topic}:{request.digest}")


def _check_hmac(hook: HookSettings, request: Incoming, header: str) -> None:
    mac = hmac.new(hook.secret.encode(), request.body, hashlib.sha256).digest()
    if not is_same(request.get(header).strip(), base64.b64encode(mac).decode()):
        raise Refused(Sentence("the signature does not fit"))


def _no_door(_hook: HookSettings, _request: Incoming, _home: Path, _now: datetime) -> Proven:
    raise Refused(Sentence("orders come to /orders"))


_PROOFS: dict[HookKind, Callable[[HookSettings, Incoming, Path, datetime], Proven]] = {
    HookKind.SES: _sns,
    HookKind.SENDGRID: _sendgrid,
    HookKind.MAILGUN: _mailgun,
    HookKind.POSTMARK: _login,
    HookKind.BREVO: _login,
    HookKind.SHOPIFY: _shopify,
    HookKind.WOOCOMMERCE: _woocommerce,
    HookKind.ORDERS: _no_door,
}


# ------------------------------------------------------------------ parts


def _json(request: Incoming) -> dict[str, Any]:
    try:
        found = read_json(request.body)
    except NotJson as error:  # where it breaks is told by no reason: reasons are counted
        raise Refused(Sentence("the body is no JSON")) from error
    if not isinstance(found, dict):
        raise Refused(Sentence("the body is no JSON object"))
    return found


def _basic(request: Incoming) -> tuple[str, str]:
    scheme, _blank, told = request.get("authorization").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    name, _colon, password = _base64(told.strip()).decode("utf-8", "replace").partition(":")
    return name, password


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _instant(told: Any) -> datetime | None:
    text = str(told)[:40]
    try:
        if text.isascii() and text.isdigit():
            return datetime.fromtimestamp(int(text), UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _check_age(kind: HookKind, at: datetime | None, now: datetime) -> None:
    if at is None:
        raise Refused(Sentence("there is no time"))
    if at < now - OLDEST[kind]:
        raise Refused(Sentence("it is too old"))
    if at > now + AHEAD:
        raise Refused(Sentence("its time is yet to come: does a clock go wrong?"))
