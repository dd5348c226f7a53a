"""How mail programs announce the mail that is answered: header lines, blocks and separators."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crm_mailer.listening.guards import Guarded

#: A header such as "On Monday, Ann <ann@...> wrote:" is wrapped over at most so many lines.
WRAPPED = 6
#: It is never longer.
LENGTH = 400
#: The lines of a From, Sent, To, Subject block, wrapped ones and blanks included.
BLOCK = 14

#: "wrote" at the end of such a line, longest first where one begins another.
_VERBS = (
    r"wrote|writes|said|has written|schrieb|hat (?:.{0,60} )?geschrieben|schreef|"
    r"geschreven|escribi[oó]|ha escrito|va escriure|escreveu|a [ée]crit|[ée]crivait|ha scritto|"
    r"scrive|scriveva|skrev|skrifar|kirjoitti|napisa[lł]\w*(?:\([ay]\))?|pisze|napsal\w*(?:\(a\))?|"
    r"p[ií][sš]e|nap[ií]sal\w*|пишет|писал\w*(?:\(а\))?|написал\w*(?:\(а\))?|пише|написав\w*|"
    r"напис[аа]\w*|írta|ezt írta|a scris|scrie|yazdı|şunu yazdı|şunları yazdı|έγραψε|"
    r"viết|đã viết|menulis|כתבה?|כתב/ה|‏כתב|كتب|写道|寫道|写到|写信|來信|来信|"
    r"のメール|のメッセージ|さんは書きました|が書き込みました|書きました|님이 작성|작성|"
    r"님이 썼습니다|썼습니다|เขียนว่า"
)
#: One of these is in each of them.
_VERB_STEMS = (
    "wrote", "writes", "said", "written", "schrieb", "schreef", "schreven", "escribi", "escrito",
    "escriure", "escreveu", "crit", "crivait", "scrive", "skrev", "skrifar", "kirjoitti", "napisa",
    "pisze", "napsal", "pise", "píse", "piše", "píše", "napísal", "пише", "писал", "напис", "írta",
    "scris", "scrie", "yazd", "έγραψε", "viết", "menulis", "כתב", "كتب", "写道", "寫道", "写到",
    "写信", "來信", "来信", "のメ", "書き", "작성", "썼습니다", "เขียนว่า",
)  # fmt: skip
#: What stands after the verb: a colon, dashes, and in some languages the name or the date.
_VERB_END = Guarded(re.compile(
    rf"(?:(?<!\w)|(?<=[\u3040-\u9fff\uac00-\ud7af>\d\s]))(?:{_VERBS})"
    r"(?:\s*[:：…]|\s*:?\s*[-—]{2,}|.{0,90}[:：]|\s*)\s*$",
    re.IGNORECASE,
), _VERB_STEMS)  # fmt: skip
_HEAD = re.compile(
    r"(?:on|at|le|el|a|am|um|em|no dia|na|il|in data|il giorno|op|w dniu|dnia|den|p[åa]|de|dne|"
    r"dňa|dana|u|v|в|во|от|на|pada|tarihinde|vào|στις|în|pe|בתאריך|ב|في|بتاريخ|在|于|於|"
    r"(?:mon|tue|wed|thu|fri|sat|sun|lun|mar|mer|jeu|ven|sam|dim|mié|jue|vie|sáb|dom|seg|ter|qua|"
    r"qui|sex|mo|di|mi|do|fr|sa|so|ma|ti|ke|to|pe|la|su|gio|sab|вт|ср|чт|пт|сб|вс|пн|нд|pon|wt|śr|"
    r"czw|pt|sob|niedz|zo|wo|vr|za|po|út|st|čt|pá|ne)\w{0,8}[.,]?)"
    r"(?=[\s,.\d])|[*\d]|[月火水木金土日周星]|(?:понедельник|вторник|сред|четверг|пятниц|суббот|"
    r"воскресенье)",
    re.IGNORECASE,
)
_MAIL = re.compile(r"[\w.+=-]{1,80}@[\w-]{1,80}\.\w|<[^<>\s]{1,200}>|&lt;.{1,80}&gt;")
_HOUR = re.compile(
    r"\b\d{1,2}\s?[:.h]\s?\d{2}\b|\b\d{1,2}\s?[ap]\.?m\b|\d时|\d時|\d시", re.IGNORECASE
)
_DAY = re.compile(
    r"\b\d{1,4}[-/.]\s?\d{1,2}[-/.]\s?\d{1,4}\b|\b(?:19|20)\d\d\b|\d{1,2}月|\d{1,2}월|"
    r"\b\d{1,2}(?:\.|st|nd|rd|th)?(?: de| di)? [^\W\d_]{3,12}\b|\b[^\W\d_]{3,10}\.? \d{1,2}\b"
)
#: A date with its zone and a name, as some Gmail languages write without a verb.
_ZONED = re.compile(r"\d{4}-\d\d-\d\d \d{1,2}:\d\d (?:GMT|UTC)(?:[+-]\d\d:?\d\d)?:? .{1,80}")
#: 2011/5/3 Name <name@example.com>
_DATED = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b.{0,60}<\s*[^<>\s]+@[^<>\s]+>\s*[:：]?")
#: "Quoting Ann <ann@...>:" of older webmail programs.
_QUOTING = re.compile(
    r"(?:quoting|zitat von|citando|citat från|citando a|цитирую|citation de|"
    r"quotation from) .{2,120}"
    r"[:：]",
    re.IGNORECASE,
)
_TAILS = (":", "：", "-", "—", "…")
_LAST_VERB = Guarded(re.compile(rf"(?:{_VERBS})\s*$", re.IGNORECASE), _VERB_STEMS)

#: A line between dashes that names a message is a separator in any language.
_MESSAGE = re.compile(
    r"message|mensaje|mensagem|nachricht|\bmail|e-mail|сообщени|письм|повідомлен|лист\b|messaggio|"
    r"bericht|wiadomo|meddel|melding|zpráv|správ|mesaj|ileti|viesti|üzenet|μήνυμα|邮件|郵件|"
    r"邮件原件|"
    r"信息|メッセージ|메시지|메일|رسالة|الرسالة|הודעה|appointment|termin|\breply\b|tin nhắn|"
    r"thư gốc|"
    r"missatge|pesan",
    re.IGNORECASE,
)
_DASHED = re.compile(r"[\s>*]*[-_=—–－]{2,}\s*([^-_=—–\s].{2,70}?)\s*[-_=—–－]{2,}[\s*:>]*")
_LOOSE = re.compile(
    r"[\s>*]*[-_=—–]{2,}\s*(?:(?:original|forwarded|reply) (?:message|by|appointment)\b.{0,40}|"
    r"исходное сообщение|пересылаемое сообщение|пересланное сообщение)\s*",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"[\s*]*(?:begin forwarded message|original message follows|anfang der weitergeleiteten "
    r"(?:nachricht|e-mail)|début du (?:message (?:réexpédié|transféré)|mail transféré)|"
    r"inicio del mensaje reenviado|inizio (?:del )?messaggio inoltrato|"
    r"início da mensagem (?:reencaminhada|encaminhada)|начало переадресованного сообщения|"
    r"начало пересылаемого сообщения|begin doorgestuurd bericht|rozpoczęcie przekazywanego listu|"
    r"(?:下面是被转发的邮件|开始转发的邮件|轉寄郵件開始)|以下是轉寄的郵件|"
    r"以下は転送されたメールです|"
    r"전달된 메시지 시작|(?:исходное|пересылаемое) сообщение)\s*[:：]?\s*",
    re.IGNORECASE,
)
#: The line that a help desk, or we, put above what is answered.
_MARKER = Guarded(re.compile(
    r"\W*(?:#{2,}.{4,120}#{2,}|[-=_]{2,}\s*(?:please )?(?:reply|type your reply|write your reply|"
    r"write) above (?:this|the) line.{0,40}|(?:please )?(?:type|write) your (?:reply|answer) above "
    r"this line.{0,20}|.{0,30}выше этой (?:строки|линии).{0,20}|.{0,30}encima de esta línea.{0,20}|"
    r".{0,30}acima desta linha.{0,20}|.{0,30}au-dessus de cette ligne.{0,20}|"
    r".{0,30}(?:oberhalb|über) dieser (?:zeile|linie).{0,20}|.{0,12}(?:此行|这一行|此線)(?:上方|"
    r"以上|之上).{0,12})",
    re.IGNORECASE,
), (
    "##", "line", "выше этой", "encima de", "acima desta", "au-dessus", "dieser", "此行", "这一行",
    "此線",
))  # fmt: skip
_RULE = re.compile(r"[\s>*]*(?:_{10,}|-{20,}|—{8,}|={20,})\s*")

_FROM = (
    "from|von|de|от|от кого|від|expéditeur|da|van|od|发件人|發件人|寄件者|寄件人|差出人|送信者|"
    "보낸 사람|보낸사람|"
    "보낸이|fra|från|отправитель|remitente|mittente|afzender|nadawca|lähettäjä|gönderen|kimden|"
    "odesílatel|"
    "από|feladó|من|المرسل|מאת|dari|từ|من طرف|发自|来自|de la|frá|absender"
)
_DATE = (
    "sent|date|sent at|gesendet|datum|enviado|enviado el|enviado em|enviada em|enviada|fecha|data|"
    "envoyé|envoyé le|date d'envoi|отправлено|дата|отправлен|надіслано|inviato|verzonden|"
    "verzonden op|wysłano|"
    "wysłane|发送时间|發送時間|发件时间|寄件日期|发送日期|日期|时间|日時|送信日時|보낸 날짜|날짜|"
    "보낸날짜|skickat|"
    "sendt|dato|lähetetty|päiväys|gönderildi|gönderme tarihi|tarih|odesláno|elküldve|ημερομηνία|"
    "تاريخ|"
    "التاريخ|تم الإرسال|أرسلت|נשלח|בתאריך|tanggal|đã gửi|ngày|data invio|received|送信日"
)
_TO = (
    "to|an|para|à|a|pour|кому|получатель|aan|do|komu|收件人|收件者|宛先|받는 사람|받는사람|받는이|"
    "till|til|"
    "vastaanottaja|kime|alıcı|προς|címzett|إلى|الى|אל|kepada|đến|destinataire|destinatario|"
    "empfänger|către"
)
_SUBJECT = (
    "subject|betreff|asunto|assunto|objet|sujet|тема|oggetto|onderwerp|temat|主题|主題|标题|件名|"
    "제목|ämne|"
    "emne|aihe|konu|předmět|predmet|θέμα|tárgy|الموضوع|موضوع|נושא|perihal|subyek|chủ đề|subiect|"
    "subjek"
)
_REST = (
    "cc|bcc|reply-to|копия|копію|kopie|copia|cópia|copie|kopia|抄送|副本|密送|参照|참조|öğe|dw|udw|"
    "dotyczy|"
    "organization|importance|priority|wichtigkeit|importancia|importância|重要性|priorité|"
    "newsgroups|"
    "message-id|ответить|reply to|antwort an|responder a|répondre à|bilgi|kopi|attachments|anlagen|"
    "附件|نسخة|עותק|cc:|signed by|mailed-by"
)
_LABELS = {
    name: label
    for label, names in (
        ("rest", _REST), ("to", _TO), ("date", _DATE), ("subject", _SUBJECT), ("from", _FROM)
    )
    for name in names.split("|")
}  # fmt: skip
_LABEL = re.compile(r"[\s>*|•\u200f\u200e]*([^\W\d_][^:：\n]{0,24}?)[\s*]*[:：]\s*\*?\s?(.*)")


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the mail that is answered is announced, over how many lines, and how surely."""

    length: int
    is_sure: bool


def separator(line: str) -> bool:
    """Whether a line stands between an answer and the whole answered mail."""
    said = line.strip()
    if len(said) < 4 or len(said) > 160:
        return False
    if said[0] in "-_=—–－>*" and (
        (between := _DASHED.fullmatch(said)) is not None
        and (_MESSAGE.search(between[1]) or _MARKER.fullmatch(said))
    ):
        return True
    return any(pattern.fullmatch(said) for pattern in (_LOOSE, _BARE, _MARKER))


def rule(line: str) -> bool:
    """Whether a line is a ruler, as Outlook puts above its header block."""
    return _RULE.fullmatch(line) is not None


def header_block(lines: Sequence[str], place: int) -> int:
    """How many lines from here are a From, Sent, To, Subject block; 0 for none.

    Three kinds of label, the sender among them; two where the second is a date beside an address.
    """
    if place >= len(lines) or _label(lines[place])[0] not in ("from", "date", "to", "subject"):
        return 0
    kinds: dict[str, str] = {}
    length = blanks = 0
    for count, line in enumerate(lines[place : place + BLOCK], start=1):
        label, value = _label(line)
        if label:
            kinds.setdefault(label, value)
            length, blanks = count, 0
        elif not line.strip():
            blanks += 1
        elif _is_own_line(line, blanks):
            break
        if blanks > 1:
            break
    return length if _is_complete(kinds) else 0


def _is_own_line(line: str, blanks: int) -> bool:
    """A line without a label ends the block, but for wrapped addresses and subjects."""
    is_wrapped = line[:1].isspace() or "@" in line or line.strip().endswith((";", ","))
    return blanks > 0 or not is_wrapped


def _is_complete(kinds: dict[str, str]) -> bool:
    if "from" not in kinds or len(kinds) < 2:
        return False
    has_mail = any("@" in value or "[" in value for value in kinds.values())
    has_day = bool(_DAY.search(kinds.get("date", "")) or _HOUR.search(kinds.get("date", "")))
    if len(kinds) == 2:
        return has_mail and (has_day or "subject" in kinds)
    return has_mail or has_day or "subject" in kinds


def _label(line: str) -> tuple[str, str]:
    head = line[:60]
    if ":" not in head and "：" not in head:
        return "", ""
    found = _LABEL.match(line)
    if found is None:
        return "", ""
    return _LABELS.get(found[1].strip().casefold(), ""), found[2]


def wrote(lines: Sequence[str]) -> dict[int, Mark]:
    """Where a line, or several joined, says who wrote when: the first line's place -> its mark."""
    found: dict[int, Mark] = {}
    for end, line in enumerate(lines):
        said = line.strip(" \t*_>")
        if said.endswith(_TAILS) or (said and _may_end_bare(said)):
            told = _ending_at(lines, end)
            if told is not None:
                found[told[0]] = Mark(end - told[0] + 1, told[1])
    return found


def _may_end_bare(said: str) -> bool:
    if said[0].isdigit() and (_ZONED.fullmatch(said) or _DATED.fullmatch(said)):
        return True
    return len(said) < LENGTH and _LAST_VERB.search(said[-40:]) is not None


def _ending_at(lines: Sequence[str], end: int) -> tuple[int, bool] | None:
    """The best beginning of a header that ends here: one with a date in front, else the nearest."""
    joined, nearest = "", None
    for start in range(end, max(end - WRAPPED, -1), -1):
        line = lines[start].strip(" \t*_").removeprefix("> ").strip(" \t*_")
        if not line:
            if start == end or not _is_torn(joined):
                break
            continue
        joined = f"{line} {joined}".strip()
        if len(joined) > LENGTH:
            break
        if _begins(joined) and (_says_who_and_when(joined) or _ZONED.fullmatch(joined)):
            return start, True
        if nearest is None and _names_writer(joined):
            nearest = (start, _MAIL.search(joined) is not None)
    return nearest


def _is_torn(joined: str) -> bool:
    """A header may be torn by blank lines around its address."""
    return (
        joined.startswith(("<", ">", "mailto:"))
        or _LAST_VERB.fullmatch(joined.strip(" :：<>")) is not None
    )


def _begins(joined: str) -> bool:
    return _HEAD.match(joined.lstrip("-—* ")) is not None


def _says_who_and_when(joined: str) -> bool:
    has_day = _DAY.search(joined) is not None or _HOUR.search(joined) is not None
    if not has_day:
        return False
    if _VERB_END.search(joined):
        return True
    return joined.endswith((":", "：")) and _MAIL.search(joined) is not None


def _names_writer(joined: str) -> bool:
    """A writer's address or name with the verb, the date elsewhere or nowhere."""
    if _DATED.fullmatch(joined) or _QUOTING.fullmatch(joined):
        return True
    if len(joined) > 200 or not joined.endswith(_TAILS) or _VERB_END.search(joined) is None:
        return False
    if shared_line(joined) > 0:
        return False  # somebody's own words stand before it
    is_told = _MAIL.search(joined) is not None or _HOUR.search(joined) is not None
    return is_told or len(joined.split()) <= 8


def shared_line(line: str) -> int:
    """Where on a line a header begins behind somebody's own words; -1 for nowhere."""
    found = _SHARED.search(line)
    return found.start() if found else -1


_SHARED = re.compile(
    r"(?:(?<=\S)[-\s]{1,8}|(?<=[.!?。！？]))(?:On|Le|El|Am|Em|Il|Op|W dniu|В|在) "
    r"[^:]{0,40}\d[^\n]{4,200}(?:wrote|a écrit|escribió|schrieb|escreveu|ha scritto|schreef|"
    r"napisał\w*|пишет|написал\w*|写道)[^:：]{0,60}[:：]\s*$"
)
