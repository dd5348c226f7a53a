from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from crm_mailer.app import App
from crm_mailer.app.curves import memory, note_hits
from crm_mailer.cli import curve_page, group
from crm_mailer.model.curve import Signal
from crm_mailer.model.errors import NotFound
from crm_mailer.planning.signals import Hit
from crm_mailer.store import tables as t
from tests.cli.conftest import Run
from tests.conftest import StandingClock
from tests.planning.courses import DAY, Post
from tests.planning.people import NOON, customer, order

CARE = "campaigns/lifecycle/post-purchase-care.yaml"


def anywhere(*arguments: str) -> Result:
    """Run a command where there is no shop."""
    return CliRunner().invoke(group, ["--home", "/nowhere", "curve", "show", *arguments])


def test_a_history_is_played_through_without_a_shop() -> None:
    result = anywhere("--json", "--signals", "N,C,O,U,C,N,R,C", "--first-half-life", "1",
                      "--retention", "0.5", "--backoff", "2", "--decay", "1.5")  # fmt: skip

    figures = json.loads(result.stdout)
    assert figures["gaps"] == pytest.approx(
        [1, 2, 2.3764, 3.5646, 5.0411, 7.8157, 15.6314, 23.9521], abs=5e-5
    )
    assert figures["offsets"][-1] == pytest.approx(61.3813, abs=5e-5)
    assert list(figures) == ["gaps", "offsets", "ended"]
    assert figures["ended"] == "done"


@pytest.mark.parametrize(
    ("letters", "ended"),
    [("N,N,N,N,N", "paused"), ("N,X", "stopped"), ("n c p", "done"), ("N", None), ("", None)],
)
def test_a_course_ends_as_done_paused_or_stopped(letters: str, ended: str | None) -> None:
    figures = json.loads(anywhere("--json", "--signals", letters).stdout)

    assert figures["ended"] == ended
    assert ("next_gap" in figures) is (ended is None)


def test_a_history_is_told_touch_by_touch() -> None:
    output = anywhere("--signals", "N,C").output

    assert "0.312" in output  # two half-lives after the first mail
    assert "2.3764" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--signals", "N,Q"], "signal 2, `Q`, is none of: N nothing, C click"),
        (["--signals", "N", "--decay", "nan"], "`nan` is no number"),
        (["--signals", "N", "--retention", "1.5"], "not in the range"),
        (["--signals", "N", "--first-half-life", "-1"], "not in the range"),
        (["--signals", "N " * 1001], "more than 1000 signals"),
        ([], "name a curve, or give --customer or --signals"),
        (["textbook5", "--customer", "anna"], "--customer goes with neither"),
        (["textbook5", "--backoff", "2"], "--backoff goes with --signals"),
        (["--signals", "N", "--campaign", "care"], "--campaign goes with --customer"),
        (["--signals", "N", "--anchor", "2026-11-20"], "--anchor goes with a curve alone"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: list[str], message: str) -> None:
    result = anywhere(*arguments)

    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_the_parameters_of_a_curve_of_the_shop_are_taken(run: Run) -> None:
    offers = run(
        "curve", "show", "adaptive-promotion", "--json", "--signals", "NNNN".replace("", " ")
    )
    ladder = run("curve", "show", "textbook5", "--signals", "N")

    assert json.loads(offers.stdout)["offsets"] == [3, 9, 21, 45]
    assert ladder.exit_code == 4 or "is a ladder" in str(ladder.exception)


def test_an_adaptive_curve_shows_two_lives(run: Run) -> None:
    result = run("curve", "show", "adaptive", "--anchor", "2026-11-20")

    assert "a customer who stays silent" in result.output
    assert "15d" in result.output
    assert "217d" in result.output
    view = json.loads(run("curve", "show", "adaptive", "--json").stdout)["data"]
    assert [place["after"] for place in view["places"]] == ["1d", "3d", "7d", "15d"]


def test_adaptive_curves_are_listed_by_their_silent_days(run: Run) -> None:
    output = run("curve", "list").output

    assert "3d  9d  21d  45d" in output
    assert "1d  3d  7d  15d if silent" in output


@pytest.fixture
def shop_with_a_course(shop_home: Path, clock: StandingClock, app: App) -> App:
    """Post-purchase care on the adaptive curve: two mails left, the second was clicked."""
    file = shop_home / CARE
    text = file.read_text().replace("curve: textbook5", "curve: adaptive")
    file.write_text(text.replace("mode: draft", "mode: live"))
    app.reload()
    anna = customer(app.store, time_zone="UTC")
    order(app.store, anna, arrived=NOON)
    post = Post(store=app.store, campaign=app.definitions.campaigns["post-purchase-care"])
    post.days(5, {anna: "NC"})
    post.look()
    clock.moment = post.now
    return app


def test_a_customers_memory_is_drawn_with_mails_and_signals(shop_with_a_course: App) -> None:
    view = memory(shop_with_a_course, "anna@example.com")

    (course,) = view.courses
    assert [(touch.signal, round(touch.elapsed, 3)) for touch in course.touches] == [
        (Signal.NOTHING, 1.0), (Signal.CLICK, 2.0)]  # fmt: skip
    assert course.half_life == pytest.approx(2.3764, abs=1e-4)
    assert course.next_at is not None
    assert course.next_at.date() - course.touches[-1].at.date() == 2 * DAY
    chart = curve_page.chart(course, view.now)
    rows = chart.splitlines()
    assert rows[0].startswith("100 %|")
    assert rows[-5].count("M") == 2
    assert rows[-5].rstrip().endswith("?")
    assert rows[-4].split() == ["c"]


def test_the_memory_is_what_the_table_holds(shop_with_a_course: App) -> None:
    from tests.planning.courses import state

    view = memory(shop_with_a_course, "anna@example.com", campaign="post-purchase-care")

    row = state(shop_with_a_course.store, view.customer_id)
    assert view.courses[0].half_life == pytest.approx(row.next_half_life)
    assert view.courses[0].misses == row.next_misses


def test_a_customers_memory_in_the_terminal(shop_with_a_course: App, run: Run) -> None:
    shop_with_a_course.close()

    result = run("curve", "show", "--customer", "anna@example.com")
    script = json.loads(run("curve", "show", "--customer", "1", "--json").stdout)["data"]

    assert "half-life" in result.output
    assert "2.4 days" in result.output
    assert script["courses"][0]["touches"][1]["signal"] == "click"


def test_a_customer_without_a_course_and_nobody(run: Run, app: App) -> None:
    customer(app.store)

    assert "no campaign on an adaptive curve" in run("curve", "show", "--customer", "1").output
    nobody = run("curve", "show", "--customer", "nobody@example.com")
    assert "nobody@example.com" in str(nobody.exception)
    other = run("curve", "show", "--customer", "1", "--campaign", "post-purchase-cara")
    assert getattr(other.exception, "hint", "") == "did you mean `post-purchase-care`?"


def test_what_public_pages_tell_is_judged_and_kept_once(shop_with_a_course: App) -> None:
    app = shop_with_a_course
    with app.store.read() as connection:
        mail = connection.scalar(sa.select(sa.func.min(t.touches.c.id)))
    hit = Hit(at=NOON + 2 * DAY, link="/shop", agent="Mozilla/5.0 (X11) Firefox/131.0")

    assert note_hits(app, mail, [hit], links=3) == (Signal.CLICK,)
    assert note_hits(app, mail, [hit], links=3) == ()
    with pytest.raises(NotFound, match="no mail 999 has left"):
        note_hits(app, 999, [hit], links=3)


def test_a_wrong_adaptive_campaign_is_named(run: Run, shop_home: Path) -> None:
    file = shop_home / CARE
    text = file.read_text().replace("curve: textbook5", "curve: adaptive")
    file.write_text(text.replace("template: care/care-2", "template: care/care-2\n    after: 4d"))

    result = run("check")

    assert "CRM180" in result.output
