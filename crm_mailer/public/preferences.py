"""What somebody gets, how often, in which language: their own choice, on one page."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from babel import Locale, UnknownLocaleError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from crm_mailer.app import preferences
from crm_mailer.model import language
from crm_mailer.model.choices import Act, ActKind, Birthday, Choices, PageReader, Wish
from crm_mailer.model.token import Purpose
from crm_mailer.public.desk import Desk

WHOLE = {"all": ActKind.OPT_OUT, "undo": ActKind.UNDO}
PAUSES = {"begin": Wish.BEGIN, "end": Wish.END}


def routes(desk: Desk) -> list[BaseRoute]:
    """The page of a preferences link."""
    return [desk.route("/p/{token}", lambda *asked: _answer(desk, *asked), acts=True)]


def _answer(desk: Desk, request: Request, form: Mapping[str, str]) -> Response:
    reader = preferences.reader(desk.app, Purpose.PREFERENCES, request.path_params["token"])
    if request.method != "POST":
        return _page(desk, request, reader)
    told = desk.told(request, "page")
    act = form.get("act", "")
    if act == "save":
        return _saved(desk, request, form, reader, told)
    if act in WHOLE:
        reader = preferences.act(desk.app, reader, WHOLE[act], told=told)
    return _page(desk, request, reader)


def _saved(
    desk: Desk, request: Request, form: Mapping[str, str], reader: PageReader, told: str
) -> Response:
    birthday, is_wrong = _birthday(desk, form)
    chosen = Choices(
        topics_off=_topics_off(desk, form),
        wants_fewer=form["often"] == "fewer" if "often" in form else None,
        pause=PAUSES.get(form.get("pause", "")),
        language=_language(desk, form, reader),
        birthday=birthday,
    )
    if is_wrong:  # nothing is kept yet, and nothing that was typed is lost
        as_typed = Act(
            kind=ActKind.CHOOSE,
            touch_id=reader.touch_id,
            at=desk.app.clock.now(),
            choices=replace(chosen, pause=None),
        )
        return _page(desk, request, reader.after(as_typed), typed=form, status=422)
    reader = preferences.act(desk.app, reader, ActKind.CHOOSE, choices=chosen, told=told)
    return _page(desk, request, reader, is_saved=True)


def _page(
    desk: Desk,
    request: Request,
    reader: PageReader,
    *,
    is_saved: bool = False,
    typed: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The page as things stand; `typed`: what is to be mended before it is kept."""
    said, now = desk.words(request, reader), desk.app.clock.now()
    until = reader.paused_until
    if until is not None and until <= now:
        until = None
    shown = typed or {}
    return desk.render(
        request,
        "preferences",
        reader,
        status,
        topics=preferences.topics(desk.app, reader, said.code),
        languages=_languages(desk),
        spoken=_spoken(desk, reader),
        paused=said.day(until.astimezone(desk.app.zone).date()) if until is not None else "",
        months=said.months,
        is_saved=is_saved,
        is_wrong=typed is not None,
        typed={name: shown.get(name, "") for name in ("day", "month", "year", "pause")},
    )


def _language(desk: Desk, form: Mapping[str, str], reader: PageReader) -> str | None:
    """The language that was chosen; None where the form shows what the reader gets anyway."""
    chosen = form.get("language", "")
    is_new = chosen in _languages(desk) and chosen != _spoken(desk, reader)
    return chosen if is_new else None


def _topics_off(desk: Desk, form: Mapping[str, str]) -> frozenset[str] | None:
    """Topics of the form that are not ticked; None where the form asked for none."""
    shown = set(form.get("shown", "").split("\n")) & set(desk.app.shop_or_default.topics)
    wanted = set(form.get("topic", "").split("\n"))
    return frozenset(shown - wanted) if shown else None


def _birthday(desk: Desk, form: Mapping[str, str]) -> tuple[Birthday | None, bool]:
    """The day in the form, and whether what stands there is none."""
    written = [form.get(name, "").strip() for name in ("day", "month", "year")]
    if not any(written):
        return None, False
    with suppress(ValueError):
        day, month, year = (int(one) if one else 0 for one in written)
        born = Birthday(month=month, day=day, year=year or None)
        today = desk.app.clock.now().astimezone(desk.app.zone).date()
        return (born, False) if born.is_real(today) else (None, True)
    return None, True


def _languages(desk: Desk) -> dict[str, str]:
    """The languages of the shop's mails, and what each calls itself."""
    return {code: _own_name(code) for code in desk.app.shop_or_default.languages}


def _spoken(desk: Desk, reader: PageReader) -> str:
    """Which of them the reader gets now."""
    shop = desk.app.shop_or_default
    usual = shop.languages[0] if shop.languages else "en"
    wanted = language.wanted(reader.language, reader.country, usual)
    return language.choose(wanted, shop.languages, shop.fallback, reader.country) or usual


def _own_name(code: str) -> str:
    with suppress(UnknownLocaleError, ValueError):
        locale = Locale.parse(code.replace("-", "_"))
        name = locale.get_display_name(locale)
        if name:
            return str(name[0].upper() + name[1:])
    return code
