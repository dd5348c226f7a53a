from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from crm_mailer.app import App, plan_diffs, planning
from crm_mailer.app.plan_diffs import Difference
from crm_mailer.cli import campaign_page
from crm_mailer.model.errors import DefinitionError
from tests.conftest import NOON
from tests.planning.people import customer, touches
from tests.small_shop import small_shop

TOMORROW = (NOON + timedelta(days=1)).date()
NEXT_WEEK = (NOON + timedelta(days=8)).date()
SALE = f"""id: sale
name: Sale
mode: live
anchor: {{date: {TOMORROW}}}
audience: {{country: {{in: [GB, DE]}}}}
send_at: "10:00"
steps:
  - {{id: announce, template: growth/new-arrivals}}
vars:
  headline: {{en: News}}
  intro: {{en: Hello there}}
  products: []
"""
Edit = Callable[..., Difference]


@pytest.fixture
def shop_home(tmp_path: Path) -> Path:
    return small_shop(tmp_path / "shop", set(), {"growth/new-arrivals"}, {"en"})


@pytest.fixture
def file(shop_home: Path, app: App) -> Path:
    path = shop_home / "campaigns" / "edm" / "sale.yaml"
    path.write_text(SALE, encoding="utf-8")
    for number, country in enumerate(("GB", "DE", "GB")):
        customer(app.store, f"c{number}", country=country, time_zone="")
    return path


@pytest.fixture
def edit(app: App, file: Path, tmp_path: Path) -> Edit:
    """Compares the campaign with a text in which words are replaced."""

    def compare(*pairs: tuple[str, str]) -> Difference:
        text = file.read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "edited.yaml").write_text(text, encoding="utf-8")
        return plan_diffs.diff(app, tmp_path / "edited.yaml")

    return compare


def put_in_place(app: App, file: Path, tmp_path: Path) -> None:
    file.write_text((tmp_path / "edited.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    app.reload()
    planning.apply(app, is_by_hand=True)


def test_a_draft_holds_what_waits(app: App, edit: Edit, file: Path, tmp_path: Path) -> None:
    planning.apply(app)

    found = edit(("mode: live", "mode: draft"))
    put_in_place(app, file, tmp_path)

    assert (found.counts, found.waiting) == ({"withheld": 3}, 0)
    assert Counter(touches(app.store, "state")) == {("held",): 3}
    again = edit(("mode: draft", "mode: live"))
    put_in_place(app, file, tmp_path)
    assert (again.counts, again.waiting) == ({"let_go": 3}, 0)
    assert Counter(touches(app.store, "state")) == {("planned",): 3}


def test_another_date_ends_what_waits(app: App, edit: Edit, file: Path, tmp_path: Path) -> None:
    planning.apply(app)

    found = edit((str(TOMORROW), str(NEXT_WEEK)))
    put_in_place(app, file, tmp_path)

    assert (found.counts, found.waiting) == ({"added": 3, "ended": 3}, 0)
    assert Counter(touches(app.store, "state", "reason")) == {("skipped", "new_anchor"): 3}


def test_who_left_the_new_audience_is_ended_where_that_is_an_exit(
    app: App, edit: Edit, file: Path, tmp_path: Path
) -> None:
    planning.apply(app)

    found = edit(("in: [GB, DE]}}", "in: [GB]}}\nexit: unmatched"))
    put_in_place(app, file, tmp_path)

    assert (found.counts, found.waiting) == ({"ended": 1}, 2)
    assert ("skipped", "not_in_audience") in touches(app.store, "state", "reason")
    [example] = found.examples
    assert (example.email, example.after) == ("c1@example.com", "not_in_audience")
    assert example.before == f"{TOMORROW} 10:00 Europe/Berlin growth/new-arrivals"


def test_an_edit_that_is_refused_tells_of_an_unknown_campaign_too(edit: Edit) -> None:
    with pytest.raises(DefinitionError) as found:
        edit(
            ("{country: {in: [GB, DE]}}", "{mailed: {campaign: salle}}"),
            ("growth/new-arrivals", "growth/no-arrivals"),
        )
    assert {one.code for one in found.value.problems} == {"CRM143", "CRM115"}


def test_a_new_condition_is_asked_of_what_waits(app: App, edit: Edit) -> None:
    planning.apply(app)

    found = edit(("template: growth/new-arrivals", "template: growth/new-arrivals, if: {r: 5}"))

    assert (found.counts, found.waiting) == ({"asked_anew": 3}, 0)


def test_mails_outlive_a_step_that_gets_another_id(
    app: App, edit: Edit, file: Path, tmp_path: Path
) -> None:
    planning.apply(app)

    found = edit(("id: announce", "id: tell"))
    put_in_place(app, file, tmp_path)

    assert (found.counts, found.waiting) == ({"outlives": 3}, 0)
    assert Counter(touches(app.store, "step", "state")) == {("announce", "planned"): 3}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("template: growth/new-arrivals", "template: growth/new-arrivals, subject: {en: Hi}"),
        ("Hello there", "Good day"),
    ],
    ids=["subject", "vars"],
)
def test_other_words_are_told_of_new_mails_and_leave_planned_ones_alone(
    app: App, edit: Edit, old: str, new: str
) -> None:
    assert edit((old, new)).counts == {"rewritten": 3}
    planning.apply(app)
    found = edit((old, new))

    assert (found.counts, found.waiting, found.is_any) == ({}, 3, False)


def test_modes_of_new_mails_are_told(edit: Edit) -> None:
    assert edit(("mode: live", "mode: manual")).counts == {"held": 3}
    assert edit(("mode: live", "mode: draft")).counts == {"dropped": 3}


def test_times_are_those_of_the_customer(edit: Edit) -> None:
    found = edit(("10:00", "12:00"))

    told = {one.email: one for one in found.examples}
    assert told["c1@example.com"].before.startswith(f"{TOMORROW} 10:00 Europe/Berlin")
    assert told["c1@example.com"].after.startswith(f"{TOMORROW} 12:00 Europe/Berlin")


def test_a_draft_that_stays_one_is_compared_as_if_it_were_live(
    app: App, edit: Edit, file: Path
) -> None:
    file.write_text(SALE.replace("mode: live", "mode: draft"), encoding="utf-8")
    app.reload()

    assert edit(("10:00", "12:00")).counts == {"moved": 3}


def test_what_becomes_of_planned_mails_is_shown(
    app: App, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    planning.apply(app)

    campaign_page.difference(edit((str(TOMORROW), str(NEXT_WEEK))))

    shown = capsys.readouterr()
    assert "3  planned already: would be ended" in shown.out
    assert "no mail changes" not in shown.out + shown.err
    campaign_page.difference(edit(("News", "Newer")))
    shown = capsys.readouterr()
    assert "no mail changes" in shown.out
    assert "3 mails that are planned already stay as they are" in shown.err


def test_another_benefit_is_told_of_new_mails_and_of_planned_ones(
    app: App, edit: Edit, file: Path
) -> None:
    text = "benefits:\n  - {id: gift, kind: coupon, title: {en: A gift}, codes: pool}\n"
    (file.parents[1] / "benefits.yaml").write_text(text, encoding="utf-8")
    app.reload()
    new = ("template: growth/new-arrivals", "template: growth/new-arrivals, benefit: gift")

    before = edit(new)
    planning.apply(app)
    after = edit(new)

    assert before.counts == {"rewritten": 3}
    assert (after.counts, after.waiting) == ({"regiven": 3}, 0)
    assert {one.after for one in after.examples} == {"gift"}
