"""An event as the standard report that a mail server would have sent (RFC 3464, RFC 5965).

So a bounce is a bounce, however we hear of it: the same reader, the same reasons, the same gates.
"""

from __future__ import annotations

import hashlib
import re
from email.utils import format_datetime

from crm_mailer.model.hook import EventKind, HookEvent

#: Senders of reports that are made here; no mail comes from this domain (RFC 2606).
DOMAIN = "webhook.invalid"
#: What stands for a dead address where the provider gives its verdict and no words.
DEAD = ("5.1.1", "550 5.1.1 the provider says that this address does not exist")
_BOUNDARY = "crm-mailer-report"
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}@[^\s<>()\[\],;:\"@]{1,255}")


def report(event: HookEvent, source: str, token: str) -> bytes:
    """The report of a bounce, a delay or a complaint.

    Args:
        event: what the provider tells.
        source: by which table of the settings.
        token: ours, of the mail that it is about; empty where none was found.
    """
    is_complaint = event.kind is EventKind.COMPLAINT
    kind = "feedback-report" if is_complaint else "delivery-status"
    subject = "Spam report" if is_complaint else "Delivery report"
    name = hashlib.sha256(f"{source}\0{event.key}".encode()).hexdigest()[:32]
    lines = [
        f"From: {source} <feedback@{DOMAIN}>",
        f"To: webhooks@{DOMAIN}",
        f"Subject: {subject} by webhook {source}",
        f"Date: {format_datetime(event.at)}",
        f"Message-ID: <{name}@{DOMAIN}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type={kind}; boundary="{_BOUNDARY}"',
        "",
        f"--{_BOUNDARY}",
        "Content-Type: text/plain; charset=utf-8",
        "",
        f"{source}: {event.diagnostic}" if event.diagnostic else source,
        f"--{_BOUNDARY}",
        f"Content-Type: message/{kind}",
        "",
        *(_complaint(event) if is_complaint else _bounce(event)),
        f"--{_BOUNDARY}",
        "Content-Type: text/rfc822-headers",
        "",
        *([f"X-CRM-Send: {token}"] if token else []),
        f"To: {_address(event.recipient)}",
        "",
        f"--{_BOUNDARY}--",
        "",
    ]
    return "\r\n".join(lines).encode()


def _complaint(event: HookEvent) -> list[str]:
    address = _address(event.recipient)
    return [
        f"Feedback-Type: {re.sub('[^a-z-]', '', event.feedback_type)[:30] or 'abuse'}",
        "User-Agent: crm-mailer",
        "Version: 1",
        *([f"Original-Rcpt-To: {address}"] if address else []),
        "",
    ]


def _bounce(event: HookEvent) -> list[str]:
    said = (event.status, event.diagnostic)
    status, diagnostic = DEAD if event.is_for_good and not event.status else said
    action = "delayed" if event.kind is EventKind.DELAY else "failed"
    host = re.sub(r"[^\w.:-]", "", event.remote_host)[:200]
    return [
        f"Reporting-MTA: dns; {DOMAIN}",
        "",
        f"Final-Recipient: rfc822; {_address(event.recipient)}",
        f"Action: {action}",
        *([f"Status: {re.sub('[^0-9.]', '', status)[:12]}"] if status else []),
        *([f"Remote-MTA: dns; {host}"] if host else []),
        *([f"Diagnostic-Code: smtp; {diagnostic}"] if diagnostic else []),
        "",
    ]


def _address(told: str) -> str:
    """The bare address in what a provider writes; no line can be forged with it."""
    found = _ADDRESS.search(told)
    return found[0] if found else ""
