"""Verbs about plans on paper: saved in a file, and applied later if nothing has changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from crm_mailer import planning
from crm_mailer.app import planning as acts
from crm_mailer.app import segments
from crm_mailer.app.plan_files import file_versions, in_words
from crm_mailer.app.plan_looks import Fingerprint, Readers
from crm_mailer.app.wiring import App
from crm_mailer.model.campaign import Campaign, Mode
from crm_mailer.model.errors import CannotWrite, NotPossible, SourceError
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.planning import PlanReport
from crm_mailer.planning.decisions import Decision
from crm_mailer.store import waiting
from crm_mailer.store.occasions import Occasion

#: Bumped when saved plans are written otherwise.
FORMAT = 2
#: Examples that a saved plan names.
SAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCampaign:
    """A campaign as it was when the plan was saved."""

    id: str
    version: str
    #: Template and language -> its version.
    templates: dict[str, str]
    #: The other files on which its mails depend -> their versions.
    files: dict[str, str]
    audience: str
    times: str
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
class Applied:
    """What applying a saved plan did, and which of its campaigns were planned since it was saved.

    The value is when the last mail of such a campaign was planned.
    """

    report: PlanReport
    before: dict[str, datetime] = field(default_factory=dict)


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
            Sentence("{path}: {why}", path=path, why=error.strerror or error),
            hint="look at the rights of the folder and the free space",
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
            why = Sentence("another version of the program wrote it")
            raise _no_plan(Sentence("{path} is no saved plan: {why}", path=path, why=why))
        campaigns = tuple(SavedCampaign(**one) for one in said["campaigns"])
        return SavedPlan(at=datetime.fromisoformat(said["at"]), campaigns=campaigns)
    except OSError as error:
        raise SourceError(
            Sentence("{path}: {why}", path=path, why=error.strerror or error),
            hint="look at the name",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _no_plan(
            Sentence("{path}: the file is damaged, or no saved plan", path=path)
        ) from error


def _no_plan(what: Sentence) -> SourceError:
    return SourceError(what, hint="`crm-mailer plan --save FILE` writes one")


def apply_saved(app: App, path: Path) -> Applied:
    """Do what the file says, if it is still what would be done.

    Raises:
        SourceError: it is no saved plan.
        NotPossible: a file, an audience or a time has changed, or a campaign is a draft.
    """
    saved = read(path)
    names = [one.id for one in saved.campaigns]
    _refuse_unknown(app, names)
    report, prints = _looked_at(app, names, app.clock.now())
    done = {
        then.id: at
        for then, one in zip(saved.campaigns, report.campaigns, strict=True)
        if (at := _done_at(app, then, one, saved.at)) is not None
    }
    changes = [
        change
        for then, one in zip(saved.campaigns, report.campaigns, strict=True)
        for change in _changes(
            then,
            _saved(app, one, prints),
            app.definitions.campaigns[then.id],
            is_done=then.id in done,
        )
    ]
    if changes:
        raise NotPossible(
            Sentence(
                "the plan does not hold any more, nothing was saved:\n  {changes}",
                changes=Sentences(*changes, between="\n  "),
            ),
            hint="look at it again: `crm-mailer plan --save FILE`",
        )
    return Applied(report=acts.apply(app, names, is_by_hand=True), before=done)


def _done_at(
    app: App, then: SavedCampaign, now: planning.CampaignPlan, since: datetime
) -> datetime | None:
    """When the campaign's part of the plan was carried out; None: it was not, or not all of it."""
    if now.planned or not then.planned:
        return None
    with app.store.read() as connection:
        number, last = waiting.count_planned(connection, then.id, then.version, since)
    return last if number >= then.planned else None


def _refuse_unknown(app: App, names: Sequence[str]) -> None:
    for name in names:
        if name not in app.definitions.campaigns:
            raise NotPossible(
                Sentence(
                    "the campaign `{name}` of the plan is gone or wrong, nothing was saved",
                    name=name,
                ),
                hint="`crm-mailer check` shows what is wrong",
            )


def _looked_at(app: App, campaigns: Sequence[str], now: datetime) -> tuple[PlanReport, Fingerprint]:
    prints, readers = Fingerprint(now), Readers(app)

    def watch(campaign: Campaign, occasion: Occasion, one: Decision, place: ZoneInfo) -> None:
        prints(campaign, occasion, one, place)
        readers(campaign, occasion, one, place)

    report = planning.plan(
        app.store,
        app.definitions,
        now=now,
        campaigns=campaigns or None,
        is_saved=False,
        segments=segments.edited(app),
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
        files=file_versions(app, campaign),
        audience=prints.of(campaign.id),
        times=prints.times_of(campaign.id),
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


def _changes(
    then: SavedCampaign, now: SavedCampaign, campaign: Campaign, *, is_done: bool
) -> list[str]:
    """What keeps the plan from being applied, as sentences; nothing where it was applied before."""
    if is_done:
        return []
    found: list[str] = []
    if campaign.mode is Mode.DRAFT:
        found.append(Sentence("{campaign}: its mode is draft", campaign=then.id))
    if then.version != now.version:
        found.append(Sentence("{campaign}: its file was changed", campaign=then.id))
    found += [
        Sentence("{campaign}: the template {name} was changed", campaign=then.id, name=name)
        for name in sorted({*then.templates, *now.templates})
        if then.templates.get(name) != now.templates.get(name)
    ]
    found += [
        Sentence("{campaign}: {file} was changed", campaign=then.id, file=in_words(name))
        for name in sorted({*then.files, *now.files})
        if then.files.get(name) != now.files.get(name)
    ]
    if then.version != now.version or not (then.planned or now.planned):
        return found  # who is left out anyway may be others by now
    if then.audience != now.audience:
        found.append(
            Sentence(
                "{campaign}: the audience changed: {before:,} mails and {out_before:,} left out "
                "then, {after:,} and {out_after:,} now",
                campaign=then.id,
                before=then.planned,
                out_before=then.left_out,
                after=now.planned,
                out_after=now.left_out,
            )
        )
    elif then.times != now.times:
        found.append(
            Sentence("{campaign}: mails would leave at other times than then", campaign=then.id)
        )
    return found
