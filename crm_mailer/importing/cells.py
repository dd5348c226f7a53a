"""Reads amounts, numbers, birthdays and names from the cells that platforms write."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from crm_mailer.model.money import Money, exponent
from crm_mailer.model.sentence import Sentence, sentence

#: What platforms write where they have nothing.
NOTHING = frozenset({"", "-", "--", "—", "n/a", "na", "null", "none", "nan", "nil", "无"})
#: Signs that mean one currency and no other.
SIGNS = {
    "US$": "USD", "US $": "USD", "€": "EUR", "£": "GBP", "₽": "RUB", "РУБ": "RUB", "R$": "BRL",
    "₴": "UAH", "₸": "KZT", "ZŁ": "PLN", "A$": "AUD", "AU $": "AUD", "C$": "CAD", "₺": "TRY",
    "₹": "INR", "₩": "KRW", "₫": "VND", "RP": "IDR", "RM": "MYR", "S$": "SGD", "₱": "PHP",
    "฿": "THB", "₪": "ILS", "MX$": "MXN", "HK$": "HKD", "NT$": "TWD", "元": "CNY",
}  # fmt: skip
CODE = re.compile(r"\b[A-Z]{3}\b")
DIGITS = re.compile(r"[0-9][0-9.,'\u00a0\u202f\u2009 ]*|[.,][0-9]+")
#: A number whose last mark can only be a decimal point (or comma).
POINT = re.compile(r"\.[0-9]{1,2}$")
COMMA = re.compile(r",[0-9]{1,2}$")
YES = frozenset("yes y true t 1 on subscribed opted_in да是 是 да sí si sim ja oui".split())
NO = frozenset("no n false f 0 off unsubscribed opted_out нет 否 não nein non".split())
FEMALE = frozenset("f female woman w жен женский женщина ж mujer femenino feminino 女".split())
MALE = frozenset("m male man муж мужской мужчина м hombre masculino 男".split())
BIRTHDAY = re.compile(r"(?:([0-9]{4})|-)?-?([0-9]{1,2})-([0-9]{1,2})")
MAX_MINOR = 10**15
MAX_QUANTITY = 1_000_000


class CellError(ValueError):
    """A cell that does not hold what its column promises."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(sentence(what))
        self.hint = sentence(hint)


def clean(text: str, limit: int = 300) -> str:
    """Text without line breaks and control characters, so that no header can be forged with it."""
    text = text.strip()
    if not text.isprintable():
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return "" if text.casefold() in NOTHING else text[:limit]


def decimal_mark(samples: Iterable[str]) -> str:
    """Whether these amounts write a decimal point or a comma; a point where nothing tells."""
    points = commas = 0
    for text in samples:
        text = text.strip().rstrip("€$£₽ ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        points += POINT.search(text) is not None
        commas += COMMA.search(text) is not None
    return "," if commas > points else "."


def amount(text: str, mark: str = ".") -> Decimal:
    """The number in a cell such as `US $1,234.50`, `1.234,50 €`, `(12.00)` or `-3`.

    Args:
        text: the cell.
        mark: the file's decimal mark; it decides `1,234` and `1.234`, which are ambiguous.

    Raises:
        CellError: there is no number, or more than one.
    """
    body = text.strip().replace("−", "-")
    found = DIGITS.findall(body)
    if len(found) != 1:
        raise CellError(Sentence("`{text}` is no amount", text=short(text)), "such as 1234.50")
    digits = re.sub(r"['\u00a0\u202f\u2009 ]", "", found[0]).rstrip(".,")
    value = Decimal(_plain(digits, mark))
    is_negative = "-" in body or (body.startswith("(") and body.endswith(")"))
    return -value if is_negative else value


def minor(text: str, currency: str, mark: str = ".") -> int:
    """An amount in the currency's minor unit.

    Raises:
        CellError: there is no number, or one beyond all reason.
    """
    number = text.replace(".", "", 1)
    if mark == "." and number.isascii() and number.isdigit() and exponent(currency) == 2:
        whole, _, rest = text.partition(".")
        if len(rest) <= 2:
            value = int(whole or "0") * 100 + int(rest.ljust(2, "0"))
            return _reasonable(value, text)
    return _reasonable(Money.of(amount(text, mark), currency).minor, text)


def currency_in(text: str) -> str:
    """The currency that an amount's sign or code names beyond doubt; empty where none does."""
    upper = text.upper()
    for sign, code in SIGNS.items():
        if sign in upper:
            return code
    found = CODE.search(upper)
    return found.group() if found else ""


def quantity(text: str) -> int:
    """A whole number of pieces, 0 or more.

    Raises:
        CellError: it is none.
    """
    body = text.strip()
    if not body.isascii() or not body.isdigit():
        try:
            value = amount(body)
        except CellError:
            raise CellError(
                Sentence("`{text}` is no number of pieces", text=short(text)), "such as 2"
            ) from None
        if value != value.to_integral_value() or value < 0:
            raise CellError(
                Sentence("`{text}` is no whole number of pieces", text=short(text)), "such as 2"
            )
        body = str(int(value))
    number = int(body[:12])
    if number > MAX_QUANTITY:
        raise CellError(
            Sentence("{text} pieces are more than {most:,}", text=short(text), most=MAX_QUANTITY)
        )
    return number


def birthday(text: str) -> tuple[int | None, int, int]:
    """Year (None where it is not told), month and day of `1990-05-17`, `--05-17` or `05-17`.

    Raises:
        CellError: there is no such day.
    """
    body = text.strip()[:10].replace("/", "-").replace(".", "-")
    found = BIRTHDAY.fullmatch(body)
    try:
        if found is None:
            raise ValueError(body)
        year = int(found.group(1)) if found.group(1) else None
        day = date(year or 2000, int(found.group(2)), int(found.group(3)))
    except ValueError:
        raise CellError(
            Sentence("`{text}` is no birthday", text=short(text)),
            "such as 1990-05-17, or --05-17 without a year",
        ) from None
    return (year if year and year > 1900 else None), day.month, day.day


def truth(text: str) -> bool | None:
    """Yes or no, in several languages; None where the cell says neither."""
    word = text.strip().casefold()
    return True if word in YES else False if word in NO else None


def gender(text: str) -> str | None:
    """`female` or `male`; None where the cell says neither."""
    word = text.strip().casefold()
    return "female" if word in FEMALE else "male" if word in MALE else None


def stars(text: str) -> int:
    """One to five stars from `5`, `5.0`, `4 stars` or `★★★★`.

    Raises:
        CellError: it is no number from 1 to 5.
    """
    body = text.strip()
    if body.count("★"):
        return min(5, body.count("★"))
    try:
        number = int(amount(body.split("/")[0]).to_integral_value())
    except CellError:
        number = 0
    if not 1 <= number <= 5:
        raise CellError(
            Sentence("`{text}` is no number of stars", text=short(text)), Sentence("1 to 5")
        )
    return number


def _plain(digits: str, mark: str) -> str:
    """Digits with a point for the decimals and nothing else."""
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return digits
    decimals = len(digits) - last - 1
    both = "." in digits and "," in digits
    once = digits.count(digits[last]) == 1
    is_decimal = once and (both or decimals != 3 or digits[last] == mark or last == 0)
    whole = re.sub("[.,]", "", digits[:last])
    return f"{whole or '0'}.{digits[last + 1 :]}" if is_decimal else re.sub("[.,]", "", digits)


def _reasonable(value: int, text: str) -> int:
    if abs(value) > MAX_MINOR:
        raise CellError(Sentence("`{text}` is too large for an amount", text=short(text)))
    return value


def short(text: str) -> str:
    """As much of a cell as a message shows."""
    return clean(text, 40)
