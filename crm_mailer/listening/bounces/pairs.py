"""Reports that name things one by one: "Recipient address: ... Reason: ..." and JSON notices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from crm_mailer.listening.bounces.told import Report, Told, clean, first_address

_RECIPIENT = re.compile(
    r"^[ \t>*]*(?:failed |original |final |intended |invalid |bad )?(?:recipient|rcpt|addressee|"
    r"empfänger|destinataire|destinatario|destinatário|получатель|收件人|受信者|宛先|收件人地址)"
    r"(?:'s)?(?: e-?mail)?(?: address(?:es)?| name)?s?[ \t]*[:：][ \t]*(.*)$",
    re.IGNORECASE,
)
_DETAIL = re.compile(
    r"^[ \t>*]*(reason|diagnostic(?: code| information|-code)?|error|status|remote system|"
    r"error (?:message|text|code|description)|details?|failure reason|response|server response|"
    r"remote server (?:returned|said)|cause|grund|raison|motivo|причина|原因|失败原因|退信原因|"
    r"エラー内容|理由|出错信息)[ \t]*[:：][ \t]*(.*)$",
    re.IGNORECASE,
)


def read(report: Report) -> list[Told]:
    """Each named recipient with the details below it."""
    return [one for one in _groups(report.lines) if one.recipient]


def _groups(lines: list[str]) -> Iterator[Told]:
    recipient, host = "", ""
    words: list[str] = []
    for place, line in enumerate(lines):
        has_colon = ":" in line or "：" in line
        if has_colon and (match := _RECIPIENT.match(line)):
            found = first_address(match[1] or next(iter(lines[place + 1 : place + 2]), ""))
            if not found or found == recipient:
                continue
            yield _told(recipient, words, host)
            recipient, words, host = found, [], ""
        elif recipient and has_colon and (detail := _DETAIL.match(line)):
            if detail[1].lower() == "remote system":
                host = detail[2].rpartition(";")[2].split(" ")[0]
            else:
                words.append(detail[2])
        elif recipient and words and line[:1] in " \t" and line.strip():
            words.append(line.strip())
    yield _told(recipient, words, host)


def _told(recipient: str, words: list[str], host: str) -> Told:
    said = " ".join(words)
    _, semicolon, code = said.partition("smtp;")
    return Told(
        recipient=recipient,
        diagnostic=(code if semicolon else said).strip()[:2_000],
        near=said[:2_000],
        remote_host=host[:200],
    )


def read_notice(report: Report) -> list[Told]:
    """Amazon SES by way of SNS: one JSON object with the addresses and their diagnostics."""
    notice = notice_in(report.text)
    for kind, many in (
        ("bounce", "bouncedRecipients"),
        ("complaint", "complainedRecipients"),
        ("delivery", "recipients"),
        ("deliveryDelay", "delayedRecipients"),
    ):
        about = notice.get(kind)
        if isinstance(about, dict) and isinstance(about.get(many), list):
            return [one for each in about[many] for one in _of_notice(kind, about, each)]
    return []


def notice_in(text: str) -> Mapping[str, Any]:
    """The JSON object of a notification, also where SNS wraps it; empty where there is none."""
    begin = text.find("{")
    if begin < 0 or '"' not in text[begin : begin + 20]:
        return {}
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(text[begin:])
        if isinstance(found, dict) and isinstance(found.get("Message"), str):
            found = json.loads(found["Message"], strict=False)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or not ({"notificationType", "eventType"} & found.keys()):
        return {}
    return found


def _of_notice(kind: str, about: Mapping[str, Any], each: object) -> Iterator[Told]:
    values = each if isinstance(each, dict) else {"emailAddress": each}
    address = clean(first_address(str(values.get("emailAddress", ""))))
    if not address:
        return
    actions = {"complaint": "complained", "delivery": "delivered", "deliveryDelay": "delayed"}
    said = str(values.get("diagnosticCode") or about.get("smtpResponse") or "")
    kind_, semicolon, rest = said.partition(";")
    sub = f"{about.get('bounceType', '')} {about.get('bounceSubType', '')}".strip()
    yield Told(
        recipient=address,
        action=str(values.get("action") or actions.get(kind, "failed")).lower(),
        status=str(values.get("status") or ""),
        diagnostic=(rest if semicolon and " " not in kind_ else said).strip()[:2_000],
        remote_host=str(about.get("reportingMTA") or "").rpartition(";")[2].strip()[:200],
        near=sub,
    )
