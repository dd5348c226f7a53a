"""The verb that compares an edited campaign file with the one in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from crm_mailer import planning
from crm_mailer.app import segments
from crm_mailer.app.plan_looks import Fate, Fates, Key, shown_at
from crm_mailer.app.wiring import App
from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.library import Definitions
from crm_mailer.definitions.problems import Problem, raise_errors
from crm_mailer.definitions.template_index import index
from crm_mailer.model.campaign import Campaign, Mode
from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning.decisions import zone_of
from crm_mailer.planning.giving_way import GaveWay
from crm_mailer.store import exits, touches, waiting, wanted
from crm_mailer.store.engine import Connection
from crm_mailer.store.homes import of_all
from crm_mailer.store.look import Look

#: Examples that a difference names of each kind.
SAMPLES = 5
#: Kinds of what happens to mails that wait already, what comes first weighs most.
WAITING = ("ended", "withheld", "let_go", "regiven", "asked_anew", "outlives")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One mail of a difference; times are the customer's own, with their zone."""

    kind: str
    email: str
    step: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What an edited file changes.

    `counts` holds new mails by kind: added, dropped, held (for a person), released, moved,
    rewritten, same; and mails that wait already by the kinds of `WAITING`. What outlives its step
    leaves as it was planned, and its occasion gets no mail of the steps that came instead. What
    gives way of other campaigns stands in `gave_way`.
    """

    campaign: str
    counts: dict[str, int]
    examples: tuple[Example, ...]
    #: Mails that wait already and stay as they were planned.
    waiting: int
    #: Mails of other campaigns that would give way, with the edited file and (`gave_way_before`)
    #: with the one in force.
    gave_way: tuple[GaveWay, ...] = ()
    gave_way_before: tuple[GaveWay, ...] = ()

    @property
    def is_any(self) -> bool:
        """Whether any mail changes."""
        return bool(self.counts.keys() - {"same"}) or self.gave_way != self.gave_way_before


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
            Sentence("the shop has no campaign `{id}`: all of it is new", id=edited.id),
            hint="put the file into campaigns/ and look at it with `crm-mailer plan`",
        )
    live = found.campaigns[edited.id]
    after = replace(found, campaigns={**found.campaigns, edited.id: edited})
    is_switched = live.mode is not edited.mode
    then, gave_way_then = _fates(app, found, live, is_switched=is_switched)
    now, gives_way_now = _fates(app, after, edited, is_switched=is_switched)
    new = replace(
        compare(edited.id, then, now), gave_way=gives_way_now, gave_way_before=gave_way_then
    )
    return _with_waiting(app, new, live, edited)


def _fates(
    app: App, definitions: Definitions, campaign: Campaign, *, is_switched: bool
) -> tuple[dict[Key, Fate], tuple[GaveWay, ...]]:
    """What would be planned, and what of others gives way to it; a draft as if it were live,
    unless that is what is changed.
    """
    if is_switched and campaign.mode is Mode.DRAFT:
        return {}, ()
    watch = Fates()
    report = planning.plan(
        app.store,
        definitions,
        now=app.clock.now(),
        campaigns=[campaign.id],
        is_saved=False,
        segments=segments.edited(app),
        watch=watch,
    )
    return watch.known, tuple(other for one in report.campaigns for other in one.gave_way)


def _read(app: App, path: Path) -> Campaign:
    found = app.definitions
    problems: list[Problem] = []
    known = Known(
        shop=app.shop,
        curves=found.curves,
        segments=found.segments,
        festivals=found.festivals,
        templates=index(app.templates_folder),
        benefits=found.benefits,
        campaigns=found.ids,
    )
    campaign = read_campaign(path, known, problems)
    raise_errors(problems)
    assert campaign is not None
    curve = found.curves.get(campaign.curve)
    return replace(campaign, adaptive=curve.adaptive) if curve is not None else campaign


# ------------------------------------------------------------------ mails that are new


def compare(campaign: str, before: dict[Key, Fate], after: dict[Key, Fate]) -> Difference:
    """The difference of two plans of one campaign."""
    counts: Counter[str] = Counter()
    examples: list[Example] = []
    for key in sorted({*before, *after}):
        then, now = before.get(key), after.get(key)
        kind = _kind(then, now)
        if not kind:
            continue
        counts[kind] += 1
        if kind != "same" and counts[kind] <= SAMPLES:
            email = next(one.email for one in (then, now) if one is not None)
            examples.append(
                Example(kind=kind, email=email, step=key[2], before=_told(then), after=_told(now))
            )
    return Difference(campaign=campaign, counts=dict(counts), examples=tuple(examples), waiting=0)


def _kind(then: Fate | None, now: Fate | None) -> str:
    """How the mail differs; nothing where there is none before and after."""
    was, is_ = (one is not None and one.reason is None for one in (then, now))
    if not was and not is_:
        return ""
    if was != is_:
        return "added" if is_ else "dropped"
    assert then is not None
    assert now is not None
    if then.mode is not now.mode:
        return "held" if now.mode is Mode.MANUAL else "released"
    if then.words != now.words:
        return "rewritten"
    return "moved" if then.due_at != now.due_at else "same"


def _told(fate: Fate | None) -> str:
    if fate is None:
        return ""
    return fate.reason.value if fate.reason else f"{fate.local} {fate.template}"


# ------------------------------------------------------------------ mails that wait already


def _with_waiting(app: App, new: Difference, live: Campaign, edited: Campaign) -> Difference:
    """The difference with what the edit does to mails that wait already."""
    look = Look.of(app.shop, app.clock.now(), of_all(app.store), segments=segments.edited(app))
    with app.store.read() as connection:
        fates = _fates_of_waiting(connection, live, edited, look)
        counts = Counter(kind for kind, _reason in fates.values())
        examples = [
            example
            for kind in WAITING
            for example in _examples(app, connection, kind, fates, edited)
        ]
        everything = waiting.count_unsent(connection, edited.id)
    return replace(
        new,
        counts={**new.counts, **counts},
        examples=(*examples, *new.examples),
        waiting=everything - len(fates),
    )


def _fates_of_waiting(
    connection: Connection, live: Campaign, edited: Campaign, look: Look
) -> dict[int, tuple[str, SkipReason | None]]:
    """What becomes of those mails that do not stay as they are: their kind, and why they end."""
    found: dict[int, tuple[str, SkipReason | None]] = {}
    own = edited.id
    gone = [step.id for step in live.steps if step.id not in {one.id for one in edited.steps}]
    found |= dict.fromkeys(waiting.list_of_steps(connection, own, gone), ("outlives", None))
    for kind, steps in (
        ("asked_anew", _steps_that_differ(live, edited, "condition")),
        ("regiven", _steps_that_differ(live, edited, "benefit")),
    ):
        found |= dict.fromkeys(waiting.list_of_steps(connection, own, steps), (kind, None))
    if live.mode is not edited.mode and edited.mode is Mode.LIVE:
        found |= dict.fromkeys(touches.list_held_by_file(connection, [own]), ("let_go", None))
    if live.mode is not edited.mode and edited.mode is Mode.DRAFT:
        found |= dict.fromkeys(touches.list_waiting(connection, [own]), ("withheld", None))
        return found  # a draft ends nothing
    if edited.mode is Mode.DRAFT:
        return found
    ended_anyway = _ended(connection, live, look) if live.mode is not Mode.DRAFT else {}
    for id_, reason in _ended(connection, edited, look).items():
        if id_ not in ended_anyway:
            found[id_] = "ended", reason
    return found


def _ended(connection: Connection, campaign: Campaign, look: Look) -> dict[int, SkipReason]:
    """What the next planning would end, by the campaign's file."""
    found = dict.fromkeys(exits.list_exited(connection, [campaign]), SkipReason.EXITED)
    for reason, ids in wanted.list_by_file(connection, campaign, look).items():
        found |= dict.fromkeys(ids, reason)
    return found


def _steps_that_differ(live: Campaign, edited: Campaign, field: str) -> list[str]:
    """The steps of the running version for which the edit says something else."""
    new = {step.id: getattr(step, field) for step in edited.steps}
    return [
        step.id for step in live.steps if step.id in new and new[step.id] != getattr(step, field)
    ]


def _examples(
    app: App,
    connection: Connection,
    kind: str,
    fates: Mapping[int, tuple[str, SkipReason | None]],
    edited: Campaign,
) -> list[Example]:
    ids = [id_ for id_, (its, _why) in fates.items() if its == kind][:SAMPLES]
    return [
        Example(
            kind=kind,
            email=row.email,
            step=row.step,
            before=f"{shown_at(row.due_at, zone_of(row.home, app.shop))} {row.template}",
            after=fates[row.id][1] or (_given(edited, row.step) if kind == "regiven" else ""),
        )
        for row in waiting.rows(connection, ids)
    ]


def _given(edited: Campaign, step: str) -> str:
    benefit = edited.benefit_of(step)
    return benefit.id if benefit is not None else ""
