"""Checks templates before anybody gets them: every fault at its place, with its remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.definitions.template_index import index
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import RenderError
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering import aside, check_allowed, check_one, fields, replies, sources
from crm_mailer.rendering.check_memory import Findings
from crm_mailer.rendering.check_one import TRIAL_SHOP
from crm_mailer.rendering.check_use import TemplateUse
from crm_mailer.rendering.compose import Composer
from crm_mailer.rendering.context import ShopFields
from crm_mailer.rendering.faults import TemplateFault
from crm_mailer.rendering.headers import UnsafeHeader
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.rendering.markup import Draft
from crm_mailer.rendering.sources import Source

#: From so many templates on, a second process takes half of them.
MANY = 80
#: What looking at a canned reply costs, of which only the text is used: this part of a mail's work.
TEXT_ONLY = 0.4


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A template to look at: what it is called, what is written in it, how it is used."""

    name: str
    code: str
    path: Path
    source: Source
    use: TemplateUse | None
    key: str


def check_templates(
    root: Path,
    wanted: Mapping[str, TemplateUse],
    *,
    shop: Shop | None = None,
    cache: Path | None = None,
) -> list[Problem]:
    """Every finding of the templates below `root`, used or not.

    Args:
        root: the template folder.
        wanted: templates that campaigns name, with how they use them.
        shop: the shop, for its colours.
        cache: a folder for compiled MJML and for findings; what has not changed is not looked at
            again. None keeps nothing.
    """
    files = index(root)
    wanted = {**_canned_replies(files), **wanted}
    known = Findings(cache / "findings.json" if cache else None)
    own = fields.shop_fields(shop or TRIAL_SHOP)
    problems: list[Problem] = []
    new: list[_Sheet] = []
    for name, by_language in files.items():
        use = wanted.get(name)
        problems += _missing_languages(name, by_language, use)
        for code, path in by_language.items():
            try:
                source = sources.read(path, root)
            except TemplateFault as fault:
                problems.append(fault.problem)
                continue
            key = known.key(source, name, code, use, own)
            before = known.get(key)
            if before is None:
                new.append(_Sheet(name, code, path, source, use, key))
            else:
                problems += before
    for key, found in _look_at_all(_Task(root, own, cache / "mjml" if cache else None), new):
        problems += known.keep(key, found) if key else found
    known.save()
    return sorted(set(problems), key=lambda one: one.order)


def _canned_replies(files: Mapping[str, Mapping[str, Path]]) -> dict[str, TemplateUse]:
    """Canned replies belong to no campaign: cases and tasks give them an order and values."""
    return {
        name: TemplateUse(stream=Stream.TRANSACTIONAL, has_order=True, vars=vars)
        for name, vars in replies.trial_vars(files).items()
    }


def _missing_languages(
    name: str, files: Mapping[str, Path], use: TemplateUse | None
) -> list[Problem]:
    missing = [code for code in (use.languages if use else ()) if code not in files]
    if not missing:
        return []
    first = next(iter(files.values()))
    return [
        Problem(
            code="CRM237",
            message=Sentence(
                "the template `{name}` is not written in {missing}",
                name=name,
                missing=", ".join(missing),
            ),
            file=f"{first.parent.parent.name}/{first.parent.name}/{first.name}",
            severity=Severity.WARNING,
            help="those readers get the fallback language",
        )
    ]


@dataclass(frozen=True, slots=True)
class _Task:
    """What all templates of a look share."""

    root: Path
    shop: ShopFields
    mjml: Path | None


#: Findings by the key under which they are remembered; those with an empty one are not.
Found = list[tuple[str, list[Problem]]]


def _look_at_all(task: _Task, new: Sequence[_Sheet]) -> Found:
    """The findings of each sheet by its key; two processes share a large number of them."""
    if len(new) < MANY or not aside.is_possible():
        return _look_at(task, new)
    # the languages of a template stay together: they share its code
    alike = [list(sheets) for _name, sheets in groupby(new, key=lambda one: one.name)]
    mine, other = aside.in_two(alike, _work)
    helper = aside.begin(lambda: _look_at(task, other))
    found = _look_at(task, mine)
    later = helper.result()
    return [*found, *(_look_at(task, other) if later is None else later)]


def _work(sheet: _Sheet) -> float:
    share = TEXT_ONLY if sheet.name.startswith(replies.FOLDER) else 1.0
    return share * len(sheet.source.text)


def _look_at(task: _Task, new: Sequence[_Sheet]) -> Found:
    library = TemplateLibrary(task.root, task.mjml)
    found: Found = []
    sound: list[tuple[_Sheet, Draft, list[Problem]]] = []
    for sheet in new:
        problems, draft = check_one.look(
            sheet.name, sheet.code, sheet.source, sheet.path, sheet.use
        )
        if draft is None or any(one.is_error for one in problems):
            found.append((sheet.key, check_allowed.apply(sheet.source, problems)))
        else:
            sound.append((sheet, draft, problems))
    for is_text_only in (False, True):  # of a canned reply only the text is ever used
        drafts = [draft for _sheet, draft, _problems in sound]
        mine = [one for one in drafts if one.name.startswith(replies.FOLDER) is is_text_only]
        library.adopt(mine, is_text_only=is_text_only)
    # with all languages listed, each is tried, whether the campaigns' own texts are there or not
    listed = tuple(sorted({draft.language for _sheet, draft, _problems in sound}))
    composer = Composer(library, replace(TRIAL_SHOP, languages=listed), KeyRing({1: b"trial"}, 1))
    for sheet, draft, problems in sound:
        late, is_lasting = _tried(composer, draft, sheet.use, task.shop)
        key = sheet.key if is_lasting else ""
        found.append((key, check_allowed.apply(sheet.source, [*problems, *late])))
    return found


def _tried(
    composer: Composer, draft: Draft, use: TemplateUse | None, shop: ShopFields
) -> tuple[list[Problem], bool]:
    """Faults that show only when a mail is made, and how it looks then; whether they last."""
    try:
        compiled = composer.library.get(draft.name, draft.language)
        subject = draft.masked.word.sub(" ", draft.title)
        found: list[Problem] = []
        trial = check_one.alone(compiled.used) if use is None else use
        if trial is not None and trial.vars is not None:  # else the campaign's values are not known
            subject, found = check_one.try_it(composer, draft, trial)
        seen = check_one.seen(draft, compiled.masked_html, subject, use, shop)
        return [*found, *seen], True
    except TemplateFault as fault:
        return [fault.problem], not fault.is_passing
    except (RenderError, UnsafeHeader) as error:
        return [draft.source.problem("CRM240", str(error), 0)], True
