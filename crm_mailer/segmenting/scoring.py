"""Load, decide, save: brings marks up to date as days pass, orders come in, limits change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.model.score import DEFAULT_PROFILE, RfmProfile, ScoreReason
from crm_mailer.segmenting import profiles
from crm_mailer.store import bulk, score_figures, score_standing, scores
from crm_mailer.store.engine import Store
from crm_mailer.store.score_standing import Standing
from crm_mailer.store.scores import Scoring

#: Rows are stamped when their transaction begins and seen when it ends: look back this far, so
#: that a slow import which began before the last run and ended after it is not passed over.
OVERLAP = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What became of the marks, and how they stand now.

    `since`: from when on rows are new to whoever works after this; None: all are.
    """

    rolled: int
    scored: int
    unscored: int
    since: datetime | None
    standing: Standing

    @property
    def is_new(self) -> bool:
        """Whether any mark may be another."""
        return bool(self.rolled or self.scored or self.unscored)

    def stand(self, store: Store, now: datetime) -> None:
        """Remember how things stand: the last step, so that a crash before it loses nothing."""
        with store.write() as connection:
            score_standing.stand(connection, self.standing, now)


def update_scores(
    store: Store, *, zone: ZoneInfo, now: datetime, profile: RfmProfile = DEFAULT_PROFILE
) -> Marked:
    """Bring all marks up to `now`: by the profile in force first, then by `profile` if another."""
    with store.read() as connection:
        known = score_standing.standing(connection)
        is_first = scores.is_empty(connection)
    if known is not None and not known.written:
        known = None  # an older program's
    look = Scoring(profile=_in_force(known, profile), now=now, place=zone)
    before = known if known and _still_holds(known, look) else None
    rolled = _roll(store, before, look)
    scored, unscored = _score(store, before, look)
    standing, remarked = _remark(store, known, look, written=profile, is_logged=not is_first)
    return Marked(
        rolled=rolled,
        scored=scored + remarked,
        unscored=unscored,
        since=before.seen_at if before else None,
        standing=standing,
    )


def rebuild_scores(
    store: Store, *, zone: ZoneInfo, now: datetime, profile: RfmProfile = DEFAULT_PROFILE
) -> int:
    """Score every customer from the orders, whatever was known; returns how many rows changed."""
    with store.read() as connection:
        known = score_standing.standing(connection)
    is_same = known is not None and known.written == score_standing.limits(profile)
    in_force = known.profile if known and is_same else profile
    scored, unscored = _score(store, None, Scoring(profile=in_force, now=now, place=zone))
    return scored + unscored


def _in_force(known: Standing | None, written: RfmProfile) -> RfmProfile:
    """The limits that the stored marks come from; the window is the new one at once."""
    if known is None:
        return written
    return replace(known.profile, window_days=written.window_days)


def _still_holds(known: Standing, look: Scoring) -> bool:
    """Whether small steps lead from there to here; else everybody is scored from the orders."""
    window = look.profile.window_days
    if known.zone != look.place.key or known.profile.window_days != window:
        return False
    return window is None or known.day <= look.today


def _roll(store: Store, before: Standing | None, look: Scoring) -> int:
    if before is None or before.day == look.today:
        return 0
    with store.write() as connection:
        rolled = scores.roll(connection, look, before=before.day)
        left = scores.out_of_window(look)
        return rolled + (scores.refresh(connection, look, changed=left) if left is not None else 0)


def _score(store: Store, before: Standing | None, look: Scoring) -> tuple[int, int]:
    """How many were scored, and how many are no buyers any more."""
    why = ScoreReason.PROFILE
    with store.write() as connection:
        if before is not None:
            changed = scores.changed_since(before.seen_at)
            with bulk.wide(connection):
                return scores.refresh_those(connection, look, changed=changed, otherwise=why)
        is_first = scores.is_empty(connection)
        scored = scores.refresh(connection, look, changed=None, otherwise=why)
        return scored, 0 if is_first else scores.remove_unpaid(connection, look)


def _remark(
    store: Store, known: Standing | None, look: Scoring, *, written: RfmProfile, is_logged: bool
) -> tuple[Standing, int]:
    """Put `written` in force where it is another, or its limits are due to be found anew."""
    name = score_standing.limits(written)
    cut_on = known.cut_on if known else None
    is_edited = known is None or known.written != name
    if not is_edited and (written.is_fixed or not profiles.is_cut_due(cut_on, look.today)):
        return _standing(look, name, cut_on), 0
    with store.write() as connection:
        target = profiles.resolve(connection, score_figures.stored(), written, look)
        by_target = replace(look, profile=target)
        is_other = target != look.profile
        changed = scores.remark(connection, by_target, is_logged=is_logged) if is_other else 0
        standing = _standing(by_target, name, None if written.is_fixed else look.today)
        if known is not None:  # what was seen stays: only the limits in force are new
            score_standing.stand(connection, _as_seen(standing, known), look.now)
    return standing, changed


def _as_seen(standing: Standing, known: Standing) -> Standing:
    return replace(standing, seen_at=known.seen_at, day=known.day, zone=known.zone)


def _standing(look: Scoring, written: str, cut_on: date | None) -> Standing:
    return Standing(
        seen_at=look.now - OVERLAP,
        day=look.today,
        zone=look.place.key,
        limits=score_standing.limits(look.profile),
        written=written,
        cut_on=cut_on,
    )
