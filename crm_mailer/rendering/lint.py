"""Checks templates before anybody gets them: every fault at its place, with its remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.definitions.template_index import index
from crm_mailer.model.campaign import (
    Campaign,
    DateAnchor,
    Kind,
    Mode,
    OrderAnchor,
    Step,
    Stream,
)
from crm_mailer.model.errors import RenderError
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering import engine, field_check, markup, mjml_lint, replies, samples
from crm_mailer.rendering.compose import Composer, Occasion
from crm_mailer.rendering.faults import TemplateFault
from crm_mailer.rendering.headers import UnsafeHeader
from crm_mailer.rendering.library import TemplateLibrary, jinja_problems, problem_at_line
from crm_mailer.rendering.markup import Draft

#: Gmail cuts a mail off at about 102 kB.
MAX_HTML_BYTES = 100_000
TRIAL_DAY = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
TRIAL_SHOP = Shop(
    name="Sample Shop",
    url="https://shop.example.com",
    postal_address="1 Sample Street, Hangzhou, China",
    sender="news@shop.example.com",
    orders_sender="orders@shop.example.com",
    reply_to="care@shop.example.com",
    static_url="https://static.example.com",
    logo_url="https://static.example.com/logo.png",
    agent="Lin",
    phone="+86 571 0000",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateUse:
    """How campaigns use a template; `vars` None accepts any value."""

    stream: Stream
    has_order: bool
    languages: tuple[str, ...] = ()
    vars: Mapping[str, Any] | None = None


def uses(campaigns: Iterable[Campaign]) -> dict[str, TemplateUse]:
    """How campaigns use templates. One that several use must suit all of them.

    Missing languages are told at the campaign's step, so none is asked for here.
    """
    found: dict[str, TemplateUse] = {}
    for campaign in campaigns:
        has_order = isinstance(campaign.anchor, OrderAnchor)
        for step in campaign.steps:
            before = found.get(step.template)
            is_marketing = campaign.stream is Stream.MARKETING or (
                before is not None and before.stream is Stream.MARKETING
            )
            found[step.template] = TemplateUse(
                stream=Stream.MARKETING if is_marketing else Stream.TRANSACTIONAL,
                has_order=has_order and (before is None or before.has_order),
                vars=_shared(campaign.vars, before.vars if before else None),
            )
    return found


def _shared(vars: Mapping[str, Any], before: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Of two campaigns' values, those that both have."""
    return {k: v for k, v in vars.items() if before is None or k in before}


def check_templates(root: Path, wanted: Mapping[str, TemplateUse]) -> list[Problem]:
    """Every fault of the templates below `root`, used or not.

    Args:
        root: the template folder.
        wanted: templates that campaigns name, with how they use them.
    """
    problems: list[Problem] = []
    sound: list[Draft] = []
    wanted = {**_canned_replies(root), **wanted}
    for name, files in index(root).items():
        use = wanted.get(name)
        for code, path in files.items():
            found, draft = _look(name, code, path, root, use)
            problems += found
            if draft is not None and not any(one.is_error for one in found):
                sound.append(draft)
        problems += _missing_languages(name, files, use)
    problems += _tried(root, sound, wanted)
    return sorted(set(problems), key=lambda one: (one.file, one.line, one.column, one.code))


def _canned_replies(root: Path) -> dict[str, TemplateUse]:
    """Canned replies belong to no campaign: cases and tasks give them an order and values."""
    return {
        name: TemplateUse(stream=Stream.TRANSACTIONAL, has_order=True, vars=vars)
        for name, vars in replies.trial_vars(index(root)).items()
    }


def _look(
    name: str, code: str, path: Path, root: Path, use: TemplateUse | None
) -> tuple[list[Problem], Draft | None]:
    """Faults that can be seen without compiling."""
    try:
        draft = markup.draft(name, code, path, root)
    except TemplateFault as fault:
        return [fault.problem], None
    broken = jinja_problems(draft)
    found = [*mjml_lint.lint(draft.source, draft.masked), *broken]
    if not any(one.code == "CRM210" for one in broken):
        found += _field_problems(draft, use)
    return found, draft


def _field_problems(draft: Draft, use: TemplateUse | None) -> list[Problem]:
    ruled = draft.masked.unmask(draft.masked.text)
    findings = field_check.look(
        engine.HTML.parse(ruled.text),
        has_order=use is None or use.has_order,
        vars=use.vars if use else None,
    )
    found = []
    for one in findings.unknown:
        problem = problem_at_line(
            draft, ruled, one.line, "CRM214", f"there is no field `{one.name}`", one.part, one.help
        )
        found.append(problem)
    if use and use.stream is Stream.MARKETING:
        found += _marketing_problems(draft, findings.used)
    return found


def _marketing_problems(draft: Draft, used: set[str]) -> list[Problem]:
    found = []
    if "unsubscribe_url" not in used:
        found.append(
            draft.source.problem(
                "CRM234",
                "a marketing mail must have a link to unsubscribe",
                0,
                help='<a href="{{ unsubscribe_url }}">, or include layout/footer.<language>.mjml',
            )
        )
    if "shop.postal_address" not in used:
        found.append(
            draft.source.problem(
                "CRM235",
                "a marketing mail must show the shop's postal address",
                0,
                help="{{ shop.postal_address }}, or include layout/footer.<language>.mjml",
            )
        )
    return found


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
            message=f"the template `{name}` is not written in {', '.join(missing)}",
            file=f"{first.parent.parent.name}/{first.parent.name}/{first.name}",
            severity=Severity.WARNING,
            help="those readers get the fallback language",
        )
    ]


def _tried(root: Path, drafts: list[Draft], wanted: Mapping[str, TemplateUse]) -> list[Problem]:
    """Faults that show only when a mail is made: for a full, a bare and a hostile customer."""
    library = TemplateLibrary(root)
    library.prepare({draft.name for draft in drafts})
    composer = Composer(library, TRIAL_SHOP, KeyRing({1: b"trial"}, 1))
    found: list[Problem] = []
    for draft in drafts:
        use = wanted.get(draft.name)
        try:
            library.get(draft.name, draft.language)
            if use is None or use.vars is None:
                continue  # its campaign's values are not known
            found += _try(composer, draft, use)
        except TemplateFault as fault:
            found.append(fault.problem)
        except (RenderError, UnsafeHeader) as error:
            found.append(draft.source.problem("CRM240", str(error), 0))
    return found


def _try(composer: Composer, draft: Draft, use: TemplateUse) -> list[Problem]:
    code, size = draft.language, 0
    for make in (samples.sample_customer, samples.minimal_customer, samples.hostile_customer):
        customer = make(code)
        order = samples.sample_order(customer, TRIAL_DAY)
        if make is not samples.sample_customer:
            order = samples.minimal_order(order)
        shown = composer.show(
            Occasion(
                touch_id=0,
                customer=customer,
                order=order if use.has_order else None,
                stream=use.stream,
                template=draft.name,
                campaign=_trial_campaign(draft.name, use),
            ),
            TRIAL_DAY,
        )
        size = max(size, len(shown.html.encode()))
    if size <= MAX_HTML_BYTES:
        return []
    return [
        draft.source.problem(
            "CRM236",
            f"the mail has {size // 1000} kB; Gmail cuts off at 102 kB",
            0,
            severity=Severity.WARNING,
        )
    ]


def _trial_campaign(template: str, use: TemplateUse) -> Campaign:
    return Campaign(
        id="trial",
        name="trial",
        kind=Kind.EDM,
        stream=use.stream,
        mode=Mode.DRAFT,
        anchor=DateAnchor(day=TRIAL_DAY.date()),
        steps=(Step(id="trial", template=template, offset=timedelta(0)),),
        vars=dict(use.vars or {}),
        version=template,
    )


#: What `check --explain` tells about each code of a template.
EXPLAINED: dict[str, str] = {
    "CRM201": "A template or a file that it includes is missing, lies outside the template folder, "
    "or includes itself. Paths are relative to the file that names them.",
    "CRM202": "A file may have 256 kB, a template with its includes 500 kB.",
    "CRM203": "Templates are UTF-8 text. In Windows Notepad: Save as, Encoding: UTF-8.",
    "CRM204": "Tags are nested too deep for the MJML compiler; a tag is probably not closed.",
    "CRM205": "MJML does not know the tag, and would drop it with all that stands in it. Plain "
    "HTML stands inside mj-text, mj-table or mj-raw.",
    "CRM206": "The tag has no such attribute. Jinja stands inside an attribute's quotes, never "
    "around the attribute.",
    "CRM207": "Rules of an inline mj-style are not written into the tags; use attributes, mj-class "
    "or a plain mj-style.",
    "CRM208": "MJML tags have a fixed order: mj-body > mj-section > mj-column > content.",
    "CRM209": "Without quotes, a value with a blank in it would become further attributes.",
    "CRM210": "Jinja does not understand the tag: a brace or a quote is missing, or an `if` or "
    "`for` has no end.",
    "CRM211": "A tag is opened and not closed, or the other way round.",
    "CRM212": "Templates may show fields, decide and loop. What could reach further (macros, "
    "Jinja's own includes, unlisted filters) is not allowed; use mj-include for shared parts.",
    "CRM213": "MJML computes the widths of columns when it compiles. Loop over whole sections, or "
    "over rows of an mj-table.",
    "CRM214": "The field does not exist, or not in this kind of campaign: `order` is known only in "
    "campaigns anchored at an order, `vars` holds what the campaign file says.",
    "CRM220": "MJML computes with this attribute and cannot keep a field in it. Write a number.",
    "CRM221": "MJML refuses the template; it does not say where.",
    "CRM230": 'Many readers never load pictures. `alt` says what they would see; alt="" marks an '
    "ornament.",
    "CRM231": "Mail programs remove scripts, forms and event attributes, and distrust the mail.",
    "CRM232": "A link begins with https:, mailto: or tel:.",
    "CRM233": "mj-title is the subject of the mail.",
    "CRM234": "The law of most countries wants a way to unsubscribe in each marketing mail.",
    "CRM235": "CAN-SPAM and like laws want the shop's postal address in each marketing mail.",
    "CRM236": "Gmail shows only the first 102 kB of a mail and hides the rest, the unsubscribe "
    "link included.",
    "CRM237": "The shop writes in this language, the template does not: those readers get the "
    "fallback language.",
    "CRM240": "The template is sound, but fails for some customers: the message says for which "
    'field. `{% if field %}` or `|default("")` helps.',
}
