"""New files for marketers: good ones to begin with, or copies of what is there already."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from crm_mailer.definitions.files import read_yaml
from crm_mailer.definitions.written import SLUG
from crm_mailer.model import language as languages
from crm_mailer.model.campaign import Kind, Stream
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.sentence import Sentence

#: A template's name: the stage and the mail, `after_sale/review-request`.
TEMPLATE_NAME = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*/[a-z0-9]+([-_][a-z0-9]+)*")
MODELINE = "# yaml-language-server: $schema={schema}\n"
LANGUAGE_OF_PART = re.compile(r"(<mj-include\s+path=\"[^\"]*?\.)([A-Za-z_-]+)(\.mjml\")")
#: The include after which the one for languages from right to left stands.
HEAD = re.compile(r"[ \t]*<mj-include path=\"\.\./layout/head\.mjml\"\s*/>\n")
RIGHT_TO_LEFT = "right-to-left.mjml"
LONGEST_ID = 60
#: How a name of other letters is written beside its id.
OF_IDS = Sentence("such as `singles-day --title 双十一`")


@cache
def _texts() -> dict[str, Any]:
    found: dict[str, Any] = read_yaml(Path(__file__).with_name("starters.yaml")).words()
    return found


def slug(name: str, hint: str = OF_IDS) -> str:
    """The id that a name gives: `Black Friday!` is black-friday. It stays, so no letter is dropped.

    Args:
        name: what people write.
        hint: what to write instead of a name that gives none.

    Raises:
        NotPossible: a letter of it, or all of it, cannot stand in an id; or it is too long.
    """
    found = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not SLUG.fullmatch(found) or _drops_letters(name):
        raise NotPossible(
            Sentence(
                "`{name}` gives no id: an id has the letters a to z, digits and hyphens only",
                name=name,
            ),
            hint=hint,
        )
    if len(found) > LONGEST_ID:
        raise NotPossible(
            Sentence(
                "`{name}` gives no id: an id has at most {most} characters",
                name=name,
                most=LONGEST_ID,
            ),
            hint=hint,
        )
    return found


def _drops_letters(name: str) -> bool:
    """Whether it has letters or digits that no id can have; a sign such as `!` is no loss."""
    return any(one.isalnum() and not one.isascii() for one in unicodedata.normalize("NFC", name))


def campaign(
    id: str, name: str, kind: Kind, stream: Stream, template: str, day: date, schema: str
) -> str:
    """A commented campaign file. `schema` is the way to its JSON Schema from the file."""
    filled = _texts()[kind.value].format(
        id=id, name=_scalar(name), stream=stream.value, template=template, day=day
    )
    return MODELINE.format(schema=schema) + str(filled)


def segment(id: str, name: str, schema: str) -> str:
    """A commented segment file."""
    filled = _texts()["segment"].format(id=id, name=_scalar(name))
    return MODELINE.format(schema=schema) + str(filled)


def copy(text: str, id: str, name: str, schema: str) -> str:
    """A campaign's or a segment's file under another id and name, as a draft; comments stay."""
    lines = [one for one in text.splitlines() if not one.startswith("# yaml-language-server:")]
    body = "\n".join(lines) + "\n"
    for key, value in (("name", _scalar(name)), ("id", id)):
        body, count = re.subn(rf"(?m)^{key}:.*$", lambda _m: f"{key}: {value}", body, count=1)  # noqa: B023
        body = body if count else f"{key}: {value}\n{body}"
    body = re.sub(r"(?m)^mode:\s*\w+", "mode: draft", body, count=1)
    return MODELINE.format(schema=schema) + body


def template(code: str, parts: Collection[str], *, is_about_order: bool) -> str:
    """A template in a language, with those parts of the layout that the shop has.

    Args:
        code: the language.
        parts: names of the files in templates/layout.
        is_about_order: it answers an order, so nothing is to be unsubscribed from.
    """
    words: Mapping[str, str] = (
        _texts()["words"].get(languages.base(code)) or _texts()["words"]["en"]
    )
    foot = f"footer{'-order' if is_about_order else ''}.{code}.mjml"
    footer = _part(foot, parts, 4)
    if not footer and not is_about_order:
        plain = _texts()["footer"]
        for key in ("unsubscribe", "preferences"):
            plain = plain.replace(f"{{{key}}}", words[key])
        footer = "".join(f"    {line}\n" for line in plain.splitlines())
    filled = _texts()["template"].format(
        **{key: words[key] for key in ("title", "preview", "body", "button")},
        head="".join(_part(name, parts, 4) for name in ("head.mjml", *_turned(code))),
        header=_part("header.mjml", parts, 4),
        sign=_part(f"signature.{code}.mjml", parts, 10),
        footer=footer,
    )
    if _turned(code) and RIGHT_TO_LEFT not in parts:  # MJML begins at the left unless told
        filled = re.sub(r"<mj-(text|button)\b", r'<mj-\1 align="right"', filled)
    return str(filled)


def _turned(code: str) -> tuple[str, ...]:
    """The part of the layout that turns a mail to the right, for languages that are read so."""
    return (RIGHT_TO_LEFT,) if languages.base(code) in languages.RIGHT_TO_LEFT else ()


def _part(name: str, parts: Collection[str], indent: int) -> str:
    return f'{" " * indent}<mj-include path="../layout/{name}" />\n' if name in parts else ""


def translated(text: str, code: str, parts: Collection[str]) -> str:
    """A template to translate: parts of the layout in the other language, where there are."""

    def in_language(match: re.Match[str]) -> str:
        name = match[0].rpartition("/")[2].split('"')[0]
        other = f"{name.split('.')[0]}.{code}.mjml"
        return f"{match[1]}{code}{match[3]}" if other in parts else match[0]

    text = LANGUAGE_OF_PART.sub(in_language, text)
    text = re.sub(rf"[ \t]*<mj-include path=\"[^\"]*/{RIGHT_TO_LEFT}\"\s*/>\n", "", text)
    turned = "".join(_part(name, parts, 4) for name in _turned(code))
    text = HEAD.sub(lambda head: head[0] + turned, text, count=1)
    return re.sub(r"<mjml[^>]*>", "<mjml>", text, count=1)


def _scalar(text: str) -> str:
    """A text as YAML takes it for a text."""
    is_plain = re.fullmatch(r"[^\W\d_][\w ',.()+-]*", text) and not text.endswith((" ", "."))
    is_word = text.lower() in {"true", "false", "null", "yes", "no", "on", "off"}
    return text if is_plain and not is_word else json.dumps(text, ensure_ascii=False)
