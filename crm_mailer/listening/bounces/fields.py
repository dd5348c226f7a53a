"""Delivery reports in the standard form (RFC 3464), also where it is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator

from crm_mailer.listening.bounces.told import RECIPIENTS, Report, Told, addresses, first_address
from crm_mailer.listening.letters import Letter, Part

_FIELD = re.compile(
    r"^\s{0,3}(final-recipient|original-recipient|x-actual-recipient|action|status|remote-mta|"
    r"diagnostic-code|reporting-mta|received-from-mta|last-attempt-date|will-retry-until|"
    r"arrival-date|x-display-name|x-postfix-[\w-]+|original-envelope-id|dsn-gateway|"
    r"final-log-id|x-spam[\w-]*|x-supplementary-info|localized-[\w-]+|x-[\w-]+)[ \t]*:[ \t]*(.*)$",
    re.IGNORECASE,
)
_STATUS = re.compile(r"([245])\s*\.\s*(\d{1,3})\s*\.\s*(\d{1,3})")
_KINDS = ("message/delivery-status", "message/global-delivery-status")


def read(report: Report) -> list[Told]:
    """Every address of the status parts, else of status fields within the text."""
    told = [one for part in status_parts(report.letter) for one in groups(part.text)]
    if not told and has_fields(report.text):
        told = list(groups(report.text))
    return told[:RECIPIENTS]


def status_parts(letter: Letter) -> list[Part]:
    """The parts that hold a report in the standard form, under whatever type they came."""
    return [part for part in letter.parts if not part.is_returned and _is_status(part)]


def _is_status(part: Part) -> bool:
    if part.kind in _KINDS or "delivery-status" in part.file_name.lower():
        return True
    is_foreign = part.kind.startswith(("message/", "application/", "text/plain", "multipart/"))
    return is_foreign and part.text != "" and has_fields(part.text)


def has_fields(text: str) -> bool:
    """Whether a text holds the fields of a report about an address, each at a line's start."""
    head = text[:16_000]
    if "final-recipient" not in head.lower():
        return False
    found = {match[1].lower() for line in head.splitlines() if (match := _FIELD.match(line))}
    return "final-recipient" in found and bool(found & {"action", "status", "diagnostic-code"})


def groups(text: str) -> Iterator[Told]:
    """The groups of fields, one for each address; a field seen twice begins a new group."""
    fields: dict[str, str] = {}
    last = ""
    for line in text[:200_000].splitlines():
        match = _FIELD.match(line)
        if match:
            last = match[1].lower()
            if last in fields and last in ("final-recipient", "action", "status"):
                yield from _told(fields)
                fields = {}
            fields.setdefault(last, match[2].strip())
        elif line[:1] in " \t" and line.strip() and last in fields:
            fields[last] += " " + line.strip()
        elif not line.strip():
            last = ""
            if _is_whole(fields):
                yield from _told(fields)
                fields = {}
    yield from _told(fields)


def _is_whole(fields: dict[str, str]) -> bool:
    """A blank line within a group is a fault of many programs; a whole group has ended."""
    return "final-recipient" in fields and {"action", "status"} <= fields.keys()


def _told(fields: dict[str, str]) -> Iterator[Told]:
    recipient = _recipient(fields)
    if not recipient:
        return
    status = _STATUS.search(fields.get("status", ""))
    remote = fields.get("remote-mta", "")
    action = fields.get("action", "failed").split(" ")[0].strip(".;,(").lower()
    yield Told(
        recipient=recipient,
        action=action or "failed",
        status=".".join(status.groups()) if status else "",
        diagnostic=_after_type(fields.get("diagnostic-code", "")) or _comment(fields),
        remote_host=(remote.partition(";")[2] or remote).strip()[:200],
    )


def _recipient(fields: dict[str, str]) -> str:
    """Where the mail was to go in the end; the address we wrote to, where that is no address."""
    for name in ("final-recipient", "original-recipient", "x-actual-recipient"):
        value = fields.get(name, "")
        found = addresses(value.partition(";")[2] or value, 1)
        if found:
            return found[0]
    return first_address(fields.get("x-display-name", ""))


def _comment(fields: dict[str, str]) -> str:
    """What stands in brackets after the status: "5.0.0 (unknown user)"."""
    comment = re.search(r"\(([^()]{4,300})\)", fields.get("status", ""))
    return comment[1] if comment else ""


def _after_type(value: str) -> str:
    kind, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon and " " not in kind.strip() else value.strip()
