"""What the writer wrote in this mail, without what it answers; the whole is kept elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Answers are short: what comes after so many lines is not looked at.
LINES = 5_000

#: "On Monday, Ann wrote:" in the languages of our customers. A line (or up to four, joined) that
#: begins and ends so, with a date, an address or a clock time between.
_WROTE = (
    (r"on", r"wrote|writes|said|schrieb|escribi[oó]|a [ée]crit"),
    (r"le", r"a [ée]crit|[ée]crit|wrote"),
    (r"el", r"escribi[oó]|ha escrit|wrote"),
    (r"am|um|on", r"schrieb(?: .{0,80})?|wrote"),
    (r"em|a|no dia|na", r"escreveu|wrote"),
    (r"il|in data", r"ha scritto|scrive|wrote"),
    (r"op", r"schreef(?: .{0,80})?|heeft .{0,80}geschreven"),
    (r"w dniu|dnia", r"napisa[lł]\w*(?:\(a\))?|pisze"),
    (r"den", r"skrev(?: .{0,80})?"),
    (r"p[åa]", r"skrev(?: .{0,80})?"),
    (r"在|于|於", r"写道|寫道|写|写信"),
)
_WROTE_LINE = re.compile(
    "|".join(rf"(?:(?:{head})\b.{{3,300}}?(?:{tail})\s*[:：]?)" for head, tail in _WROTE)
    # the verb at the end and a date, an hour or an address before it
    + r"|.{0,200}(?:\d{1,2}:\d{2}|@|\d{4}|<).{0,160}(?:пишет|писал\(?а?\)?|написала?(?:\(а\))?|"
    r"написал\(а\)|wrote|"
    r"写道|寫道|のメッセージ|작성|schrieb|escribi[oó]|escreveu|a écrit|napisa[lł]\w*|ha scritto|"
    r"schreef)\s*[:：]?"
    r"|(?:-{2,}\s*)?(?:исходное|пересылаемое) сообщение.*"
    # 2011/5/3 Name <name@example.com>
    r"|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b.{0,60}<\s*[^<>\s]+@[^<>\s]+>\s*[:：]?"
    # Name <name@example.com> schrieb am Fr., 28. Apr. 2017 um 11:53 Uhr:
    r"|.{0,120}<\s*[^<>\s]+@[^<>\s]+>\s*(?:schrieb|wrote|пишет|написал|a écrit|escribió|escreveu|"
    r"ha scritto|napisał|schreef|skrev)\b.{0,80}[:：]",
    re.IGNORECASE,
)
_HEADER_BEGIN = re.compile(
    r"(?:on|le|el|am|em|il|op|w dniu|den|på|в|在|于|\d{1,4}[-/.]|[а-я]{2}, |пн|вт|ср|чт|пт|сб|вс)",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(
    r"[\s>*]*[-_=—–]{2,}\s*(?:original (?:message|appointment)|forwarded (?:message|by)\b.*|"
    r"reply message|исходное сообщение|пересылаемое сообщение|оригинальное сообщение|"
    r"пересланное сообщение|"
    r"mensaje original|mensaje reenviado|mensagem original|mensagem encaminhada|"
    r"message (?:d'origine|original|"
    r"transf[ée]r[ée])|urspr[üu]ngliche (?:nachricht|mail)|weitergeleitete nachricht|"
    r"original-?nachricht|"
    r"messaggio originale|messaggio inoltrato|oorspronkelijk bericht|doorgestuurd bericht|"
    r"(?:wiadomo[śs][ćc] oryginalna|oryginalna wiadomo[śs][ćc])|原始邮件|原始郵件|转发邮件|"
    r"回复的原邮件|元のメッセージ|"
    r"원본 메시지|original message follows)\s*[-_=—–]*[\s*]*",
    re.IGNORECASE,
)
_RULE = re.compile(r"[\s>*]*_{20,}\s*")
_FROM = (
    r"from|von|de|от|от кого|expéditeur|da|van|od|发件人|發件人|寄件者|差出人|보낸 사람|från|"
    r"fra|отправитель|"
    r"remitente"
)
_OTHER = (
    r"sent|date|to|subject|cc|reply-to|gesendet|datum|an|betreff|enviado(?: el)?|fecha|para|"
    r"asunto|data|assunto|"
    r"envoyé|à|objet|отправлено|дата|кому|тема|копия|inviato|a|oggetto|verzonden|aan|onderwerp|"
    r"wysłano|do|temat|"
    r"发送时间|發送時間|收件人|主题|主題|日期|发送日期|抄送|时间|日時|宛先|件名|보낸 날짜|"
    r"받는 사람|제목|skickat|till|ämne|"
    r"organization|importance"
)
_LABEL = r"[\s>*|]*\*?(?:{})\s*\*?\s*[:：]\s*\*?"
_FROM_LINE = re.compile(_LABEL.format(_FROM), re.IGNORECASE)
_OTHER_LINE = re.compile(_LABEL.format(_OTHER), re.IGNORECASE)
_QUOTED = re.compile(r"\s{0,3}(?:>|\|>)")
_SIGNATURE = re.compile(
    r"\s*(?:--\s?|—|__+)$"
    r"|\s*(?:sent (?:from|via) (?:my|mail|outlook|yahoo|the|a|samsung|proton|windows)\b.{0,60}|"
    r"get outlook for .{0,40}|отправлено (?:из|с) .{0,60}|enviado (?:desde|do) (?:mi|meu|"
    r"o)\b.{0,60}|"
    r"envoy[ée] (?:de|depuis) (?:mon|ma)\b.{0,60}|gesendet von (?:mein|meinem|mail)\b.{0,60}|"
    r"von meinem .{3,40} gesendet|inviato da(?:l mio)? .{0,60}|verzonden vanaf mijn .{0,60}|"
    r"wys[łl]ane z .{0,60}|发自我的.{0,40}|從我的.{0,40}傳送|iPhoneから送信)\.?\s*$",
    re.IGNORECASE,
)


def own_text(text: str) -> str:
    """The unquoted lines in order, signature off; the whole text where nothing would be left."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ").split("\n")[:LINES]
    own = _unsigned(_unquoted(lines))
    kept = "\n".join(own).strip()
    if not re.search(r"\w", kept):
        return _fallback(lines, text)
    return re.sub(r"\n{3,}", "\n\n", kept)


def _fallback(lines: Sequence[str], text: str) -> str:
    """Nothing of the writer's own was found: better too much than nothing."""
    unquoted = "\n".join(line for line in lines if not _QUOTED.match(line)).strip()
    return unquoted if re.search(r"\w", unquoted) else text.strip()


def _unquoted(lines: Sequence[str]) -> list[str]:
    own: list[str] = []
    place = 0
    while place < len(lines):
        line = lines[place]
        if _QUOTED.match(line):
            place += 1
        elif _starts_rest(lines, place):
            if _says_something(own):
                break
            place = _after_header_block(lines, place)
        elif length := _wrote_lines(lines, place):
            place += length
            if not _quote_follows(lines, place) and _says_something(own):
                break
        else:
            own.append(line)
            place += 1
    return own


def _says_something(lines: Sequence[str]) -> bool:
    return any(re.search(r"\w", line) for line in lines)


def _starts_rest(lines: Sequence[str], place: int) -> bool:
    """Whether the answered mail begins here and runs to the end."""
    line = lines[place]
    if _ORIGINAL.fullmatch(line):
        return True
    if _RULE.fullmatch(line):
        return _is_header_block(lines, _next_written(lines, place + 1))
    return _is_header_block(lines, place)


def _is_header_block(lines: Sequence[str], place: int) -> bool:
    """From and at least two of date, to, subject, in any order, within eight lines."""
    if place >= len(lines):
        return False
    first = lines[place]
    if not (_FROM_LINE.match(first) or _OTHER_LINE.match(first)):
        return False
    near = [line for line in lines[place : place + 8] if line.strip()]
    has_from = any(_FROM_LINE.match(line) for line in near)
    return has_from and sum(1 for line in near if _OTHER_LINE.match(line)) >= 2


def _after_header_block(lines: Sequence[str], place: int) -> int:
    """An answered mail with nothing above it: a forward, or an answer below. Keep what follows."""
    place += 1
    while place < len(lines) and (
        not lines[place].strip()
        or _FROM_LINE.match(lines[place])
        or _OTHER_LINE.match(lines[place])
    ):
        place += 1
    return place


def _wrote_lines(lines: Sequence[str], place: int) -> int:
    """How many lines from here on are one "On ... wrote:"; 0 for none."""
    first = lines[place].strip().lstrip("*_- ")
    if not first or not (_HEADER_BEGIN.match(first) or "@" in first or "<" in first):
        return 1 if first and len(first) < 300 and _WROTE_LINE.fullmatch(first) else 0
    joined = ""
    for length, line in enumerate(lines[place : place + 4], start=1):
        if length > 1 and not line.strip():
            break
        joined = f"{joined} {line.strip()}".strip().lstrip("*_- ").rstrip("*_- ")
        if len(joined) > 400:
            break
        if _WROTE_LINE.fullmatch(joined) and re.search(r"\d|@", joined):
            return length
    return 0


def _quote_follows(lines: Sequence[str], place: int) -> bool:
    place = _next_written(lines, place)
    return place < len(lines) and _QUOTED.match(lines[place]) is not None


def _next_written(lines: Sequence[str], place: int) -> int:
    while place < len(lines) and not lines[place].strip():
        place += 1
    return place


def _unsigned(lines: list[str]) -> list[str]:
    """Cut at the first signature line that has text above it."""
    for place, line in enumerate(lines):
        if _SIGNATURE.match(line) and _says_something(lines[:place]):
            return lines[:place]
    return lines
