"""What we tell other programs, and how they know that it is us (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import random
from datetime import datetime, timedelta

CASE_OPENED = "case.opened"
UNSUBSCRIBED = "customer.unsubscribed"
CAMPAIGN_FINISHED = "campaign.finished"
ALERT_RAISED = "alert.raised"
EVENTS = (CASE_OPENED, UNSUBSCRIBED, CAMPAIGN_FINISHED, ALERT_RAISED)
#: How a secret begins that is written in base64.
PREFIX_OF_SECRETS = "whsec_"
#: How long after each failed attempt the next one follows; after the last one it is given up.
SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
)
#: By which share at most a pause is longer, so that not all come back at once.
JITTER = 0.2


def key_of(secret: str) -> bytes:
    """The bytes of a secret: base64 behind `whsec_`, or the text itself."""
    if secret.startswith(PREFIX_OF_SECRETS):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX_OF_SECRETS), validate=True)
        except (binascii.Error, ValueError):
            pass
    return secret.encode()


def headers(secret: str, event_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers by which a receiver checks a message.

    Args:
        secret: shared with the receiver.
        event_id: the same for every attempt.
        at: of this attempt: a receiver refuses what is old.
        body: as it is sent.
    """
    seconds = str(int(at.timestamp()))
    signed = f"{event_id}.{seconds}.".encode() + body
    mac = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def next_try(attempts: int, now: datetime, chance: random.Random) -> datetime | None:
    """When to try again after so many failed attempts; None: never."""
    if attempts > len(SCHEDULE):
        return None
    pause = SCHEDULE[attempts - 1]
    return now + pause * (1 + JITTER * chance.random())
