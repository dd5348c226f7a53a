"""One value of a setting, checked: its type, its range, its words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings.fields import Field

#: How the environment spells yes and no.
YES = ("true", "yes", "on", "1")
NO = ("false", "no", "off", "0")


def find_value(
    field: Field, written: Mapping[str, Any], environment: Mapping[str, str], path: Path
) -> tuple[Any, str]:
    """The value of a setting, and where it came from.

    Raises:
        SettingsError: it is wrong, or the file that holds it cannot be read.
    """
    variable = field.variable
    if variable in environment:
        return typed(field, environment[variable], variable), variable
    if variable + "_FILE" in environment:
        secret = Path(environment[variable + "_FILE"])
        try:
            text = secret.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _unread(variable, secret, error) from error
        if text:  # an empty file holds no secret: a service's file that nobody has filled in
            return typed(field, text, variable), str(secret)
    if field.name in written:
        return typed(field, written[field.name], f"{path}: {field.name}"), str(path)
    return typed(field, field.default, field.name), "default"


def _unread(variable: str, file: Path, error: OSError | UnicodeDecodeError) -> SettingsError:
    why = error if isinstance(error, OSError) else Sentence("it is not UTF-8 text")
    return SettingsError(
        Sentence(
            "{variable}_FILE: {file} cannot be read: {why}", variable=variable, file=file, why=why
        ),
        hint="name a readable text file, or unset the variable",
    )


def typed(field: Field, value: Any, where: str) -> Any:
    """`value` as `field` wants it: text, a number, a yes or no, a tuple of words, a day or None.

    Raises:
        SettingsError: it cannot be that; the message begins with `where`.
    """
    if isinstance(field.default, bool):
        return _yes_or_no(value, where)
    if isinstance(field.default, int):
        return _number(field, value, where)
    if field.is_list:
        return _words(field, value, where)
    if field.is_date:
        return _day(value, where)
    if isinstance(value, date):  # TOML has days and moments of its own
        value = value.isoformat()
    if not isinstance(value, str):
        is_not = Sentence("{where} must be text, not {value!r}", where=where, value=value)
        raise SettingsError(
            Sentence("{where} must be text", where=where) if field.is_secret else is_not,
            hint='write it in quotes: name = "value"',
        )
    if field.choices:
        _check_choice(field, value, where)
    return value


def did_you_mean(word: str, words: Iterable[str], otherwise: str = "") -> str:
    """The word that was meant, as a hint."""
    near = difflib.get_close_matches(word, list(words), 1)
    return Sentence("did you mean `{name}`?", name=near[0]) if near else otherwise


def _check_choice(field: Field, value: str, where: str) -> None:
    if value not in field.choices:
        raise SettingsError(
            Sentence(
                "{where} must be one of {choices}, not {value!r}",
                where=where,
                choices=", ".join(field.choices),
                value=value,
            ),
            hint=did_you_mean(
                value, field.choices, Sentence("such as {example}", example=field.choices[0])
            ),
        )


def _number(field: Field, value: Any, where: str) -> int:
    try:
        if not isinstance(value, (int, str)) or isinstance(value, bool):
            raise ValueError(value)
        number = int(value)
    except ValueError:
        raise SettingsError(
            Sentence("{where} must be a whole number, not {value!r}", where=where, value=value),
            hint=Sentence("such as {example}", example=field.default),
        ) from None
    if not field.least <= number <= field.most:
        raise SettingsError(
            Sentence(
                "{where} must lie between {least} and {most}, not at {number}",
                where=where,
                least=field.least,
                most=field.most,
                number=number,
            ),
            hint=Sentence("the default is {default}", default=field.default),
        )
    return number


def _yes_or_no(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in (*YES, *NO):
        raise SettingsError(
            Sentence("{where} must be true or false, not {value!r}", where=where, value=value),
            hint="without quotes",
        )
    return word in YES


def _words(field: Field, value: Any, where: str) -> tuple[str, ...]:
    words = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise SettingsError(
            Sentence("{where} must be a list of words, not {value!r}", where=where, value=value),
            hint=Sentence("such as {example}", example='["one", "two"]'),
        )
    if field.choices:
        for word in words:
            _check_choice(field, word, where)
    return tuple(dict.fromkeys(words))


def _day(value: Any, where: str) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if value == "":
        return None
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise SettingsError(
            Sentence("{where} must be a day, not {value!r}", where=where, value=value),
            hint=Sentence("such as {example}", example="2026-11-01"),
        ) from None
