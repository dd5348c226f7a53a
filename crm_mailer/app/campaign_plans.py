"""Verbs of the page that shows what would be planned for a campaign, and what an edit changes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from crm_mailer.app import campaign_texts, names, plan_diffs, planning, plans, remembered
from crm_mailer.app.plan_diffs import Difference
from crm_mailer.app.plans import SavedPlan
from crm_mailer.app.remembered import Told
from crm_mailer.app.wiring import App
from crm_mailer.definitions.files import MAX_BYTES
from crm_mailer.definitions.problems import Problem
from crm_mailer.model.errors import CannotWrite, DefinitionError, NotFound, NotPossible, SourceError
from crm_mailer.model.sentence import Sentence
from crm_mailer.planning import PlanReport

#: A plan is not worked out more often while nobody changes anything.
SELDOM = timedelta(seconds=30)
#: A person who asked for it waits so many seconds before the page says that it takes longer.
PATIENCE = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """An edited text of a campaign, and what it would change."""

    text: str
    #: By line against the file as it is.
    lines: tuple[campaign_texts.Line, ...]
    problems: tuple[Problem, ...] = ()
    difference: Difference | None = None
    is_counting: bool = False


def outlook(app: App, campaign: str) -> Told[PlanReport]:
    """What would be planned now, a draft as if it were live.

    Raises:
        NotFound: there is no such campaign.
        DefinitionError: its file is wrong.
    """
    found = names.campaign(app, campaign)
    return remembered.of(app).ask(
        ("plan", found.id, found.version, found.mode),
        partial(planning.plan, app, (found.id,)),
        patience=PATIENCE,
        keep=SELDOM,
        is_slow=True,
    )


def count_new(app: App, campaign: str) -> Told[int]:
    """How many mails it would plan now if it were live; errors as for `outlook`."""
    told = outlook(app, campaign)
    planned = told.value.planned if told.value is not None else None
    return Told(planned, told.at, told.is_counting)


# ------------------------------------------------------------------ a plan that is kept


def saved(app: App, campaign: str) -> SavedPlan | None:
    """The plan of the campaign that was kept; None where there is none that can be read."""
    with suppress(SourceError):
        return plans.read(_plan_path(app, campaign))
    return None


def save(app: App, campaign: str) -> int:
    """Keep what would be planned now, to be applied later; how many mails that is.

    Raises:
        NotFound: there is no such campaign.
        CannotWrite: the folder cannot be written.
    """
    found = names.campaign(app, campaign)
    path = _plan_path(app, found.id)
    _make(path.parent)
    return plans.save(app, (found.id,), path).planned


def apply(app: App, campaign: str) -> int:
    """Do what the kept plan says and put it away; how many mails were planned.

    Raises:
        NotFound: no plan is kept.
        NotPossible: it is not what would be done any more, or the campaign is a draft.
    """
    path = _plan_path(app, names.campaign(app, campaign).id)
    if not path.is_file():
        raise NotFound("no plan is kept", hint="keep one first")
    try:
        report = plans.apply_saved(app, path).report
    except NotPossible as error:
        raise NotPossible(
            str(error), hint="throw the kept plan away and keep the one of now"
        ) from error
    path.unlink(missing_ok=True)
    return report.planned


def forget(app: App, campaign: str) -> None:
    """Throw the kept plan away; errors as for `outlook`."""
    _plan_path(app, names.campaign(app, campaign).id).unlink(missing_ok=True)


# ------------------------------------------------------------------ trying an edit


def put_trial(app: App, campaign: str, text: str) -> None:
    """Keep an edited text for `trial` to look at; the campaign's file stays as it is.

    Raises:
        NotFound: there is no such campaign.
        NotPossible: it is too long.
        CannotWrite: the folder cannot be written.
    """
    path = _trial_path(app, names.campaign(app, campaign).id)
    whole = text.replace("\r\n", "\n").encode()
    if len(whole) > MAX_BYTES:
        raise NotPossible(Sentence("the text is larger than {number} kB", number=MAX_BYTES // 1000))
    _make(path.parent)
    try:
        path.write_bytes(whole)
    except OSError as error:
        raise _cannot_write(path, error) from error


def trial(app: App, campaign: str) -> Trial | None:
    """What the text that is tried would change; None where none is. Errors as for `outlook`."""
    found = names.campaign(app, campaign)
    path = _trial_path(app, found.id)
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    own = campaign_texts.text_of(app, found) or ""
    lines = tuple(campaign_texts.difference(own, text))
    if not lines:
        return Trial(text=text, lines=())
    key = ("trial", found.id, found.version, campaign_texts.digest(text))
    try:
        told = remembered.of(app).ask(
            key, partial(plan_diffs.diff, app, path), patience=PATIENCE, keep=SELDOM, is_slow=True
        )
    except DefinitionError as error:
        return Trial(text=text, lines=lines, problems=error.problems)
    except NotFound:
        raise NotPossible(
            "the text has another `id`: it would be a new campaign",
            hint=Sentence("write `id: {id}`, or throw the text away", id=found.id),
        ) from None
    return Trial(text=text, lines=lines, difference=told.value, is_counting=told.value is None)


def forget_trial(app: App, campaign: str) -> None:
    """Throw the text that is tried away; errors as for `outlook`."""
    _trial_path(app, names.campaign(app, campaign).id).unlink(missing_ok=True)


def _plan_path(app: App, campaign: str) -> Path:
    return app.home / ".cache" / "plans" / f"{campaign}.json"


def _trial_path(app: App, campaign: str) -> Path:
    return app.home / ".cache" / "tries" / f"{campaign}.yaml"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(path: Path, error: OSError) -> CannotWrite:
    return CannotWrite(
        Sentence("cannot write {path}: {why}", path=path, why=error.strerror or error),
        hint="look at the folder's rights",
    )
