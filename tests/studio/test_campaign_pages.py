"""The pages of campaigns, asked over HTTP: the list, one campaign, its acts, the month."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import campaign_story, campaign_texts, outbox, planning
from crm_mailer.app.plan_diffs import Difference, Example
from crm_mailer.model.campaign import Mode
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning import CampaignPlan
from crm_mailer.store import tables as t
from crm_mailer.studio import campaign_plan_pages
from tests.studio.campaign_files import EVERYTHING
from tests.studio.conftest import Studio

SHIPPED = "/campaigns/shipped"
WELCOME = "/campaigns/welcome"
TABS = ("", "/results", "/plan", "/definition", "/versions", "/try", "/ask/live", "/ask/cancel")


@pytest.fixture(scope="module", autouse=True)
def more(studio: Studio) -> None:
    """A campaign that has everything, and a name that would be a script."""
    text = EVERYTHING.replace("Everything at once", "<script>alert(1)</script>")
    (studio.app.home / "campaigns" / "lifecycle" / "everything.yaml").write_text(text, "utf-8")
    campaign_texts.keep(studio.app)
    _read_anew(studio)


@pytest.fixture
def file(studio: Studio) -> Iterator[Path]:
    """The file of `welcome`, which is as it was when the test is over."""
    path = studio.app.home / "campaigns" / "lifecycle" / "welcome.yaml"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)
    _read_anew(studio)


def _read_anew(studio: Studio) -> None:
    studio.app.reload()


def counted(studio: Studio, path: str, **asked: str) -> Any:
    """The data of a page, when everything on it is counted."""
    for _turn in range(200):
        found = studio.json(path, **asked)
        if not found["is_counting"]:
            break
        time.sleep(0.02)
    return found


def row(studio: Studio, campaign: str, **asked: str) -> Any:
    found = counted(studio, "/campaigns.json", **asked)["campaigns"]
    return next(one for one in found if one["id"] == campaign)


# ------------------------------------------------------------------ the list


def test_the_list_tells_how_each_campaign_stands(studio: Studio) -> None:
    told = row(studio, "shipped")
    assert told["standing"] == "running"
    assert told["states"]["accepted"] >= 3
    assert told["echoes"]["complaint"] == 1
    assert told["lately"][-1] == told["states"]["accepted"]
    assert told["audience"] == 6
    assert row(studio, "welcome")["states"]["held"] >= 1
    assert row(studio, "autumn-new-arrivals")["next_on"] == "2026-11-09"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"q": "shipp"}, {"shipped"}),
        ({"kind": "edm"}, {"autumn-new-arrivals"}),
        ({"mode": "manual"}, {"welcome"}),
        ({"standing": "draft"}, {"everything"}),
        ({"stream": "transactional", "kind": "lifecycle"}, {"shipped"}),
        ({"q": "nothing at all"}, set()),
    ],
    ids=["name", "kind", "mode", "standing", "both", "none"],
)
def test_the_list_can_be_narrowed(
    studio: Studio, asked: dict[str, str], expected: set[str]
) -> None:
    found = studio.json("/campaigns.json", **asked)
    assert {one["id"] for one in found["campaigns"]} == expected
    assert studio.get("/campaigns?" + "&".join(f"{n}={v}" for n, v in asked.items()
                                               if " " not in v)).status == 200  # fmt: skip


def test_the_list_can_be_sorted(studio: Studio) -> None:
    by_sent = [one["id"] for one in studio.json("/campaigns.json", sort="sent")["campaigns"]]
    by_nonsense = studio.json("/campaigns.json", sort="nonsense")
    assert by_sent[0] == "shipped"
    assert by_nonsense["sort"] == "standing"


def test_a_broken_file_shows_its_finding_and_what_it_said_stands(
    studio: Studio, file: Path
) -> None:
    assert studio.app.definitions.campaigns["welcome"]
    file.write_text(file.read_text("utf-8").replace("mode: manual", "mode: manuel"), "utf-8")
    _read_anew(studio)

    told, page = row(studio, "welcome"), studio.get(WELCOME)

    assert told["standing"] == "broken"
    assert told["findings"][0]["place"].startswith("campaigns/lifecycle/welcome.yaml:")
    assert page.status == 200
    assert "manuel" in page.text


def test_a_campaign_without_a_file_is_still_told_of(studio: Studio, file: Path) -> None:
    studio.app.definitions  # noqa: B018
    file.unlink()
    studio.app.__dict__.pop("definitions")
    studio.app._before = None
    assert row(studio, "welcome")["standing"] == "gone"
    assert studio.get(WELCOME).status == 404


# ------------------------------------------------------------------ one campaign


@pytest.mark.parametrize("campaign", ["shipped", "welcome", "autumn-new-arrivals", "everything"])
@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab or "flow")
def test_every_page_of_a_campaign_is_there_in_each_language(
    studio: Studio, campaign: str, tab: str
) -> None:
    for language in ("zh_CN", "en"):
        answer = studio.get(f"/campaigns/{campaign}{tab}?ui={language}")
        assert answer.status == 200, answer.text
        assert "<script>alert" not in answer.text
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text
    assert studio.json(f"/campaigns/{campaign}{tab}.json")["campaign"]["id"] == campaign


@pytest.mark.parametrize(
    "path",
    ["/campaigns/nothing", "/campaigns/shipped/steps/nothing", "/campaigns/shipped/ask/nothing",
     "/campaigns/nothing/plan", "/campaigns/..%2f..%2fetc", "/campaigns/%00"],
)  # fmt: skip
def test_what_is_not_there_is_said_to_be_missing(studio: Studio, path: str) -> None:
    answer = studio.get(path)
    assert answer.status == 404
    assert "Traceback" not in answer.text


def test_the_flow_has_the_numbers_of_each_step(studio: Studio) -> None:
    found = counted(studio, f"{SHIPPED}.json")
    (step,) = found["steps"]
    assert step["sent"] == row(studio, "shipped")["states"]["accepted"]
    assert (step["replied"], step["complained"]) == (1, 1)
    assert found["started"] == step["all"]
    live = studio.json(f"{SHIPPED}/live")
    assert live["figures"][f"{step['id']}.sent"] == str(step["sent"])
    text = studio.get(SHIPPED).text
    assert f'data-figure="{step["id"]}.sent"' in text
    assert text.count('class="node"') == 2  # wide and narrow


def test_the_flow_tells_why_mails_were_not_sent(studio: Studio) -> None:
    (step,) = counted(studio, f"{WELCOME}.json")["steps"]
    why = {one["reason"]: one for one in step["reasons"]}
    assert why.keys() == {"case_open", "no_address"}
    assert why["case_open"]["sentence"] == "a case of this customer is open: marketing is on hold"
    assert sum(one["mails"] for one in why.values()) == step["not_sent"] == 2


def test_a_step_shows_its_mail_and_its_arms(studio: Studio) -> None:
    text = studio.get("/campaigns/everything/steps/hello?language=ru").text
    assert "template=care%2Fwelcome&amp;use=everything%2Fhello&amp;language=ru" in text
    assert "Привет" in text
    told = counted(studio, "/campaigns/everything/steps/third.json")
    assert told["step"]["condition"] == "not country is one of US"
    assert (told["place"], told["places"], told["before"], told["after"]) == (3, 3, "second", "")


def test_a_definition_is_told_in_words(studio: Studio) -> None:
    told = studio.json("/campaigns/everything/definition.json")
    assert told["begins"] == "an order: paid"
    assert [words for _depth, words in told["audience"]] == [
        "at least one of these:", "order_count >= 1", "country is one of US, GB",
    ]  # fmt: skip
    assert told["goal"] == "the customer buys again, within 7 days of a mail"
    assert told["exits"] == ["a case is opened"]
    assert told["lines"][0] == "id: everything"


def test_results_say_what_is_not_known_yet(studio: Studio) -> None:
    counted(studio, f"{SHIPPED}/results.json")
    text = studio.get(f"{SHIPPED}/results").text
    assert "Not yet known: no mail of this campaign has left long enough ago." in text
    assert "Nobody knows: the campaign holds nobody out." in text


# ------------------------------------------------------------------ acts


def test_a_campaign_is_paused_and_goes_on(studio: Studio) -> None:
    said = studio.act(f"{SHIPPED}/pause", on=SHIPPED, reason="  <b>why</b>\n ever ")
    paused = row(studio, "shipped")
    text = studio.get(SHIPPED).text
    again = studio.act(f"{SHIPPED}/pause", on=SHIPPED)
    resumed = studio.act(f"{SHIPPED}/resume", on=SHIPPED)

    assert said["said"] == "shipped is paused: 0 mails wait"
    assert (paused["standing"], paused["pause"]["reason"]) == ("paused", "<b>why</b> ever")
    assert "&lt;b&gt;why&lt;/b&gt; ever" in text
    assert "already" in again["said"]
    assert resumed["said"] == "shipped goes on: 0 mails go on"
    assert row(studio, "shipped")["standing"] == "running"


def test_a_mode_is_written_into_the_file_and_nothing_else(studio: Studio, file: Path) -> None:
    before, shown = file.read_text("utf-8"), counted(studio, f"{WELCOME}.json")["campaign"]
    file.chmod(0o640)

    done = studio.act(f"{WELCOME}/do/draft", on=WELCOME, digest=shown["digest"], mails="0")

    assert done["said"] == "welcome is draft now: campaigns/lifecycle/welcome.yaml says so"
    assert file.read_text("utf-8") == before.replace("mode: manual", "mode: draft", 1).replace(
        "mode: draft ", "mode: draft  ", 1
    )
    assert file.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in file.parent.iterdir() if one.name.startswith(".")] == []
    assert row(studio, "welcome")["mode"] == "draft"


def test_what_was_changed_is_kept_and_told_apart(studio: Studio, file: Path) -> None:
    campaign_texts.keep(studio.app)
    file.write_text(file.read_text("utf-8").replace("valid_for: ", "valid_for:  "), "utf-8")
    text = file.read_text("utf-8").replace("name: ", "name: Very ", 1)
    file.write_text(text, "utf-8")
    _read_anew(studio)
    planning.apply(studio.app)

    told = studio.json(f"{WELCOME}/versions.json")

    assert told["is_compared"]
    assert told["versions"][0]["is_now"]
    marked = [part for line in told["lines"] if line["kind"] == "new"
              for part, is_changed in line["parts"] if is_changed]  # fmt: skip
    assert "".join(marked).strip() == "Very"


@pytest.mark.parametrize(
    ("path", "form", "why"),
    [
        ("/do/draft", {"digest": "stale"}, "was changed since you looked at it"),
        ("/do/live", {"typed": "welcom", "mails": "3"}, "does not match"),
        ("/do/live", {"typed": "welcome", "mails": ""}, "still being counted"),
        ("/do/cancel", {"typed": "yes", "mails": "3"}, "does not match"),
        ("/do/cancel", {"typed": "", "mails": "5000"}, "does not match"),
        ("/do/nonsense", {}, "cannot be done"),
        ("/plan/apply", {"typed": "9"}, "does not match"),
    ],
    ids=["stale", "word", "counting", "cancel", "many", "nonsense", "plan"],
)
def test_what_was_not_meant_is_not_done(
    studio: Studio, path: str, form: dict[str, str], why: str, file: Path
) -> None:
    before = file.read_bytes(), states(studio)
    answer = studio.post(f"{WELCOME}{path}", on=WELCOME, **form)
    shown = studio.get(WELCOME).text
    assert answer.status == 303
    assert why in shown
    assert (file.read_bytes(), states(studio)) == before


def test_a_form_of_another_site_does_nothing(studio: Studio) -> None:
    assert studio.post(f"{SHIPPED}/pause", csrf="0" * 64).status == 403
    assert row(studio, "shipped")["pause"] is None


def states(studio: Studio) -> list[tuple[str, int]]:
    with studio.app.store.read() as connection:
        query = (
            sa.select(t.touches.c.state, sa.func.count())
            .where(t.touches.c.campaign == "welcome")
            .group_by(t.touches.c.state)
            .order_by(t.touches.c.state)
        )
        return [(row[0], row[1]) for row in connection.execute(query)]


def test_held_mails_are_released_and_others_ended(studio: Studio) -> None:
    held = dict(states(studio))["held"]
    released = studio.act(f"{WELCOME}/do/release", on=WELCOME, mails=str(held))
    ended = studio.act(f"{WELCOME}/do/cancel", on=WELCOME, mails=str(held), typed="welcome")
    assert released["said"].startswith(f"{held} mail")
    assert ended["said"] == f"{held} mails have ended" if held > 1 else "1 mail has ended"
    assert "held" not in dict(states(studio))
    reasons = {one.reason for one in outbox.list_(studio.app) if one.campaign == "welcome"}
    assert "cancelled" in reasons


# ------------------------------------------------------------------ plans


def test_a_plan_is_looked_at_kept_and_thrown_away(studio: Studio) -> None:
    path = "/campaigns/autumn-new-arrivals/plan"
    shown = counted(studio, f"{path}.json")["plan"]
    kept = studio.act(f"{path}/keep", on=path)
    told = counted(studio, f"{path}.json")["kept"]
    studio.act(f"{path}/forget", on=path)

    assert shown["planned"] + shown["left_out"] >= 0
    assert kept["said"].startswith("The plan is kept")
    assert told["word"] == "autumn-new-arrivals"
    assert counted(studio, f"{path}.json")["kept"] is None


def test_a_draft_shows_its_plan_and_cannot_be_applied(studio: Studio) -> None:
    path = "/campaigns/everything/plan"
    assert "The campaign is a draft" in studio.get(path).text
    studio.act(f"{path}/keep", on=path)
    studio.post(f"{path}/apply", on=path, typed="everything")
    assert "its mode is draft" in studio.get(path).text


def test_an_edit_is_tried_and_the_file_stays(studio: Studio, file: Path) -> None:
    before, path = file.read_bytes(), f"{WELCOME}/try"
    text = before.decode().replace("valid_for: ", "valid_for: 9")

    studio.act(f"{path}/look", on=path, text=text)
    changed = counted(studio, f"{path}.json")
    studio.act(f"{path}/look", on=path, text="id: welcome\nname: [\n")
    wrong = studio.json(f"{path}.json")
    studio.act(f"{path}/look", on=path, text=before.decode().replace("id: welcome", "id: other"))
    other = studio.get(path)
    studio.act(f"{path}/forget", on="/campaigns/shipped")

    assert [line["kind"] for line in changed["lines"]].count("new") == 1
    assert changed["difference"]["campaign"] == "welcome"
    assert wrong["problems"][0]["message"].startswith("not YAML")
    assert other.status == 400
    assert "another `id`" in other.text or "another" in other.text
    assert file.read_bytes() == before
    assert not studio.json(f"{path}.json")["is_tried"]


@pytest.fixture
def near_its_day(studio: Studio) -> Iterator[None]:
    """The evening before the EDM."""
    before = studio.clock.moment
    studio.clock.forward(days=6)
    campaign_story.look_again(studio.app)
    yield
    studio.clock.moment = before
    campaign_story.look_again(studio.app)


@pytest.mark.usefixtures("near_its_day")
def test_a_kept_plan_is_applied_by_typing_the_name(studio: Studio) -> None:
    path = "/campaigns/autumn-new-arrivals/plan"
    shown = counted(studio, f"{path}.json")["plan"]["planned"]
    studio.act(f"{path}/keep", on=path)
    studio.post(f"{path}/apply", on=path, typed="autumn")
    refused = studio.get(path).text

    done = studio.act(f"{path}/apply", on=path, typed=" autumn-new-arrivals ")

    assert "does not match" in refused
    assert shown > 0
    assert done["said"].startswith(f"{shown} mail")
    waiting = counted(studio, "/campaigns/autumn-new-arrivals.json")["total"]["waiting"]
    assert waiting == shown
    assert studio.json(f"{path}.json")["kept"] is None
    assert "the audience was taken on" in counted(studio, f"{path}.json")["standstill"]


def test_a_condition_that_does_not_hold_is_not_told_as_holding_mails_back() -> None:
    plan = CampaignPlan(campaign="care", name="Care", mode=Mode.LIVE, steps=1)
    plan.waiting = {SkipReason.CONDITION: 2, SkipReason.CASE_OPEN: 1}

    told = campaign_plan_pages._told(plan)

    assert (told["unmet"], [one["reason"] for one in told["waiting"]]) == (2, ["case_open"])


def test_what_an_edit_ends_says_why_in_words() -> None:
    example = Example(kind="ended", email="a@example.com", step="tip", before="", after="exited")
    found = Difference(campaign="care", counts={"ended": 1}, examples=(example,), waiting=0)

    told = campaign_plan_pages._difference(found)

    assert told["examples"][0]["after"] == "an exit condition of the campaign was met"


# ------------------------------------------------------------------ the month


def test_the_month_tells_what_is_planned_and_what_is_to_be_expected(studio: Studio) -> None:
    found = counted(studio, "/campaigns/calendar.json")
    days = {one["day"]: one for one in found["days"]}
    edm = days["2026-11-09"]["volumes"]
    assert found["days"][0]["is_today"]
    assert date.fromisoformat(found["days"][-1]["day"]) == date(2026, 12, 2)
    assert [one["campaign"] for one in edm if one["basis"] == "day"] == ["autumn-new-arrivals"]
    assert sum(one["planned"] + one["expected"] for one in edm) > 0
    assert any(one["festivals"] for one in found["days"])
    assert all(len(week) == 7 for week in found["weeks"])
    assert studio.get("/campaigns/calendar?ui=zh_CN").status == 200
    assert studio.get("/campaigns/calendar?ui=en").status == 200
