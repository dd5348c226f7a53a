"""What stands below an answer and is none: signatures, telephones' lines, disclaimers."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: A signature is short; a longer rest is text that somebody wrote.
LINES = 14

_DELIMITER = re.compile(r"\s*(?:--\s?|—|__+)\s*")
_WORD = re.compile(r"\w")
#: What telephones and programs add by themselves: only this line goes.
_DEVICE = re.compile(
    r"[\s*_\-–—]*(?:"
    r"(?:sent|typed|written) (?:from|via|with|using|by|on) (?:(?:my|mail|outlook|yahoo|the|a|an|"
    r"samsung|proton|"
    r"windows|gmail|android|iphone|ipad|mobile|aol|blackberry|huawei|xiaomi|nine|spark|mailbird|"
    r"postbox|fastmail|tutanota|zoho|airmail|canary|edison|newton|blue)\b.{0,60}|\w{2,12} (?:mail|"
    r"email)\b.{0,40})|"
    r"get outlook for .{0,80}|(?:download|get) (?:the )?\w+ (?:mail|app) for .{0,40}|"
    r"отправлено (?:из|с|со|через|от) .{0,80}|послано (?:из|с) .{0,60}|надіслано (?:з|із) .{0,60}|"
    r"enviado (?:desde|do|de|a partir de|pelo|via|por|con) .{0,60}|"
    r"(?:obtener|obter|descargar) outlook (?:para|per) .{0,60}|"
    r"envoy[ée](?:e)? (?:de|depuis|à partir d|avec|via|par) ?.{0,80}|"
    r"(?:télécharger|obtenir|obtenez) outlook pour .{0,60}|"
    r"(?:gesendet|verschickt|versendet|geschrieben) (?:von|mit|über|aus|via) .{0,80}|"
    r"von (?:meinem?|unterwegs).{0,60}(?:gesendet|geschickt)|"
    r"outlook für .{0,40} (?:beziehen|herunterladen).{0,40}|"
    r"diese nachricht wurde von meinem .{0,80}|"
    r"inviato (?:da|dal|con|tramite) ?.{0,60}|(?:scarica|ottieni) outlook per .{0,60}|"
    r"verzonden (?:vanaf|met|via|vanuit) .{0,60}|verstuurd (?:vanaf|met) .{0,60}|"
    r"outlook voor .{0,40} downloaden|"
    r"wys[łl]an[eoy] (?:z|za pomocą|przez) .{0,60}|pobierz outlook .{0,40}|"
    r"skickat från .{0,60}|sendt fra .{0,60}|lähetetty .{0,60}|odesláno z .{0,60}|"
    r".{0,30}(?:iphone|android|telefon|ipad)['’\w]{0,12} gönderildi|"
    r"(?:发自|來自|来自|發自)(?:我的)?.{0,40}|从我的.{0,40}发送|從我的.{0,40}(?:傳送|寄出)|"
    r"使用.{0,20}发送|"
    r"(?:私の)?.{0,20}から送信(?:されました)?|.{0,20}でメールを送信.{0,10}|"
    r"나의 .{0,30}에서 보(?:냄|낸).{0,6}|.{0,30}에서 보냄|"
    r"تم الإرسال من .{0,40}|أرسلت من .{0,40}|נשלח מה?.{0,40}|gửi từ .{0,40}|dikirim dari .{0,40}|"
    r"virus-free\..{0,60}|avast logo.{0,60}"
    r")[.\s*_]*",
    re.IGNORECASE,
)
#: Where the small print of companies begins.
_DISCLAIMER = re.compile(
    r"[\s*_]*(?:(?:confidentiality|legal|privacy)(?: notice| note| disclaimer)?\s*[:\-]|"
    r"disclaimer\s*[:\-]|"
    r"this (?:e-?mail|message|communication|transmission)(?: message)?(?:,)? (?:and|including|is|"
    r"contains|may) .{0,60}"
    r"(?:confidential|attach|privileged|intended)|"
    r"the information (?:contained )?in this (?:e-?mail|message)|"
    r"diese e-?mail (?:und|enthält|ist) .{0,60}vertraulich|der inhalt dieser e-?mail|"
    r"ce (?:message|courriel|mail) .{0,60}confidentiel|este (?:mensaje|correo|e-?mail|"
    r"mensagem) .{0,80}confiden[ct]|"
    r"esta mensagem .{0,80}confiden|данное (?:сообщение|письмо) .{0,60}конфиденциал|"
    r"questo messaggio .{0,60}(?:riservat|confidenzial)|dit bericht .{0,60}vertrouwelijk|"
    r"please consider the environment|本邮件.{0,30}保密|此邮件.{0,30}机密)",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"\s*(?:(?:kind|best|warm|many|with(?: best| kind)?)?\s*(?:regards|wishes)|"
    r"sincerely(?: yours)?|yours(?: truly| sincerely)?|"
    r"(?:mit )?(?:freundlichen|besten|vielen|liebe[n]?|schöne[n]?|viele) (?:grüßen|grüße|gruß|"
    r"gruss|grüsse)|mfg|vg|lg|"
    r"cordialement|bien cordialement|salutations|(?:un )?saludos?(?: cordiales?)?|atentamente|"
    r"atenciosamente|cumprimentos|с уважением|cordiali saluti|distinti saluti|"
    r"met vriendelijke groet(?:en)?|"
    r"z poważaniem|pozdrawiam|此致|敬礼|祝好|saygılarımla)[\s,.!]*",
    re.IGNORECASE,
)
_CONTACT = re.compile(
    r"(?:tel|phone|fon|mob|mobile|fax|cell|тел|моб|电话|電話|手机|tél|téléphone|"
    r"móvil)\.?\s*[:：]?\s*\+?[\d(]|"
    r"^\W*\+?[\d() .\-/]{9,22}\W*$|https?://|www\.|[\w.+-]+@[\w-]+\.\w|"
    r"\b(?:gmbh|ltd|llc|inc|s\.?r\.?l|s\.?a\.?|ооо|b\.?v)\b",
    re.IGNORECASE,
)


def without(lines: Sequence[str], *, has_text_above: bool = False) -> list[str]:
    """The lines of one run of own text, without what is added below it; no long rest is cut.

    Args:
        lines: what stands between two quotes.
        has_text_above: an earlier run says something, so that this one may be a signature alone.
    """
    kept: list[str] = []
    for place, line in enumerate(lines):
        is_device = _is_device(line)
        if is_device or (line.strip() and _ends_text(lines, place, line)):
            has_text = has_text_above or _says_something(kept)
            if has_text and (is_device or _is_short(lines[place:])):
                break
        if not is_device:
            kept.append(line)
    return kept if has_text_above or _says_something(kept) else list(lines)


def _is_device(line: str) -> bool:
    """A line of the kind, alone: within a sentence it is somebody's own words."""
    return len(line) < 140 and _DEVICE.fullmatch(line) is not None


def _ends_text(lines: Sequence[str], place: int, line: str) -> bool:
    if _DELIMITER.fullmatch(line) or _DISCLAIMER.match(line):
        return True
    return (
        place > 0
        and len(line) < 90
        and any(_CLOSING.fullmatch(one) for one in lines[max(0, place - 6) : place])
        and _CONTACT.search(line) is not None
    )


def _is_short(lines: Sequence[str]) -> bool:
    written = [line for line in lines if line.strip()]
    return len(written) <= LINES or _DISCLAIMER.match(written[0]) is not None


def _says_something(lines: Sequence[str]) -> bool:
    return any(_WORD.search(line) for line in lines)
