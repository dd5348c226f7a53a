from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crm_mailer.app import App
from tests.cli.conftest import Run
from tests.planning.people import customer, suppress, touches

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date()
SALE = f"""id: sale
name: Sale
mode: live
anchor: {{date: {TOMORROW}}}
audience: {{country: {{in: [GB, US, DE]}}}}
send_at: "10:00"
steps:
  - {{id: announce, template: growth/new-arrivals}}
vars:
  headline: {{en: News}}
  intro: {{en: Hello}}
  products: []
"""


@pytest.fixture
def sale(shop_home: Path, app: App) -> Path:
    """A dated campaign for tomorrow, and six customers, of whom four are meant."""
    path = shop_home / "campaigns" / "edm" / "sale.yaml"
    path.write_text(SALE, encoding="utf-8")
    for number, country in enumerate(("GB", "US", "DE", "FR", "FR", "GB")):
        customer(app.store, f"c{number}", country=country, time_zone="")
    suppress(app.store, "c1@example.com", "unsubscribed")
    return path


def data(run: Run, *arguments: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(run(*arguments, "--json").stdout)["data"]
    return found


@pytest.mark.usefixtures("sale")
def test_a_plan_tells_in_which_languages_it_is(run: Run) -> None:
    result = run("plan", "sale")

    assert "languages: en 3" in result.stdout
    assert "missing, so another language stands in: de 1" in result.stdout


@pytest.mark.usefixtures("sale")
def test_an_hour_with_more_mails_than_may_leave_is_told(run: Run, shop_home: Path) -> None:
    settings = shop_home / "crm-mailer.toml"
    settings.write_text("[limits]\nother = 1\n", encoding="utf-8")
    found = data(run, "plan", "sale")

    assert "the fullest hours" in run("plan", "sale").stdout
    assert {one["room"] for one in found["loads"]} == {60}  # type: ignore[attr-defined]


@pytest.mark.usefixtures("sale")
def test_a_saved_plan_is_carried_out_and_twice_is_as_once(
    run: Run, app: App, tmp_path: Path
) -> None:
    file = str(tmp_path / "plan.json")
    run("plan", "sale", "--save", file)

    first, second = run("apply", file), run("apply", file)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert sorted(touches(app.store, "state")) == [("planned",)] * 3 + [("skipped",)]


@pytest.mark.usefixtures("sale")
def test_a_plan_on_paper_and_on_the_screen_shows_some_of_its_mails(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    shown = run("plan", "sale", "--save", str(file))

    samples = json.loads(file.read_text())["campaigns"][0]["samples"]
    by_customer = {one["customer"]: one for one in samples}
    assert set(by_customer) == {"c0@example.com", "c2@example.com", "c5@example.com"}
    assert by_customer["c2@example.com"] == {
        "customer": "c2@example.com",
        "step": "announce",
        "when": f"{TOMORROW} 10:00 Europe/Berlin",
        "language": "en",
    }
    line = next(line for line in shown.stdout.splitlines() if "c2@example.com" in line)
    assert line.split()[3:6] == ["en", str(TOMORROW), "10:00"]
    assert "Europe/Berlin" in shown.stdout


@pytest.mark.usefixtures("sale")
def test_a_saved_plan_is_refused_when_the_audience_has_changed(
    run: Run, app: App, tmp_path: Path
) -> None:
    run("plan", "sale", "--save", str(tmp_path / "plan.json"))
    customer(app.store, "late", country="DE")

    result = run("apply", str(tmp_path / "plan.json"))

    assert result.exit_code == 2
    assert "3 mails and 1 left out then, 4 and 1 now" in str(result.exception)
    assert touches(app.store, "id") == []


@pytest.mark.parametrize("what", ["file", "template", "mode"])
def test_a_saved_plan_is_refused_when_a_file_has_changed(
    run: Run, app: App, sale: Path, shop_home: Path, tmp_path: Path, what: str
) -> None:
    run("plan", "sale", "--save", str(tmp_path / "plan.json"))
    if what == "template":
        template = shop_home / "templates" / "growth" / "new-arrivals.en.mjml"
        text = template.read_text(encoding="utf-8")
        template.write_text(text.replace("</mj-body>", "<!-- --></mj-body>"), encoding="utf-8")
    else:
        old, new = {"file": ("10:00", "11:00"), "mode": ("live", "draft")}[what]
        sale.write_text(SALE.replace(old, new), encoding="utf-8")

    result = run("apply", str(tmp_path / "plan.json"))

    assert result.exit_code == 2
    assert "nothing was saved" in str(result.exception)
    assert touches(app.store, "id") == []


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"format": 1, "campaigns": 3}'])
def test_what_is_no_saved_plan_is_told(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text, encoding="utf-8")

    assert run("apply", str(tmp_path / "plan.json")).exit_code == 65
    assert run("apply", str(tmp_path / "missing.json")).exit_code == 65


@pytest.mark.usefixtures("sale")
@pytest.mark.parametrize(
    ("typed", "expected"), [("3\n", 4), ("4\n", 0), ("\n", 0), ("yes\n", 0)], ids=repr
)
def test_many_mails_want_their_number_typed(run: Run, app: App, typed: str, expected: int) -> None:
    run("apply", "sale", "--ask-above", "2", input=typed)

    assert len(touches(app.store, "id")) == expected


def test_a_diff_shows_what_an_edit_changes_and_writes_nothing(
    run: Run, app: App, sale: Path, tmp_path: Path
) -> None:
    edited = tmp_path / "edited.yaml"
    edited.write_text(SALE.replace("GB, US, DE", "GB, FR").replace("10:00", "12:00"), "utf-8")

    found = data(run, "plan", "--diff", str(edited))

    assert found["counts"] == {"moved": 2, "dropped": 1, "added": 2}
    assert "mails at another time" in run("plan", "--diff", str(edited)).stdout
    assert data(run, "plan", "--diff", str(sale))["counts"] == {"same": 3}
    assert touches(app.store, "id") == []


@pytest.mark.usefixtures("sale")
def test_a_diff_with_a_wrong_file_names_the_place(run: Run, tmp_path: Path) -> None:
    (tmp_path / "edited.yaml").write_text(SALE.replace("mode: live", "mode: lvie"), "utf-8")

    result = run("plan", "--diff", str(tmp_path / "edited.yaml"))

    assert result.exit_code == 78
    assert "edited.yaml:3:7" in str(result.exception)


@pytest.mark.usefixtures("sale")
@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("c0@example.com", "would be planned"),
        ("c1@example.com", "asked for no more marketing mail"),
        ("c3@example.com", "not in the audience"),
    ],
    ids=["planned", "unsubscribed", "elsewhere"],
)
def test_it_is_told_why_a_customer_gets_a_mail_or_not(run: Run, who: str, words: str) -> None:
    assert words in run("customer", "why-not", who, "sale").stdout


@pytest.mark.usefixtures("sale")
def test_why_not_knows_what_is_planned_already(run: Run) -> None:
    run("apply", "sale")

    found = data(run, "customer", "why-not", "c0@example.com", "sale")

    assert [one["state"] for one in found["planned"]] == ["planned"]  # type: ignore[attr-defined]
    assert found["would_be"] == []


def test_why_not_of_an_unknown_campaign_offers_the_nearest(run: Run, app: App) -> None:
    customer(app.store, "anna")

    assert run("customer", "why-not", "anna@example.com", "brithday").exit_code == 2


@pytest.mark.usefixtures("sale")
def test_a_rehearsal_is_the_same_twice_and_changes_nothing(run: Run, app: App) -> None:
    days = ("--to", f"{TOMORROW + timedelta(days=2)}")

    first, second = (data(run, "simulate", *days) for _ in range(2))

    assert first == second
    assert (first["mails"], first["left_out"]) == (3, {"unsubscribed": 1})
    assert len(str(first["fingerprint"])) == 64
    assert touches(app.store, "id") == []


def test_another_mail_gives_another_fingerprint(run: Run, sale: Path) -> None:
    days = ("--to", f"{TOMORROW + timedelta(days=2)}")
    before = data(run, "simulate", *days)
    sale.write_text(SALE.replace("Hello", "Good day"), encoding="utf-8")

    after = data(run, "simulate", *days)

    assert before["days"] == after["days"]
    assert before["fingerprint"] != after["fingerprint"]


def test_a_rehearsal_that_ends_before_it_begins_is_told(run: Run) -> None:
    assert run("simulate", "--from", "2026-12-02", "--to", "2026-12-01").exit_code == 2


@pytest.mark.usefixtures("sale")
def test_results_are_shown_before_there_are_any(run: Run) -> None:
    result = run("campaign", "results", "sale")

    assert result.exit_code == 0
    assert "no mail of this campaign has left long enough ago" in result.stderr


def test_why_not_tells_how_far_the_event_is(run: Run, app: App) -> None:
    customer(app.store, "c7", birth_month=None, birth_day=None)
    customer(app.store, "c8", birth_month=TOMORROW.month, birth_day=TOMORROW.day)

    told = {
        who: run("customer", "why-not", f"{who}@example.com", name).stdout
        for who, name in (("c7", "birthday"), ("c8", "win-back"))
    }

    assert "the customer's birthday is not known" in told["c7"]
    assert "the customer is not in the segment cooling" in told["c8"]
