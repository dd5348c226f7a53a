from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import figures, segment_looks, segmenting
from crm_mailer.model.errors import NotPossible
from crm_mailer.store import studio_figures
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.studio_figures import Figure, Flow
from tests.conftest import NOON
from tests.segmenting.people import add_buyer, add_customer
from tests.studio.conftest import WIDE, Studio

RUSSIANS = """\
id: russians
name: "Russians"
rule:
  country: RU
"""
PAGES = [
    "/segments", "/segments/rfm", "/segments/rfm?by=value", "/segments/moves", "/segments/new",
    "/segments/champions", "/segments/champions/edit",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _counted(studio: Studio) -> None:
    figures.count_all(studio.app)


def path_of(studio: Studio, name: str) -> Path:
    return studio.app.home / "campaigns" / "segments" / f"{name}.yaml"


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_a_page_is_shown(studio: Studio, path: str, language: str) -> None:
    answer = studio.get(f"{path}{'&' if '?' in path else '?'}ui={language}")
    assert answer.status == 200
    assert "style=" not in answer.text
    studio.get("/?ui=en")


def test_the_list_says_how_many_are_in_each(studio: Studio) -> None:
    told = {one["id"]: one["members"] for one in studio.json("/segments.json")["segments"]}
    assert told["new-customers"] == 5
    assert told["no-order"] == 0


def test_data_has_no_drawings(studio: Studio) -> None:
    for path in ("/segments.json", "/segments/rfm.json", "/segments/champions.json"):
        assert "<svg" not in studio.get(path).text


def test_the_map_shares_out_every_customer_with_a_score(studio: Studio) -> None:
    told = studio.json("/segments/rfm.json")["map"]
    assert told["customers"] == 6
    for part in ("cells", "segments", "classes"):
        assert sum(one["customers"] for one in told[part]) == 6
    assert len(told["cells"]) == 25
    assert {one["code"]: one["zh"] for one in told["segments"]}["champions"] == "冠军客户"


def test_the_map_is_drawn_with_a_table_behind_it(studio: Studio) -> None:
    page = studio.get("/segments/rfm?by=share").text
    assert page.count('class="heat h') == 25
    assert "<details" in page
    assert page.count("<tr>") > 25


def test_a_segment_tells_its_rule_in_words_and_in_sql(studio: Studio) -> None:
    page = studio.get("/segments/new-customers").text
    assert "SELECT" in page
    assert "order_count" in page
    assert "Carmen Ruiz" in page


def test_names_of_customers_are_no_markup(studio: Studio) -> None:
    page = studio.get("/segments/new-customers").text
    assert "<script>alert" not in page


def test_facets_add_up(studio: Studio) -> None:
    told = studio.json("/segments/new-customers.json")
    for facet in told["facets"]:
        assert sum(number for _name, number, _part in facet["rows"]) == told["segment"]["members"]
    assert {facet["kind"] for facet in told["facets"]} == {
        "country", "language", "value_class", "address_kind", "provider",
    }  # fmt: skip


def test_a_segment_that_is_not_there_is_not_found(studio: Studio) -> None:
    assert studio.get("/segments/nobody").status == 404
    assert studio.get("/segments/nobody/edit").status == 404
    assert studio.get("/segments/..%2f..%2fetc").status == 404


# ------------------------------------------------------------------ writing a rule


def test_a_rule_is_counted_while_it_is_written(studio: Studio) -> None:
    tried = studio.json("/segments/try.json", text=RUSSIANS)["tried"]
    assert tried["customers"] == 1
    assert tried["rule"][0][1] == "country = RU"
    assert not path_of(studio, "russians").exists()


@pytest.mark.parametrize(
    "text",
    ["", "id: [", "id: x\nname: x\nrule: {country: RU, colour: red}", "rule: 5", "\x00", "- 1",
     "id: a\nname: a\nrule: {segment: a}", f"id: a\nname: a\nrule: {{country: {'X' * 30_000}}}"],
    ids=["empty", "no yaml", "no such field", "no rule", "nul", "a list", "a ring", "a book"],
)  # fmt: skip
def test_a_fault_is_told_with_its_line(studio: Studio, text: str) -> None:
    found = segment_looks.try_text(studio.app, text)
    assert found.customers is None
    assert found.problems
    if len(text) < 1_000:
        answer = studio.json("/segments/try.json", text=text)
        assert answer["tried"]["problems"][0]["message"]


def test_a_campaign_that_nobody_has_is_warned_of(studio: Studio) -> None:
    text = "id: near\nname: Near\nrule: {mailed: {campaign: shiped}}"
    found = segment_looks.try_text(studio.app, text, is_counted=False)
    meant = segment_looks.try_text(studio.app, text.replace("shiped", "shipped"), is_counted=False)

    assert [one.code for one in found.problems] == ["CRM143"]
    assert meant.problems == ()


def test_without_scripts_a_button_counts(studio: Studio) -> None:
    answer = studio.post("/segments/count", on="/segments/new", text=RUSSIANS)
    assert answer.status == 303
    page = studio.get(answer.headers["location"]).text
    assert "1 of 6 customers" in page
    assert "country: RU" in page


def test_a_segment_is_saved_whole_and_can_be_edited(studio: Studio) -> None:
    path = path_of(studio, "russians")
    studio.act("/segments/save", on="/segments/new", text=RUSSIANS)
    assert path.read_text() == RUSSIANS
    assert [one.name for one in path.parent.glob(".russians*")] == []

    edit = studio.json("/segments/russians/edit.json")
    better = RUSSIANS.replace("RU", "CN")
    studio.act("/segments/save", name="russians", text=better, seen=edit["seen"],
               on="/segments/russians/edit")  # fmt: skip
    assert "CN" in path.read_text()
    segmenting.run(studio.app)
    assert studio.json("/segments/russians.json")["segment"]["sample"][0]["name"] == "范小姐"
    path.unlink()
    studio.app.reload()


def test_nobody_overwrites_what_another_saved_meanwhile(studio: Studio) -> None:
    app = studio.app
    segment_looks.save_text(app, "", RUSSIANS)
    seen = segment_looks.digest(segment_looks.read_text(app, "russians"))
    segment_looks.save_text(app, "russians", RUSSIANS.replace("RU", "CN"), seen=seen)
    with pytest.raises(NotPossible, match="meanwhile"):
        segment_looks.save_text(app, "russians", RUSSIANS.replace("RU", "FR"), seen=seen)
    with pytest.raises(NotPossible, match="already"):
        segment_looks.save_text(app, "", RUSSIANS)
    with pytest.raises(NotPossible, match="the id is"):
        segment_looks.save_text(app, "champions", RUSSIANS)
    path_of(studio, "russians").unlink()
    app.reload()


def test_a_fault_is_not_saved(studio: Studio) -> None:
    before = path_of(studio, "champions").read_text()
    answer = studio.post("/segments/save", on="/segments/champions/edit", name="champions",
                         text="id: champions\nname: x\nrule: {colour: red}")  # fmt: skip
    assert answer.status == 303
    assert path_of(studio, "champions").read_text() == before


def test_a_rule_is_counted_as_it_is_typed(studio: Studio, page: Any) -> None:
    page.set_viewport_size(WIDE)
    page.goto(f"{studio.url}/segments/champions/edit")
    page.fill("#text", RUSSIANS)
    page.wait_for_selector("#verdict .big:has-text('1 of 6 customers')")
    page.fill("#text", "id: x\nname: x\nrule: {colour: red}")
    page.wait_for_selector("#verdict .notice.bad")
    page.on("dialog", lambda dialog: dialog.accept())


# ------------------------------------------------------------------ the file


def test_a_segment_is_exported_for_a_spreadsheet(studio: Studio) -> None:
    with studio.app.store.write() as connection:
        connection.execute(
            sa.update(t.customers)
            .where(t.customers.c.email_key == "bob@outlook.com")
            .values(name="=HYPERLINK(1)", city="＝1+1")
        )
    answer = studio.get("/segments/new-customers/export.csv")
    assert answer.status == 200
    assert answer.body.startswith("\ufeff".encode())
    assert 'filename="new-customers.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    bob = next(row for row in rows if row["email"] == "bob@outlook.com")
    assert (bob["name"], bob["city"]) == ("'=HYPERLINK(1)", "'＝1+1")
    assert len(rows) == 5


# ------------------------------------------------------------------ the figures


def last(**more: float) -> Figure:
    return Figure(value=[], at=NOON - timedelta(**more), took_ms=0)


@pytest.mark.parametrize(
    ("figure", "is_changed", "is_due"),
    [
        (None, False, True),
        (last(seconds=30), True, False),
        (last(minutes=2), True, True),
        (last(minutes=2), False, False),
        (last(minutes=20), False, True),
        (Figure(value=[], at=NOON - timedelta(minutes=2), took_ms=10_000), True, False),
        (last(hours=-1), False, True),
    ],
    ids=["never", "just now", "changed", "the same", "old", "it takes long", "a clock set back"],
)
def test_figures_are_counted_as_often_as_it_costs_little(
    figure: Figure | None, is_changed: bool, is_due: bool
) -> None:
    assert figures.is_due(figure, NOON, is_changed=is_changed) is is_due


def test_moves_of_a_month_go_from_its_first_to_its_last_state(store: Store) -> None:
    anna, boris = add_buyer(store, 5), add_customer(store)
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    with store.write() as connection:
        for customer, day, before, after in (
            (anna, -3, (5, 5), (4, 5)), (anna, 2, (4, 5), (3, 3)), (anna, 9, (3, 3), (2, 1)),
            (boris, 5, (None, None), (5, 1)),
        ):  # fmt: skip
            connection.execute(sa.insert(t.score_changes).values(
                customer_id=customer, at=begin + timedelta(days=day), reason="order", profile="p",
                r_before=before[0], f_before=before[1], r=after[0], f=after[1],
                value_class="", value_class_before=""))  # fmt: skip
        found = studio_figures.flows(connection, begin, begin + timedelta(days=30))
    assert found == [
        Flow(before="", after="new", customers=1),
        Flow(before="loyal", after="hibernating", customers=1),
    ]


def test_sizes_of_past_days_come_from_the_memberships(store: Store) -> None:
    anna, boris = add_customer(store), add_customer(store)
    with store.write() as connection:
        for customer, since, until in ((anna, 30, None), (boris, 20, 10)):
            connection.execute(sa.insert(t.memberships).values(
                segment="s", customer_id=customer, since=NOON - timedelta(days=since),
                until=None if until is None else NOON - timedelta(days=until)))  # fmt: skip
        days = {(NOON - timedelta(days=back)).date(): NOON - timedelta(days=back)
                for back in (40, 25, 15, 5)}  # fmt: skip
        found = studio_figures.sizes_at(connection, days)
    assert [sizes["s"] for sizes in found.values()] == [0, 1, 2, 1]


def test_the_next_run_brings_the_figures_up_to_date(studio: Studio) -> None:
    before = studio.json("/segments/rfm.json")["map"]["customers"]
    add_buyer(studio.app.store, 3)
    studio.clock.forward(minutes=20)
    segmenting.run(studio.app)
    assert studio.json("/segments/rfm.json")["map"]["customers"] == before + 1


def test_months_are_told_backwards_from_today(studio: Studio) -> None:
    history = segment_looks.group_history(studio.app)
    assert history[-1][0] == f"{studio.clock.now():%Y-%m}"
    now = {one.code: one.customers for one in segment_looks.rfm_map(studio.app).segments}
    assert history[-1][1] == now
