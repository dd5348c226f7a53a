"""Verbs about plans on paper: saved and applied later, or compared with an edited file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from crm_mailer import planning
from crm_mailer.app.plan_looks import Fate, Fates, Fingerprint, Key, Readers
from crm_mailer.app.wiring import App
from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.problems import Problem, raise_errors
from crm_mailer.definitions.template_index import index
from crm_mailer.model.campaign import Campaign, Mode
from crm_mailer.model.errors import CannotWrite, NotFound, NotPossible, SourceError
from crm_mailer.planning import PlanReport
from crm_mailer.planning.decisions import Decision
from crm_mailer.store import touches
from crm_mailer.store.occasions import Occasion

#: Bumped when saved plans are written otherwise.
FORMAT = 1
#: Examples that a difference names, or a saved plan.
SAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCampaign:
    """A campaign as it was when the plan was saved."""

    id: str
    version: str
    #: Template and language -> its version.
    templates: dict[str, str]
    audience: str
    planned: int
    left_out: int
    #: A few of its mails, for whoever reads the file: customer, step, when there, language.
    samples: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan in a file."""

    at: datetime
    campaigns: tuple[SavedCampaign, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One mail of a difference."""

    kind: str
    email: str
    step: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What an edited file changes, by kind: added, dropped, moved, rewritten, same."""

    campaign: str
    counts: dict[str, int]
    examples: tuple[Example, ...]
    #: Mails of the running version that wait already: they stay as they were planned.
    waiting: int


# ------------------------------------------------------------------ saved plans


def save(app: App, campaigns: Sequence[str], path: Path) -> PlanReport:
    """Plan, write nothing to the database, and keep in a file what `apply FILE` is to do.

    Raises:
        CannotWrite: the file cannot be written.
    """
    now = app.clock.now()
    report, prints = _looked_at(app, campaigns, now)
    saved = SavedPlan(at=now, campaigns=tuple(_saved(app, one, prints) for one in report.campaigns))
    said = {"format": FORMAT, **asdict(saved), "at": now.isoformat()}
    try:
        path.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise CannotWrite(
            f"{path}: {error.strerror}", hint="look at the rights of the folder and the free space"
        ) from error
    return report


def read(path: Path) -> SavedPlan:
    """The plan in a file.

    Raises:
        SourceError: it is no saved plan.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said.pop("format") != FORMAT:
            raise ValueError("another version of the program wrote it")
        campaigns = tuple(SavedCampaign(**one) for one in said["campaigns"])
        return SavedPlan(at=datetime.fromisoformat(said["at"]), campaigns=campaigns)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}", hint="look at the name") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{path} is no saved plan: {error}", hint="`crm-mailer plan --save FILE` writes one"
        ) from error


def apply_saved(app: App, path: Path) -> PlanReport:
    """Do what the file says, if it is still what would be done.

    Raises:
        SourceError: it is no saved plan.
        NotPossible: a campaign, a template or an audience has changed, or is a draft.
    """
    saved = read(path)
    names = [one.id for one in saved.campaigns]
    _refuse_unknown(app, names)
    now = app.clock.now()
    report, prints = _looked_at(app, names, now)
    changes = [
        change
        for then, one in zip(saved.campaigns, report.campaigns, strict=True)
        for change in _changes(then, _saved(app, one, prints), app.definitions.campaigns[then.id])
    ]
    if changes:
        raise NotPossible(
            "the plan does not hold any more, nothing was saved:\n  " + "\n  ".join(changes),
            hint="look at it again: `crm-mailer plan --save FILE`",
        )
    return planning.plan(app.store, app.definitions, now=now, campaigns=names, is_saved=True)


def _refuse_unknown(app: App, names: Sequence[str]) -> None:
    for name in names:
        if name not in app.definitions.campaigns:
            raise NotPossible(
                f"the campaign `{name}` of the plan is gone or wrong, nothing was saved",
                hint="`crm-mailer check` shows what is wrong",
            )


def _looked_at(app: App, campaigns: Sequence[str], now: datetime) -> tuple[PlanReport, Fingerprint]:
    prints, readers = Fingerprint(), Readers(app)

    def watch(campaign: Campaign, occasion: Occasion, one: Decision, place: ZoneInfo) -> None:
        prints(campaign, occasion, one, place)
        readers(campaign, occasion, one, place)

    report = planning.plan(
        app.store,
        app.definitions,
        now=now,
        campaigns=campaigns or None,
        is_saved=False,
        watch=watch,
    )
    in_order = sorted(report.campaigns, key=lambda one: one.campaign)
    for one in in_order:
        readers.tell(one)
    return replace(report, campaigns=tuple(in_order)), prints


def _saved(app: App, one: planning.CampaignPlan, prints: Fingerprint) -> SavedCampaign:
    campaign = app.definitions.campaigns[one.campaign]
    return SavedCampaign(
        id=campaign.id,
        version=campaign.version,
        templates=_templates(app, campaign),
        audience=prints.of(campaign.id),
        planned=one.planned,
        left_out=sum(one.left_out.values()),
        samples=[
            {
                "customer": row.email or f"#{row.customer_id}",
                "step": row.step,
                "when": f"{row.local:%Y-%m-%d %H:%M} {row.zone}",
                "language": row.language,
            }
            for row in one.rows[:SAMPLES]
        ],
    )


def _templates(app: App, campaign: Campaign) -> dict[str, str]:
    """The versions of all templates that the campaign's mails may use."""
    names = {step.template for step in campaign.steps} | {
        arm.template
        for step in campaign.steps
        if step.trial is not None
        for arm in step.trial.arms
        if arm.template
    }
    return {
        f"{name}.{code}": app.templates.get(name, code).version
        for name in sorted(names)
        for code in sorted(app.templates.languages(name))
    }


def _changes(then: SavedCampaign, now: SavedCampaign, campaign: Campaign) -> list[str]:
    """What keeps the plan from being applied, as sentences."""
    found = []
    if campaign.mode is Mode.DRAFT:
        found.append(f"{then.id}: its mode is draft")
    if then.version != now.version:
        found.append(f"{then.id}: its file was changed")
    found += [
        f"{then.id}: the template {name} was changed"
        for name in sorted({*then.templates, *now.templates})
        if then.templates.get(name) != now.templates.get(name)
    ]
    is_done = not now.planned and not now.left_out  # applied before: nothing is left to do
    if then.version == now.version and then.audience != now.audience and not is_done:
        found.append(
            f"{then.id}: the audience changed: {then.planned:,} mails and {then.left_out:,} left "
            f"out then, {now.planned:,} and {now.left_out:,} now"
        )
    return found


# ------------------------------------------------------------------ what an edit changes


def diff(app: App, path: Path) -> Difference:
    """What would change if the file at `path` took the place of the campaign with its id.

    Raises:
        DefinitionError: the file is wrong.
        NotFound: no campaign of the shop has its id.
    """
    edited = _read(app, path)
    found = app.definitions
    if edited.id not in found.campaigns:
        raise NotFound(
            f"the shop has no campaign `{edited.id}`: all of it is new",
            hint="put the file into campaigns/ and look at it with `crm-mailer plan`",
        )
    after = replace(found, campaigns={**found.campaigns, edited.id: edited})
    fates = []
    for definitions in (found, after):
        watch = Fates()
        planning.plan(
            app.store,
            definitions,
            now=app.clock.now(),
            campaigns=[edited.id],
            is_saved=False,
            watch=watch,
        )
        fates.append(watch.known)
    with app.store.read() as connection:
        waiting = len(touches.list_unsent(connection, edited.id))
    return compare(edited.id, fates[0], fates[1], waiting=waiting)


def _read(app: App, path: Path) -> Campaign:
    found = app.definitions
    problems: list[Problem] = []
    known = Known(
        shop=app.shop,
        curves=found.curves,
        segments=found.segments,
        festivals=found.festivals,
        templates=index(app.templates_folder),
    )
    campaign = read_campaign(path, known, problems)
    raise_errors(problems)
    assert campaign is not None
    return campaign


def compare(
    campaign: str, before: dict[Key, Fate], after: dict[Key, Fate], *, waiting: int = 0
) -> Difference:
    """The difference of two plans of one campaign."""
    counts: Counter[str] = Counter()
    examples: list[Example] = []
    for key in sorted({*before, *after}):
        then, now = before.get(key), after.get(key)
        kind = _kind(then, now)
        if not kind:
            continue
        counts[kind] += 1
        if kind != "same" and sum(one.kind == kind for one in examples) < SAMPLES:
            email = (then or now or _NOBODY).email
            examples.append(
                Example(kind=kind, email=email, step=key[2], before=_told(then), after=_told(now))
            )
    return Difference(
        campaign=campaign, counts=dict(counts), examples=tuple(examples), waiting=waiting
    )


_NOBODY = Fate(datetime.min, "", None, "")  # noqa: DTZ901


def _kind(then: Fate | None, now: Fate | None) -> str:
    """How the mail differs; nothing where there is none before and after."""
    was, is_ = (one is not None and one.reason is None for one in (then, now))
    if not was and not is_:
        return ""
    if was != is_:
        return "added" if is_ else "dropped"
    assert then is not None
    assert now is not None
    if then.template != now.template:
        return "rewritten"
    return "moved" if then.due_at != now.due_at else "same"


def _told(fate: Fate | None) -> str:
    if fate is None:
        return ""
    return fate.reason.value if fate.reason else f"{fate.due_at:%Y-%m-%d %H:%M} {fate.template}"
