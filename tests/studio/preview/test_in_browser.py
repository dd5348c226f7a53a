"""The page in a real browser; skipped where there is none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import chromium_browser
from tests.studio.preview.conftest import SHIPPED, Site

sync_api: Any = pytest.importorskip("playwright.sync_api", reason="no Playwright")
expect = sync_api.expect

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 375, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium_browser() as found:
        yield found


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A window that has nothing to complain of: no script failed, no policy was broken."""
    complaints: list[str] = []
    window = browser.new_page(viewport=WIDE)
    window.on("pageerror", lambda error: complaints.append(str(error)))
    window.on("console", lambda said: complaints.append(said.text) if said.type == "error" else 0)
    yield window
    window.close()
    # a mail's links are dead, and the browser says so
    assert [one for one in complaints if not one.startswith("Blocked opening")] == []


def show(
    page: Any, site: Site, chosen: str = "", *, ui: str = "en", template: str = SHIPPED
) -> Any:
    page.goto(f"{site.url}?ui={ui}#template={template}&language=en&{chosen}")
    page.wait_for_selector("html[data-shown]")
    return page


def frame(page: Any) -> Any:
    return page.frame_locator(".frames iframe:not(.coming)")


def test_the_mail_stands_in_a_frame_of_its_width(page: Any, site: Site) -> None:
    show(page, site)
    widths = [page.locator(".frames iframe").bounding_box()["width"]]
    page.get_by_role("tab", name="Mobile").click()
    page.wait_for_selector(".sheet.mobile")
    widths.append(page.locator(".frames iframe").bounding_box()["width"])

    assert widths == [720, 375]
    assert frame(page).locator("h1").inner_text() == "Your parcel is on its way"
    assert page.locator(".letter .subject").inner_text().endswith("is on its way")
    height = page.locator(".frames iframe").bounding_box()["height"]
    assert height > 700


def test_keys_do_what_hands_do(page: Any, site: Site) -> None:
    show(page, site)
    page.keyboard.press("3")
    page.wait_for_selector("pre.letter-text")
    text = page.locator("pre.letter-text").inner_text()
    page.keyboard.press("l")
    expect(page.locator("pre.letter-text")).not_to_contain_text("Good news")
    page.keyboard.press("5")
    page.wait_for_selector("#panel table")
    page.keyboard.press("1")
    page.keyboard.press("d")
    page.wait_for_selector(".sheet.dark")
    page.keyboard.press("/")
    page.keyboard.type("birth")
    page.keyboard.press("Enter")
    page.wait_for_url("**/*care%2Fbirthday*")

    assert "Your parcel is on its way" in text
    assert page.locator("#dark").get_attribute("aria-pressed") == "true"
    assert page.locator("#templates a[aria-current]").inner_text().startswith("birthday")


def test_dark_shows_the_mails_own_dark(page: Any, site: Site) -> None:
    show(page, site)
    shade = "el => getComputedStyle(el).backgroundColor"
    light = frame(page).locator(".page").first.evaluate(shade)
    page.locator("#dark").click()
    page.wait_for_selector(".sheet.dark")
    dark = frame(page).locator(".page").first.evaluate(shade)

    assert (light, dark) == ("rgb(245, 245, 242)", "rgb(18, 20, 22)")


def test_a_save_is_seen_without_a_hand_on_the_browser(
    page: Any, site: Site, restored: Path
) -> None:
    show(page, site)
    text = restored.read_text(encoding="utf-8")
    restored.write_text(text.replace("</h1>", " today</h1>"), encoding="utf-8")
    frame(page).get_by_role("heading", name="Your parcel is on its way today").wait_for()

    restored.write_text(text.replace("{{ greeting }}", "{{ greting }}"), encoding="utf-8")
    page.get_by_role("alert").wait_for()
    fault = page.get_by_role("alert").inner_text()
    restored.write_text(text, encoding="utf-8")
    page.wait_for_selector(".fault", state="detached")

    frame(page).get_by_role("heading", name="Your parcel is on its way").wait_for()
    assert "{{ greting }}" in fault
    assert "^^^" in fault


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a picture whose server never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/slow.png"


def test_after_a_save_the_same_frame_shows_the_new_mail_in_its_own_looks(
    page: Any, site: Site, restored: Path
) -> None:
    show(page, site, "dark=1")
    page.locator(".frames iframe").evaluate("frame => { frame.dataset.mark = 'first' }")
    looks = "one => [getComputedStyle(one).backgroundColor, getComputedStyle(one).fontSize]"
    before = [frame(page).locator(name).first.evaluate(looks) for name in (".page", "h1")]
    text = restored.read_text(encoding="utf-8")
    restored.write_text(text.replace("</h1>", " now</h1>"), encoding="utf-8")
    frame(page).get_by_role("heading", name="Your parcel is on its way now").wait_for()
    after = [frame(page).locator(name).first.evaluate(looks) for name in (".page", "h1")]

    assert page.locator(".frames iframe").get_attribute("data-mark") == "first"
    assert after == before
    assert frame(page).locator("html").get_attribute("lang") == "en"
    assert frame(page).locator("base").get_attribute("target") == "_blank"


def test_a_mail_does_not_wait_for_its_pictures(
    silent: str, page: Any, site: Site, restored: Path
) -> None:
    show(page, site)
    text = restored.read_text(encoding="utf-8")
    picture = f'<mj-image src="{silent}" alt="Slow" width="100px" />'
    changed = text.replace("<mj-text>{{ greeting", f"{picture}<mj-text>{{{{ greeting")
    restored.write_text(changed, encoding="utf-8")
    slow = frame(page).get_by_alt_text("Slow")
    slow.wait_for(state="attached")

    assert not slow.evaluate("one => one.complete")
    expect(frame(page).locator("h1")).to_be_visible()
    expect(page.locator(".frames iframe")).to_have_count(1)


def test_a_saved_campaign_is_seen_too(page: Any, site: Site) -> None:
    campaign = site.home / "campaigns" / "lifecycle" / "shipped.yaml"
    before = campaign.read_text(encoding="utf-8")
    show(page, site)
    step = f"    template: {SHIPPED}\n"
    assert step in before
    campaign.write_text(before.replace(step, f"{step}    subject: {{en: Off it goes}}\n"))
    try:
        expect(page.locator(".letter .subject")).to_have_text("Off it goes")
    finally:
        campaign.write_text(before, encoding="utf-8")
    expect(page.locator(".letter .subject")).not_to_have_text("Off it goes")


def test_what_hostile_data_bring_does_nothing(page: Any, site: Site) -> None:
    show(page, site, "reader=hostile", template="care/birthday")

    assert frame(page).locator("script").count() == 0
    frame(page).locator("a").first.click(force=True)
    page.wait_for_timeout(100)
    assert len(page.context.pages) == 1
    assert frame(page).locator("h1").count() == 1


def test_findings_of_the_campaign_stand_beside_those_of_the_template(page: Any, site: Site) -> None:
    campaign = site.home / "campaigns" / "lifecycle" / "shipped.yaml"
    before = campaign.read_text(encoding="utf-8")
    show(page, site)
    expect(page.locator("#count")).to_be_hidden()
    campaign.write_text(before.replace("mode: draft", "mode: sleeping"), encoding="utf-8")
    try:
        expect(page.locator("#count")).to_have_text("1", timeout=30_000)
        page.get_by_role("tab", name="Checks").click()
        expect(page.get_by_role("heading", name="Campaign")).to_be_visible()
        expect(page.locator(".finding .place").first).to_contain_text("lifecycle/shipped.yaml:7")
    finally:
        campaign.write_text(before, encoding="utf-8")
    expect(page.locator("#count")).to_be_hidden(timeout=30_000)


def test_a_narrow_window_chooses_from_a_list_and_scrolls_only_down(page: Any, site: Site) -> None:
    page.set_viewport_size(NARROW)
    show(page, site, "view=mobile", ui="zh_CN")
    page.locator("#template").select_option("care/birthday")
    page.wait_for_url("**/*care%2Fbirthday*")

    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.evaluate("document.querySelector('main').scrollWidth") <= 375
    assert page.get_by_role("tab", name="手机").get_attribute("aria-selected") == "true"
    assert not page.locator(".shelf").is_visible()
