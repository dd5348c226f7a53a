"""Looks at a template with the eyes of its language: plural forms, shared parts in another one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from jinja2 import TemplateSyntaxError, nodes

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model import language
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering import engine, formats, plurals, sources, stencils
from crm_mailer.rendering.library import problem_at_line
from crm_mailer.rendering.markup import Draft

#: `../layout/footer.ru.mjml` is a part in Russian, `../layout/head.mjml` is for all.
PART = re.compile(r"[^./\\]+\.(?P<language>[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*)\.mjml")


def look(draft: Draft, path: Path) -> list[Problem]:
    """Every fault of this kind. `path` is the template's own file."""
    return [*_plurals(draft), *_parts(draft, path)]


def _plurals(draft: Draft) -> Iterator[Problem]:
    ruled = draft.ruled
    if plurals.NAME not in ruled.text:
        return
    try:
        tree = stencils.tree(engine.HTML, ruled.text)
    except TemplateSyntaxError:
        return  # told elsewhere
    for call in tree.find_all(nodes.Call):
        if not isinstance(call.node, nodes.Name) or call.node.name != plurals.NAME:
            continue
        for message, help_ in _form_faults([one.key for one in call.kwargs], draft.language):
            yield problem_at_line(draft, ruled, call.lineno, "CRM215", message, plurals.NAME, help_)


def _form_faults(given: list[str], code: str) -> Iterator[tuple[str, str]]:
    """Message and remedy of forms that there are not, and of those that are missing."""
    unknown = [form for form in given if form not in plurals.FORMS]
    for form in unknown:
        yield Sentence("plural() has no form `{form}`", form=form), plurals.nearest(form)
    needed = plurals.needed(formats.locale_for(code, ""))
    missing = [form for form in needed if form not in given]
    if missing and not unknown:
        forms = ", ".join(f'{one}="..."' for one in needed)
        yield (
            Sentence(
                "the language `{code}` also needs the form {missing}",
                code=code,
                missing=", ".join(f"`{one}`" for one in missing),
            ),
            Sentence("write plural(n, {forms})", forms=forms),
        )


def _parts(draft: Draft, path: Path) -> Iterator[Problem]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    file = draft.source.locate(0).file
    for include in sources.without_comments(text)[1]:
        part = PART.search(include[1])
        if part is None or not language.is_other(part["language"], draft.language):
            continue
        own = part[0].replace(f".{part['language']}.", f".{draft.language}.")
        yield sources.problem_at(
            sources.place_in(file, text, include.start(1) + part.start()),
            "CRM239",
            Sentence(
                "a part in `{other}` stands in a template in `{language}`",
                other=part["language"],
                language=draft.language,
            ),
            width=len(part[0]),
            help=Sentence("include {file}", file=own),
            severity=Severity.WARNING,
        )
