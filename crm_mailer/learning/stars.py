"""Reads stars out of a mail: what a customer gives us, or what a platform tells of a review."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crm_mailer.model.feedback import UnlearntReply
from crm_mailer.model.reply import Intent, ReplyKind

#: What is looked at; nobody rates later in a letter.
_LENGTH = 4_000
_COMMENT = 2_000
#: Around a bare "4/5" there must be a word that makes it a rating and no date.
_NEAR = 48

_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5,
    "один": 1, "одна": 1, "одну": 1, "одной": 1, "две": 2, "два": 2, "двух": 2, "три": 3,
    "четыре": 4, "пять": 5,
    "una": 1, "un": 1, "uma": 1, "um": 1, "dos": 2, "duas": 2, "dois": 2, "tres": 3, "três": 3,
    "cuatro": 4, "quatro": 4, "cinco": 5,
    "une": 1, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5,
    "ein": 1, "eine": 1, "einen": 1, "einem": 1, "zwei": 2, "drei": 3, "vier": 4, "fünf": 5,
    "due": 2, "tre": 3, "quattro": 4, "cinque": 5,
    "jedna": 1, "jedną": 1, "dwie": 2, "trzy": 3, "cztery": 4, "pięć": 5,
    "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5,
}  # fmt: skip
_STAR = (r"(?:stars?|зв[её]зд\w*|estrel(?:l|)as?|étoiles?|etoiles?|sterne?n?|stell[ae]"
         r"|gwiazd(?:k\w*|\w{1,2})|yıldız)")  # fmt: skip
_AMOUNT = rf"(?:[1-5]|{'|'.join(word for word in _NUMBERS if word.isascii() or len(word) > 1)})"
_OF = r"(?:/|out of|of|из|de|sur|von|su|na|z)"
_FULL, _EMPTY = "★⭐🌟", "☆"
_RUN = re.compile(rf"(?<![{_FULL}{_EMPTY}])(?:[{_FULL}]\ufe0f?\s?){{1,5}}(?:[{_EMPTY}]\s?){{0,4}}")
_WORDED = re.compile(
    rf"(?<![\w.,/])({_AMOUNT})(?:[.,]0)?(?:\s*{_OF}\s*5)?[\s-]*{_STAR}(?!\w)", re.IGNORECASE
)
_OUT_OF = re.compile(rf"(?<![\w.,/])([1-5])(?:[.,]0)?\s*{_OF}\s*5(?![\w/]|[.,]\d)", re.IGNORECASE)
_CHINESE = re.compile(r"(?<![\d.])([1-5一二两三四五])\s*(?:颗星|顆星|星(?![期座空球巴级級]))")
#: A word of rating makes "4/5" one.
_RATING = re.compile(
    r"rat(?:e|ed|ing|ings)\b|review|score|feedback|stars?\b|grade|give|giving|gave"
    r"|оцен|отзыв|балл|ставлю|звезд|valora|calific|puntua|reseñ|opini|avalia|nota\b|dou\b|doy\b"
    r"|note[rz]?\b|évalu|avis\b|bewert|sterne|note\b|valuta|recens|ocen|评|分|星",
    re.IGNORECASE,
)
#: Hotels have stars, too; and who asks for five gives none.
_NO_RATING = re.compile(r"^[\s-]*(?:hotel|h[oô]tel|отел\w+|restaurant|resort|general)", re.I)
#: A threat or a promise gives no stars yet.
_NOT_YET = re.compile(
    r"\b(?:if|unless|otherwise|will|would|could|might|can|must|shall|should|else|or|why|promise"
    r"|i'll|you'll|we'll|he'll|want to|going to"
    r"|если|иначе|будет|буду|будем|поставлю|поставим|дам|оставлю|или|почему|чтобы|напишу"
    r"|si|sino|daré|dare|pondré|pondre|dejaré|o te|se não|senão|darei|vou"
    r"|sinon|donnerai|mettrai|laisserai|pourquoi|wenn|falls|sonst|werde|würde|oder|warum"
    r"|altrimenti|jeśli|jesli|inaczej)\b|如果|否则|就给|再不|不退|不然|要是|会给|将给|为什么|才给",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[.!?;。！？；\n]")
#: By whom platforms tell of reviews; a sender that is a machine, with a word of review.
_PLATFORMS = re.compile(
    r"(?:^|[@.])(?:aliexpress|alibaba|amazon|ebay|etsy|dhgate|wish|lazada|shopee|walmart|allegro"
    r"|ozon|wildberries|mercadolivre|mercadolibre|trustpilot|judge|yotpo|loox|stamped|trustedshops"
    r"|reviews|google|shopify|joom|temu|cdiscount|rakuten)\.",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"review|feedback|rating|rated|отзыв|оценк|reseñ|valoraci|calificaci|avalia|avis\b|évaluation"
    r"|bewertung|recension|opini[aę]|评价|评论|点评",
    re.IGNORECASE,
)
#: An order's number in a notification: letters and digits, at least four digits of them.
_NUMBER = re.compile(r"(?<![\w-])#?((?=(?:[A-Za-z-]*\d){4})[A-Za-z0-9][A-Za-z0-9-]{3,39})(?![\w-])")
_TRIED = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Stars of 1 to 5 and the words that stand with them."""

    stars: int
    comment: str


def of_customer(reply: UnlearntReply) -> Told | None:
    """The stars that a customer's own mail gives; None where it gives none.

    Who threatens with one star or promises five has given none; nor has who asks.
    """
    is_person = reply.kind in (ReplyKind.HUMAN, ReplyKind.UNSUBSCRIBE)
    if not is_person or reply.is_copy or reply.intent is Intent.QUESTION:
        return None
    stars = read(reply.text) or read(reply.subject)
    return None if stars is None else Told(stars=stars, comment=_comment(reply.text))


def of_platform(reply: UnlearntReply) -> Told | None:
    """The review of which a platform's notification tells; None where the mail is none."""
    is_machine = reply.kind in (ReplyKind.BULK, ReplyKind.AUTO_REPLY) or _is_machine(reply.sender)
    words = f"{reply.subject}\n{reply.text}"[:_LENGTH]
    is_told = is_machine and _TOLD.search(words) and not reply.is_copy
    if not is_told or not (_PLATFORMS.search(reply.sender) or _is_machine(reply.sender)):
        return None
    stars = read(words)
    return None if stars is None else Told(stars=stars, comment=_comment(reply.text))


def read(text: str) -> int | None:
    """The first number of stars that a text gives; None where it gives none.

    It is read from signs (`★★☆☆☆`), words (`one star`, `две звезды`, `3星`) and shares
    (`4/5`, `2 out of 5`) where a word of rating is near.
    """
    text = text[:_LENGTH]
    found = [
        (match.start(), stars) for stars, match in _candidates(text) if not _is_undone(text, match)
    ]
    return min(found)[1] if found else None


def order_numbers(text: str) -> list[str]:
    """What may be an order's number in a notification, in its sequence."""
    found = dict.fromkeys(match[1] for match in _NUMBER.finditer(text[:_LENGTH]))
    return list(found)[:_TRIED]


def _candidates(text: str) -> list[tuple[int, re.Match[str]]]:
    found = [(stars, match) for match in _RUN.finditer(text) if (stars := _of_run(text, match))]
    found += [(_number(match[1]), match) for match in _WORDED.finditer(text)]
    found += [(_number(match[1]), match) for match in _CHINESE.finditer(text)]
    found += [(int(match[1]), match) for match in _OUT_OF.finditer(text) if _is_rating(text, match)]
    return found


def _of_run(text: str, match: re.Match[str]) -> int:
    """How many stars a run of signs gives; 0 where it is an ornament."""
    full = sum(match[0].count(sign) for sign in _FULL)
    empty = match[0].count(_EMPTY)
    is_longer = text[match.end() : match.end() + 1] in tuple(_FULL + _EMPTY)
    if is_longer or (empty and full + empty != 5):
        return 0
    is_lonely = full == 1 and not empty
    return 0 if is_lonely and not _is_rating(text, match) else full


def _is_rating(text: str, match: re.Match[str]) -> bool:
    """Whether a word of rating is near, or nothing else stands on the line."""
    near = text[max(0, match.start() - _NEAR) : match.end() + _NEAR]
    line = text[text.rfind("\n", 0, match.start()) + 1 :].split("\n", 1)[0]
    return bool(_RATING.search(near)) or line.strip(" .!") == match[0].strip()


def _is_undone(text: str, match: re.Match[str]) -> bool:
    before = _CLAUSE.split(text[max(0, match.start() - 80) : match.start()])[-1]
    after = text[match.end() : match.end() + 60]
    is_condition = re.match(r"[^.!?\n]{0,40}?\b(?:if|unless|если|wenn|falls|si|se)\b", after, re.I)
    return bool(_NOT_YET.search(before) or is_condition or _NO_RATING.match(after))


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBERS[word.casefold()]


def _is_machine(sender: str) -> bool:
    name = sender.split("@")[0].casefold()
    return bool(re.search(r"no.?reply|notif|donotreply|mailer|feedback|reviews?$", name))


def _comment(text: str) -> str:
    return " ".join(text.split())[:_COMMENT]
