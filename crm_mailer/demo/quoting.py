"""How mail programs quote what is answered: Gmail, Outlook, national webmail, a telephone."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

from babel.dates import format_datetime

#: Not more lines than this are quoted; our mails are long.
MOST_LINES = 40

_GMAIL = {
    "en": ("EEE, MMM d, y 'at' h:mm a", "On {at} {who} wrote:"),
    "ru": ("EEE, d MMM y 'г.' 'в' HH:mm", "{at}, {who}:"),
    "es": ("EEE, d MMM y 'a' 'las' H:mm", "El {at}, {who} escribió:"),
    "pt": ("EEE., d 'de' MMM 'de' y 'às' HH:mm", "Em {at}, {who} escreveu:"),
    "fr": ("EEE d MMM y 'à' HH:mm", "Le {at}, {who} a écrit :"),
    "de": ("EEE, d. MMM y 'um' HH:mm 'Uhr'", "Am {at} schrieb {who}:"),
    "zh": ("y年M月d日EEE HH:mm", "{who} 于{at}写道："),
}
_OUTLOOK = {
    "en": ("From", "Sent", "To", "Subject", "Original Message"),
    "ru": ("От", "Отправлено", "Кому", "Тема", "Исходное сообщение"),
    "es": ("De", "Enviado el", "Para", "Asunto", "Mensaje original"),
    "pt": ("De", "Enviada em", "Para", "Assunto", "Mensagem original"),
    "fr": ("De", "Envoyé", "À", "Objet", "Message d'origine"),
    "de": ("Von", "Gesendet", "An", "Betreff", "Ursprüngliche Nachricht"),
    "zh": ("发件人", "发送时间", "收件人", "主题", "邮件原件"),
}
_PHONE = {
    "en": ("Sent from my iPhone", "On {at}, {who} wrote:"),
    "ru": ("Отправлено с iPhone", "{at}, {who} написал(а):"),
    "es": ("Enviado desde mi iPhone", "El {at}, {who} escribió:"),
    "pt": ("Enviado do meu iPhone", "Em {at}, {who} escreveu:"),
    "fr": ("Envoyé de mon iPhone", "Le {at}, {who} a écrit :"),
    "de": ("Von meinem iPhone gesendet", "Am {at} schrieb {who}:"),
    "zh": ("发自我的iPhone", "在 {at}，{who} 写道："),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What goes below an answer; no HTML for programs that write text only."""

    text: str
    html: str = ""


def quote(original: EmailMessage, language: str, style: str, at: datetime) -> Quote:
    """The quote of `original` in the manner of a program and a language.

    Args:
        original: what is answered.
        language: that of the person's program.
        style: gmail, outlook, mailru (the webmail of the person's country) or plain.
        at: when the answer is written; only its zone counts.
    """
    lines = _lines(original)
    sent = _sent(original, at)
    match style:
        case "gmail":
            return _gmail(original, lines, sent, language)
        case "outlook":
            return _outlook(original, lines, sent, language)
        case "mailru":
            return _webmail(original, lines, sent, language)
        case "plain":
            return _phone(original, lines, sent, language)
        case _:
            raise ValueError(f"no mail program {style!r}")


def _gmail(original: EmailMessage, lines: list[str], sent: datetime, language: str) -> Quote:
    pattern, sentence = _GMAIL[language]
    said = sentence.format(at=format_datetime(sent, pattern, locale=language), who=_who(original))
    block = (
        '<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">'
        f"{html.escape(said)}<br></div>"
        '<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid '
        f'rgb(204,204,204);padding-left:1ex">{_html(lines)}</blockquote></div>'
    )
    return Quote(text=f"\n{said}\n\n{_angled(lines)}", html=block)


def _outlook(original: EmailMessage, lines: list[str], sent: datetime, language: str) -> Quote:
    from_, when, to, subject, head = _OUTLOOK[language]
    fields = (
        (from_, _who(original)),
        (when, format_datetime(sent, "full", locale=language)),
        (to, str(original["To"] or "")),
        (subject, " ".join(str(original["Subject"] or "").split())),
    )
    text = "\n".join(f"{name}: {value}" for name, value in fields)
    rows = "<br>".join(f"<b>{name}:</b> {html.escape(value)}" for name, value in fields)
    block = (
        "<div><div style='border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0cm 0cm 0cm'>"
        f"<p class=MsoNormal>{rows}</p></div></div><p class=MsoNormal>{_html(lines)}</p>"
    )
    return Quote(text=f"\n-----{head}-----\n{text}\n\n" + "\n".join(lines) + "\n", html=block)


def _webmail(original: EmailMessage, lines: list[str], sent: datetime, language: str) -> Quote:
    who = _who(original)
    match language:
        case "ru":
            day = format_datetime(sent, "EEEE, d MMMM y, HH:mm xxx", locale="ru")
            said = f"{day[0].upper()}{day[1:]} от {who}:"
            return Quote(text=f"\n\n{said}\n{_angled(lines)}")
        case "zh":
            head = "------------------ 原始邮件 ------------------"
            day = format_datetime(sent, "y年M月d日(EEEE) HH:mm", locale="zh")
            subject = " ".join(str(original["Subject"] or "").split())
            fields = f"发件人: {who};\n发送时间: {day}\n收件人: {original['To']};\n主题: {subject}"
            return Quote(text=f"\n\n{head}\n{fields}\n\n" + "\n".join(lines) + "\n")
        case "de":
            day = format_datetime(sent, "EEEE, d. MMMM y 'um' HH:mm 'Uhr'", locale="de")
            subject = " ".join(str(original["Subject"] or "").split())
            fields = f"Gesendet: {day}\nVon: {who}\nAn: {original['To']}\nBetreff: {subject}"
            return Quote(text=f"\n\n{fields}\n\n" + "\n".join(lines) + "\n")
        case _:
            return _yahoo(lines, sent, language, who)


def _yahoo(lines: list[str], sent: datetime, language: str, who: str) -> Quote:
    day = format_datetime(sent, "EEEE, d MMMM y, H:mm:ss O", locale=language)
    said = _PHONE[language][1].format(at=day, who=who)
    block = (
        '<div id="yahoo_quoted_4711" class="yahoo_quoted"><div>'
        f"{html.escape(said)}</div><div><br></div><div>{_html(lines)}</div></div>"
    )
    return Quote(text=f"\n    {said}\n\n" + "\n".join(f" {line}" for line in lines), html=block)


def _phone(original: EmailMessage, lines: list[str], sent: datetime, language: str) -> Quote:
    signature, sentence = _PHONE[language]
    day = format_datetime(sent, "d MMM y, HH:mm", locale=language)
    said = sentence.format(at=day, who=_who(original))
    return Quote(text=f"\n{signature}\n\n> {said}\n> \n{_angled(lines)}")


def _lines(original: EmailMessage) -> list[str]:
    body = original.get_body(("plain",))
    text = str(body.get_content()) if body is not None else ""
    return [line.rstrip() for line in text.strip().splitlines()[:MOST_LINES]]


def _sent(original: EmailMessage, at: datetime) -> datetime:
    try:
        return parsedate_to_datetime(str(original["Date"])).astimezone(at.tzinfo)
    except (TypeError, ValueError):
        return at


def _who(original: EmailMessage) -> str:
    sender = original["From"]
    if sender is None or not sender.addresses:
        return ""
    one = sender.addresses[0]
    return f"{one.display_name} <{one.addr_spec}>" if one.display_name else f"<{one.addr_spec}>"


def _angled(lines: list[str]) -> str:
    return "\n".join(f"> {line}".rstrip() for line in lines) + "\n"


def _html(lines: list[str]) -> str:
    return "<br>".join(html.escape(line, quote=False) for line in lines)
