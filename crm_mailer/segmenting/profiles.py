"""Turns a profile as written into limits: quantiles and means become numbers of this shop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from crm_mailer.model.score import RfmProfile
from crm_mailer.store import score_figures
from crm_mailer.store.engine import Connection
from crm_mailer.store.score_figures import Cuts
from crm_mailer.store.scores import Scoring

#: A mark that nobody reaches: none of the five is above the mean.
_NEVER = 6


def is_cut_due(cut_on: date | None, today: date) -> bool:
    """Whether limits that come from the customers are found anew: once in a calendar month."""
    return cut_on is None or (cut_on.year, cut_on.month) != (today.year, today.month)


def with_cuts(profile: RfmProfile, found: Cuts) -> RfmProfile:
    """The profile with limits that `found` the figures at its quantiles.

    Days are limits that still belong to the better mark; orders and money must be above theirs,
    so that customers who are alike are marked alike, however many they are.
    """
    return replace(
        profile,
        r_days=_four(found.days),
        f_orders=_four([limit + 1 for limit in found.orders]),
        m_usd_cents=_four([limit + 1 for limit in found.cents]),
    )


def with_means(profile: RfmProfile, means: Sequence[float]) -> RfmProfile:
    """The profile in which a mark counts as high when it is above the mean."""
    r, f, m = (min(_NEVER, math.floor(mean) + 1) for mean in means)
    return replace(profile, high=(r, f, m))


def resolve(
    connection: Connection, figures: score_figures.Figures, written: RfmProfile, scoring: Scoring
) -> RfmProfile:
    """The limits that `written` comes to for these figures; as written without any customer."""
    profile = written
    if written.quantiles is not None:
        best_first = written.quantiles
        found = score_figures.cuts(connection, figures, best_first, scoring)
        profile = with_cuts(written, found) if found else written
    if written.is_high_by_mean:
        look = replace(scoring, profile=profile)
        means = score_figures.mean_marks(connection, figures, look)
        profile = with_means(profile, means) if means else profile
    return profile


def _four(limits: Sequence[int]) -> tuple[int, int, int, int]:
    first, second, third, fourth = limits
    return first, second, third, fourth
