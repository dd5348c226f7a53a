from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, checking
from crm_mailer.store import pauses
from crm_mailer.store import tables as t
from crm_mailer.store.tables import customers
from tests.cli.conftest import Run
from tests.planning.people import customer, order, suppress, touches

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


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("shop.yaml", "sender: hello@", "sender: hi@", "campaigns/shop.yaml was changed"),
        ("segments/near.yaml", "[GB, US, DE]", "[GB, US, DE, PT]", "segment near was changed"),
    ],
    ids=["shop", "segment"],
)
def test_a_saved_plan_is_refused_when_a_file_beside_it_has_changed(
    run: Run, app: App, sale: Path, tmp_path: Path, file: str, old: str, new: str, told: str
) -> None:
    folder = sale.parents[1]
    near = "id: near\nname: Near\nrule: {country: {in: [GB, US, DE]}}\n"
    (folder / "segments" / "near.yaml").write_text(near, encoding="utf-8")
    text = SALE.replace("{country: {in: [GB, US, DE]}}", "{segment: near}")
    sale.write_text(text, encoding="utf-8")
    run("segment", "run")
    run("plan", "sale", "--save", str(tmp_path / "plan.json"))
    before = (folder / file).read_text(encoding="utf-8")
    assert old in before
    (folder / file).write_text(before.replace(old, new, 1), encoding="utf-8")

    result = run("apply", str(tmp_path / "plan.json"))

    assert result.exit_code == 2
    assert told in str(result.exception)
    assert touches(app.store, "id") == []


@pytest.mark.usefixtures("sale")
def test_a_comment_in_the_shops_file_does_not_stop_a_saved_plan(
    run: Run, app: App, shop_home: Path, tmp_path: Path
) -> None:
    run("plan", "sale", "--save", str(tmp_path / "plan.json"))
    path = shop_home / "campaigns" / "shop.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "# hello\n", encoding="utf-8")

    assert run("apply", str(tmp_path / "plan.json")).exit_code == 0
    assert len(touches(app.store, "id")) == 4


@pytest.mark.usefixtures("sale")
def test_a_saved_plan_is_refused_when_its_mails_would_leave_at_other_times(
    run: Run, app: App, tmp_path: Path
) -> None:
    run("plan", "sale", "--save", str(tmp_path / "plan.json"))
    with app.store.write() as connection:
        connection.execute(customers.update().values(time_zone="Asia/Tokyo"))

    result = run("apply", str(tmp_path / "plan.json"))

    assert result.exit_code == 2
    assert "mails would leave at other times" in str(result.exception)


@pytest.mark.usefixtures("sale")
def test_a_saved_plan_that_was_carried_out_says_so(run: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "plan.json")
    run("plan", "sale", "--save", file)

    first, second = run("apply", file), run("apply", file)

    assert "carried out before" not in first.stderr
    assert "sale: this plan was carried out before" in second.stderr


@pytest.mark.usefixtures("sale")
def test_a_saved_plan_was_not_carried_out_where_its_mails_were_left_out(
    run: Run, app: App, tmp_path: Path
) -> None:
    file = str(tmp_path / "plan.json")
    run("plan", "sale", "--save", file)
    for name in ("c0", "c2"):
        suppress(app.store, f"{name}@example.com", "unsubscribed")
    run("apply", "sale")

    result = run("apply", file)

    assert sorted(touches(app.store, "state")) == [("planned",)] + [("skipped",)] * 3
    assert result.exit_code == 2
    assert "carried out before" not in result.stderr
    assert "3 mails and 1 left out then, 0 and 0 now" in str(result.exception)


def test_a_campaign_of_whom_all_were_left_out_does_not_keep_a_plan_from_being_applied_twice(
    run: Run, app: App, sale: Path, tmp_path: Path
) -> None:
    other = SALE.replace("id: sale", "id: other").replace("[GB, US, DE]", "[US]")
    (sale.parent / "other.yaml").write_text(other, encoding="utf-8")
    file = tmp_path / "plan.json"
    run("plan", "sale", "other", "--save", str(file))
    [empty, _full] = json.loads(file.read_text())["campaigns"]
    assert (empty["id"], empty["planned"], empty["left_out"]) == ("other", 0, 1)

    first, second = run("apply", str(file)), run("apply", str(file))

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "sale: this plan was carried out before" in second.stderr
    assert len(touches(app.store, "id")) == 5


def test_a_campaign_that_has_mails_by_now_was_not_planned_so(
    run: Run, app: App, sale: Path, tmp_path: Path
) -> None:
    sale.write_text(SALE.replace("[GB, US, DE]", "[US]"), encoding="utf-8")
    run("plan", "sale", "--save", str(tmp_path / "plan.json"))
    customer(app.store, "late", country="US")

    result = run("apply", str(tmp_path / "plan.json"))

    assert result.exit_code == 2
    assert "0 mails and 1 left out then, 1 and 1 now" in str(result.exception)


@pytest.mark.usefixtures("sale")
def test_a_saved_plan_of_which_nothing_is_left_is_refused(
    run: Run, app: App, tmp_path: Path
) -> None:
    file = str(tmp_path / "plan.json")
    run("plan", "sale", "--save", file)
    with app.store.write() as connection:
        connection.execute(customers.update().values(country="FR"))

    result = run("apply", file)

    assert result.exit_code == 2
    assert "3 mails and 1 left out then, 0 and 0 now" in str(result.exception)


@pytest.mark.usefixtures("sale")
def test_who_comes_after_the_audience_was_taken_is_not_promised_a_mail(
    run: Run, app: App, tmp_path: Path
) -> None:
    run("apply", "sale")
    customer(app.store, "late", country="DE")
    file = tmp_path / "plan.json"

    shown, asked = run("plan", "sale", "--save", str(file)), run("apply", "sale")
    why = run("customer", "why-not", "late@example.com", "sale")

    assert json.loads(file.read_text())["campaigns"][0]["planned"] == 0
    assert "the audience was taken on" in shown.stdout
    assert "the audience was taken on" in asked.stderr
    assert "✗ the audience was taken on" in why.stdout
    assert "would be planned" not in why.stdout


@pytest.mark.parametrize(
    ("days", "told"),
    [(40, "it is planned from"), (-400, "is over: nothing is planned")],
    ids=["far", "past"],
)
def test_apply_tells_why_the_calendar_gives_nothing_to_plan(
    run: Run, sale: Path, days: int, told: str
) -> None:
    day = TOMORROW + timedelta(days=days)
    sale.write_text(SALE.replace(str(TOMORROW), str(day)), encoding="utf-8")

    assert told in run("apply", "sale").stderr


@pytest.mark.parametrize(
    ("days", "mode", "is_told"), [(-400, "live", True), (-400, "draft", False), (0, "live", False)]
)
def test_check_warns_of_a_campaign_whose_day_is_over(
    app: App, sale: Path, days: int, mode: str, is_told: bool
) -> None:
    day = TOMORROW + timedelta(days=days)
    text = SALE.replace(str(TOMORROW), str(day)).replace("mode: live", f"mode: {mode}")
    sale.write_text(text, encoding="utf-8")
    app.reload()

    found = list(checking.over(app))

    assert [(one.code, one.line) for one in found] == ([("CRM164", 4)] if is_told else [])


@pytest.mark.usefixtures("sale")
def test_where_nobody_can_type_the_number_that_is_told(run: Run, app: App) -> None:
    result = run("apply", "sale", "--ask-above", "2", input="")

    assert result.exit_code == 2
    assert "nobody is there to type" in str(result.exception)
    assert touches(app.store, "id") == []


def test_a_condition_that_does_not_hold_leaves_a_mail_out(run: Run, sale: Path) -> None:
    new = "template: growth/new-arrivals, if: {r: 5}"
    sale.write_text(SALE.replace("template: growth/new-arrivals", new), encoding="utf-8")

    assert "would be left out if they left now: the condition" in run("plan", "sale").stdout


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
@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("all", "! all sending is paused"),
        ("lane:marketing", "! sending to marketing is paused"),
        ("lane:other/marketing", "! sending to other/marketing is paused"),
        ("lane:gmail", ""),
        ("campaign:sale", "! the campaign is paused"),
        ("campaign:birthday", ""),
    ],
)
def test_why_not_tells_what_is_paused(run: Run, app: App, scope: str, told: str) -> None:
    with app.store.write() as connection:
        pauses.pause(connection, scope, now=datetime.now(UTC))

    shown = run("customer", "why-not", "c0@example.com", "sale").stdout

    assert told in shown
    assert ("is paused" in shown) is bool(told)


def test_why_not_tells_the_condition_of_a_planned_step(run: Run, sale: Path) -> None:
    new = "template: growth/new-arrivals, if: {r: 5}"
    sale.write_text(SALE.replace("template: growth/new-arrivals", new), encoding="utf-8")
    run("apply", "sale")

    shown = run("customer", "why-not", "c0@example.com", "sale").stdout

    assert "the condition of the step does not hold" in " ".join(shown.split())


def test_why_not_tells_for_which_event_it_waits_and_which_exit_ended_it(
    run: Run, sale: Path, app: App
) -> None:
    text = SALE.replace(f"{{date: {TOMORROW}}}", "{order: shipped}")
    text = text.replace("announce,", "announce, after: 2d,") + "stop_when: [replied, bought]\n"
    sale.write_text(text, encoding="utf-8")
    now = datetime.now(UTC).replace(microsecond=0)
    first = customer(app.store, "c8", country="GB")
    waiting = run("customer", "why-not", "c8@example.com", "sale").stdout
    order(app.store, first, number="1", placed_at=now - timedelta(days=1), shipped=now)
    run("apply", "sale")
    order(app.store, first, number="2", placed_at=now + timedelta(seconds=1))
    run("apply", "sale")

    ended = run("customer", "why-not", "c8@example.com", "sale").stdout

    assert "it waits for: order shipped; there was none" in waiting
    assert "an exit condition of the campaign was met: the customer buys again" in " ".join(
        ended.split()
    )


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


def test_a_number_that_is_too_large_is_told_as_a_rule(run: Run, sale: Path) -> None:
    sale.write_text(f"{SALE}hold_out: 150\n", encoding="utf-8")

    assert "`hold_out` must be at most 50" in str(run("plan", "sale").exception)


@pytest.mark.usefixtures("sale")
def test_a_paused_course_is_told_wherever_one_asks(
    run: Run, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30)
    adaptive = SALE.replace(f"{{date: {TOMORROW}}}", "{order: arrived}") + "curve: adaptive\n"
    (app.home / "campaigns" / "edm" / "sale.yaml").write_text(adaptive, encoding="utf-8")
    first = customer(app.store, "c8", country="GB")
    order(app.store, first, number="A-1", placed_at=begin, arrived=begin)
    with app.store.write() as connection:
        number = connection.scalar(sa.select(t.orders.c.id).where(t.orders.c.number == "A-1"))
        connection.execute(sa.insert(t.curve_states).values(
            customer_id=first, campaign="sale", anchor=f"order:{number}:arrived", order_id=number,
            anchored_at=begin, retention=0.5, first_half_life=1.0, half_life=1.0,
            next_half_life=1.0, next_misses=4.0, last_at=begin, ended="paused",
            ended_at=begin))  # fmt: skip

    why, story = (
        run("customer", "why-not", "c8@example.com", "sale"),
        run("customer", "show", "c8@example.com"),
    )

    assert "✗ course on the memory curve: order A-1 arrived" in why.stdout
    assert "after 4 misses in a row: it writes no more" in why.stdout
    assert "its next mail would be announce" in why.stdout
    assert "nothing has started it" not in why.stdout
    assert "after 4 misses in a row" in " ".join(story.stdout.split())
    assert "are left alone          1" in run("campaign", "show", "sale").stdout
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "zh_CN")
    assert "连续 4 次无反应" in run("customer", "why-not", "c8@example.com", "sale").stdout


def test_a_saved_plan_without_mails_says_that_there_is_nothing_to_do(
    run: Run, sale: Path, tmp_path: Path
) -> None:
    sale.write_text(SALE.replace("[GB, US, DE]", "[JP]"), encoding="utf-8")
    file = tmp_path / "plan.json"

    said = run("plan", "sale", "--save", str(file))

    shown = " ".join((said.stdout + said.stderr).split())
    assert "there is nothing to do" in shown
    assert "if nothing has changed" not in shown
    assert file.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '"x"',
        '{"format": 2}',
        '{"format": 2, "campaigns": [{"id": 1}]}',
        "PK\x03\x04",
    ],
)
def test_a_file_that_is_no_saved_plan_is_refused_in_words(
    run: Run, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text, encoding="utf-8")

    result = run("apply", str(file))

    assert result.exit_code != 0
    shown = str(result.exception)
    assert "the file is damaged, or no saved plan" in shown
    assert "Expecting" not in shown
    assert "'" not in shown


def test_a_plan_of_another_version_is_told_as_such(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text('{"format": 1}', encoding="utf-8")

    shown = str(run("apply", str(file)).exception)

    assert "another version of the program wrote it" in shown
