"""What the pages say of campaigns, and what they expect of the coming month."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_mailer import i18n
from crm_mailer.app import App, campaign_calendar, campaign_texts
from crm_mailer.home import make_home
from crm_mailer.model.intervals import Interval
from crm_mailer.settings import read_settings
from crm_mailer.studio import campaign_charts, campaign_one, campaign_pages, campaign_words
from crm_mailer.studio.desk import Asked, Visitor
from crm_mailer.studio.roles import Role
from tests.conftest import NOON, StandingClock

TODAY = NOON.date()


@pytest.fixture(scope="module")
def starters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The whole starter set, with no customers."""
    home = tmp_path_factory.mktemp("starters") / "shop"
    make_home(home)
    app = App(home, read_settings(home, {}), StandingClock())
    yield app
    app.close()


def asked(app: App, **path: str) -> Asked:
    visitor = Visitor(name="lin", role=Role.ADMIN, language="en", csrf="-")
    return Asked(app=app, visitor=visitor, path=path, query={}, form={})


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_shipped_campaign_is_listed_drawn_and_told_in_words(
    starters: App, language: str
) -> None:
    with i18n.speaking(language):
        listed = campaign_pages.look(asked(starters))["campaigns"]
        assert len(listed) >= 30
        for one in listed:
            told = campaign_one.definition(asked(starters, id=one["id"]))
            found: Any = campaign_one.one(asked(starters, id=one["id"]))
            nodes = found["drawing"]["wide"].nodes
            assert told["begins"] == one["begins"] != ""
            assert [node.id for node in nodes] == [f"step-{step['id']}" for step in found["steps"]]


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(days=1), "1 day"),
        (timedelta(days=2, hours=1), "2 days 1 hour"),
        (timedelta(minutes=30), "30 minutes"),
        (timedelta(0), "no time"),
    ],
    ids=["day", "days", "minutes", "none"],
)
def test_a_time_is_said_in_days_hours_and_minutes(time: timedelta, words: str) -> None:
    assert campaign_words.duration(time) == words


def test_waits_of_a_first_step_count_from_the_event() -> None:
    day = timedelta(days=3)
    assert campaign_words.wait(day, is_first=True) == "wait 3 days"
    assert campaign_words.wait(-day, is_first=True) == "3 days before"
    assert campaign_words.wait(timedelta(0), is_first=True) == "at once"
    assert campaign_words.wait(timedelta(0), is_first=False) == "at the same time"


# ------------------------------------------------------------------ what is to be expected


def known(**more: Any) -> campaign_calendar._Known:
    given = {"today": TODAY, "planned": {}, "left": {}, "born": {}, "leap_day": (2, 28),
             "usual": 1.0, "everybody": 0, **more}  # fmt: skip
    return campaign_calendar._Known(**given)


def test_events_go_on_as_they_did_on_the_same_weekdays(starters: App) -> None:
    weeks = [TODAY - timedelta(days=7 * back) for back in range(1, 5)]
    left = {"shipped": {**dict.fromkeys(weeks, 10), TODAY: 4}}
    campaign = starters.definitions.campaigns["shipped"]

    found = campaign_calendar._by_pace(campaign, known(left=left))

    assert found[TODAY] == 6  # four have left today already
    assert found[TODAY + timedelta(days=7)] == 10
    assert found[TODAY + timedelta(days=8)] == 0
    assert len(found) == 31


def test_birthdays_are_counted_ahead_also_those_of_a_leap_day(starters: App) -> None:
    campaign = starters.definitions.campaigns["birthday"]
    born = {(2, 28): 10, (2, 29): 5, (3, 1): 7}
    facts = known(today=date(2026, 2, 20), born=born, usual=0.8, everybody=0)
    found = campaign_calendar._by_birthdays(starters, campaign, facts)
    assert campaign.anchor.days_before == 0  # type: ignore[union-attr]
    assert (found[date(2026, 2, 28)], found[date(2026, 3, 1)]) == (12, 6)


# ------------------------------------------------------------------ charts


def test_a_scale_has_room_for_all_and_round_places() -> None:
    scale = campaign_charts.scale([Interval(0.13, 0.107, 0.157), Interval(0.14, 0.12, 0.18)])
    assert [scale.low, scale.high] == pytest.approx([0, 0.2])
    assert [value for _at, value in scale.ticks] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    whisker = scale.whisker(Interval(0.1, -math.inf, math.inf))
    assert (whisker.low, whisker.value, whisker.high) == (0, 50, 100)


def test_a_scale_of_nothing_is_still_one() -> None:
    assert campaign_charts.scale([]).high > campaign_charts.scale([]).low
    assert campaign_charts.scale([Interval(0, 0, 0)]).high > 0


def test_a_sparkline_draws_no_bar_for_nothing() -> None:
    bars = campaign_charts.sparkline([0, 1, 100])
    assert [bar.height for bar in bars] == [2, 26]
    assert bars[0].x > 0
    assert campaign_charts.sparkline([0] * 14) == []


# ------------------------------------------------------------------ differences


def told(older: str, newer: str) -> list[tuple[str, str]]:
    lines = campaign_texts.difference(older, newer)
    return [(one.kind, "".join(f"[{part}]" if is_changed else part
                               for part, is_changed in one.parts)) for one in lines]  # fmt: skip


def test_words_that_were_changed_are_marked() -> None:
    found = told("id: a\nmode: draft  # x\n", "id: a\nmode: live  # x\n")
    assert found == [
        ("same", "id: a"),
        ("gone", "mode: [draft]  # x"),
        ("new", "mode: [live]  # x"),
    ]


def test_other_lines_are_not_marked_and_far_changes_have_a_gap() -> None:
    middle = "".join(f"{number}\n" for number in range(20))
    found = told(f"alpha beta\n{middle}end\n", f"zzz\n{middle}end\nmore\n")
    assert found[0] == ("gone", "alpha beta")
    assert ("gap", "") in found
    assert found[-1] == ("new", "more")
    assert len(found) == 2 + 3 + 1 + 3 + 1


def test_the_same_text_has_no_difference() -> None:
    assert told("a\nb\n", "a\nb\n") == []


def test_both_texts_can_be_read_out_of_a_difference() -> None:
    older = "a: 1\nb: 2\nc: three and four\nd: 5\n"
    newer = "a: 1\nc: three or four\nd: 5\ne: 6\n"
    lines = campaign_texts.difference(older, newer)
    then = [one for one in lines if one.kind in ("same", "gone")]
    now = [one for one in lines if one.kind in ("same", "new")]
    assert ["".join(part for part, _ in one.parts) for one in then] == older.splitlines()
    assert ["".join(part for part, _ in one.parts) for one in now] == newer.splitlines()
    assert [one.older for one in then] == [1, 2, 3, 4]
    assert [one.newer for one in now] == [1, 2, 3, 4]


def test_no_look_of_campaigns_has_a_style_or_a_script_of_its_own() -> None:
    looks = Path(campaign_pages.__file__).parent / "looks"
    for path in looks.glob("campaigns*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|\son[a-z]+=|<script(?![^>]*src=)", text), path.name
