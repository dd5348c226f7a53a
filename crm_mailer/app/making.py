"""Verbs that begin a new campaign, segment or template: a good file, never over another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from crm_mailer.app import checking, names
from crm_mailer.app.wiring import App
from crm_mailer.definitions import schema, starters
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.definitions.template_index import SHARED, index
from crm_mailer.definitions.written import LANGUAGE
from crm_mailer.model.campaign import Kind, Stream
from crm_mailer.model.errors import CannotWrite, NotFound, NotPossible, RenderError
from crm_mailer.model.language import base
from crm_mailer.model.sentence import Sentence

#: Templates of the starter set that suit a first step: they need no order and no values.
FIRST_CHOICE = ("growth/win-back-1", "care/welcome", "growth/new-arrivals")
#: What the name of a template is.
OF_TEMPLATES = Sentence("a stage and a name in the letters a to z, such as growth/spring-sale")
#: How far ahead the day of a new edm lies.
AHEAD = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was written, and the commands that make sense next."""

    name: str
    files: tuple[Path, ...]
    next: tuple[str, ...]


def campaign(
    app: App,
    name: str,
    *,
    title: str = "",
    kind: Kind = Kind.LIFECYCLE,
    copied: str = "",
    template: str = "",
) -> Made:
    """Begin a campaign.

    Args:
        app: the shop.
        name: its id, or a name that gives one.
        title: what people call it; else the name.
        kind: what starts it; a copy keeps its own.
        copied: the id of a campaign to begin with.
        template: what its first step sends.

    Raises:
        NotPossible: the id is taken, a file is there, or the name gives no id.
        NotFound: there is no such campaign or template.
    """
    id_ = starters.slug(name)
    _refuse_taken(
        Sentence("there is a campaign `{id}` already", id=id_), id_, app.definitions.campaigns
    )
    way = f"../../{checking.SCHEMAS}/{schema.file_name('campaign')}"
    if copied:
        original = names.campaign(app, copied)
        source = app.home / original.path
        text = starters.copy(source.read_text(encoding="utf-8-sig"), id_, title or name, way)
        folder = source.parent
        if folder == app.home / "campaigns":  # one level nearer to the schema
            text = text.replace(way, way.removeprefix("../"), 1)
    else:
        first = _template(app, template)
        day = app.clock.now().astimezone(app.zone).date() + AHEAD
        stream = _stream(app, first, kind)
        text = starters.campaign(id_, title or name, kind, stream, first, day, way)
        folder = app.home / "campaigns" / kind.value
    path = _write(folder / f"{id_}.yaml", text)
    checking.write_schemas(app.home / checking.SCHEMAS)
    steps = ("crm-mailer check", f"crm-mailer preview {id_}", f"crm-mailer plan {id_}")
    return Made(name=id_, files=(path,), next=steps)


def segment(app: App, name: str, *, title: str = "", copied: str = "") -> Made:
    """Begin a segment; the arguments are as for a campaign.

    Raises:
        NotPossible: the id is taken, a file is there, or the name gives no id.
        NotFound: there is no such segment.
    """
    id_ = starters.slug(name)
    _refuse_taken(
        Sentence("there is a segment `{id}` already", id=id_), id_, app.definitions.segments
    )
    folder = app.home / "campaigns" / "segments"
    way = f"../../{checking.SCHEMAS}/{schema.file_name('segment')}"
    if copied:
        names.segment(app, copied)
        source = _segment_file(folder, copied)
        text = starters.copy(source.read_text(encoding="utf-8-sig"), id_, title or name, way)
    else:
        text = starters.segment(id_, title or name, way)
    path = _write(folder / f"{id_}.yaml", text)
    checking.write_schemas(app.home / checking.SCHEMAS)
    steps = ("crm-mailer check", f"crm-mailer segment explain {id_}")
    return Made(name=id_, files=(path,), next=steps)


def template(
    app: App,
    name: str,
    *,
    languages: Sequence[str] = (),
    copied: str = "",
    is_about_order: bool = False,
) -> Made:
    """Begin a template, in the given languages or in those of the shop.

    Args:
        app: the shop.
        name: `stage/name`; a name alone goes to the stage `growth`.
        languages: codes; none means the shop's, or those of the copied template.
        copied: a template to begin with.
        is_about_order: it answers an order.

    Raises:
        NotPossible: a file is there, or that is no name or no language.
        NotFound: there is no such template to copy.
    """
    name = _template_name(name)
    there = index(app.templates_folder)
    original = _original(copied, there)
    chosen = tuple(languages) or tuple(original) or app.definitions.shop.languages
    for code in chosen:
        if not LANGUAGE.fullmatch(code):
            raise NotPossible(
                Sentence("`{code}` is no language code", code=code), hint="such as en, ru, es"
            )
    files = {code: app.templates_folder / f"{name}.{code}.mjml" for code in chosen}
    for path in files.values():  # all or nothing
        _refuse_file(path)
    parts = {path.name for path in (app.templates_folder / SHARED).glob("*.mjml")}
    for code, path in files.items():
        text = (
            _translation(original, code, parts, app.definitions.shop.languages)
            if original
            else starters.template(code, parts, is_about_order=is_about_order)
        )
        _write(path, text)
    steps = ("crm-mailer check", f"crm-mailer new campaign {name.split('/')[1]} --template {name}")
    return Made(name=name, files=tuple(files.values()), next=steps)


def _original(copied: str, there: Mapping[str, Mapping[str, Path]]) -> Mapping[str, Path]:
    if copied and copied not in there:
        raise NotFound(
            Sentence("there is no template `{name}`", name=copied),
            hint=did_you_mean(copied, there),
        )
    return there[copied] if copied else {}


def _translation(
    original: Mapping[str, Path], code: str, parts: set[str], understood: Sequence[str]
) -> str:
    """The original in this language, or one to translate: in a language that the shop writes."""
    known = (one for one in (code, base(code), *understood, *original) if one in original)
    source = original[next(known)]
    text = source.read_text(encoding="utf-8-sig")
    return text if code in original else starters.translated(text, code, parts)


def _template_name(name: str) -> str:
    whole = name if "/" in name else f"growth/{starters.slug(name, OF_TEMPLATES)}"
    if not starters.TEMPLATE_NAME.fullmatch(whole) or whole.startswith(f"{SHARED}/"):
        raise NotPossible(
            Sentence("`{name}` is no name of a template", name=name),
            hint=OF_TEMPLATES,
        )
    return whole


def _template(app: App, wanted: str) -> str:
    """The template that is named, or one of the starter set that the shop still has."""
    there = index(app.templates_folder)
    if wanted and wanted not in there:
        raise NotFound(
            Sentence("there is no template `{name}`", name=wanted),
            hint=did_you_mean(wanted, there) or "`crm-mailer new template NAME` makes one",
        )
    found = wanted or next((one for one in FIRST_CHOICE if one in there), "")
    if not found:
        raise NotFound(
            "no template suits a new campaign", hint="name one: `--template growth/spring-sale`"
        )
    return found


def _stream(app: App, template: str, kind: Kind) -> Stream:
    """A template without a way to unsubscribe is for mail that answers an order."""
    code = app.templates.languages(template)[0]
    try:
        used = app.templates.get(template, code).used
    except RenderError:  # `check` tells what is wrong with it
        return Stream.MARKETING
    is_order = kind is Kind.LIFECYCLE and "unsubscribe_url" not in used
    return Stream.TRANSACTIONAL if is_order else Stream.MARKETING


def _segment_file(folder: Path, id_: str) -> Path:
    """Where a segment is written: its id counts, the file may be called otherwise."""
    by_name = folder / f"{id_}.yaml"
    others = (one for one in sorted(folder.glob("*.yaml")) if f"id: {id_}\n" in one.read_text())
    return by_name if by_name.is_file() else next(others, by_name)


def _refuse_taken(told: Sentence, id_: str, known: Mapping[str, object]) -> None:
    if id_ in known:
        raise NotPossible(told, hint="take another name; nothing was written")


def _refuse_file(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise NotPossible(
            Sentence("{path} is there already: nothing was written", path=path),
            hint="take another name",
        )


def _write(path: Path, text: str) -> Path:
    """Write a file that was not there.

    Raises:
        NotPossible: it is there.
        CannotWrite: the folder cannot be written.
    """
    _refuse_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CannotWrite(
            Sentence("cannot write {path}: {why}", path=path, why=error.strerror or error),
            hint="look at the folder's rights",
        ) from error
    return path
