"""Verbs for what marketers write: name every fault of it, explain one, tell editors its shape."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crm_mailer.app import standstill
from crm_mailer.app.wiring import App
from crm_mailer.definitions import codes, schema
from crm_mailer.definitions.column_maps import own_maps
from crm_mailer.definitions.files import read_yaml
from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.definitions.rates import read_rates
from crm_mailer.definitions.template_index import index
from crm_mailer.definitions.words_reader import words_of
from crm_mailer.model.campaign import Mode
from crm_mailer.model.collector import few_collections
from crm_mailer.model.errors import CannotWrite, DefinitionError
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering import check_shop, check_subjects, check_templates, check_values, uses
from crm_mailer.rendering.check_subjects import has_texts
from crm_mailer.rendering.check_values import Lack

#: Where a shop's schemas lie, beside its campaigns.
SCHEMAS = ".schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All findings in what marketers wrote, and how much was read."""

    problems: tuple[Problem, ...]
    campaigns: int
    segments: int
    curves: int

    def count(self, severity: Severity) -> int:
        """How many findings are as grave as this."""
        return sum(problem.severity is severity for problem in self.problems)

    @property
    def errors(self) -> int:
        """Faults that keep a file from being used."""
        return self.count(Severity.ERROR)


def check(app: App) -> CheckReport:
    """Read everything anew and name every fault in what people wrote, templates too."""
    app.reload()
    with few_collections():
        return _checked(app)


def _checked(app: App) -> CheckReport:
    found = app.definitions
    cache = app.home / ".cache"
    templates = index(app.templates_folder)
    lacks = check_values.lacks(found.campaigns.values(), templates)
    faults = {
        *found.problems,
        *check_shop(found.shop if found.has_shop else None, "campaigns/shop.yaml"),
        *check_templates(
            app.templates_folder,
            uses(found.campaigns.values(), {(one.campaign, one.template) for one in lacks}),
            shop=found.shop if found.has_shop else None,
            cache=cache,
        ),
        *_campaign_faults(app, templates, lacks),
        *over(app),
        *_faults_of(lambda: own_maps(app.home / "maps")),
        *_faults_of(lambda: read_rates(app.home / "rates.csv")),
        *_faults_of(lambda: words_of([app.home / "words"])),
    }
    return CheckReport(
        problems=tuple(sorted(faults, key=lambda one: one.order)),
        campaigns=len(found.campaigns),
        segments=len(found.segments),
        curves=len(found.curves),
    )


def _campaign_faults(
    app: App, templates: Mapping[str, Mapping[str, Path]], lacks: Collection[Lack]
) -> Iterator[Problem]:
    """What is wrong with texts in campaign files; other faults of those are told already."""
    for campaign in app.definitions.campaigns.values():
        lacking = [one for one in lacks if one.campaign == campaign.id]
        if not lacking and not has_texts(campaign):
            continue  # most have none, and reading the file again takes time
        with suppress(DefinitionError):
            file = read_yaml(app.home / campaign.path, campaign.path)
            yield from (check_values.problem(one, file) for one in lacking)
            yield from check_subjects(campaign, file, templates)


def over(app: App) -> Iterator[Problem]:
    """Campaigns that are to send and whose day is over."""
    now = app.clock.now()
    for campaign in app.definitions.campaigns.values():
        if campaign.mode is not Mode.DRAFT and standstill.is_over(campaign, now):
            with suppress(DefinitionError):
                yield read_yaml(app.home / campaign.path, campaign.path).problem(
                    "CRM164",
                    "the day is over, so that nothing is planned",
                    "anchor",
                    "date",
                    help="write the day that is meant, or `mode: draft`",
                    severity=Severity.WARNING,
                )


def _faults_of(read: Callable[[], object]) -> tuple[Problem, ...]:
    """What is wrong with files that the shop need not have: column maps, rates, words."""
    try:
        read()
    except DefinitionError as error:
        return error.problems
    return ()


def explain(code: str) -> str:
    """What a finding's code means and what to do.

    Raises:
        NotFound: there is no such code.
    """
    name, found = codes.find(code)
    return found.as_text(name)


def write_schemas(folder: Path) -> list[Path]:
    """Write the JSON Schema of each kind of file, for editors.

    Raises:
        CannotWrite: the folder cannot be written.
    """
    try:
        return schema.write(folder)
    except OSError as error:
        raise CannotWrite(
            Sentence("cannot write in {folder}: {why}", folder=folder, why=error.strerror or error),
            hint="choose a folder of your own",
        ) from error
