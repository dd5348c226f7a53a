"""The first page, the finder, the live numbers, and what every page has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, thread_time
from typing import Any

import pytest
from structlog.testing import capture_logs

from crm_mailer.app import App, finding, pausing, today
from crm_mailer.app.lately import Remembered
from crm_mailer.store import alerts
from crm_mailer.studio.formats import ticks
from crm_mailer.studio.server import application
from crm_mailer.web.serving import LOOPBACK
from tests.studio.conftest import NARROW, Studio, open_shop, served, window
from tests.studio.shop import EVIL


@pytest.fixture
def fresh(shop_template: Path, tmp_path: Path) -> Iterator[App]:
    """A shop that a test may change."""
    with open_shop(shop_template, tmp_path / "shop") as app:
        yield app


# ------------------------------------------------------------------ what it tells


def test_what_goes_out_is_told_by_the_hour_and_by_campaign(studio: Studio) -> None:
    told = studio.json("/index.json")

    assert told["outgoing"]["sent_today"] == 4
    bars = [(bar["sent"], bar["due"]) for bar in told["chart"]["bars"]]
    assert sum(sent for sent, _due in bars) == 4
    assert len(bars) == 47


def test_what_is_due_tomorrow_is_told_once_it_is_released(fresh: App) -> None:
    from crm_mailer.app import outbox

    assert today.today(fresh).outgoing.campaigns == ()
    outbox.release(fresh, "welcome")
    today.look_again(fresh)
    out = today.today(fresh).outgoing

    assert [(one.campaign, one.now + one.later) for one in out.campaigns] == [("welcome", 4)]
    assert (out.due_now, out.due_later) == (3, 1)


def test_what_came_back_is_told_by_kind(studio: Studio) -> None:
    back = {line["text"]: line["day"] for line in studio.json("/index.json")["back"]}

    assert (back["complaints"], back["questions"], back["automatic answers"]) == (1, 1, 1)
    assert back["orders"] == 0
    week = {line["text"]: line["week"] for line in studio.json("/index.json")["back"]}
    assert week["orders"] == 7


def test_what_waits_for_a_person_has_its_page(studio: Studio) -> None:
    items = {item["text"]: item for item in studio.json("/index.json")["items"]}

    assert items["open cases"]["number"] == 1
    assert items["tasks"]["number"] == 1
    assert items["held mails of welcome"]["number"] == 4
    for item in items.values():
        assert studio.get(item["link"]).status == 200, item["link"]


def test_a_case_that_is_late_is_told_as_late(fresh: App) -> None:
    fresh.clock.forward(days=5)  # type: ignore[attr-defined]

    assert today.counts(fresh) == today.Counts(cases=1, overdue=1, alerts=1)
    assert today.today(fresh).waiting.tasks_late == 1


def test_warnings_come_with_a_remedy_and_a_page(studio: Studio) -> None:
    notices = studio.json("/index.json")["notices"]

    texts = [one["text"] for one in notices]
    assert any(text.startswith("lane mailru is stopped since") for text in texts)
    assert "the mail server refused the password" in texts
    assert all(one["hint"] for one in notices)
    for one in notices:
        if one["link"]:
            assert studio.get(one["link"]).status == 200, one["link"]


def test_a_mailbox_that_nobody_reads_and_a_missing_daemon_are_told(
    fresh: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crm_mailer.settings import read_settings

    fresh.settings = read_settings(fresh.home, {"CRM_MAILER_IMAP_HOST": "imap.example"})
    with served(application(fresh)) as port:
        told = [one["text"] for one in Studio(app=fresh, port=port).json("/index.json")["notices"]]

    assert any("the mailbox imap.example:993 was last read –" in text for text in told)
    assert any("the daemon does not run" in text for text in told)


def test_a_fault_in_a_file_is_told_and_no_page_breaks(fresh: App) -> None:
    (fresh.home / "campaigns" / "lifecycle" / "shipped.yaml").write_text("id: [", "utf-8")
    with served(application(fresh)) as port:
        one = Studio(app=fresh, port=port)
        told = [notice["text"] for notice in one.json("/index.json")["notices"]]
        statuses = [one.get(path).status for path in ("/", "/outbox", "/campaigns", "/cases")]

    assert "1 fault in the shop's files" in told
    assert statuses == [200] * 4


@pytest.mark.parametrize(
    ("scope", "link"),
    [
        ("campaign:spring/bounces", "/campaigns/spring"),
        ("campaign:a b<c>", "/campaigns/a%20b%3Cc%3E"),
        ("lane:gmail/marketing", "/outbox/stops"),
        ("account:main/auth", "/outbox/stops"),
        ("something:else", ""),
    ],
    ids=["campaign", "odd name", "lane", "account", "unknown"],
)
def test_a_warning_leads_to_the_page_about_it(scope: str, link: str) -> None:
    from crm_mailer.studio import scopes

    assert scopes.link_of(scope) == link


def test_a_figure_that_takes_long_is_told_as_it_was_and_counted_behind_the_readers_back() -> None:
    times: list[float] = []

    def count() -> int:
        times.append(thread_time())
        while thread_time() < times[-1] + 0.05:
            pass
        return len(times)

    figure = Remembered(count)
    first = figure.get()
    again = figure.get()

    assert (first, again, len(times)) == (1, 1, 1)
    figure.expire()
    assert figure.get() == 1, "nobody waits for the new figure"
    end = monotonic() + 10
    while figure.get() == 1 and monotonic() < end:
        pass
    assert figure.get() == 2


# ------------------------------------------------------------------ the finder


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("anna@gmail.com", "/customers/1"),
        ("ANNA@gmail.com", "/customers/1"),
        ("Petrova", "/found?q=Petrova"),
        ("Anna", "/customers/1"),
        ("anna", "/customers/1"),
        ("范", "/customers/6"),
        ("B-1", "/customers/2"),
        ("case 1", "/cases/1"),
        ("mail 2", "/outbox/2"),
        ("个案 1", "/cases/1"),
        ("<r1@mail.example>", "/replies/1"),
        ("r2@mail.example", "/replies/2"),
        ("", "/found?q="),
        ("nothing at all", "/found?q=nothing+at+all"),
        ("case 99", "/found?q=case+99"),
        ("%_", "/found?q=%25_"),
    ],
)
def test_the_finder_leads_to_the_one_thing_that_fits(studio: Studio, text: str, page: str) -> None:
    from urllib.parse import quote

    assert studio.get(f"/find?q={quote(text)}").headers["location"] == page


def test_a_message_id_of_ours_is_found(studio: Studio) -> None:
    [message_id] = [
        studio.json("/outbox/2.json")["record"]["message_id"].strip("<>") for _ in range(1)
    ]
    assert finding.find(studio.app, message_id)[0].number == 2


def test_what_could_be_several_things_is_listed(studio: Studio) -> None:
    found = studio.json("/found.json", q="1")["found"]

    assert {(one["kind"], one["page"]) for one in found} == {
        ("case", "/cases/1"), ("mail", "/outbox/1"),
    }  # fmt: skip


# ------------------------------------------------------------------ every page


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/no/such/page", 404, "there is no such page"),
        ("/outbox/999999", 404, "there is no mail 999999"),
        ("/outbox/99999999999999999999", 404, "is no number"),
        ("/outbox/x", 404, "x is no number"),
        ("/outbox?state=eaten", 400, "is nothing to choose"),
        ("/outbox?day=tomorrow", 400, "is no day such as"),
        ("/outbox?customer=nobody@example.com", 404, "nobody@example.com"),
    ],
    ids=["page", "mail", "large number", "no number", "state", "day", "customer"],
)
def test_what_is_not_there_is_said_in_the_houses_look(
    studio: Studio, path: str, status: int, words: str
) -> None:
    answer = studio.get(path)
    data = studio.get(path, Accept="application/json")

    assert (answer.status, data.status) == (status, status)
    assert words in answer.text
    assert 'aria-label="Parts of the studio"' in answer.text
    assert words in data.json["error"]


def test_a_form_is_not_shown_and_a_page_takes_no_form(studio: Studio) -> None:
    assert studio.get("/outbox/stop").status in (404, 405)
    assert studio.post("/outbox/stops").status == 405


def test_a_fault_of_ours_has_a_number_and_no_traceback(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(app: App) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(today, "today", broken)
    with capture_logs() as lines:
        answer = studio.get("/")
        data = studio.get("/index.json")

    assert (answer.status, data.status) == (500, 500)
    assert "secret" not in answer.text + data.text
    assert len(data.json["log_id"]) == 8
    assert [line["log_id"] for line in lines if line["event"] == "page"][1] == data.json["log_id"]


def test_a_customers_name_is_never_a_script(studio: Studio, page: Any) -> None:
    for path in ("/customers/4", "/found?q=%3Cscript", "/outbox?q=%3Cscript%3Ealert(1)"):
        text = studio.get(path).text
        assert EVIL not in text, path
    page.goto(f"{studio.url}/found?q={EVIL}")
    assert EVIL in page.locator("h1").inner_text()


def test_the_language_is_kept_and_the_page_too(studio: Studio) -> None:
    one = Studio(app=studio.app, port=studio.port)
    assert 'href="?state=held&amp;ui=zh_CN"' in one.get("/outbox?state=held").text
    chinese = one.get("/outbox?state=held&ui=zh_CN").text
    after = one.get("/").text

    assert '<html lang="zh-CN">' in chinese
    assert "今日" in after
    assert '<html lang="en">' in studio.get("/").text


def test_numbers_live_while_somebody_looks(fresh: App) -> None:
    with served(application(fresh)) as port:
        line = HTTPConnection(LOOPBACK, port, timeout=20)
        line.request("GET", "/live")
        answer = line.getresponse()
        assert answer.headers["content-type"].startswith("text/event-stream")
        first = json.loads(_heard(answer))
        with fresh.store.write() as connection:
            alerts.raise_(connection, "lane:x/y", "it hurts", now=fresh.clock.now())
        second = json.loads(_heard(answer))
        line.close()

    assert (first["alerts"], second["alerts"]) == (1, 2)


def test_a_page_that_listens_does_not_keep_the_studio_from_ending(fresh: App) -> None:
    began = monotonic()
    with served(application(fresh)) as port:
        line = HTTPConnection(LOOPBACK, port, timeout=20)
        line.request("GET", "/live")
        answer = line.getresponse()
        _heard(answer)
    line.close()

    assert monotonic() - began < 10


def _heard(answer: Any) -> str:
    while not (line := answer.readline().strip()).startswith(b"data: "):
        pass
    return str(line.decode().removeprefix("data: "))


# ------------------------------------------------------------------ in a browser


def test_keys_lead_about(studio: Studio, page: Any) -> None:
    page.goto(studio.url)
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("7")
    page.wait_for_url("**/outbox")
    page.keyboard.press("/")
    page.keyboard.type("case 1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/1")


def test_a_warning_that_comes_is_seen_without_loading_the_page(studio: Studio, page: Any) -> None:
    sync_api: Any = pytest.importorskip("playwright.sync_api")
    page.goto(studio.url)
    badge = page.locator("[data-live=alerts]")
    assert badge.inner_text() == "1"
    with studio.app.store.write() as connection:
        alerts.raise_(connection, "lane:late/one", "another", now=studio.clock.now())
    sync_api.expect(badge).to_have_text("2")
    with studio.app.store.write() as connection:
        alerts.end(connection, "lane:late/one", studio.clock.now())


def test_pages_work_without_scripts_and_on_a_phone(studio: Studio, browser: Any) -> None:
    with window(browser, viewport=NARROW, java_script_enabled=False) as page:
        page.goto(studio.url)
        page.get_by_role("link", name="Outbox", exact=True).click()
        page.get_by_role("link", name="Your order B-1 is on its way").click()
        assert "Mail" in page.title()


def test_everything_is_stopped_and_goes_on(fresh: App, browser: Any) -> None:
    with served(application(fresh)) as port, window(browser) as page:
        page.goto(f"http://{LOOPBACK}:{port}/outbox/stops")
        page.get_by_label("Why").fill("the stock is wrong")
        page.get_by_role("button", name="Stop", exact=True).click()
        assert "all sending is stopped" in page.get_by_role("status").inner_text()
        reasons = {one.scope: one.reason for one in pausing.list_pauses(fresh)}
        assert reasons["all"] == "the stock is wrong"
        page.goto(f"http://{LOOPBACK}:{port}/")
        assert page.get_by_text("All sending is stopped", exact=True).is_visible()
        page.goto(f"http://{LOOPBACK}:{port}/outbox/stops")
        page.get_by_role("row", name="all sending").get_by_role("button").click()
        assert "all sending goes on" in page.get_by_role("status").inner_text()

    assert [one.scope for one in pausing.list_pauses(fresh)] == ["lane:mailru"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run `a<b` now", "run <code>a&lt;b</code> now"),
        ("one ` alone <i>", "one ` alone &lt;i&gt;"),
        ("<b>", "&lt;b&gt;"),
        ("", ""),
    ],
    ids=["command", "odd", "markup", "nothing"],
)
def test_commands_in_sentences_are_shown_as_such_and_nothing_else_is_believed(
    text: str, shown: str
) -> None:
    assert ticks(text) == shown
