"""What a person wants who is not unhappy: the finest of the codes that were found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from crm_mailer.listening.signs import Found
from crm_mailer.model.reply import Intent

#: Codes that nearly any question also carries: named after the others.
_GENERAL = {"ask.product": 3, "ask.shipping_method": 2, "ask.price": 1, "ask.change_order": 1,
            "objection.need": 1}  # fmt: skip
_MARKS = ("?", "？", "؟")
#: A confirmation among words of praise is one only in a short mail.
_SHORT = 120
_WISHES = ("refund", "resend", "answer")
#: At this chance lessons say what is wanted: where no rule does, where one heard praise or a
#: confirmation, and against another question.
_LIKELY, _LIKELIER, _LIKELIEST = 0.1, 0.5, 0.8
_STATED = ("objection.", "suggestion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The coarse intent, the finer codes with the telling one first, and what is asked for."""

    intent: Intent
    finer: tuple[str, ...] = ()
    asks: str = "none"


def of(found: Sequence[Found], text: str, *, is_complaint: bool) -> Wanted:
    """What the signs found in a text say about the wish behind it."""
    codes = {one.sign.code for one in found}
    finer = _finer(found)
    has_mark = any(mark in text for mark in _MARKS)
    intent = Intent.COMPLAINT if is_complaint else _intent(codes, finer, text, has_mark)
    stated = _stated(codes, finer, has_mark)
    first = stated[:1] if intent is Intent.OTHER else ()
    ordered = tuple(dict.fromkeys((*first, *_asks(finer), *finer)))
    return Wanted(intent=intent, finer=ordered, asks=_wish(codes, intent))


def likely(codes: Iterable[str], text: str) -> list[str]:
    """Of the codes of lessons those that a mail can have which is no complaint."""
    asks = any(mark in text for mark in _MARKS)
    return [code for code in codes if not asks or code.startswith(("ask.", "suggestion"))]


def with_likely(wanted: Wanted, code: str, chance: float) -> Wanted:
    """What is wanted, after a look at what lessons say: their code, and its chance, 0 to 1."""
    now = finest(wanted.intent, wanted.finer)
    if now.startswith(_STATED):
        return wanted
    if now.startswith("ask."):
        least = _LIKELIEST
    else:
        least = _LIKELIER if wanted.intent in (Intent.PRAISE, Intent.CONFIRM) else _LIKELY
    if chance < least or code == now:
        return wanted
    if code.startswith("ask."):
        finer = tuple(dict.fromkeys((code, *wanted.finer)))
        asks = "answer" if wanted.asks == "none" else wanted.asks
        return Wanted(intent=Intent.QUESTION, finer=finer, asks=asks)
    if code.startswith(_STATED):
        finer = tuple(dict.fromkeys((code, *wanted.finer)))
        return replace(wanted, intent=Intent.OTHER, finer=finer)
    if code in (Intent.PRAISE, Intent.CONFIRM) and wanted.intent is Intent.OTHER:
        return replace(wanted, intent=Intent(code))
    return wanted


def finest(intent: Intent, reasons: Iterable[str]) -> str:
    """The finest code: an `ask.` of a question, an objection or suggestion of other words."""
    if intent is Intent.QUESTION:
        return next((code for code in reasons if code.startswith("ask.")), intent.value)
    if intent is Intent.OTHER:
        stated = (c for c in reasons if c == "suggestion" or c.startswith("objection."))
        return next(stated, intent.value)
    return intent.value


def _finer(found: Iterable[Found]) -> tuple[str, ...]:
    fine = [f for f in found if f.sign.code.startswith(("ask.", "objection.", "suggestion"))]
    fine.sort(key=lambda f: (not f.sign.is_sure, _GENERAL.get(f.sign.code, 0), f.start))
    return tuple(dict.fromkeys(f.sign.code for f in fine))


def _intent(codes: set[str], finer: Sequence[str], text: str, has_mark: bool) -> Intent:
    asks = _asks(finer)
    if _stated(codes, finer, has_mark):
        return Intent.OTHER
    is_plain = "praise" not in codes or len(text) < _SHORT
    if "confirm" in codes and not has_mark and is_plain:
        return Intent.CONFIRM
    if asks and (has_mark or "praise" not in codes or "question" in codes):
        return Intent.QUESTION
    if "praise" in codes and not has_mark:
        return Intent.PRAISE
    if has_mark or "question" in codes:
        return Intent.QUESTION
    return Intent.OTHER


def _stated(codes: set[str], finer: Sequence[str], has_mark: bool) -> tuple[str, ...]:
    """A suggestion, or an objection that is no question: what the words are about."""
    if "suggestion" in codes:
        return ("suggestion",)
    if has_mark:
        return ()
    return tuple(code for code in finer if code.startswith("objection."))


def _asks(finer: Iterable[str]) -> tuple[str, ...]:
    return tuple(code for code in finer if code.startswith("ask."))


def _wish(codes: set[str], intent: Intent) -> str:
    for wish in _WISHES:
        if f"wants.{wish}" in codes:
            return wish
    return "answer" if intent is Intent.QUESTION else "none"
