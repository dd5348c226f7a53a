from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from crm_mailer.app import App
from crm_mailer.model.score import RfmSegment, ValueClass
from tests.cli.conftest import Run
from tests.segmenting.cdnow import fill_with_cdnow
from tests.segmenting.people import NOW, add_buyer, add_customer, add_order


@pytest.fixture(autouse=True)
def _standing_clock(shop_home: Path) -> None:
    """Commands count the days from when the customers of these tests bought."""
    settings = shop_home / "crm-mailer.toml"
    settings.write_text(f'clock = "{NOW.isoformat()}"\n' + settings.read_text(encoding="utf-8"))


@pytest.fixture
def anna(app: App) -> int:
    return add_buyer(app.store, 5, 10, name="Anna", email="Anna@example.com",
                     email_key="anna@example.com")  # fmt: skip


def data(output: str) -> Any:
    return json.loads(output)["data"]


def edit(app: App, before: str, after: str) -> None:
    path = app.home / "campaigns" / "rfm.yaml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_the_heat_map_has_a_cell_for_each_pair(run: Run, anna: int) -> None:
    run("segment", "run")

    result = run("rfm")

    assert "F 5" in result.stdout
    assert "潜在忠诚客户" in result.stdout
    assert "一般发展" in result.stdout
    assert data(run("rfm", "--json").stdout)["cells"] == [
        {"r": 5, "f": 2, "customers": 1, "spent_usd_cents": 2000}
    ]


def test_the_counts_of_a_day_need_no_run(run: Run, app: App, anna: int) -> None:
    add_buyer(app.store, 388, 400, 410, usd_cents=25_000)
    day = NOW.date().isoformat()

    found = data(run("rfm", "--json", "--as-of", day).stdout)

    assert (found["as_of"], found["profile"], found["customers"]) == (day, "default", 2)
    assert found["r"] == {"1": 0, "2": 1, "3": 0, "4": 0, "5": 1}
    assert found["f"] == {"1": 0, "2": 1, "3": 1, "4": 0, "5": 0}
    assert found["m"] == {"1": 1, "2": 0, "3": 0, "4": 1, "5": 0}
    assert {total: number for total, number in found["total"].items() if number} == {
        "8": 1, "9": 1,
    }  # fmt: skip
    assert [(cell["r"], cell["f"], cell["customers"]) for cell in found["cells"]] == [
        (2, 3, 1), (5, 2, 1),
    ]  # fmt: skip
    assert found["segments"]["at_risk"] == found["segments"]["potential_loyalist"] == 1
    assert found["value_classes"]["general_grow"] == found["value_names"]["一般发展"] == 1
    assert found["value_names"]["重要挽留"] == 1


def test_every_group_has_two_names_and_a_count(run: Run, anna: int) -> None:
    found = data(run("rfm", "--json", "--as-of", "2026-11-02").stdout)

    assert set(found["segments"]) == {one.value for one in RfmSegment}
    assert set(found["value_classes"]) == {one.value for one in ValueClass}
    assert set(found["names"]) == {*found["segments"], *found["value_classes"]}
    assert found["names"]["cant_lose"] == {"en": "can't lose", "zh": "不能流失"}
    assert sum(found["segments"].values()) == sum(found["value_classes"].values()) == 1


def test_a_day_of_the_past_knows_nothing_of_later_orders(run: Run, anna: int) -> None:
    found = data(run("rfm", "--json", "--as-of", "2026-10-23").stdout)

    assert (found["customers"], found["r"]["5"], found["f"]["1"]) == (1, 1, 1)
    assert data(run("rfm", "--json", "--as-of", "2020-01-01").stdout)["customers"] == 0


def test_today_s_counts_are_those_of_the_last_run(run: Run, app: App) -> None:
    for days in (1, 91, 181, 361, 721):
        add_buyer(app.store, *(days + n for n in range(days % 4 + 1)), usd_cents=days * 100)
    run("segment", "run")

    now = data(run("rfm", "--json").stdout)
    then = data(run("rfm", "--json", "--as-of", now["as_of"]).stdout)

    assert now == then


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--as-of", "2026-02-30"], "no day such as"),
        (["--as-of", "2026-11-02", "--customer", "1"], "not for one"),
        (["--as-of", "2026-11-02", "profiles"], "behind the subcommand"),
        (["vlaue"], "value"),
    ],
    ids=["no_day", "one_customer", "misplaced", "misspelt"],
)
def test_wrong_words_are_answered_clearly(run: Run, arguments: list[str], words: str) -> None:
    result = run("rfm", *arguments)

    assert result.exit_code == 2
    assert words in result.output


def test_one_customer_s_marks_are_told_in_words(run: Run, anna: int) -> None:
    run("segment", "run")

    result = run("rfm", "--customer", "anna@example.com")

    assert "R 5: last paid order" in result.stdout
    assert "at most 90" in result.stdout
    assert "active: last paid order" in result.stdout


def test_one_customer_s_marks_and_segments_are_told_in_chinese(
    run: Run, anna: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("segment", "run")
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "zh_CN")

    told = run("customer", "explain", "anna@example.com").stdout

    assert re.search(r"R 5：最近一笔已付款订单：.*，至多 90", told)
    assert re.search(r"活跃：最近一笔已付款订单", told)
    assert "以下至少满足一项：" in told
    assert not re.search(r"\b(last paid|at least one|within|not known|spent)\b", told)


def test_without_a_paid_order_there_are_no_marks(run: Run, app: App) -> None:
    nobody = add_customer(app.store, name="Ivan")

    assert "no paid order" in run("rfm", "--customer", str(nobody)).stdout
    assert data(run("rfm", "--customer", str(nobody), "--json").stdout)["score"] is None


def test_explaining_a_customer_begins_with_the_marks(run: Run, app: App) -> None:
    customer = add_buyer(app.store, 388, 500, 600, usd_cents=25_000)
    run("segment", "run")

    result = run("customer", "explain", str(customer))
    found = data(run("customer", "explain", str(customer), "--json").stdout)

    marks = [line.strip() for line in result.stdout.splitlines()[1:4]]
    assert marks == [
        "R 2: last paid order 388 days ago, 360 < 388 <= 720",
        "F 3: 3 paid orders, 3 <= 3 < 4",
        "M 4: 750.00 USD spent, 500 <= 750.00 < 1000",
    ]
    assert {one["segment"] for one in found["segments"]} >= {"at-risk", "lost"}


def test_an_edited_profile_holds_at_the_next_run(run: Run, app: App, anna: int) -> None:
    run("segment", "run")
    edit(app, "    high: 4 ", "    high: 2 ")
    edit(app, "days: [90, 180, 360, 720]         # R", "days: [1, 2, 3, 4000]         # R")

    run("segment", "run")

    found = data(run("rfm", "history", str(anna), "--json").stdout)
    assert [(one["reason"], one["before"], one["after"]) for one in found["changes"]] == [
        ("profile", [5, 2, 1], [2, 2, 1])
    ]
    assert found["changes"][0]["value_class"] == "general_value"
    assert "2 2 1" in run("rfm", "history", str(anna)).stdout
    assert "3 < " in run("rfm", "--customer", str(anna)).stdout


def test_a_wrong_profile_changes_nobody(run: Run, app: App, anna: int) -> None:
    run("segment", "run")
    before = data(run("rfm", "--json").stdout)
    edit(app, "[90, 180, 360, 720]         # R", "[90, 180, 100, 720]         # R")

    result = run("segment", "run")

    assert "some files have errors" in result.output
    assert data(run("rfm", "--json").stdout) == before
    checked = run("check")
    assert "rfm.yaml:" in checked.output + str(getattr(checked.exception, "problems", ""))


def test_a_profile_is_tried_without_being_put_in_force(run: Run, app: App, anna: int) -> None:
    for n in range(9):
        add_buyer(app.store, 10 + n, usd_cents=10_000 * n)
    run("segment", "run")
    before = data(run("rfm", "--json").stdout)

    tried = run("rfm", "try", "quintiles")

    assert "20 %, 40 %, 60 %, 80 %" in tried.stdout
    assert data(run("rfm", "try", "quintiles", "--json").stdout)["profile"] == "quintiles"
    assert data(run("rfm", "--json").stdout) == before


def test_an_unknown_profile_is_answered_with_a_near_one(run: Run) -> None:
    result = run("rfm", "try", "quintile")

    assert result.exit_code == 2
    assert getattr(result.exception, "hint", "") == "did you mean `quintiles`?"


def test_profiles_say_which_one_is_in_use(run: Run, anna: int) -> None:
    lines = data(run("rfm", "profiles", "--json").stdout)

    assert [one["name"] for one in lines if one["is_used"]] == ["default"]
    assert "default  (in use)" in run("rfm", "profiles").stdout


def test_the_history_tells_of_an_order(run: Run, app: App, anna: int) -> None:
    run("segment", "run")
    assert "never changed" in run("rfm", "history", str(anna)).output
    add_order(app.store, anna, usd_cents=70_000)
    run("segment", "run")

    result = run("rfm", "history", "anna@example.com")

    assert "5 2 1" in result.stdout
    assert "5 3 4" in result.stdout
    assert "order" in result.stdout
    assert "+4" in result.stdout


def test_values_are_shown_by_state(run: Run, app: App, anna: int) -> None:
    assert "nobody was valued yet" in run("rfm", "value").output
    add_buyer(app.store, 300)
    run("segment", "run")

    result = run("rfm", "value")
    found = data(run("rfm", "value", "--json").stdout)

    assert "too few customers came back" in result.stdout
    assert [(one["churn"], one["customers"]) for one in found["states"]] == [
        ("active", 1), ("lapsed", 1),
    ]  # fmt: skip
    assert found["limits"] == {"active": 90, "cooling": 232, "lapsed": 459}
    assert "valued otherwise now" in run("rfm", "value", "--fit").output


def test_values_can_be_asked_for_in_segments(run: Run, app: App, anna: int) -> None:
    path = app.home / "campaigns" / "segments" / "gone-quiet.yaml"
    path.write_text("id: gone-quiet\nname: Quiet\nrule:\n  churn: {in: [active, cooling]}\n")

    run("segment", "run")

    sizes = {one["id"]: one["members"] for one in data(run("segment", "list", "--json").stdout)}
    assert sizes["gone-quiet"] == 1


EXPORT = """order_number,placed_at,paid_at,state,email,currency,amount,refunded
1,2026-10-01 10:00,2026-10-01 10:00,paid,ana@example.com,EUR,100.00,
2,2026-10-01 11:00,2026-10-01 11:00,paid,ana@example.com,USD,50.00,20.00
3,2026-10-02 11:00,2026-10-02 11:00,cancelled,ana@example.com,USD,500.00,
4,2026-10-03 11:00,2026-10-03 11:00,refunded,ana@example.com,USD,500.00,500.00
5,2026-10-03 11:00,,awaiting_payment,bo@example.com,USD,70.00,
6,2026-10-05 11:00,2026-10-05 11:00,paid,ken@example.com,JPY,5000,
7,2026-10-05 11:00,2026-10-05 11:00,partly_refunded,dee@example.com,USD,90.00,90.00
"""


def test_refunds_cancelled_orders_and_currencies_count_as_they_should(
    run: Run, app: App, tmp_path: Path
) -> None:
    (app.home / "rates.csv").write_text("date,currency,usd\n2026-09-01,EUR,1.10\n2026-10-15,EUR,2")
    (tmp_path / "orders.csv").write_text(EXPORT)
    run("import", "orders", str(tmp_path / "orders.csv"))
    run("segment", "run")

    def told(who: str) -> str:
        return run("rfm", "--customer", f"{who}@example.com").stdout

    assert "F 2: 2 paid orders" in told("ana")  # neither the cancelled nor the refunded one
    assert "M 2: 140.00 USD spent" in told("ana")  # 100 EUR at the day's 1.10, and 50 less 20
    assert "no paid order" in told("bo")
    assert "F 1: 1 paid order" in told("ken")
    assert "M 1: 0.00 USD spent" in told("ken")  # no rate: an order that brings no money
    assert "not counted in M: 1 paid order without a rate" in told("ken")
    assert "not counted in M" not in told("ana")
    assert "no paid order" in told("dee")  # all of its money went back


@pytest.mark.shared
def test_the_counts_of_a_known_shop_are_the_published_ones(
    run: Run, app: App, shared: Path
) -> None:
    fill_with_cdnow(app.store, shared)

    found = data(run("rfm", "--json", "--as-of", "1998-07-01").stdout)

    assert said(found["r"]) == {"2": 15286, "3": 2924, "4": 2059, "5": 3301}
    assert said(found["f"]) == {"1": 12054, "2": 4040, "3": 2205, "4": 1436, "5": 3835}
    assert said(found["m"]) == {"1": 17336, "2": 3229, "3": 2271, "4": 534, "5": 200}
    assert said(found["segments"]) == {
        "hibernating": 14300, "champions": 2567, "loyal": 2327, "potential_loyalist": 1580,
        "about_to_sleep": 1054, "at_risk": 832, "need_attention": 756, "cant_lose": 154,
    }  # fmt: skip
    assert said(found["value_names"]) == {
        "一般挽留": 16708, "一般价值": 3141, "一般发展": 1578, "一般保持": 1409,
        "重要价值": 639, "重要保持": 82, "重要挽留": 11, "重要发展": 2,
    }  # fmt: skip


def said(counts: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number}


def test_a_past_day_says_that_refunds_are_those_known_now(run: Run, anna: int) -> None:
    told = " ".join(run("rfm", "--as-of", "2026-10-28").output.split())

    assert "refunds are as they are known now" in told
    assert "refunds" not in run("rfm").output
