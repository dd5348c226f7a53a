"""The public pages in a real browser, on a phone, without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest

from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.token import Purpose
from crm_mailer.store import suppressions
from tests.public.conftest import NARROW
from tests.public.page_site import PageSite

ANNA, BOB, CARMEN = "anna@example.ru", "bob@example.com", "carmen@example.es"


def at(site: PageSite, path: str) -> str:
    return site.running.address.rstrip("/") + path


def is_wide(window: Any) -> bool:
    """Whether anything stands out of a phone's screen."""
    size: int = window.locator("html").bounding_box()["width"]
    body: int = window.locator("body").bounding_box()["width"]
    return max(size, body) > NARROW["width"]


def test_somebody_unsubscribes_says_why_and_thinks_again(window: Any, site: PageSite) -> None:
    window.goto(at(site, site.link(Purpose.UNSUBSCRIBE, BOB)))
    window.get_by_role("button", name="Unsubscribe").click()
    assert window.get_by_role("heading", level=1).inner_text() == "You are unsubscribed"
    window.get_by_label("Too many emails").check()
    window.get_by_role("button", name="Send").click()
    assert window.get_by_text("Thank you for telling us.").is_visible()
    site.take_in()
    with site.app.store.read() as connection:
        found = suppressions.find(connection, BOB)
    assert [one.reason for one in found] == [SuppressionReason.UNSUBSCRIBED]
    window.get_by_role("button", name="That was a mistake").click()
    assert window.get_by_role("heading", level=1).inner_text() == "As before"
    site.take_in()
    with site.app.store.read() as connection:
        assert suppressions.find(connection, BOB) == []


def test_somebody_chooses_what_to_get(window: Any, site: PageSite) -> None:
    window.goto(at(site, site.link(Purpose.UNSUBSCRIBE, BOB)))
    window.get_by_role("link", name="Choose what you get").click()
    window.get_by_label("Wishes").uncheck()
    window.get_by_label("About half as many").check()
    window.get_by_label("No marketing emails for 30 days").check()
    window.get_by_label("Language of our emails").select_option("ru")
    window.get_by_label("Day", exact=True).select_option("29")
    window.get_by_label("Month", exact=True).select_option("February")
    window.get_by_role("button", name="Save").click()
    assert window.get_by_text("Сохранено").is_visible()
    assert not is_wide(window)
    site.take_in()
    reader = site.reader(BOB)
    assert reader.topics_off == {"wishes"}
    assert reader.wants_fewer
    assert reader.language == "ru"
    assert reader.has_birthday
    assert reader.paused_until is not None


def test_the_keyboard_alone_is_enough(window: Any, site: PageSite) -> None:
    window.goto(at(site, site.link(Purpose.UNSUBSCRIBE, CARMEN)))
    window.keyboard.press("Tab")
    window.keyboard.press("Enter")
    assert window.get_by_role("heading", level=1).inner_text() == "Se ha dado de baja"


def test_another_language_is_one_link_away_and_stays(window: Any, site: PageSite) -> None:
    window.goto(at(site, site.link(Purpose.UNSUBSCRIBE, BOB)))
    window.get_by_role("link", name="Deutsch").click()
    window.get_by_role("button", name="Abbestellen").click()
    assert window.get_by_role("heading", level=1).inner_text() == "Sie sind abgemeldet"


# ------------------------------------------------------------------ for everybody


@pytest.fixture(scope="module")
def axe() -> Any:
    found: Any = pytest.importorskip("axe_playwright_python.sync_playwright")
    return found.Axe()


UNSUBSCRIBE, PREFERENCES, CONFIRM = Purpose.UNSUBSCRIBE, Purpose.PREFERENCES, Purpose.CONFIRM


@pytest.mark.parametrize(
    ("purpose", "address", "act", "scheme", "code"),
    [
        (UNSUBSCRIBE, BOB, "", "light", "en"),
        (UNSUBSCRIBE, BOB, "button.big", "dark", "en"),
        (PREFERENCES, BOB, "", "dark", "ar"),
        (PREFERENCES, ANNA, "button.big", "light", "zh"),
        (CONFIRM, CARMEN, "", "light", "ar"),
        (CONFIRM, CARMEN, "button.big", "dark", "ru"),
        (None, "", "", "light", "de"),
    ],
    ids=["ask", "done", "choose when unsubscribed", "saved", "confirm", "confirmed", "missing"],
)
def test_axe_finds_nothing(
    browser: Any,
    axe: Any,
    pages: PageSite,
    purpose: Purpose | None,
    address: str,
    act: str,
    scheme: str,
    code: str,
) -> None:
    path = "/nowhere" if purpose is None else pages.link(purpose, address)
    # axe is a script: for it the policy is left aside
    shown = browser.new_page(viewport=NARROW, color_scheme=scheme, bypass_csp=True)
    shown.goto(at(pages, f"{path}?hl={code}"))
    if act:
        shown.locator(act).click()
    found = axe.run(shown)
    width = shown.evaluate("document.documentElement.scrollWidth")
    shown.close()
    assert found.violations_count == 0, found.generate_report()
    assert width <= NARROW["width"]
